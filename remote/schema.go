package remote

import (
	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// schemaTypes maps the benchmark's names of types to JSON schema's, as its own
// harness does; names that are absent stay.
var schemaTypes = map[string]string{
	"dict": "object", "float": "number", "tuple": "array", "list": "array", "any": "string",
}

// toolSchema is the JSON schema of a tool's parameters.
func toolSchema(t ballast.Tool) (*value.Dict, bool) {
	doc, _ := tooldoc.Doc(t).(*value.Dict)
	if inner, ok := get(doc, "function").(*value.Dict); ok { // OpenAI's wrapping
		doc = inner
	}
	p, ok := schema(get(doc, "parameters")).(*value.Dict)
	if !ok {
		return value.NewDict("type", "object", "properties", value.NewDict()), false
	}
	return p, true
}

func get(d *value.Dict, key string) any {
	if d == nil {
		return nil
	}
	v, _ := d.Get(key)
	return v
}

// schema copies a schema with types renamed. Only what stands where a schema
// stands is touched: a parameter may be called "type".
func schema(v any) any {
	d, ok := v.(*value.Dict)
	if !ok {
		return value.Clone(v)
	}
	out := &value.Dict{}
	for i := range d.Len() {
		k, x := d.At(i)
		switch name, isText := x.(string); {
		case k == "type" && isText:
			if other := schemaTypes[name]; other != "" {
				x = other
			}
		case k == "properties":
			x = properties(x)
		case k == "items" || k == "additionalProperties":
			x = schema(x)
		default:
			x = value.Clone(x)
		}
		out.Set(k, x)
	}
	return out
}

func properties(v any) any {
	d, ok := v.(*value.Dict)
	if !ok {
		return value.Clone(v)
	}
	out := &value.Dict{}
	for i := range d.Len() {
		k, x := d.At(i)
		out.Set(k, schema(x))
	}
	return out
}
