package pyexpr

import "slices"

// primary reads an atom and what hangs on it: attributes, calls, subscripts.
func (p *parser) primary() *Node {
	n := p.atom()
	for {
		switch {
		case p.take("."):
			if p.tok.kind != tokName {
				p.fail()
			}
			n = p.node(&Node{Kind: Attribute, X: n, Text: p.name(p.tok)})
			p.advance()
		case p.is("("):
			n = p.call(n)
		case p.is("[") && !p.isToken(p.ahead, "]"):
			p.advance()
			n = p.node(&Node{Kind: Subscript, X: n, Y: p.slices()})
			p.want("]")
		default:
			return n
		}
	}
}

func (p *parser) slices() *Node {
	n := p.slice()
	if !p.is(",") {
		return n
	}
	list := []*Node{n}
	for p.take(",") && !p.is("]") {
		list = append(list, p.slice())
	}
	return p.node(&Node{Kind: Tuple, List: list})
}

func (p *parser) slice() *Node {
	s := &Node{Kind: Slice}
	if !p.is(":") {
		n := p.named()
		if !p.is(":") || n.Kind == NamedExpr {
			return n
		}
		s.X = n
	}
	p.want(":")
	if !p.is(":") && !p.is(",") && !p.is("]") {
		s.Y = p.expression()
	}
	if p.take(":") && !p.is(",") && !p.is("]") {
		s.Z = p.expression()
	}
	return p.node(s)
}

// called keeps what the arguments of a call were so far.
type called struct{ keyword, unpacked bool }

func (p *parser) call(f *Node) *Node {
	n := &Node{Kind: Call, X: f}
	p.want("(")
	var seen called
	for !p.is(")") {
		p.argument(n, &seen)
		if !p.take(",") && !p.is(")") {
			p.fail()
		}
	}
	p.advance()
	return p.node(n)
}

// argument reads one argument of a call.
func (p *parser) argument(n *Node, seen *called) {
	at := p.tok
	switch {
	case p.take("**"):
		n.Keywords = append(n.Keywords, Keyword{Value: p.expression()})
		seen.unpacked = true
		return
	case p.is("*"):
		if p.advance(); seen.unpacked {
			p.raise(at, "iterable argument unpacking follows keyword argument unpacking")
		}
		n.List = append(n.List, p.node(&Node{Kind: Starred, X: p.expression()}))
		return
	case p.tok.kind == tokName && p.isToken(p.ahead, "="):
		p.advance()
		p.advance()
		n.Keywords = append(n.Keywords, Keyword{p.name(at), p.expression()})
		if seen.keyword = true; p.is("for") {
			p.clauses()
			p.raise(at, "invalid syntax. Maybe you meant '==' or ':=' instead of '='?")
		}
		return
	}
	switch {
	case seen.unpacked:
		p.misplaced("positional argument follows keyword argument unpacking")
	case seen.keyword:
		p.misplaced("positional argument follows keyword argument")
	}
	x := p.assigned()
	switch {
	case p.is("="):
		p.assignment(at)
	case p.is("for") || p.is("async"):
		x = p.node(&Node{Kind: GeneratorExp, X: x, Clauses: p.clauses()})
		if len(n.List)+len(n.Keywords) > 0 || p.is(",") {
			p.raise(at, "Generator expression must be parenthesized")
		}
	}
	n.List = append(n.List, x)
}

// assignment ends the parse at an argument that is assigned to and is no name.
func (p *parser) assignment(at token) {
	if name := p.text[at.start:p.last.end]; name == "True" || name == "False" || name == "None" {
		p.raise(at, "cannot assign to %s", name)
	}
	p.raise(at, `expression cannot contain assignment, perhaps you meant "=="?`)
}

// misplaced ends the parse at an argument without a name that stands behind one with a name. CPython reads on, up to the
// first token that no argument begins with or goes on with: that one's line is told, and a fault with a text of its own on the way
// goes first. It returns where that argument is assigned to, which is a fault of its own.
func (p *parser) misplaced(text string) {
	if p.trial {
		p.fail()
	}
	before, open := *p, slices.Clone(p.open)
	whole := false
	ok := p.attempt(func() {
		p.assigned()
		if whole = !p.is("=") && !p.is(":="); whole && p.take(",") {
			p.arguments()
		}
	})
	switch {
	case ok && !whole:
		before.far = p.far
		*p, p.open = before, open
		return
	case !whole && (!before.atomic() || before.isToken(before.ahead, ":=")):
		p.fail()
	}
	if ok {
		p.missing()
	}
	p.raise(p.far, "%s", text)
}

// atomic reports whether the current token is an expression by itself.
func (p *parser) atomic() bool {
	switch p.tok.kind {
	case tokName, tokNumber, tokString:
		return true
	}
	return p.is("None") || p.is("True") || p.is("False") || p.is("...")
}

// attempt reports whether f reads to its end. A fault that has a text of its own ends the parse.
func (p *parser) attempt(f func()) (ok bool) {
	probe := p.probe
	defer func() {
		r := recover()
		if e, isSyntax := r.(*SyntaxError); r != nil && (!isSyntax || e == p.err || e.Text != invalid) {
			panic(r)
		}
		p.probe, ok = probe, r == nil
	}()
	p.probe = true
	f()
	return true
}

// arguments reads arguments as long as there are some, those without names first.
func (p *parser) arguments() {
	for named := false; !p.is(")"); {
		switch {
		case p.take("**"):
			named = true
			p.expression()
		case p.take("*"):
			p.expression()
		case p.tok.kind == tokName && p.isToken(p.ahead, "="):
			named = true
			p.advance()
			p.advance()
			p.expression()
		default:
			at := p.tok
			if p.assigned(); p.is("=") {
				p.assignment(at)
			}
			if named || p.is(":=") {
				return
			}
		}
		if !p.take(",") {
			return
		}
	}
}

// assigned reads "name := expression" or an expression.
func (p *parser) assigned() *Node {
	if p.tok.kind == tokName && p.isToken(p.ahead, ":=") {
		name := p.name(p.tok)
		p.advance()
		p.advance()
		return p.node(&Node{Kind: NamedExpr, Text: name, X: p.expression()})
	}
	return p.expression()
}

// named is assigned where an assignment is not an argument's name.
func (p *parser) named() *Node {
	at := p.tok
	n := p.assigned()
	if !p.is("=") || p.trial {
		return n
	}
	p.advance()
	atomic := p.atomic()
	if ok := p.attempt(func() { p.binary(0) }); ok && (p.is("=") || p.is(":=")) || !ok && !atomic {
		p.fail()
	}
	switch n.Kind {
	case Name:
		p.raise(at, "invalid syntax. Maybe you meant '==' or ':=' instead of '='?")
	case List, ListComp, Tuple, GeneratorExp:
	default:
		if what := described(n); what != "" {
			p.raise(at, "cannot assign to %s here. Maybe you meant '==' instead of '='?", what)
		}
	}
	p.raise(at, "invalid syntax")
	return nil
}

// described is what CPython calls an expression that cannot be assigned to, where that is known.
func described(n *Node) string {
	switch n.Kind {
	case Attribute:
		return "attribute"
	case Subscript:
		return "subscript"
	case Call:
		return "function call"
	case BinOp:
		return "expression"
	case Dict:
		return "dict literal"
	case Set:
		return "set display"
	case JoinedStr:
		return "f-string expression"
	case Constant:
		if _, boolean := n.Value.(bool); n.Value == nil || boolean {
			return ""
		}
		if _, ok := n.Value.(Ellipsis); ok {
			return "ellipsis"
		}
		return "literal"
	}
	return ""
}

// starred reads "*expression" or a named one.
func (p *parser) starred() *Node {
	if p.take("*") {
		return p.node(&Node{Kind: Starred, X: p.binary(0)})
	}
	return p.named()
}

func (p *parser) atom() *Node {
	t := p.tok
	switch t.kind {
	case tokName:
		p.advance()
		return &Node{Kind: Name, Text: p.name(t)}
	case tokNumber:
		v, err := parseNumber(p.src(t), int(t.line))
		if err != nil {
			panic(err)
		}
		p.advance()
		return &Node{Kind: Constant, Value: v}
	case tokString:
		return p.strings()
	case tokOp, tokKeyword:
		switch p.src(t) {
		case "None":
			p.advance()
			return &Node{Kind: Constant}
		case "True", "False":
			p.advance()
			return &Node{Kind: Constant, Value: p.src(t) == "True"}
		case "...":
			p.advance()
			return &Node{Kind: Constant, Value: Ellipsis{}}
		case "(":
			return p.group()
		case "[":
			p.advance()
			return p.sequence(List, ListComp, "]", nil)
		case "{":
			return p.braces()
		}
	}
	p.fail()
	return nil
}

// group reads what stands in parentheses: an expression, a tuple, a generator.
func (p *parser) group() *Node {
	p.advance()
	if p.take(")") {
		return &Node{Kind: Tuple}
	}
	if p.take("yield") {
		n := p.yield()
		p.want(")")
		return n
	}
	first := p.starred()
	if p.is(")") {
		if first.Kind == Starred {
			p.raise(p.tok, "cannot use starred expression here")
		}
		p.advance()
		return first
	}
	return p.sequence(Tuple, GeneratorExp, ")", first)
}

func (p *parser) yield() *Node {
	if p.take("from") {
		return p.node(&Node{Kind: YieldFrom, X: p.expression()})
	}
	if p.is(")") {
		return &Node{Kind: Yield}
	}
	n := p.starred()
	if p.is(",") {
		list := []*Node{n}
		for p.take(",") && !p.is(")") {
			list = append(list, p.starred())
		}
		n = p.node(&Node{Kind: Tuple, List: list})
	}
	return p.node(&Node{Kind: Yield, X: n})
}

// sequence reads the items of a display up to its closing bracket, or a comprehension.
// first is its first item where that is read already.
func (p *parser) sequence(plain, comprehension Kind, closing string, first *Node) *Node {
	n := &Node{Kind: plain}
	if first == nil {
		if p.take(closing) {
			return n
		}
		first = p.starred()
	}
	if (p.is("for") || p.is("async")) && first.Kind != Starred {
		n = &Node{Kind: comprehension, X: first, Clauses: p.clauses()}
		p.want(closing)
		return p.node(n)
	}
	n.List = append(n.List, first)
	for !p.is(closing) {
		p.want(",")
		if !p.is(closing) {
			n.List = append(n.List, p.starred())
		}
	}
	p.advance()
	return p.node(n)
}

// braces reads a dict, a set or a comprehension of either.
func (p *parser) braces() *Node {
	p.advance()
	if p.take("}") {
		return &Node{Kind: Dict}
	}
	if p.is("**") {
		return p.dict(nil)
	}
	assigned := p.isToken(p.ahead, ":=")
	first := p.starred()
	if first.Kind != Starred && !assigned && p.is(":") {
		return p.dict(first)
	}
	return p.sequence(Set, SetComp, "}", first)
}

// dict reads a dict, whose first key may be read already.
func (p *parser) dict(key *Node) *Node {
	n := &Node{Kind: Dict}
	for {
		if key == nil && p.take("**") {
			n.Keys, n.List = append(n.Keys, nil), append(n.List, p.binary(0))
		} else {
			if key == nil {
				key = p.expression()
			}
			if !p.is(":") {
				if len(n.List) > 0 || p.is(",") || p.is("}") {
					p.raise(p.last, "':' expected after dictionary key")
				}
				p.fail()
			}
			colon := p.tok
			if p.advance(); p.is("}") || p.is(",") {
				p.raise(colon, "expression expected after dictionary key and ':'")
			}
			if p.is("*") {
				p.raise(p.tok, "cannot use a starred expression in a dictionary value")
			}
			n.Keys, n.List = append(n.Keys, key), append(n.List, p.expression())
		}
		if (p.is("for") || p.is("async")) && len(n.List) == 1 && n.Keys[0] != nil {
			c := &Node{Kind: DictComp, X: n.Keys[0], Y: n.List[0], Clauses: p.clauses()}
			p.want("}")
			return p.node(c)
		}
		key = nil
		if !p.take(",") && !p.is("}") {
			p.fail()
		}
		if p.take("}") {
			return p.node(n)
		}
	}
}

// clauses reads the "for ... in ..." of a comprehension.
func (p *parser) clauses() (all []Clause) {
	for p.is("for") || p.is("async") {
		c := Clause{Async: p.take("async")}
		p.want("for")
		c.Target = p.targets()
		p.want("in")
		c.Iter = p.disjunction()
		for p.take("if") {
			c.Ifs = append(c.Ifs, p.disjunction())
		}
		all = append(all, c)
	}
	return all
}

func (p *parser) targets() *Node {
	target := func() *Node {
		if p.take("*") {
			return p.node(&Node{Kind: Starred, X: p.primary()})
		}
		return p.primary()
	}
	n := target()
	if !p.is(",") {
		return n
	}
	list := []*Node{n}
	for p.take(",") && !p.is("in") {
		list = append(list, target())
	}
	return p.node(&Node{Kind: Tuple, List: list})
}
