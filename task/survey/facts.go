package survey

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ballast/value"
)

// Bounds of what is read of one result.
const (
	maxFacts = 1000
	maxDepth = 8
	maxText  = 200 // bytes of a text that may be a value of its own
	maxLines = 400
)

// Fact is a value that stood in a result.
type Fact struct {
	Value any    // text, int64, float64 or bool
	Key   string // it stood under, "" for one that had none
	Path  string // in the result: orders[2].id; of texts line[3]
	// List is the path of the list that the value is in, Item its place and Field the path in the
	// item; List is "" for a value that is in no list.
	List  string
	Item  int
	Field string
	// Joined says that the value was made of a folder that was asked for and a name in the result.
	Joined bool
	key    []string // words of the key, singular
	above  []string // words of what the key stood in, singular
}

// Result is what a call returned, as far as it can be read.
type Result struct {
	Text  string
	Value any // of JSON, or of a Python literal; nil where the text is neither
	Facts []Fact
}

// Read finds the values in the result of a tool. It reads JSON, Python's literals and lines of
// text: lists with bullets, marks or numbers, "key: value", tables with bars.
func Read(tool, text string) Result {
	r := Result{Text: text}
	f := finder{r: &r}
	trimmed := strings.TrimSpace(text)
	v, ok := Parse(trimmed)
	switch s, plain := v.(string); {
	case ok && !plain:
		r.Value = v
		f.walk(v, place{above: nouns(tool)}, 0)
	case ok && plain:
		r.Value = s
		f.lines(s, nouns(tool))
	default:
		f.lines(trimmed, nouns(tool))
	}
	return r
}

// Parse reads a result that is a value: JSON, several JSON objects one a line, or a Python
// literal that is a list, a tuple or a dict.
func Parse(text string) (v any, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, false
	}
	if v, err := value.ParseExact([]byte(text)); err == nil {
		return v, true
	}
	if strings.IndexByte("[{(", text[0]) < 0 {
		return nil, false
	}
	if list := objects(text); list != nil {
		return list, true
	}
	if v, err := value.ParseLiteral(text); err == nil {
		return v, true
	}
	return nil, false
}

// objects reads JSON objects, one a line, nil where the text is something else.
func objects(text string) *value.List {
	lines := strings.Split(text, "\n")
	if len(lines) < 2 {
		return nil
	}
	list := &value.List{}
	for _, line := range lines {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		v, err := value.ParseExact([]byte(line))
		if _, is := v.(*value.Dict); err != nil || !is {
			return nil
		}
		list.Items = append(list.Items, v)
	}
	return list
}

// finder collects facts.
type finder struct{ r *Result }

// place is where a value stands.
type place struct {
	key        string
	path       string
	above      []string
	list       string
	item       int
	field      string
	within     bool // a list
	namedAbove bool // above comes from a key, and not from the tool's name
}

// walk collects the values in a value.
func (f *finder) walk(v any, p place, depth int) {
	if depth > maxDepth || len(f.r.Facts) >= maxFacts {
		return
	}
	switch v := v.(type) {
	case *value.Dict:
		above := p.above
		if p.key != "" {
			above = singulars(p.key)
		}
		for i := range v.Len() {
			k, x := v.At(i)
			key, ok := k.(string)
			if !ok {
				continue
			}
			q := p
			q.key, q.path, q.above = key, join(p.path, key), above
			if p.within {
				q.field = join(p.field, key)
			}
			f.walk(x, q, depth+1)
		}
	case *value.List:
		f.items(v.Items, p, depth)
	case *value.Tuple:
		f.items(v.Items, p, depth)
	default:
		f.add(v, p)
	}
}

func (f *finder) items(items []any, p place, depth int) {
	for i, x := range items {
		q := p
		q.path = fmt.Sprintf("%s[%d]", p.path, i)
		if !p.within { // of lists inside of lists the outer one counts
			q.list, q.item, q.within = p.path+"[]", i, true
		} else {
			q.field = fmt.Sprintf("%s[%d]", p.field, i)
		}
		f.walk(x, q, depth+1)
	}
}

func (f *finder) add(v any, p place) {
	if s, ok := v.(string); ok && (strings.TrimSpace(s) == "" || len(s) > maxText || strings.ContainsAny(s, "\n\r")) {
		return
	}
	switch v.(type) {
	case string, int64, float64, bool:
	default:
		return
	}
	if len(f.r.Facts) >= maxFacts {
		return
	}
	f.r.Facts = append(f.r.Facts, Fact{Value: v, Key: p.key, Path: p.path, List: p.list, Item: p.item, Field: p.field,
		key: singulars(p.key), above: p.above})
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// lines collects the values in the lines of a text.
func (f *finder) lines(text string, above []string) {
	var header []string // of a table
	counts := map[string]int{}
	heading := above
	for i, line := range strings.SplitN(text, "\n", maxLines+1) {
		if i == maxLines {
			break
		}
		line = strings.TrimSpace(line)
		if cells := row(line); cells != nil {
			header = f.table(header, cells, i, heading, counts)
			continue
		}
		header = nil
		mark, rest := unmark(line)
		if rest == "" {
			continue
		}
		key, v, pair := keyed(rest)
		switch {
		case pair && v == "":
			heading = singulars(key)
			continue
		case pair:
			f.line(scalar(v), key, i, heading, counts)
		case mark != "":
			f.line(scalar(rest), mark, i, heading, counts)
		case len(rest) <= maxText && !prose(rest):
			f.line(scalar(rest), "", i, heading, counts)
		}
	}
}

// line adds the value of a line. Lines of one key are a list.
func (f *finder) line(v any, key string, i int, above []string, counts map[string]int) {
	f.add(v, place{key: key, path: fmt.Sprintf("line[%d]", i), above: above, list: "lines " + key, item: counts[key], within: true})
	counts[key]++
}

// table adds the cells of a row under the names of the header, which the first row is.
func (f *finder) table(header, cells []string, i int, above []string, counts map[string]int) []string {
	if header == nil {
		return cells
	}
	if strings.Trim(strings.Join(cells, ""), "-: +=") == "" { // the rule below the header
		return header
	}
	n := counts["|"]
	counts["|"]++
	for k, cell := range cells {
		if k < len(header) && cell != "" {
			f.add(scalar(cell), place{key: header[k], path: fmt.Sprintf("line[%d].%s", i, header[k]), above: above, list: "rows", item: n,
				field: header[k], within: true})
		}
	}
	return header
}

// row are the cells of a line of a table with bars, nil for another line.
func row(line string) (cells []string) {
	if strings.Count(line, "|") < 2 || !strings.HasPrefix(line, "|") {
		return nil
	}
	for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		cells = append(cells, strings.TrimSpace(cell))
	}
	return cells
}

// marks are what words in brackets before a name say.
var marks = map[string]string{"dir": "directory", "d": "directory", "f": "file"}

// unmark takes the bullet, the number or the mark in brackets off a line.
func unmark(line string) (mark, rest string) {
	for _, bullet := range []string{"- ", "* ", "• ", "+ ", "> "} {
		line = strings.TrimPrefix(line, bullet)
	}
	if head, tail, ok := strings.Cut(line, " "); ok && len(head) < 6 && len(head) > 1 && strings.IndexByte(".)", head[len(head)-1]) >= 0 {
		if _, err := strconv.Atoi(head[:len(head)-1]); err == nil {
			line = tail
		}
	}
	line = strings.TrimSpace(line)
	if inside, ok := strings.CutPrefix(line, "["); ok {
		if word, tail, ok := strings.Cut(inside, "]"); ok && len(word) < 20 && len(Words(word)) == 1 && strings.TrimSpace(tail) != "" {
			mark = strings.ToLower(word)
			if m := marks[mark]; m != "" {
				mark = m
			}
			line = strings.TrimSpace(tail)
		}
	}
	return mark, line
}

// keyed reads "key: value". A key is a few words.
func keyed(line string) (key, v string, ok bool) {
	key, v, ok = strings.Cut(line, ":")
	if !ok || len(key) > 40 || v != "" && v[0] != ' ' && v[0] != '\t' {
		return "", "", false
	}
	words := Words(key)
	if len(words) == 0 || len(words) > 4 || strings.ContainsAny(key, `/\"'(){}[],;.`) {
		return "", "", false
	}
	v = strings.TrimSpace(v)
	return strings.TrimSpace(key), v, true
}

// prose says whether a line is a sentence and no value.
func prose(line string) bool {
	n := len(strings.Fields(line))
	return n > 8 || n > 3 && strings.IndexByte(".!?:", line[len(line)-1]) >= 0
}

// scalar is the value that a word stands for: a number, or text without its quotes.
func scalar(word string) any {
	if n := len(word); n > 1 && (word[0] == '"' || word[0] == '\'' || word[0] == '`') && word[n-1] == word[0] {
		return word[1 : n-1]
	}
	if v, err := value.ParseExact([]byte(word)); err == nil {
		switch v.(type) {
		case int64, float64:
			return v
		}
	}
	return word
}

// Has says whether the words of a fact's key, or of what it stood in, have a word.
func (f *Fact) Has(word string) bool {
	return slices.Contains(f.key, word) || slices.Contains(f.above, word)
}

// Label is the words of a fact's key, or of what it is an item of.
func (f *Fact) Label() string {
	if len(f.key) > 0 && f.Joined {
		return strings.Join(f.key, " ")
	}
	if len(f.key) > 0 {
		return strings.Join(Words(f.Key), " ")
	}
	return strings.Join(f.above, " ")
}

// Noun is the word for what a fact's list has: order of orders[2].id. It is "" where nothing
// says.
func (f *Fact) Noun() string {
	if len(f.above) == 0 {
		return ""
	}
	return strings.Join(f.above, " ")
}
