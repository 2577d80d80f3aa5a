package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// jump is how a body ended: at its end, or with break or continue.
type jump int

const (
	onward jump = iota
	breaking
	continuing
)

// write appends to the text that is being made.
func (r *run) write(b *strings.Builder, text string) {
	if b.Len()+len(text) > r.limits.Output {
		panic(&LimitError{"output", fmt.Sprintf("%d bytes", r.limits.Output)})
	}
	r.charge(len(text))
	b.WriteString(text)
}

func (r *run) exec(body []stmt, s *scope, b *strings.Builder) jump {
	for _, n := range body {
		r.step()
		if j := r.execOne(n, s, b); j != onward {
			return j
		}
	}
	return onward
}

func (r *run) execOne(n stmt, s *scope, b *strings.Builder) jump {
	switch n := n.(type) {
	case *textStmt:
		r.write(b, n.text)
	case *outStmt:
		r.line = n.line
		r.write(b, r.str(r.eval(n.of, s)))
	case *ifStmt:
		for i, test := range n.tests {
			r.line = n.line
			if truth(r.eval(test, s)) {
				return r.exec(n.bodies[i], s, b)
			}
		}
		if len(n.bodies) > len(n.tests) {
			return r.exec(n.bodies[len(n.tests)], s, b)
		}
	case *forStmt:
		r.line = n.line
		return r.loop(n, s, b)
	case *setStmt:
		r.line = n.line
		r.assign(n.target, r.eval(n.value, s), s)
	case *blockStmt:
		v := r.block(n, s)
		if n.target != nil {
			r.assign(*n.target, v, s)
		} else {
			r.write(b, r.str(v))
		}
	case *macroStmt:
		s.set(n.name, &macro{n.macroDef, s})
	case *generationStmt:
		return r.exec(n.body.body, n.body.in(s), b)
	case *jumpStmt:
		return n.to
	default:
		panic(fmt.Sprintf("jinja: statement %T", n))
	}
	return onward
}

// block renders a body to a text and filters it.
func (r *run) block(n *blockStmt, s *scope) any {
	var b strings.Builder
	if r.exec(n.body.body, n.body.in(s), &b) != onward {
		panic(unsupported("a loop that is left inside a block of text"))
	}
	r.line = n.line
	if n.filter == nil {
		return b.String()
	}
	return r.eval(n.filter, &scope{map[string]any{blockText: b.String()}, s})
}

func (r *run) assign(t target, v any, s *scope) {
	switch {
	case t.parts != nil:
		items := r.iterate(v)
		if len(items) != len(t.parts) {
			panic(failed("%d values cannot be assigned to %d names", len(items), len(t.parts)))
		}
		for i, p := range t.parts {
			r.assign(p, items[i], s)
		}
	case t.attr != "":
		ns, _ := s.get(t.name)
		n, ok := ns.(*namespace)
		if !ok {
			panic(failed("an attribute of %s is assigned, which is no namespace", t.name))
		}
		n.set(t.attr, v)
	default:
		s.set(t.name, v)
	}
}

func (n *namespace) set(name string, v any) {
	if name[0] == '_' {
		panic(failed("the namespace's attribute '%s' starts with an underscore", name))
	}
	n.vars.Set(name, v)
	*n.writes++
}

// loop runs a for statement.
func (r *run) loop(n *forStmt, s *scope, b *strings.Builder) jump {
	over := r.eval(n.in, s)
	items := r.iterate(over)
	reads := r.reads
	if n.test != nil {
		var kept []any
		for _, x := range items {
			inner := &scope{parent: s}
			r.assign(n.target, x, inner)
			if truth(r.eval(n.test, inner)) {
				kept = append(kept, x)
			}
		}
		items = kept
	}
	stateful, writes := r.reads > reads, r.writes
	l := &loopState{items: items}
	done := false // Jinja runs else after a loop in which no round came to its end
	for i, x := range items {
		r.step()
		l.at = i
		round := n.body.in(s)
		round.set("loop", l)
		r.assign(n.target, x, round)
		j := r.exec(n.body.body, round, b)
		if stateful && r.writes > writes {
			panic(unsupported("a loop that changes the namespace that its condition reads"))
		}
		if j == breaking {
			if g, ok := over.(*generator); ok && i+1 < len(items) {
				g.broken = true // how far Python has come is not known here
			}
			break
		}
		done = done || j == onward
	}
	if !done {
		return r.exec(n.other.body, n.other.in(s), b)
	}
	return onward
}

// callMacro binds arguments as Jinja does and renders the macro's body.
func (r *run) callMacro(m *macro, a args) string {
	if len(a.pos) > len(m.params) {
		panic(failed("macro %s takes %d arguments, not %d", m.name, len(m.params), len(a.pos)))
	}
	inner := m.body.in(m.home)
	first := len(m.params) - len(m.defaults)
	used := 0
	for i, name := range m.params {
		k := slices.Index(a.names, name)
		if k >= 0 {
			used++
		}
		switch {
		case i < len(a.pos) && k >= 0:
			panic(failed("macro %s got two values for %s", m.name, name))
		case i < len(a.pos):
			inner.set(name, a.pos[i])
		case k >= 0:
			inner.set(name, a.named[k])
		case i >= first:
			inner.set(name, r.eval(m.defaults[i-first], inner))
		default:
			inner.set(name, &undefined{fmt.Sprintf("parameter '%s' was not provided", name)})
		}
	}
	if used < len(a.names) {
		panic(failed("macro %s does not take all of the arguments %s", m.name, strings.Join(a.names, ", ")))
	}
	if r.depth++; r.depth > r.limits.Depth {
		panic(depthLimit(r.limits))
	}
	line := r.line
	var b strings.Builder
	r.exec(m.body.body, inner, &b)
	r.depth--
	r.line = line
	return b.String()
}
