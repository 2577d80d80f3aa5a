package imports

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/chat/tooldoc"
	"ballast/value"
)

// TestReadTools: a file of tools in each of its layouts, and what prompts show of it.
func TestReadTools(t *testing.T) {
	const args = `{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`
	const served = `{"name": "wx", "description": "Weather", "parameters": ` + args + `}`
	bare := `{"name": "wx", "description": "Weather", "parameters": ` + args + `}`
	for _, c := range []struct{ name, text, want string }{
		{"wrapped as OpenAI does", "\ufeff\n[" + wrap + "]\n", wrap},
		{"bare", "[" + bare + ", {\"name\": \"now\"}]", bare + ` {"name": "now"}`},
		{"of OpenAI's responses", `[{"type": "function", "name": "wx", "parameters": {}, "strict": true}]`, `{"type": "function", "name": "wx", "parameters": {}, "strict": true}`},
		{"of Anthropic", "[" + claude + "]", `{"type": "function", "function": {"name": "wx", "description": "Weather", "parameters": ` + args + `}}`},
		{"as an MCP server lists it", `[{"name": "wx", "title": "Wx", "description": "Weather", "inputSchema": {"$schema": "x", "type": "object", "properties": {"city": {"type": "string"}}, ` +
			`"required": ["city"]}, "outputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}}]`, served},
		{"its answer", `{"tools": [{"name": "now", "inputSchema": {"type": "object"}}], "nextCursor": ""}`,
			`{"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}`},
	} {
		path := filepath.Join(t.TempDir(), "tools.json")
		if err := os.WriteFile(path, []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		tools, err := ReadTools(path)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, x := range tools {
			got = append(got, tooldoc.JSON(tooldoc.Doc(x)))
			if x.Name != tooldoc.Function(x).Text("name") || x.ReadOnly != strings.Contains(c.name, "lists it") {
				t.Errorf("%s: %+v", c.name, x)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, s, c.want)
		}
	}
	if _, err := ReadTools(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestToolsAreRefused: what is no file of tools is refused with line, key and what to do.
func TestToolsAreRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "line 1: json: unexpected end at byte 0; a file of tools is a JSON array"},
		{"[\n{\"name\": }\n]", "line 2: json: expected a value at byte 11"},
		{"{\"name\": \"a\"}\n{\"name\": \"b\"}", "line 2: json: extra data at byte 14"},
		{`[{"name": "a", "name": "b"}]`, "an object with one key twice"},
		{`[]`, "it lists no tools"},
		{`"wx"`, "it is text; a file of tools is a JSON array"},
		{wx, "the file is one tool; write it into a list"},
		{`{"result": []}`, "the file is an object without the key tools"},
		{`{"tools": {}}`, "it is an object; a file of tools is a JSON array"},
		{`{"tools": [` + wx + `], "nextCursor": "p2"}`, "nextCursor says that the server has more tools than these"},
		{"[\n" + wx + ",\n\n" + wrap + "]", `line 4, [1].function.name is "wx", as that of item 0, line 2: two tools of one name; take one out`},
		{"{\"x\": [1,\n2], \"tools\": [\n" + wx + ", " + wx + "]}", `line 3, tools[1].name is "wx", as that of item 0, line 3`},
		{"[\n\"wx\", null]", "line 2, [0] is text; a tool is an object|line 2, [1] is null; a tool is an object"},
		{`[{"type": "web_search"}]`, "line 1, [0].type is 'web_search': ballast knows tools of type function; take it out"},
		{`[{"type": "function", "function": "wx"}]`, "line 1, [0].function is text; write an object"},
		{`[{"description": "x"}, {"name": 1}, {"name": " "}]`,
			"line 1, [0].name is missing; write the name|line 1, [1].name is a number; write the name|line 1, [2].name is empty; write the name"},
		{`[{"name": "a", "description": null}]`, "[0].description is null; write text, or take the key out"},
		{`[{"name": "a", "parameters": []}]`, "[0].parameters is a list; write the JSON Schema of the arguments, an object"},
		{`[{"name": "a", "parameters": {}, "inputSchema": {}}]`, "[0] has parameters and inputSchema; write the schema of the arguments once"},
		{`[{"name": "a", "parameters": {"city": {"type": "str"}}}]`, "[0].parameters is no JSON Schema of an object"},
		{`[{"type": "function", "function": {"name": "a", "parameters": {"type": "object", "properties": {"n": {"type": "int32"}}}}}]`,
			"[0].function.parameters.properties.n.type is 'int32', which is no type"},
		{`[{"name": "a", "input_schema": {}, "strict": true}]`, "[0].strict is a key that is not known; take it out"},
	} {
		tools, faults := parseTools([]byte(c.text))
		if tools != nil && len(faults) == 0 || len(faults) != 1+strings.Count(c.want, "|") {
			t.Errorf("%s: %d tools, %q", c.text, len(tools), faults)
			continue
		}
		for i, want := range strings.Split(c.want, "|") {
			if !strings.Contains(faults[i], want) {
				t.Errorf("%s\n got %s\nwant %s", c.text, faults[i], want)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "tools.json")
	if err := os.WriteFile(path, []byte("["+strings.Repeat("1,\n", 29)+"1]"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadTools(path); err == nil || strings.Count(err.Error(), path) != maxToolFaults+1 || !strings.HasSuffix(err.Error(), "and 10 more") {
		t.Error(err)
	}
}

// FuzzTools: a file of any bytes is refused with a reason, or has tools of different names that
// prompts can show.
func FuzzTools(f *testing.F) {
	for _, s := range []string{"[" + wx + ", " + wrap + "]", "[" + claude + "]", `{"a": [], "tools": [{"name": "x", "inputSchema": {"type": "object"}}]}`, "[1]", "{}", "[\n\n{}]", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tools, faults := parseTools([]byte(text))
		names := map[string]bool{}
		for _, x := range tools {
			if _, err := value.JSON(tooldoc.Doc(x)); err != nil || names[x.Name] || x.Name == "" {
				t.Errorf("%q: %v", x.Name, err)
			}
			names[x.Name] = true
		}
		if len(faults) == 0 && len(tools) == 0 {
			t.Error("neither tools nor a reason")
		}
		v, err := value.ParseExact([]byte(text))
		if l, ok := v.(*value.List); err == nil && ok && len(linesOf([]byte(text), "")) != len(l.Items) {
			t.Errorf("%d items begin in lines %v", len(l.Items), linesOf([]byte(text), ""))
		}
	})
}
