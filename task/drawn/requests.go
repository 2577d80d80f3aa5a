package drawn

import (
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/value"
)

// request is one thing that the user wants.
type request struct {
	user  string
	calls []ballast.Call
	tools []*tool
	query bool // the user wants the last answer, not only that something is done
	// A request that can be made with an argument left out says so in part; ask is the
	// question that the assistant then has, fill what the user answers.
	part, ask, fill string
}

// shape tells what is hard about a kind of request.
type shape int

const (
	plain  shape = iota // the arguments stand in the sentence
	chain               // an argument of the last call is the answer to the first
	follow              // the sentence says "it"
)

// goal is one kind of request. make returns false where the world has nothing for it.
type goal struct {
	name  string
	shape shape
	make  func(s *dialogue) (request, bool)
}

// goals is the table of the kinds of requests.
var goals = []goal{
	{"read", plain, func(s *dialogue) (request, bool) { return s.readOf(s.entity()) }},
	{"set", plain, func(s *dialogue) (request, bool) { return s.setOf(s.entity()) }},
	{"add", plain, func(s *dialogue) (request, bool) { return s.addTo(s.entity()) }},
	{"create", plain, (*dialogue).create},
	{"delete", plain, func(s *dialogue) (request, bool) { return s.drop(s.entity()) }},
	{"find", plain, (*dialogue).find},
	{"count", plain, (*dialogue).count},
	{"total", plain, (*dialogue).total},
	{"extreme", plain, (*dialogue).extreme},
	{"set it", follow, func(s *dialogue) (request, bool) { return s.setOf(s.again()) }},
	{"read it", follow, func(s *dialogue) (request, bool) { return s.readOf(s.again()) }},
	{"add to it", follow, func(s *dialogue) (request, bool) { return s.addTo(s.again()) }},
	{"delete it", follow, func(s *dialogue) (request, bool) { return s.drop(s.again()) }},
	{"read extreme", chain, func(s *dialogue) (request, bool) { return s.readOf(s.best()) }},
	{"set extreme", chain, func(s *dialogue) (request, bool) { return s.setOf(s.best()) }},
	{"delete extreme", chain, func(s *dialogue) (request, bool) { return s.drop(s.best()) }},
	{"read found", chain, func(s *dialogue) (request, bool) { return s.readOf(s.only()) }},
	{"set found", chain, func(s *dialogue) (request, bool) { return s.setOf(s.only()) }},
	{"add to found", chain, func(s *dialogue) (request, bool) { return s.addTo(s.only()) }},
	{"delete found", chain, func(s *dialogue) (request, bool) { return s.drop(s.only()) }},
	{"read linked", chain, func(s *dialogue) (request, bool) { return s.readOf(s.linked()) }},
	{"set linked", chain, func(s *dialogue) (request, bool) { return s.setOf(s.linked()) }},
}

// dialogue is a world, and what the conversation is about.
type dialogue struct {
	*scene
	it   *entity // what "it" means
	done map[string]bool
}

// subject is the entity that a request is about: how the user speaks of it, and the calls
// that find it out.
type subject struct {
	*entity
	says  string
	by    *field // that it was found by; no request asks for that again
	calls []ballast.Call
	tools []*tool
}

// say picks one of the phrasings.
func (s *dialogue) say(phrasings ...string) string { return pick(s.rng, phrasings) }

// tool returns the function that does an operation.
func (s *dialogue) tool(operation string, k *kind, f *field) *tool {
	for _, t := range s.tools {
		if t.operation == operation && t.kind == k && t.field == f {
			return t
		}
	}
	panic("task: drawn: no tool to " + operation)
}

// verb is how the user speaks of what the tool does: its own verb, or an ordinary one.
func (s *dialogue) verb(t *tool, ordinary ...string) string {
	if t.verb != "" && s.rng.IntN(3) > 0 {
		return t.verb
	}
	return s.say(ordinary...)
}

// call makes a call of a tool: values by what parameters mean. A parameter without a value
// is left out.
func (t *tool) call(values map[string]any) ballast.Call {
	c := ballast.Call{Name: t.name}
	d := arguments(t.params, values)
	for i := range d.Len() {
		k, v := d.At(i)
		c.Args = append(c.Args, ballast.Arg{Name: k.(string), Value: v})
	}
	return c
}

func arguments(params []param, values map[string]any) *value.Dict {
	d := &value.Dict{}
	for _, p := range params {
		if p.group != nil {
			if group := arguments(p.group, values); group.Len() > 0 || !p.optional {
				d.Set(p.name, group)
			}
		} else if v := values[p.means]; v != nil {
			d.Set(p.name, v)
		}
	}
	return d
}

// entity takes an entity that no request was about, as the user names it.
func (s *dialogue) entity() *subject {
	t := s.free(pick(s.rng, s.kinds))
	if t == nil {
		return nil
	}
	return &subject{entity: t, says: s.say("the "+t.kind.noun+" "+t.name, t.kind.noun+" "+t.name)}
}

// again takes what the last request was about.
func (s *dialogue) again() *subject {
	if s.it == nil {
		return nil
	}
	return &subject{entity: s.it, says: "it"}
}

// best takes the entity with the largest or the smallest amount.
func (s *dialogue) best() *subject {
	k := pick(s.rng, s.kinds)
	f := k.some(s, func(f *field) bool { return f.fieldType == amount })
	operation, word, sign := "most", "highest", int64(1)
	if s.rng.IntN(2) == 0 {
		operation, word, sign = "least", "lowest", -1
	}
	t := k.extreme(f, sign)
	if t == nil {
		return nil
	}
	t.done = true
	by := s.tool(operation, k, f)
	return &subject{t, "the " + k.noun + " with the " + word + " " + f.noun, f, []ballast.Call{by.call(nil)}, []*tool{by}}
}

// only takes the one entity that has a value.
func (s *dialogue) only() *subject {
	k := pick(s.rng, s.kinds)
	f := k.some(s, func(f *field) bool { return f.fieldType != amount })
	v := s.value(f)
	t := k.only(f, v)
	if t == nil {
		return nil
	}
	t.done = true
	by := s.tool("find", k, f)
	says := fmt.Sprintf("the %s with the %s %s", k.noun, f.noun, v)
	return &subject{t, says, f, []ballast.Call{by.call(map[string]any{"value": v})}, []*tool{by}}
}

// linked takes the entity that another one names.
func (s *dialogue) linked() *subject {
	k := pick(s.rng, s.kinds)
	f := k.some(s, func(f *field) bool { return f.fieldType == link })
	if f == nil {
		return nil
	}
	from := s.free(k)
	if from == nil {
		return nil
	}
	for _, t := range f.to.entities {
		if t.name == from.values[f] {
			t.done = true
			by := s.tool("read", k, f)
			says := fmt.Sprintf("the %s of the %s %s", f.noun, k.noun, from.name)
			return &subject{t, says, nil, []ballast.Call{by.call(map[string]any{"name": from.name})}, []*tool{by}}
		}
	}
	return nil
}

// some returns one of the kind's fields that fit, nil where none does.
func (k *kind) some(s *dialogue, fits func(f *field) bool) *field {
	var fit []*field
	for _, f := range k.fields {
		if fits(f) {
			fit = append(fit, f)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return pick(s.rng, fit)
}

// about finishes a request about a subject: one more call, which tool makes.
func (s *dialogue) about(on *subject, t *tool, values map[string]any, user string) request {
	s.it = on.entity
	values["name"] = on.name
	return request{user: user, calls: append(on.calls, t.call(values)), tools: append(on.tools, t)}
}

// without says how the request sounds with the value of a field left out, where it is about
// an entity by name.
func (r request) without(on *subject, f *field, part, fill string) request {
	if len(on.calls) == 0 {
		r.part, r.ask, r.fill = part+".", "Which "+f.noun+"?", fill+"."
	}
	return r
}

// field draws a field of the subject that its kind of request has not asked for.
func (s *dialogue) field(on *subject, fits func(f *field) bool) *field {
	if on == nil {
		return nil
	}
	return on.kind.some(s, func(f *field) bool { return f != on.by && fits(f) })
}

func (s *dialogue) readOf(on *subject) (request, bool) {
	f := s.field(on, func(*field) bool { return true })
	if f == nil {
		return request{}, false
	}
	t := s.tool("read", on.kind, f)
	user := s.say("what is the F of N?", "tell me the F of N.", "look up the F of N.", "i want to know the F of N.")
	if t.verb != "" && s.rng.IntN(3) > 0 {
		user = t.verb + " the F of N."
	}
	r := s.about(on, t, map[string]any{}, put(user, on, f, nil))
	r.query = true
	return r, true
}

func (s *dialogue) setOf(on *subject) (request, bool) {
	f := s.field(on, func(*field) bool { return true })
	if f == nil {
		return request{}, false
	}
	t := s.tool("set", on.kind, f)
	v := s.other(on.entity, f)
	if v == nil {
		return request{}, false
	}
	on.values[f] = v
	verb := s.verb(t, "set", "change", "update")
	r := s.about(on, t, map[string]any{"value": v}, put(s.say(verb+" the F of N to V.", verb+" the F of N, make it V."), on, f, v))
	return r.without(on, f, put(verb+" the F of N", on, f, nil), put("V", on, f, v)), true
}

func (s *dialogue) addTo(on *subject) (request, bool) {
	f := s.field(on, func(f *field) bool { return f.fieldType == amount })
	if f == nil {
		return request{}, false
	}
	t := s.tool("add", on.kind, f)
	n := 1 + s.rng.Int64N(30)
	on.values[f] = on.values[f].(int64) + n
	user := s.verb(t, "raise", "increase") + " the F of N by V."
	if s.rng.IntN(3) == 0 {
		user = s.verb(t, "add") + " V to the F of N."
	}
	return s.about(on, t, map[string]any{"value": n}, put(user, on, f, n)), true
}

func (s *dialogue) drop(on *subject) (request, bool) {
	if on == nil || len(on.kind.entities) < 2 {
		return request{}, false
	}
	for _, k := range s.kinds { // nobody is to name what is gone
		for _, f := range k.fields {
			if f.to == on.kind && slices.ContainsFunc(k.entities, func(t *entity) bool { return t.values[f] == on.name }) {
				return request{}, false
			}
		}
	}
	t := s.tool("delete", on.kind, nil)
	r := s.about(on, t, map[string]any{}, put(s.verb(t, "delete", "remove", "drop")+" N.", on, nil, nil))
	on.kind.drop(on.entity)
	s.it = nil
	return r, true
}

// put fills a sentence: F is the field, N the subject, V the value.
func put(text string, on *subject, f *field, v any) string {
	words := strings.Fields(text)
	for i, w := range words {
		bare := strings.TrimRight(w, ".,?")
		rest := w[len(bare):]
		switch bare {
		case "F":
			words[i] = f.noun + rest
		case "N":
			words[i] = on.says + rest
		case "V":
			words[i] = fmt.Sprint(v) + rest
		}
	}
	return strings.Join(words, " ")
}

func (s *dialogue) create() (request, bool) {
	k := pick(s.rng, s.kinds)
	t := s.tool("create", k, nil)
	made := &entity{kind: k, name: s.name(), values: map[*field]any{}, done: true}
	for _, f := range k.fields {
		made.values[f] = f.zero()
	}
	values := map[string]any{"name": made.name}
	user := s.say(s.verb(t, "make", "create", "add")+" a K named "+made.name, s.verb(t, "make", "create", "add")+" the K "+made.name)
	user = t.fill(user)
	given := 0
	for _, p := range flat(t.params) {
		if p.field == nil || p.optional && s.rng.IntN(2) == 0 {
			continue
		}
		v := s.value(p.field)
		values[p.means], made.values[p.field] = v, v
		user += fmt.Sprintf("%s %s %v", s.join(given), p.field.noun, v)
		given++
	}
	k.entities = append(k.entities, made)
	s.it = made
	return request{user: user + ".", calls: []ballast.Call{t.call(values)}, tools: []*tool{t}}, true
}

func (s *dialogue) join(given int) string {
	if given == 0 {
		return " with"
	}
	return " and"
}

// zero is what a field holds that nothing was said about.
func (f *field) zero() any {
	switch f.fieldType {
	case amount:
		return int64(0)
	case choice:
		return f.words[0]
	}
	return "none"
}

// flat lists parameters with those of groups.
func flat(params []param) (out []param) {
	for _, p := range params {
		if p.group != nil {
			out = append(out, flat(p.group)...)
		} else {
			out = append(out, p)
		}
	}
	return out
}

func (s *dialogue) find() (request, bool) {
	k := pick(s.rng, s.kinds)
	f := k.some(s, func(f *field) bool { return f.fieldType != amount })
	t, v := s.tool("find", k, f), s.value(f)
	s.it = k.only(f, v)
	verb := s.verb(t, "find", "list", "name")
	user := t.fill(s.say(verb+" each K with the F", "which K has the F", "who of the K has the F"))
	if !strings.HasPrefix(user, verb) {
		return s.query(t, map[string]any{"value": v}, fmt.Sprintf("%s %v?", user, v)), true
	}
	return s.query(t, map[string]any{"value": v}, fmt.Sprintf("%s %v.", user, v)).
		without(&subject{}, f, t.fill(verb+" each K with some F"), fmt.Sprint(v)), true
}

func (s *dialogue) count() (request, bool) {
	k := pick(s.rng, s.kinds)
	f := k.some(s, func(f *field) bool { return f.fieldType != amount })
	t, v := s.tool("count", k, f), s.value(f)
	s.it = nil
	if t.params[0].optional && s.rng.IntN(4) == 0 {
		return s.query(t, nil, t.fill(s.say(s.verb(t, "count")+" each K.", "how many K are there?"))), true
	}
	user, end := t.fill(s.verb(t, "count")+" each K with the F"), "."
	if s.rng.IntN(2) == 0 {
		user, end = t.fill("how many K have the F"), "?"
	}
	return s.query(t, map[string]any{"value": v}, fmt.Sprintf("%s %v%s", user, v, end)), true
}

func (s *dialogue) total() (request, bool) {
	k := pick(s.rng, s.kinds)
	f := k.some(s, func(f *field) bool { return f.fieldType == amount })
	t := s.tool("total", k, f)
	s.it = nil
	return s.query(t, nil, t.fill(s.say("what is the total F of all K?", s.verb(t, "add up")+" the F of each K.",
		"i want the sum of the F of all K."))), true
}

func (s *dialogue) extreme() (request, bool) {
	on := s.best()
	if on == nil {
		return request{}, false
	}
	on.done = false // it may be named later
	s.it = on.entity
	user := "which is " + on.says + "?"
	if s.rng.IntN(2) == 0 {
		user = s.say("name ", "find ", "tell me ") + on.says + "."
	}
	return request{user: user, calls: on.calls, tools: on.tools, query: true}, true
}

// query is a request that one call answers.
func (s *dialogue) query(t *tool, values map[string]any, user string) request {
	return request{user: user, calls: []ballast.Call{t.call(values)}, tools: []*tool{t}, query: true}
}
