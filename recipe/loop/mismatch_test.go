package loop

import (
	"context"
	"math"
	"slices"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/engine"
	"ballast/loss"
	"ballast/model"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/recipe"
)

// apart is a learner whose log-probabilities are apart from the sampler's, which says 0, by
// a known amount at every token. An update moves it.
type apart struct {
	Recorder
	at     func(update, token int) float64
	asked  int // calls of LogProbs
	moved  float64
	update int
}

func (a *apart) says(i int) float32 { return float32(a.at(a.update, i) + a.moved) }

func (a *apart) Update(ctx context.Context, samples []ballast.Sample, rate float64) (ballast.Stats, error) {
	for i := range samples {
		s := &samples[i]
		for k := range s.NewLogProb {
			if s.Terms[loss.TermPolicy].Weight[k] != 0 {
				s.NewLogProb[k] = a.says(k)
			}
		}
	}
	if slices.ContainsFunc(samples, weighs) {
		a.moved++
	}
	return a.Recorder.Update(ctx, samples, rate)
}

func (a *apart) LogProbs(_ context.Context, samples []ballast.Sample) ([][]float32, error) {
	a.asked++
	out := make([][]float32, len(samples))
	for i, s := range samples {
		for k := range s.Tokens {
			out[i] = append(out[i], a.says(k))
		}
	}
	return out, nil
}

// begins has the policy follow the learner after an update.
func (a *apart) begins(run *Run) {
	run.Observe = func(ballast.Update, Progress) { a.moved, a.update = 0, a.update+1 }
}

// zigzag is d or -d, token by token.
func zigzag(d float64, i int) float64 {
	if i%2 == 0 {
		return d
	}
	return -d
}

// TestMismatch: the gap of an update is that of the tokens whose learner had not moved: of the
// first minibatch with a weight, or with signal importance of all. Nothing is asked for without it.
func TestMismatch(t *testing.T) {
	for _, c := range []struct {
		what  string
		level string // of signal importance; "" without it
		wins  [][2]uint64
		from  int // groups that are compared, of four
		to    int
	}{
		{"the first of two minibatches", "", [][2]uint64{{0, 1}, {1, 2}, {2, 3}, {3, 4}}, 0, 2},
		{"the first has no spread and moves nothing", "", [][2]uint64{{2, 3}, {3, 4}}, 2, 4},
		{"token", "token", [][2]uint64{{0, 1}, {3, 2}}, 0, 4},
		{"sequence", "sequence", [][2]uint64{{0, 1}, {3, 2}}, 0, 4},
	} {
		r := small(t, "grpo", recipe.Phase{RL: 1})
		r.RL.Prompts, r.RL.Minibatches, r.RL.KL = 4, 2, 0
		if c.level != "" {
			r = use(r, "importance", "level", c.level)
		}
		run, _, log := newRun(t, r, winners(&r, c.wins...))
		learner := &apart{at: func(_, i int) float64 { return zigzag(0.03*float64(i%7), i) }}
		run.Engine.Engine.(*fake).learner = learner
		learner.begins(run)
		if _, err := run.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		n, abs, most, k1, k3, much := 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
		for _, ep := range log.episodes[0] {
			if ep.Group < c.from || ep.Group >= c.to {
				continue
			}
			for i, o := range ep.Owners {
				if o == ballast.OwnerPolicy {
					d := float64(float32(zigzag(0.03*float64(i%7), i)))
					n, abs, most, k1, k3 = n+1, abs+math.Abs(d), max(most, math.Abs(d)), k1-d, k3+math.Exp(d)-1-d
					if math.Abs(math.Exp(d)-1) > 0.1 {
						much++
					}
				}
			}
		}
		m := log.updates[0].Metrics
		for name, want := range map[string]float64{monitor.GapTokens: n, monitor.GapMean: abs / n, monitor.GapMax: most, monitor.GapK1: k1 / n,
			monitor.GapK3: k3 / n, monitor.GapShare: much / n} {
			if math.Abs(m[name]-want) > 1e-12 {
				t.Errorf("%s: %s is %v, want %v", c.what, name, m[name], want)
			}
		}
		parts := 0.0
		for _, place := range monitor.GapPlaces() {
			parts += m[monitor.GapAt(place, monitor.GapTokens)]
		}
		if parts != n || m[monitor.GapAt("2", monitor.GapTokens)] == 0 {
			t.Errorf("%s: %v tokens by reply, want %v", c.what, parts, n)
		}
		_, weighed := m[monitor.ImportanceMean]
		if on := c.level != ""; weighed != on || (learner.asked == 1) != on || learner.asked > 1 {
			t.Errorf("%s: %d times asked; %v", c.what, learner.asked, m)
		}
	}
}

// TestMismatchVerdict: a gap that opens is the run's verdict, with its onset; rounding is none.
func TestMismatchVerdict(t *testing.T) {
	for _, c := range []struct {
		what string
		d    func(update, i int) float64
		want verdict.State
	}{
		{"rounding", func(_, i int) float64 { return 1e-6 }, verdict.Healthy},
		{"opens", func(u, i int) float64 { return 0.004 * math.Exp(min(4, float64(max(0, u-15)))) }, verdict.Mismatch},
	} {
		r := small(t, "grpo", recipe.Phase{RL: 30})
		r.RL.KL = 0
		wins := func(s uint64) bool { return s%2 == 0 }
		run, _, log := newRun(t, r, wins)
		learner := &apart{at: func(u, i int) float64 { return zigzag(c.d(u, i), i) }}
		run.Engine.Engine.(*fake).learner = learner
		learner.begins(run)
		if _, err := run.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := verdict.New()
		for _, u := range log.updates {
			d.Add(u)
		}
		got := d.Diagnosis()
		if mismatch := got.Verdict == verdict.Mismatch; mismatch != (c.want == verdict.Mismatch) {
			t.Errorf("%s: %s", c.what, got.Verdict)
		} else if mismatch && (got.Onset < 14 || got.Onset > 19) {
			t.Errorf("%s: onset at update %d", c.what, got.Onset)
		}
	}
}

// TestLocalGap: sampler and learner of the local engine agree up to rounding, so that importance
// weights are 1 at both levels.
func TestLocalGap(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector: TestTrainSignals of cmd/ballast trains with one")
	}
	for _, level := range []string{"token", "sequence"} {
		r, err := recipe.New("grpo")
		if err != nil {
			t.Fatal(err)
		}
		r.Phases, r.RL.Prompts, r.RL.Rollouts, r.Keep = []recipe.Phase{{RL: 1}}, 2, 4, recipe.Keep{}
		r = use(r, "importance", "level", level)
		m, err := model.Embedded()
		if err != nil {
			t.Fatal(err)
		}
		renderer := chat.Renderer{Tokenizer: m.Tokenizer, Template: chat.Compact, Format: chat.Hermes}
		ids, _ := renderer.Control()
		e, err := engine.Open(t.Context(), &r, m, ids)
		if err != nil {
			t.Fatal(err)
		}
		log := &memory{}
		run := &Run{Recipe: r, Engine: Engine{Engine: e, Renderer: renderer}, Train: office(), Log: log}
		if _, err := run.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		got := log.updates[0].Metrics
		for _, name := range []string{monitor.ImportanceMean, monitor.ImportanceMin, monitor.ImportanceMax, monitor.ImportanceESS} {
			if math.Abs(got[name]-1) > 1e-3 {
				t.Errorf("%s: %s is %v", level, name, got[name])
			}
		}
		if got[monitor.GapTokens] != got[monitor.TokensSampled] || got[monitor.GapMax] > 1e-3 || got[monitor.GapK3] > 1e-6 ||
			got[monitor.GapShare] != 0 {
			t.Errorf("%s: %v", level, got)
		}
	}
}
