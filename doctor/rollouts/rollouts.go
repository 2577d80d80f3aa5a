// Package rollouts reads files in which trainers and endpoints leave what a policy
// wrote: verl rollout dumps, verl-tool step records, TRL completions, OpenAI chats
// and plain text. It recognises them by their content.
//
// Contract: files are streamed, and memory is bounded by the largest record, which
// is bounded too. Values of keys that nobody asks for are not decoded.
//
// Failures: errors name the line or record and come after everything that could be
// read; a record without a reply is such an error. Nothing panics on what a file
// holds.
package rollouts

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
)

// Source is one file of rollouts.
type Source struct {
	Path string
	Step int // the last number in its name, -1 without one
}

// Sources lists the files of a folder. Rollouts of validation are left out where
// there are others: they are played greedily and only now and then.
func Sources(dir string) ([]Source, error) {
	var list, held []Source
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".jsonl", ".json", ".parquet", ".txt", ".ndjson":
		default:
			return nil
		}
		if e.Name() == "diagnosis.json" { // of an earlier examination
			return nil
		}
		s := Source{path, numberIn(e.Name())}
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
	slices.SortStableFunc(list, func(a, b Source) int { return a.Step - b.Step })
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

// Read reads one file and hands over its records. An error comes after the records
// that could be read; it does not name the file.
func Read(s Source, give func(Record)) error {
	take := func(r Record) {
		if r.Step < 0 {
			r.Step = s.Step
		}
		give(r)
	}
	file, err := os.Open(s.Path)
	if err != nil {
		return err
	}
	defer file.Close()
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
		return completions(s.Path, func(r Record) bool { take(r); return true })
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
func objects(r io.Reader, take func(Record)) error {
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
func jsonLines(r io.Reader, take func(Record)) error {
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
func plainText(r io.Reader, head []byte, take func(Record)) error {
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
			take(Record{Kind: KindText, Step: -1, Replies: []string{strings.TrimRight(s, "\r\n")}})
		}
	}
	return sc.Err()
}
