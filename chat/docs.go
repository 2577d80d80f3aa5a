package chat

import (
	"strings"

	"ballast"
	"ballast/value"
)

// Doc is the documentation of a tool as prompts show it: its Schema, or one in
// the same layout (name, description, parameters) built from its fields.
func Doc(t ballast.Tool) any {
	if t.Schema != nil {
		return t.Schema
	}
	props, required := value.NewDict(), value.NewList()
	for _, p := range t.Params {
		d := value.NewDict("type", p.Type)
		if p.Doc != "" {
			d.Set("description", p.Doc)
		}
		if len(p.Enum) > 0 {
			enum := value.NewList()
			for _, e := range p.Enum {
				enum.Items = append(enum.Items, e)
			}
			d.Set("enum", enum)
		}
		props.Set(p.Name, d)
		if p.Required {
			required.Items = append(required.Items, p.Name)
		}
	}
	return value.NewDict("name", t.Name, "description", t.Doc,
		"parameters", value.NewDict("type", "object", "properties", props, "required", required))
}

func docJSON(t ballast.Tool) string { return quoteJSON(Doc(t)) }

func docsJSON(tools []ballast.Tool) string {
	list := value.NewList()
	for _, t := range tools {
		list.Items = append(list.Items, Doc(t))
	}
	return quoteJSON(list)
}

// Params lists a tool's parameters: its Params, or what its Schema says.
func Params(t ballast.Tool) []ballast.Param {
	if len(t.Params) > 0 {
		return t.Params
	}
	doc, _ := t.Schema.(*value.Dict)
	if inner := dict(doc, "function"); inner != nil { // OpenAI's wrapping
		doc = inner
	}
	schema := dict(doc, "parameters")
	props := dict(schema, "properties")
	if props == nil {
		return nil
	}
	required := map[any]bool{}
	if l, ok := get(schema, "required").(*value.List); ok {
		for _, x := range l.Items {
			if s, ok := x.(string); ok {
				required[s] = true
			}
		}
	}
	var out []ballast.Param
	for i := range props.Len() {
		k, v := props.At(i)
		name, _ := k.(string)
		d, _ := v.(*value.Dict)
		p := ballast.Param{Name: name, Required: required[name]}
		p.Type, _ = get(d, "type").(string)
		p.Doc, _ = get(d, "description").(string)
		if l, ok := get(d, "enum").(*value.List); ok {
			for _, x := range l.Items {
				if s, ok := x.(string); ok {
					p.Enum = append(p.Enum, s)
				}
			}
		}
		out = append(out, p)
	}
	return out
}

func get(d *value.Dict, key string) any {
	if d == nil {
		return nil
	}
	v, _ := d.Get(key)
	return v
}

func dict(d *value.Dict, key string) *value.Dict {
	v, _ := get(d, key).(*value.Dict)
	return v
}

// Signature is a tool on one line: move(file, folder), add_event(title, day:
// integer, alarm?: boolean). Types of strings are left out, a question mark
// stands after optional parameters, choices are joined by bars.
func Signature(t ballast.Tool) string {
	var b strings.Builder
	b.WriteString(t.Name + "(")
	for i, p := range Params(t) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
		if !p.Required {
			b.WriteByte('?')
		}
		switch {
		case len(p.Enum) > 0:
			b.WriteString(": " + strings.Join(p.Enum, "|"))
		case p.Type != "" && p.Type != "string":
			b.WriteString(": " + p.Type)
		}
	}
	return escapeControl(b.String()+")", "<\\")
}

// signatures lists tools, each on its line.
func signatures(tools []ballast.Tool) string {
	var b strings.Builder
	for _, t := range tools {
		b.WriteString("\n" + Signature(t))
	}
	return b.String()
}
