package python

import (
	"fmt"

	"ballast/value"
)

// Exception is a Python exception on its way to the caller.
type Exception struct{ Kind, Text string }

// Kinds of exceptions that some code catches.
const (
	TypeError     = "TypeError"
	ValueError    = "ValueError"
	OverflowError = "OverflowError"
	OtherError    = "Exception"
)

// Raise raises a Python exception of a kind; it ends the call.
func Raise(kind, format string, args ...any) {
	panic(&Exception{kind, fmt.Sprintf(format, args...)})
}

// Caught returns the text of a recovered exception, and panics on anything else.
func Caught(r any) string {
	switch e := r.(type) {
	case *Exception:
		return e.Text
	case value.DigitsError:
		return e.Error()
	}
	panic(r)
}

// Try runs f and returns the exception it raised, or nil.
func Try(f func()) (e *Exception) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(value.DigitsError); ok {
				e = &Exception{ValueError, Caught(r)}
			} else {
				e = &Exception{OtherError, Caught(r)}
				if x, ok := r.(*Exception); ok {
					e = x
				}
			}
		}
	}()
	f()
	return nil
}

// Error is the text of the exception.
func (e *Exception) Error() string { return e.Text }
