package acebench

import (
	"strings"
	"testing"

	"ballast/value"
	"ballast/world/python"
)

// slowly is what a text is read as without PlainCalls.
func slowly(text string) (calls []written, ok bool) {
	list, err := readAgent(AST, text, false)
	if err != nil {
		return nil, false
	}
	ok = python.Try(func() { calls = writeCalls(list) }) == nil
	return calls, ok
}

// samePlain fails where PlainCalls reads a text and ReadAST reads it otherwise, and so for messages of agents.
func samePlain(t *testing.T, text string) (plain bool) {
	t.Helper()
	calls, plain := PlainCalls(text)
	if plain && text[0] == '[' {
		want, err := ReadAST(text)
		if err != nil {
			t.Fatalf("%q is read, and is an error: %v", text, err)
		}
		got := value.NewList()
		for _, c := range calls {
			args := value.MakeDict(len(c.Args))
			for _, a := range c.Args {
				args.Set(a.Name, a.Value)
			}
			got.Items = append(got.Items, value.NewDict(c.Name, args))
		}
		if value.Repr(got) != value.Repr(want) {
			t.Fatalf("%q is read as %s, want %s", text, value.Repr(got), value.Repr(want))
		}
	}
	fast, ok := plainly(strings.Trim(text, "[]'"))
	if !ok {
		return plain
	}
	message := "[" + strings.Trim(text, "[]'") + "]"
	want, ok := slowly(message)
	if !ok || len(want) != len(fast) {
		t.Fatalf("%q runs as %d calls, want %d (%v)", message, len(fast), len(want), ok)
	}
	for i := range fast {
		if !want[i].plain || value.FormatCall(fast[i].call) != value.FormatCall(want[i].call) {
			t.Fatalf("%q: call %d runs as %s, want %s", message, i, value.FormatCall(fast[i].call), want[i].text+value.FormatCall(want[i].call))
		}
	}
	return true
}

// texts of which each is plain or not.
var plainTexts = map[string]bool{
	"[f(a=1)]": true, "[f(a='x', b=[1, {'k': (None, True)}]), g()]": true, "[f(a=-1.5e3)]": true, "[f(a='é')]": true, "[f(a='-')]": true,
	"[f(a=-0)]": true, "[f(a=b'x')]": true, "[f(a='x' 'y')]": true, `[f(a="it's")]`: true, "[f( a = 1 , )]": true, "[f(a=1),]": true,
	"[f(a=1_000)]": true, "[f(a=0x1F)]": true, "[f(a={})]": true, "[f(a='well-known +#;~ [((')]": true,
	"": false, "[]": false, "[f(1)]": false, "[f(a=+1)]": false, "[f(a=true)]": false, "[f(a=1, a=2)]": false, "[a.f(a=1)]": false,
	"[f(if=1)]": false, "[None(a=1)]": false, "[f(**{})]": false, "[f(a=g(b=1))]": false, "[f(a=1+1)]": false, "[f(a='\\n')]": false,
	"[f(\na=1)]": false, "[f(a=1);g()]": false, "[f(a=1)": false, " [f(a=1)]": false, "[f(a=1)] x": false, "[f(a=--1)]": false,
	"[f(a=1)#]": false, "[f(a='''x''')]": false, "[f(a=- 1)]": false, "[f(a=5j)]": false, "[f(a=not 1)]": false, "[f(a=...)]": false, "[f(a={1})]": false, "[f(a=f'x')]": false,
	"[f(a=09)]": false, "[f(a='\xff')]": false, "[" + "f(a=" + strings.Repeat("[", 60) + strings.Repeat("]", 60) + ")]": false,
}

func TestPlainCalls(t *testing.T) {
	for text, want := range plainTexts {
		if _, got := PlainCalls(text); got != want {
			t.Errorf("%q: plain is %v, want %v", text, got, want)
		}
		samePlain(t, text)
	}
}

// What is plain is read as without the short way, whatever it is.
func FuzzPlainCalls(f *testing.F) {
	for text := range plainTexts {
		f.Add(text)
	}
	for _, text := range script[AST] {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { samePlain(t, text) })
}

// What is kept of a result is what its JSON says, also by the short way.
func FuzzKept(f *testing.F) {
	for _, text := range []string{said(true, "ok"), said(false, "it's", int64(5)), said(true, "\u00e9\"\n"), saidTrue, saidTrue + saidEnd, saidFalse + `a", "b": "` + saidEnd,
		saidTrue + "\x7f\xff" + saidEnd, saidTrue + "\x01" + saidEnd, "[]", "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := keptSaid(text)
		if got == nil {
			return
		}
		if want, err := value.ParseJSON([]byte(text)); err != nil || value.Repr(got) != value.Repr(want) {
			t.Errorf("%q is kept as %s, want %s, %v", text, value.Repr(got), value.Repr(want), err)
		}
	})
}
