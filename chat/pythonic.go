package chat

import (
	"strings"

	"ballast"
	"ballast/value"
)

// pythonic is the format of a Python list of calls, [f(a='x', b=1), g()], as
// Llama 3.2, ACEBench and BFCL's own prompts ask for it. It has no control
// tokens. The list begins a line, the reply or a later one, and ends the reply.
type pythonic struct{}

// Pythonic is the format `pythonic`. Names of functions and parameters must be
// identifiers; positional arguments are allowed.
var Pythonic Format = pythonic{}

// Name returns "pythonic".
func (pythonic) Name() string { return "pythonic" }

// Instructions lists the tools as JSON, one a line, and shows the call syntax.
func (pythonic) Instructions(tools []ballast.Tool) string {
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call these functions:")
	for _, t := range tools {
		b.WriteString("\n" + docJSON(t))
	}
	b.WriteString("\n\nTo call functions, end your reply with a list of calls in Python syntax, arguments by name:\n" +
		"[function_name(parameter='text', other=1), another_function()]")
	return b.String()
}

// Hint shows the syntax in one line.
func (pythonic) Hint() string { return "[name(param=value)]" }

// Docs is a JSON list of the tools' documentation.
func (pythonic) Docs(tools []ballast.Tool) string { return docsJSON(tools) }

// Render writes the calls as one list.
func (pythonic) Render(calls []ballast.Call) string {
	parts := make([]string, len(calls))
	for i, c := range calls {
		parts[i] = escapeControl(value.FormatCall(c), `\x3c`)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// Result puts a tool's answer on lines of its own below "Result:".
func (pythonic) Result(text string) (before, body, after string) { return "Result:\n", text, "" }

// Control is empty: the calls are plain text.
func (pythonic) Control() []string { return nil }

// Parse reads a reply; see Format.
func (f pythonic) Parse(reply string, known func(string) bool) Parsed {
	pieces := split(withoutEnd(reply))
	if p, bad := collapsed(pieces); bad {
		return p
	}
	var p Parsed
	rest := p.thought(pieces)
	list, end := f.find(rest)
	switch {
	case list < 0:
		p.Text = rest
		if otherSyntax(rest, known, false) || knownInBrackets(rest, known) {
			p.fault(ReasonOtherSyntax)
		}
		if !hasWord(rest) {
			p.fault(ReasonEmpty)
		}
	case end < 0:
		p.Text = rest[:list]
		p.fault(ReasonUnclosedTag)
	default:
		p.Text = rest[:list] + rest[end:]
		calls, err := value.ParseCalls(rest[list:end])
		if err != nil {
			p.fault(ReasonBadCall)
		}
		p.Calls = calls
		if trim(rest[end:]) != "" {
			p.fault(ReasonTextAroundCall)
		}
	}
	p.fault(faultyProse(p.Text))
	return p.finish(known)
}

// thought takes a leading thought off a reply of a format without control
// tokens and returns the text after it. Any other control token is a fault and
// left out.
func (p *Parsed) thought(pieces []piece) string {
	var rest strings.Builder
	inside, began := false, false
	for _, x := range pieces {
		switch {
		case !x.control && inside:
			p.Thought = trim(x.text)
		case !x.control:
			began = began || trim(x.text) != ""
			rest.WriteString(x.text)
		case x.text == openThink && !began:
			inside, began = true, true
		case x.text == closeThink && inside:
			inside = false
		case x.text == closeThink || x.text == closeCall:
			p.fault(ReasonStrayClose)
		default:
			p.fault(ReasonControlInText)
		}
	}
	if inside {
		p.fault(ReasonUnclosedTag)
	}
	return rest.String()
}

// find returns the byte range of the first list of calls: from the bracket that
// begins a line and is followed by a name and "(", to behind its closing
// bracket; end is -1 if it is not closed, list is -1 if there is none.
func (f pythonic) find(text string) (list, end int) {
	var s State
	list = -1
	bracket := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '[' && s.line == lineBlank {
			bracket = i
		}
		s = f.char(s, c)
		if s.Place == PlaceCall && list < 0 {
			list = bracket
		}
		if s.Place == PlaceAfter {
			return list, i + 1
		}
	}
	return list, -1
}

// knownInBrackets reports whether prose holds "[name(" of an offered function.
func knownInBrackets(text string, known func(string) bool) bool {
	if known == nil {
		return false
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '[' {
			continue
		}
		start := i + 1
		for i++; i < len(text) && nameByte(text[i]); i++ {
		}
		if i < len(text) && text[i] == '(' && i > start && known(text[start:i]) {
			return true
		}
		i--
	}
	return false
}

// lineState says what stands on the current line, outside calls.
type lineState uint8

const (
	lineBlank   lineState = iota // white space
	lineBracket                  // "["
	lineName                     // "[" and a name
	lineGap                      // and white space after it
	lineText                     // anything else
)

func nameByte(c byte) bool { return c == '_' || c == '.' || wordByte(c) }

// The states of a Python string literal that is open (State.run).
const (
	runFresh = iota + 1 // one quote was read
	runTwo              // two: an empty string, or the start of a long one
	runShort            // inside '...'
	runLong             // inside three quotes
	runLong1            // inside, one closing quote read
	runLong2            // inside, two closing quotes read
)

// Next moves the automaton on by the text of one or more tokens; see Format.
func (f pythonic) Next(s State, text string) State { return feed(s, text, f.char, otherControl) }

func (f pythonic) char(s State, c byte) State {
	switch s.Place {
	case PlaceCall:
		if s = pythonByte(s, c); s.depth == 0 {
			return State{Place: PlaceAfter}
		}
		return s
	case PlaceStart, PlaceMark, PlaceThought, PlaceProse:
		s = proseByte(s, c)
		switch {
		case c == '\n':
			s.line = lineBlank
		case isBlank(c):
			if s.line == lineName {
				s.line = lineGap
			}
		case c == '[' && s.line == lineBlank:
			s.line = lineBracket
		case nameByte(c) && (s.line == lineName || s.line == lineBracket && (c < '0' || c > '9') && c != '.'):
			s.line = lineName
		case c == '(' && (s.line == lineName || s.line == lineGap):
			return State{Place: PlaceCall, depth: 2}
		default:
			s.line = lineText
		}
		return s
	}
	return proseByte(s, c)
}

// pythonByte follows brackets, string literals and comments of Python.
func pythonByte(s State, c byte) State {
	if s.quote == '#' {
		if c == '\n' {
			s.quote = 0
		}
		return s
	}
	if s.quote == 0 {
		switch c {
		case '\'', '"':
			s.quote, s.run = c, runFresh
		case '#':
			s.quote = c
		default:
			s = bodyByte(s, c, "")
		}
		return s
	}
	if s.escape {
		s.escape = false
		return s
	}
	switch {
	case s.run == runTwo && c != s.quote: // it was an empty string
		s.quote, s.run = 0, 0
		return pythonByte(s, c)
	case c == s.quote && (s.run == runShort || s.run == runLong2):
		s.quote, s.run = 0, 0
	case c == s.quote && s.run == runTwo:
		s.run = runLong
	case c == s.quote:
		s.run++ // fresh to two, long to one and two closing quotes
	default:
		s.escape = c == '\\'
		if s.run == runFresh {
			s.run = runShort
		} else if s.run != runShort {
			s.run = runLong
		}
	}
	return s
}

// Legal says whether a control token may stand after s; see Format.
func (f pythonic) Legal(s State, token string) bool { return otherLegal(settle(s, f.char), token) }
