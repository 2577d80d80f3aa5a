package recipe

import (
	"fmt"
	"maps"
	"slices"

	"ballast/task"
)

// span is a numeric setting and what it may be. The bounds are far beyond what any
// run needs; inside of them no product that a run makes overflows.
type span struct {
	key    string
	of     func(*Recipe) float64
	lo, hi float64
}

// whole is a span of a setting that is a whole number.
func whole(key string, lo, hi float64, of func(*Recipe) int) span {
	return span{key, func(r *Recipe) float64 { return float64(of(r)) }, lo, hi}
}

// The largest numbers of tokens, of updates, and of what one update holds.
const (
	mostTokens   = 1 << 24
	mostUpdates  = 10_000_000
	mostEpisodes = 1 << 16
	mostGroup    = 1 << 20 // episodes of one update
	mostWeights  = 1e10    // of a model that is made
	mostPhases   = 1000
)

// spans lists every numeric setting but for the seed, which may be any number. What
// a setting must be where it is used, at least 1 say, is said beside its use.
var spans = []span{
	whole("tasks.count", 0, task.MaxCount, func(r *Recipe) int { return r.Tasks.Count }),
	whole("tasks.test", 0, task.MaxCount, func(r *Recipe) int { return r.Tasks.Test }),
	whole("budget.prompt", 1, mostTokens, func(r *Recipe) int { return r.Budget.Prompt }),
	whole("budget.episode", 1, mostTokens, func(r *Recipe) int { return r.Budget.Episode }),
	whole("budget.reply", 1, mostTokens, func(r *Recipe) int { return r.Budget.Reply }),
	whole("budget.result", 1, mostTokens, func(r *Recipe) int { return r.Budget.Result }),
	whole("budget.steps", 1, 1_000_000, func(r *Recipe) int { return r.Budget.Steps }),
	whole("rl.prompts", 0, mostEpisodes, func(r *Recipe) int { return r.RL.Prompts }),
	whole("rl.rollouts", 0, mostEpisodes, func(r *Recipe) int { return r.RL.Rollouts }),
	whole("rl.minibatches", 0, mostEpisodes, func(r *Recipe) int { return r.RL.Minibatches }),
	{"rl.lr", func(r *Recipe) float64 { return r.RL.LR }, 0, 10},
	whole("rl.warmup", 0, mostUpdates, func(r *Recipe) int { return r.RL.Warmup }),
	{"rl.kl", func(r *Recipe) float64 { return r.RL.KL }, 0, 1e6},
	{"rl.clip.low", func(r *Recipe) float64 { return r.RL.Clip.Low }, 0, 1},
	{"rl.clip.high", func(r *Recipe) float64 { return r.RL.Clip.High }, 0, 1e9},
	{"rl.clip.dual", func(r *Recipe) float64 { return r.RL.Clip.Dual }, 0, 1e9},
	{"rl.temperature", func(r *Recipe) float64 { return r.RL.Temperature }, 0, 100},
	{"rl.progress", func(r *Recipe) float64 { return r.RL.Progress }, 0, 1},
	{"rl.format", func(r *Recipe) float64 { return r.RL.Format }, 0, 1},
	whole("rl.patience", 0, mostUpdates, func(r *Recipe) int { return r.RL.Patience }),
	whole("sft.epochs", 0, 100_000, func(r *Recipe) int { return r.SFT.Epochs }),
	whole("sft.updates", 0, mostUpdates, func(r *Recipe) int { return r.SFT.Updates }),
	whole("sft.batch", 0, mostEpisodes, func(r *Recipe) int { return r.SFT.Batch }),
	{"sft.lr", func(r *Recipe) float64 { return r.SFT.LR }, 0, 10},
	{"sft.warmup", func(r *Recipe) float64 { return r.SFT.Warmup }, 0, 1},
	whole("sft.turns", 0, 1_000_000, func(r *Recipe) int { return r.SFT.Turns }),
	whole("sft.window", 0, mostUpdates, func(r *Recipe) int { return r.SFT.Window }),
	{"adam.beta1", func(r *Recipe) float64 { return r.Adam.Beta1 }, 0, 1},
	{"adam.beta2", func(r *Recipe) float64 { return r.Adam.Beta2 }, 0, 1},
	{"adam.eps", func(r *Recipe) float64 { return r.Adam.Eps }, 0, 1},
	{"adam.decay", func(r *Recipe) float64 { return r.Adam.Decay }, 0, 1000},
	{"adam.clip", func(r *Recipe) float64 { return r.Adam.Clip }, 0, 1e9},
	whole("init.vocab", 0, 1<<20, func(r *Recipe) int { return r.Init.Vocab }),
	whole("init.hidden", 0, 1<<16, func(r *Recipe) int { return r.Init.Hidden }),
	whole("init.layers", 0, 1<<10, func(r *Recipe) int { return r.Init.Layers }),
	whole("init.heads", 0, 1<<10, func(r *Recipe) int { return r.Init.Heads }),
	whole("init.kv", 0, 1<<10, func(r *Recipe) int { return r.Init.KV }),
	whole("init.ffn", 0, 1<<20, func(r *Recipe) int { return r.Init.FFN }),
	whole("keep.checkpoint", 0, mostUpdates, func(r *Recipe) int { return r.Keep.Checkpoint }),
	whole("keep.checkpoints", 0, mostUpdates, func(r *Recipe) int { return r.Keep.Checkpoints }),
	whole("keep.eval", 0, mostUpdates, func(r *Recipe) int { return r.Keep.Eval }),
	whole("guard.times", 0, mostUpdates, func(r *Recipe) int { return r.Guard.Times }),
	{"guard.rate", func(r *Recipe) float64 { return r.Guard.Rate }, 0, 1},
	{"guard.factor", func(r *Recipe) float64 { return r.Guard.Factor }, 0, 1e6},
	whole("judge.concurrency", 0, 1024, func(r *Recipe) int { return r.Judge.Concurrency }),
	whole("judge.retries", 0, 1000, func(r *Recipe) int { return r.Judge.Retries }),
	whole("judge.reply", 0, mostTokens, func(r *Recipe) int { return r.Judge.Reply }),
	whole("judge.tokens", 0, 1e15, func(r *Recipe) int { return r.Judge.Tokens }),
	{"judge.cost", func(r *Recipe) float64 { return r.Judge.Cost }, 0, 1e9},
	{"judge.price_in", func(r *Recipe) float64 { return r.Judge.PriceIn }, 0, 1e9},
	{"judge.price_out", func(r *Recipe) float64 { return r.Judge.PriceOut }, 0, 1e9},
	{"judge.temperature", func(r *Recipe) float64 { return r.Judge.Temperature }, 0, 100},
}

// checkSpans reports the settings that lie outside of what any run may ask for, and
// products that do. bad takes one report for a key.
func (r *Recipe) checkSpans(bad report) {
	for _, s := range spans {
		if v := s.of(r); !(v >= s.lo && v <= s.hi) {
			bad(s.key, "must lie between %v and %v, is %v", plain(s.lo), plain(s.hi), plain(v))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.Tasks.Level)) {
		if v := r.Tasks.Level[k]; v < 0 || v > 1000 {
			bad("tasks.level."+k, "must lie between 0 and 1000, is %d", v)
		}
	}
	if n := float64(r.RL.Prompts) * float64(r.RL.Rollouts); n > mostGroup && max(r.RL.Prompts, r.RL.Rollouts) <= mostEpisodes {
		bad("rl.rollouts", "with rl.prompts it makes %v episodes an update, more than %d", plain(n), mostGroup)
	}
	i := r.Init
	if n := float64(i.Vocab)*float64(i.Hidden) + float64(i.Layers)*float64(i.Hidden)*(4*float64(i.Hidden)+3*float64(i.FFN)); n > mostWeights {
		bad("init.hidden", "with init.vocab, init.layers and init.ffn it makes a model of %v weights, more than %v", plain(n), plain(mostWeights))
	}
	if n := len(r.Phases); n > mostPhases {
		bad("phases", "%d phases, more than %d", n, mostPhases)
	}
	total := 0.0
	for i, p := range r.Phases[:min(len(r.Phases), mostPhases)] {
		if p.RL < 0 || p.RL > mostUpdates {
			bad(fmt.Sprintf("phases[%d].rl", i), "must lie between 1 and %d, is %d", mostUpdates, p.RL)
		}
		total += max(float64(p.RL), 0)
	}
	if total > mostUpdates {
		bad("phases", "they have %v updates together, more than %d", plain(total), mostUpdates)
	}
}

// plain writes a number without an exponent where it is whole and short.
func plain(v float64) string {
	if v == float64(int64(v)) && v < 1e15 && v > -1e15 {
		return fmt.Sprint(int64(v))
	}
	return fmt.Sprint(v)
}
