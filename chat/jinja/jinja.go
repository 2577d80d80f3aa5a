// Package jinja renders Jinja chat templates as transformers' apply_chat_template
// does: an ImmutableSandboxedEnvironment with trim_blocks, lstrip_blocks, loop
// controls, tojson without HTML escapes, raise_exception, strftime_now and
// {% generation %}.
//
// The contract: the text is Python's text, byte for byte, or there is an error.
// Where Python raises there is an error too. What this package does not know of
// Jinja (a filter, a method, a statement) is an error that names it, never another text.
// An Error has a kind: the template refused the variables (Raised), Python fails (Failed), or
// this package lacks something (Unsupported).
//
// It is the language of chat templates, not all of Jinja. Unsupported are
//   - inheritance, include, import, with, call and autoescape, and recursive loops;
//   - starred arguments, and varargs, kwargs and caller in macros;
//   - the filters, tests, functions and methods of otherFilters, otherTests, globals and attributes that have no code here;
//   - numbers that are not decimal, sums with integers beyond 64 bits, // and % of floats, most powers;
//   - formats with more than %s, %d, %c or {}, and the order of lists;
//   - text with an address in it, and most of what Python does with text marked as safe.
//
// Python may end with another error first. A template is never half rendered.
//
// Render runs in this process, within the bounds of Limits: a loop, a recursion or a
// text without end is a LimitError. Apart runs a stranger's template in a child process,
// which has no environment, whose time and memory are limited as well, and which ends
// with its parent.
//
// The child is this program again, under another name. So a program that calls Apart calls
// Main first thing in main, and a test binary does so in TestMain, before m.Run:
//
//	func TestMain(m *testing.M) {
//		jinja.Main()
//		os.Exit(m.Run())
//	}
//
// Nothing before Main may write to standard output, which is the child's reply.
//
// The interpreter is this package's own. A Go library was tried first (ardanlabs/jinja 1.8): of
// 1,161 renders of 71 templates it has 1,078 right and says nothing of the others, it
// renders where Python raises, keeps a loop's variables from round to round, and cannot be
// stopped. All of that is in its expressions, scopes and whitespace, which is nearly all of it.
//
// The files: lex, expr and parse read a template, symbols finds which variables a scope
// hides, program, eval and exec run it, object, ops, text, methods, filters, tests, globals
// and tojson are Python, apart is the process.
//
// There is no clock here: strftime_now answers with the date that the data names
// (dateKey), and with defaultDate if it names none.
package jinja

import (
	"fmt"
	"sync"
	"time"

	"ballast/value"
)

// dateKey is the variable of the data that sets the date of strftime_now: a text
// "2006-01-02" or "2006-01-02 15:04:05". Templates see the function, not the text.
const dateKey = "strftime_now"

// defaultDate is the date of strftime_now when the data names none. It is the date that
// Llama 3's templates fall back to, so that prompts are the same on every day.
const defaultDate = "2024-07-26"

// Limits bound one render. A render that passes one ends with a *LimitError that names it.
type Limits struct {
	Source int           // bytes of a template's source
	Output int           // bytes of the text, and of all texts and lists made on the way times eight
	Steps  int           // operations
	Depth  int           // macros that call each other; brackets and blocks inside each other
	Time   time.Duration // of one render; Apart allows the child two seconds more before it ends it
	Memory int64         // bytes of the child process; Apart only
}

// DefaultLimits are those of Render and Apart.
var DefaultLimits = Limits{Source: 1 << 20, Output: 32 << 20, Steps: 20_000_000, Depth: 150,
	Time: 10 * time.Second, Memory: 1 << 30}

// LimitError says which limit a template passed.
type LimitError struct {
	Limit string // the field of Limits, in small letters
	Bound string // its value
}

// Error is the text of the error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("the template passed the limit on %s (%s)", e.Limit, e.Bound)
}

// Result is what one render came to: a text or an error.
type Result struct {
	Text string
	Err  error
}

// Render renders source with the variables in data, in this process. Data are the
// variables of apply_chat_template (messages, tools, add_generation_prompt, bos_token and
// so on). tools and documents are None and add_generation_prompt is false
// where data lacks them, as in transformers. Data is not changed.
func Render(source string, data *value.Dict) (string, error) {
	last.Lock()
	if last.p == nil || last.source != source {
		last.source = source
		last.p, last.err = compile(source, DefaultLimits)
	}
	p, err := last.p, last.err
	last.Unlock()
	if err != nil {
		return "", err
	}
	return p.render(data, DefaultLimits)
}

// last is the program that Render compiled last: a template renders many conversations,
// and compiling it takes ten times as long as one of them.
var last struct {
	sync.Mutex
	source string
	p      *program
	err    error
}

// All is Render for several sets of variables.
func All(source string, data []*value.Dict) []Result {
	out := make([]Result, len(data))
	for i, d := range data {
		out[i].Text, out[i].Err = Render(source, d)
	}
	return out
}

// Kinds of errors of a render.
const (
	// Raised: the template itself refused the variables, with raise_exception.
	Raised = "raised"
	// Failed: Python fails here too: an operation on values that do not have it, bad syntax.
	Failed = "failed"
	// Unsupported: Python may have a text, but this package does not know the construct.
	Unsupported = "unsupported"
)

// Error says why there is no text. Limits have an error of their own, LimitError.
type Error struct {
	Kind string
	Line int    // of the template, from 1; 0 where there is none
	Text string // of raise_exception: its message
}

// Error is the text of the error.
func (e *Error) Error() string {
	at := "the template"
	if e.Line > 0 {
		at = fmt.Sprintf("line %d of the template", e.Line)
	}
	switch e.Kind {
	case Raised:
		return at + " refuses: " + e.Text
	case Unsupported:
		return at + " needs what this renderer lacks: " + e.Text
	}
	return at + ": " + e.Text
}

// failedAt, failed, unsupportedAt and unsupported make errors. The line of those without one is the
// statement's that runs.
func failedAt(line int, format string, args ...any) *Error {
	return &Error{Failed, line, fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) *Error { return failedAt(0, format, args...) }

func unsupportedAt(line int, format string, args ...any) *Error {
	return &Error{Unsupported, line, fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) *Error { return unsupportedAt(0, format, args...) }
