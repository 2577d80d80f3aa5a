package mcp

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLog: stderr of all processes is in one file, also that of those before there was one, and who fails says where.
func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.log")
	s, err := Connect(t.Context(), Config{Command: command("memory"), Ahead: -1})
	if err != nil {
		t.Fatal(err)
	}
	if s.Kept() != "" {
		t.Errorf("kept in %s", s.Kept())
	}
	if err := s.KeepStderr(path); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepStderr(path); err == nil {
		t.Error("it is kept twice")
	}
	e := open(t, s)
	var died *Error
	if _, err := e.Call(t.Context(), parse(t, "crash()")); !errors.As(err, &died) ||
		!strings.Contains(err.Error(), "Traceback: the database is gone; all of it is in "+path) {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(path)
	for _, want := range []string{"ballast: processes of MCP server ", "[1] server memory starts\n", "[2] server memory starts\n",
		"[3] server memory starts\n", "[3] Traceback: the database is gone\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q has no %q", text, want)
		}
	}
}

// TestLogBounds: what is held before there is a file, and what a file takes, has a bound.
func TestLogBounds(t *testing.T) {
	var l log
	w := tagged{&l, "[1] "}
	line := []byte(strings.Repeat("x", 1<<16) + "\n")
	for range 40 {
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if n := l.early.Len(); n > mostEarly+len(left) || !strings.HasSuffix(l.early.String(), left) {
		t.Errorf("%d bytes are held", n)
	}
	path := filepath.Join(t.TempDir(), "server.log")
	if err := l.keep(path, "s"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(&w, "later\n")
	l.added = mostLog
	fmt.Fprint(&w, "beyond\n")
	if _, err := w.Write(line); !errors.Is(err, errLogFull) {
		t.Errorf("%v", err)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), left) != 2 || !strings.Contains(string(text), "[1] later\n") || strings.Contains(string(text), "beyond") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
