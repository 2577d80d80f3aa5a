package signal

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/monitor"
	"ballast/rollout"
)

// off makes the sampler's log-probabilities differ from the learner's by amounts that are
// drawn, and returns these as they are after rounding, by member and sampled token.
func (b *bench) off(sd float64) (gap [][][]float64) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, members := range b.Groups {
		var group [][]float64
		for k := range members {
			ep, now := members[k].Episode, current(len(members[k].Sample.Tokens))
			if ep.LogProb == nil {
				ep.LogProb = make([]float32, len(ep.Tokens))
			}
			var d []float64
			for _, i := range owned(ep, ballast.OwnerPolicy) {
				ep.LogProb[i] = float32(float64(now[i]) - sd*(r.NormFloat64()+0.5))
				d = append(d, float64(now[i])-float64(ep.LogProb[i]))
			}
			group = append(group, d)
		}
		gap = append(gap, group)
	}
	return gap
}

// TestImportance compares weights and metrics with their definitions: at both levels, for a gap
// that the cap does not reach and one that it does. Gold and the reference term stay.
func TestImportance(t *testing.T) {
	for _, c := range []struct {
		level string
		sd    float64
		loss  Loss
	}{
		{"token", 0.1, Loss{KL: 0.25, Aggregate: "token-mean"}},
		{"token", 1.5, Loss{KL: 0.25, Aggregate: "sequence-mean"}},
		{"sequence", 0.02, Loss{Aggregate: "sequence-mean", Term: loss.TermSequence}},
		{"sequence", 0.8, Loss{KL: 0.25, Aggregate: "token-mean"}},
	} {
		const bound = 1.75
		b := open(t, "importance", Settings{"level": c.level, "cap": bound})
		b.Loss = c.loss
		b.Requests[0].Gold = true
		b.plays().play()
		gap := b.off(c.sd)
		before := b.stamp()
		var weights, means []float64
		for g, members := range b.Groups {
			for k, m := range members {
				if m.Request.Gold {
					same(t, "gold", m, before[g][k])
					continue
				}
				sum := 0.0
				for _, d := range gap[g][k] {
					sum += d
				}
				n := float64(len(gap[g][k]))
				means = append(means, min(bound, math.Exp(sum/n)))
				if c.level == "sequence" {
					weights = append(weights, min(bound, math.Exp(sum)))
				}
				was, now := before[g][k].Sample, m.Sample
				for j, i := range owned(m.Episode, ballast.OwnerPolicy) {
					w := min(bound, math.Exp(sum))
					if c.level == "token" {
						w = min(bound, math.Exp(gap[g][k][j]))
						weights = append(weights, w)
					}
					want := float64(was.Terms[c.loss.Term].Weight[i]) * w
					if got := float64(now.Terms[c.loss.Term].Weight[i]); math.Abs(got-want) > 1e-6*math.Abs(want) {
						t.Fatalf("%s %v: token %d weighs %v, want %v", c.level, c.sd, i, got, want)
					}
				}
				if now.Terms[c.loss.Term].Count != was.Terms[c.loss.Term].Count ||
					!slices.Equal(now.Terms[loss.TermReference].Weight, was.Terms[loss.TermReference].Weight) {
					t.Errorf("%s %v: the count or the reference term changed", c.level, c.sd)
				}
				if !slices.Equal(now.OldLogProb, current(len(now.Tokens))) || !slices.Equal(m.LogProb, now.OldLogProb) {
					t.Errorf("%s %v: the ratio does not start at the learner's own log-probabilities", c.level, c.sd)
				}
			}
		}
		if b.learner.asked != groups*size-1 {
			t.Errorf("the learner was asked for %d samples", b.learner.asked)
		}
		sum, squares, capped := 0.0, 0.0, 0.0
		for _, w := range weights {
			sum, squares = sum+w, squares+w*w
			if w == bound {
				capped++
			}
		}
		n := float64(len(weights))
		want := map[string]float64{monitor.ImportanceMean: sum / n, monitor.ImportanceMin: slices.Min(weights), monitor.ImportanceMax: slices.Max(weights),
			monitor.ImportanceCapped: capped / n, monitor.ImportanceESS: sum * sum / (n * squares)}
		if c.level == "sequence" {
			sum = 0
			for _, w := range means {
				sum += w
			}
			want[monitor.ImportanceGeometric] = sum / float64(len(means))
		}
		if (capped > 0) != (c.sd > 0.5) {
			t.Errorf("%s %v: %v of %v weights at the cap", c.level, c.sd, capped, n)
		}
		for name, w := range want {
			if got, ok := b.Metrics[name]; !ok || math.Abs(got-w) > 1e-9 {
				t.Errorf("%s %v: %s is %v, want %v", c.level, c.sd, name, got, w)
			}
		}
		if _, ok := b.Metrics[monitor.ImportanceGeometric]; ok != (c.level == "sequence") {
			t.Errorf("%s: %v", c.level, b.Metrics)
		}
	}
}

// TestImportanceLeaves: hinted episodes keep their weights; a sampler that tells nothing is
// an error; what is no number weighs as before, for the update to report.
func TestImportanceLeaves(t *testing.T) {
	b := open(t, "importance", nil)
	b.Requests[0].Hint = "call ls"
	b.plays().play()
	b.off(0.3)
	last := &b.Groups[1][2]
	i := owned(last.Episode, ballast.OwnerPolicy)[0]
	last.Episode.LogProb[i] = float32(math.NaN())
	before := b.stamp()
	same(t, "hinted", b.Groups[0][0], before[0][0])
	if got, want := last.Sample.Terms[loss.TermPolicy].Weight[i], before[1][2].Sample.Terms[loss.TermPolicy].Weight[i]; got != want {
		t.Errorf("a log-probability that is no number weighs %v, want %v", got, want)
	}
	b = open(t, "importance", nil).plays().play()
	b.Groups[0][1].Episode.LogProb = nil
	if err := b.effect.Stamp(t.Context(), b.Draft); err == nil || !strings.Contains(err.Error(), "tells no log-probabilities") {
		t.Errorf("error %v", err)
	}
}

// TestAsSampled: what sampler and learner say of a token is comparable where nobody has
// changed prompt or tokens.
func TestAsSampled(t *testing.T) {
	for _, c := range []struct {
		m      Member
		faults rollout.Faults
		want   bool
	}{
		{Member{Request: &rollout.Request{}}, nil, true},
		{Member{Request: &rollout.Request{}}, rollout.Faults{rollout.DropState}, true},
		{Member{Request: &rollout.Request{}}, rollout.Faults{rollout.Retokenise}, false},
		{Member{Request: &rollout.Request{Gold: true}}, nil, false},
		{Member{Request: &rollout.Request{Hint: "x"}}, nil, false},
		{Member{}, nil, false},
	} {
		if got := (&Draft{Rollout: rollout.Config{Faults: c.faults}}).AsSampled(&c.m); got != c.want {
			t.Errorf("%+v, faults %v: %t", c.m, c.faults, got)
		}
	}
}
