// Package bench measures this machine: whole updates of the local engine, the simulated
// worlds of the benchmark, what monitoring costs, and whether runs that are killed end with
// the bits of those that are not.
//
// Contract: figures are of work that was really done; the first round, which warms up, is
// not counted. What cannot be measured, or ends with other bits, is an error.
package bench

import (
	"context"
	"io"
	"runtime"
	"time"

	"ballast"
	"ballast/engine"
	"ballast/loss"
	"ballast/model"
	"ballast/monitor"
	"ballast/recipe/loop"
	"ballast/recipe/signal"
	"ballast/rollout"
	"ballast/safetext"
	"ballast/train/pack"
)

// EngineResult is what `ballast bench engine` measures: whole GRPO updates of
// 128 episodes on desk tasks. Tokens are real ones; padding is counted apart.
type EngineResult struct {
	Parameters      int     `json:"parameters"`
	Cores           int     `json:"cores"`
	Kernels         string  `json:"kernels"`
	Episodes        int     `json:"episodes"`
	Sampled         float64 `json:"sampled_tokens"`
	SampleSeconds   float64 `json:"sample_seconds"`
	SampledPerSec   float64 `json:"sampled_tokens_per_second"`
	Prefilled       float64 `json:"prefilled_tokens"`
	Shared          float64 `json:"prompt_tokens_shared"`
	Computed        float64 `json:"trained_tokens_computed"`
	Padded          float64 `json:"trained_tokens_padding"`
	Episodic        float64 `json:"trained_tokens_of_episodes"`
	TrainSeconds    float64 `json:"train_seconds"`
	ComputedPerSec  float64 `json:"trained_tokens_computed_per_second"`
	EpisodicPerSec  float64 `json:"trained_tokens_of_episodes_per_second"`
	PrefixFactor    float64 `json:"tokens_saved_by_shared_prefixes_factor"`
	SecondsPerRound float64 `json:"seconds_per_update"`
	// Monitoring is what metrics, verdict and watched tokens add to an update, as a
	// share of its processor time; of embedded models on processors only.
	Monitoring float64 `json:"monitoring_share,omitempty"`
	// A BFCL-shaped group: 8 continuations of 1k tokens on one prompt of 4k.
	GroupTokens   int     `json:"bfcl_group_tokens"`
	GroupComputed int     `json:"bfcl_group_tokens_computed"`
	GroupFactor   float64 `json:"bfcl_group_factor"`
}

// group packs a BFCL-shaped group and counts what the learner would compute.
func (res *EngineResult) group() {
	const prompt, continuation, n = 4096, 1024, 8
	samples := make([]ballast.Sample, n)
	for i := range samples {
		s := ballast.Sample{Tokens: make([]int32, prompt+continuation), Prefix: prompt}
		s.Terms[loss.TermPolicy] = ballast.Term{Weight: make([]float32, prompt+continuation), Count: continuation}
		for k := prompt; k < prompt+continuation; k++ {
			s.Terms[loss.TermPolicy].Weight[k] = 1
		}
		samples[i] = s
		res.GroupTokens += prompt + continuation
	}
	for _, b := range pack.Batches(samples, 1<<20, false) {
		res.GroupComputed += len(b.Tokens)
	}
	res.GroupFactor = float64(res.GroupTokens) / float64(res.GroupComputed)
}

// Engine plays and learns so many updates of a prepared run after one that warms up. still is
// a copy of the run's model that the learner does not change: with it, what monitoring costs is
// measured too; nil leaves that out.
func Engine(ctx context.Context, run *loop.Run, still *model.Model, rounds int) (*EngineResult, error) {
	r := &run.Recipe
	e := run.Engine.Engine.(engine.Engine)
	res := &EngineResult{Cores: runtime.GOMAXPROCS(0), Kernels: e.Describe(), Episodes: r.RL.Prompts * r.RL.Rollouts}
	if err := run.Engine.Learner().Freeze(); err != nil {
		return nil, err
	}
	for i := range rounds + 1 {
		if i == 1 {
			res = &EngineResult{Cores: res.Cores, Kernels: res.Kernels, Episodes: res.Episodes}
		}
		if err := res.round(ctx, run, e, i); err != nil {
			return nil, err
		}
	}
	res.SampledPerSec = res.Sampled / res.SampleSeconds
	res.ComputedPerSec = res.Computed / res.TrainSeconds
	res.EpisodicPerSec = res.Episodic / res.TrainSeconds
	res.PrefixFactor = res.Episodic / res.Computed
	res.group()
	if still != nil {
		c, err := Watch(ctx, run, still, 6)
		if err != nil {
			return nil, err
		}
		res.Monitoring = c.Share()
	}
	res.SecondsPerRound = (res.SampleSeconds + res.TrainSeconds) / float64(rounds)
	return res, nil
}

// round plays one update's episodes and trains on them.
func (res *EngineResult) round(ctx context.Context, run *loop.Run, e engine.Engine, i int) error {
	r := &run.Recipe
	before := e.Counters()
	start := time.Now()
	eps, err := rollout.Run(ctx, e.Policy(), r.Rollout(run.Engine.Renderer), plays(run, i), r.Sampling())
	if err != nil {
		return err
	}
	res.SampleSeconds += time.Since(start).Seconds()
	after := e.Counters()
	res.Sampled += float64(after.Sampled - before.Sampled)
	res.Prefilled += float64(after.Prefilled - before.Prefilled)
	res.Shared += float64(after.Shared - before.Shared)
	samples := make([]ballast.Sample, len(eps))
	for k := range eps {
		adv := 1.0
		if k%2 == 1 {
			adv = -1
		}
		samples[k] = signal.Policy(&eps[k], ballast.OwnerPolicy, adv, r.RL.Stamp())
		res.Episodic += float64(len(eps[k].Tokens))
	}
	start = time.Now()
	stats, err := e.Learner().Update(ctx, samples, 1e-5)
	if err != nil {
		return err
	}
	if err := e.Sync(ctx); err != nil {
		return err
	}
	res.TrainSeconds += time.Since(start).Seconds()
	res.Computed += stats[monitor.TokensComputed]
	res.Padded += stats[monitor.TokensPadded]
	return nil
}

// plays are those of a run's update.
func plays(run *loop.Run, update int) (out []rollout.Request) {
	r := &run.Recipe
	for g := range r.RL.Prompts {
		for s := range r.RL.Rollouts {
			out = append(out, rollout.Request{Task: &run.Train[(update*r.RL.Prompts+g)%len(run.Train)], Group: g, Sample: s,
				Seed: uint64(update<<20 | g<<10 | s)})
		}
	}
	return out
}

// Print writes the figures for people.
func (res *EngineResult) Print(out io.Writer) {
	safetext.Say(out, "kernels %s, %d cores, updates of %d episodes on desk tasks\n", res.Kernels, res.Cores, res.Episodes)
	safetext.Say(out, "sampling  %8.0f tokens/s really sampled (%.0f tokens in %.2f s; %.0f more prefilled, %.0f shared)\n",
		res.SampledPerSec, res.Sampled, res.SampleSeconds, res.Prefilled, res.Shared)
	safetext.Say(out, "training  %8.0f tokens/s really computed (%.0f in %.2f s, %.0f padding), %.0f tokens/s of episodes (shared "+
		"prefixes: x%.2f)\n",
		res.ComputedPerSec, res.Computed, res.TrainSeconds, res.Padded, res.EpisodicPerSec, res.PrefixFactor)
	safetext.Say(out, "update    %.2f s\n", res.SecondsPerRound)
	if res.Monitoring > 0 {
		safetext.Say(out, "monitoring %.1f%% of an update's processor time\n", 100*res.Monitoring)
	}
	safetext.Say(out, "prefixes  8 continuations of 1k on a prompt of 4k: %d of %d tokens computed, x%.2f\n", res.GroupComputed,
		res.GroupTokens, res.GroupFactor)
}
