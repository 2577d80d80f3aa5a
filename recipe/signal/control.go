package signal

import (
	"context"

	"ballast"
	"ballast/chat"
	"ballast/loss"
	"ballast/recipe/strict"
)

// control holds the reference term on control tokens at a weight of their own, so
// that the format is kept near the reference while the content is free to move. It
// is not in the paper; `guard.do: reference` does it on an alarm.
var control = Signal{
	Name: "control",
	Doc:  "the reference term has a weight of its own on sampled control tokens",
	Settings: []strict.Setting{
		{Key: "kl", In: strict.Span{Hi: 1e6}, Doc: "The weight of the reference term on control tokens, whatever `rl.kl` is."},
	},
	Default: controlEffect{KL: 0.01},
	Needs:   func(Effect) Needs { return Needs{Reference: true} },
}

type controlEffect struct {
	KL float64 `yaml:"kl"`
}

func (controlEffect) Requests(context.Context, *Draft) error { return nil }

func (e controlEffect) Stamp(_ context.Context, d *Draft) error {
	tokens := map[int32]bool{}
	ids, _ := chat.Renderer.Control(d.Rollout.Renderer)
	for _, id := range ids {
		tokens[id] = true
	}
	for _, members := range d.Groups {
		for k := range members {
			m := &members[k]
			if m.Request == nil || m.Request.Gold {
				continue
			}
			on := owned(m.Episode, ballast.OwnerPolicy)
			scale, count := d.Loss.scale(len(on))
			t := &m.Sample.Terms[loss.TermReference]
			if t.Weight == nil {
				*t = ballast.Term{Weight: make([]float32, len(m.Sample.Tokens)), Count: count}
			}
			for _, i := range on {
				if tokens[m.Sample.Tokens[i]] {
					t.Weight[i] = float32(e.KL * scale)
				}
			}
		}
	}
	return nil
}
