package jinja

import "fmt"

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
