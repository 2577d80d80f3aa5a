package pyexpr

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"ballast/value"
)

// Parse reads one expression. Its error is a *SyntaxError.
func Parse(text string) (n *Node, err error) {
	switch {
	case len(text) > MaxText:
		return nil, &SyntaxError{fmt.Sprintf("the text is longer than %d bytes", MaxText), -1}
	case strings.IndexByte(text, 0) >= 0:
		return nil, &SyntaxError{"source code string cannot contain null bytes", -1}
	case !utf8.ValidString(text):
		return nil, surrogate(text)
	}
	if strings.IndexByte(text, '\r') >= 0 {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	}
	p := &parser{lexer: lexer{text: text, line: 1}}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*SyntaxError)
			if !ok {
				panic(r)
			}
			n, err = nil, e
		}
	}()
	p.tok, p.ahead = p.lexer.next(), p.lexer.next()
	p.far = p.tok
	n = p.expressions()
	for p.tok.kind == tokNewline {
		p.advance()
	}
	if p.tok.kind != tokEnd {
		p.fail()
	}
	return n, nil
}

// surrogate is the error of a text that cannot be encoded.
func surrogate(text string) *SyntaxError {
	for i := 0; text != ""; i++ {
		r, n := value.DecodeRune(text)
		if r >= 0xD800 && r < 0xE000 || r == utf8.RuneError && n == 1 {
			return &SyntaxError{fmt.Sprintf(`'utf-8' codec can't encode character '\u%04x' in position %d: surrogates not allowed`, r, i), -1}
		}
		text = text[n:]
	}
	panic("pyexpr: a valid text has no surrogate")
}

// parser is a recursive descent over the tokens; it panics with a *SyntaxError.
type parser struct {
	lexer
	tok, ahead token
	last       token // the one before tok
	far        token // the last one that tok ever was
	depth      int   // of the calls of guard
	done       span  // the last disjunction that an expression begins with
	trial      bool  // an error is only a sign, its text does not matter
	probe      bool  // an error counts only where it has a text of its own
}

// span is a piece of the text.
type span struct {
	start, end, line int32
	soft             bool // no comma is missing behind it
	name             bool // it is one name
}

func (p *parser) advance() {
	p.last = p.tok
	p.tok = p.ahead
	if p.tok.end > p.far.end {
		p.far = p.tok
	}
	if p.ahead.kind != tokBad && p.ahead.kind != tokEnd {
		p.ahead = p.lexer.next()
	}
}

func (p *parser) src(t token) string { return p.text[t.start:t.end] }

// name is a name as CPython keeps it, in Unicode's normal form KC.
func (p *parser) name(t token) string {
	s := p.src(t)
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return norm.NFKC.String(s)
		}
	}
	return s
}

// is reports whether the current token is that operator or keyword.
func (p *parser) is(word string) bool { return p.isToken(p.tok, word) }

func (p *parser) isToken(t token, word string) bool {
	return (t.kind == tokOp || t.kind == tokKeyword) && p.text[t.start:t.end] == word
}

func (p *parser) take(word string) bool {
	if !p.is(word) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) want(word string) {
	if !p.take(word) {
		p.fail()
	}
}

// invalid is the text of an error without a text of its own.
const invalid = "invalid syntax"

// raise ends the parse with a text of its own, unless the rest of the text has no tokens.
func (p *parser) raise(t token, format string, args ...any) {
	if p.tok.kind == tokBad {
		panic(p.err)
	}
	e := &SyntaxError{fmt.Sprintf(format, args...), int(t.line)}
	if !p.trial && int(p.far.end) < len(p.text) { // otherwise CPython has come to the end of the text, and looks no further
		p.rest()
	}
	panic(e)
}

// rest panics with the error of the lexer, where the rest of the text has one. That a bracket
// was never closed counts only where it stands on a line before.
func (p *parser) rest() {
	for p.err == nil {
		if p.lexer.next().kind == tokEnd {
			return
		}
	}
	switch n := len(p.open); {
	case !p.quiet:
		panic(p.err)
	case n > 0 && int(p.far.line) > p.open[n-1].line:
		panic(p.neverClosed())
	}
}

// fail ends the parse at the current token, which fits nowhere.
func (p *parser) fail() {
	e := &SyntaxError{invalid, int(p.tok.line)}
	switch {
	case p.tok.kind == tokBad:
		panic(p.err)
	case p.trial:
		panic(e)
	case p.tok.kind == tokIndent:
		panic(&SyntaxError{"unexpected indent", e.Line})
	}
	if p.missing(); p.probe {
		panic(e)
	}
	if p.text == "" {
		e.Line = 0
	}
	p.rest()
	panic(e)
}

// missing panics where the current token begins an expression behind another one.
func (p *parser) missing() {
	a, end := p.done, p.last.end
	if a.end == 0 || a.end != end || p.tok.kind == tokEnd || p.tok.kind == tokNewline {
		return
	}
	first := token{line: a.line}
	name := p.text[a.start:a.end]
	old := name == "print" || name == "exec"
	if !a.soft && !old && p.tried(true) {
		p.raise(first, "invalid syntax. Perhaps you forgot a comma?")
	}
	if a.name && p.depth < MaxDepth/2 && p.tried(false) && old {
		p.raise(first, "Missing parentheses in call to '%s'. Did you mean %s(...)?", name, name)
	}
}

// tried reports whether an expression begins at the current token. On trial, it must end inside of
// a bracket, and a fault in it does not matter; otherwise a fault that has a text of its own counts.
func (p *parser) tried(trial bool) (ok bool) {
	before, open := *p, slices.Clone(p.open)
	atomic, level := p.atomic(), p.levelAt(p.tok)
	defer func() {
		r := recover()
		if e, isSyntax := r.(*SyntaxError); r != nil && (!isSyntax || e == p.err || !trial && e.Text != invalid) {
			panic(r)
		}
		if r != nil { // a shorter expression is one, too
			ok = trial && atomic && level > 0
		}
		before.far = p.far
		*p, p.open = before, open
	}()
	p.trial, p.probe, p.done = p.trial || trial, true, span{}
	if !trial {
		p.depth++ // what is missing behind it may be tried again
		if p.expressions(); p.tok.kind == tokBad {
			panic(p.err)
		}
		if p.levelAt(p.tok) > 0 {
			p.missing()
		}
		return true
	}
	p.expression()
	if p.tok.kind == tokBad { // CPython looks at the token behind it
		panic(p.err)
	}
	return p.levelAt(p.last) > 0
}

// levelAt is how many brackets are open behind the token.
func (p *parser) levelAt(t token) int {
	n := len(p.open)
	for _, later := range []token{p.tok, p.ahead} { // they are read already
		if later.start < t.end || later.kind != tokOp {
			continue
		}
		switch p.src(later) {
		case "(", "[", "{":
			n--
		case ")", "]", "}":
			n++
		}
	}
	return n
}

// guard bounds the recursion.
func (p *parser) guard() func() {
	if p.depth++; p.depth > MaxDepth {
		panic(&SyntaxError{"too many nested expressions", int(p.tok.line)})
	}
	return func() { p.depth-- }
}

// node finishes a node: it bounds the depth of the tree.
func (p *parser) node(n *Node) *Node {
	deep := func(c *Node) {
		if c != nil {
			n.depth = max(n.depth, c.depth+1)
		}
	}
	deep(n.X)
	deep(n.Y)
	deep(n.Z)
	for _, c := range n.List {
		deep(c)
	}
	for _, c := range n.Keys {
		deep(c)
	}
	for _, k := range n.Keywords {
		deep(k.Value)
	}
	for _, c := range n.Clauses {
		deep(c.Target)
		deep(c.Iter)
		for _, f := range c.Ifs {
			deep(f)
		}
	}
	if n.depth > MaxDepth {
		panic(&SyntaxError{"too many nested expressions", int(p.tok.line)})
	}
	return n
}

// expressions reads one expression, or several as a tuple.
func (p *parser) expressions() *Node {
	n := p.expression()
	if !p.is(",") {
		return n
	}
	list := []*Node{n}
	for p.take(",") {
		if !p.begins() {
			break
		}
		list = append(list, p.expression())
	}
	return p.node(&Node{Kind: Tuple, List: list})
}

// begins reports whether an expression may begin at the current token.
func (p *parser) begins() bool {
	switch p.tok.kind {
	case tokName, tokNumber, tokString:
		return true
	case tokOp:
		switch p.src(p.tok) {
		case "(", "[", "{", "+", "-", "~", "...":
			return true
		}
	case tokKeyword:
		switch p.src(p.tok) {
		case "None", "True", "False", "not", "lambda", "await":
			return true
		}
	}
	return false
}

func (p *parser) expression() *Node {
	defer p.guard()()
	if p.is("lambda") {
		return p.lambda()
	}
	first, second := p.tok, p.ahead
	n := p.disjunction()
	p.done = span{first.start, p.last.end, first.line,
		first.kind == tokName && (second.kind == tokString || soft(p.src(first))), first.kind == tokName && first.end == p.last.end}
	if !p.is("if") {
		return n
	}
	at := p.tok
	p.advance()
	var test *Node
	atomic := p.atomic()
	if ok := p.attempt(func() { test = p.disjunction() }); !ok && !atomic {
		p.fail()
	}
	if !p.is("else") || test == nil {
		if p.tok.kind != tokBad && !p.is(":") {
			p.raise(at, "expected 'else' after 'if' expression")
		}
		p.fail()
	}
	p.advance()
	return p.node(&Node{Kind: IfExp, X: n, Y: test, Z: p.expression()})
}

// soft reports whether CPython 3.10 takes the name for one of its soft keywords, or for the beginning of one.
func soft(name string) bool {
	return strings.HasPrefix("match", name) || strings.HasPrefix("case", name) || name == "_"
}

// lambda reads a lambda, whose parameters are kept as they are written.
func (p *parser) lambda() *Node {
	p.advance()
	start, end := p.tok.start, p.tok.start
	for !p.is(":") {
		if !p.take("*") {
			p.take("**")
		}
		switch {
		case p.tok.kind == tokName:
			p.advance()
			if p.take("=") {
				p.expression()
			}
		case !p.take("/") && !p.is(","):
			p.fail()
		}
		if end = p.last.end; !p.take(",") && !p.is(":") {
			p.fail()
		}
	}
	p.advance()
	return p.node(&Node{Kind: Lambda, Text: p.text[start:end], X: p.expression()})
}

func (p *parser) disjunction() *Node { return p.joined("or", p.conjunction) }

func (p *parser) conjunction() *Node { return p.joined("and", p.inversion) }

func (p *parser) joined(word string, operand func() *Node) *Node {
	n := operand()
	if !p.is(word) {
		return n
	}
	list := []*Node{n}
	for p.take(word) {
		list = append(list, operand())
	}
	return p.node(&Node{Kind: BoolOp, Text: word, List: list})
}

func (p *parser) inversion() *Node {
	if !p.is("not") {
		return p.comparison()
	}
	defer p.guard()()
	p.advance()
	return p.node(&Node{Kind: UnaryOp, Text: "not", X: p.inversion()})
}

var comparisons = map[string]bool{"==": true, "!=": true, "<": true, ">": true, "<=": true, ">=": true, "in": true, "is": true}

func (p *parser) comparison() *Node {
	n := p.binary(0)
	var c *Node
	for {
		op := ""
		switch {
		case p.tok.kind != tokOp && p.tok.kind != tokKeyword:
		case comparisons[p.src(p.tok)]:
			op = p.src(p.tok)
			p.advance()
			if op == "is" && p.take("not") {
				op = "is not"
			}
		case p.is("not") && p.isToken(p.ahead, "in"):
			op = "not in"
			p.advance()
			p.advance()
		}
		if op == "" {
			break
		}
		if c == nil {
			c = &Node{Kind: Compare, X: n}
		}
		c.Ops, c.List = append(c.Ops, op), append(c.List, p.binary(0))
	}
	if c == nil {
		return n
	}
	return p.node(c)
}

// levels are the binary operators, the weakest first.
var levels = [][]string{{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "//", "%", "@"}}

func (p *parser) binary(level int) *Node {
	if level == len(levels) {
		return p.factor()
	}
	n := p.binary(level + 1)
	for {
		op := ""
		for _, o := range levels[level] {
			if p.take(o) {
				op = o
				break
			}
		}
		if op == "" {
			return n
		}
		n = p.node(&Node{Kind: BinOp, Text: op, X: n, Y: p.binary(level + 1)})
	}
}

func (p *parser) factor() *Node {
	for _, op := range []string{"+", "-", "~"} {
		if p.is(op) {
			defer p.guard()()
			p.advance()
			return p.node(&Node{Kind: UnaryOp, Text: op, X: p.factor()})
		}
	}
	var n *Node
	if p.take("await") {
		n = p.node(&Node{Kind: Await, X: p.primary()})
	} else {
		n = p.primary()
	}
	if !p.take("**") {
		return n
	}
	defer p.guard()()
	return p.node(&Node{Kind: BinOp, Text: "**", X: n, Y: p.factor()})
}
