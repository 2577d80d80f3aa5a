package acebench

import (
	"slices"
	"strings"

	"ballast/value"
)

// argument is a parameter of a function that a value is given for.
type argument struct {
	name, function string
	spec           *value.Dict
}

// pyTypes are the types of Python that the original has for those of schemas.
var pyTypes = map[string]string{
	"string": "str", "any": "str", "integer": "int", "int": "int", "number": "int", "float": "float", "boolean": "bool",
	"array": "list", "list": "list", "tuple": "list", "objectArray": "list", "list(string)": "list", "list(enum)": "list",
	"dict": "dict", "object": "dict", "enum": "enumerate", // no value is of that type
}

// nested are the types of schemas that say something of what is inside, with what it is where the
// schema does not say it.
var nested = map[string]string{
	"array": "dict", "tuple": "dict", "objectArray": "dict", "object": "dict", "list(string)": "string", "list(enum)": "enum",
}

// types are what the original makes of a parameter's schema.
type types struct {
	name   string // the schema's
	outer  string // Python's
	inside string // Python's type of what is inside, "" where it does not matter
}

// mapped finds Python's type of one of a schema; an unknown one ends the original.
func mapped(name any) string {
	if !value.Hashable(name) {
		raise("TypeError: unhashable type: '%s'", value.TypeName(name))
	}
	s, ok := name.(string)
	py := pyTypes[s]
	if !ok || py == "" {
		raise("KeyError: %s", value.Repr(name))
	}
	return py
}

func (c *checker) types(spec *value.Dict) (t types) {
	if !spec.Has("type") {
		raise("KeyError: 'type'")
	}
	of := spec.Member("type")
	t.outer = mapped(of)
	t.name = of.(string)
	inside, has := nested[t.name]
	items, _ := spec.Member("items").(*value.Dict)
	switch {
	case !has:
	case items.Has("type"): // without it the original goes on as if there were no items
		t.inside = mapped(items.Member("type"))
	case t.outer == "list" && c.mends.has(MendItems):
	default:
		t.inside = mapped(inside)
	}
	return t
}

// argument compares the value of one argument with gold's.
func (c *checker) argument(a argument, v, gold any) result {
	t := c.types(a.spec)
	switch x := v.(type) {
	case int64:
		if t.name == "float" {
			v = float64(x)
		}
	case *value.Tuple:
		if t.name == "tuple" {
			v = &value.List{Items: x.Items}
		}
	}
	v = c.word(v, gold)
	unchecked, r := c.typed(a, t, v, gold)
	switch {
	case !r.ok:
		return r
	case unchecked || t.outer == "int" || t.outer == "float" || t.outer == "bool":
		if c.mends.has(MendNumbers) && !c.same(v, gold) {
			return wrong("value_error", func() any { return wrongValue(a, gold, v) })
		}
		return right
	case t.outer == "dict":
		return c.object(a, v, gold)
	case t.name == "objectArray" && t.inside == "dict" && !c.mends.has(MendItems):
		return objectArray(v, gold)
	case t.outer == "list" && t.inside == "dict":
		return c.objects(a, v.(*value.List), gold)
	case t.outer == "list":
		return c.list(a, v.(*value.List), gold)
	}
	return c.text(a, v.(string), gold)
}

// word reads the strings true and false as booleans.
func (c *checker) word(v, gold any) any {
	if _, isText := gold.(string); isText && c.mends.has(MendWords) {
		return v
	}
	switch v {
	case "true":
		return true
	case "false":
		return false
	}
	return v
}

// typed tests the type of a value. unchecked says that nothing more is asked of it: gold is not of the
// type that the schema names.
func (c *checker) typed(a argument, t types, v, gold any) (unchecked bool, r result) {
	goldType := value.TypeName(gold)
	known := gold != any("")
	unchecked = known && goldType != t.outer
	inner := value.TypeName(v) == t.outer
	if inner && (t.inside == "" || c.holds(t, v, gold)) {
		return unchecked, right
	}
	if known && (value.TypeName(v) == goldType || value.Equal(v, gold)) {
		if !inner {
			return true, right
		}
		return false, wrong("type_error", func() any {
			return one("Nested type checking failed for parameter %s. Expected outer type %s with inner type <class '%s'>. Parameter value: %s.",
				value.Repr(a.name), t.name, t.inside, value.Repr(v))
		})
	}
	return false, wrong("type_error", func() any {
		return one("wrong type for parameter (%s) of api (%s):[excepted: <class '%s'>, real: <class '%s'>]", a.name, a.function, t.outer,
			value.TypeName(v))
	})
}

// holds tests the types inside a value. The original walks over gold, and any of its elements that is no
// list is enough; of a list, all that the reply has must be of the type, or lists.
func (c *checker) holds(t types, v, gold any) bool {
	var items []any
	switch g := gold.(type) {
	case *value.List:
		items = g.Items
	case *value.Dict:
		items = g.Keys()
	case string:
		return g != ""
	default:
		raise("TypeError: '%s' object is not iterable", value.TypeName(gold))
	}
	if len(items) == 0 {
		return c.mends.has(MendEmpty)
	}
	for _, g := range items {
		if _, isList := g.(*value.List); !isList || c.allOf(t.inside, v, g) {
			return true
		}
	}
	return false
}

// allOf says that all elements of a value are of a type of Python, or lists as gold's element is.
func (c *checker) allOf(py string, v, gold any) bool {
	var items []any
	switch v := v.(type) {
	case *value.List:
		items = v.Items
	case *value.Dict:
		items = v.Keys()
	}
	return !slices.ContainsFunc(items, func(x any) bool {
		x = c.word(x, gold)
		of := value.TypeName(x)
		return of != py && of != "list" && !value.Equal(x, gold)
	})
}

// wrongValue is the original's text for most wrong values.
func wrongValue(a argument, gold, v any) any {
	return one("wrong value for parameter (%s) of api (%s): [excepted: %s, real: [%s]]", a.name, a.function, pyStr(gold), pyStr(v))
}

// text compares strings.
func (c *checker) text(a argument, v string, gold any) result {
	g, ok := gold.(string)
	if ok && c.sameText(v, g) {
		return right
	}
	return wrong("value_error:string", func() any { return wrongValue(a, gold, v) })
}

func (c *checker) sameText(v, gold string) bool {
	if c.mends.has(MendStrings) {
		return standard(v) == standard(gold)
	}
	return strings.Contains(standard(v), standard(gold))
}

// list compares lists of what is no object.
func (c *checker) list(a argument, v *value.List, gold any) result {
	g, ok := gold.(*value.List)
	equal := ok && len(g.Items) == len(v.Items)
	for i := 0; equal && i < len(g.Items); i++ {
		equal = c.sameItem(v.Items[i], g.Items[i])
	}
	if equal || gold == any("") && len(v.Items) == 0 {
		return right
	}
	return wrong("value_error:list/tuple", func() any {
		return one("wrong value for parameter (%s) of api (%s): [expected %s, real: [%s]]", value.Repr(a.name), a.function, pyStr(gold),
			value.Repr(v))
	})
}

// sameItem compares elements of lists: strings as standard writes them.
func (c *checker) sameItem(v, gold any) bool {
	if c.mends.has(MendLists) {
		return c.exact(v, gold)
	}
	if s, ok := v.(string); ok {
		v = standard(s)
	}
	if s, ok := gold.(string); ok {
		gold = standard(s)
	}
	return value.Equal(v, gold)
}

// objectArray is the original's test of that type, which has a slip: equal lengths end it.
func objectArray(v, gold any) result {
	if v, g := v.(*value.List), gold.(*value.List); len(v.Items) != len(g.Items) {
		return wrong("value_error:dict_items", func() any { return one("Wrong number of parameters for dictionary.") })
	} else if len(v.Items) > 0 {
		raise("TypeError: dict_checker() missing 1 required positional argument: 'func_name'")
	}
	return right
}

// objects compares lists of objects, pair by pair.
func (c *checker) objects(a argument, v *value.List, gold any) result {
	g, ok := gold.(*value.List)
	if !ok || len(g.Items) != len(v.Items) {
		return wrong("value_error:list_dict_count", func() any { return wrongValue(a, gold, v) })
	}
	for i := range g.Items {
		if r := c.object(a, v.Items[i], g.Items[i]); !r.ok {
			return r
		}
	}
	return right
}

// object compares an object with gold's.
func (c *checker) object(a argument, v, gold any) result {
	d, ok := v.(*value.Dict)
	if !ok {
		return wrong("value_error", func() any {
			return one("wrong type for parameter (%s) of api (%s): [excepted: %s, real: [%s]]", a.name, a.function, pyStr(gold), pyStr(v))
		})
	}
	g, ok := gold.(*value.Dict)
	if !ok {
		raise("AttributeError: '%s' object has no attribute 'keys'", value.TypeName(gold))
	}
	differs := wrong("value_error", func() any { return wrongValue(a, gold, v) })
	if d.Len() != g.Len() {
		return differs
	}
	for i := range d.Len() {
		k, got := d.At(i)
		want, there := g.Get(k)
		if !there {
			return differs
		}
		if inner, isDict := want.(*value.Dict); isDict {
			if r := c.object(a, got, inner); !r.ok {
				return r
			}
			continue
		}
		if c.mends.has(MendObjects) && !c.same(got, want) || !c.mends.has(MendObjects) && !c.within(got, want) {
			return differs
		}
	}
	return right
}

// within is the original's test inside of objects: gold's text is a part of the value's.
func (c *checker) within(v, gold any) bool {
	return strings.Contains(pyStr(plain(c.word(v, nil))), pyStr(plain(gold)))
}

// plain writes strings as standard does, and leaves other values.
func plain(v any) any {
	if s, ok := v.(string); ok {
		return standard(s)
	}
	return v
}

// same compares by kind: strings as sameText does, numbers by value, the rest as exact.
func (c *checker) same(v, gold any) bool {
	if a, ok := v.(string); ok {
		if b, ok := gold.(string); ok {
			return c.sameText(a, b)
		}
	}
	return c.exact(v, gold)
}

// exact compares by kind: strings as standard writes them, numbers by value, true and false with
// booleans or the words for them, lists in order, objects by key.
func (c *checker) exact(v, gold any) bool {
	v = c.word(v, gold)
	switch g := gold.(type) {
	case string:
		s, ok := v.(string)
		return ok && standard(s) == standard(g)
	case *value.Dict:
		d, ok := v.(*value.Dict)
		if !ok || d.Len() != g.Len() {
			return false
		}
		for i := range g.Len() {
			k, want := g.At(i)
			if got, there := d.Get(k); !there || !c.exact(got, want) {
				return false
			}
		}
		return true
	}
	if want, ok := value.Sequence(gold); ok {
		got, ok := value.Sequence(v)
		if !ok || len(got) != len(want) {
			return false
		}
		for i := range want {
			if !c.exact(got[i], want[i]) {
				return false
			}
		}
		return true
	}
	_, isBool := v.(bool)
	_, goldBool := gold.(bool)
	return isBool == goldBool && value.Equal(v, gold)
}
