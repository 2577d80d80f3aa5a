package expect

import (
	"fmt"
	"math/big"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/safetext"
	"ballast/value"
)

// Toolbox knows the tools that a task's calls are compared with.
type Toolbox map[string]ballast.Tool

// Tools makes a Toolbox of a task's tools. What it does not have has no default values, and is
// taken for a tool that changes something.
func Tools(list []ballast.Tool) Toolbox {
	box := Toolbox{}
	for _, t := range list {
		box[t.Name] = t
	}
	return box
}

// maxWhere bounds what a check quotes, in bytes.
const maxWhere = 200

func brief(text string) string { return safetext.Brief(text, maxWhere) }

// Differs compares the calls of a turn with those that are wanted, and names the first
// difference; "" for none.
func (c *Calls) Differs(tools []ballast.Tool, made []ballast.Call) string {
	return Tools(tools).compare(c, made)
}

func (b Toolbox) compare(c *Calls, made []ballast.Call) string {
	switch c.Match {
	case Exact:
		for i := range max(len(made), len(c.Calls)) {
			switch {
			case i >= len(made):
				return "missing " + format(c.Calls[i])
			case i >= len(c.Calls):
				return "not wanted: " + format(made[i])
			case !b.Same(made[i], c.Calls[i]):
				return fmt.Sprintf("call %d is %s, wanted %s", i+1, format(made[i]), format(c.Calls[i]))
			}
		}
		return ""
	case OneOf:
		for i, call := range made {
			for _, want := range c.Calls {
				if b.Same(call, want) {
					return b.reads(append(append([]ballast.Call(nil), made[:i]...), made[i+1:]...))
				}
			}
		}
		return "none of the calls that are wanted, such as " + format(c.Calls[0])
	}
	rest, missing := b.subtract(made, c.Calls)
	switch {
	case missing != nil:
		return "missing " + format(*missing)
	case c.Match == Subset:
		return ""
	}
	return b.reads(rest)
}

// subtract takes the wanted calls out of those that were made, each once.
func (b Toolbox) subtract(made, wanted []ballast.Call) (rest []ballast.Call, missing *ballast.Call) {
	used := make([]bool, len(made))
	for w := range wanted {
		found := false
		for i := range made {
			if !used[i] && b.Same(made[i], wanted[w]) {
				used[i], found = true, true
				break
			}
		}
		if !found {
			return nil, &wanted[w]
		}
	}
	for i := range made {
		if !used[i] {
			rest = append(rest, made[i])
		}
	}
	return rest, nil
}

// reads names the first call of a tool that does not only read.
func (b Toolbox) reads(calls []ballast.Call) string {
	for _, c := range calls {
		if !b[c.Name].ReadOnly {
			return "not wanted: " + format(c)
		}
	}
	return ""
}

func format(c ballast.Call) string { return brief(value.FormatCall(c)) }

// Same says that two calls are the same: of one tool, with the same values. Arguments without
// a name are those of the tool's parameters. An argument that is left out has its default value,
// where the tool's schema gives one, in objects inside of arguments, too.
func (b Toolbox) Same(x, y ballast.Call) bool {
	if x.Name != y.Name {
		return false
	}
	var schema *value.Dict
	if t, ok := b[x.Name]; ok {
		schema = Parameters(t)
	}
	a, okA := b.arguments(x)
	c, okC := b.arguments(y)
	return okA && okC && sameDict(a, c, schema)
}

// arguments are a call's by name; false for those that no parameter has.
func (b Toolbox) arguments(c ballast.Call) (*value.Dict, bool) {
	if t, ok := b[c.Name]; ok {
		named, err := tooldoc.Named(c, []ballast.Tool{t})
		if err != nil {
			return nil, false
		}
		c = named
	}
	d := &value.Dict{}
	for i, a := range c.Args {
		name := a.Name
		if name == "" {
			name = fmt.Sprintf("argument %d", i+1)
		}
		if _, twice := d.GetString(name); twice {
			return nil, false
		}
		d.Set(name, a.Value)
	}
	return d, true
}

// Parameters is the JSON Schema of a tool's arguments, nil where it has none.
func Parameters(t ballast.Tool) *value.Dict {
	doc, _ := tooldoc.Doc(t).(*value.Dict)
	if inner := member(doc, "function"); inner != nil {
		doc = inner
	}
	return member(doc, "parameters")
}

// member is an object in an object, nil where it is none.
func member(d *value.Dict, key string) *value.Dict {
	if d == nil {
		return nil
	}
	v, _ := d.GetString(key)
	m, _ := v.(*value.Dict)
	return m
}

// sameDict compares objects whose schema may give defaults.
func sameDict(a, b *value.Dict, schema *value.Dict) bool {
	properties := member(schema, "properties")
	for i := range a.Len() {
		k, x := a.At(i)
		key, _ := k.(string)
		if y, ok := withDefault(b, k, properties); !ok || !same(x, y, member(properties, key)) {
			return false
		}
	}
	for i := range b.Len() {
		k, y := b.At(i)
		key, _ := k.(string)
		if x, ok := withDefault(a, k, properties); !ok || !same(x, y, member(properties, key)) {
			return false
		}
	}
	return true
}

// withDefault is a key's value, or the default value that its schema gives.
func withDefault(d *value.Dict, key any, properties *value.Dict) (any, bool) {
	if v, ok := d.Get(key); ok {
		return v, true
	}
	name, _ := key.(string)
	if about := member(properties, name); about != nil {
		return about.GetString("default")
	}
	return nil, false
}

// same compares values as JSON has them: numbers by value, true and 1 not, objects without
// regard to order. Python's tuples are lists.
func same(a, b any, schema *value.Dict) bool {
	switch x := a.(type) {
	case *value.Dict:
		y, ok := b.(*value.Dict)
		return ok && sameDict(x, y, schema)
	case *value.List:
		return sameItems(x.Items, b, schema)
	case *value.Tuple:
		return sameItems(x.Items, b, schema)
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case int64, float64, *big.Int:
		_, isBool := b.(bool)
		return !isBool && value.Equal(a, b)
	}
	return value.Equal(a, b)
}

func sameItems(items []any, b any, schema *value.Dict) bool {
	var others []any
	switch y := b.(type) {
	case *value.List:
		others = y.Items
	case *value.Tuple:
		others = y.Items
	default:
		return false
	}
	if len(items) != len(others) {
		return false
	}
	for i := range items {
		if !same(items[i], others[i], member(schema, "items")) {
			return false
		}
	}
	return true
}

// among looks for a result that is as wanted, and says what none is.
func (r Result) among(results []string) string {
	first := "no call has a result"
	for i, text := range results {
		where := r.Differs(text)
		if where == "" {
			return ""
		}
		if i == 0 {
			first = "no result is as wanted; the first: " + where
		}
	}
	return brief(first)
}

// Differs compares a result with what it must say, and names the first difference; "" for none.
func (r Result) Differs(text string) string {
	for _, c := range r.Contains {
		if !strings.Contains(text, c) {
			return brief(fmt.Sprintf("%q does not stand in %q", safetext.Brief(c, 60), safetext.Brief(text, 100)))
		}
	}
	if !r.Whole {
		return ""
	}
	parsed, err := value.ParseJSON([]byte(text))
	if want, ok := r.Returns.(string); ok {
		if got, ok := parsed.(string); strings.TrimSpace(text) == strings.TrimSpace(want) || err == nil && ok && got == want {
			return ""
		}
		return brief(fmt.Sprintf("%q, wanted %q", safetext.Brief(text, 100), safetext.Brief(want, 60)))
	}
	if err != nil {
		return brief(fmt.Sprintf("%q is no JSON, wanted %s", safetext.Brief(text, 100), value.Repr(r.Returns)))
	}
	return brief(holds(parsed, r.Returns, ""))
}

// holds says where a value is not as wanted; "" where it is. Of an object the wanted keys count.
func holds(got, want any, path string) string {
	switch w := want.(type) {
	case *value.Dict:
		g, ok := got.(*value.Dict)
		if !ok {
			break
		}
		for i := range w.Len() {
			k, x := w.At(i)
			key, _ := k.(string)
			y, ok := g.Get(k)
			if !ok {
				return join(path, key) + " is missing"
			}
			if where := holds(y, x, join(path, key)); where != "" {
				return where
			}
		}
		return ""
	case *value.List:
		g, ok := got.(*value.List)
		if !ok || len(g.Items) != len(w.Items) {
			break
		}
		for i := range w.Items {
			if where := holds(g.Items[i], w.Items[i], fmt.Sprintf("%s[%d]", path, i)); where != "" {
				return where
			}
		}
		return ""
	default:
		if same(got, want, nil) {
			return ""
		}
	}
	if path != "" {
		path += " "
	}
	return path + "is " + safetext.Brief(value.Repr(got), 80) + ", wanted " + safetext.Brief(value.Repr(want), 80)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
