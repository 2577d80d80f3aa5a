package mcp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"

	"ballast/durable"
)

const (
	// mostLog bounds the file of stderr's lines, in bytes that one Server adds.
	mostLog = 64 << 20
	// mostEarly bounds the lines that are held before there is a file.
	mostEarly = 1 << 20
)

// errLogFull ends the logging of a process.
var errLogFull = errors.New("the log is full")

// log is the lines that many processes write to stderr. A run has a directory only after its server has started:
// lines are held until there is a file.
type log struct {
	mu    sync.Mutex
	f     *os.File
	early bytes.Buffer
	added int // bytes in the file, or held
	full  bool
}

// keep writes what is held to a file, and what comes.
func (l *log) keep(path, server string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		return fmt.Errorf("what the server writes to stderr is kept in %s already", l.f.Name())
	}
	f, err := durable.Append(path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "ballast: processes of MCP server %s, numbered from 1 again\n%s", server, l.early.Bytes())
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.f, l.full = f, false
	l.early = bytes.Buffer{}
	return nil
}

// kept is the file, or "".
func (l *log) kept() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return ""
	}
	return l.f.Name()
}

// close closes the file.
func (l *log) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}

// left says that lines are left out, once where the bound is passed.
const left = "ballast: there is too much; lines that come here are left out\n"

// write adds lines, up to a bound.
func (l *log) write(lines []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := mostEarly
	if l.f != nil {
		most = mostLog
	}
	switch l.added += len(lines); {
	case l.full && l.f == nil: // there may be a file yet
		return nil
	case l.full:
		return errLogFull
	case l.added > most:
		l.full, lines = true, []byte(left)
	}
	if l.f == nil {
		l.early.Write(lines)
		return nil
	}
	_, err := l.f.Write(lines)
	return err
}

// tagged writes lines of one process.
type tagged struct {
	log *log
	tag string
}

// Write adds lines with the process's number before each.
func (t *tagged) Write(lines []byte) (int, error) {
	var out []byte
	for line := range bytes.Lines(lines) {
		out = append(append(out, t.tag...), line...)
	}
	if err := t.log.write(out); err != nil {
		return 0, err
	}
	return len(lines), nil
}
