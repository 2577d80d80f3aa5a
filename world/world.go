// Package world says what a simulated tool API is: functions over a state that lives in
// memory. The packages below it hold the APIs; package env/sim plays tasks in them.
//
// Contract: an API holds no state of its own. Calls are dispatched by function name
// through tables; no text is ever evaluated. There is no clock and no network: the same
// calls on the same configuration give the same answers. Every API passes the
// conformance test of package env/sim.
//
// How it fails: a configuration that an API does not take is an error of New. A call that
// makes no sense is answered with a short error text, which the policy sees. Anything else
// is a bug of the API and panics.
package world

import (
	"fmt"

	"ballast"
)

// API is one simulated tool API.
type API interface {
	Name() string
	// Tools documents the functions. An API whose documentation comes with the tasks
	// returns names and the names of parameters.
	Tools() []ballast.Tool
	// New starts a fresh state from a configuration (kinds of package value, nil for the
	// default). variant is "" or the name of another way in which the API starts, such as
	// LongContext; one that the API does not know is an error.
	New(config any, variant string) (State, error)
}

// State is one API during one episode.
type State interface {
	// Call runs one call and returns the text the policy sees. A failure of
	// the call is such a text too. It never keeps or changes c's values.
	Call(c ballast.Call) string
	// Equal names the first public attribute in which other (a state of the
	// same API) differs, or returns "".
	Equal(other State) string
	// Dump returns the public attributes as an ordered value.
	Dump() any
	// Copy returns a state that goes on from here. The receiver is read from then
	// on and must not be called again; it may be copied again, compared and
	// dumped, by several goroutines. The copy belongs to its caller.
	Copy() State
}

// Haver is an API with a fast way to tell whether it has a function, or a State whose
// functions come with its configuration.
type Haver interface{ Has(name string) bool }

// Documenter is a State whose functions come with its configuration, and are documented by it.
type Documenter interface{ Tools() []ballast.Tool }

// Unknowner is an API that has its own wording for calls of functions that do
// not exist. The first such API of a task answers.
type Unknowner interface {
	Unknown(name string) string
}

// Namer is an API that reads names as text, so that several mean one function.
type Namer interface {
	// Means is the name of the function that a name would mean, whether there is one or not.
	Means(name string) string
}

// Failer is an API that can tell the answer of a failed call and promises that
// such a call left the state as it was.
type Failer interface {
	Failed(answer string) bool
}

// LongContext is the variant in which what matters stands among much that does not: three
// times the things in one package of APIs, data of the benchmark's in another.
const LongContext = "long_context"

// Long reads the variant of an API that has LongContext and no other.
func Long(api, variant string) (long bool, err error) {
	if variant != "" && variant != LongContext {
		return false, fmt.Errorf("world: %s has no variant %q; there is %s", api, variant, LongContext)
	}
	return variant == LongContext, nil
}
