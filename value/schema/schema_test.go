package schema

import (
	"strings"
	"testing"

	"ballast/value"
	"ballast/value/shape"
)

func object(t *testing.T, text string) *value.Dict {
	t.Helper()
	v, err := value.ParseExact([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v.(*value.Dict)
}

func told(faults []shape.Fault) string {
	var out []string
	for _, f := range faults {
		out = append(out, f.Path+" "+f.Text)
	}
	return strings.Join(out, "|")
}

// TestArguments: what differs is named with its place. More rows stand in task/file, for whole tasks.
func TestArguments(t *testing.T) {
	for _, c := range []struct{ parameters, args, want string }{
		{`{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}`, `{"a": 3.0}`, ""},
		{`{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}`, `{"a": "3", "b": 1}`,
			"args.a is text, and f takes integer|args.b is no argument of f; it takes a"},
		{`{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}`, `{}`, "args.a is missing, and f needs it"},
		{`{}`, `{"a": 1}`, "args.a is no argument of f; it takes none"},
		{`{"additionalProperties": true}`, `{"a": 1}`, ""},
		{`{"type": "dict", "properties": {"a": {"type": "float"}, "b": {"type": "list", "items": {"type": "str"}}}}`, `{"a": "x", "b": ["y", 1]}`,
			"args.a is text, and f takes float|args.b[1] is a number, and f takes str"},
		{`{"properties": {"a": {"type": "int32"}, "b": {"type": "any"}}}`, `{"a": "x", "b": []}`, ""},
		{`{"properties": {"a": {"type": "string", "nullable": true}, "b": {"type": "string"}}}`, `{"a": null, "b": null}`, "args.b is null, and f takes string"},
		{`{"properties": {"a": {"enum": [[true]]}}}`, `{"a": [1]}`, "args.a is [1], and f takes one of [True]"},
		{`{"properties": {"a": true}}`, `{"a": [1]}`, ""},
	} {
		if got := told(Arguments("args", object(t, c.args), object(t, c.parameters), "f")); got != c.want {
			t.Errorf("%s of %s\n got %s\nwant %s", c.args, c.parameters, got, c.want)
		}
	}
	if got := told(Arguments("args", object(t, `{"a": 1}`), nil, "f")); got != "" {
		t.Errorf("a tool without a schema: %s", got)
	}
}

// TestCheck: a schema that cannot be read is named with the place, and one that can be is not.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ parameters, want string }{
		{`{}`, ""},
		{`{"type": "object", "properties": {"a": {"type": ["string", "null"], "description": "x"}, "b": {"$ref": "#/$defs/B"}, "c": {}, "d": false,
			"type": {"type": "str"}}, "required": ["a"], "$defs": {"B": {"anyOf": [{"type": "integer"}, {"const": null}]}}, "additionalProperties": false}`, ""},
		{`{"city": {"type": "string"}}`, `p is no JSON Schema of an object; write {"type": "object", "properties": {...}} around the parameters`},
		{`{"type": "array"}`, "p.type is array; the arguments of a call are an object"},
		{`{"type": "object", "properties": []}`, "p.properties is a list; write an object of schemas"},
		{`{"properties": {"a": null, "b": {"type": "int32"}, "c": {"type": []}, "d": {"type": ["string", 1]}}}`,
			"p.properties.a is null; a schema is an object|" +
				"p.properties.b.type is 'int32', which is no type; write one of string, integer, number, boolean, array, object, null|" +
				"p.properties.c.type is an empty list; write the types that the value may have|" +
				"p.properties.d.type[1] is 1, which is no type; write one of string, integer, number, boolean, array, object, null"},
		{`{"properties": {"a": {"items": {"enum": []}}, "b": {"description": 1}, "c": {"anyOf": []}, "d": {"oneOf": {}}}}`,
			"p.properties.a.items.enum is no list of values; write the values that the argument may have|p.properties.b.description is a number; a description is text|" +
				"p.properties.c.anyOf is an empty list; write a list of schemas|p.properties.d.oneOf is an object; write a list of schemas"},
		{`{"properties": {"a": {"$ref": "#/$defs/A"}}, "required": "a"}`,
			`p.properties.a.$ref is '#/$defs/A', which is no part of this tool's schema; write "#/$defs/NAME", and the schema under $defs|` +
				"p.required is text; write a list of names"},
		{`{"required": [1]}`, "p.required[0] is a number; write the name of a property"},
	} {
		if got := strings.ReplaceAll(told(Check("p", object(t, c.parameters))), `["$ref"]`, ".$ref"); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.parameters, got, c.want)
		}
	}
}
