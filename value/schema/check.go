package schema

import (
	"slices"
	"strings"

	"ballast/safetext"
	"ballast/value"
	"ballast/value/shape"
)

// Words of a schema by what stands behind them.
var (
	schemasByName = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
	listsOfThem   = []string{"anyOf", "oneOf", "allOf", "prefixItems"}
	oneSchema     = []string{"additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "additionalItems",
		"unevaluatedProperties", "unevaluatedItems"}
)

// Check lists what of the schema of a tool's arguments cannot be read: words with values of another
// kind than they have, types that nobody knows, references that lead nowhere.
func Check(path string, parameters *value.Dict) []shape.Fault {
	c := checker{comparer{root: parameters}}
	says := func(key any) bool { word, _ := key.(string); return slices.Contains(anySchema, word) }
	if parameters.Len() > 0 && !slices.ContainsFunc(parameters.Keys(), says) {
		c.say(path, "is no JSON Schema of an object; write {\"type\": \"object\", \"properties\": {...}} around the parameters")
		return c.found
	}
	if types := typesOf(parameters); len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return isType(&value.Dict{}, t) }) {
		c.say(shape.Key(path, "type"), "is %s; the arguments of a call are an object", safetext.Brief(strings.Join(types, ", "), 60))
	}
	c.schema(path, parameters)
	return c.found
}

// anySchema are words of which the schema of an object has at least one.
var anySchema = append([]string{"type", "properties", "required", "additionalProperties", "$schema"}, elsewhere...)

// checker looks at the words of one tool's schema.
type checker struct{ comparer }

// schema looks at one schema, and at those inside of it.
func (c *checker) schema(path string, v any) {
	d, ok := v.(*value.Dict)
	if !ok {
		if _, ok := v.(bool); !ok {
			c.say(path, "is %s; a schema is an object", shape.KindOf(v))
		}
		return
	}
	for i := range d.Len() {
		k, x := d.At(i)
		word, _ := k.(string)
		at := shape.Key(path, word)
		switch {
		case word == "type":
			c.types(at, x)
		case word == "required":
			c.texts(at, x)
		case word == "description" && !isText(x):
			c.say(at, "is %s; a description is text", shape.KindOf(x))
		case word == "enum" && len(d.Array(word)) == 0:
			c.say(at, "is no list of values; write the values that the argument may have")
		case word == "$ref":
			if ref, _ := x.(string); refer(c.root, ref) == nil {
				c.say(at, "is %s, which is no part of this tool's schema; write \"#/$defs/NAME\", and the schema under $defs",
					safetext.Brief(value.Repr(x), 60))
			}
		case word == "items" && isList(x):
			c.list(at, x)
		case word == "items" || slices.Contains(oneSchema, word):
			c.schema(at, x)
		case slices.Contains(schemasByName, word):
			c.named(at, x)
		case slices.Contains(listsOfThem, word):
			c.list(at, x)
		}
	}
}

// named looks at an object of schemas.
func (c *checker) named(path string, v any) {
	d, ok := v.(*value.Dict)
	if !ok {
		c.say(path, "is %s; write an object of schemas", shape.KindOf(v))
		return
	}
	for i := range d.Len() {
		k, x := d.At(i)
		name, _ := k.(string)
		c.schema(shape.Key(path, name), x)
	}
}

// list looks at a list of schemas.
func (c *checker) list(path string, v any) {
	l, ok := v.(*value.List)
	if !ok || len(l.Items) == 0 {
		c.say(path, "is %s; write a list of schemas", describe(v))
		return
	}
	for i, x := range l.Items {
		c.schema(shape.Index(path, i), x)
	}
}

// types looks at the name of a type, or at a list of them.
func (c *checker) types(path string, v any) {
	one := func(path string, v any) {
		name, ok := v.(string)
		if _, known := types[name]; !ok || !known {
			c.say(path, "is %s, which is no type; write one of string, integer, number, boolean, array, object, null",
				safetext.Brief(value.Repr(v), 60))
		}
	}
	l, ok := v.(*value.List)
	switch {
	case !ok:
		one(path, v)
	case len(l.Items) == 0:
		c.say(path, "is an empty list; write the types that the value may have")
	default:
		for i, x := range l.Items {
			one(shape.Index(path, i), x)
		}
	}
}

// texts looks at a list of names.
func (c *checker) texts(path string, v any) {
	l, ok := v.(*value.List)
	if !ok {
		c.say(path, "is %s; write a list of names", shape.KindOf(v))
		return
	}
	for i, x := range l.Items {
		if !isText(x) {
			c.say(shape.Index(path, i), "is %s; write the name of a property", shape.KindOf(x))
		}
	}
}

func describe(v any) string {
	if l, ok := v.(*value.List); ok && len(l.Items) == 0 {
		return "an empty list"
	}
	return shape.KindOf(v)
}
