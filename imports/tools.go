package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/bounded"
	"ballast/chat/tooldoc"
	"ballast/safetext"
	"ballast/value"
	jsonschema "ballast/value/schema"
	"ballast/value/shape"
)

// maxTools bounds a file of tools, and maxToolFaults the faults that its error lists.
const maxTools, maxToolFaults = 16 * bounded.MiB, 20

// ReadTools reads a file of tools: a JSON array of their documentation as OpenAI's interface or
// Anthropic's has it, or as an MCP server lists them, alone or under the key tools of its answer.
// Those of OpenAI stay as they come; those of an MCP server are as ballast has them from the server.
// An error lists what is wrong, each with its line, the key and what to do.
func ReadTools(path string) ([]ballast.Tool, error) {
	text, err := bounded.ReadFile(path, maxTools)
	if err != nil {
		return nil, err
	}
	tools, faults := parseTools(text)
	if len(faults) == 0 {
		return tools, nil
	}
	var errs []error
	for _, text := range faults[:min(len(faults), maxToolFaults)] {
		errs = append(errs, fmt.Errorf("%s: %s", path, text))
	}
	if n := len(faults) - len(errs); n > 0 {
		errs = append(errs, fmt.Errorf("%s: and %d more", path, n))
	}
	return nil, errors.Join(errs...)
}

// wantTools says what a file of tools is.
const wantTools = "a file of tools is a JSON array of their schemas, [{\"name\": ..., \"description\": ..., \"parameters\": {...}}, ...]"

// parseTools reads the text of a file of tools.
func parseTools(text []byte) ([]ballast.Tool, []string) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	v, err := value.ParseExact(text)
	if err != nil {
		at := ""
		if e := new(value.JSONError); errors.As(err, &e) {
			at = fmt.Sprintf("line %d: ", 1+bytes.Count(text[:min(e.Byte, len(text))], []byte("\n")))
		}
		return nil, []string{at + err.Error() + "; " + wantTools}
	}
	f := toolFile{first: map[string]int{}}
	key := ""
	if d, ok := v.(*value.Dict); ok {
		key = "tools"
		if f.answer(d); len(f.faults) > 0 {
			return nil, f.faults
		}
		v = d.Member(key)
	}
	list, ok := v.(*value.List)
	switch {
	case !ok:
		return nil, []string{"it is " + shape.KindOf(v) + "; " + wantTools}
	case len(list.Items) == 0:
		return nil, []string{"it lists no tools; " + wantTools}
	}
	f.lines = linesOf(text, key)
	for i, x := range list.Items {
		f.item = i
		f.tool(shape.Index(key, i), x)
	}
	return f.tools, f.faults
}

// toolFile is a file of tools that is being read.
type toolFile struct {
	tools  []ballast.Tool
	first  map[string]int // the item that has a name
	lines  []int          // where items begin
	item   int            // that is read
	faults []string
}

// say notes a fault of the item that is read.
func (f *toolFile) say(path, format string, args ...any) {
	at := ""
	if f.item < len(f.lines) {
		at = fmt.Sprintf("line %d, ", f.lines[f.item])
	}
	f.faults = append(f.faults, at+path+" "+fmt.Sprintf(format, args...))
}

// answer looks at what an MCP server answered to tools/list.
func (f *toolFile) answer(d *value.Dict) {
	switch cursor := d.Member("nextCursor"); {
	case !d.Has("tools") && d.Has("name"):
		f.say("the file", "is one tool; write it into a list, [...]")
	case !d.Has("tools"):
		f.say("the file", "is an object without the key tools; %s", wantTools)
	case cursor != nil && cursor != "":
		f.say("nextCursor", "says that the server has more tools than these; ask it for the others, and add them to the list")
	}
}

// Keys under which a tool has the schema of its arguments, by where they come from.
const openAIKey, mcpKey, anthropicKey = "parameters", "inputSchema", "input_schema"

// tool reads one tool.
func (f *toolFile) tool(path string, v any) {
	d, ok := v.(*value.Dict)
	if !ok {
		f.say(path, "is %s; a tool is an object with name, description and parameters", shape.KindOf(v))
		return
	}
	before := len(f.faults)
	if kind := d.Member("type"); d.Has("type") && kind != "function" && kind != "custom" {
		f.say(shape.Key(path, "type"), "is %s: ballast knows tools of type function; take it out", brief(value.Repr(kind)))
		return
	}
	function := d
	if d.Has("function") {
		path = shape.Key(path, "function")
		if function = d.Object("function"); function == nil {
			f.say(path, "is %s; write an object with name, description and parameters", shape.KindOf(d.Member("function")))
			return
		}
	}
	name := f.name(path, function)
	if doc := function.Member("description"); function.Has("description") {
		if _, ok := doc.(string); !ok {
			f.say(shape.Key(path, "description"), "is %s; write text, or take the key out", shape.KindOf(doc))
		}
	}
	key := f.schema(path, function)
	if len(f.faults) > before {
		return
	}
	t := ballast.Tool{Name: name, Doc: function.Text("description"), Schema: d}
	switch key {
	case mcpKey:
		t = tooldoc.Served(name, t.Doc, function.Object(key))
		t.ReadOnly = function.Object("annotations").Member("readOnlyHint") == true
	case anthropicKey:
		w, err := wrapped(function, path)
		if x := new(fault); errors.As(err, &x) {
			f.say(x.Key, "is %s; take it out", strings.TrimSpace(string(x.Reason)+" "+x.Detail))
			return
		}
		t.Schema = w
	}
	f.tools = append(f.tools, t)
}

// name reads the name of a tool, which no other has.
func (f *toolFile) name(path string, function *value.Dict) string {
	path = shape.Key(path, "name")
	name, ok := function.Member("name").(string)
	before, twice := f.first[name]
	switch {
	case !function.Has("name"):
		f.say(path, "is missing; write the name that calls have")
	case !ok:
		f.say(path, "is %s; write the name that calls have", shape.KindOf(function.Member("name")))
	case strings.TrimSpace(name) == "":
		f.say(path, "is empty; write the name that calls have")
	case twice:
		where := fmt.Sprintf("item %d", before)
		if before < len(f.lines) {
			where += fmt.Sprintf(", line %d", f.lines[before])
		}
		f.say(path, "is %q, as that of %s: two tools of one name; take one out", safetext.Brief(name, 60), where)
	default:
		f.first[name] = f.item
	}
	return name
}

// schema looks at the schema of a tool's arguments, and says under which key it stands; "" for none.
func (f *toolFile) schema(path string, function *value.Dict) string {
	keys := slices.DeleteFunc([]string{openAIKey, mcpKey, anthropicKey}, func(key string) bool { return !function.Has(key) })
	switch len(keys) {
	case 0:
		return ""
	case 1:
	default:
		f.say(path, "has %s; write the schema of the arguments once", strings.Join(keys, " and "))
		return ""
	}
	key, at := keys[0], shape.Key(path, keys[0])
	schema := function.Object(key)
	if schema == nil {
		f.say(at, "is %s; write the JSON Schema of the arguments, an object", shape.KindOf(function.Member(key)))
		return key
	}
	for _, x := range jsonschema.Check(at, schema) {
		f.say(x.Path, "%s", x.Text)
	}
	return key
}

// linesOf are the lines in which the items of an array begin: of the text's own, or of that under a
// key. The text is JSON.
func linesOf(text []byte, key string) (lines []int) {
	in := json.NewDecoder(bytes.NewReader(text))
	open := func() bool { _, err := in.Token(); return err == nil }
	if !open() {
		return nil
	}
	for key != "" && in.More() {
		name, err := in.Token()
		if err != nil {
			return nil
		}
		if name == key {
			if key = ""; !open() {
				return nil
			}
			break
		}
		var passed json.RawMessage
		if in.Decode(&passed) != nil {
			return nil
		}
	}
	line, at := 1, 0
	for key == "" && in.More() {
		var item json.RawMessage
		if in.Decode(&item) != nil {
			return lines
		}
		start := int(in.InputOffset()) - len(item)
		line, at = line+bytes.Count(text[at:start], []byte("\n")), start
		lines = append(lines, line)
	}
	return lines
}
