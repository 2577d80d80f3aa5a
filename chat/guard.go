package chat

import (
	"errors"
	"strings"
	"unicode/utf8"

	"ballast"
	"ballast/chat/bpe"
	"ballast/chat/pretoken"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// guard marks text of strangers that a template puts among its own, so that control tokens
// spelled in it stay text: the documentation of tools, and system texts. Only texts that
// spell one are marked. Marks are characters that Unicode keeps free of meaning.
type guard struct {
	tok        tokenizer
	open, shut string
	idle       bool // nothing is to be marked
	used       bool
}

// errMarks says that a text holds all the characters that could mark it.
var errMarks = errors.New("chat: the documentation of the tools holds every character that Unicode reserves for internal use")

// newGuard chooses marks that stand in none of the texts.
func newGuard(tok tokenizer, tools []ballast.Tool, system *string) *guard {
	held := map[rune]bool{}
	look := &guard{}
	g := &guard{tok: tok, idle: true}
	see := func(s string) string {
		g.idle = g.idle && !tok.Spells(s)
		for i := 0; i < len(s); { // noncharacters of the basic plane begin with this byte
			if s[i] != 0xEF {
				i++
				continue
			}
			r, n := utf8.DecodeRuneInString(s[i:])
			held[r] = true
			i += n
		}
		return s
	}
	for _, t := range tools {
		look.tool(t, see)
	}
	see(deref(system))
	if g.idle {
		return g
	}
	for r := rune(0xFDD0); r < 0xFDEF; r += 2 {
		if !held[r] && !held[r+1] {
			g.open, g.shut = string(r), string(r+1)
			return g
		}
	}
	panic(&pretoken.Failure{Err: errMarks})
}

// text marks a text that spells a control token, but for white space around it, which a
// template may trim.
func (g *guard) text(s string) string {
	if g.idle || !g.tok.Spells(s) {
		return s
	}
	g.used = true
	core := strings.TrimFunc(s, tooldoc.Space)
	before, after, _ := strings.Cut(s, core)
	return before + g.open + core + g.shut + after
}

// tools are the tools with all their texts marked.
func (g *guard) tools(tools []ballast.Tool) []ballast.Tool {
	if g.idle {
		return tools
	}
	out := make([]ballast.Tool, len(tools))
	for i, t := range tools {
		out[i] = g.tool(t, g.text)
	}
	return out
}

func (g *guard) tool(t ballast.Tool, each func(string) string) ballast.Tool {
	t.Name, t.Doc, t.Schema = each(t.Name), each(t.Doc), mapped(t.Schema, each)
	params := make([]ballast.Param, len(t.Params))
	for i, p := range t.Params {
		p.Name, p.Type, p.Doc = each(p.Name), each(p.Type), each(p.Doc)
		enum := make([]string, len(p.Enum))
		for k, e := range p.Enum {
			enum[k] = each(e)
		}
		p.Enum = enum
		params[i] = p
	}
	t.Params = params
	return t
}

// mapped is a value with all its texts, keys too, changed.
func mapped(v any, each func(string) string) any {
	switch v := v.(type) {
	case string:
		return each(v)
	case *value.List:
		out := value.NewList()
		for _, x := range v.Items {
			out.Items = append(out.Items, mapped(x, each))
		}
		return out
	case *value.Dict:
		out := value.NewDict()
		for i := range v.Len() {
			k, x := v.At(i)
			out.Set(mapped(k, each), mapped(x, each))
		}
		return out
	}
	return v
}

// check fails where marks changed more than that they stand there: a model's own template
// may look at a text, or cut it.
func (g *guard) check(marked string, plain func() string) {
	if !g.used {
		return
	}
	if text, _ := g.strip(marked); text != plain() {
		fail("it changes a text that spells a control token, so that it cannot be kept apart from the template's own")
	}
}

// strip takes the marks out of a text and gives the ranges that they enclosed.
func (g *guard) strip(s string) (text string, plain []bpe.Span) {
	if !g.used {
		return s, nil
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, g.open)
		b.WriteString(before)
		if !ok {
			return b.String(), plain
		}
		start := b.Len()
		inner, after, _ := strings.Cut(rest, g.shut)
		b.WriteString(inner)
		plain = append(plain, bpe.Span{Start: start, End: b.Len()})
		s = after
	}
}
