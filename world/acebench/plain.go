package acebench

import (
	"unicode/utf8"

	"ballast"
	"ballast/value"
	"ballast/value/pyexpr"
)

// mostNested bounds the brackets of a text that PlainCalls reads; Python itself has bounds that are not far above.
const mostNested = 50

// PlainCalls reads what nearly every reply of format ast is: a list of calls of plain names, in brackets or without, whose
// arguments have names, each one, and values that are literals. It is quick, and no more than that: ok is false for a text that it does
// not read for certain as Python does, also for one that is an error, and then ReadAST has the answer.
func PlainCalls(text string) (calls []ballast.Call, ok bool) {
	if !plainText(text) {
		return nil, false
	}
	calls, err := value.ParseCalls(text)
	if err != nil || len(calls) == 0 {
		return nil, false
	}
	for i := range calls {
		c := &calls[i]
		if !plainName(c.Name) || pyexpr.IsKeyword(c.Name) {
			return nil, false
		}
		for k := range c.Args {
			if name := c.Args[k].Name; !plainName(name) || pyexpr.IsKeyword(name) {
				return nil, false
			}
		}
	}
	return calls, true
}

// plainText says that a text has none of what the two readers of Python may see differently: signs but one minus of a number, comments,
// lines, other separators, escapes, quotes of three, what is no text.
func plainText(text string) bool {
	if text == "" || !(text[0] == '[' || text[0] == '_' || text[0]|0x20 >= 'a' && text[0]|0x20 <= 'z') {
		return false
	}
	depth, ascii, quote := 0, true, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c < ' ' || c == '\\' || c == 0x7f:
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			if quote = c; i+2 < len(text) && text[i+1] == c && text[i+2] == c {
				return false
			}
		case c == '(' || c == '[' || c == '{':
			if depth++; depth > mostNested {
				return false
			}
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == '+' || c == '~' || c == '#' || c == ';' || c == '-' && !(i+1 < len(text) && (text[i+1] == '.' || text[i+1]-'0' < 10)):
			return false
		}
	}
	return ascii || utf8.ValidString(text)
}

// plainly reads the calls of a message of format ast where they are plain and run as they are written.
func plainly(text string) ([]written, bool) {
	calls, ok := PlainCalls(text)
	if !ok || text[0] == '[' {
		return nil, false
	}
	out := make([]written, len(calls))
	for i, c := range calls {
		for _, a := range c.Args {
			if _, dict := a.Value.(*value.Dict); dict || !literal(a.Value, 0) {
				return nil, false
			}
		}
		out[i] = written{call: c, plain: true}
	}
	return out, true
}
