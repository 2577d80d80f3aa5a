package jinja

import (
	"context"
	"errors"
	"os"
	"testing"

	"ballast/value"
)

func TestMain(m *testing.M) {
	Main()
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

func TestApartWithoutMain(t *testing.T) {
	mainCalled.Store(false)
	defer mainCalled.Store(true)
	if _, err := Apart(context.Background(), "", []*value.Dict{value.NewDict()}); !errors.Is(err, ErrNoMain) {
		t.Fatalf("%v", err)
	}
}
