package format

import (
	"strings"

	"ballast"
	"ballast/value"
)

// pythonic is the format of a Python list of calls, [f(a='x', b=1), g()], as
// Llama 3.2 and the prompts of several benchmarks ask for it. It has no control
// tokens. The list begins a line, the reply or a later one, and ends the reply.
type pythonic struct{ bare }

// Pythonic is the format `pythonic`. Names of functions and parameters must be
// identifiers; positional arguments are allowed.
var Pythonic Format = pythonic{bare{char: pythonChar, still: pythonStill, body: pythonBody, opener: '['}}

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

// Render is Write for calls that can be written.
func (f pythonic) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Write writes the calls as one list.
func (f pythonic) Write(calls []ballast.Call, offered Offered) (string, error) {
	parts := make([]string, len(calls))
	for i, c := range calls {
		parts[i] = EscapeControl(value.FormatCall(c), `\x3c`)
	}
	return checked(f, "["+strings.Join(parts, ", ")+"]", calls, offered)
}

// Result puts a tool's answer on lines of its own below "Result:".
func (pythonic) Result(text string) (before, body, after string) { return "Result:\n", text, "" }

// pythonBody reads a list of calls.
func pythonBody(text string) ([]ballast.Call, Reason, string) {
	calls, err := value.ParseCalls(text)
	if err != nil {
		return nil, ReasonBadCall, err.Error()
	}
	return calls, "", ""
}

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

// pythonChar moves on by one byte: a list begins where a line begins with a
// bracket, a name and a parenthesis. Line ends may stand behind the bracket.
func pythonChar(s State, c byte) State {
	switch s.Place {
	case PlaceCall:
		if s = pythonByte(s, c); s.depth == 0 {
			return State{Place: PlaceAfter}
		}
		return s
	case PlaceStart, PlaceMark, PlaceThought, PlaceProse:
		s = proseByte(s, c)
		switch {
		case c == '\n' && (s.line == lineBracket || s.line == lineOpen):
			s.line = lineOpen
		case c == '\n':
			s.line = lineBlank
		case isBlank(c):
			if s.line == lineName {
				s.line = lineGap
			}
		case c == '[' && (s.line == lineBlank || s.line == lineOpen):
			s.line = lineBracket
		case nameByte(c) && (s.line == lineName || (s.line == lineBracket || s.line == lineOpen) && (c < '0' || c > '9') && c != '.'):
			s.line = lineName
		case c == '(' && (s.line == lineName || s.line == lineGap): // now it is a call
			return State{Place: PlaceCall, depth: 2}
		default:
			s.line = lineText
		}
		return s
	}
	return proseByte(s, c)
}

// pythonStill counts the bytes that pythonByte passes over: inside a literal of one line all but its
// quote and backslashes, outside of literals and comments all but quotes, brackets and "#".
func pythonStill(s State, text string) (n int) {
	if s.escape || s.quote != 0 && s.run != runShort {
		return 0
	}
	for n < len(text) {
		c := text[n]
		if s.quote == 0 && pythonMark[c] || s.quote != 0 && (c == s.quote || c == '\\') {
			break
		}
		n++
	}
	return n
}

// pythonMark are the bytes that mean something to pythonByte outside of literals.
var pythonMark = [256]bool{'\'': true, '"': true, '#': true, '(': true, ')': true, '[': true, ']': true, '{': true, '}': true}

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
