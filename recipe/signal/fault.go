package signal

import (
	"context"

	"ballast"
	"ballast/rollout"
)

// Faulty is the effect of faults that make training see other tokens than those that
// were sampled. As in the reference code, old log-probabilities are then the current
// policy's on those tokens. It comes before all other effects.
func Faulty(q rollout.Faults) []Effect {
	if !q.Trains() {
		return nil
	}
	return []Effect{faulty{q}}
}

type faulty struct{ faults rollout.Faults }

func (faulty) Requests(context.Context, *Draft) error { return nil }

func (e faulty) Stamp(ctx context.Context, d *Draft) error {
	mine := func(m *Member) bool { return m.Request != nil && !m.Request.Gold }
	for _, members := range d.Groups {
		for k := range members {
			if m := &members[k]; mine(m) {
				m.Episode = e.faults.Trained(d.Rollout.Renderer, m.Episode)
				m.Sample = Policy(m.Episode, ballast.OwnerPolicy, m.Advantage, d.Loss)
			}
		}
	}
	_, err := d.current(ctx, mine)
	return err
}
