// Package schema reads the JSON Schemas that others wrote for the arguments of their tools: it
// compares arguments with one, and says what of one cannot be read.
//
// Contract: Arguments looks at types, enums, constants, properties, required, items, anyOf, oneOf
// and references inside of the schema. It says nothing of other words (bounds, patterns, formats):
// what it finds is wrong, and what it does not find may be. Types may have Python's names; a type
// that neither has holds any value. A schema in which Check finds nothing has none of these, and
// Arguments understands every type and reference of it.
//
// How it fails: what is wrong is a list of faults, each with its place, never an error.
package schema

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"ballast/safetext"
	"ballast/value"
	"ballast/value/shape"
)

// maxDepth bounds references that lead to themselves.
const maxDepth = 50

// Arguments lists how the arguments of a call differ from the parameters of its tool. A nil schema
// says nothing; any other knows all arguments, unless it says that it takes more.
func Arguments(path string, args, parameters *value.Dict, tool string) []shape.Fault {
	c := comparer{root: parameters, tool: tool}
	c.object(path, args, parameters, true)
	return c.found
}

// comparer compares values with one tool's schema.
type comparer struct {
	root  *value.Dict
	tool  string
	depth int
	found []shape.Fault
}

func (c *comparer) say(path, format string, args ...any) {
	c.found = append(c.found, shape.Fault{Path: path, Text: fmt.Sprintf(format, args...)})
}

// elsewhere are the words of a schema by which members may be known that its properties do not have.
var elsewhere = []string{"$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"}

// object compares an object's members with its properties. arguments says that it is the
// arguments of the call, whose names the tool must know unless it says that it takes any.
func (c *comparer) object(path string, d, schema *value.Dict, arguments bool) {
	properties := schema.Object("properties")
	more := schema.Member("additionalProperties")
	closed := (more == false || arguments && schema != nil && !schema.Has("additionalProperties")) &&
		!slices.ContainsFunc(elsewhere, schema.Has)
	for i := range d.Len() {
		k, v := d.At(i)
		name, _ := k.(string)
		switch about := properties.Object(name); {
		case about != nil:
			c.value(shape.Key(path, name), v, about)
		case !properties.Has(name) && closed:
			c.say(shape.Key(path, name), "is no argument of %s; it takes %s", c.tool, taken(properties))
		}
	}
	for _, x := range schema.Array("required") {
		if name, ok := x.(string); ok && !d.Has(name) {
			c.say(shape.Key(path, name), "is missing, and %s needs it", c.tool)
		}
	}
}

// taken lists the names of properties.
func taken(properties *value.Dict) string {
	if properties == nil || properties.Len() == 0 {
		return "none"
	}
	var names []string
	for _, k := range properties.Keys() {
		names = append(names, fmt.Sprint(k))
	}
	return safetext.Brief(strings.Join(names, ", "), 400)
}

// value compares a value with its schema.
func (c *comparer) value(path string, v any, schema *value.Dict) {
	if c.depth++; c.depth > maxDepth {
		c.depth--
		return
	}
	defer func() { c.depth-- }()
	if ref, ok := schema.Member("$ref").(string); ok {
		if to := refer(c.root, ref); to != nil {
			c.value(path, v, to)
		}
		return
	}
	if v == nil && schema.Member("nullable") == true { // OpenAPI's word for it
		return
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		if branches := schema.Array(word); len(branches) > 0 && !c.any(path, v, branches) {
			return
		}
	}
	if types := typesOf(schema); len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return isType(v, t) }) {
		c.say(path, "is %s, and %s takes %s", shape.KindOf(v), c.tool, strings.Join(types, " or "))
		return
	}
	if enum := schema.Array("enum"); len(enum) > 0 && !slices.ContainsFunc(enum, func(x any) bool { return value.EqualJSON(x, v) }) {
		c.say(path, "is %s, and %s takes one of %s", safetext.Brief(value.Repr(v), 60), c.tool, safetext.Brief(written(enum), 300))
		return
	}
	if want := schema.Member("const"); schema.Has("const") && !value.EqualJSON(want, v) {
		c.say(path, "is %s, and %s takes %s", safetext.Brief(value.Repr(v), 60), c.tool, safetext.Brief(value.Repr(want), 60))
		return
	}
	switch v := v.(type) {
	case *value.Dict:
		c.object(path, v, schema, false)
	case *value.List:
		if items := schema.Object("items"); items != nil {
			for i, x := range v.Items {
				c.value(shape.Index(path, i), x, items)
			}
		}
	}
}

// any says whether a value fits one of some schemas; where it fits none that is a fault.
func (c *comparer) any(path string, v any, branches []any) bool {
	var types []string
	for _, b := range branches {
		schema, ok := b.(*value.Dict)
		if !ok {
			return true // true and false are schemas, too
		}
		try := comparer{root: c.root, tool: c.tool, depth: c.depth}
		if try.value(path, v, schema); len(try.found) == 0 {
			return true
		}
		types = append(types, typesOf(schema)...)
	}
	if len(types) == 0 {
		types = []string{"none of the kinds that it lists"}
	}
	c.say(path, "is %s, and %s takes %s", safetext.Brief(value.Repr(v), 60), c.tool, strings.Join(types, " or "))
	return false
}

// refer finds what a reference inside of the tool's schema names, nil for others.
func refer(root *value.Dict, ref string) *value.Dict {
	rest, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	at := root
	for _, part := range strings.Split(rest, "/") {
		at = at.Object(strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
	}
	return at
}

// typesOf are the types that a schema names: one, or a list.
func typesOf(schema *value.Dict) []string {
	if one, ok := schema.Member("type").(string); ok {
		return []string{one}
	}
	var out []string
	for _, x := range schema.Array("type") {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// types says what a value of each type is, by JSON's names and by Python's, which some tools have.
var types = map[string]func(v any) bool{
	"string": isText, "boolean": isBool, "null": func(v any) bool { return v == nil }, "array": isList, "object": isObject,
	"number": isNumber, "integer": isInteger,
	"str": isText, "bool": isBool, "list": isList, "tuple": isList, "dict": isObject, "float": isNumber, "int": isInteger,
	"any": func(any) bool { return true },
}

// isType says whether a value is of a type.
func isType(v any, name string) bool {
	is, known := types[name]
	return !known || is(v)
}

func isText(v any) bool   { _, ok := v.(string); return ok }
func isBool(v any) bool   { _, ok := v.(bool); return ok }
func isList(v any) bool   { _, ok := v.(*value.List); return ok }
func isObject(v any) bool { _, ok := v.(*value.Dict); return ok }

func isNumber(v any) bool {
	_, float := v.(float64)
	return float || isInteger(v)
}

// isInteger: 3.0 is one, as JSON Schema has it.
func isInteger(v any) bool {
	switch x := v.(type) {
	case int64, *big.Int:
		return true
	case float64:
		return x == math.Trunc(x)
	}
	return false
}

func written(list []any) string {
	var out []string
	for _, x := range list {
		out = append(out, value.Repr(x))
	}
	return strings.Join(out, ", ")
}
