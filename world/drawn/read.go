package drawn

import (
	"fmt"
	"slices"
	"strings"

	"ballast/value"
)

// The largest worlds that are read. Functions and groups note what was given or taken in the
// bits of a word.
const (
	maxKinds  = 32
	maxFields = 32
	maxWords  = 64
	maxTools  = 256
	maxParams = 16 // of a function, those of its groups included
	maxGroups = 4  // inside each other
)

// read reads a configuration. Errors name the key.
func read(config any) (*plan, error) {
	d, ok := config.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("the configuration is a %T, want a mapping", config)
	}
	if err := onlyKeys(d, "kinds", "things", "tools"); err != nil {
		return nil, fmt.Errorf("the configuration %w", err)
	}
	p := &plan{index: map[string]int{}}
	if err := entries(d, "kinds", maxKinds, p.readKind); err != nil {
		return nil, err
	}
	p.entities = make([][]entity, len(p.kinds))
	if err := entries(d, "things", maxKinds, p.readEntities); err != nil {
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
		name, err := label(k)
		if err != nil {
			return fmt.Errorf("%s %w", key, err)
		}
		if err := do(name, v); err != nil {
			return fmt.Errorf("%s.%s: %w", key, name, err)
		}
	}
	return nil
}

// label takes a key that is a name. Answers repeat it, so that it is one short line.
func label(key any) (string, error) {
	name, problem := line("a name", key)
	if problem != "" {
		return "", fmt.Errorf("has the key %s: %s", clip(value.Repr(key)), problem)
	}
	return name, nil
}

// onlyKeys rejects keys that nobody reads.
func onlyKeys(d *value.Dict, keys ...string) error {
	for i := range d.Len() {
		k, _ := d.At(i)
		if name, _ := k.(string); !slices.Contains(keys, name) {
			return fmt.Errorf("has the key %s; there are %s", clip(value.Repr(k)), strings.Join(keys, ", "))
		}
	}
	return nil
}

// mapping takes a mapping of a bounded size.
func mapping(v any, limit int, of string) (*value.Dict, error) {
	d, ok := v.(*value.Dict)
	switch {
	case !ok:
		return nil, fmt.Errorf("is a %T, want a mapping of %s", v, of)
	case d.Len() > limit:
		return nil, fmt.Errorf("has %d %s, more than %d", d.Len(), of, limit)
	}
	return d, nil
}

func (p *plan) readKind(name string, v any) error {
	k := kind{name: name}
	d, err := mapping(v, maxFields, "fields")
	if err != nil {
		return err
	}
	for i := range d.Len() {
		key, v := d.At(i)
		f := field{text: true}
		if f.name, err = label(key); err != nil {
			return err
		}
		switch v := v.(type) {
		case string:
			if f.text = v != "integer"; f.text && v != "string" {
				return fmt.Errorf("%s is a %q, want integer, string or a list of words", f.name, v)
			}
		case *value.List:
			if f.words, err = readWords(v.Items); err != nil {
				return fmt.Errorf("%s %w", f.name, err)
			}
		default:
			return fmt.Errorf("%s is a %T, want integer, string or a list of words", f.name, v)
		}
		k.fields = append(k.fields, f)
	}
	p.kinds = append(p.kinds, k)
	return nil
}

// readWords reads the words that a field chooses from.
func readWords(items []any) (words []string, err error) {
	if len(items) == 0 || len(items) > maxWords {
		return nil, fmt.Errorf("has %d words, want 1 to %d", len(items), maxWords)
	}
	for _, item := range items {
		s, problem := line("a word", item)
		if problem != "" {
			return nil, fmt.Errorf("has the word %s: %s", clip(value.Repr(item)), problem)
		}
		if slices.Contains(words, s) {
			return nil, fmt.Errorf("has the word %s twice", s)
		}
		words = append(words, s)
	}
	return words, nil
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

func (p *plan) readEntities(name string, v any) error {
	at, err := p.kind(name)
	if err != nil {
		return err
	}
	d, err := mapping(v, maxEntities, "things")
	if err != nil {
		return err
	}
	for i := range d.Len() {
		key, v := d.At(i)
		t := entity{}
		if t.name, err = label(key); err != nil {
			return err
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
		p.entities[at] = append(p.entities[at], t)
	}
	slices.SortFunc(p.entities[at], func(a, b entity) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (p *plan) readTool(name string, v any) error {
	f := function{name: name, field: -1}
	d, ok := v.(*value.Dict)
	if !ok {
		return fmt.Errorf("is a %T, want a mapping", v)
	}
	if err := onlyKeys(d, "does", "kind", "field", "takes"); err != nil {
		return err
	}
	does, err := get(d, "does")
	if err != nil {
		return err
	}
	if f.does = slices.IndexFunc(operations, func(x operation) bool { return x.name == does }); f.does < 0 {
		return fmt.Errorf("does %q; there are %s", does, operationNames())
	}
	on, err := get(d, "kind")
	if err != nil {
		return err
	}
	if f.kind, err = p.kind(on); err != nil {
		return err
	}
	operation, k := &operations[f.does], &p.kinds[f.kind]
	if f.field, err = operation.about(d, k); err != nil {
		return err
	}
	if takes, ok := d.Get("takes"); ok {
		left := maxParams
		if f.params, err = readParams(k, takes, maxGroups, &left); err != nil {
			return err
		}
	}
	u := uses{}
	if err := u.add(k, f.params, false); err != nil {
		return err
	}
	switch {
	case u.name != operation.takesName:
		return fmt.Errorf("does %s, and takes the name of a thing %s: want %s", operation.name, u.name, operation.takesName)
	case u.value != operation.takesValue && operation.takesValue != maybe:
		return fmt.Errorf("does %s, and takes a value %s: want %s", operation.name, u.value, operation.takesValue)
	case u.fields != 0 && !operation.fields:
		return fmt.Errorf("does %s, and takes a field", operation.name)
	}
	p.index[name] = len(p.tools)
	p.tools = append(p.tools, f)
	return nil
}

// about reads the field that a function is about, -1 for none.
func (x *operation) about(d *value.Dict, k *kind) (int, error) {
	if !x.field {
		if _, ok := d.Get("field"); ok {
			return 0, fmt.Errorf("does %s, which is about no field: take out field", x.name)
		}
		return -1, nil
	}
	name, err := get(d, "field")
	if err != nil {
		return 0, err
	}
	i, err := k.field(name)
	if err == nil && x.integer && k.fields[i].text {
		err = fmt.Errorf("does %s, and the field %s is no integer", x.name, name)
	}
	return i, err
}

// get returns the text under a key.
func get(d *value.Dict, key string) (string, error) {
	v, ok := d.Get(key)
	if !ok {
		return "", fmt.Errorf("%s is missing", key)
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s is a %T, want a string", key, v)
	}
	return s, nil
}

func operationNames() string {
	names := make([]string, len(operations))
	for i := range operations {
		names[i] = operations[i].name
	}
	return strings.Join(names, ", ")
}

// readParams reads what a function or a group takes: groups so deep, so many parameters in all.
func readParams(k *kind, v any, deep int, left *int) ([]param, error) {
	d, err := mapping(v, maxParams, "parameters")
	if err != nil {
		return nil, fmt.Errorf("takes %w", err)
	}
	if *left -= d.Len(); *left < 0 {
		return nil, fmt.Errorf("takes more than %d parameters, those of groups included", maxParams)
	}
	var out []param
	for i := range d.Len() {
		key, v := d.At(i)
		name, err := label(key)
		if err != nil {
			return nil, fmt.Errorf("takes %w", err)
		}
		p := param{}
		if p.name, p.optional = strings.CutSuffix(name, "?"); p.name == "" || strings.HasSuffix(p.name, "?") {
			return nil, fmt.Errorf("takes has the key %q, want a name, and ? once at its end where it is optional", name)
		}
		if slices.ContainsFunc(out, func(o param) bool { return o.name == p.name }) {
			return nil, fmt.Errorf("takes %s twice", p.name)
		}
		switch v := v.(type) {
		case *value.Dict:
			if p.means = isGroup; deep == 0 {
				err = fmt.Errorf("is a group in %d groups, and there are no more inside each other", maxGroups)
			} else {
				p.group, err = readParams(k, v, deep-1, left)
			}
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
	fields      uint64 // a bit each
}

// add adds the parameters of a group that may be left out.
func (u *uses) add(k *kind, params []param, optional bool) error {
	for _, p := range params {
		n := always
		if optional || p.optional {
			n = maybe
		}
		switch p.means {
		case isGroup:
			if err := u.add(k, p.group, n == maybe); err != nil {
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
			if u.fields>>p.means&1 != 0 {
				return fmt.Errorf("takes the field %s twice", k.fields[p.means].name)
			}
			u.fields |= 1 << p.means
		}
	}
	return nil
}
