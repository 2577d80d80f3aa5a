package imports

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

// TestLentTools: a row that documents no tools has those that are lent, and its calls are held to
// them; a row with tools of its own keeps those.
func TestLentTools(t *testing.T) {
	call := func(name, more string) string {
		return `{"messages": [{"role": "user", "content": "Wx?"}, {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": ` +
			`{"name": "` + name + `", "arguments": {"city": "Oslo"` + more + `}}}]}, {"role": "tool", "tool_call_id": "a", "content": "3"}, ` +
			`{"role": "assistant", "content": "3."}]`
	}
	rows := []string{call("wx", `, "unit": null`) + "}", call("other", "") + "}", call("own", "") + `, "tools": [{"name": "own"}]}`,
		`{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}`}
	path := filepath.Join(t.TempDir(), "chats.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(rows, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	schema, err := value.ParseJSON([]byte(`{"name": "wx", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	f, err := ReadWith(path, []ballast.Tool{{Name: "wx", Schema: schema}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range f.Dialogues {
		for _, tool := range d.Tools {
			got = append(got, d.ID+" "+tool.Name)
		}
	}
	if s := strings.Join(got, ", "); s != "line-1 wx, line-3 own, line-4 wx" {
		t.Errorf("tools: %s; left out: %s", s, f.Left.String())
	}
	if n := len(f.Dialogues[0].Messages[1].Calls[0].Args); n != 1 {
		t.Errorf("a null that fills in stays: %d arguments", n)
	}
	if s := f.Left.String(); !strings.Contains(s, "line 2") || !strings.Contains(s, string(reasonUnknownTool)) {
		t.Error(s)
	}
	if f, err := Read(path); err != nil || len(f.Dialogues) != 2 {
		t.Errorf("without lent tools: %v, %d dialogues", err, len(f.Dialogues))
	}
}

// TestLentToolsAreHeld: what a call of a lent tool says is what its schema asks for, in what is trained.
func TestLentToolsAreHeld(t *testing.T) {
	tools, faults := parseTools([]byte("[" + wx + `, {"name": "now"}]`))
	if faults != nil {
		t.Fatal(faults)
	}
	lent := func(text string) error {
		v, err := value.ParseExact([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = read(v, false, tools)
		return err
	}
	calls := func(list string) string { return `{"messages": [` + ask + `, ` + with(list) + `]}` }
	fn := func(name, arguments string) string {
		return `{"type": "function", "function": {"name": "` + name + `", "arguments": ` + quoted(arguments) + `}}`
	}
	for _, c := range []struct{ row, want string }{
		{calls(fn("wx", `{"city": "Oslo", "days": 2, "unit": null}`)), ""},
		{calls(fn("now", `{}`)), ""},
		{calls(fn("now", `{"zone": 1}`)), "messages[1].tool_calls: " + string(reasonFit) + " (now.zone is no argument of now; it takes none)"},
		{calls(fn("wx", `{"city": "Oslo", "days": "2"}`)), "messages[1].tool_calls: " + string(reasonFit) + " (wx.days is text, and wx takes integer)"},
		{calls(fn("wx", `{"days": 2}`)), "messages[1].tool_calls: " + string(reasonFit) + " (wx.city is missing, and wx needs it)"},
		{calls(fn("wx", `{"city": "Oslo"}`) + ", " + fn("wx", `{"city": 1}`)), "(call 2, wx.city is a number, and wx takes string)"},
		{calls(fn("wx", `{"city": "Oslo", "town": "Oslo"}`)), "(wx.town is no argument of wx; it takes city, days, unit)"},
		{calls(fn("rain", `{}`)), "messages[1].tool_calls: " + string(reasonUnknownTool) + " (rain)"},
		{share("", human, turn("function_call", `{"name": "wx", "arguments": {"city": 3}}`)), "(wx.city is a number, and wx takes string)"},
		{share("", human, turn("gpt", "<tool_call>{\"name\": \"wx\", \"arguments\": {\"city\": 3}}</tool_call>")),
			"conversations[1].value: " + string(reasonFit) + " (wx.city is a number, and wx takes string)"},
		{`{"query": "q", "answers": "[{\"name\": \"wx\", \"arguments\": {}}]", "tools": null}`, "answers: " + string(reasonFit)},
		// What is seen and not trained may be wrong, and what a row documents itself is not held.
		{`{"messages": [` + ask + `, ` + strings.TrimSuffix(with(fn("wx", `{"days": 2}`)), "}") + `, "weight": 0}, {"role": "tool", "content": "no city"}, ` + said + `]}`, ""},
		{talk(ask, with(fn("wx", `{"days": "2"}`))), ""},
	} {
		err := lent(c.row)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.row, err, c.want)
		}
	}
}
