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
