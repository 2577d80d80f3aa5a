package recipe

import (
	"maps"
	"slices"
	"strings"

	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/credit"
	"ballast/env/words"
	"ballast/model"
	"ballast/model/lora"
	"ballast/recipe/strict"
	"ballast/rollout"
	"ballast/supervise"
	"ballast/task"
)

// The largest numbers of tokens, of updates, and of what one update holds. They are far
// beyond what any run needs; inside of them no product that a run makes overflows.
const (
	mostTokens   = 1 << 24
	mostUpdates  = 10_000_000
	mostEpisodes = 1 << 16
	mostGroup    = 1 << 20 // episodes of one update
	mostWeights  = 1e10    // of a model that is made
	mostPhases   = 1000
)

func to(lo, hi float64) strict.Span    { return strict.Span{Lo: lo, Hi: hi} }
func above(lo, hi float64) strict.Span { return strict.Span{Lo: lo, Hi: hi, Above: true} }

func one(of ...string) func() []string { return func() []string { return of } }

// named lists the names of a table.
func named[T any](table []T, name func(T) string) func() []string {
	return func() (out []string) {
		for _, x := range table {
			out = append(out, name(x))
		}
		return out
	}
}

// sets lists the sets of tasks that have a name; a file has its path.
func sets() (out []string) {
	for _, s := range task.Sets {
		if !s.Paths {
			out = append(out, s.Name)
		}
	}
	return out
}

func formats() []string { return slices.Sorted(maps.Keys(chat.Formats)) }

func templates() []string { return slices.Sorted(maps.Keys(chat.Templates)) }

// setting declares a setting, or a section of them.
type setting struct {
	Key  string // dotted
	Doc  string
	Unit string
	In   strict.Span
	Of   func() []string
	// Why says why a run does not read it, or what is in it: "" where it does; nil = always.
	Why func(*use) string
}

// settings declares every setting, in the order of a recipe: its check, when it is read, and
// what docs/settings.md says of it come from here, its type and default from the recipe
// itself. What settings must be together is said in Check.
var settings = []setting{
	{Key: "method", Why: func(*use) string { return "the method is the command's argument" },
		Doc: "The method, which is the command's argument."},
	{Key: "model",
		Doc: "What is trained: `" + strings.Join(model.InProgram().Names(), "`, `") + "`, `init` (random weights, see section init), " +
			"a model's name on the Hugging Face hub, " +
			"its folder, or a GGUF file."},
	{Key: "seed", Doc: "All random draws follow from it."},

	{Key: "tasks", Doc: "what is played"},
	{Key: "tasks.set", Doc: "The source of tasks: `" + strings.Join(sets(), "`, `") + "`, or the path of a tasks file, see " +
		"[tasks-file.md](tasks-file.md). The sets that begin with worlds- are the tasks of worlds, which tell less of their tools."},
	{Key: "tasks.data", Why: filed, Doc: "The folder of the data, of a set that is read."},
	{Key: "tasks.categories", Doc: "Only tasks of these categories; absent means all that the set trains on."},
	{Key: "tasks.worlds", Doc: "Only tasks whose worlds are all among these."},
	{Key: "tasks.level", Why: generated, In: to(0, 1000),
		Doc: "The difficulty of generated tasks, each a number. Of desk and desk-ood: `mix`, `min_turns`, `max_turns`, `requests`, `calls`, " +
			"`tools`. Of the sets that begin with worlds: `kinds`, `min_turns`, `max_turns`, `calls`, `min_tools`, `tools`."},
	{Key: "tasks.words", Of: words.Choices,
		Doc: "The words in which the tasks are asked for: their own, other names of tools and parameters, other words of documentation, or " +
			"both, by tables; see [ood.md](ood.md). Absent means their own."},
	{Key: "tasks.count", Why: played, Unit: "tasks", In: to(1, task.MaxCount), Doc: "Training tasks; absent means the set's own number."},
	{Key: "tasks.test", Unit: "tasks", In: to(1, task.MaxCount), Doc: "Tasks of an evaluation; absent means the set's own number."},

	{Key: "mcp", Why: hosted,
		Doc: "the MCP server whose tools the tasks of a tasks file call, or dialogues that document none, see [own-tools.md](own-tools.md)"},
	{Key: "mcp.server",
		Doc: "The command that starts it, whose words are split as a shell splits them, or its address, `http://...` or `https://...`."},
	{Key: "mcp.tools", Doc: "Only these of its tools; absent means all."},
	{Key: "mcp.env", Why: started, Doc: "The names of environment variables that it gets beside `PATH`, `LANG`, `HOME` and `TMPDIR`."},
	{Key: "mcp.dir", Why: started,
		Doc: "The folder that its processes work in, all of them; absent means a fresh one for each, which ends with it."},
	{Key: "mcp.reads",
		Doc: "Whether calls of its tools change nothing, so that episodes may share it; tools that all say so need no setting, and those that " +
			"`mcp.read_only` names say so."},
	{Key: "mcp.read_only",
		Doc: "Tools that only read although the server does not say so (`readOnlyHint`): further calls of them are no mistake."},
	{Key: "mcp.reset",
		Doc: "The call that puts it back as it started, `{name: ..., arguments: {...}}`, or that as JSON in quotes: a server that has it is " +
			"used again."},
	{Key: "mcp.isolate", Why: reached,
		Doc: "What tells one episode's session from another where the protocol does not: `header NAME`, `argument NAME`, or `path`, for " +
			"`{session}` in the address."},
	{Key: "mcp.token", Why: reached, Doc: "The name of the environment variable that holds the bearer token of the address."},
	{Key: "mcp.ahead", Why: started, Unit: "processes", In: to(1, 1024),
		Doc: "Processes that are started ahead; absent means 4, at most `mcp.sessions`."},
	{Key: "mcp.sessions", Unit: "sessions", In: to(1, mostEpisodes),
		Doc: "Sessions that are open at a time, at most; episodes wait for one. Absent or 0 means 16."},
	{Key: "mcp.seconds", Unit: "seconds", In: above(0, 86400),
		Doc: "How long a call may take; absent or 0 means 60. A start may take as long, and at least 60."},
	{Key: "mcp.memory", Why: started, Unit: "MiB", In: to(1, 1<<20),
		Doc: "How much memory a process and those that it starts may use; absent or 0 means 2048."},
	{Key: "mcp.output", Unit: "MiB", In: to(1, 1024), Doc: "How much it may write for one call; absent or 0 means 16."},

	{Key: "chat", Doc: "how conversations are written"},
	{Key: "chat.template", Of: templates, Doc: "A known chat template; absent means the model's own."},
	{Key: "chat.jinja", Doc: "The file of a Jinja chat template that takes the place of the model's own."},
	{Key: "chat.format", Of: formats, Doc: "How tool calls are written."},
	{Key: "chat.system", Doc: "The text of the system message; absent means the model's own."},
	{Key: "chat.malformed", Of: one(string(rollout.MalformedStop), string(rollout.MalformedRetry), string(rollout.MalformedAdvance)),
		Doc: "What a reply that cannot be read does: end the episode, be answered with an error, or end the turn."},

	{Key: "budget", Doc: "the bounds of an episode"},
	{Key: "budget.prompt", Unit: "tokens", In: to(1, mostTokens), Doc: "The longest prompt; a task with a longer one is an error."},
	{Key: "budget.episode", Unit: "tokens", In: to(1, mostTokens), Doc: "All that follows the prompt, tool results included."},
	{Key: "budget.reply", Unit: "tokens", In: to(1, mostTokens), Doc: "One reply of the model."},
	{Key: "budget.result", Unit: "tokens", In: to(1, mostTokens), Doc: "One tool result; a longer one loses its beginning."},
	{Key: "budget.steps", Unit: "replies", In: to(1, 1_000_000), Doc: "Replies of an episode."},

	{Key: "rl", Why: ruled, Doc: "phases of reinforcement learning"},
	{Key: "rl.prompts", Unit: "tasks", In: to(1, mostEpisodes), Doc: "Tasks of an update."},
	{Key: "rl.rollouts", Unit: "rollouts", In: to(2, mostEpisodes), Doc: "Episodes of a task, which are one group."},
	{Key: "rl.minibatches", In: to(1, mostEpisodes), Doc: "Optimiser steps of an update, at most one a task."},
	{Key: "rl.lr", In: above(0, 10), Doc: "The learning rate after the warm-up."},
	{Key: "rl.warmup", Unit: "updates", In: to(0, mostUpdates), Doc: "Updates over which the learning rate rises."},
	{Key: "rl.kl", In: to(0, 1e6), Doc: "The weight of the KL term (k3) to the reference policy, in the loss."},
	{Key: "rl.advantage", Of: named(credit.Estimators, func(e credit.Estimator) string { return e.Name }),
		Doc: "The estimator of advantages in a group."},
	{Key: "rl.loss", Of: lossNames, Doc: "The loss of sampled tokens."},
	{Key: "rl.aggregate", Why: averaged, Of: one("token-mean", "sequence-mean"),
		Doc: "Whether every token or every episode weighs the same."},
	{Key: "rl.clip.low", In: to(0, 1),
		Doc: "The ratio is clipped below at 1 minus this; a ratio of sequences (gspo) wants far less, such as 3e-4."},
	{Key: "rl.clip.high", In: to(0, 1e9), Doc: "The ratio is clipped above at 1 plus this."},
	{Key: "rl.progress", In: to(0, 1), Doc: "The share of the reward that is paid for turns that pass."},
	{Key: "rl.format", In: to(0, 1), Doc: "The share of the reward that is paid for replies that can be read."},
	{Key: "rl.patience", Unit: "updates", In: to(0, mostUpdates),
		Doc: "The run stops after so many updates without two different rewards in any group; 0 is never."},

	{Key: "sft", Why: supervised, Doc: "supervised phases"},
	{Key: "sft.epochs", Why: timed, Unit: "epochs", In: to(1, 100_000), Doc: "Passes over the examples."},
	{Key: "sft.updates", Unit: "updates", In: to(1, mostUpdates), Doc: "Exactly so many updates instead of epochs."},
	{Key: "sft.batch", Unit: "dialogues", In: to(1, mostEpisodes), Doc: "Dialogues of an update."},
	{Key: "sft.lr", In: above(0, 10), Doc: "The highest learning rate; after the warm-up it falls to 0 as a cosine."},
	{Key: "sft.warmup", In: to(0, 1), Doc: "The share of the updates over which the learning rate rises."},
	{Key: "sft.formats", Of: formats, In: to(1, 1<<20),
		Doc: "The formats that gold is written in, with their shares: a map, or a list with a share each; absent means `chat.format`."},
	{Key: "sft.turns", Why: sourced("turns", ""), Unit: "turns", In: to(1, 1_000_000),
		Doc: "Only gold dialogues of at most so many user turns."},
	{Key: "sft.per", Why: sourced("per", ""), Of: one("dialogue", "turn"), Doc: "An example is a whole dialogue, or one reply of it."},
	{Key: "sft.file", Why: sourced("file", "; give --dialogues FILE, or phases"), Doc: "The file of dialogues that source `file` reads."},
	{Key: "sft.tools", Why: sourced("tools", "; give --dialogues FILE, or phases"),
		Doc: "The file of tools of the dialogues that document none, see [own-tools.md](own-tools.md); absent means those of `mcp.server`, if " +
			"one is given."},
	{Key: "sft.window", Why: sourced("window", ""), Unit: "updates", In: to(1, mostUpdates),
		Doc: "Failures count in the last updates of the phase before, so many."},
	{Key: "sft.rule", Why: sourced("rule", ""), Of: one(string(supervise.RuleAll), string(supervise.RuleAny)),
		Doc: "A task failed if all its episodes did, or any."},

	{Key: "adam", Why: trained, Doc: "the optimiser, AdamW with beta1 0.9 and eps 1e-8"},
	{Key: "adam.beta2", In: strict.Span{Lo: 0, Hi: 1, Below: true}, Doc: "The decay of the second moment."},
	{Key: "adam.decay", In: to(0, 1000), Doc: "The weight decay."},
	{Key: "adam.clip", In: to(0, 1e9), Doc: "The largest norm of the gradient; 0 is no bound."},

	{Key: "lora", Why: trained,
		Doc: "a low-rank adapter that is trained in the place of the model's weights, see [lora.md](lora.md); absent means that these are"},
	{Key: "lora.rank", In: to(1, lora.MaxRank), Doc: "The rank of the adapter; absent means that there is none."},
	{Key: "lora.alpha", Why: adapted, In: above(0, 1e6), Doc: "The adapter is scaled by this / `lora.rank`. Absent means 32."},
	{Key: "lora.targets", Why: adapted, Of: lora.Targets,
		Doc: "The projections that have it, in all layers; absent means all of them."},
	{Key: "lora.start", Why: adapted,
		Doc: "The folder of an adapter that the training begins with, as PEFT writes it; absent means a new one, which changes nothing yet."},

	{Key: "engine", Doc: "what samples and learns, see [gpu.md](gpu.md)"},
	{Key: "engine.kind", Doc: "`xla` is an accelerator, `tinker` a training server ([engines.md](engines.md)); absent means `cpu`, plain Go " +
		"on the processor."},
	{Key: "engine.precision",
		Doc: "What the sampler's weights and caches are kept in, `float32` or `bfloat16`, where the engine has a choice."},
	{Key: "engine.address", Doc: "The PJRT plugin of engine `xla`, by its path or by the name that it is installed under; the address of " +
		"the server of engine `tinker`."},
	{Key: "engine.options", Doc: "Options of that plugin, such as `notf32`."},
	{Key: "engine.model", Doc: "The server's name of the model; absent means the one that it serves, or that of `model`."},
	{Key: "engine.key", Doc: "The name of the environment variable that holds the server's key."},
	{Key: "engine.reduction", Of: one("sum", "mean"),
		Doc: "Whether the server adds its loss up or takes means; absent means that it is found out."},
	{Key: "engine.wire", Of: one("auto", "proto", "json"),
		Doc: "The encoding of training requests; absent means `auto`, what the server takes."},
	{Key: "engine.samplers", Doc: "The addresses of servers that sample in the place of the training server, vLLM or SGLang; `vllm=` or " +
		"`sglang=` before one names its kind, else it is asked ([engines.md](engines.md)). One text may hold several, with commas between " +
		"them. Absent means that the training server samples."},
	{Key: "engine.adapters",
		Doc: "The folder in which they find the adapter that is trained: of a file system that they share, under the same path."},
	{Key: "engine.token", Doc: "The name of the environment variable that holds the bearer token of the samplers."},
	{Key: "engine.requests", Unit: "requests", In: to(1, 1<<14),
		Doc: "Requests that are under way at one of the samplers, at most; absent means 64."},

	{Key: "init", Why: made, Doc: "the shape of a model that is made from random weights (`model: init`)"},
	{Key: "init.arch", Of: model.Uniform, Doc: "The architecture; absent means `qwen2`."},
	{Key: "init.vocab", In: to(1, 1<<20), Doc: "Tokens of the vocabulary, which is trained on the task set's texts."},
	{Key: "init.pretokenizer", Of: bpe.Patterns,
		Doc: "How texts are cut before the vocabulary is learned: as these models' tokenizers do. Absent means `qwen2`."},
	{Key: "init.hidden", In: to(1, 1<<16), Doc: "The width of the residual stream."},
	{Key: "init.layers", In: to(1, 1<<10), Doc: "Layers."},
	{Key: "init.heads", In: to(1, 1<<10), Doc: "Attention heads."},
	{Key: "init.kv", In: to(1, 1<<10), Doc: "Heads of keys and values."},
	{Key: "init.head", In: to(0, 1<<12),
		Doc: "The size of a head, an even number; heads times this need not be `init.hidden`. Absent or 0 means `init.hidden` / `init.heads`."},
	{Key: "init.ffn", In: to(1, 1<<20), Doc: "The width of the feed-forward layer."},
	{Key: "init.context", Unit: "tokens", In: to(0, mostTokens),
		Doc: "The longest conversation that the model can hold. Absent or 0 means `budget.prompt` + `budget.episode`."},

	{Key: "phases", Doc: "the schedule, a list; `phases[N].rl.lr=...` is an override by `--set`"},
	{Key: "phases[].rl", Unit: "updates", In: to(1, mostUpdates), Doc: "A phase of reinforcement learning of so many updates."},
	{Key: "phases[].sft", Of: func() []string { return sourceNames() }, Doc: "A supervised phase on these sources."},
	{Key: "phases[].reset", Of: one(ResetOptimizer, ResetReference),
		Doc: "What starts afresh with the phase; absent means both, `[]` neither. A run's first phase starts with both."},
	{Key: "phases[].with", Doc: "Settings `rl.*` and `sft.*` of this phase alone, by dotted key."},

	{Key: "keep", Why: trained, Doc: "what is recorded how often"},
	{Key: "keep.checkpoint", Unit: "updates", In: to(0, mostUpdates),
		Doc: "A checkpoint is written every so many updates; 0 is at the end only."},
	{Key: "keep.checkpoints", In: to(0, mostUpdates), Doc: "So many of the newest checkpoints are kept; 0 is all."},
	{Key: "keep.eval", Unit: "updates", In: to(0, mostUpdates),
		Doc: "An evaluation is played every so many updates; 0 is at the end only."},

	{Key: "guard", Why: watched, Doc: "what a run does when its own monitor finds it sick; by default nothing"},
	{Key: "guard.do", Of: named(actions, func(a action) string { return a.name }),
		Doc: "Stop; go back to a healthy checkpoint; weigh the KL of control tokens more; fine-tune on failed tasks."},
	{Key: "guard.at", Why: guarded("at"), Of: one("dead", "drifting"), Doc: "It acts at a known death, or at its early signs."},
	{Key: "guard.times", Why: guarded("times"), In: to(1, mostUpdates), Doc: "After so many actions it stops the run."},
	{Key: "guard.rate", Why: guarded("rate"), In: above(0, 1),
		Doc: "The learning rate of reinforcement learning after an action, as a factor."},
	{Key: "guard.factor", Why: guarded("factor"), In: above(0, 1e6), Doc: "The KL weight of control tokens after an action, as a factor."},

	{Key: "faults", Why: ruled, Of: named(rollout.AllFaults, func(q rollout.Fault) string { return string(q) }),
		Doc: "Faults of the paper's reference code that reinforcement learning then has, for a study of causes."},

	{Key: "judge", Why: asked,
		Doc: "who writes hints, reflections and closing replies: an OpenAI-compatible endpoint; without one the built-in oracle"},
	{Key: "judge.url", Doc: "The endpoint, up to and with `/v1`."},
	{Key: "judge.model", Doc: "The model's name there."},
	{Key: "judge.key", Why: judged, Doc: "The name of the environment variable that holds the key."},
	{Key: "judge.cache", Why: judged, Doc: "The folder of answers; absent means `ballast/judge` in the user's cache folder."},
	{Key: "judge.concurrency", Why: judged, Unit: "requests", In: to(1, 1024), Doc: "Requests at once."},
	{Key: "judge.retries", Why: judged, Unit: "requests", In: to(0, 1000), Doc: "Further attempts of a request that failed."},
	{Key: "judge.reply", Why: judged, Unit: "tokens", In: to(1, mostTokens), Doc: "The longest answer."},
	{Key: "judge.tokens", Why: judged, Unit: "tokens", In: to(1, 1e15),
		Doc: "The budget of tokens, of all that a run asks, over all its processes; absent means none."},
	{Key: "judge.cost", Why: judged, In: above(0, 1e9), Doc: "The budget of money, in the unit of the prices; absent means none."},
	{Key: "judge.price_in", Why: judged, In: above(0, 1e9), Doc: "The price of a million prompt tokens."},
	{Key: "judge.price_out", Why: judged, In: above(0, 1e9), Doc: "The price of a million answer tokens."},
	{Key: "judge.temperature", Why: judged, In: to(0, 100), Doc: "The temperature of answers."},
	{Key: "judge.closing", Why: golden, Doc: "The judge also writes the closing replies of gold dialogues."},

	{Key: "methods", Doc: "In a file for several methods: settings for one of them each, by its name."},
}

// declared are the settings as they are checked.
var declared = func() (out []strict.Setting) {
	for _, s := range settings {
		out = append(out, strict.Setting{Key: s.Key, Doc: s.Doc, Unit: s.Unit, In: s.In, Of: s.Of})
	}
	return out
}()
