package remote

import (
	"testing"

	"ballast"
	"ballast/value"
)

// Types are renamed where a schema stands, and nowhere else; the order stays.
func TestToolSchema(t *testing.T) {
	const doc = `{"name": "f", "description": "d", "parameters": {"type": "dict", "properties": {
		"type": {"type": "float", "description": "dict"}, "list": {"type": "tuple", "items": {"type": "any", "enum": ["any", "list"]}},
		"deep": {"type": "dict", "properties": {"x": {"type": "list", "items": {"type": "float"}}}, "additionalProperties": {"type": "any"}},
		"plain": {"type": "string", "default": "dict"}}, "required": ["type", "list"]}}`
	const want = `{"type": "object", "properties": {` +
		`"type": {"type": "number", "description": "dict"}, "list": {"type": "array", "items": {"type": "string", "enum": ["any", "list"]}}, ` +
		`"deep": {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "number"}}}, "additionalProperties": {"type": "string"}}, ` +
		`"plain": {"type": "string", "default": "dict"}}, "required": ["type", "list"]}`
	parse := func(text string) any {
		v, err := value.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, schema := range map[string]any{"plain": parse(doc), "OpenAI's": value.NewDict("type", "function", "function", parse(doc))} {
		before := value.Repr(schema)
		if got, err := value.JSON(toolSchema(ballast.Tool{Name: "f", Schema: schema})); err != nil || got != want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if value.Repr(schema) != before {
			t.Errorf("%s: the documentation was changed", name)
		}
	}
	if got, _ := value.JSON(toolSchema(ballast.Tool{Name: "f", Schema: parse(`{"name": "f"}`)})); got != `{"type": "object", "properties": {}}` {
		t.Errorf("without parameters: %s", got)
	}
}
