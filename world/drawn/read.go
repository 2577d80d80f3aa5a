package drawn

import (
	"fmt"
	"slices"
	"strings"

	"ballast/value"
)

// The largest worlds that are read. maxParams is the number of bits that fill notes in.
const (
	maxKinds  = 32
	maxFields = 32
	maxTools  = 256
	maxParams = 16
)

// read reads a configuration. Errors name the key.
func read(config any) (*plan, error) {
	d, ok := config.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("the configuration is a %T, want a mapping", config)
	}
	for i := range d.Len() {
		if k, _ := d.At(i); k != "kinds" && k != "things" && k != "tools" {
			return nil, fmt.Errorf("the configuration has the key %v; there are kinds, things and tools", k)
		}
	}
	p := &plan{index: map[string]int{}}
	if err := entries(d, "kinds", maxKinds, p.readKind); err != nil {
		return nil, err
	}
	p.things = make([][]thing, len(p.kinds))
	if err := entries(d, "things", maxKinds, p.readThings); err != nil {
		return nil, err
	}
	if err := entries(d, "tools", maxTools, p.readTool); err != nil {
		return nil, err
	}
	return p, nil
}

// entries calls do for every entry of the mapping under key, none where there is no key.
func entries(d *value.Dict, key string, limit int, do func(name string, v any) error) error {
	v, ok := d.Get(key)
	if !ok {
		return nil
	}
	inner, ok := v.(*value.Dict)
	switch {
	case !ok:
		return fmt.Errorf("%s is a %T, want a mapping", key, v)
	case inner.Len() > limit:
		return fmt.Errorf("%s has %d entries, more than %d", key, inner.Len(), limit)
	}
	for i := range inner.Len() {
		k, v := inner.At(i)
		name, ok := k.(string)
		if !ok || name == "" {
			return fmt.Errorf("%s has the key %v, want a name", key, k)
		}
		if err := do(name, v); err != nil {
			return fmt.Errorf("%s.%s: %w", key, name, err)
		}
	}
	return nil
}

func (p *plan) readKind(name string, v any) error {
	k := kind{name: name}
	d, ok := v.(*value.Dict)
	if !ok || d.Len() > maxFields {
		return fmt.Errorf("want a mapping of at most %d fields", maxFields)
	}
	for i := range d.Len() {
		key, v := d.At(i)
		f := field{text: true}
		if f.name, ok = key.(string); !ok || f.name == "" {
			return fmt.Errorf("has the field %v, want a name", key)
		}
		switch v := v.(type) {
		case string:
			if f.text = v != "integer"; f.text && v != "string" {
				return fmt.Errorf("%s is a %q, want integer, string or a list of words", f.name, v)
			}
		case *value.List:
			if len(v.Items) == 0 {
				return fmt.Errorf("%s has no words", f.name)
			}
			for _, item := range v.Items {
				s, ok := item.(string)
				if !ok {
					return fmt.Errorf("%s has the word %v, want a string", f.name, item)
				}
				f.words = append(f.words, s)
			}
		default:
			return fmt.Errorf("%s is a %T, want integer, string or a list of words", f.name, v)
		}
		k.fields = append(k.fields, f)
	}
	p.kinds = append(p.kinds, k)
	return nil
}

// kind returns the number of a kind.
func (p *plan) kind(name string) (int, error) {
	i := slices.IndexFunc(p.kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return 0, fmt.Errorf("no kind is named %q", name)
	}
	return i, nil
}

// field returns the number of a field.
func (k *kind) field(name string) (int, error) {
	i := slices.IndexFunc(k.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return 0, fmt.Errorf("kind %s has no field %q", k.name, name)
	}
	return i, nil
}

func (p *plan) readThings(name string, v any) error {
	at, err := p.kind(name)
	if err != nil {
		return err
	}
	d, ok := v.(*value.Dict)
	if !ok || d.Len() > maxThings {
		return fmt.Errorf("want a mapping of at most %d things", maxThings)
	}
	for i := range d.Len() {
		key, v := d.At(i)
		t := thing{}
		if t.name, ok = key.(string); !ok || t.name == "" {
			return fmt.Errorf("has the thing %v, want a name", key)
		}
		values, ok := v.(*value.List)
		if !ok || len(values.Items) != len(p.kinds[at].fields) {
			return fmt.Errorf("%s: want a list of %d values", t.name, len(p.kinds[at].fields))
		}
		for k, item := range values.Items {
			f := &p.kinds[at].fields[k]
			x, problem := f.read(f.name, item)
			if problem != "" {
				return fmt.Errorf("%s: %s", t.name, problem)
			}
			t.values = append(t.values, x)
		}
		p.things[at] = append(p.things[at], t)
	}
	slices.SortFunc(p.things[at], func(a, b thing) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (p *plan) readTool(name string, v any) error {
	f := function{name: name, field: -1}
	d, ok := v.(*value.Dict)
	if !ok {
		return fmt.Errorf("is a %T, want a mapping", v)
	}
	does, on, about := get(d, "does"), get(d, "kind"), get(d, "field")
	if f.does = slices.IndexFunc(deeds, func(x deed) bool { return x.name == does }); f.does < 0 {
		return fmt.Errorf("does %q; there are %s", does, deedNames())
	}
	var err error
	if f.kind, err = p.kind(on); err != nil {
		return err
	}
	deed, k := &deeds[f.does], &p.kinds[f.kind]
	if deed.field {
		if f.field, err = k.field(about); err != nil {
			return err
		}
		if deed.integer && k.fields[f.field].text {
			return fmt.Errorf("does %s, and the field %s is no integer", deed.name, about)
		}
	}
	takes, _ := d.Get("takes")
	if f.params, err = readParams(k, takes); err != nil {
		return err
	}
	u := uses{}
	if err := u.add(f.params, false); err != nil {
		return err
	}
	switch {
	case u.name != deed.takesName:
		return fmt.Errorf("does %s, and takes the name of a thing %s: want %s", deed.name, u.name, deed.takesName)
	case u.value != deed.takesValue && deed.takesValue != maybe:
		return fmt.Errorf("does %s, and takes a value %s: want %s", deed.name, u.value, deed.takesValue)
	case u.fields && !deed.fields:
		return fmt.Errorf("does %s, and takes a field", deed.name)
	}
	p.index[name] = len(p.tools)
	p.tools = append(p.tools, f)
	return nil
}

func get(d *value.Dict, key string) string {
	v, _ := d.Get(key)
	s, _ := v.(string)
	return s
}

func deedNames() string {
	names := make([]string, len(deeds))
	for i := range deeds {
		names[i] = deeds[i].name
	}
	return strings.Join(names, ", ")
}

// readParams reads what a function takes.
func readParams(k *kind, v any) ([]param, error) {
	if v == nil {
		return nil, nil
	}
	d, ok := v.(*value.Dict)
	if !ok || d.Len() > maxParams {
		return nil, fmt.Errorf("takes is a %T, want a mapping of at most %d parameters", v, maxParams)
	}
	var out []param
	for i := range d.Len() {
		key, v := d.At(i)
		name, _ := key.(string)
		p := param{}
		if p.name, p.optional = strings.CutSuffix(name, "?"); p.name == "" {
			return nil, fmt.Errorf("takes has the key %v, want a name", key)
		}
		if slices.ContainsFunc(out, func(o param) bool { return o.name == p.name }) {
			return nil, fmt.Errorf("takes %s twice", p.name)
		}
		var err error
		switch v := v.(type) {
		case *value.Dict:
			p.means = isGroup
			p.group, err = readParams(k, v)
		case string:
			p.means, err = meaning(k, v)
		default:
			err = fmt.Errorf("is a %T, want a meaning or a mapping", v)
		}
		if err != nil {
			return nil, fmt.Errorf("takes.%s: %w", p.name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// meaning reads what a parameter stands for.
func meaning(k *kind, s string) (int, error) {
	if field, ok := strings.CutPrefix(s, "."); ok {
		return k.field(field)
	}
	switch s {
	case "name":
		return isName, nil
	case "value":
		return isValue, nil
	}
	return 0, fmt.Errorf("no parameter stands for %q; there are name, value and a dot before a field", s)
}

// uses says what the parameters of a function stand for.
type uses struct {
	name, value need
	fields      bool
}

// add adds the parameters of a group that may be left out.
func (u *uses) add(params []param, optional bool) error {
	for _, p := range params {
		n := always
		if optional || p.optional {
			n = maybe
		}
		switch p.means {
		case isGroup:
			if err := u.add(p.group, n == maybe); err != nil {
				return err
			}
		case isName:
			if u.name != never {
				return fmt.Errorf("takes the name of a thing twice")
			}
			u.name = n
		case isValue:
			if u.value != never {
				return fmt.Errorf("takes a value twice")
			}
			u.value = n
		default:
			u.fields = true
		}
	}
	return nil
}
