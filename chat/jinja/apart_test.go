package jinja

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"ballast/value"
)

func TestMain(m *testing.M) {
	Main()
	if len(os.Args) == 1 && os.Args[0] == parentFlag {
		busyParent()
	}
	os.Exit(m.Run())
}

func TestApart(t *testing.T) {
	var data []*value.Dict
	for _, name := range []string{"a", "b"} {
		data = append(data, value.NewDict("messages", value.NewList(value.NewDict("role", "user", "content", name))))
	}
	got, err := Apart(context.Background(), "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}", data)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"user: a", "user: b"} {
		if got[i].Err != nil || got[i].Text != want {
			t.Errorf("render %d: %q, %v", i, got[i].Text, got[i].Err)
		}
	}
}

// TestApartErrors: an error of a child is the one that Render gives.
func TestApartErrors(t *testing.T) {
	for _, source := range []string{"\n{{ raise_exception('no ü') }}", "{{ 1 + 'a' }}", "{{ 1|nothing }}", "{% if %}"} {
		data := value.NewDict()
		_, want := Render(source, data)
		got, err := Apart(context.Background(), source, []*value.Dict{data})
		var a, b *Error
		if err != nil || !errors.As(want, &a) || !errors.As(got[0].Err, &b) || *a != *b {
			t.Errorf("%q: %v, %v, want %v", source, got, err, want)
		}
	}
}

func TestApartWithoutMain(t *testing.T) {
	mainCalled.Store(false)
	defer mainCalled.Store(true)
	if _, err := Apart(context.Background(), "", []*value.Dict{value.NewDict()}); !errors.Is(err, errNoMain) {
		t.Fatalf("%v", err)
	}
}

// TestLost: a child that ends in another way says how.
func TestLost(t *testing.T) {
	for _, c := range []struct {
		late       bool
		exit       int
		said, want string
	}{
		{true, -1, "", "the limit on time (2s)"},
		{false, exitMemory, "", "the limit on memory (1024 MiB)"},
		{false, 2, "fatal error: runtime: out of memory\n\n", "the limit on memory"},
		{false, 2, "runtime: goroutine stack exceeds 1000000000-byte limit\n", "the limit on depth (50)"},
		{false, 2, "panic: odd\n\ngoroutine 1", "ended (EOF): panic: odd"},
	} {
		if err := lost(c.late, c.exit, c.said, tight, io.EOF); !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, not %s", err, c.want)
		}
	}
}
