package format

import (
	"math"
	"strings"

	"ballast"
	"ballast/value"
)

// kinds is a set of the kinds of values that a tool declares for an argument; the
// empty set means that nothing is declared. A number is an integer or a fraction.
type kinds uint8

const (
	kindString kinds = 1 << iota
	kindInteger
	kindFraction
	kindBoolean
	kindNull
	kindArray
	kindObject
)

// typeKinds are the types of JSON schema, and the names that benchmarks and Python give them.
var typeKinds = map[string]kinds{
	"string": kindString, "str": kindString, "integer": kindInteger, "int": kindInteger, "long": kindInteger,
	"number": kindInteger | kindFraction, "float": kindInteger | kindFraction, "double": kindInteger | kindFraction,
	"boolean": kindBoolean, "bool": kindBoolean, "null": kindNull, "none": kindNull,
	"array": kindArray, "list": kindArray, "tuple": kindArray, "object": kindObject, "dict": kindObject,
}

// String lists the kinds in the words of JSON schema.
func (k kinds) String() string {
	var out []string
	for _, x := range []struct {
		kind kinds
		name string
	}{{kindString, "string"}, {kindInteger | kindFraction, "number"}, {kindInteger, "integer"}, {kindBoolean, "boolean"},
		{kindNull, "null"}, {kindArray, "array"}, {kindObject, "object"}} {
		if k&x.kind == x.kind {
			out = append(out, x.name)
			k &^= x.kind
		}
	}
	return strings.Join(out, " or ")
}

// kindOf is the kind of a value of JSON. A number without a fraction is an integer,
// however it is written.
func kindOf(v any) kinds {
	switch v := v.(type) {
	case string:
		return kindString
	case bool:
		return kindBoolean
	case nil:
		return kindNull
	case float64:
		if v != math.Trunc(v) || math.IsInf(v, 0) {
			return kindFraction
		}
	case *value.List:
		return kindArray
	case *value.Dict:
		return kindObject
	}
	return kindInteger
}

// schemaNodes bounds the schemas that are looked at for one argument.
const schemaNodes = 500

// declared are the kinds that a tool declares for an argument: by its Schema, which
// prompts show, or by its Params.
//
// A type may be a list of types. anyOf and oneOf allow what any of their members
// allows, allOf what all do; nullable adds null; enum and const have the kinds of
// their values; a $ref within the schema is followed. An argument that the properties
// lack has the kinds of additionalProperties. What says nothing of the type, or names
// a type that JSON schema does not know, declares nothing.
func declared(tool ballast.Tool, arg string) kinds {
	doc := asDict(tool.Schema)
	if inner := asDict(member(doc, "function")); inner != nil { // OpenAI's wrapping
		doc = inner
	}
	root := asDict(member(doc, "parameters"))
	if props := asDict(member(root, "properties")); props != nil {
		s := schemas{root: root, left: schemaNodes}
		if about, ok := props.Get(arg); ok {
			return s.kinds(about)
		}
		return s.kinds(member(root, "additionalProperties"))
	}
	for _, p := range tool.Params {
		switch {
		case p.Name != arg:
		case p.Type == "" && len(p.Enum) > 0:
			return kindString
		default:
			return typeKinds[strings.ToLower(p.Type)]
		}
	}
	return 0
}

// schemas reads the schemas of one tool's arguments.
type schemas struct {
	root *value.Dict
	left int // schemas that may still be looked at
}

func (s *schemas) kinds(schema any) kinds {
	d := asDict(schema)
	if s.left--; d == nil || s.left < 0 {
		return 0
	}
	k := s.typed(d)
	if list, ok := member(d, "enum").(*value.List); ok && len(list.Items) > 0 {
		k = both(k, kindsOf(list.Items))
	}
	if v, ok := d.Get("const"); ok {
		k = both(k, kindOf(v))
	}
	if ref, ok := member(d, "$ref").(string); ok {
		k = both(k, s.kinds(s.find(ref)))
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		if list, ok := member(d, key).(*value.List); ok {
			k = both(k, s.any(list.Items))
		}
	}
	if list, ok := member(d, "allOf").(*value.List); ok {
		for _, x := range list.Items {
			k = both(k, s.kinds(x))
		}
	}
	if member(d, "nullable") == true && k != 0 {
		k |= kindNull
	}
	return k
}

// typed are the kinds of a schema's type; without one, keys that only one kind has tell.
func (s *schemas) typed(d *value.Dict) kinds {
	switch t := member(d, "type").(type) {
	case string:
		return typeKinds[strings.ToLower(t)]
	case *value.List:
		return s.any(t.Items)
	case *value.Dict: // some write a schema as a type
		return s.kinds(t)
	}
	switch {
	case asDict(member(d, "properties")) != nil:
		return kindObject
	case asDict(member(d, "items")) != nil:
		return kindArray
	}
	return 0
}

// any are the kinds of schemas, or names of types, one of which holds.
func (s *schemas) any(list []any) (k kinds) {
	for _, x := range list {
		one := s.kinds(x)
		if name, ok := x.(string); ok {
			one = typeKinds[strings.ToLower(name)]
		}
		if one == 0 { // anything goes
			return 0
		}
		k |= one
	}
	return k
}

// find is the schema that a reference within the root names, nil for others.
func (s *schemas) find(ref string) any {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	var at any = s.root
	for _, key := range strings.Split(path, "/") {
		at = member(asDict(at), strings.NewReplacer("~1", "/", "~0", "~").Replace(key))
	}
	return at
}

func kindsOf(list []any) (k kinds) {
	for _, v := range list {
		k |= kindOf(v)
	}
	return k
}

// both are the kinds that two declarations allow. Where they contradict each other
// nothing is known.
func both(a, b kinds) kinds {
	if a == 0 || b == 0 {
		return a | b
	}
	return a & b
}

func asDict(v any) *value.Dict {
	d, _ := v.(*value.Dict)
	return d
}

func member(d *value.Dict, key string) any {
	if d == nil {
		return nil
	}
	v, _ := d.Get(key)
	return v
}

// pythonWords are how Python writes the constants of JSON. Qwen3-Coder's template writes
// them so, since it writes all but lists and objects with Python's str. GLM's writes JSON.
var pythonWords = map[string]any{"True": true, "False": false, "None": nil}

// readAs reads the text of a value that is declared to be of some kinds; false where
// it is none of them.
//
// A string is the text as it is. Other kinds are JSON with white space around it,
// and Python's words for JSON's constants. Where a string is one kind of several, a
// text that is a value of another kind is that, and all other text is the string.
// Where nothing is declared, a text that is JSON of any kind but a string is that value.
// Where a string may stand, Python's words are values only if the format writes them
// (python), else text.
func readAs(k kinds, text string, python bool) (any, bool) {
	if k == kindString {
		return text, true
	}
	word := trim(text)
	v, known := pythonWords[word]
	if maybeText := k == 0 || k&kindString != 0; !known || maybeText && !python {
		var err error
		v, err = value.ParseJSON([]byte(word))
		known = err == nil
	}
	_, quoted := v.(string)
	switch allowed := k == 0 || k&kindOf(v) != 0; {
	case known && allowed && !quoted:
		return v, true
	case k == 0 || k&kindString != 0:
		return text, true
	}
	return nil, false
}
