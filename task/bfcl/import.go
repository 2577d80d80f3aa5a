package bfcl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ballast/bounded"
	"ballast/durable"
	"ballast/value"
	api "ballast/world/bfcl"
)

// Imported says what Import wrote.
type Imported struct {
	Files     int `json:"files"`
	Tasks     int `json:"tasks"`
	Constants int `json:"constants"` // of the long context
	// SameConstants reports whether they are those that the simulators play. If
	// not, results in long_context may differ from that checkout's.
	SameConstants bool `json:"same_constants"`
}

// constantsFile lies below a checkout's bfcl_eval folder.
const constantsFile = "eval_checker/multi_turn_eval/func_source_code/long_context.py"

// Import copies what this package and the documentation need from a checkout of
// the benchmark into one folder: questions, gold answers, documentation of the
// eight classes, the constants of the long context as JSON, the paper's split and
// the licence. The constants are read from their Python source as literals;
// nothing is run. What it wrote loads: Import ends with Load. A file in to
// that holds something else is an error, before any is written.
func Import(from, to string) (Imported, error) {
	var res Imported
	root, err := locate(from)
	if err != nil {
		return res, err
	}
	constants, err := importConstants(root)
	if err != nil {
		return res, err
	}
	res.Constants = constants.Len()
	text, err := value.JSON(constants)
	if err != nil {
		return res, fmt.Errorf("bfcl: constants: %w", err)
	}
	builtin, err := value.ParseJSON(api.LongContext())
	if err != nil {
		panic(err)
	}
	res.SameConstants = value.Equal(constants, builtin)
	split, err := splitJSON()
	if err != nil {
		return res, err
	}
	files := map[string][]byte{"long_context.json": []byte(text + "\n"), "split_seed42.json": split}
	for _, c := range Categories {
		for _, name := range []string{questionFile(c), "possible_answer/" + questionFile(c)} {
			files[name] = nil
		}
	}
	for _, name := range docFiles {
		files["multi_turn_func_doc/"+name] = nil
	}
	if license := findLicense(root, from); license != "" {
		if files["LICENSE"], err = bounded.ReadFile(license, maxFile); err != nil {
			return res, fmt.Errorf("bfcl: %w", err)
		}
	}
	for name, data := range files {
		if data == nil {
			if files[name], err = bounded.ReadFile(filepath.Join(root, filepath.FromSlash(name)), maxFile); err != nil {
				return res, fmt.Errorf("bfcl: %w", err)
			}
		}
	}
	if res.Files, err = durable.Files(to, files); err != nil {
		return res, fmt.Errorf("bfcl: %w", err)
	}
	tasks, err := Load(to, Options{})
	res.Tasks = len(tasks)
	return res, err
}

// importConstants finds the constants: the source in a checkout, or the JSON of a
// folder that was imported before.
func importConstants(root string) (*value.Dict, error) {
	path := filepath.Join(root, "..", filepath.FromSlash(constantsFile))
	text, err := bounded.ReadFile(path, maxFile)
	if err == nil {
		d, err := parseConstants(string(text))
		if err != nil {
			return nil, fmt.Errorf("bfcl: %s:%w", path, err)
		}
		return d, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("bfcl: %w", err)
	}
	path = filepath.Join(root, "long_context.json")
	text, err = bounded.ReadFile(path, maxFile)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("bfcl: %w", err)
		}
		return nil, fmt.Errorf("bfcl: neither %s beside the data nor long_context.json in it: name the benchmark's whole checkout", constantsFile)
	}
	v, err := value.ParseJSON(text)
	d, ok := v.(*value.Dict)
	if err == nil && !ok {
		err = errors.New("not a JSON object")
	}
	if err != nil {
		return nil, fmt.Errorf("bfcl: %s: %w", path, err)
	}
	return d, nil
}

// splitJSON is the paper's split as a file.
func splitJSON() ([]byte, error) {
	train, test := split()
	data, err := json.Marshal(map[string]any{
		"source": "indices 0 to 199 shuffled by Python's random with seed 42; the first 100 train, the others test, in every category; " +
			"long_context only tests",
		"train": train, "test": test,
	})
	return append(data, '\n'), err
}

// findLicense looks for the licence in the data folder and its parents up to from.
func findLicense(root, from string) string {
	for dir := root; ; dir = filepath.Dir(dir) {
		if path := filepath.Join(dir, "LICENSE"); isFile(path) {
			return path
		}
		if rel, err := filepath.Rel(from, dir); err != nil || rel == "." || strings.HasPrefix(rel, "..") {
			return ""
		}
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// parseConstants reads a Python file that holds nothing but assignments of
// literals to names, and docstrings. Ellipsis becomes {"$ellipsis": true}, as in the golden
// corpus. An error begins with the line.
func parseConstants(text string) (*value.Dict, error) {
	d := &value.Dict{}
	s := statements{text: text}
	for {
		line, stmt, ok := s.next()
		if !ok {
			return d, nil
		}
		if v, err := value.ParseLiteral(stmt); err == nil {
			if _, text := v.(string); text { // a docstring
				continue
			}
		}
		name, literal, found := strings.Cut(stmt, "=")
		name = strings.TrimSpace(name)
		if !found || !isName(name) {
			return nil, fmt.Errorf("%d: not an assignment of a literal to a name: %.60q", line, stmt)
		}
		v, err := value.ParseLiteral(literal)
		if err != nil {
			return nil, fmt.Errorf("%d: %s: %w", line, name, err)
		}
		d.Set(name, v)
	}
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		if !(c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

// statements cuts Python source of literals into statements: at line ends that
// are in no bracket and no string.
type statements struct {
	text string
	pos  int
	line int // line ends before pos
}

// next returns the next statement that is not blank, without comments and with
// Ellipsis spelled as a dict, and its line from 1.
func (s *statements) next() (line int, stmt string, ok bool) {
	var b bytes.Buffer
	line, depth := s.line+1, 0
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		switch {
		case c == '\n' && depth <= 0:
			s.pos++
			s.line++
			if stmt := strings.TrimSpace(b.String()); stmt != "" {
				return line, stmt, true
			}
			b.Reset()
			line = s.line + 1
			continue
		case strings.HasPrefix(s.text[s.pos:], "\\\n"): // the line goes on
			b.WriteByte(' ')
			s.pos += 2
			s.line++
			continue
		case c == '#':
			if n := strings.IndexByte(s.text[s.pos:], '\n'); n >= 0 {
				s.pos += n
			} else {
				s.pos = len(s.text)
			}
			continue
		case c == '"' || c == '\'':
			n := stringLength(s.text[s.pos:])
			s.line += strings.Count(s.text[s.pos:s.pos+n], "\n")
			b.WriteString(s.text[s.pos : s.pos+n])
			s.pos += n
			continue
		case strings.HasPrefix(s.text[s.pos:], "..."):
			b.WriteString(`{"$ellipsis": True}`)
			s.pos += 3
			continue
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		case c == '\n':
			s.line++
		}
		b.WriteByte(c)
		s.pos++
	}
	stmt = strings.TrimSpace(b.String())
	return line, stmt, stmt != ""
}

// stringLength is the length of the string literal that text begins with; all of
// text if it does not end. A literal of one quote ends at the line's end.
func stringLength(text string) int {
	quote, long := text[:1], false
	if q := strings.Repeat(quote, 3); strings.HasPrefix(text, q) {
		quote, long = q, true
	}
	for i := len(quote); i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '\n' && !long:
			return i
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote)
		}
	}
	return len(text)
}
