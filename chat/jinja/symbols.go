package jinja

import (
	"maps"
	"slices"
)

// How a variable begins in the scope that names it. Jinja decides it when it compiles: a
// variable that a scope only sets is undefined in there until it is set, even where the
// data have one of that name, unless a scope around it names the variable too.
const (
	loadData  = iota // from the data, as they are
	loadOuter        // from the scope around
	loadParam        // set on entry
	loadNone         // undefined
)

// symbols are the variables that one scope names.
type symbols struct {
	parent *symbols
	loads  map[string]int
	stores map[string]bool
	work   *int // names that may still be copied
}

func newSymbols(parent *symbols, work *int) *symbols {
	return &symbols{parent, map[string]int{}, map[string]bool{}, work}
}

func (s *symbols) find(name string) bool {
	for ; s != nil; s = s.parent {
		if _, ok := s.loads[name]; ok {
			return true
		}
	}
	return false
}

func (s *symbols) load(name string) {
	if !s.find(name) {
		s.loads[name] = loadData
	}
}

func (s *symbols) store(name string) {
	s.stores[name] = true
	if _, ok := s.loads[name]; ok {
		return
	}
	s.loads[name] = loadNone
	if s.parent != nil && s.parent.find(name) {
		s.loads[name] = loadOuter
	}
}

func (s *symbols) param(name string) {
	s.stores[name] = true
	s.loads[name] = loadParam
}

// branches visits the ways through a condition. What not all of them set is loaded before.
func (s *symbols) branches(bodies ...[]stmt) {
	count := map[string]int{}
	var ways []*symbols
	for _, body := range bodies {
		if *s.work -= len(s.loads) + len(s.stores); *s.work < 0 {
			panic(&LimitError{"steps", "to compile it"})
		}
		way := &symbols{s.parent, maps.Clone(s.loads), maps.Clone(s.stores), s.work}
		for _, n := range body {
			way.statement(n)
		}
		for name := range way.stores {
			if !s.stores[name] {
				count[name]++
			}
		}
		ways = append(ways, way)
	}
	for _, way := range ways {
		maps.Copy(s.loads, way.loads)
		maps.Copy(s.stores, way.stores)
	}
	for name, n := range count {
		if n == len(bodies) {
			continue
		}
		s.loads[name] = loadData
		if s.parent != nil && s.parent.find(name) {
			s.loads[name] = loadOuter
		}
	}
}

// hides are the variables that are undefined when a scope begins.
type hides map[string]any

func (s *symbols) hides() hides {
	var out hides
	for name, load := range s.loads {
		if load == loadNone {
			if out == nil {
				out = hides{}
			}
			out[name] = &undefined{"'" + name + "' is undefined"}
		}
	}
	return out
}

// scoped is a body with variables of its own.
type scoped struct {
	body  []stmt
	hides hides
}

// in makes the scope of one run of a body.
func (b *scoped) in(parent *scope) *scope {
	s := &scope{parent: parent}
	if len(b.hides) > 0 {
		s.vars = maps.Clone(b.hides)
	}
	return s
}

// resolve finds what the body hides, and the bodies in it.
func (b *scoped) resolve(parent *symbols, work *int, begin func(*symbols)) {
	s := newSymbols(parent, work)
	begin(s)
	for _, n := range b.body {
		s.statement(n)
	}
	b.hides = s.hides()
	nested(b.body, s)
}

// nested resolves the bodies in statements whose scope is s.
func nested(body []stmt, s *symbols) {
	nothing := func(*symbols) {}
	for _, n := range body {
		switch n := n.(type) {
		case *ifStmt:
			for _, b := range n.bodies {
				nested(b, s)
			}
		case *forStmt:
			n.body.resolve(s, s.work, func(in *symbols) { in.target(n.target, in.param) })
			n.other.resolve(s, s.work, nothing)
		case *macroStmt:
			n.body.resolve(s, s.work, func(in *symbols) {
				for _, name := range n.params {
					in.param(name)
				}
				for _, e := range n.defaults {
					in.expr(e)
				}
			})
		case *blockStmt:
			n.body.resolve(s, s.work, nothing)
		case *generationStmt:
			n.body.resolve(s, s.work, nothing)
		}
	}
}

func (s *symbols) target(t target, set func(string)) {
	for _, p := range t.parts {
		s.target(p, set)
	}
	switch {
	case t.attr != "":
		s.load(t.name)
	case t.parts == nil:
		set(t.name)
	}
}

// statement visits what a statement names in its own scope.
func (s *symbols) statement(n stmt) {
	switch n := n.(type) {
	case *outStmt:
		s.expr(n.of)
	case *ifStmt:
		s.expr(n.tests[0])
		then, other := n.bodies[0], []stmt(nil)
		var elifs []stmt
		for i, test := range n.tests[1:] {
			elifs = append(elifs, &ifStmt{tests: []expr{test}, bodies: [][]stmt{n.bodies[i+1]}})
		}
		if len(n.bodies) > len(n.tests) {
			other = n.bodies[len(n.tests)]
		}
		s.branches(then, elifs, other)
	case *forStmt:
		s.expr(n.in)
	case *setStmt:
		s.expr(n.value)
		s.target(n.target, s.store)
	case *blockStmt:
		if n.target != nil { // Jinja does not look at the filter then
			s.target(*n.target, s.store)
		} else {
			s.expr(n.filter)
		}
	case *macroStmt:
		s.store(n.name)
	}
}

func (s *symbols) expr(e expr) {
	if name, ok := e.(*nameExpr); ok {
		s.load(name.name)
	}
	for _, part := range parts(e) {
		if part != nil {
			s.expr(part)
		}
	}
}

// constant says that an expression has no variables.
func constant(e expr) bool {
	_, name := e.(*nameExpr)
	return !name && !slices.ContainsFunc(parts(e), func(part expr) bool { return part != nil && !constant(part) })
}

// parts are the expressions in an expression; some may be nil.
func parts(e expr) []expr {
	switch e := e.(type) {
	case *listExpr:
		return e.items
	case *dictExpr:
		return append(append([]expr{}, e.keys...), e.values...)
	case *attrExpr:
		return []expr{e.of}
	case *itemExpr:
		return []expr{e.of, e.key}
	case *sliceExpr:
		return []expr{e.of, e.start, e.stop, e.step}
	case *unaryExpr:
		return []expr{e.of}
	case *binExpr:
		return []expr{e.left, e.right}
	case *concatExpr:
		return e.parts
	case *compareExpr:
		return append([]expr{e.first}, e.rest...)
	case *condExpr:
		return []expr{e.test, e.then, e.other}
	case *callExpr:
		return append(e.args.all(), e.of)
	case *filterExpr:
		return append(e.args.all(), e.of)
	case *testExpr:
		return append(e.args.all(), e.of)
	}
	return nil
}

func (a *argList) all() []expr {
	return append(append([]expr{}, a.pos...), a.named...)
}
