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
		form    ballast.Form
		reason  string
		run     int // calls that are kept
	}{
		{"a call", "", calls("f", `{"a": 1}`), ballast.FormCall, "", 1},
		{"two calls and prose", "Let me see.", calls("f", `{}`, "f", `{"b": [1.5, null]}`), ballast.FormCall, "", 2},
		{"no arguments at all", "", calls("f", " "), ballast.FormCall, "", 1},
		{"an unknown function", "", calls("g", `{}`), ballast.FormCall, string(format.ReasonUnknownTool), 1},
		{"prose", "It is done.", nil, ballast.FormResponse, "", 0},
		{"nothing", "", nil, ballast.FormCollapsed, "", 0},
		{"half an object", "", calls("f", `{"a": `), ballast.FormPolluted, string(format.ReasonBadJSON), 0},
		{"Python's words", "", calls("f", `{"a": None}`), ballast.FormPolluted, string(format.ReasonBadJSON), 0},
		{"a list", "", calls("f", `[1]`), ballast.FormPolluted, string(format.ReasonNotAnObject), 0},
		{"text in text", "", calls("f", `"{\"a\": 1}"`), ballast.FormPolluted, string(format.ReasonNotAnObject), 0},
		{"no name", "", calls("", `{}`), ballast.FormPolluted, string(format.ReasonMissingName), 0},
		{"a good and a bad one", "", calls("f", `{}`, "f", `{`), ballast.FormPolluted, string(format.ReasonBadJSON), 0},
		{"deep nesting", "", calls("f", strings.Repeat(`{"a":`, 1000)), ballast.FormPolluted, string(format.ReasonBadJSON), 0},
		{"a call as text", "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", nil, ballast.FormPolluted, string(format.ReasonOtherSyntax), 0},
		{"an open tag as text", "Well <tool_call>", nil, ballast.FormPolluted, string(format.ReasonUnclosedTag), 0},
	} {
		p := parse(endpoint.Reply{Content: c.content, Calls: c.calls}, offered)
		if p.Form != c.form || len(p.Calls) != c.run || c.reason != "" && string(p.Reason) != c.reason {
			t.Errorf("%s: form %v, reason %q, %d calls", c.name, p.Form, p.Reason, len(p.Calls))
		}
	}
}
