package signal

import (
	"context"
	"fmt"
	"math"

	"ballast"
	"ballast/monitor"
	"ballast/recipe/strict"
)

// importance weighs the advantages of sampled tokens by what the learner thinks of them as
// a share of what the sampler thought: truncated importance sampling (Ionides 2008; for the
// gap between two engines Yao et al. 2025, verl's rollout correction and TRL's
// vllm_importance_sampling_correction). The ratio of the loss then starts at the learner's own
// log-probabilities, so that its clip bounds what the update moves and not the gap.
//
// The learner says what it thinks before the first minibatch, which is a forward pass of
// the batch more. The weights are not normalised. Demonstrations and hinted episodes keep
// theirs: nobody sampled them as they are learnt from.
var importance = Signal{
	Name: "importance",
	Doc:  "truncated importance weights against the gap between sampler and learner (TIS), for one forward pass more",
	Settings: []strict.Setting{
		{Key: "level", Of: func() []string { return []string{tokenLevel, sequenceLevel} },
			Doc: "A weight for each token, or the product of these for all tokens of an episode."},
		{Key: "cap", In: strict.Span{Lo: 1, Hi: 1e6}, Doc: "The largest weight."},
	},
	Default: importanceEffect{Level: tokenLevel, Cap: 2},
	Needs:   func(Effect) Needs { return Needs{Sampler: true} },
}

// The levels of importance weights.
const (
	tokenLevel    = "token"
	sequenceLevel = "sequence"
)

type importanceEffect struct {
	Level string  `yaml:"level"`
	Cap   float64 `yaml:"cap"`
}

func (importanceEffect) Requests(context.Context, *Draft) error { return nil }

func (e importanceEffect) Stamp(ctx context.Context, d *Draft) error {
	members, err := d.current(ctx, d.AsSampled)
	if err != nil {
		return err
	}
	var all, means weighed
	for _, m := range members {
		on := owned(m.Episode, ballast.OwnerPolicy)
		if len(on) == 0 {
			continue
		}
		if len(m.Episode.LogProb) != len(m.LogProb) {
			return fmt.Errorf("signal importance: the engine's sampler tells no log-probabilities of what it samples (task %s); leave the "+
				"signal out", m.Episode.Task)
		}
		gap := make([]float64, len(on)) // log of learner to sampler
		sum := 0.0
		for k, i := range on {
			// What is no number comes of weights that are none, which the update reports.
			if x := float64(m.LogProb[i]) - float64(m.Episode.LogProb[i]); !math.IsNaN(x) {
				gap[k] = x
			}
			sum += gap[k]
		}
		if e.Level == sequenceLevel {
			for k := range gap {
				gap[k] = sum
			}
			all.add(e.weight(sum), e.Cap)
			means.add(e.weight(sum/float64(len(on))), e.Cap)
		}
		weight := m.Sample.Terms[d.Loss.Term].Weight
		for k, i := range on {
			w := e.weight(gap[k])
			weight[i] = float32(float64(weight[i]) * w)
			if e.Level == tokenLevel {
				all.add(w, e.Cap)
			}
		}
	}
	all.fill(d.Metrics)
	if means.n > 0 {
		d.Metrics[monitor.ImportanceGeometric] = means.sum / means.n
	}
	return nil
}

// weight is the weight of a log-ratio.
func (e importanceEffect) weight(gap float64) float64 { return min(e.Cap, math.Exp(gap)) }

// weighed counts weights.
type weighed struct{ n, sum, squares, least, most, capped float64 }

func (c *weighed) add(w, bound float64) {
	if c.n == 0 {
		c.least = w
	}
	c.n++
	c.sum += w
	c.squares += w * w
	c.least, c.most = min(c.least, w), max(c.most, w)
	if w >= bound {
		c.capped++
	}
}

func (c *weighed) fill(m map[string]float64) {
	if c.n == 0 {
		return
	}
	m[monitor.ImportanceMean], m[monitor.ImportanceMin], m[monitor.ImportanceMax] = c.sum/c.n, c.least, c.most
	m[monitor.ImportanceCapped], m[monitor.ImportanceESS] = c.capped/c.n, 0
	if c.squares > 0 {
		m[monitor.ImportanceESS] = c.sum * c.sum / (c.n * c.squares)
	}
}
