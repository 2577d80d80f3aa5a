package env

import (
	"context"

	"ballast"
)

// scripted says the texts of a task's turns.
type scripted struct{ turns []ballast.TaskTurn }

func turns(_ context.Context, t *ballast.Task) (ballast.User, error) { return scripted{t.Turns}, nil }

// Next returns the text of the turn after those that the episode has.
func (s scripted) Next(_ context.Context, ep *ballast.Episode) (string, bool, error) {
	if n := len(ep.Turns); n < len(s.turns) {
		return s.turns[n].User, true, nil
	}
	return "", false, nil
}
