package tooldoc

import (
	"strings"
	"testing"

	"ballast"
)

func TestDocumented(t *testing.T) {
	object := func(properties, required string) ballast.Tool {
		return tool(t, `{"name": "f", "parameters": {"type": "object", "properties": {`+properties+`}, "required": [`+required+`]}}`)
	}
	brolt := tool(t, `{"name": "f", "description": "set the weight of a brolt", "parameters": {"type": "object", "properties": {
		"zup": {"type": "string", "description": "the brolt"}, "tal": {"type": "integer", "description": "the new weight"},
		"info": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}, "mood": {"type": "string", "enum": ["calm", "wild"]}},
			"required": ["name", "size"]}}, "required": ["zup", "tal"]}}`)
	deep := func(open, shut string, n int) string {
		return strings.Repeat(open, n) + `{"type": "integer"}` + strings.Repeat(shut, n)
	}
	for _, c := range []struct {
		name string
		tool ballast.Tool
		want string
	}{
		{"all of it", brolt, "# set the weight of a brolt; zup: the brolt; tal: the new weight\nf(zup, tal: integer, info?: {name, size: integer, mood?: calm|wild})"},
		{"no documentation", ballast.Tool{Name: "g"}, "g()"},
		{"a tool's alone", ballast.Tool{Name: "g", Doc: "does."}, "# does.\ng()"},
		{"white space alone", ballast.Tool{Name: "g", Doc: " \n\t\x1c\u00a0", Params: []ballast.Param{{Name: "a", Doc: "\n"}}}, "g(a?)"},
		{"a parameter's alone", ballast.Tool{Name: "g", Params: []ballast.Param{{Name: "a", Doc: "the a", Required: true}}}, "# a: the a\ng(a)"},
		{"line breaks", ballast.Tool{Name: "g", Doc: "\n One\r\n\n two.  ", Params: []ballast.Param{{Name: "day", Type: "integer", Doc: "1\nto\u202831\x1f"}}},
			"# One two.; day: 1 to 31\ng(day?: integer)"},
		{"choices", ballast.Tool{Name: "g", Params: []ballast.Param{{Name: "a", Type: "string", Enum: []string{"x", "y"}, Required: true}}}, "g(a: x|y)"},
		{"a wrapped schema", tool(t, `{"type": "function", "function": {"name": "f", "description": "F.", `+params+`}}`), "# F.; b: B.\nf(a, b?: integer, c?: x|y)"},
		{"a schema that says no more", ballast.Tool{Name: "g", Doc: "no", Params: []ballast.Param{{Name: "no"}}, Schema: tool(t, `{"name": "g"}`).Schema}, "g()"},
		{"a schema that is none", ballast.Tool{Name: "g", Doc: "G.", Params: []ballast.Param{{Name: "a"}}, Schema: "g"}, "# G.\ng(a?)"},
		{"lists", object(`"names": {"type": "array", "items": {"type": "string"}}, "rows": {"type": "array", "items": {"type": "object", "properties":
			{"name": {"type": "string"}, "size": {"type": "integer"}}, "required": ["name", "size"]}}`, `"names", "rows"`), "f(names: [string], rows: [{name, size: integer}])"},
		{"lists of lists and choices", object(`"a": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
			"b": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}}`, `"a", "b"`), "f(a: [[number]], b: [x|y])"},
		{"nothing said of the inside", object(`"a": {"type": "array"}, "b": {"type": "array", "items": {}}, "c": {"type": "object"}, "d": {"type": "object", "properties": {}},
			"e": {"type": "array", "items": [{"type": "string"}]}, "f": {"type": "object", "properties": [1]}`, `"a", "b", "c", "d", "e", "f"`),
			"f(a: array, b: array, c: object, d: object, e: array, f: object)"},
		{"Python's names", object(`"a": {"type": "dict", "properties": {"x": {"type": "float"}}}, "b": {"type": "list", "items": {"type": "dict"}}, "c": {"type": "tuple"}`, `"a"`),
			"f(a: {x?: number}, b?: [object], c?: array)"},
		{"documentation inside", object(`"a": {"description": "A.", "type": "object", "properties": {"x": {"description": "the x"}}}, "b": {"type": "array", "items":
			{"description": "one", "type": "object", "properties": {"y": {"description": "of\nit"}}}}`, ``), "# a: A.; a.x: the x; b[]: one; b[].y: of it\nf(a?: {x?}, b?: [{y?}])"},
		{"choices that are no texts", object(`"a": {"enum": [1, 2.5, null, true, [1, "x"]]}, "b": {"enum": ["x", 1]}, "c": {"enum": ["1", "x|y", "a, b", "", "true", "é"]}`, `"a", "b", "c"`),
			`f(a: 1|2.5|null|true|[1, "x"], b: x|1, c: "1"|"x|y"|"a, b"|""|"true"|é)`},
		{"several types", object(`"a": {"type": ["integer", "null"]}, "b": {"type": ["object", "null"], "properties": {"x": {}}}, "c": {"type": ["string"]}, "d": {"type": [3, "string"]}, "e": {"type": []}`, `"a", "b", "c", "d", "e"`),
			"f(a: integer|null, b: {x?}|null, c, d: any|string, e)"},
		{"alternatives", object(`"a": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": null}, "b": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {}]}, "c": {"anyOf": []}`, ``),
			"f(a?: integer from 1|null = null, b?: string|[string]|any, c?)"},
		{"defaults", object(`"a": {"type": "integer", "default": 3}, "b": {"type": "string", "default": "x y"}, "c": {"default": {"k": [true]}}`, ``), `f(a?: integer = 3, b? = "x y", c? = {"k": [true]})`},
		{"bounds", object(`"a": {"type": "integer", "minimum": 1, "maximum": 31}, "b": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1.5}, "c": {"maximum": 7}, "d": {"minimum": "x", "maximum": true},
			"e": {"type": "array", "items": {"type": "integer", "minimum": 2}}, "f": {"type": "array", "items": {"maximum": 2}}`, ``),
			"f(a?: integer from 1 to 31, b?: number above 0 below 1.5, c?: to 7, d?, e?: [integer from 2], f?: [to 2])"},
		{"objects in each other", object(`"a": `+deep(`{"type": "object", "properties": {"b": `, `}}`, 3), `"a"`), "f(a: {b?: {b?: {b?: integer}}})"},
		{"too deep", object(`"a": `+deep(`{"type": "object", "properties": {"b": `, `}}`, 20), `"a"`), "f(a: " + strings.Repeat("{b?: ", 8) + "object" + strings.Repeat("}", 8) + ")"},
		{"lists too deep", object(`"a": `+deep(`{"type": "array", "items": `, `}`, 20), ``), "f(a?: " + strings.Repeat("[", 8) + "array" + strings.Repeat("]", 8) + ")"},
		{"types that are none", object(`"a": 3, "b": {"type": ["object", "null"], "properties": {"x": {}}}, "c": {"enum": [1, null]}, "d": {"type": "string", "enum": [""]}, "e": {"description": 3}`, `1`),
			"f(a?, b?: {x?}|null, c?: 1|null, d?: \"\", e?)"},
		{"other layouts", tool(t, `{"parameters": 3, "description": ["x"]}`), "f()"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Documented(c.tool); got != c.want {
				t.Errorf("\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestDocumentedIsSignature: where nothing is nested, the last line is Signature's.
func TestDocumentedIsSignature(t *testing.T) {
	for _, one := range []ballast.Tool{
		{Name: "g"}, tool(t, `{"name": "f", `+params+`}`), tool(t, `[]`), tool(t, `{"parameters": 3}`),
		tool(t, `{"name": "f", "parameters": {"properties": {"a": {"enum": ["x"]}, "b": {"type": "string", "enum": ["a string", "y"]}, "d": {"type": "null"}}}}`),
		{Name: "g", Doc: "G.", Params: []ballast.Param{{Name: "day", Type: "integer", Required: true}, {Name: "how", Type: "string", Enum: []string{"x"}}, {Name: "z"}}},
	} {
		got := Documented(one)
		if last := got[strings.LastIndex(got, "\n")+1:]; last != Signature(one) {
			t.Errorf("%s, want %s", last, Signature(one))
		}
	}
}
