package history

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ballast/bounded"
	"ballast/doctor/rollouts"
)

// file is one file of a folder, and what its place and name say.
type file struct {
	path   string // to open it
	rel    string // within the folder
	group  string // its folders without what counts: files of one run have the same
	worker string
	step   int // -1 where neither folders nor name count
	from   string
	epoch  int  // 0 where neither says one
	held   bool // of validation
	size   int64
}

// mostFiles bounds the files of a folder.
const mostFiles = 500_000

// account collects what is left out; what shares a reason is counted.
type account struct {
	list []rollouts.LeftOut
	at   map[string]int
}

func (a *account) add(path, why string) {
	if a.at == nil {
		a.at = map[string]int{}
	}
	i, ok := a.at[why]
	if !ok {
		i = len(a.list)
		a.at[why] = i
		a.list = append(a.list, rollouts.LeftOut{Path: path, Why: why})
	}
	a.list[i].Count++
}

// walk lists the files of a folder that may hold rollouts. Links are not followed;
// what is not read is put into the account.
func walk(root string, left *account) ([]file, error) {
	return list(bounded.Dir(root), root, left)
}

func list(fsys fs.FS, root string, left *account) ([]file, error) {
	var out []file
	err := fs.WalkDir(fsys, ".", func(rel string, e fs.DirEntry, err error) error {
		switch why := unread(rel, e, err); {
		case err != nil && rel == ".":
			return err
		case why != "":
			left.add(rel, why)
			if e != nil && e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case e.IsDir():
			return nil
		}
		if len(out) >= mostFiles {
			left.add(rel, fmt.Sprintf("beyond the first %d files", mostFiles))
			return nil
		}
		f := file{path: filepath.Join(root, filepath.FromSlash(rel)), rel: rel, step: -1}
		if info, err := e.Info(); err == nil {
			f.size = info.Size()
		}
		f.place()
		out = append(out, f)
		return nil
	})
	count(out)
	return out, err
}

// unread says why an entry of a folder is not read, "" where it is.
func unread(rel string, e fs.DirEntry, err error) string {
	name := path.Base(rel)
	switch {
	case err != nil:
		return "cannot be read: " + cause(err)
	case rel == ".":
		return ""
	case e.Type()&fs.ModeSymlink != 0:
		return "a link; links are not followed: name its target to have it read"
	case strings.HasPrefix(name, "."):
		return "hidden: its name begins with a dot"
	case e.IsDir():
		return ""
	case !e.Type().IsRegular():
		return "a pipe, socket or device"
	case name == "diagnosis.json" || name == "diagnosis.html":
		return "of an earlier examination"
	}
	switch ext := strings.ToLower(path.Ext(rollouts.Unpacked(name))); ext {
	case ".jsonl", ".json", ".ndjson", ".parquet", ".txt":
		return ""
	default:
		return fmt.Sprintf("not a file of rollouts by its name (%q)", ext)
	}
}

func cause(err error) string {
	if e, ok := err.(*fs.PathError); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// What parts of names mean. Each ends before the next digit or letter.
var (
	stepName   = regexp.MustCompile(`(?i)(^|[^a-z])((?:global|train|training|trainer|policy)?[-_]?(?:steps?|iter|iteration|update|ckpt|checkpoint))[-_=.]?(\d{1,9})($|\D)`)
	workerName = regexp.MustCompile(`(?i)(^|[^a-z])((?:rank|worker|gpu|proc|process|node|dp|tp|replica|shard|part|actor|host|thread|server|engine)[-_=]?\d+[0-9a-f]*(?:[-_]of[-_]?\d+)?)`)
	// Numbers that count something else: epochs, seeds, runs, dates, times, sizes of models.
	otherName = regexp.MustCompile(`(?i)(^|[^a-z])(?:(?:epoch|seed|run|exp|experiment|trial|v|version|lr|bs)[-_=]?\d+` +
		`|(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d|\d\d[-_:]\d\d[-_:]\d\d|\d+(?:\.\d+)?[bkm](?:$|[^a-z0-9]))`)
	epochName = regexp.MustCompile(`(?i)epoch[-_=]?(\d{1,6})`)
	heldName  = regexp.MustCompile(`(?i)(^|[^a-z])(val|valid|validation|evals?|evaluations?|tests?)($|[^a-z])`)
	runName   = regexp.MustCompile(`(?i)(^|[^a-z])(run|seed|exp|experiment)[-_=]?\d+`)
	digits    = regexp.MustCompile(`\d+`)
)

// place reads the folders of a file and what its name says in words.
func (f *file) place() {
	dir, name := path.Split(rollouts.Unpacked(f.rel))
	stem := strings.TrimSuffix(name, path.Ext(name))
	f.held = heldName.MatchString(f.rel[:len(dir)]) || heldName.MatchString(stem)
	if m := epochName.FindStringSubmatch(f.rel); m != nil {
		f.epoch, _ = strconv.Atoi(m[1]) // digits
	}
	var group []string
	for _, part := range strings.Split(strings.Trim(dir, "/"), "/") {
		rest := f.take(part, "folders")
		if n, err := strconv.Atoi(rest); err == nil && rest == part && n < 1e7 {
			f.step, f.from, rest = n, "folders", ""
		}
		if rest = strings.Trim(rest, "-_=. "); rest != "" {
			group = append(group, rest)
		}
	}
	f.group = strings.Join(group, "/")
	if f.step < 0 {
		f.take(stem, "file names")
	} else if m := workerName.FindStringSubmatch(stem); m != nil {
		f.worker += m[2]
	}
}

// take reads step and worker out of a part of a path and returns the rest of it.
func (f *file) take(part, from string) string {
	if m := stepName.FindStringSubmatch(part); m != nil {
		if n, err := strconv.Atoi(m[3]); err == nil {
			f.step, f.from = n, from
			part = strings.Replace(part, m[2]+strings.TrimSuffix(strings.TrimPrefix(m[0], m[1]+m[2]), m[4]), "", 1)
		}
	}
	part = epochName.ReplaceAllString(part, "")
	if m := workerName.FindStringSubmatch(part); m != nil {
		f.worker += m[2]
		part = strings.Replace(part, m[2], "", 1)
	}
	return part
}

// count finds the steps in names of files that have no word for it: of the numbers
// in names that are equal but for numbers, the one that takes most values.
func count(files []file) {
	alike := map[string][]int{}
	for i, f := range files {
		if f.step >= 0 {
			continue
		}
		dir, name := path.Split(rollouts.Unpacked(f.rel))
		stem := counted(name)
		key := digits.ReplaceAllString(dir, "#") + "\n" + digits.ReplaceAllString(stem, "#")
		if digits.MatchString(stem) {
			alike[f.group+key] = append(alike[f.group+key], i)
		}
	}
	for _, list := range alike {
		numbers := make([][]int, len(list))
		for k, i := range list {
			_, name := path.Split(rollouts.Unpacked(files[i].rel))
			stem := counted(name)
			for _, s := range digits.FindAllString(stem, -1) {
				n, err := strconv.Atoi(s)
				if err != nil || n >= 1e7 {
					n = -1
				}
				numbers[k] = append(numbers[k], n)
			}
		}
		best, most := -1, 1
		values := make([]int, len(numbers[0]))
		for p := range values {
			values[p] = counting(numbers, p)
			if values[p] > most {
				best, most = p, values[p]
			}
		}
		if best < 0 {
			continue
		}
		for k, i := range list {
			files[i].step, files[i].from = numbers[k][best], "file names"
			for p, n := range numbers[k] {
				if p != best && values[p] > 1 {
					files[i].worker += fmt.Sprintf(".%d", n)
				}
			}
		}
	}
}

// counted is a file's name without its endings and without the numbers that are
// known to count something else.
func counted(name string) string {
	stem := workerName.ReplaceAllString(strings.TrimSuffix(name, path.Ext(name)), "$1")
	return otherName.ReplaceAllString(stem, "$1")
}

// counting is how many values the numbers at a position take, 0 where they are ids
// and no count.
func counting(numbers [][]int, p int) int {
	var seen []int
	for _, list := range numbers {
		seen = append(seen, list[p])
	}
	slices.Sort(seen)
	seen = slices.Compact(seen)
	if seen[0] < 0 || seen[len(seen)-1]-seen[0] > 1000*len(seen) {
		return 0
	}
	return len(seen)
}
