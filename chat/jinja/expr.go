package jinja

import (
	"slices"
	"strings"
)

// Expressions as Jinja's grammar has them.
type (
	expr      any
	constExpr struct{ value any }
	nameExpr  struct{ name string }
	listExpr  struct {
		items []expr
		tuple bool
	}
	dictExpr struct{ keys, values []expr }
	attrExpr struct {
		of   expr
		name string
	}
	itemExpr  struct{ of, key expr }
	sliceExpr struct{ of, start, stop, step expr } // nil where left out
	unaryExpr struct {
		op string
		of expr
	}
	binExpr struct {
		op          string
		left, right expr
	}
	concatExpr  struct{ parts []expr }
	compareExpr struct {
		first expr
		ops   []string
		rest  []expr
	}
	condExpr struct{ then, test, other expr } // other is nil where left out
	callExpr struct {
		of   expr
		args *argList
	}
	filterExpr struct {
		of   expr
		name string
		args *argList
	}
	testExpr struct {
		of     expr
		name   string
		args   *argList
		negate bool
	}
)

// argList are the arguments of a call, filter or test.
type argList struct {
	pos   []expr
	names []string
	named []expr
}

// longest is how many operands one chain of operators may have.
const longest = 2000

// enter is called where the grammar nests; the caller must leave.
func (p *parser) enter() {
	if p.depth++; p.depth > p.limits.Depth {
		panic(depthLimit(p.limits))
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) chain(n int) {
	if n > longest {
		panic(depthLimit(p.limits))
	}
}

func (p *parser) expression() expr {
	p.enter()
	defer p.leave()
	lacks := p.lacks
	e := p.or()
	for n := 0; p.accept("if"); n++ {
		p.chain(n)
		defer func() { p.lacks = lacks }()
		c := &condExpr{then: e, test: p.or()}
		if p.accept("else") {
			c.other = p.expression()
		}
		e = c
	}
	return e
}

// binary parses a chain of left associative operators.
func (p *parser) binary(next func() expr, ops ...string) expr {
	e := next()
	for n := 0; ; n++ {
		p.chain(n)
		op := p.acceptAny(ops)
		if op == "" {
			return e
		}
		e = &binExpr{op, e, next()}
	}
}

func (p *parser) or() expr { return p.binary(p.and, "or") }

func (p *parser) and() expr { return p.binary(p.not, "and") }

func (p *parser) not() expr {
	if p.accept("not") {
		p.enter()
		defer p.leave()
		return &unaryExpr{"not", p.not()}
	}
	return p.compare()
}

func (p *parser) compare() expr {
	c := &compareExpr{first: p.sum()}
	for {
		p.chain(len(c.ops))
		op := p.acceptAny([]string{"==", "!=", "<", "<=", ">", ">=", "in"})
		if op == "" && p.peek().is("not") && p.peekNext().is("in") {
			p.next()
			p.next()
			op = "not in"
		}
		if op == "" {
			break
		}
		c.ops = append(c.ops, op)
		c.rest = append(c.rest, p.sum())
	}
	if len(c.ops) == 0 {
		return c.first
	}
	return c
}

func (p *parser) sum() expr { return p.binary(p.concat, "+", "-") }

func (p *parser) concat() expr {
	parts := []expr{p.product()}
	for p.accept("~") {
		parts = append(parts, p.product())
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return &concatExpr{parts}
}

func (p *parser) product() expr { return p.binary(p.power, "*", "/", "//", "%") }

func (p *parser) power() expr {
	return p.binary(func() expr { return p.unary(true) }, "**")
}

func (p *parser) unary(filters bool) expr {
	p.enter()
	defer p.leave()
	var e expr
	if op := p.acceptAny([]string{"-", "+"}); op != "" {
		e = &unaryExpr{op, p.unary(false)}
	} else {
		e = p.primary()
	}
	e = p.postfix(e)
	if filters {
		e = p.filters(e)
	}
	return e
}

func (p *parser) primary() expr {
	t := p.next()
	switch t.kind {
	case tokName:
		switch t.text {
		case "true", "True":
			return &constExpr{true}
		case "false", "False":
			return &constExpr{false}
		case "none", "None":
			return &constExpr{nil}
		}
		if m := p.macro; m != nil && strings.Contains(" varargs kwargs caller ", " "+t.text+" ") && !slices.Contains(m.params, t.text) {
			panic(unsupportedAt(t.line, "%s in a macro", t.text))
		}
		return &nameExpr{t.text}
	case tokString:
		s := t.value.(string)
		for p.peek().kind == tokString {
			s += p.next().value.(string)
		}
		return &constExpr{s}
	case tokNumber:
		return &constExpr{t.value}
	case tokOp:
		switch t.text {
		case "(":
			e := p.tuple(true, true)
			p.expect(")")
			return e
		case "[":
			l := &listExpr{}
			for !p.accept("]") {
				if len(l.items) > 0 {
					if p.expect(","); p.accept("]") {
						break
					}
				}
				l.items = append(l.items, p.expression())
			}
			return l
		case "{":
			return p.dict()
		}
	}
	p.fail("unexpected %s", t)
	return nil
}

func (p *parser) dict() expr {
	d := &dictExpr{}
	for !p.accept("}") {
		if len(d.keys) > 0 {
			if p.expect(","); p.accept("}") {
				break
			}
		}
		d.keys = append(d.keys, p.expression())
		p.expect(":")
		d.values = append(d.values, p.expression())
	}
	return d
}

// tuple parses expressions with commas between them: one is itself, several are a tuple.
func (p *parser) tuple(conditions, brackets bool) expr {
	one := p.expression
	if !conditions {
		one = p.or
	}
	var items []expr
	comma := false
	for {
		if len(items) > 0 {
			if !p.accept(",") {
				break
			}
			comma = true
		}
		if t := p.peek(); t.kind == tokBlockEnd || t.kind == tokVarEnd || t.is(")") || t.is("recursive") && !conditions {
			break
		}
		items = append(items, one())
	}
	switch {
	case len(items) == 1 && !comma:
		return items[0]
	case len(items) == 0 && !brackets:
		p.fail("an expression is missing before %s", p.peek())
	}
	return &listExpr{items: items, tuple: true}
}

func (p *parser) postfix(e expr) expr {
	for n := 0; ; n++ {
		p.chain(n)
		switch t := p.peek(); {
		case t.is("."):
			p.next()
			switch name := p.next(); {
			case name.kind == tokName:
				e = &attrExpr{e, name.text}
			case name.kind == tokNumber && !strings.ContainsAny(name.text, ".eE"):
				e = &itemExpr{e, &constExpr{name.value}}
			default:
				p.fail("a name must follow '.', not %s", name)
			}
		case t.is("["):
			p.next()
			e = p.subscript(e)
		case t.is("("):
			e = &callExpr{e, p.arguments()}
		default:
			return e
		}
	}
}

// subscript parses what stands in square brackets: a key or a slice.
func (p *parser) subscript(of expr) expr {
	if t := p.peek(); t.is("]") {
		panic(unsupportedAt(t.line, "an empty subscript"))
	}
	var bounds [3]expr
	n := 0 // colons
	for !p.peek().is("]") && !p.peek().is(",") {
		if p.accept(":") {
			n++
		} else if n < 3 && bounds[n] == nil {
			bounds[n] = p.expression()
		} else {
			break
		}
	}
	if t := p.peek(); t.is(",") {
		panic(unsupportedAt(t.line, "a subscript of several parts"))
	}
	if p.expect("]"); n == 0 {
		return &itemExpr{of, bounds[0]}
	}
	if n > 2 {
		p.fail("a slice has more than two colons")
	}
	return &sliceExpr{of, bounds[0], bounds[1], bounds[2]}
}

// filters parses what follows a whole operand: filters, tests and calls.
func (p *parser) filters(e expr) expr {
	for n := 0; ; n++ {
		p.chain(n)
		switch t := p.peek(); {
		case t.is("|"):
			p.next()
			e = p.filter(e)
		case t.is("is"):
			p.next()
			e = p.test(e)
		case t.is("("):
			e = &callExpr{e, p.arguments()}
		default:
			return e
		}
	}
}

// dotted parses a name that may have dots.
func (p *parser) dotted() string {
	name := p.name()
	for p.accept(".") {
		name += "." + p.name()
	}
	return name
}

func (p *parser) filter(of expr) expr {
	f := &filterExpr{of: of, name: p.dotted(), args: &argList{}}
	if _, ok := filters[f.name]; !ok {
		p.unknown("filter", f.name, otherFilters)
	}
	if p.peek().is("(") {
		f.args = p.arguments()
	}
	return f
}

// unknown refuses a filter or test. Jinja refuses one that nobody knows when it compiles, but
// inside conditions only when it is reached.
func (p *parser) unknown(kind, name string, others string) {
	if !p.soft && p.lacks == nil && !strings.Contains(others, " "+name+" ") {
		p.lacks = failedAt(p.line(), "no %s named '%s'", kind, name)
	}
}

func (p *parser) test(of expr) expr {
	t := &testExpr{of: of, args: &argList{}}
	t.negate = p.accept("not")
	t.name = p.dotted()
	if tests[t.name] == nil && comparisons[t.name] == "" {
		p.unknown("test", t.name, otherTests)
	}
	switch next := p.peek(); {
	case next.is("("):
		t.args = p.arguments()
	case next.kind == tokName && !next.is("else") && !next.is("or") && !next.is("and"),
		next.kind == tokString, next.kind == tokNumber, next.is("["), next.is("{"):
		if next.is("is") {
			p.fail("tests cannot follow each other without brackets")
		}
		t.args = &argList{pos: []expr{p.postfix(p.primary())}}
	}
	return t
}

func (p *parser) arguments() *argList {
	a := &argList{}
	p.expect("(")
	for comma := true; !p.accept(")"); {
		if !comma {
			p.expect(",")
			if p.accept(")") {
				break
			}
		}
		comma = false
		switch {
		case p.peek().is("*"), p.peek().is("**"):
			panic(unsupportedAt(p.line(), "a starred argument"))
		case p.peek().kind == tokName && p.peekNext().is("="):
			a.names = append(a.names, p.next().text)
			p.next()
			a.named = append(a.named, p.expression())
		default:
			if len(a.names) > 0 {
				p.fail("an argument without a name follows one with a name")
			}
			a.pos = append(a.pos, p.expression())
		}
	}
	return a
}
