package loop

import (
	"testing"

	"ballast/recipe"
)

// TestExtendState: a cursor behind the last phase goes back into it, one that is before
// its end stays where it is, what it knows of is not told twice, and the guard's own
// schedule grows with the recipe's.
func TestExtendState(t *testing.T) {
	phases := []recipe.Phase{{SFT: recipe.Names{"gold"}}, {RL: 9}} // 4, and 2 and 3 more
	guarded := func() []recipe.Phase {
		return []recipe.Phase{{SFT: recipe.Names{"gold"}}, {RL: 1}, {SFT: recipe.Names{"failed"}}, {RL: 3}}
	}
	for _, row := range []struct {
		name           string
		s              State
		phase, inPhase int
		last           int // updates of the guard's last phase
	}{
		{"ended", State{Phase: 2}, 1, 4, 0},
		{"in the last phase", State{Phase: 1, InPhase: 3, Begun: true}, 1, 3, 0},
		{"in the first", State{Phase: 0, InPhase: 3, Begun: true}, 0, 3, 0},
		{"ended, knows the first", State{Phase: 2, Extended: 1}, 1, 6, 0},
		{"ended, knows both", State{Phase: 2, Extended: 2}, 2, 0, 0},
		{"guarded", State{Phase: 4, Guard: Guarded{Phases: guarded()}}, 3, 3, 8},
		{"guarded, in it", State{Phase: 3, InPhase: 2, Begun: true, Guard: Guarded{Phases: guarded()}}, 3, 2, 8},
		{"guarded, knows both", State{Phase: 4, Extended: 2, Guard: Guarded{Phases: guarded()}}, 4, 0, 3},
	} {
		s := row.s
		s.Extend(phases, []int{2, 3})
		if s.Phase != row.phase || s.InPhase != row.inPhase || s.Extended != 2 || s.Begun != (s.Phase < 4 && row.inPhase > 0) {
			t.Errorf("%s: %+v", row.name, s)
		}
		if g := s.Guard.Phases; len(g) > 0 && (g[len(g)-1].RL != row.last || row.s.Guard.Phases[3].RL != 3) {
			t.Errorf("%s: %+v", row.name, g)
		}
	}
}
