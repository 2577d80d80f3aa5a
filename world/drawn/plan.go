package drawn

import (
	"slices"
	"strings"
	"unicode"

	"ballast"
	"ballast/value"
)

// plan is a configuration as it was read. It is never written to afterwards.
type plan struct {
	kinds    []kind
	entities [][]entity
	tools    []function
	index    map[string]int // of tools by name
}

// kind is a kind of entities.
type kind struct {
	name   string
	fields []field
}

// field is a property of entities. An integer has no words and is not text; a string without
// words may be any text.
type field struct {
	name  string
	text  bool
	words []string
}

// alike reports whether two kinds have the same name and fields of the same names.
func alike(a, b kind) bool {
	return a.name == b.name && slices.EqualFunc(a.fields, b.fields, func(x, y field) bool { return x.name == y.name })
}

// zero is the value of a field that nothing was said about.
func (f *field) zero() any {
	switch {
	case !f.text:
		return int64(0)
	case len(f.words) > 0:
		return f.words[0]
	}
	return "none"
}

// function is one function of the world.
type function struct {
	name        string
	does        int // in operations
	kind, field int // field is -1 where the operation has none
	params      []param
}

// The meanings of a parameter that are no field.
const (
	isName  = -1
	isValue = -2
	isGroup = -3
)

// param is one parameter of a function: an entity's name, the value of the function's field,
// the value of a field of the kind by its number, or a group of parameters.
type param struct {
	name     string
	optional bool
	means    int
	group    []param
}

// arguments are those of a call by what they mean.
type arguments struct {
	name   string
	value  any
	fields []any // by field; nil where nothing was given
}

// maxText is the longest text argument, in bytes.
const maxText = 120

// bind reads the arguments of a call. The second result says in a few words what is wrong
// with them, or is empty.
func (f *function) bind(k *kind, given []ballast.Arg) (*arguments, string) {
	a := &arguments{fields: make([]any, len(k.fields))}
	return a, f.fill(a, k, f.params, given)
}

func (f *function) fill(a *arguments, k *kind, params []param, given []ballast.Arg) string {
	var seen uint64
	for n, g := range given {
		i := n
		if g.Name != "" {
			i = slices.IndexFunc(params, func(p param) bool { return p.name == g.Name })
			if i < 0 {
				return "no argument " + clip(g.Name)
			}
		}
		if i >= len(params) {
			return "too many arguments"
		}
		if seen>>i&1 != 0 {
			return params[i].name + " given twice"
		}
		seen |= 1 << i
		if problem := f.take(a, k, &params[i], g.Value); problem != "" {
			return problem
		}
	}
	for i, p := range params {
		if !p.optional && seen>>i&1 == 0 {
			return "missing " + p.name
		}
	}
	return ""
}

// take stores one argument.
func (f *function) take(a *arguments, k *kind, p *param, v any) (problem string) {
	switch p.means {
	case isGroup:
		d, ok := v.(*value.Dict)
		if !ok {
			return p.name + " must be an object"
		}
		given := make([]ballast.Arg, d.Len())
		for i := range given {
			key, item := d.At(i)
			name, ok := key.(string)
			if !ok || name == "" {
				return p.name + " has a key that is no name"
			}
			given[i] = ballast.Arg{Name: name, Value: item}
		}
		return f.fill(a, k, p.group, given)
	case isName:
		a.name, problem = line(p.name, v)
	case isValue:
		a.value, problem = f.takes(k, p).read(p.name, v)
	default:
		a.fields[p.means], problem = f.takes(k, p).read(p.name, v)
	}
	return problem
}

// takes is the field whose values a parameter takes, nil for a name and for a group.
func (f *function) takes(k *kind, p *param) *field {
	switch {
	case p.means >= 0:
		return &k.fields[p.means]
	case p.means == isValue && operations[f.does].name == "add":
		return &numeric
	case p.means == isValue:
		return &k.fields[f.field]
	}
	return nil
}

// numeric is the field of an amount.
var numeric = field{name: "amount"}

// read takes a value for a field. A float that is a whole number passes for an integer, as
// JSON writers are careless about that.
func (f *field) read(name string, v any) (any, string) {
	if f.text {
		s, problem := line(name, v)
		if problem == "" && len(f.words) > 0 && !slices.Contains(f.words, s) {
			problem = name + " must be one of " + strings.Join(f.words, ", ")
		}
		return s, problem
	}
	n, ok := v.(int64)
	if x, isFloat := v.(float64); isFloat && x == float64(int32(x)) {
		n, ok = int64(x), true
	}
	if !ok || n < -most || n > most {
		return nil, name + " must be an integer"
	}
	return n, ""
}

// line takes a text of one line.
func line(name string, v any) (string, string) {
	s, ok := v.(string)
	switch {
	case !ok:
		return "", name + " must be a string"
	case s == "":
		return "", name + " is empty"
	case len(s) > maxText:
		return "", name + " is too long"
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return "", name + " must be one line"
	case strings.HasPrefix(s, failure): // an answer that repeats it would be taken for a failed call
		return "", name + " must not begin with " + failure
	}
	return s, ""
}

// document writes what the configuration says of the functions.
func (p *plan) document() []ballast.Tool {
	out := make([]ballast.Tool, len(p.tools))
	for i := range p.tools {
		f := &p.tools[i]
		k := &p.kinds[f.kind]
		t := ballast.Tool{Name: f.name, Doc: operations[f.does].name + " " + k.name, Params: []ballast.Param{}}
		if f.field >= 0 {
			t.Doc += " " + k.fields[f.field].name
		}
		for n := range f.params {
			t.Params = append(t.Params, f.param(k, &f.params[n]))
			if f.params[n].means == isGroup {
				t.Schema = value.ToolSchema(t.Name, t.Doc, f.schema(k, f.params))
			}
		}
		out[i] = t
	}
	return out
}

// param documents a parameter.
func (f *function) param(k *kind, p *param) ballast.Param {
	out := ballast.Param{Name: p.name, Type: "string", Required: !p.optional}
	of := f.takes(k, p)
	switch {
	case p.means == isGroup:
		out.Type = "object"
	case of != nil && !of.text:
		out.Type = "integer"
	case of != nil:
		out.Enum = slices.Clone(of.words)
	}
	return out
}

// schema writes parameters as JSON schema does.
func (f *function) schema(k *kind, params []param) *value.Dict {
	properties, groups := make([]ballast.Param, len(params)), map[string]*value.Dict{}
	for i := range params {
		properties[i] = f.param(k, &params[i])
		if params[i].means == isGroup {
			groups[params[i].name] = f.schema(k, params[i].group)
		}
	}
	return value.ObjectSchema(properties, groups)
}

// example is the world of New without a configuration.
func example() *plan {
	p, err := read(value.NewDict(
		"kinds", value.NewDict("brolt", value.NewDict("weight", "integer", "mood", value.NewList("calm", "wild"), "keeper", "string")),
		"things", value.NewDict("brolt", value.NewDict(
			"kamfel", value.NewList(int64(12), "calm", "ann"), "zolbin", value.NewList(int64(7), "wild", "bob"))),
		"tools", value.NewDict(
			"weigh", does("read", "weight", "which", "name"),
			"calm_down", does("set", "mood", "which", "name", "how", "value"),
			"feed", does("add", "weight", "which", "name", "by", "value"),
			"keepers", does("find", "keeper", "keeper", "value"),
			"tally", does("count", "mood", "mood?", "value"),
			"load", does("total", "weight"),
			"heaviest", does("most", "weight"),
			"adopt", does("create", "", "name", "name", "about?", value.NewDict("weight?", ".weight", "keeper", ".keeper")),
			"release", does("delete", "", "which", "name"),
		)))
	if err != nil {
		panic("drawn: the example: " + err.Error())
	}
	return p
}

// does is a function of the example.
func does(operation, field string, takes ...any) *value.Dict {
	d := value.NewDict("does", operation, "kind", "brolt", "takes", value.NewDict(takes...))
	if field != "" {
		d.Set("field", field)
	}
	return d
}
