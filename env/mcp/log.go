package mcp

import (
	"bytes"
	"errors"
	"os"
	"sync"

	"ballast/durable"
)

// mostLog bounds the file of stderr's lines, in bytes that one Server adds.
const mostLog = 64 << 20

// errLogFull ends the logging of a process.
var errLogFull = errors.New("the log is full")

// log is a file of lines from many processes.
type log struct {
	mu   sync.Mutex
	f    *os.File
	left int
}

func openLog(path string) (*log, error) {
	f, err := durable.Append(path)
	if err != nil {
		return nil, err
	}
	return &log{f: f, left: mostLog}, nil
}

// Close closes the file.
func (l *log) Close() error { return l.f.Close() }

// tagged writes lines of one process.
type tagged struct {
	log *log
	tag string
}

func (t *tagged) Write(lines []byte) (int, error) {
	var out []byte
	for line := range bytes.Lines(lines) {
		out = append(append(out, t.tag...), line...)
	}
	l := t.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left <= 0 {
		return 0, errLogFull
	}
	if l.left -= len(out); l.left <= 0 {
		out = append(out, "… the log is full; later lines are left out\n"...)
	}
	if _, err := l.f.Write(out); err != nil {
		return 0, err
	}
	return len(lines), nil
}
