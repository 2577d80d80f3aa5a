package format

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"ballast"
	"ballast/value"
)

// described is a tool f whose argument a has the schema, and $defs beside it.
func described(t testing.TB, schema string) Offered {
	t.Helper()
	v, err := value.ParseJSON([]byte(`{"name": "f", "parameters": {"type": "object", "properties": {"a": ` + schema + `, "b": {"type": "string"}},
		"$defs": {"Kind": {"type": "string", "enum": ["x"]}, "loop": {"$ref": "#/$defs/loop"}, "a/b": {"type": "array"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return Tools([]ballast.Tool{{Name: "f", Schema: v}})
}

// xmlWith is a call of f with the text as its argument a.
func xmlWith(text string) string {
	return "<tool_call>\n<function=f>\n<parameter=a>\n" + text + "\n</parameter>\n</function>\n</tool_call>"
}

// TestDeclaredTypes: what a text is under each declaration; "!" for a value that it is not.
func TestDeclaredTypes(t *testing.T) {
	for schema, want := range map[string]map[string]string{
		`{"type": "string"}`: {"12": "'12'", "3.10": "'3.10'", "true": "'true'", "True": "'True'", "null": "'null'", "1e5": "'1e5'", `{"a": 1}`: `'{"a": 1}'`,
			`"q"`: `'"q"'`, "02134": "'02134'", "": "''", "  x ": "'  x '", "\nx\n": `'\nx\n'`, "a < b && c > d": "'a < b && c > d'", "[1]": "'[1]'"},
		`{"type": "integer"}`: {"12": "12", " 12 ": "12", "-3": "-3", "5.0": "5.0", "1e5": "100000.0", "12345678901234567890123": "12345678901234567890123",
			"3.5": "!", "02134": "!", "true": "!", "twelve": "!", `"12"`: "!", "": "!", "null": "!", "None": "!", "NaN": "!"},
		`{"type": "number"}`:   {"12": "12", "3.10": "3.1", "1e5": "100000.0", "NaN": "nan", "3,5": "!", "[1]": "!"},
		`{"type": "boolean"}`:  {"true": "True", "false": "False", "True": "True", "False": "False", "TRUE": "!", "1": "!", "yes": "!", `"true"`: "!"},
		`{"type": "null"}`:     {"null": "None", "None": "None", "nil": "!", "": "!"},
		`{"type": "array"}`:    {`[1, "a"]`: "[1, 'a']", "[]": "[]", "['a']": "!", "(1, 2)": "!", "{}": "!", "a, b": "!"},
		`{"type": "object"}`:   {`{"a": [1, 2]}`: "{'a': [1, 2]}", "{'a': 1}": "!", "[]": "!"},
		`{"type": "dict"}`:     {"{}": "{}", "x": "!"},
		`{"type": "float"}`:    {"5": "5", "x": "!"},
		`{"type": "STRING"}`:   {"5": "'5'"},
		`{"type": "tuple"}`:    {"[1]": "[1]", "1": "!"},
		`{"type": "any"}`:      {"12": "12", "true": "True", "True": "True", "None": "None", `"q"`: `'"q"'`, "x": "'x'", "[1]": "[1]", "null": "None", "02134": "'02134'"},
		`{}`:                   {"12": "12", "x": "'x'", "3.10": "3.1"},
		`{"description": "d"}`: {"12": "12"},
		// Unions.
		`{"type": ["string", "null"]}`:                                       {"null": "None", "None": "None", "12": "'12'", "x": "'x'", `"x"`: `'"x"'`},
		`{"type": ["integer", "string"]}`:                                    {"12": "12", "02134": "'02134'", "true": "'true'", "3.5": "'3.5'"},
		`{"type": "integer", "nullable": true}`:                              {"12": "12", "null": "None", "x": "!"},
		`{"anyOf": [{"type": "integer"}, {"type": "null"}]}`:                 {"12": "12", "None": "None", "x": "!"},
		`{"oneOf": [{"type": "array"}, {"type": "boolean"}]}`:                {"[]": "[]", "True": "True", "12": "!"},
		`{"anyOf": [{"type": "integer"}, {"description": "d"}]}`:             {"12": "12", "x": "'x'", "true": "True"},
		`{"allOf": [{"type": ["string", "integer"]}, {"type": "string"}]}`:   {"12": "'12'"},
		`{"anyOf": [{"$ref": "#/$defs/Kind"}, {"type": "null"}]}`:            {"x": "'x'", "null": "None", "12": "'12'"},
		`{"$ref": "#/$defs/Kind"}`:                                           {"12": "'12'"},
		`{"$ref": "#/$defs/a~1b"}`:                                           {"[]": "[]", "x": "!"},
		`{"$ref": "#/$defs/loop"}`:                                           {"12": "12", "x": "'x'"},
		`{"$ref": "other.json"}`:                                             {"12": "12"},
		`{"enum": ["1", "2"]}`:                                               {"1": "'1'"},
		`{"enum": [1, 2, null]}`:                                             {"1": "1", "null": "None", "x": "!"},
		`{"type": "string", "enum": ["a", null]}`:                            {"null": "'null'"},
		`{"const": true}`:                                                    {"true": "True", "x": "!"},
		`{"properties": {}}`:                                                 {"{}": "{}", "x": "!"},
		`{"items": {"type": "string"}}`:                                      {"[]": "[]", "x": "!"},
		`{"type": {"type": "string"}}`:                                       {"1": "'1'"},
		`[]`:                                                                 {"12": "12"},
		`{"anyOf": [{"type": "string"}, {"type": "array"}], "default": "x"}`: {"[1]": "[1]", "12": "'12'", "['x']": `"['x']"`},
	} {
		o := described(t, schema)
		for text, repr := range want {
			p := XML.Parse(xmlWith(text), o)
			if repr == "!" {
				if p.Kind != polluted || p.Reason != ReasonBadCall || !strings.Contains(p.Detail, "argument a is") || len(p.Calls) > 0 {
					t.Errorf("%s: %q is %s %s %q %v, want bad_call that names the argument", schema, text, p.Kind, p.Reason, p.Detail, p.Calls)
				}
				continue
			}
			if p.Kind != call || p.Reason != "" || value.Repr(p.Calls[0].Args[0].Value) != repr {
				t.Errorf("%s: %q is %s %s %q %v, want %s", schema, text, p.Kind, p.Reason, p.Detail, p.Calls, repr)
			}
		}
	}
}

// TestParamsDeclare: a tool without a schema declares by its Params.
func TestParamsDeclare(t *testing.T) {
	tool := ballast.Tool{Name: "f", Params: []ballast.Param{{Name: "a", Type: "string"}, {Name: "b", Type: "integer"}, {Name: "c", Enum: []string{"1"}}, {Name: "d"}}}
	for arg, want := range map[string]kinds{"a": kindString, "b": kindInteger, "c": kindString, "d": 0, "e": 0} {
		if got := declared(tool, arg); got != want {
			t.Errorf("%s is declared as %s, want %s", arg, got, want)
		}
	}
	v, err := value.ParseJSON([]byte(`{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "array"}}, "additionalProperties": {"type": "string"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	tool.Schema = v // what prompts show counts
	for arg, want := range map[string]kinds{"a": kindArray, "b": kindString, "z": kindString} {
		if got := declared(tool, arg); got != want {
			t.Errorf("%s is declared as %s, want %s", arg, got, want)
		}
	}
}

// TestDeclaredBounds: a schema of references that multiply costs no time.
func TestDeclaredBounds(t *testing.T) {
	var b strings.Builder
	for range 30 {
		b.WriteString(`{"$ref": "#/properties/a"},`)
	}
	v, err := value.ParseJSON([]byte(`{"parameters": {"properties": {"a": {"anyOf": [{"type": "string"},` + strings.TrimSuffix(b.String(), ",") + `]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if k := declared(ballast.Tool{Schema: v}, "a"); k != 0 {
		t.Errorf("declared as %s", k)
	}
}

// TestXMLRefusesToWrite: what would read as something else is an error that names call
// and argument.
func TestXMLRefusesToWrite(t *testing.T) {
	for _, c := range []struct {
		schema string
		value  any
		want   string // "" for none
	}{
		{`{"type": "string"}`, "12", ""}, {`{"type": "string"}`, "\n\n", ""}, {`{"type": "string"}`, "\r\nx\r", ""}, {`{"type": "string"}`, "", ""},
		{`{"type": "string"}`, int64(12), "reads as '12', declared as string"},
		{`{"type": "string"}`, "x </parameter> y", "holds </parameter>"}, {`{"type": "string"}`, "<parameter=x>", "holds <parameter="},
		{`{"type": "string"}`, "</tool_call>", "holds a control token"}, {`{"type": "string"}`, "</function>", "holds </function>"},
		{`{"type": "integer"}`, "12", "reads as 12, declared as integer"}, {`{"type": "integer"}`, "twelve", "is 'twelve', declared as integer"},
		{`{"type": "integer"}`, 3.5, "declared as integer"}, {`{"type": "integer"}`, 3.0, ""}, {`{"type": "integer"}`, nil, "is None, declared as integer"},
		{`{}`, "True", "reads as True: nothing declares its type"}, {`{}`, nil, ""}, {`{}`, false, ""}, {`{"type": "string"}`, "None", ""},
		{`{"type": "boolean"}`, true, ""}, {`{"type": "object"}`, value.NewDict("x", "</parameter><|im_end|>"), ""},
		{`{"type": ["string", "null"]}`, "null", "reads as None, declared as string or null"}, {`{"type": ["string", "null"]}`, nil, ""},
		{`{}`, "12", "reads as 12: nothing declares its type"}, {`{}`, int64(12), ""}, {`{}`, "x", ""},
	} {
		calls := []ballast.Call{{Name: "f", Args: []ballast.Arg{{Name: "b", Value: "12"}, {Name: "a", Value: c.value}}}}
		text, err := XML.Write(calls, described(t, c.schema))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s %s: %v", c.schema, value.Repr(c.value), err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "argument a") || !strings.Contains(err.Error(), "f(b='12'")):
			t.Errorf("%s %s: %q, error %v, want %s", c.schema, value.Repr(c.value), text, err, c.want)
		}
	}
}

// TestXMLTags: a tag that is missing is broken and no part of a value.
func TestXMLTags(t *testing.T) {
	o := described(t, `{"type": "string"}`)
	wrap := func(s string) string { return "<tool_call>\n" + s + "\n</tool_call>" }
	for _, c := range []struct{ reply, detail string }{
		{wrap("<function=f>\n<parameter=a>\n1\n<parameter=b>\n2\n</parameter>\n</function>"), "</parameter> is missing after the argument a"},
		{wrap("<function=f>\n<parameter=a>\n1\n</function>"), "</parameter> is missing after the argument a"},
		{wrap("<function=f>\n<parameter=a>\n1"), "</parameter> is missing after the argument a"},
		{wrap("<function=f>\n<parameter=a>\n1\n</parameter>"), `"" instead of <parameter=name> or the last </function>`},
		{wrap("<function=f>\n<parameter=a>\n1\n</parameter>\n<function=f>\n</function>"), `"<function=f>\n</function>" instead of`},
		{wrap("<function=f>\n<parameter=a>\ntext </parameter> more\n</parameter>\n</function>"), `"more\n</parameter>\n</function>" instead of`},
		{wrap("<function=f>\n<parameter name=\"a\">\n1\n</parameter>\n</function>"), `"<parameter name=\"a\">\n1`},
		{wrap("<function=f>\n</function>\n<function=f>\n</function>"), `"</function>\n<function=f>\n</function>" instead of`},
		{wrap("<parameter=a>\n1\n</parameter>"), "no <function=name>"},
		{wrap("<function name=\"f\">\n</function>"), "no <function=name>"},
	} {
		if p := XML.Parse(c.reply, o); p.Kind != polluted || p.Reason != ReasonBadCall || !strings.Contains(p.Detail, c.detail) || len(p.Calls) > 0 {
			t.Errorf("%q: %s %s %q %v, want bad_call, %s", c.reply, p.Kind, p.Reason, p.Detail, p.Calls, c.detail)
		}
	}
	lines := strings.ReplaceAll(xmlWith("x\ny"), "\n", "\r\n")
	if p := XML.Parse(lines, o); p.Kind != call || p.Calls[0].Args[0].Value != "x\r\ny" {
		t.Errorf("with lines that end in \\r\\n: %s %v", p.Kind, p.Calls)
	}
}

// randomSchema is the schema of an argument in JSON.
func randomSchema(r *rand.Rand, depth int) string {
	types := []string{"string", "integer", "number", "boolean", "null", "array", "object", "any", "dict", "String"}
	name := func() string { return fmt.Sprintf("%q", types[r.IntN(len(types))]) }
	switch n := r.IntN(9); {
	case n < 4 || depth == 0:
		return `{"type": ` + name() + `}`
	case n == 4:
		return `{"type": [` + name() + `, ` + name() + `]}`
	case n == 5:
		return `{"anyOf": [` + randomSchema(r, depth-1) + `, ` + randomSchema(r, depth-1) + `]}`
	case n == 6:
		return `{"allOf": [` + randomSchema(r, depth-1) + `, ` + randomSchema(r, depth-1) + `], "nullable": true}`
	case n == 7:
		return []string{`{"$ref": "#/$defs/Kind"}`, `{"enum": [1, "a", null]}`, `{"const": 3}`, `{"items": {}}`}[r.IntN(4)]
	}
	return `{}`
}

// writes holds that a call of f with the values is read back as it is, or is an error that
// names it and an argument.
func writes(t *testing.T, o Offered, values ...any) {
	t.Helper()
	c := ballast.Call{Name: "f"}
	for i, v := range values {
		c.Args = append(c.Args, ballast.Arg{Name: string(rune('a' + i)), Value: v})
	}
	text, err := XML.Write([]ballast.Call{c}, o)
	if err != nil {
		if !strings.Contains(err.Error(), brief(c)) || !strings.Contains(err.Error(), "argument ") {
			t.Fatalf("%v does not name %s and an argument", err, value.FormatCall(c))
		}
		return
	}
	if p := XML.Parse("So.\n"+text+"<|im_end|>", o); p.Kind != call || len(p.Calls) != 1 || differ(c, p.Calls[0]) != "" {
		t.Fatalf("%q: %s %s %s %v, want %v", text, p.Kind, p.Reason, p.Detail, p.Calls, c)
	}
}

func TestTyped(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	written := 0
	for range 2000 {
		o, v := described(t, randomSchema(r, 2)), randomValue(r, hostileStrings, 2)
		writes(t, o, v, "12")
		if _, err := XML.Write([]ballast.Call{{Name: "f", Args: []ballast.Arg{{Name: "a", Value: v}}}}, o); err == nil {
			written++
		}
	}
	if written < 600 {
		t.Errorf("%d of 2000 values can be written", written)
	}
}

// FuzzTyped: xml under random schemas and values, and any text as a value.
func FuzzTyped(f *testing.F) {
	for i, s := range hostileStrings {
		f.Add(uint64(i), s)
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		if !utf8.ValidString(text) {
			t.Skip("value strings are UTF-8")
		}
		r := rand.New(rand.NewPCG(seed, 1))
		o := described(t, randomSchema(r, 3))
		writes(t, o, text, text)
		writes(t, o, randomValue(r, []string{text, "", "5"}, 2), text)
		if p := XML.Parse(xmlWith(text), o); p.Kind == call && len(p.Calls[0].Args) == 1 {
			if k := declared(toolOf(o, "f"), "a"); k != 0 && k&kindOf(p.Calls[0].Args[0].Value) == 0 {
				t.Fatalf("%q is read as %s, declared as %s", text, value.Repr(p.Calls[0].Args[0].Value), k)
			}
		}
	})
}

// TestGLMWords: Python's words are text in glm where a string may stand, and what is written is read.
func TestGLMWords(t *testing.T) {
	for _, c := range []struct {
		schema string
		value  any
		text   string
	}{
		{`{"type": ["string", "null"]}`, "None", "None"}, {`{"type": ["string", "null"]}`, nil, "null"}, {`{}`, "False", "False"}, {`{}`, false, "false"},
		{`{"type": ["string", "boolean"]}`, "True", "True"}, {`{"type": "boolean"}`, true, "true"},
	} {
		o, calls := described(t, c.schema), []ballast.Call{{Name: "f", Args: []ballast.Arg{{Name: "a", Value: c.value}}}}
		text, err := GLM.Write(calls, o)
		if err != nil || !strings.Contains(text, glmValue+c.text+glmValueEnd) {
			t.Errorf("%s %s: %v %q", c.schema, value.Repr(c.value), err, text)
		}
	}
}
