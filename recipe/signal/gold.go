package signal

import (
	"context"
	"fmt"

	"ballast"
	"ballast/loss"
	"ballast/monitor"
	"ballast/rollout"
)

// Gold is off-policy supervision (OPS, paper, section 3.2): n episodes of every
// group are gold dialogues with really executed tools and the ordinary reward;
// the advantage is the mixed group's.
var Gold = Signal{
	Name: "gold",
	Doc:  "n episodes of a group are gold dialogues (OPS); loss: ratio or shaped",
	New: func(s Settings, n int) (Effect, error) {
		e := goldEffect{N: 1, Loss: "ratio"}
		if err := s.into(&e); err != nil {
			return nil, err
		}
		if e.N < 1 || e.N > n {
			return nil, fmt.Errorf("n: %d of %d episodes cannot be gold", e.N, n)
		}
		if e.Loss != "ratio" && e.Loss != "shaped" {
			return nil, fmt.Errorf("loss: %q is not one of ratio (the paper's), shaped (p/(p+gamma))", e.Loss)
		}
		return e, nil
	},
	Needs: func(Settings) Needs { return Needs{Golden: true} },
}

type goldEffect struct {
	N int `yaml:"n"`
	// Loss is ratio: clipped ratio to the current policy, which starts at 1, as
	// in the paper; or shaped: the OffPolicy term p/(p+gamma).
	Loss string `yaml:"loss"`
}

func (e goldEffect) Plays(_ context.Context, d *Draft) error {
	return d.take(e.N, func(p *rollout.Play) { p.Gold = true })
}

func (e goldEffect) Stamp(ctx context.Context, d *Draft) error {
	mine := func(m *Member) bool { return m.Play != nil && m.Play.Gold }
	d.share(monitor.GoldSuccess, mine)
	for _, g := range d.Groups {
		for k := range g {
			switch m := &g[k]; {
			case mine(m):
				m.Sample = Policy(m.Episode, ballast.OwnerGold, m.Advantage, d.Loss)
				if e.Loss == "shaped" {
					shape(&m.Sample, d.Loss.Term)
				}
			case e.Loss == "shaped" && m.Play != nil:
				// The two terms of the group have one denominator, Z of the
				// paper's objective.
				m.Sample.Terms[loss.TermOffPolicy] = ballast.Term{
					Weight: make([]float32, len(m.Sample.Tokens)), Count: m.Sample.Terms[d.Loss.Term].Count}
			}
		}
	}
	if e.Loss == "shaped" {
		return nil
	}
	return d.current(ctx, mine)
}

// shape moves a sample's policy weights to the off-policy term. No ratio is left
// that would need old log-probabilities.
func shape(s *ballast.Sample, term int) {
	t := s.Terms[term]
	s.Terms[loss.TermOffPolicy] = t
	s.Terms[term] = ballast.Term{Weight: make([]float32, len(s.Tokens)), Count: t.Count}
	s.OldLogProb = make([]float32, len(s.Tokens))
}
