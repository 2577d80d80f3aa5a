package tooldoc

import (
	"reflect"
	"testing"

	"ballast"
	"ballast/value"
)

func tool(t *testing.T, schema string) ballast.Tool {
	t.Helper()
	v, err := value.ParseJSON([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	return ballast.Tool{Name: "f", Schema: v}
}

const params = `"parameters": {"type": "dict", "properties": {"a": {"type": "string"}, "b": {"type": "integer", "description": "B."}, "c": {"type": "string", "enum": ["x", "y"]}}, "required": ["a"]}`

func TestSignature(t *testing.T) {
	for _, c := range []struct {
		tool ballast.Tool
		want string
	}{
		{tool(t, `{"name": "f", `+params+`}`), "f(a, b?: integer, c?: x|y)"},
		{tool(t, `{"type": "function", "function": {"name": "f", `+params+`}}`), "f(a, b?: integer, c?: x|y)"},
		{tool(t, `{"parameters": 3}`), "f()"},
		{tool(t, `[]`), "f()"},
		{ballast.Tool{Name: "g"}, "g()"},
		{ballast.Tool{Name: "g", Params: []ballast.Param{{Name: "day", Type: "integer", Required: true}}}, "g(day: integer)"},
	} {
		if got := Signature(c.tool); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestDoc(t *testing.T) {
	g := ballast.Tool{Name: "g", Doc: "Does.", Params: []ballast.Param{
		{Name: "day", Type: "integer", Required: true, Doc: "1 to 31 \u00e9"}, {Name: "how", Type: "string", Enum: []string{"x"}}}}
	want := `{"name": "g", "description": "Does.", "parameters": {"type": "object", "properties": {"day": {"type": "integer", "description": "1 to 31 ` + "\u00e9" + `"}, ` +
		`"how": {"type": "string", "enum": ["x"]}}, "required": ["day"]}}`
	if got := JSON(Doc(g)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	back := g
	back.Params, back.Schema = nil, Doc(g)
	if got := Params(back); !reflect.DeepEqual(got, g.Params) {
		t.Errorf("%+v, want %+v", got, g.Params)
	}
}

func TestNamed(t *testing.T) {
	tools := []ballast.Tool{tool(t, `{`+params+`}`)}
	for _, c := range []struct{ call, want string }{
		{"f(1, 2)", "f(a=1, b=2)"}, {"f(1, c='x')", "f(a=1, c='x')"}, {"f()", "f()"}, {"h(x=1)", "h(x=1)"},
		{"f(1, 2, 3, 4)", ""}, {"h(1)", ""},
	} {
		call, err := value.ParseCall(c.call)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Named(call, tools)
		if (err == nil) != (c.want != "") || err == nil && value.FormatCall(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.call, value.FormatCall(got), err, c.want)
		}
		if value.FormatCall(call) != c.call {
			t.Errorf("%s was changed to %s", c.call, value.FormatCall(call))
		}
	}
}

func TestJSON(t *testing.T) {
	for in, want := range map[string]string{
		"\u00e9\U0001F600\u2028": "\"\u00e9\U0001F600\u2028\"", "\x7f\n\"\\": "\"\x7f\\n\\\"\\\\\"",
		"\\u00e9": `"\\u00e9"`, "\xed\xa0\x80": `"\ud800"`, "\x00": `"\u0000"`,
	} {
		if got := JSON(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
