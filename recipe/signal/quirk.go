package signal

import (
	"context"

	"ballast"
	"ballast/rollout"
)

// Quirky is the effect of quirks that make training see other tokens than those that
// were sampled. As in the reference code, old log-probabilities are then the current
// policy's on those tokens. It comes before all other effects.
func Quirky(q rollout.Quirks) []Effect {
	if !q.Trains() {
		return nil
	}
	return []Effect{quirky{q}}
}

type quirky struct{ quirks rollout.Quirks }

func (quirky) Plays(context.Context, *Draft) error { return nil }

func (e quirky) Stamp(ctx context.Context, d *Draft) error {
	mine := func(m *Member) bool { return m.Play != nil && !m.Play.Gold }
	for _, members := range d.Groups {
		for k := range members {
			if m := &members[k]; mine(m) {
				m.Episode = e.quirks.Trained(d.Rollout.Style, m.Episode)
				m.Sample = Policy(m.Episode, ballast.OwnerPolicy, m.Advantage, d.Loss)
			}
		}
	}
	return d.current(ctx, mine)
}
