package env

import (
	"context"

	"ballast"
)

// None is the name of the world in which nothing runs: the first reply, whatever it is, closes the turn.
const None = "none"

// none is that world. Its tasks document their tools.
type none struct{}

// Tools documents none.
func (none) Tools(context.Context, *ballast.Task) ([]ballast.Tool, error) {
	return []ballast.Tool{}, nil
}

// Open opens a session.
func (none) Open(context.Context, *ballast.Task) (ballast.Session, error) { return none{}, nil }

// Call answers that nothing runs: no episode calls it, since its turns close before.
func (none) Call(_ context.Context, c ballast.Call) (string, error) {
	return "error: nothing runs here: " + c.Name, nil
}

// Close gives back nothing.
func (none) Close() error { return nil }
