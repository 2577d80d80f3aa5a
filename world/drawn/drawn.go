// Package drawn holds one simulated API whose functions and entities come with the task: the
// worlds that nobody has met before. A configuration says which kinds of entities there are,
// which entities, and what each function does to them.
//
//	{"kinds": {"brolt": {"weight": "integer", "mood": ["calm", "wild"], "keeper": "string"}},
//	 "things": {"brolt": {"kamfel": [12, "calm", "ann"]}},
//	 "tools": {"mavel": {"does": "set", "kind": "brolt", "field": "weight",
//	                     "takes": {"zup": "name", "tal": "value"}}}}
//
// A field is an integer, a string, or one of a list of words. The table operations says what
// functions do. takes names the parameters in order and what each stands for: the name of a
// entity, the value of the function's field, or "." and another field of the kind. A mapping
// in place of that is a parameter of type object with parameters of its own; "?" at the end
// of a parameter's name makes it optional.
//
// Contract: everything is deterministic, and states that hold the same entities are equal
// whatever order the calls came in. Answers are one line. A failed call, and no other,
// answers "error: ..." and leaves the state as it was; no argument makes a call panic. In the
// variant LongContext a line of log chatter follows every answer of a call that did not fail.
//
// How it fails: a configuration of another shape is an error of New that names the key.
package drawn

import (
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/safetext"
	"ballast/value"
	"ballast/world"
)

// Name is the name of the API.
const Name = "drawn"

// All is the table of the package's APIs.
var All = []world.API{api{}}

type api struct{}

// Name returns the name of the API.
func (api) Name() string { return Name }

// Tools documents the functions of the world that New makes without a configuration. Those
// of every other world are documented by its task, and as far as the configuration goes by State.Tools.
func (api) Tools() []ballast.Tool { return example().document() }

// New starts a state from a configuration, nil for a small example.
func (api) New(config any, variant string) (world.State, error) {
	long, err := world.Long(Name, variant)
	if err != nil {
		return nil, err
	}
	p := example()
	if config != nil {
		if p, err = read(config); err != nil {
			return nil, fmt.Errorf("drawn: %w", err)
		}
	}
	return &state{plan: p, long: long, entities: slices.Clone(p.entities)}, nil
}

// Failed reports whether an answer is that of a failed call, which left the state as it was.
func (api) Failed(answer string) bool { return strings.HasPrefix(answer, failure) }

// Unknown returns the answer to a call of a function that the world does not have.
func (api) Unknown(name string) string { return failure + "no tool " + clip(name) }

// failure begins the answer of every call that failed.
const failure = "error: "

// entity is a named entity with a value for every field of its kind. It is never written to.
type entity struct {
	name   string
	values []any // int64 or string, in the order of the fields
}

// state is one world during one episode. The lists of entities are shared between copies: a
// write replaces the list.
type state struct {
	plan     *plan
	long     bool
	entities [][]entity // by kind, sorted by name
}

// Has reports whether the world has a function.
func (s *state) Has(name string) bool { _, ok := s.plan.index[name]; return ok }

// Tools documents the functions as far as the configuration goes.
func (s *state) Tools() []ballast.Tool { return s.plan.document() }

// Call binds the arguments and does what the function does.
func (s *state) Call(c ballast.Call) string {
	i, ok := s.plan.index[c.Name]
	if !ok {
		return api{}.Unknown(c.Name)
	}
	f := &s.plan.tools[i]
	a, problem := f.bind(&s.plan.kinds[f.kind], c.Args)
	if problem == "" {
		var answer string
		if answer, problem = operations[f.does].do(s, f, a); problem == "" {
			if s.long {
				answer += chatter[i%len(chatter)]
			}
			return answer
		}
	}
	return failure + problem
}

// chatter is what the long variant adds to answers.
var chatter = [...]string{
	"\nlog: 4 of 9 left, next in 5 hours",
	"\nlog: read ok, all data kept",
	"\nlog: 6 of 7 read, next at 12",
}

// Equal names the first kind whose entities differ.
func (s *state) Equal(other world.State) string {
	o, ok := other.(*state)
	if !ok || s.plan != o.plan && !slices.EqualFunc(s.plan.kinds, o.plan.kinds, alike) {
		return "kinds"
	}
	for k := range s.entities {
		same := slices.EqualFunc(s.entities[k], o.entities[k], func(a, b entity) bool {
			return a.name == b.name && slices.Equal(a.values, b.values)
		})
		if !same {
			return s.plan.kinds[k].name
		}
	}
	return ""
}

// Copy returns a state of the same entities.
func (s *state) Copy() world.State {
	return &state{plan: s.plan, long: s.long, entities: slices.Clone(s.entities)}
}

// Dump returns the entities by kind, as the configuration has them.
func (s *state) Dump() any {
	out := &value.Dict{}
	for k, kind := range s.plan.kinds {
		all := &value.Dict{}
		for _, t := range s.entities[k] {
			all.Set(t.name, value.NewList(slices.Clone(t.values)...))
		}
		out.Set(kind.name, all)
	}
	return out
}

// find returns the position of an entity, or what is wrong.
func (s *state) find(kind int, name string) (at int, problem string) {
	at, ok := position(s.entities[kind], name)
	if !ok {
		return 0, "no " + s.plan.kinds[kind].name + " " + clip(name)
	}
	return at, ""
}

// position is where an entity of that name stands, or would.
func position(entities []entity, name string) (int, bool) {
	return slices.BinarySearchFunc(entities, name, func(t entity, name string) int { return strings.Compare(t.name, name) })
}

// put gives an entity's field a new value.
func (s *state) put(kind, at, field int, v any) {
	list := slices.Clone(s.entities[kind])
	list[at].values = slices.Clone(list[at].values)
	list[at].values[field] = v
	s.entities[kind] = list
}

// clip shortens a text that comes from the policy before it is echoed.
func clip(s string) string { return safetext.Brief(s, 32) }
