// Package bfcl simulates the tool APIs of the Berkeley Function-Calling
// Leaderboard's multi-turn categories (BFCL v4): the eight classes, their 128
// methods, and the long-context variants.
//
// Contract: a call is answered with the text that the original answers, byte by
// byte, wrong calls included, and leaves the state that the original leaves,
// mutations before a failure and aliased directories included. The original is
// Python, so package python and the files named py_*.go hold the part of Python that shows through:
// argument binding, exception texts, operators on mixed types, number formats,
// its random numbers, decimals and dates. Each class is one file with a table of
// its methods. A configuration is shared by the states made from it and must not
// be changed while they live; states copy what they write to.
//
// Nothing is evaluated: a call is a name and values, the name is looked up in the
// table of its class. Where that is not what the original does:
//
//   - Names outside the tables are undefined, also those that the interpreter
//     knows (print, open, __import__).
//   - Text inside arguments is left alone; the original rewrites what looks like
//     a call of a known method inside a string.
//   - Nothing is shared between states: not the default lists of post_tweet, not
//     the credit cards of the long context, not the weather. The original shares
//     all three among all the episodes of a process.
//   - Work is bounded: a power, a precision (above 5,000 digits), a decimal
//     exponent or a repetition that would take the original minutes or exhaust
//     its memory is answered with an error, and so is a walk over a directory
//     tree made cyclic or exponential by cp.
//   - Text that mpmath reads as a complex number is no argument of logarithm.
//   - A configuration with the random seed null gets seed 0, not the system's.
//   - Timestamps are those of a computer that runs on UTC.
//   - The message of an invalid travel class, and that of two or more invalid
//     ticket fields, list the elements of a set in one fixed order; the original
//     changes it from run to run.
//
// How it fails: a configuration that a class cannot load is an error of New. A
// failing call is an answer, "Error during execution: ..." or a JSON object with
// an error. Anything else is a bug and panics.
//
// The data in longcontext.json.gz are the benchmark's; see NOTICE.
package bfcl

import (
	"fmt"
	"strings"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// All is the table of the worlds, in the benchmark's order.
var All = []world.API{
	&api[*fileSystem]{fileSystemClass, newFileSystem},
	&api[*mathAPI]{mathClass, newMath},
	&api[*messageAPI]{messageClass, newMessage},
	&api[*twitterAPI]{twitterClass, newTwitter},
	&api[*ticketAPI]{ticketClass, newTicket},
	&api[*tradingBot]{tradingClass, newTrading},
	&api[*travelAPI]{travelClass, newTravel},
	&api[*vehicleAPI]{vehicleClass, newVehicle},
}

// Get returns the world of that name.
func Get(name string) (world.API, error) {
	for _, w := range All {
		if w.Name() == name {
			return w, nil
		}
	}
	return nil, fmt.Errorf("bfcl: no class is named %q", name)
}

// api is one class as a world.API.
type api[S world.State] struct {
	class *class[S]
	load  func(config *value.Dict, long bool) S
}

// Name returns the class name, such as GorillaFileSystem.
func (w *api[S]) Name() string { return w.class.name }

// Tools returns the methods with their parameters' names; the documentation
// comes with the task data.
func (w *api[S]) Tools() []ballast.Tool {
	tools := make([]ballast.Tool, len(w.class.order))
	for i, m := range w.class.order {
		t := &tools[i]
		t.Name = m.name
		for j, p := range m.params {
			t.Params = append(t.Params, ballast.Param{Name: p, Required: j < m.required})
		}
	}
	return tools
}

// Has reports whether the class has a method of that name.
func (w *api[S]) Has(name string) bool { return w.class.method(name) != nil }

// New starts a state. config is a *value.Dict, or nil for the class's defaults.
func (w *api[S]) New(config any, variant string) (state world.State, err error) {
	long, err := world.Long(w.class.name, variant)
	if err != nil {
		return nil, err
	}
	d, ok := config.(*value.Dict)
	if config != nil && !ok {
		return nil, fmt.Errorf("bfcl: the configuration of %s is %s, not an object", w.class.name, value.TypeName(config))
	}
	if d == nil {
		d = &value.Dict{}
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("bfcl: the configuration of %s does not load: %s", w.class.name, python.Caught(r))
		}
	}()
	return w.load(d, long), nil
}

// Means is the name without the white space around it, as far as the original, which writes a call down as text and evaluates
// that, passes over it: any behind it; before it blanks, and lines that are empty.
func (w *api[S]) Means(name string) string {
	bare := strings.TrimRightFunc(name, python.IsSpace)
	short := strings.TrimLeft(bare, " \t\f\r\n")
	space := bare[:len(bare)-len(short)]
	if end := strings.LastIndexAny(space, "\r\n"); strings.ContainsAny(space[end+1:], " \t") && end >= 0 {
		return name // the line of the call is indented
	}
	return short
}

// Unknown answers a call of a name that no class of the task has.
func (w *api[S]) Unknown(name string) string { return Unknown(name) }
