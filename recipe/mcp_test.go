package recipe

import (
	"encoding/json"
	"strings"
	"testing"

	"ballast/bounded/yaml"
)

// TestToolCall: a call may be written as a map, in a file and by --set, or as JSON in quotes, and comes back from the resolved recipe.
func TestToolCall(t *testing.T) {
	const want = `{"arguments":{"all":true,"n":3},"name":"forget"}`
	for text, want := range map[string]string{
		`mcp: {reset: {name: forget, arguments: {n: 3, all: true}}}`:                      want,
		"mcp:\n  reset:\n    name: forget\n    arguments:\n      n: 3\n      all: true\n": want,
		`mcp: {reset: '{"name": "forget"}'}`:                                              `{"name": "forget"}`,
	} {
		var r Recipe
		if err := r.Apply("x", []byte(text)); err != nil || string(r.MCP.Reset) != want {
			t.Errorf("%s: %s, %v", text, r.MCP.Reset, err)
		}
	}
	r, err := New(Baseline)
	if err != nil {
		t.Fatal(err)
	}
	r.Tasks.Set, r.MCP.Server = "x.jsonl", "server"
	for pair, want := range map[string]string{
		`mcp.reset={name: forget, arguments: {n: 3, all: true}}`: want,
		`mcp.reset={"name": "forget"}`:                           `{"name":"forget"}`,
		`mcp.reset="{\"name\": \"forget\"}"`:                     `{"name": "forget"}`,
	} {
		if err := r.Set(pair); err != nil || string(r.MCP.Reset) != want {
			t.Errorf("%s: %s, %v", pair, r.MCP.Reset, err)
		}
		again, err := New(Baseline)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Apply("again", r.YAML()); err != nil || again.MCP.Reset != r.MCP.Reset {
			t.Errorf("%s is written as\n%s\nand read as %s, %v", pair, r.YAML(), again.MCP.Reset, err)
		}
	}
	if err := r.Set("mcp.reset=[a]"); err == nil || !strings.Contains(err.Error(), "a call is a map, {name: TOOL, arguments: {NAME: VALUE}}") {
		t.Errorf("%v", err)
	}
}

// TestKindsByName: a value of another kind is told in the words of settings.
func TestKindsByName(t *testing.T) {
	for pair, want := range map[string]string{
		"mcp.tools=nope":    `--set mcp.tools=nope: mcp.tools: wants a list, such as [a, b], and "nope" is a text`,
		"mcp.sessions=many": `--set mcp.sessions=many: mcp.sessions: wants a whole number, and "many" is a text`,
		"mcp.reads=perhaps": `--set mcp.reads=perhaps: mcp.reads: wants true or false, and "perhaps" is a text`,
		"mcp=3":             "--set mcp=3: mcp: wants settings of its own below it, such as mcp.server, and 3 is a number",
	} {
		r, err := New(Baseline)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Set(pair); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// FuzzToolCall: what is read is JSON, or the text that stood there.
func FuzzToolCall(f *testing.F) {
	f.Add(`{name: a, arguments: {b: [1, 2.5, null, "x"]}}`)
	f.Add(`'{"name": "a"}'`)
	f.Add("name: a\narguments:\n  1: .nan")
	f.Fuzz(func(t *testing.T, text string) {
		var c ToolCall
		if c.UnmarshalYAML([]byte(text)) != nil || json.Valid([]byte(c)) {
			return
		}
		var s string
		if err := yaml.Unmarshal([]byte(text), &s); err != nil || s != string(c) {
			t.Errorf("%q is read as %q", text, c)
		}
	})
}
