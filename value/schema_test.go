package value

import (
	"testing"

	"ballast"
)

func TestToolSchema(t *testing.T) {
	inner := ObjectSchema([]ballast.Param{{Name: "size", Type: "integer"}}, nil)
	got, err := JSON(ToolSchema("f", "Does.", ObjectSchema([]ballast.Param{
		{Name: "a", Type: "string", Doc: "the a", Enum: []string{"x", "y"}, Required: true},
		{Name: "info", Type: "object", Doc: "what it is like"},
	}, map[string]*Dict{"info": inner})))
	want := `{"name": "f", "description": "Does.", "parameters": {"type": "object", "properties": {` +
		`"a": {"type": "string", "description": "the a", "enum": ["x", "y"]}, ` +
		`"info": {"type": "object", "properties": {"size": {"type": "integer"}}, "required": [], "description": "what it is like"}}, "required": ["a"]}}`
	if err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}
