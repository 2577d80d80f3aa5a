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
func toolSchema(t ballast.Tool) *value.Dict {
	doc, _ := tooldoc.Doc(t).(*value.Dict)
	if inner, ok := get(doc, "function").(*value.Dict); ok { // OpenAI's wrapping
		doc = inner
	}
	if p, ok := schema(get(doc, "parameters")).(*value.Dict); ok {
		return p
	}
	return value.NewDict("type", "object", "properties", value.NewDict())
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
	return changed(v, func(key, x any) any {
		switch name, isText := x.(string); {
		case key == "type" && isText && schemaTypes[name] != "":
			return schemaTypes[name]
		case key == "properties":
			return changed(x, func(_, parameter any) any { return schema(parameter) })
		case key == "items" || key == "additionalProperties":
			return schema(x)
		}
		return value.Clone(x)
	})
}

// changed copies a dict with its values changed; anything else is cloned.
func changed(v any, change func(key, x any) any) any {
	d, ok := v.(*value.Dict)
	if !ok {
		return value.Clone(v)
	}
	out := value.MakeDict(d.Len())
	for i := range d.Len() {
		k, x := d.At(i)
		out.Add(k, change(k, x))
	}
	return out
}
