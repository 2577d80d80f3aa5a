package signal

import (
	"context"
	"fmt"

	"ballast"
	"ballast/loss"
	"ballast/monitor"
	"ballast/recipe/strict"
	"ballast/rollout"
)

// Gold is off-policy supervision (OPS, paper, section 3.2): n episodes of every
// group are gold dialogues with really executed tools and the ordinary reward;
// the advantage is the mixed group's.
var Gold = Signal{
	Name: "gold",
	Doc:  "some episodes of a group are gold dialogues (OPS)",
	Settings: []strict.Setting{
		{Key: "n", Unit: "rollouts", In: strict.Span{Lo: 1, Hi: most}, Doc: "Gold episodes of a group."},
		{Key: "loss", Of: func() []string { return []string{"ratio", "shaped"} },
			Doc: "The clipped ratio to the current policy, which starts at 1 (the paper's), or p/(p+gamma)."},
	},
	Default: goldEffect{N: 1, Loss: "ratio"},
	New: func(e Effect, n int) (Effect, error) {
		if of := e.(goldEffect).N; of > n {
			return nil, fmt.Errorf("n: %d of %d episodes cannot be gold", of, n)
		}
		return e, nil
	},
	Needs: func(e Effect) Needs { return Needs{Gold: []string{""}, Takes: e.(goldEffect).N} },
}

type goldEffect struct {
	N    int    `yaml:"n"`
	Loss string `yaml:"loss"`
}

func (e goldEffect) Requests(_ context.Context, d *Draft) error {
	return d.take(e.N, func(p *rollout.Request) { p.Gold = true })
}

func (e goldEffect) Stamp(ctx context.Context, d *Draft) error {
	mine := func(m *Member) bool { return m.Request != nil && m.Request.Gold }
	d.share(monitor.GoldSuccess, mine)
	for _, g := range d.Groups {
		for k := range g {
			switch m := &g[k]; {
			case mine(m):
				m.Sample = Policy(m.Episode, ballast.OwnerGold, m.Advantage, d.Loss)
				if e.Loss == "shaped" {
					shape(&m.Sample, d.Loss.Term)
				}
			case e.Loss == "shaped" && m.Request != nil:
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
	_, err := d.current(ctx, mine)
	return err
}

// shape moves a sample's policy weights to the off-policy term. No ratio is left
// that would need old log-probabilities.
func shape(s *ballast.Sample, term int) {
	t := s.Terms[term]
	s.Terms[loss.TermOffPolicy] = t
	s.Terms[term] = ballast.Term{Weight: make([]float32, len(s.Tokens)), Count: t.Count}
	s.OldLogProb = make([]float32, len(s.Tokens))
}
