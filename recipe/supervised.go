package recipe

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/credit"
	"ballast/monitor"
	"ballast/rollout"
)

// Source names the tasks whose gold dialogues a supervised phase trains on.
type Source struct {
	Name string
	Doc  string
	Of   func(r *Run) []*ballast.Task
}

// Sources is the table of supervision sources.
var Sources = []Source{
	{"gold", "the gold dialogue of every training task", func(r *Run) []*ballast.Task {
		var out []*ballast.Task
		for i := range r.Train {
			if n := r.Recipe.SFT.Turns; n == 0 || len(r.Train[i].Turns) <= n {
				out = append(out, &r.Train[i])
			}
		}
		return out
	}},
}

func findSource(name string) *Source {
	for i := range Sources {
		if Sources[i].Name == name {
			return &Sources[i]
		}
	}
	return nil
}

func sourceNames() string {
	var names []string
	for _, s := range Sources {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// sftPhase is cross-entropy on the gold replies of dialogues in which the tools
// were really executed. The dialogues come out of the same rollout that plays
// the policy, so they have the tokens that the policy would see.
type sftPhase struct {
	run    *Run
	source string
	tasks  []*ballast.Task
}

func newSFTPhase(r *Run, s Source) *sftPhase {
	return &sftPhase{run: r, source: s.Name, tasks: s.Of(r)}
}

func (p *sftPhase) name() string { return "sft" }

func (p *sftPhase) perEpoch() int {
	return (len(p.tasks) + p.run.Recipe.SFT.Batch - 1) / p.run.Recipe.SFT.Batch
}

func (p *sftPhase) updates() int { return p.run.Recipe.SFT.Epochs * p.perEpoch() }

func (p *sftPhase) update(ctx context.Context, i int, m map[string]float64) ([]ballast.Episode, error) {
	r, start := p.run, time.Now()
	epoch, k := i/p.perEpoch(), i%p.perEpoch()
	order := r.order("sft", epoch, len(p.tasks))
	lo := k * r.Recipe.SFT.Batch
	batch := order[lo:min(lo+r.Recipe.SFT.Batch, len(order))]
	eps, err := p.dialogues(ctx, batch, epoch)
	if err != nil {
		return nil, err
	}
	samples := make([]ballast.Sample, len(eps))
	for j := range eps {
		samples[j] = GoldSample(&eps[j])
	}
	rate := r.Recipe.SFT.rate(i, p.updates())
	m[monitor.LearningRate] = rate
	err = r.learn(ctx, [][]ballast.Sample{samples}, 1, rate, m)
	m[monitor.SecondsTrain] = time.Since(start).Seconds()
	return nil, err
}

// dialogues plays the gold replies of the tasks, each in a format drawn for the
// task and epoch.
func (p *sftPhase) dialogues(ctx context.Context, batch []int, epoch int) ([]ballast.Episode, error) {
	r := p.run
	formats := r.Recipe.SFT.Formats
	if len(formats) == 0 {
		formats = []string{r.Recipe.Chat.Format}
	}
	byFormat := map[string][]rollout.Play{}
	for j, k := range batch {
		f := formats[mix(r.Recipe.Seed, uint64(epoch), uint64(k))%uint64(len(formats))]
		byFormat[f] = append(byFormat[f], rollout.Play{Task: p.tasks[k], Group: j, Gold: true})
	}
	var out []ballast.Episode
	for _, name := range slices.Sorted(maps.Keys(byFormat)) {
		plays := byFormat[name]
		f, err := chat.FormatByName(name)
		if err != nil {
			return nil, err
		}
		cfg := r.Recipe.Rollout(r.Engine.Style)
		cfg.Style.Format = f
		eps, err := rollout.Run(ctx, nil, cfg, plays, ballast.Sampling{})
		if err != nil {
			return nil, err
		}
		for j := range eps {
			if err := verify(&eps[j], plays[j].Task); err != nil {
				return nil, err
			}
		}
		out = append(out, eps...)
	}
	return out, nil
}

// verify insists that a demonstration earns the full reward.
func verify(ep *ballast.Episode, task *ballast.Task) error {
	if ep.Stop == ballast.StopInfra {
		return fmt.Errorf("gold of task %s: %s", task.ID, ep.Error)
	}
	if s := credit.Score(ep, task, credit.Options{}); !s.Success {
		return fmt.Errorf("gold of task %s fails at turn %d (%s, stop %s); raise the budget or leave the task out", task.ID, s.FailTurn+1, s.Reason, ep.Stop)
	}
	return nil
}

// rate is the learning rate of update i of n: linear warm-up, then cosine to
// zero or constant.
func (s *SFT) rate(i, n int) float64 {
	warm := int(math.Ceil(s.Warmup * float64(n)))
	if i < warm {
		return s.LR * float64(i+1) / float64(warm)
	}
	if s.Schedule == "constant" || n <= warm {
		return s.LR
	}
	return s.LR * 0.5 * (1 + math.Cos(math.Pi*float64(i-warm)/float64(n-warm)))
}
