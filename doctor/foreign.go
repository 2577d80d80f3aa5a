package doctor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"ballast/chat/format"
)

// source is one file of rollouts.
type source struct {
	path string
	step int // the last number in its name, -1 without one
}

// foreign reads a file, or the files of a folder in the order of the numbers in
// their names.
func (r *Report) foreign(path string, dir bool, f format.Format) error {
	list := []source{{path, -1}}
	if dir {
		var err error
		if list, err = sources(path); err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("%s is no run directory and holds no .jsonl, .json, .parquet or .txt file", path)
		}
	}
	d := newFolder(r, f)
	var failed error
	for _, s := range list {
		before := r.Records + len(d.waiting)
		err := d.file(s)
		r.Files++
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s: %w", s.path, err)
		if n := r.Records + len(d.waiting) - before; n > 0 {
			r.note("%v; the %d records before it were read", err, n)
		} else {
			r.note("%v", err)
		}
		if failed == nil {
			failed = err
		}
	}
	d.end()
	r.Diagnosis, r.shown = d.detector.Diagnosis(), d.shown
	if r.Records == 0 {
		if failed == nil {
			failed = fmt.Errorf("%s holds no record", path)
		}
		return failed
	}
	return nil
}

// sources lists the files of a folder. Rollouts of validation are left out where
// there are others: they are played greedily and only now and then.
func sources(dir string) ([]source, error) {
	var list, held []source
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".jsonl", ".json", ".parquet", ".txt", ".ndjson":
		default:
			return nil
		}
		if e.Name() == JSONFile {
			return nil
		}
		s := source{path, numberIn(e.Name())}
		if low := strings.ToLower(e.Name()); strings.Contains(low, "-val-") || strings.HasPrefix(low, "val_") {
			held = append(held, s)
		} else {
			list = append(list, s)
		}
		return nil
	})
	if len(list) == 0 {
		list = held
	}
	slices.SortStableFunc(list, func(a, b source) int { return a.step - b.step })
	return list, err
}

// numberIn returns the last number in a file's name without its extension.
func numberIn(name string) int {
	name = strings.TrimSuffix(name, filepath.Ext(name))
	end := len(name)
	for end > 0 && (name[end-1] < '0' || name[end-1] > '9') {
		end--
	}
	start := end
	for start > 0 && name[start-1] >= '0' && name[start-1] <= '9' {
		start--
	}
	if n, err := strconv.Atoi(name[start:end]); err == nil && n < 1<<31 {
		return n
	}
	return -1
}

// file reads one file.
func (f *folder) file(s source) error {
	take := func(r record) {
		if r.step < 0 {
			r.step = s.step
		}
		f.report.Kind = r.kind
		f.add(r)
	}
	file, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		f.report.Bytes += info.Size()
	}
	br := bufio.NewReaderSize(file, 1<<16)
	head, err := br.Peek(1 << 16)
	if err != nil && err != io.EOF && len(head) == 0 {
		return err
	}
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	trimmed := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return errors.New("the file is empty")
	case bytes.HasPrefix(head, []byte("PAR1")):
		return completions(s.path, func(r record) bool { take(r); return true })
	case trimmed[0] == '[' && jsonList(trimmed):
		return objects(br, take)
	case trimmed[0] == '{' && bytes.Contains(trimmed[:min(len(trimmed), 200)], []byte(`"`)) && !bytes.HasPrefix(trimmed, []byte(`{"name"`)):
		return jsonLines(br, take)
	case !utf8.Valid(head[:max(0, len(head)-4)]) || bytes.IndexByte(head, 0) >= 0 && bytes.Count(head, []byte{0}) > len(head)/8:
		return errors.New("neither JSON nor parquet nor text")
	}
	return plainText(br, head, take)
}

// jsonList tells a list of objects from plain text that begins with a bracket,
// such as a call in Python's syntax.
func jsonList(head []byte) bool {
	i := space(head, 1)
	return i < len(head) && (head[i] == '{' || head[i] == ']')
}

// broken is how many bad records in a row end the reading of a file.
const broken = 100

// objects reads a JSON list of records.
func objects(r io.Reader, take func(record)) error {
	i, bad := 0, error(nil)
	for raw, err := range elements(r) {
		if err != nil {
			return errors.Join(bad, fmt.Errorf("after record %d: %w", i, err))
		}
		i++
		rec, err := decode(raw)
		if err != nil {
			if bad == nil {
				bad = fmt.Errorf("record %d: %w", i, err)
			}
			continue
		}
		take(rec)
	}
	return bad
}

// jsonLines reads one record a line. Bad lines are left out; the first is
// reported with their number.
func jsonLines(r io.Reader, take func(record)) error {
	i, n, run := 0, 0, 0
	var bad error
	for line, err := range lines(r) {
		if err != nil {
			return errors.Join(bad, fmt.Errorf("after line %d: %w", i, err))
		}
		i++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		rec, err := decode(line)
		if err != nil {
			if bad == nil {
				bad = fmt.Errorf("line %d: %w", i, err)
			}
			n++
			if run++; run >= broken {
				return fmt.Errorf("%w; %d bad lines in a row, the rest was not read", bad, run)
			}
			continue
		}
		run = 0
		take(rec)
	}
	if n > 1 {
		return fmt.Errorf("%w; and %d more bad lines", bad, n-1)
	}
	return bad
}

// plainText reads replies that are parted by lines of "---", by NUL bytes, or by
// the end token that each of them has; without any of these a line is a reply.
func plainText(r io.Reader, head []byte, take func(record)) error {
	sep := "\n"
	for _, s := range []string{"\x00", "\n---\n", "<|im_end|>\n", "<|eot_id|>\n"} {
		if bytes.Contains(head, []byte(s)) {
			sep = s
			break
		}
	}
	ending := strings.TrimSuffix(strings.TrimPrefix(sep, "\n"), "\n")
	if !strings.HasPrefix(ending, "<|") {
		ending = "" // parts, and is not part of a reply
	}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 1<<20), maxRecord)
	sc.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.Index(data, []byte(sep)); i >= 0 {
			return i + len(sep), data[:i+len(ending)], nil
		}
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	for sc.Scan() {
		if s := sc.Text(); strings.TrimSpace(s) != "" || sep != "\n" {
			take(record{kind: kindText, step: -1, replies: []string{strings.TrimRight(s, "\r\n")}})
		}
	}
	return sc.Err()
}
