package acebench

import (
	"strings"
	"testing"

	"ballast"
)

func TestRebuilt(t *testing.T) {
	show := func(messages []ballast.Message) string {
		var b strings.Builder
		for _, m := range messages {
			b.WriteString(m.Role[:1] + "<" + m.Text + ">")
		}
		return b.String()
	}
	for _, c := range []struct{ history, want string }{
		{"", ""},
		{"no tag", ""},
		{"before user: hi ", "u<hi>"},
		{"user: a\nsystem: b\nuser: c\n", "u<a>a<b>u<c>"},
		{"user: a\nsystem: b\nsystem: c\nuser: d", "u<a>a<b>u<c>a<d>"}, // the roles flip
		{"user: Note user: do it", "u<Note>a<do it>"},                  // a tag inside a text
		{"user:\nuser: a", "u<a>"},                                     // what is empty is left out
		{"user: a\nagent: b\nsystem: c", "u<a>a<b\nsystem: c>"},        // one tag of the two
		{"system: [f(a='x', b=[1, True])]", "a<<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"x\", \"b\": [1, true]}}\n</tool_call>>"},
		{"user: a\nsystem: [f(x=1), g()]\nuser: b", "u<a>a<b>"}, // two calls: nothing
		{"system: [a.b(x=1)]", ""},
		{"user: a\nexecution: [1]", "u<a>a<<tool_response>\n[1]\n</tool_response>>"},
		{"user: [a]", "u<<tool_response>\n[a]\n</tool_response>>"},
		{"user:a\nexecution result:[1]\n", "u<a>a<<tool_response>\n[1]\n</tool_response>>"},
		{"agent:x\nexecution result:['Error during execution: y']", "a<x\nexecution result:['Error during>u<y']>"},
	} {
		if got := show(rebuilt(c.history)); got != c.want {
			t.Errorf("%q: %s, want %s", c.history, got, c.want)
		}
	}
}

// What becomes of a call in the history; the wants are the original's.
func TestOneCall(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"[f(x)]", `{"name": "f", "arguments": {}}`}, // what has no name vanishes
		{"[f(1)]", `{"name": "f", "arguments": {}}`},
		{"[ f(a=1)]", ""},
		{"[f(a=1)\n]", `{"name": "f", "arguments": {"a": 1}}`},
		{"[f(a=1) ]", ""},
		{"[f (a=1)]", ""},
		{"[f(**{'a': 1})]", `{"name": "f", "arguments": {"null": {"a": 1}}}`},
		{"[f(**x)]", ""},
		{"[1f(a=1)]", `{"name": "1f", "arguments": {"a": 1}}`},
		{"[class(a=1)]", `{"name": "class", "arguments": {"a": 1}}`},
		{"[f(a=(1,2), b={1: 2, None: 3, True: 4, 1.5: 5})]", `{"name": "f", "arguments": {"a": [1, 2], "b": {"1": 4, "null": 3, "1.5": 5}}}`},
		{"[f(a=1, a=2)]", `{"name": "f", "arguments": {"a": 2}}`},
		{"[é(a='é\x7f')]", "{\"name\": \"é\", \"arguments\": {\"a\": \"é\x7f\"}}"},
		{"[f(a=+1, b=-1.5, c=1e400)]", `{"name": "f", "arguments": {"a": 1, "b": -1.5, "c": Infinity}}`},
		{"[f(a=--1)]", ""},
		{"[f(a=not 1)]", ""},
		{"[f(a=-True)]", ""},
		{"[f(1)(b=2)]", `{"name": "f", "arguments": {"b": 2}}`},
		{"[f(a=1), g(b=2)]", ""},
		{"[f(a='x') # c]", ""},
		{"[f(a=1,\n b=2)]", `{"name": "f", "arguments": {"a": 1, "b": 2}}`},
		{"[f(a={'b': [1, ('c',)]})]", `{"name": "f", "arguments": {"a": {"b": [1, ["c"]]}}}`},
		{`[f(a=u'x' 'y', b=r'\d')]`, `{"name": "f", "arguments": {"a": "xy", "b": "\\d"}}`},
		{"[f(a=0x10, b=1_000)]", `{"name": "f", "arguments": {"a": 16, "b": 1000}}`},
		{"[f(a=f'x')]", ""},
	} {
		if c.want != "" {
			c.want = openCall + "\n" + c.want + "\n" + closeCall
		}
		if got := oneCall(c.text); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// Templates are filled once: a field in what is filled in stays as it is.
func TestMessages(t *testing.T) {
	it := &Item{Category: "normal_similar_api", Question: "user: {time} {{x}}", Time: "now {function}"}
	for _, format := range Formats {
		m := Messages(it, format, "")
		if !strings.Contains(m[0].Text, "now {function}") || !strings.HasSuffix(m[1].Text, "{time} {{x}}") || strings.Contains(m[0].Text, "{{") {
			t.Errorf("%s: %q", format, m)
		}
	}
	if n := len(Categories); n != 17 || len(Single) != 15 {
		t.Errorf("%d categories, %d of one reply", n, len(Single))
	}
	if h := History(ballast.Message{Role: SpeakerUser, Text: "a"}, ballast.Message{Role: SpeakerStep, Text: "[]"}); h != "user:a\nexecution result:[]\n" {
		t.Errorf("%q", h)
	}
}

func FuzzRebuilt(f *testing.F) {
	f.Add("user: a\nsystem: [f(x=1)]\nsystem: b\nexecution result: [1]")
	f.Add("agent:[f(]user:execution:")
	f.Fuzz(func(t *testing.T, history string) {
		last := ""
		for _, m := range rebuilt(history) {
			if m.Text == "" || m.Role == last || m.Role != roleUser && m.Role != roleAssistant {
				t.Errorf("%q: %+v after %s", history, m, last)
			}
			last = m.Role
		}
	})
}
