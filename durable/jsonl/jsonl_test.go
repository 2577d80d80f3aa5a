package jsonl

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ballast/durable"
)

type value struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func (v *value) check() error {
	if v.N < 0 {
		return errors.New("less than nothing")
	}
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func decode(line []byte) (v value, err error) { return v, json.Unmarshal(line, &v) }

// all reads a log by its writer, and by who has only the path.
func all(t *testing.T, l *Log[value]) (list []value, spans []Span) {
	t.Helper()
	for e, err := range l.All() {
		must(t, err)
		list, spans = append(list, e.Value), append(spans, e.Span)
	}
	var beside []value
	for v, err := range Read(l.Path(), 1<<20, decode) {
		must(t, err)
		beside = append(beside, v)
	}
	if !reflect.DeepEqual(list, beside) {
		t.Errorf("the writer reads %v, another %v", list, beside)
	}
	return list, spans
}

// TestLog: what was added is read, at its place, after the log was opened again, and beside
// lines that an editor emptied.
func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path, 1<<20, (*value).check)
	must(t, err)
	if _, err := Open(path, 1<<20, (*value).check); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("a second writer: %v", err)
	}
	want := []value{{1, "a\nb"}, {2, "<tool_call>"}}
	var at []Span
	for _, v := range want {
		s, err := l.Add(v)
		must(t, err)
		at = append(at, s)
	}
	if got, spans := all(t, l); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(spans, at) {
		t.Errorf("%v at %v, want %v at %v", got, spans, want, at)
	}
	must(t, l.Close())
	data, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Contains(data, []byte("<tool_call>")) || bytes.Count(data, []byte("\n")) != 2 {
		t.Errorf("%s", data)
	}
	must(t, os.WriteFile(path, append([]byte("\n\n"), data...), 0o666))
	l, err = Open(path, 1<<20, (*value).check)
	must(t, err)
	s, err := l.Add(value{3, "c"})
	must(t, err)
	_, spans := all(t, l)
	for i, v := range append(want, value{3, "c"}) {
		if got, err := l.At(spans[i]); err != nil || got != v {
			t.Errorf("%v, %v, want %v", got, err, v)
		}
	}
	if s != spans[2] {
		t.Errorf("added at %v, read at %v", s, spans[2])
	}
	must(t, l.Close())
}

// TestTorn: half a last line is cut off and told; a reader beside the writer leaves it out.
func TestTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	const whole, torn = `{"n":1}` + "\n", `{"n":2,"te`
	must(t, os.WriteFile(path, []byte(whole+torn), 0o666))
	n := 0
	for v, err := range Read(path, 1<<20, decode) {
		if must(t, err); v.N != 1 {
			t.Errorf("%v", v)
		}
		n++
	}
	l, err := Open(path, 1<<20, (*value).check)
	must(t, err)
	if n != 1 || l.Torn() != int64(len(torn)) || l.Size() != int64(len(whole)) {
		t.Errorf("%d lines, %d bytes torn, %d left", n, l.Torn(), l.Size())
	}
	must(t, l.Close())
	l, err = Open(path, 1<<20, (*value).check)
	must(t, err)
	if l.Torn() != 0 {
		t.Error("it is told twice")
	}
	must(t, l.Close())
}

// TestBadLines are named by file and line, and end the reading.
func TestBadLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for text, want := range map[string]string{
		"{\"n\":1}\n{\"n\":\n{\"n\":3}\n":         ":2: ",
		"{\"n\":1}\n\n{\"n\":-1}\n":               ":3: less than nothing",
		strings.Repeat("x", 2000) + "\n":          "line 1: ",
		"{\"n\":1}\n" + strings.Repeat("x", 2000): "line 2: ",
	} {
		must(t, os.WriteFile(path, []byte(text), 0o666))
		strict := func(line []byte) (value, error) {
			v, err := decode(line)
			return v, errors.Join(err, v.check())
		}
		var last error
		for _, err := range Read(path, 1000, strict) {
			if last != nil {
				t.Fatal("it reads on after an error")
			}
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), want) || !strings.Contains(last.Error(), path) {
			t.Errorf("%.20q: %v, want %s", text, last, want)
		}
	}
	for _, err := range Read(filepath.Join(t.TempDir(), "none"), 1000, decode) {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
	}
	l, err := Open(filepath.Join(t.TempDir(), "log"), 1000, func(*any) error { return nil })
	must(t, err)
	if _, err := l.Add(func() {}); err == nil || l.Size() != 0 {
		t.Errorf("what is no JSON: %v, %d bytes", err, l.Size())
	}
	must(t, l.Close())
}

// FuzzRead: bytes are read or refused; what is read is read again from where it lies.
func FuzzRead(f *testing.F) {
	f.Add([]byte("{\"n\":1}\n\n{\"n\":2}\n{\"n\":"))
	f.Add([]byte("{\"n\":-1}\nnull\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "log")
		must(t, os.WriteFile(path, data, 0o666))
		l, err := Open(path, 100, (*value).check)
		must(t, err)
		defer l.Close()
		for e, err := range l.All() {
			if err != nil {
				return
			}
			if v, err := l.At(e.Span); err != nil || v != e.Value {
				t.Errorf("%v, %v, want %v", v, err, e.Value)
			}
		}
	})
}
