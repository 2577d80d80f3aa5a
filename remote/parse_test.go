package remote

import (
	"strings"
	"testing"

	"ballast"
	"ballast/chat/format"
	"ballast/endpoint"
)

// What a reply of an endpoint is taken for, malformed calls of every kind among them.
func TestParseReplies(t *testing.T) {
	offered := format.Tools([]ballast.Tool{{Name: "f"}})
	calls := func(pairs ...string) (out []endpoint.Call) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, endpoint.Call{Name: pairs[i], Arguments: pairs[i+1]})
		}
		return out
	}
	for _, c := range []struct {
		name    string
		content string
		calls   []endpoint.Call
		form    ballast.ReplyKind
		reason  string
		run     int // calls that are kept
	}{
		{"a call", "", calls("f", `{"a": 1}`), ballast.KindCall, "", 1},
		{"two calls and prose", "Let me see.", calls("f", `{}`, "f", `{"b": [1.5, null]}`), ballast.KindCall, "", 2},
		{"no arguments at all", "", calls("f", " "), ballast.KindCall, "", 1},
		{"arguments null", "", calls("f", "null"), ballast.KindCall, "", 1},
		{"arguments empty", "", calls("f", ""), ballast.KindCall, "", 1},
		{"a thought and a call", "<think>f or g?</think>", calls("f", `{}`), ballast.KindCall, "", 1},
		{"a thought whose beginning the template wrote", "It is easy.</think>\n\nIt is done.", nil, ballast.KindResponse, "", 0},
		{"a thought with a draft", "Maybe <tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>?</think>\n\nNo.", nil, ballast.KindResponse, "", 0},
		{"a thought alone", "Hm.</think>", nil, ballast.KindPolluted, string(format.ReasonEmpty), 0},
		{"a call after a thought, as text", "Hm.</think><tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", nil, ballast.KindPolluted, string(format.ReasonOtherSyntax), 0},
		{"Mistral's syntax as text", `[TOOL_CALLS][{"name": "f", "arguments": {}}]`, nil, ballast.KindPolluted, string(format.ReasonOtherSyntax), 0},
		{"DeepSeek's syntax as text", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f", nil, ballast.KindPolluted, string(format.ReasonOtherSyntax), 0},
		{"Llama's other syntax as text", `<function=f>{"a": 1}</function>`, nil, ballast.KindPolluted, string(format.ReasonOtherSyntax), 0},
		{"Phi's syntax as text", `functools[{"name": "f", "arguments": {}}]`, nil, ballast.KindPolluted, string(format.ReasonOtherSyntax), 0},
		{"an unknown function", "", calls("g", `{}`), ballast.KindCall, string(format.ReasonUnknownTool), 1},
		{"prose", "It is done.", nil, ballast.KindResponse, "", 0},
		{"nothing", "", nil, ballast.KindCollapsed, "", 0},
		{"half an object", "", calls("f", `{"a": `), ballast.KindPolluted, string(format.ReasonBadJSON), 0},
		{"Python's words", "", calls("f", `{"a": None}`), ballast.KindPolluted, string(format.ReasonBadJSON), 0},
		{"a list", "", calls("f", `[1]`), ballast.KindPolluted, string(format.ReasonNotAnObject), 0},
		{"text in text", "", calls("f", `"{\"a\": 1}"`), ballast.KindPolluted, string(format.ReasonNotAnObject), 0},
		{"no name", "", calls("", `{}`), ballast.KindPolluted, string(format.ReasonMissingName), 0},
		{"a good and a bad one", "", calls("f", `{}`, "f", `{`), ballast.KindPolluted, string(format.ReasonBadJSON), 0},
		{"deep nesting", "", calls("f", strings.Repeat(`{"a":`, 1000)), ballast.KindPolluted, string(format.ReasonBadJSON), 0},
		{"a call as text", "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", nil, ballast.KindPolluted, string(format.ReasonOtherSyntax), 0},
		{"an open tag as text", "Well <tool_call>", nil, ballast.KindPolluted, string(format.ReasonUnclosedTag), 0},
	} {
		p := parse(endpoint.Reply{Content: c.content, Calls: c.calls}, offered)
		if p.Kind != c.form || len(p.Calls) != c.run || c.reason != "" && string(p.Reason) != c.reason {
			t.Errorf("%s: form %v, reason %q, %d calls", c.name, p.Kind, p.Reason, len(p.Calls))
		}
	}
}

// TestHints: the server's missing parsers are named where the replies show that, and
// nowhere else.
func TestHints(t *testing.T) {
	const call, prose = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", "It is done."
	offered := format.Tools([]ballast.Tool{{Name: "f"}})
	for name, c := range map[string]struct {
		replies []endpoint.Reply
		want    string // the parts that the hints hold, in order
	}{
		"every call as text":      {[]endpoint.Reply{{Content: call}, {Content: prose}}, "1 of 2 replies hold a call as text, and 0 --tool-call-parser"},
		"another syntax":          {[]endpoint.Reply{{Content: `{"name": "f", "parameters": {}}`}}, "--enable-auto-tool-choice --jinja"},
		"native calls":            {[]endpoint.Reply{{Calls: []endpoint.Call{{Name: "f"}}}, {Content: prose}}, ""},
		"one slip of three":       {[]endpoint.Reply{{Calls: []endpoint.Call{{Name: "f"}}}, {Calls: []endpoint.Call{{Name: "f"}}}, {Content: call}}, ""},
		"broken native calls":     {[]endpoint.Reply{{Calls: []endpoint.Call{{Name: "f", Arguments: "{"}}}}, ""},
		"prose":                   {[]endpoint.Reply{{Content: prose}}, ""},
		"a thought":               {[]endpoint.Reply{{Content: "<think>hm</think>" + prose}}, "1 of 1 replies hold a thought --reasoning-parser"},
		"a thought half":          {[]endpoint.Reply{{Content: "hm</think>" + prose}}, "--reasoning-parser --reasoning-format"},
		"both":                    {[]endpoint.Reply{{Content: "hm</think>" + call}}, "as text --reasoning-parser"},
		"a thought of many":       {[]endpoint.Reply{{Content: prose}, {Content: prose}, {Content: prose}, {Content: prose}, {Content: "a</think>b"}}, ""},
		"nothing that was played": {nil, ""},
	} {
		var turn ballast.Turn
		for _, r := range c.replies {
			p := parse(r, offered)
			turn.Steps = append(turn.Steps, ballast.Step{Text: text(r), Kind: p.Kind, Reason: string(p.Reason), Calls: p.Calls})
		}
		got := strings.Join(Hints([]ballast.Episode{{Turns: []ballast.Turn{turn}, Stop: ballast.StopDone}, {Turns: []ballast.Turn{turn}, Stop: ballast.StopInfra}}), " ")
		if (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
		for word := range strings.FieldsSeq(c.want) {
			if !strings.Contains(got, word) {
				t.Errorf("%s: %q lacks %s", name, got, word)
			}
		}
	}
}

// TestParseText: a thought whose beginning the prompt's template wrote is a thought here, too.
func TestParseText(t *testing.T) {
	for text, want := range map[string]ballast.ReplyKind{
		"It is easy.</think>\n\nIt is done.":  ballast.KindResponse,
		"<think>Hm.</think>\n\nIt is done.":   ballast.KindResponse,
		"Maybe [f()]?</think>\n\nIt is done.": ballast.KindResponse,
		"Hm.</think>[f()]":                    ballast.KindCall,
		"Hm.</think>":                         ballast.KindPolluted,
	} {
		if p := parseText(text, "pythonic", format.Tools([]ballast.Tool{{Name: "f"}})); p.Kind != want || want == ballast.KindCall && len(p.Calls) != 1 {
			t.Errorf("%q is %s %s with %d calls, want %s", text, p.Kind, p.Reason, len(p.Calls), want)
		}
	}
}
