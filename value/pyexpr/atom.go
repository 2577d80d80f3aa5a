package pyexpr

import (
	"errors"
	"strings"

	"ballast/value"
)

// primary reads an atom and what hangs on it: attributes, calls, subscripts.
func (p *parser) primary() *Node {
	n := p.atom()
	for {
		switch {
		case p.take("."):
			if p.tok.kind != tokName {
				p.fail()
			}
			n = p.node(&Node{Kind: Attribute, X: n, Text: p.src(p.tok)})
			p.advance()
		case p.is("("):
			n = p.call(n)
		case p.take("["):
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
		n.Keywords = append(n.Keywords, Keyword{p.src(at), p.expression()})
		if seen.keyword = true; p.is("for") {
			p.clauses()
			p.raise(at, "invalid syntax. Maybe you meant '==' or ':=' instead of '='?")
		}
		return
	}
	x := p.assigned()
	switch {
	case p.is("="):
		if name := p.text[at.start:p.last.end]; name == "True" || name == "False" || name == "None" {
			p.raise(at, "cannot assign to %s", name)
		}
		p.raise(at, `expression cannot contain assignment, perhaps you meant "=="?`)
	case p.is("for") || p.is("async"):
		x = p.node(&Node{Kind: GeneratorExp, X: x, Clauses: p.clauses()})
		if len(n.List)+len(n.Keywords) > 0 || p.is(",") {
			p.raise(at, "Generator expression must be parenthesized")
		}
	case seen.unpacked:
		p.missing()
		p.raise(at, "positional argument follows keyword argument unpacking")
	case seen.keyword:
		p.missing()
		p.raise(at, "positional argument follows keyword argument")
	}
	n.List = append(n.List, x)
}

// assigned reads "name := expression" or an expression.
func (p *parser) assigned() *Node {
	if p.tok.kind == tokName && p.isToken(p.ahead, ":=") {
		name := p.src(p.tok)
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
	p.binary(0)
	if p.is("=") || p.is(":=") {
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
		return &Node{Kind: Name, Text: p.src(t)}
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

// strings reads string literals that stand side by side.
func (p *parser) strings() *Node {
	start, line := p.tok.start, p.tok.line
	bad := func(text string) { p.raise(token{line: line}, "%s", text) }
	var text strings.Builder
	formatted, bytes, first := false, false, true
	for ; p.tok.kind == tokString; p.advance() {
		lit := p.src(p.tok)
		prefix := strings.ToLower(lit[:strings.IndexAny(lit, `'"`)])
		if isBytes := strings.Contains(prefix, "b"); !first && bytes != isBytes {
			bad("cannot mix bytes and nonbytes literals")
		} else {
			bytes, first = isBytes, false
		}
		if strings.Contains(prefix, "f") {
			if fault := formatFault(lit[len(prefix):]); fault != "" {
				bad(fault)
			}
			formatted = true
			continue
		}
		v, err := value.ParseLiteral(lit)
		if err != nil {
			if syntax := (*value.SyntaxError)(nil); errors.As(err, &syntax) {
				bad(syntax.Text)
			}
			bad(err.Error())
		}
		switch v := v.(type) {
		case string:
			text.WriteString(v)
		case value.Bytes:
			text.WriteString(string(v))
		}
	}
	switch {
	case formatted:
		return &Node{Kind: JoinedStr, Text: p.text[start:p.last.end]}
	case bytes:
		return &Node{Kind: Constant, Value: value.Bytes(text.String())}
	}
	return &Node{Kind: Constant, Value: text.String()}
}

// formatFault looks at the braces of an f-string, which comes with its quotes.
func formatFault(lit string) string {
	level := 0
	for i := 0; i < len(lit); i++ {
		switch c := lit[i]; {
		case c == '{' && level == 0 && i+1 < len(lit) && lit[i+1] == '{':
			i++
		case c == '{':
			level++
			if strings.HasPrefix(strings.TrimLeft(lit[i+1:], " "), "}") {
				return "f-string: empty expression not allowed"
			}
		case c == '}' && level > 0:
			level--
		case c == '}' && i+1 < len(lit) && lit[i+1] == '}':
			i++
		case c == '}':
			return "f-string: single '}' is not allowed"
		}
	}
	if level > 0 {
		return "f-string: expecting '}'"
	}
	return ""
}
