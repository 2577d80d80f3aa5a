// Package jsonl is the one log of JSON lines: events and updates of a run, episodes of an
// evaluation, replies of an endpoint, what a judge cost.
//
// Contract: a line is one value, appended whole by one write; it has at most the bytes that
// its reader allows. What a process that died left of a last line is cut off when the log is
// opened to be written, and Torn says so; a reader beside the writer leaves it out. Empty
// lines, as an editor leaves them where somebody deleted one, are passed over.
//
// How it fails: what cannot be read is an error with the file and the line. One that cannot
// be written leaves the file as it was.
package jsonl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"sync"

	"ballast/bounded"
	"ballast/durable"
)

// Line is a value as a line of JSON, with angle brackets as they are: control tokens are full
// of them.
func Line(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return buf.Bytes(), err
}

// Span is where a line lies in its file, in bytes.
type Span struct {
	At  int64
	Len int
}

// Entry is a value that was read.
type Entry[T any] struct {
	Value T
	Span  Span
}

// Read yields the values of a file that somebody may be writing, each of at most limit bytes.
// It yields at most one error, last.
func Read[T any](path string, limit int, decode func(line []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		f, err := bounded.Open(path)
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		defer f.Close()
		for e, err := range entries(path, f, limit, decode) {
			if !yield(e.Value, err) {
				return
			}
		}
	}
}

func entries[T any](path string, r io.Reader, limit int, decode func([]byte) (T, error)) iter.Seq2[Entry[T], error] {
	return func(yield func(Entry[T], error) bool) {
		at := int64(0)
		for line, err := range bounded.Lines(r, limit) {
			if err != nil {
				yield(Entry[T]{}, fmt.Errorf("%s: %w", path, err))
				return
			}
			span := Span{at, len(line.Text) + 1}
			at += int64(span.Len)
			if !line.Ended || len(line.Text) == 0 {
				continue
			}
			v, err := decode(line.Text)
			if err != nil {
				yield(Entry[T]{}, fmt.Errorf("%s:%d: %w", path, line.Number, err))
				return
			}
			if !yield(Entry[T]{v, span}, nil) {
				return
			}
		}
	}
}

// Log is a file of values of one type that this process alone appends to. It is safe for
// several goroutines.
type Log[T any] struct {
	*durable.Log
	limit int
	check func(*T) error
	mu    sync.Mutex // of the place of the next line
}

// Open opens or creates a log. check says what is wrong with a value that was read; nil is
// content with every one. It fails with durable.ErrLocked while another process has the file.
func Open[T any](path string, limit int, check func(*T) error) (*Log[T], error) {
	log, err := durable.OpenLog(path, nil)
	if err != nil {
		return nil, err
	}
	return &Log[T]{Log: log, limit: limit, check: check}, nil
}

func (l *Log[T]) decode(line []byte) (v T, err error) {
	if err = json.Unmarshal(line, &v); err == nil && l.check != nil {
		err = l.check(&v)
	}
	return v, err
}

// All yields what the log holds. It yields at most one error, last.
func (l *Log[T]) All() iter.Seq2[Entry[T], error] {
	return entries(l.Path(), io.NewSectionReader(l.Log, 0, l.Size()), l.limit, l.decode)
}

// At reads one value again.
func (l *Log[T]) At(s Span) (v T, err error) {
	line := make([]byte, s.Len)
	if _, err = l.ReadAt(line, s.At); err == nil {
		v, err = l.decode(line)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", l.Path(), err)
	}
	return v, err
}

// Add appends a value and says where it lies.
func (l *Log[T]) Add(v T) (Span, error) {
	line, err := Line(v)
	if err != nil {
		return Span{}, fmt.Errorf("append to %s: %w", l.Path(), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.Size()
	return Span{at, len(line)}, l.Append(line)
}
