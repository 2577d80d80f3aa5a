package value

import "ballast"

// ToolSchema is the documentation of a function in the layout that prompts show: name, description and the
// JSON schema of its parameters.
func ToolSchema(name, doc string, parameters *Dict) *Dict {
	return NewDict("name", name, "description", doc, "parameters", parameters)
}

// ObjectSchema is the JSON schema of an object with properties of these types. The schema of one that is an
// object or a list itself, and says more than its type, is in inner by its name; it is added to.
func ObjectSchema(properties []ballast.Param, inner map[string]*Dict) *Dict {
	all, required := &Dict{}, NewList()
	for _, p := range properties {
		d := inner[p.Name]
		if d == nil {
			d = NewDict("type", p.Type)
		}
		if p.Doc != "" {
			d.Set("description", p.Doc)
		}
		if len(p.Enum) > 0 {
			choices := NewList()
			for _, c := range p.Enum {
				choices.Items = append(choices.Items, c)
			}
			d.Set("enum", choices)
		}
		all.Set(p.Name, d)
		if p.Required {
			required.Items = append(required.Items, p.Name)
		}
	}
	return NewDict("type", "object", "properties", all, "required", required)
}
