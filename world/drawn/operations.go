package drawn

import (
	"slices"
	"strconv"
	"strings"
)

// operation is what a function does.
type operation struct {
	name    string
	field   bool // it is about one field, which the configuration names
	integer bool // and that is an integer
	// name and value say whether a parameter of that meaning is taken: never, always, or at will.
	takesName, takesValue need
	fields                bool // it takes values of other fields
	do                    func(s *state, f *function, a *arguments) (answer, problem string)
}

type need int

const (
	never need = iota
	always
	maybe
)

func (n need) String() string { return [...]string{"never", "always", "at will"}[n] }

// operations is the table of what functions do. A new one is one line.
var operations = []operation{
	{name: "read", field: true, takesName: always, do: doRead},
	{name: "set", field: true, takesName: always, takesValue: always, do: doSet},
	{name: "add", field: true, integer: true, takesName: always, takesValue: always, do: doAdd},
	{name: "create", takesName: always, fields: true, do: doCreate},
	{name: "delete", takesName: always, do: doDelete},
	{name: "find", field: true, takesValue: always, do: doFind},
	{name: "count", field: true, takesValue: maybe, do: doCount},
	{name: "total", field: true, integer: true, do: doTotal},
	{name: "most", field: true, integer: true, do: func(s *state, f *function, _ *arguments) (string, string) { return s.extreme(f, 1) }},
	{name: "least", field: true, integer: true, do: func(s *state, f *function, _ *arguments) (string, string) { return s.extreme(f, -1) }},
}

// most is the largest value that a field may come to.
const most = 1_000_000_000

// maxEntities bounds the entities of a kind.
const maxEntities = 1000

func doRead(s *state, f *function, a *arguments) (string, string) {
	i, problem := s.find(f.kind, a.name)
	if problem != "" {
		return "", problem
	}
	return text(s.entities[f.kind][i].values[f.field]), ""
}

func doSet(s *state, f *function, a *arguments) (string, string) {
	i, problem := s.find(f.kind, a.name)
	if problem != "" {
		return "", problem
	}
	s.put(f.kind, i, f.field, a.value)
	return "ok", ""
}

func doAdd(s *state, f *function, a *arguments) (string, string) {
	i, problem := s.find(f.kind, a.name)
	if problem != "" {
		return "", problem
	}
	n := s.entities[f.kind][i].values[f.field].(int64) + a.value.(int64)
	if n < -most || n > most {
		return "", "the sum is too large"
	}
	s.put(f.kind, i, f.field, n)
	return text(n), ""
}

func doCreate(s *state, f *function, a *arguments) (string, string) {
	list := s.entities[f.kind]
	i, taken := position(list, a.name)
	switch {
	case taken:
		return "", clip(a.name) + " exists"
	case len(list) >= maxEntities:
		return "", "there are too many"
	}
	values := make([]any, len(s.plan.kinds[f.kind].fields))
	for k, field := range s.plan.kinds[f.kind].fields {
		if values[k] = a.fields[k]; values[k] == nil {
			values[k] = field.zero()
		}
	}
	s.entities[f.kind] = slices.Insert(slices.Clone(list), i, entity{a.name, values})
	return "ok", ""
}

func doDelete(s *state, f *function, a *arguments) (string, string) {
	i, problem := s.find(f.kind, a.name)
	if problem != "" {
		return "", problem
	}
	s.entities[f.kind] = slices.Delete(slices.Clone(s.entities[f.kind]), i, i+1)
	return "ok", ""
}

func doFind(s *state, f *function, a *arguments) (string, string) {
	var names []string
	for _, t := range s.entities[f.kind] {
		if t.values[f.field] == a.value {
			names = append(names, t.name)
		}
	}
	if len(names) == 0 {
		return "none", ""
	}
	return strings.Join(names, ", "), ""
}

func doCount(s *state, f *function, a *arguments) (string, string) {
	n := int64(0)
	for _, t := range s.entities[f.kind] {
		if a.value == nil || t.values[f.field] == a.value {
			n++
		}
	}
	return text(n), ""
}

func doTotal(s *state, f *function, _ *arguments) (string, string) {
	n := int64(0)
	for _, t := range s.entities[f.kind] {
		n += t.values[f.field].(int64)
	}
	return text(n), ""
}

// extreme names the entity with the largest (sign 1) or smallest (-1) value of a field, the
// first by name where several have it.
func (s *state) extreme(f *function, sign int64) (string, string) {
	best := -1
	list := s.entities[f.kind]
	for i, t := range list {
		if best < 0 || sign*t.values[f.field].(int64) > sign*list[best].values[f.field].(int64) {
			best = i
		}
	}
	if best < 0 {
		return "none", ""
	}
	return list[best].name, ""
}

// text is how answers write a value.
func text(v any) string {
	if n, ok := v.(int64); ok {
		return strconv.FormatInt(n, 10)
	}
	return v.(string)
}
