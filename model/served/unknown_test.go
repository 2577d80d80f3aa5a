package served_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"ballast/endpoint"
	"ballast/model/served"
	"ballast/model/servedtest"
)

// TestKindIsFoundOut: a server of either kind is asked in its own words, also where it comes later,
// and one of another kind is an error that says what to do.
func TestKindIsFoundOut(t *testing.T) {
	vllm, sglang := start(t, servedtest.Options{}), start(t, servedtest.Options{Owner: "sglang"})
	sglang.Fail(servedtest.Break)
	p := open(t, quick(t, "", vllm, sglang))
	refresh(t, p, "lora/1")
	sglang.Fail(nil)
	until(t, func() bool { return p.Servers()[1].Out == "" })
	exact(t, play(t, p, talks(4, 2, 2), warm), "lora/1", []int32{5, 7})
	for _, s := range []*servedtest.Server{vllm, sglang} {
		if n, _ := s.Served("lora/1"); n == 0 {
			t.Error("a server is not sampled from")
		}
	}
	if _, err := served.Open(context.Background(), quick(t, "", start(t, servedtest.Options{Owner: "llamacpp"}))); err == nil ||
		!strings.Contains(err.Error(), "name its kind") || !strings.Contains(err.Error(), "llamacpp") {
		t.Error(err)
	}
	if _, err := served.Dial(served.Spec{Kind: "tgi", Options: endpoint.Options{URL: "http://127.0.0.1:1"}}); err == nil {
		t.Error("a kind that there is not")
	}
}

// TestClear: what another process left is forgotten, and what is sampled with stays.
func TestClear(t *testing.T) {
	s, out := start(t, servedtest.Options{}), start(t, servedtest.Options{})
	p := open(t, quick(t, "vllm", s, out))
	refresh(t, p, "run/2")
	for name, path := range map[string]string{"a": "run/1", "b": "other/1"} {
		s.Put(name, path)
	}
	ours := func(path string) bool { return strings.HasPrefix(path, "run/") }
	p.Clear(context.Background(), ours)
	got := s.Adapters()
	slices.Sort(got)
	if !slices.Equal(got, []string{"other/1", "run/2"}) {
		t.Errorf("it has %q", got)
	}
	s.Fail(servedtest.Break)
	p.Clear(context.Background(), ours) // nothing comes of it
	s.Fail(nil)
	exact(t, play(t, p, talks(2, 2, 1), warm), "run/2", []int32{5, 7})
}

// TestTry: every server that is there answers with the weights of the moment, until one fails.
func TestTry(t *testing.T) {
	a, b := start(t, servedtest.Options{}), start(t, servedtest.Options{})
	p := open(t, quick(t, "vllm", a, b))
	refresh(t, p, "lora/1")
	var from []string
	all := func(string) bool { return true }
	look := func(server string, x *served.Answer, err error) error {
		if from = append(from, server); err != nil {
			return err
		}
		if len(x.Tokens) != 3 || len(x.LogProb) != 3 {
			t.Errorf("%+v", x)
		}
		return nil
	}
	call := served.Call{Prompt: []int32{1, 2}, Max: 3, Sampling: warm}
	if err := p.Try(context.Background(), call, all, look); err != nil || len(from) != 2 || from[0] == from[1] {
		t.Errorf("%v, %q", err, from)
	}
	if n, _ := a.Served("lora/1"); n < 2 { // that of the refresh, and this one
		t.Errorf("%d replies", n)
	}
	odd := errors.New("odd")
	if err := p.Try(context.Background(), call, all, func(string, *served.Answer, error) error { return odd }); !errors.Is(err, odd) {
		t.Error(err)
	}
	b.Fail(servedtest.Break)
	if err := p.Try(context.Background(), call, all, look); err == nil {
		t.Error("a server that breaks off has been tried")
	}
	from = nil
	if err := p.Try(context.Background(), call, func(string) bool { return false }, look); err != nil || from != nil {
		t.Errorf("%v, %q", err, from)
	}
}
