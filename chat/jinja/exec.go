package jinja

import (
	"errors"
	"fmt"
	"strings"

	"ballast/value"
)

// write appends to the text that is being made.
func (r *run) write(b *strings.Builder, text string) error {
	if b.Len()+len(text) > r.limits.Output {
		return &LimitError{"output", fmt.Sprintf("%d bytes", r.limits.Output)}
	}
	if err := r.charge(len(text)); err != nil {
		return err
	}
	b.WriteString(text)
	return nil
}

func (r *run) exec(body []stmt, s *scope, b *strings.Builder) error {
	for _, n := range body {
		if err := r.step(); err != nil {
			return err
		}
		line, err := r.execOne(n, s, b)
		if err != nil {
			if e := (*Error)(nil); errors.As(err, &e) && e.Line == 0 {
				err = &Error{e.Kind, line, e.Text}
			}
			return err
		}
	}
	return nil
}

// execOne runs one statement and answers its line for the error's sake.
func (r *run) execOne(n stmt, s *scope, b *strings.Builder) (line int, err error) {
	switch n := n.(type) {
	case *textStmt:
		return 0, r.write(b, n.text)
	case *outStmt:
		v, err := r.eval(n.of, s)
		if err != nil {
			return n.line, err
		}
		text, err := r.str(v)
		if err != nil {
			return n.line, err
		}
		return n.line, r.write(b, text)
	case *ifStmt:
		for i, test := range n.tests {
			yes, err := r.test(test, s)
			if err != nil {
				return n.line, err
			}
			if yes {
				return n.line, r.exec(n.bodies[i], s, b)
			}
		}
		if len(n.bodies) > len(n.tests) {
			return n.line, r.exec(n.bodies[len(n.tests)], s, b)
		}
		return n.line, nil
	case *forStmt:
		return n.line, r.loop(n, s, b)
	case *setStmt:
		v, err := r.eval(n.value, s)
		if err != nil {
			return n.line, err
		}
		return n.line, r.assign(n.target, v, s)
	case *setBlock:
		v, err := r.block(&n.body, n.filter, s)
		if err != nil {
			return n.line, err
		}
		return n.line, r.assign(n.target, v, s)
	case *filterStmt:
		v, err := r.block(&n.body, n.filter, s)
		if err != nil {
			return n.line, err
		}
		text, err := r.str(v)
		if err != nil {
			return n.line, err
		}
		return n.line, r.write(b, text)
	case *macroStmt:
		s.set(n.name, &macro{n.macroDef, s})
		return n.line, nil
	case *callStmt:
		return n.line, r.callBlock(n, s, b)
	case *withStmt:
		inner := n.body.in(s)
		for i, t := range n.targets {
			v, err := r.eval(n.values[i], s)
			if err != nil {
				return n.line, err
			}
			if err := r.assign(t, v, inner); err != nil {
				return n.line, err
			}
		}
		return n.line, r.exec(n.body.body, inner, b)
	case *generationStmt:
		return 0, r.exec(n.body.body, n.body.in(s), b)
	case *jumpStmt:
		return 0, n.err
	}
	panic(fmt.Sprintf("jinja: statement %T", n))
}

// block renders a body to a text and filters it.
func (r *run) block(body *scoped, filter expr, s *scope) (any, error) {
	var b strings.Builder
	if err := r.exec(body.body, body.in(s), &b); err != nil {
		return nil, err
	}
	if filter == nil {
		return b.String(), nil
	}
	// The innermost filter of the chain has no operand: it filters the text.
	return r.eval(fill(filter, &constExpr{b.String()}), s)
}

// fill puts an operand where a chain of filters has none.
func fill(e, of expr) expr {
	switch e := e.(type) {
	case *filterExpr:
		c := *e
		if c.of = of; e.of != nil {
			c.of = fill(e.of, of)
		}
		return &c
	case *testExpr:
		c := *e
		c.of = fill(e.of, of)
		return &c
	case *callExpr:
		return &callExpr{fill(e.of, of), e.args}
	}
	return e
}

func (r *run) assign(t target, v any, s *scope) error {
	switch {
	case t.parts != nil:
		items, err := r.iterate(v)
		if err != nil {
			return err
		}
		if len(items) != len(t.parts) {
			return failed("%d values cannot be assigned to %d names", len(items), len(t.parts))
		}
		for i, p := range t.parts {
			if err := r.assign(p, items[i], s); err != nil {
				return err
			}
		}
	case t.attr != "":
		ns, _ := s.get(t.name)
		n, ok := ns.(*namespace)
		if !ok {
			return failed("an attribute of %s is assigned, which is no namespace", t.name)
		}
		return n.set(t.attr, v)
	default:
		s.set(t.name, v)
	}
	return nil
}

// loop runs a for statement.
func (r *run) loop(n *forStmt, s *scope, b *strings.Builder) error {
	v, err := r.eval(n.in, s)
	if err != nil {
		return err
	}
	return r.rounds(n, v, 0, s, b)
}

func (r *run) rounds(n *forStmt, over any, depth int, s *scope, b *strings.Builder) error {
	items, err := r.iterate(over)
	if err != nil {
		return err
	}
	reads := r.reads
	if n.test != nil {
		var kept []any
		for _, x := range items {
			inner := &scope{parent: s}
			if err := r.assign(n.target, x, inner); err != nil {
				return err
			}
			yes, err := r.test(n.test, inner)
			if err != nil {
				return err
			}
			if yes {
				kept = append(kept, x)
			}
		}
		items = kept
	}
	stateful, writes := r.reads > reads, r.writes
	l := &loopState{items: items, depth: depth}
	if n.recursive {
		l.again = func(v any) (string, error) {
			var b strings.Builder
			err := r.inner(func() error { return r.rounds(n, v, depth+1, s, &b) })
			return b.String(), err
		}
	}
	done := false // Jinja runs else after a loop in which no round came to its end
	for i, x := range items {
		if err := r.step(); err != nil {
			return err
		}
		l.at = i
		round := n.body.in(s)
		round.set("loop", l)
		if err := r.assign(n.target, x, round); err != nil {
			return err
		}
		err := r.exec(n.body.body, round, b)
		if stateful && r.writes > writes {
			return unsupported("a loop that changes the namespace that its condition reads")
		}
		if err == errBreak {
			if g, ok := over.(*generator); ok && i+1 < len(items) {
				g.broken = true // how far Python has come is not known here
			}
			break
		}
		if err != nil && err != errContinue {
			return err
		}
		done = done || err == nil
	}
	if !done {
		return r.exec(n.other.body, n.other.in(s), b)
	}
	return nil
}

func (r *run) callBlock(n *callStmt, s *scope, b *strings.Builder) error {
	f, err := r.eval(n.call.of, s)
	if err != nil {
		return err
	}
	a, err := r.args(n.call.args, s)
	if err != nil {
		return err
	}
	a.names = append(a.names, "caller")
	a.named = append(a.named, &macro{n.caller, s})
	v, err := r.call(f, a)
	if err != nil {
		return err
	}
	text, err := r.str(v)
	if err != nil {
		return err
	}
	return r.write(b, text)
}

// callMacro binds arguments as Jinja does and renders the macro's body.
func (r *run) callMacro(m *macro, a args) (text string, err error) {
	inner := m.body.in(m.home)
	if len(a.pos) > len(m.params) && !m.special["varargs"] {
		return "", failed("macro %s takes %d arguments, not %d", m.name, len(m.params), len(a.pos))
	}
	more := value.NewDict()
	given := map[string]any{}
	for i, name := range a.names {
		given[name] = a.named[i]
	}
	first := len(m.params) - len(m.defaults)
	for i, name := range m.params {
		v, named := given[name]
		delete(given, name)
		switch {
		case i < len(a.pos):
			if named {
				return "", failed("macro %s got two values for %s", m.name, name)
			}
			v = a.pos[i]
		case named:
		case i >= first:
			if v, err = r.eval(m.defaults[i-first], inner); err != nil {
				return "", err
			}
		default:
			v = &undefined{fmt.Sprintf("parameter '%s' was not provided", name)}
		}
		inner.set(name, v)
	}
	if m.special["caller"] {
		v, ok := given["caller"]
		delete(given, "caller")
		if !ok {
			v = &undefined{"no caller defined"}
		}
		inner.set("caller", v)
	}
	for _, name := range a.names {
		if v, ok := given[name]; ok {
			if !m.special["kwargs"] {
				return "", failed("macro %s takes no argument '%s'", m.name, name)
			}
			more.Set(name, v)
		}
	}
	if m.special["kwargs"] {
		inner.set("kwargs", more)
	}
	if m.special["varargs"] {
		inner.set("varargs", &value.Tuple{Items: a.pos[min(len(a.pos), len(m.params)):]})
	}
	var b strings.Builder
	err = r.inner(func() error { return r.exec(m.body.body, inner, &b) })
	return b.String(), err
}
