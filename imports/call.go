package imports

import (
	"slices"
	"strings"

	"ballast"
	"ballast/value"
)

// call reads {name, arguments}, wrapped as OpenAI does or not. Arguments are an object
// or the JSON text of one. packed says that the call itself stood in JSON text, so that
// no table filled nulls in.
func (r *reader) call(v any, at string, packed bool) (c ballast.Call, id string, err error) {
	o, err := asObject(v, at)
	if err != nil {
		return c, "", &fault{reasonCall, at, kind(v)}
	}
	if id, _, err = o.text("id"); err != nil {
		return c, "", err
	}
	if t, ok, err := o.text("type"); err != nil || ok && t != "function" {
		return c, "", &fault{reasonCall, o.path("type"), t}
	}
	if n := o.take("index"); n != nil && !wordless(n) {
		return c, "", &fault{reasonType, o.path("index"), kind(n)}
	}
	inner := o
	if f := o.take("function"); f != nil {
		if inner, err = asObject(f, o.path("function")); err != nil {
			return c, "", err
		}
		if err := r.only(o); err != nil {
			return c, "", err
		}
	}
	name, ok, err := inner.text("name")
	if err != nil || !ok || strings.TrimSpace(name) == "" {
		return c, "", &fault{reasonCall, inner.at, "name is missing"}
	}
	key, raw := "arguments", inner.take("arguments")
	if p := inner.take("parameters"); p != nil {
		if raw != nil {
			return c, "", &fault{reasonCall, inner.at, "both arguments and parameters"}
		}
		key, raw = "parameters", p
	}
	if err := r.only(inner); err != nil {
		return c, "", err
	}
	d, err := r.arguments(raw, name, inner.path(key), packed)
	if err != nil {
		return c, "", err
	}
	return callOf(name, d), id, nil
}

// arguments reads the arguments of a call of a tool.
func (r *reader) arguments(raw any, tool, at string, packed bool) (*value.Dict, error) {
	if s, ok := raw.(string); ok {
		packed = true
		v, err := value.ParseExact([]byte(s))
		if err != nil {
			return nil, &fault{reasonJSON, at, err.Error()}
		}
		if text, twice := v.(string); twice {
			if _, err := value.ParseExact([]byte(text)); err == nil {
				return nil, &fault{reasonTwice, at, ""}
			}
		}
		raw = v
	}
	d, ok := raw.(*value.Dict)
	if !ok {
		return nil, &fault{reasonArguments, at, kind(raw)}
	}
	if !packed {
		key, dropped := fillers(d, r.parameters(tool))
		if key != "" {
			return nil, &fault{reasonNull, at + "." + key, "take it out, or write the arguments as JSON text if null is meant"}
		}
		if dropped {
			r.pass("nulls in arguments")
		}
	}
	return d, nil
}

// fillers takes the nulls out of arguments that fill in for absent ones: those that the
// tool has no parameter for, and those of optional parameters that cannot be null. key
// is the first null of which neither is certain, "" if there is none. An object that
// holds nothing else may fill in itself: it is such a null where it is not required.
func fillers(d *value.Dict, schema *value.Dict) (key string, dropped bool) {
	properties, open := propertiesOf(schema)
	for _, k := range d.Keys() {
		x, _ := d.Get(k)
		name, _ := k.(string)
		var part any
		documented := false
		if properties != nil {
			part, documented = properties.GetString(name)
		}
		switch x := x.(type) {
		case nil:
			if properties == nil || !documented && open || documented && (allowsNull(part) || required(schema, name)) {
				return brief(name), dropped
			}
			d.Delete(k)
			dropped = true
		case *value.Dict:
			inner, _ := part.(*value.Dict)
			key, some := fillers(x, inner)
			if key != "" {
				return brief(name) + "." + key, dropped
			}
			if some && x.Len() == 0 && !required(schema, name) {
				return brief(name), dropped
			}
			dropped = dropped || some
		case *value.List:
			inner, _ := part.(*value.Dict)
			items := inner.Object("items")
			for _, item := range x.Items {
				if o, ok := item.(*value.Dict); ok {
					key, some := fillers(o, items)
					if key != "" {
						return brief(name) + "[]." + key, dropped
					}
					dropped = dropped || some
				}
			}
		}
	}
	return "", dropped
}

// propertiesOf are the members that a schema documents; open says that it allows others.
func propertiesOf(schema *value.Dict) (properties *value.Dict, open bool) {
	open = schema.Has("additionalProperties") && schema.Member("additionalProperties") != false
	return schema.Object("properties"), open
}

func required(schema *value.Dict, name string) bool {
	return slices.Contains(schema.Array("required"), any(name))
}

// solid are the types, as schemas and Python name them, whose values are not null.
var solid = []any{"string", "integer", "number", "boolean", "array", "object", "str", "int", "float", "bool", "list", "dict", "tuple"}

// allowsNull says whether a value of a schema may be null, as far as it is not certain
// that it may not.
func allowsNull(schema any) bool {
	d, ok := schema.(*value.Dict)
	if !ok {
		return true
	}
	for i := range d.Len() {
		switch k, v := d.At(i); k {
		case "nullable":
			if v != false {
				return true
			}
		case "anyOf", "oneOf", "allOf", "$ref", "not", "if":
			return true
		case "enum":
			if l, ok := v.(*value.List); !ok || slices.Contains(l.Items, nil) {
				return true
			}
		case "const", "default":
			if v == nil {
				return true
			}
		}
	}
	t, _ := d.GetString("type")
	if l, ok := t.(*value.List); ok {
		return len(l.Items) == 0 || slices.ContainsFunc(l.Items, func(x any) bool { return !slices.Contains(solid, x) })
	}
	if _, ok := t.(string); !ok {
		return true
	}
	return !slices.Contains(solid, t)
}
