package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// Statements as Jinja's grammar has them.
type (
	stmt     any
	textStmt struct{ text string }
	outStmt  struct {
		of   expr
		line int
	}
	ifStmt struct {
		tests  []expr
		bodies [][]stmt // one more than tests where there is an else
		line   int
	}
	forStmt struct {
		target target
		in     expr
		test   expr // nil where there is none
		body   scoped
		other  scoped
		line   int
	}
	setStmt struct {
		target target
		value  expr
		line   int
	}
	// blockStmt makes a text of its body, which is filtered, then assigned or written.
	blockStmt struct {
		target *target // nil where it is written
		filter expr    // of blockText, or nil
		body   scoped
		line   int
	}
	macroStmt struct {
		*macroDef
		line int
	}
	generationStmt struct{ body scoped }
	jumpStmt       struct{ to jump }
)

// blockText is the variable of a block's text for its filter; no template can name it.
const blockText = " block"

// target is what a value is assigned to: a name, a namespace's attribute, or several.
type target struct {
	name  string
	attr  string
	parts []target
}

// macroDef is a macro.
type macroDef struct {
	name     string
	params   []string
	defaults []expr // of the last parameters
	body     scoped
}

// parser panics with an *Error or a *LimitError.
type parser struct {
	toks   []token
	i      int
	depth  int
	loops  int
	macro  *macroDef // that is being parsed, or nil
	soft   bool      // inside a condition, but in no loop or macro inside it
	lacks  *Error    // the first unknown name that Jinja refuses when it compiles
	limits Limits
}

func parse(source string, limits Limits) (root scoped) {
	p := &parser{toks: lex(source), limits: limits}
	root.body = p.body()
	if p.lacks != nil {
		panic(p.lacks)
	}
	work := limits.Steps
	root.resolve(nil, &work, func(*symbols) {})
	return root
}

func depthLimit(limits Limits) *LimitError { return &LimitError{"depth", fmt.Sprint(limits.Depth)} }

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) peekNext() token { return p.toks[min(p.i+1, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.toks[p.i]
	p.i = min(p.i+1, len(p.toks)-1)
	return t
}

func (p *parser) line() int { return p.peek().line }

func (p *parser) fail(format string, args ...any) {
	panic(failedAt(p.line(), format, args...))
}

func (p *parser) accept(text string) bool {
	if p.peek().is(text) {
		p.next()
		return true
	}
	return false
}

func (p *parser) acceptAny(texts []string) string {
	for _, s := range texts {
		if p.accept(s) {
			return s
		}
	}
	return ""
}

func (p *parser) expect(text string) {
	if !p.accept(text) {
		p.fail("'%s' is missing before %s", text, p.peek())
	}
}

func (p *parser) expectKind(kind int, what string) {
	if p.peek().kind != kind {
		p.fail("%s is missing before %s", what, p.peek())
	}
	p.next()
}

func (p *parser) name() string {
	t := p.peek()
	if t.kind != tokName {
		p.fail("a name is missing before %s", t)
	}
	return p.next().text
}

// body parses statements up to a tag with one of the names, which stays to be read after
// its "{%". Without names it goes to the end of the source.
func (p *parser) body(ends ...string) []stmt {
	p.enter()
	defer p.leave()
	var out []stmt
	for {
		switch t := p.next(); t.kind {
		case tokEnd:
			if len(ends) > 0 {
				p.fail("the template ends where %s is missing", strings.Join(ends, " or "))
			}
			return out
		case tokData:
			out = append(out, &textStmt{t.text})
		case tokVar:
			line := t.line
			out = append(out, &outStmt{p.tuple(true, false), line})
			p.expectKind(tokVarEnd, "'}}'")
		case tokBlock:
			if name := p.peek(); name.kind == tokName && slices.Contains(ends, name.text) {
				return out
			}
			out = append(out, p.statement())
		default:
			p.fail("unexpected %s", t)
		}
	}
}

// end parses the rest of a closing tag.
func (p *parser) end(name string) {
	p.expect(name)
	p.blockEnd()
}

// opened parses the end of an opening tag, which may have a colon as in Python.
func (p *parser) opened() {
	p.accept(":")
	p.blockEnd()
}

func (p *parser) blockEnd() { p.expectKind(tokBlockEnd, "'%}'") }

// until parses the rest of an opening tag, the body, and the closing tag.
func (p *parser) until(name string) []stmt {
	p.opened()
	body := p.body(name)
	p.end(name)
	return body
}

// scoped is until for a body with variables of its own.
func (p *parser) scoped(name string) scoped {
	soft := p.soft
	p.soft = false
	body := p.until(name)
	p.soft = soft
	return scoped{body: body}
}

func (p *parser) statement() stmt {
	line := p.line()
	switch name := p.name(); name {
	case "if":
		return p.ifStatement(line)
	case "for":
		return p.forStatement(line)
	case "set":
		return p.setStatement(line)
	case "macro":
		return p.macroStatement(line)
	case "filter":
		f := p.filters(p.filter(&nameExpr{blockText}))
		return &blockStmt{nil, f, p.scoped("endfilter"), line}
	case "generation":
		return &generationStmt{p.scoped("endgeneration")}
	case "break", "continue":
		if p.loops == 0 {
			p.fail("%s stands outside of a loop", name)
		}
		p.blockEnd()
		return &jumpStmt{map[string]jump{"break": breaking, "continue": continuing}[name]}
	case "block", "extends", "include", "import", "from", "print", "autoescape", "with", "call":
		panic(unsupportedAt(line, "the statement '%s'", name))
	default:
		panic(failedAt(line, "unknown tag '%s'", name))
	}
}

func (p *parser) ifStatement(line int) stmt {
	s := &ifStmt{line: line}
	soft := p.soft
	defer func() { p.soft = soft }()
	p.soft = true
	for {
		s.tests = append(s.tests, p.tuple(false, false))
		p.opened()
		s.bodies = append(s.bodies, p.body("elif", "else", "endif"))
		if p.accept("elif") {
			continue
		}
		if p.accept("else") {
			s.bodies = append(s.bodies, p.until("endif"))
			return s
		}
		p.end("endif")
		return s
	}
}

func (p *parser) forStatement(line int) stmt {
	s := &forStmt{line: line, target: p.target(false)}
	p.expect("in")
	s.in = p.tuple(false, false)
	if p.accept("if") {
		s.test = p.expression()
	}
	if p.peek().is("recursive") {
		panic(unsupportedAt(line, "a recursive loop"))
	}
	p.opened()
	soft := p.soft
	p.loops++
	p.soft = false
	s.body.body = p.body("endfor", "else")
	p.loops--
	if p.accept("else") {
		s.other.body = p.until("endfor")
	} else {
		p.end("endfor")
	}
	p.soft = soft
	return s
}

// target parses what values are assigned to.
func (p *parser) target(attrs bool) target {
	var parts []target
	comma := false
	for {
		switch {
		case p.accept("("):
			p.enter()
			parts = append(parts, p.target(false))
			p.leave()
			p.expect(")")
		default:
			t := target{name: p.name()}
			switch t.name {
			case "true", "false", "none", "True", "False", "None":
				p.fail("nothing can be assigned to %s", t.name)
			}
			if attrs && p.accept(".") {
				t.attr = p.name()
			}
			parts = append(parts, t)
		}
		if !p.accept(",") {
			break
		}
		if comma = true; p.peek().kind != tokName && !p.peek().is("(") || p.peek().is("in") {
			break
		}
	}
	if len(parts) == 1 && !comma {
		return parts[0]
	}
	return target{parts: parts}
}

func (p *parser) setStatement(line int) stmt {
	t := p.target(true)
	if p.accept("=") {
		s := &setStmt{t, p.tuple(true, false), line}
		p.blockEnd()
		return s
	}
	s := &blockStmt{target: &t, line: line}
	if p.accept("|") {
		s.filter = p.filters(p.filter(&nameExpr{blockText}))
	}
	s.body = p.scoped("endset")
	return s
}

// macroStatement parses a macro, whose body loops around it do not reach into.
func (p *parser) macroStatement(line int) stmt {
	m := &macroDef{name: p.name()}
	p.signature(m)
	loops, outer := p.loops, p.macro
	p.loops, p.macro = 0, m
	m.body = p.scoped("endmacro")
	p.loops, p.macro = loops, outer
	return &macroStmt{m, line}
}

func (p *parser) signature(m *macroDef) {
	p.expect("(")
	for !p.accept(")") {
		if len(m.params) > 0 {
			p.expect(",")
		}
		name := p.name()
		if slices.Contains(m.params, name) {
			p.fail("macro %s has two parameters %s", m.name, name)
		}
		m.params = append(m.params, name)
		if p.accept("=") {
			m.defaults = append(m.defaults, p.expression())
		} else if len(m.defaults) > 0 {
			p.fail("a parameter without a default follows one with a default")
		}
	}
}
