package shape

import "ballast/value"

// Draft is the version of JSON Schema that Schema writes.
const Draft = "https://json-schema.org/draft/2020-12/schema"

// noNUL is a text without the character NUL. Both dialects of regular expressions, that of
// JSON Schema and Go's, read the character itself.
const noNUL = "^[^\x00]*$"

// Schema is the shape as a JSON Schema, without the key $schema.
func (s *Shape) Schema() *value.Dict {
	d := &value.Dict{}
	if s.Kind != Any {
		d.Set("type", [...]string{Object: "object", List: "array", Text: "string", Number: "number"}[s.Kind])
	}
	if s.Doc != "" {
		d.Set("description", s.Doc)
	}
	switch s.Kind {
	case Object:
		s.object(d)
	case List:
		if s.Items.Kind != Any || s.Items.Doc != "" {
			d.Set("items", s.Items.Schema())
		}
		if s.Least > 0 {
			d.Set("minItems", int64(s.Least))
		}
		if s.Unique {
			d.Set("uniqueItems", true)
		}
	case Text:
		s.text(d)
	case Number:
		if s.From.Set {
			d.Set("minimum", s.From.At)
		}
		if s.To.Set {
			d.Set("maximum", s.To.At)
		}
	}
	return d
}

func (s *Shape) object(d *value.Dict) {
	properties, required := &value.Dict{}, value.NewList()
	for _, f := range s.Fields {
		properties.Set(f.Key, f.Of.Schema())
		if f.Must {
			required.Items = append(required.Items, f.Key)
		}
	}
	if properties.Len() > 0 {
		d.Set("properties", properties)
	}
	if len(required.Items) > 0 {
		d.Set("required", required)
	}
	if s.Open {
		d.Set("propertyNames", value.NewDict("minLength", int64(1)))
	} else {
		d.Set("additionalProperties", false)
	}
	some := value.NewList()
	for _, key := range s.Some {
		some.Items = append(some.Items, value.NewDict("required", value.NewList(key)))
	}
	if len(some.Items) > 0 {
		d.Set("anyOf", some)
	}
}

func (s *Shape) text(d *value.Dict) {
	if len(s.Words) > 0 {
		words := value.NewList()
		for _, w := range s.Words {
			words.Items = append(words.Items, w)
		}
		d.Set("enum", words)
		return
	}
	if s.Least > 0 {
		d.Set("minLength", int64(s.Least))
	}
	d.Set("pattern", noNUL)
	if s.Pattern != "" {
		d.Set("allOf", value.NewList(value.NewDict("pattern", s.Pattern)))
	}
}
