package imports

import (
	"slices"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// toolKeys are the keys of a row that document its tools.
var toolKeys = []string{"tools", "functions", "tools_json"}

// documented takes the tools of a row or of its system message.
func (r *reader) documented(o *object) error {
	for _, key := range toolKeys {
		v := o.take(key)
		if s, ok := v.(string); ok {
			if strings.TrimSpace(s) == "" {
				continue
			}
			var err error
			if v, err = value.ParseExact([]byte(s)); err != nil {
				return &fault{reasonJSON, o.path(key), err.Error()}
			}
		}
		if v == nil {
			continue
		}
		list, err := toolList(v, o.path(key))
		if err != nil {
			return err
		}
		if err := r.offer(list, o.path(key)); err != nil {
			return err
		}
	}
	return nil
}

// toolList makes tools a list: of one tool, and of tools by their names, too.
func toolList(v any, at string) ([]any, error) {
	switch v := v.(type) {
	case *value.List:
		return v.Items, nil
	case *value.Dict:
		if _, err := toolName(v, at); err == nil {
			return []any{v}, nil
		}
		var list []any
		for i := range v.Len() {
			key, tool := v.At(i)
			d, ok := tool.(*value.Dict)
			if tool == nil {
				continue // a table fills in the names of other rows
			}
			if !ok {
				return nil, &fault{reasonTool, at, "an object of tools holds " + kind(tool)}
			}
			if name, err := toolName(d, at); err != nil || name != key {
				return nil, &fault{reasonTool, at, "an object of tools by other names than theirs"}
			}
			list = append(list, d)
		}
		return list, nil
	}
	return nil, &fault{reasonType, at, kind(v)}
}

// toolName is the name of a tool from its documentation, wrapped as OpenAI does or not.
func toolName(d *value.Dict, at string) (string, error) {
	inner := d
	if f, ok := d.GetString("function"); ok {
		if inner, ok = f.(*value.Dict); !ok {
			return "", &fault{reasonTool, at, "function is " + kind(f)}
		}
	}
	v, _ := inner.GetString("name")
	name, ok := v.(string)
	if !ok || strings.TrimSpace(name) == "" {
		return "", &fault{reasonTool, at, "name is missing"}
	}
	return name, nil
}

// offer takes a list of tools as they come. A second list must say the same.
func (r *reader) offer(list []any, at string) error {
	var tools []ballast.Tool
	names := map[string]bool{}
	for i, v := range list {
		at := index(at, i)
		if s, ok := v.(string); ok {
			if x, err := value.ParseExact([]byte(s)); err == nil {
				v = x
			}
		}
		d, ok := v.(*value.Dict)
		if !ok {
			return &fault{reasonTool, at, kind(v)}
		}
		name, err := toolName(d, at)
		if err != nil {
			return err
		}
		if names[name] {
			return &fault{reasonSameTool, at, name}
		}
		names[name] = true
		if dropNulls(d, r.table, false) {
			dropNulls(d, true, false)
			r.pass("nulls in tools")
		}
		if d, err = wrapped(d, at); err != nil {
			return err
		}
		tool := ballast.Tool{Name: name, Schema: d}
		if f, ok := d.GetString("function"); ok {
			d = f.(*value.Dict)
		}
		doc, _ := d.GetString("description")
		tool.Doc, _ = doc.(string)
		tools = append(tools, tool)
	}
	if len(r.Tools) > 0 && !sameTools(r.Tools, tools) {
		return &fault{reasonTwoTools, at, ""}
	}
	if len(r.Tools) == 0 {
		r.Tools, r.names = tools, names
	}
	return nil
}

// wrapped makes a tool of Anthropic's {name, description, input_schema} one of OpenAI's,
// as servers do that answer both; all others stay as they come.
func wrapped(d *value.Dict, at string) (*value.Dict, error) {
	schema, ok := d.GetString("input_schema")
	if !ok {
		return d, nil
	}
	f := &value.Dict{}
	for i := range d.Len() {
		switch k, v := d.At(i); k {
		case "name", "description":
			f.Set(k, v)
		case "input_schema", "cache_control":
		case "type":
			if v != "custom" {
				return nil, &fault{reasonTool, at, "a tool of the server's own"}
			}
		default:
			return nil, &fault{reasonKey, at + "." + k.(string), ""}
		}
	}
	f.Set("parameters", schema)
	return value.NewDict("type", "function", "function", f), nil
}

// sameTools compares what two lists of tools say, wrapped or not.
func sameTools(a, b []ballast.Tool) bool {
	return slices.EqualFunc(a, b, func(x, y ballast.Tool) bool { return value.EqualJSON(tooldoc.Function(x), tooldoc.Function(y)) })
}

// nullable are the words of a schema whose value may be null.
var nullable = map[string]bool{"default": true, "const": true, "enum": true, "example": true, "examples": true}

// dropNulls takes nulls out of a tool's documentation that stand where a schema has
// none: a table gives every tool the keys of all tools. all takes out those of nullable
// words, too. properties says that the keys of v are names of parameters. What held
// nothing but nulls is a null: else a tool would get the parameters of others.
func dropNulls(v any, all, properties bool) (dropped bool) {
	switch v := v.(type) {
	case *value.List:
		for _, x := range v.Items {
			dropped = dropNulls(x, all, false) || dropped
		}
	case *value.Dict:
		for _, k := range v.Keys() {
			x, _ := v.Get(k)
			key, _ := k.(string)
			legal := !all && !properties && nullable[key]
			switch {
			case x == nil && !legal:
				v.Delete(k)
				dropped = true
			case x != nil && !legal:
				names := key == "properties" && !properties
				if dropNulls(x, all, names) {
					dropped = true
					if inner, ok := x.(*value.Dict); ok && inner.Len() == 0 && !names {
						v.Delete(k)
					}
				}
			}
		}
	}
	return dropped
}

// parameters is the JSON schema of a tool's parameters, nil if it has none.
func (r *reader) parameters(name string) *value.Dict {
	tools := r.Tools
	if len(tools) == 0 {
		tools = r.lent
	}
	for _, t := range tools {
		if t.Name == name {
			return tooldoc.Parameters(t)
		}
	}
	return nil
}
