package main

import (
	"context"
	"encoding/json"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/signal"
	"ballast/rollout"
	"ballast/train"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "measure this machine"}
	var asJSON bool
	var model string
	var rounds int
	engine := &cobra.Command{
		Use: "engine", Short: "tokens sampled and trained per second", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			res, err := benchEngine(c.Context(), model, rounds)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(stdout).Encode(res)
			}
			res.print()
			return nil
		},
	}
	engine.Flags().StringVar(&model, "model", "embedded", "model to measure")
	engine.Flags().IntVar(&rounds, "rounds", 5, "updates measured after one that warms up")
	engine.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(engine, soakCommand(), benchWorldCommand(), checkCommand(), deviceCommand())
	return c
}

// engineResult is what `ballast bench engine` measures: whole GRPO updates of
// 128 episodes on desk tasks. Tokens are real ones; padding is counted apart.
type engineResult struct {
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
	// share of its processor time; of the embedded model on processors only.
	Monitoring float64 `json:"monitoring_share,omitempty"`
	// A BFCL-shaped group: 8 continuations of 1k tokens on one prompt of 4k.
	GroupTokens   int     `json:"bfcl_group_tokens"`
	GroupComputed int     `json:"bfcl_group_tokens_computed"`
	GroupFactor   float64 `json:"bfcl_group_factor"`
}

// group packs a BFCL-shaped group and counts what the learner would compute.
func (res *engineResult) group() {
	const prompt, continuation, n = 4096, 1024, 8
	samples := make([]ballast.Sample, n)
	for i := range samples {
		s := ballast.Sample{Tokens: make([]int32, prompt+continuation), Prefix: prompt}
		s.Terms[ballast.TermPolicy] = ballast.Term{Weight: make([]float32, prompt+continuation), Count: continuation}
		for k := prompt; k < prompt+continuation; k++ {
			s.Terms[ballast.TermPolicy].Weight[k] = 1
		}
		samples[i] = s
		res.GroupTokens += prompt + continuation
	}
	for _, b := range train.Pack(samples, 1<<20, false) {
		res.GroupComputed += len(b.Tokens)
	}
	res.GroupFactor = float64(res.GroupTokens) / float64(res.GroupComputed)
}

func benchEngine(ctx context.Context, name string, rounds int) (*engineResult, error) {
	r, err := recipe.New("grpo")
	if err != nil {
		return nil, err
	}
	r.Model = name
	run, err := prepare(&r)
	if err != nil {
		return nil, err
	}
	p := run.Engine.Policy.(sampler)
	res := &engineResult{Cores: runtime.GOMAXPROCS(0), Kernels: p.Kernels(), Episodes: r.RL.Prompts * r.RL.Rollouts}
	if err := run.Engine.Learner.Freeze(); err != nil {
		return nil, err
	}
	for i := range rounds + 1 {
		if i == 1 {
			res = &engineResult{Cores: res.Cores, Kernels: res.Kernels, Episodes: res.Episodes}
		}
		if err := res.round(ctx, run, p, i); err != nil {
			return nil, err
		}
	}
	res.SampledPerSec = res.Sampled / res.SampleSeconds
	res.ComputedPerSec = res.Computed / res.TrainSeconds
	res.EpisodicPerSec = res.Episodic / res.TrainSeconds
	res.PrefixFactor = res.Episodic / res.Computed
	res.group()
	if m, err := loadModel(&r); err == nil && name == "embedded" {
		c, err := measureWatching(ctx, run, m, 6)
		if err != nil {
			return nil, err
		}
		res.Monitoring = c.share()
	}
	res.SecondsPerRound = (res.SampleSeconds + res.TrainSeconds) / float64(rounds)
	return res, nil
}

// round plays one update's episodes and trains on them.
func (res *engineResult) round(ctx context.Context, run *loop.Run, p sampler, i int) error {
	r := &run.Recipe
	before := p.Counters()
	start := time.Now()
	var plays []rollout.Play
	for g := range r.RL.Prompts {
		for s := range r.RL.Rollouts {
			plays = append(plays, rollout.Play{Task: &run.Train[(i*r.RL.Prompts+g)%len(run.Train)], Group: g, Sample: s, Seed: uint64(i<<20 | g<<10 | s)})
		}
	}
	eps, err := rollout.Run(ctx, p, r.Rollout(run.Engine.Style), plays, r.Sampling())
	if err != nil {
		return err
	}
	res.SampleSeconds += time.Since(start).Seconds()
	after := p.Counters()
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
	stats, err := run.Engine.Learner.Update(ctx, samples, 1e-5)
	if err != nil {
		return err
	}
	if err := run.Engine.Sync(); err != nil {
		return err
	}
	res.TrainSeconds += time.Since(start).Seconds()
	res.Computed += stats[monitor.TokensComputed]
	res.Padded += stats[monitor.TokensPadded]
	return nil
}

func (res *engineResult) print() {
	say(stdout, "kernels %s, %d cores, updates of %d episodes on desk tasks\n", res.Kernels, res.Cores, res.Episodes)
	say(stdout, "sampling  %8.0f tokens/s really sampled (%.0f tokens in %.2f s; %.0f more prefilled, %.0f shared)\n",
		res.SampledPerSec, res.Sampled, res.SampleSeconds, res.Prefilled, res.Shared)
	say(stdout, "training  %8.0f tokens/s really computed (%.0f in %.2f s, %.0f padding), %.0f tokens/s of episodes (shared prefixes: x%.2f)\n",
		res.ComputedPerSec, res.Computed, res.TrainSeconds, res.Padded, res.EpisodicPerSec, res.PrefixFactor)
	say(stdout, "update    %.2f s\n", res.SecondsPerRound)
	if res.Monitoring > 0 {
		say(stdout, "monitoring %.1f%% of an update's processor time\n", 100*res.Monitoring)
	}
	say(stdout, "prefixes  8 continuations of 1k on a prompt of 4k: %d of %d tokens computed, x%.2f\n", res.GroupComputed, res.GroupTokens, res.GroupFactor)
}
