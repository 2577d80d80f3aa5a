package acebench

import (
	"fmt"
	"slices"
	"strings"

	"ballast/value"
)

// node is an expression, as far as the original tells them apart. kind is the name of Python's class.
type node struct {
	kind     string
	value    any       // of a Constant, and the text of a Name or of a Subscript
	items    []*node   // of a List, Tuple or Set; values of a Dict; operands
	keys     []*node   // of a Dict, nil for **x
	fn       *node     // what a Call calls, what an Attribute is of
	name     string    // of an Attribute; the operator of a BinOp
	keywords []keyword // of a Call
	unnamed  int       // arguments of a Call without a name
}

type keyword struct {
	name any // nil: **x
	of   *node
}

// keywords are the words of Python that are no names.
var reserved = strings.Fields("False None True and as assert async await break class continue def del elif else except finally for from " +
	"global if import in is lambda nonlocal not or pass raise return try while with yield")

// parser reads one expression. It knows Python's grammar of expressions; of comprehensions and lambdas it only finds
// the end.
type parser struct {
	text  string
	list  []token
	at    int
	depth int
}

// syntax is what the parser panics with.
type syntax struct{ line int }

// parse reads a text as one expression.
func parse(text string) (n *node, f *fault) {
	list, f := tokens(text)
	if f != nil {
		return nil, f
	}
	if len(list) == 1 {
		return nil, &fault{"invalid syntax (<unknown>, line 0)"}
	}
	p := &parser{text: text, list: list}
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(syntax)
			if !ok {
				panic(r)
			}
			n, f = nil, &fault{fmt.Sprintf("invalid syntax (<unknown>, line %d)", s.line)}
		}
	}()
	n = p.commas("", false)
	if p.list[p.at].kind != tokEnd {
		p.fail()
	}
	return n, nil
}

func (p *parser) fail() { panic(syntax{p.list[p.at].line}) }

// is says that the next token is one of these operators or words; next takes it if it is.
func (p *parser) is(texts ...string) bool {
	t := p.list[p.at]
	return (t.kind == tokOp || t.kind == tokName) && !t.apart && slices.Contains(texts, t.text)
}

func (p *parser) take(texts ...string) bool {
	if !p.is(texts...) {
		return false
	}
	p.at++
	return true
}

func (p *parser) need(text string) {
	if !p.take(text) {
		p.fail()
	}
}

// commas reads expressions up to a closing bracket: one alone is itself, others are a tuple.
func (p *parser) commas(end string, named bool) *node {
	first := p.element(named)
	if p.comprehends() {
		p.skip()
		return &node{kind: "GeneratorExp"}
	}
	if !p.is(",") {
		return first
	}
	t := &node{kind: "Tuple", items: []*node{first}}
	for p.take(",") {
		if p.list[p.at].kind == tokEnd || end != "" && p.is(end) {
			break
		}
		t.items = append(t.items, p.element(named))
	}
	return t
}

// element is an item of a display: *x, or an expression that may be named.
func (p *parser) element(named bool) *node {
	if p.take("*") {
		p.binary(0)
		return &node{kind: "Starred"}
	}
	n := p.expression()
	if named && n.kind == "Name" && p.take(":=") {
		p.expression()
		return &node{kind: "NamedExpr"}
	}
	return n
}

// comprehends says that a comprehension begins behind an element.
func (p *parser) comprehends() bool { return p.is("for", "async") }

// skip goes to the bracket that closes what is open.
func (p *parser) skip() {
	for depth := 0; ; p.at++ {
		switch t := p.list[p.at]; {
		case t.kind == tokEnd:
			p.fail()
		case t.kind != tokOp:
		case strings.Contains("([{", t.text):
			depth++
		case strings.Contains(")]}", t.text):
			if depth--; depth < 0 {
				return
			}
		}
	}
}

// expression is a conditional one, or a lambda.
func (p *parser) expression() *node {
	if p.depth++; p.depth > value.MaxDepth {
		p.fail()
	}
	defer func() { p.depth-- }()
	if p.take("lambda") {
		for !p.take(":") {
			if p.list[p.at].kind == tokEnd || p.is(")", "]", "}") {
				p.fail()
			}
			p.at++
		}
		p.expression()
		return &node{kind: "Lambda"}
	}
	n := p.boolean()
	if p.take("if") {
		p.boolean()
		p.need("else")
		p.expression()
		return &node{kind: "IfExp"}
	}
	return n
}

// boolean is a chain of and and or. Which of the two does not matter.
func (p *parser) boolean() *node {
	n := p.inversion()
	for p.take("and", "or") {
		p.inversion()
		n = &node{kind: "BoolOp"}
	}
	return n
}

func (p *parser) inversion() *node {
	if p.take("not") {
		if p.depth++; p.depth > value.MaxDepth {
			p.fail()
		}
		defer func() { p.depth-- }()
		return &node{kind: "UnaryOp", items: []*node{p.inversion()}}
	}
	n := p.binary(0)
	for {
		switch {
		case p.take("<", ">", "==", ">=", "<=", "!=", "in"):
		case p.take("is"):
			p.take("not")
		case p.is("not") && p.list[p.at+1].text == "in":
			p.at += 2
		default:
			return n
		}
		p.binary(0)
		n = &node{kind: "Compare"}
	}
}

// levels are the binary operators, those that bind least first.
var levels = [][]string{{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "//", "%", "@"}}

func (p *parser) binary(level int) *node {
	if level == len(levels) {
		return p.unary()
	}
	n := p.binary(level + 1)
	for p.is(levels[level]...) {
		op := p.list[p.at].text
		p.at++
		n = &node{kind: "BinOp", name: op, items: []*node{n, p.binary(level + 1)}}
	}
	return n
}

func (p *parser) unary() *node {
	if p.depth++; p.depth > value.MaxDepth {
		p.fail()
	}
	defer func() { p.depth-- }()
	if p.take("+", "-", "~") {
		op := p.list[p.at-1].text
		return &node{kind: "UnaryOp", name: op, items: []*node{p.unary()}}
	}
	waits := p.take("await")
	n := p.primary()
	if waits {
		n = &node{kind: "Await"}
	}
	if p.take("**") {
		return &node{kind: "BinOp", name: "**", items: []*node{n, p.unary()}}
	}
	return n
}

// primary is an atom with what is behind it.
func (p *parser) primary() *node {
	start := p.list[p.at].from
	n := p.atom()
	for {
		switch {
		case p.take("("):
			n = p.call(n)
		case p.take("["):
			p.subscript()
			n = &node{kind: "Subscript", value: p.text[start:p.list[p.at-1].to]}
		case p.take("."):
			if t := p.list[p.at]; t.kind != tokName || slices.Contains(reserved, t.text) {
				p.fail()
			}
			n = &node{kind: "Attribute", fn: n, name: p.list[p.at].text}
			p.at++
		default:
			return n
		}
	}
}

// subscript reads up to its closing bracket.
func (p *parser) subscript() {
	for {
		for part := 0; part < 3 && !p.is("]", ","); part++ {
			if !p.is(":") {
				p.element(true)
			}
			if !p.take(":") {
				break
			}
		}
		if p.take("]") {
			return
		}
		p.need(",")
		if p.take("]") {
			return
		}
	}
}

// call reads the arguments of a call.
func (p *parser) call(fn *node) *node {
	c := &node{kind: "Call", fn: fn}
	for !p.take(")") {
		t := p.list[p.at]
		switch {
		case p.take("**"):
			c.keywords = append(c.keywords, keyword{nil, p.expression()})
		case p.take("*"):
			p.expression()
			c.unnamed++
		case t.kind == tokName && !slices.Contains(reserved, t.text) && p.list[p.at+1].text == "=":
			p.at += 2
			c.keywords = append(c.keywords, keyword{t.text, p.expression()})
		default:
			p.element(true)
			if c.unnamed++; p.comprehends() {
				p.skip()
			} else if len(c.keywords) > 0 {
				p.fail()
			}
		}
		if !p.is(")") {
			p.need(",")
		}
	}
	return c
}

// atom is a name, a literal or a display.
func (p *parser) atom() *node {
	t := p.list[p.at]
	if t.apart {
		p.fail()
	}
	p.at++
	switch {
	case t.kind == tokName:
		return p.named(t)
	case t.kind == tokNumber:
		return constant(t.text)
	case t.kind == tokString:
		for p.list[p.at].kind == tokString && !p.list[p.at].apart {
			p.at++
		}
		return stringNode(p.text[t.from:p.list[p.at-1].to], p)
	case t.kind == tokOp && t.text == "...":
		return &node{kind: "Constant", value: ellipsis{}}
	case t.kind == tokOp && t.text == "(":
		return p.parenthesis()
	case t.kind == tokOp && t.text == "[":
		n := &node{kind: "List"}
		for !p.take("]") {
			n.items = append(n.items, p.element(true))
			if p.comprehends() {
				p.skip()
				n = &node{kind: "ListComp"}
			}
			if !p.is("]") {
				p.need(",")
			}
		}
		return n
	case t.kind == tokOp && t.text == "{":
		return p.braces()
	}
	p.at--
	p.fail()
	return nil
}

func (p *parser) named(t token) *node {
	switch t.text {
	case "None":
		return &node{kind: "Constant"}
	case "True", "False":
		return &node{kind: "Constant", value: t.text == "True"}
	}
	if slices.Contains(reserved, t.text) {
		p.at--
		p.fail()
	}
	return &node{kind: "Name", value: t.text}
}

func (p *parser) parenthesis() *node {
	if p.take(")") {
		return &node{kind: "Tuple"}
	}
	if p.take("yield") {
		p.skip()
		p.need(")")
		return &node{kind: "Yield"}
	}
	n := p.commas(")", true)
	if n.kind == "Starred" {
		p.fail()
	}
	p.need(")")
	return n
}

// braces is a dictionary or a set.
func (p *parser) braces() *node {
	d := &node{kind: "Dict"}
	for !p.take("}") {
		var key *node
		if p.take("**") {
			if d.kind == "Set" {
				p.fail()
			}
			d.keys, d.items = append(d.keys, nil), append(d.items, p.binary(0))
		} else {
			key = p.element(true)
			switch first := len(d.items) == 0; {
			case d.kind == "Dict" && p.take(":"):
				d.keys, d.items = append(d.keys, key), append(d.items, p.expression())
			case first || d.kind == "Set":
				d.kind, d.items = "Set", append(d.items, key)
			default:
				p.fail()
			}
		}
		if p.comprehends() {
			p.skip()
			d = &node{kind: d.kind + "Comp"}
		}
		if !p.is("}") {
			p.need(",")
		}
	}
	return d
}

// constant is a number.
func constant(text string) *node {
	if last := text[len(text)-1]; (last == 'j' || last == 'J') && !based(text) {
		return &node{kind: "Constant", value: complexNumber(strings.ToLower(text))}
	}
	v, err := value.ParseLiteral(text)
	if err != nil { // it is too long: tokens has looked at the rest
		return &node{kind: "Huge", value: err.Error()}
	}
	return &node{kind: "Constant", value: v}
}

// stringNode is one or several string literals that stand side by side.
func stringNode(text string, p *parser) *node {
	v, err := value.ParseLiteral(text)
	switch {
	case err == nil:
		return &node{kind: "Constant", value: v}
	case strings.Contains(err.Error(), "prefix"):
		return &node{kind: "JoinedStr"}
	}
	p.at--
	p.fail()
	return nil
}

// ellipsis and complexNumber are kinds that Python has and package value lacks.
type (
	ellipsis      struct{}
	complexNumber string
)

// TypeName is that of Python.
func (complexNumber) TypeName() string { return "complex" }

// AppendRepr appends the literal.
func (c complexNumber) AppendRepr(dst []byte) []byte { return append(dst, c...) }

// EqualTo compares literals.
func (c complexNumber) EqualTo(other any) bool { return other == any(c) }
