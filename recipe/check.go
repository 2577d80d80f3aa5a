package recipe

import (
	"errors"
	"fmt"
	"strings"

	"ballast/recipe/signal"
	"ballast/recipe/strict"
	"ballast/task"
)

// report takes what is wrong with a key.
type report func(key, format string, args ...any)

// Check reports every setting that cannot be honoured.
func (r *Recipe) Check() error {
	var errs []error
	seen := map[string]bool{} // a setting of many phases is reported once
	bad := func(key, format string, args ...any) {
		if err := fmt.Errorf(key+": "+format, args...); !seen[err.Error()] {
			seen[err.Error()] = true
			errs = append(errs, err)
		}
	}
	strict.Check(r, declared, bad)
	if _, err := task.ByName(r.Tasks.Set); err != nil {
		bad("tasks.set", "%s", strings.TrimPrefix(err.Error(), "task: "))
	}
	if r.Chat.Template != "" && r.Chat.Jinja != "" {
		bad("chat.jinja", "chat.template names %s too; give one of them", r.Chat.Template)
	}
	if r.Guard.Do == "reference" && !r.referred() {
		bad("guard.do", "reference has no weight to raise: set rl.kl, or the signal %s",
			signalsWith(func(n signal.Needs) bool { return n.Reference }))
	}
	if len(r.Phases) == 0 && !Untrained(r.Method) {
		bad("phases", "the recipe has none; add e.g. `- rl: 50`")
	}
	if err := r.Judge.Check(); err != nil {
		errs = append(errs, err)
	}
	if n := r.Init.weights(); n > mostWeights {
		bad("init.hidden", "with init.vocab, init.layers, init.heads, init.head and init.ffn it makes a model of %s weights, more than %s",
			strict.Plain(n), strict.Plain(mostWeights))
	}
	r.LoRA.check(bad)
	if r.Model == "init" {
		r.Init.check(bad)
		if n := r.Budget.Prompt + r.Budget.Episode; r.Init.Context > 0 && r.Init.Context < n {
			bad("init.context", "it is %d, and budget.prompt + budget.episode is %d: raise it, or lower a budget", r.Init.Context, n)
		}
	}
	r.checkPhases(bad)
	return errors.Join(errs...)
}

// Referred says whether a phase with these settings has the reference term.
func (rl *RL) Referred() bool { return rl.KL > 0 || signal.Need(rl.Signals).Reference }

// signalsWith lists the signals that have a need by default.
func signalsWith(need func(signal.Needs) bool) string {
	var names []string
	for _, s := range signal.All {
		if need(signal.Need(map[string]signal.Settings{s.Name: nil})) {
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, " or ")
}

// referred says whether some RL phase has the reference term.
func (r *Recipe) referred() bool {
	for i, p := range r.Phases {
		in, err := r.In(i)
		if err == nil && p.RL > 0 && in.RL.Referred() {
			return true
		}
	}
	return false
}

func (r *Recipe) checkPhases(bad report) {
	if n := len(r.Phases); n > mostPhases {
		bad("phases", "%d phases, more than %d", n, mostPhases)
		return
	}
	total := 0.0
	for i, p := range r.Phases {
		r.checkPhase(i, bad)
		total += max(float64(p.RL), 0)
	}
	if total > mostUpdates {
		bad("phases", "they have %s updates together, more than %d", strict.Plain(total), mostUpdates)
	}
}

// checkPhase reports what is wrong with phase i and with its settings.
func (r *Recipe) checkPhase(i int, bad report) {
	p, key := r.Phases[i], fmt.Sprintf("phases[%d]", i)
	in, err := r.In(i)
	switch {
	case err != nil:
		bad(key, "%v", err)
		return
	case (p.RL != 0) == (len(p.SFT) > 0):
		bad(key, "wants either rl or sft")
	case p.RL < 0 || p.RL > mostUpdates:
		bad(key+".rl", "must lie between 1 and %d, is %d", mostUpdates, p.RL)
	case p.RL > 0:
		in.checkRL(bad)
	default:
		in.checkSFT(bad, key, p.SFT)
	}
	strict.Check(&in, declared, bad)
	if p.Reset != nil {
		for _, name := range *p.Reset {
			if name != ResetOptimizer && name != ResetReference {
				bad(key+".reset", "%q is not one of %s, %s", name, ResetOptimizer, ResetReference)
			}
		}
	}
}

// checkRL reports what is wrong with settings of reinforcement learning together.
func (r *Recipe) checkRL(bad report) {
	rl := &r.RL
	if _, err := signal.Open(rl.Signals, rl.Rollouts); err != nil {
		bad("rl.signals", "%v", err)
	} else if need := signal.Need(rl.Signals); need.Takes > rl.Rollouts {
		bad("rl.rollouts", "its signals change %d episodes of a group, more than its %d; raise rl.rollouts", need.Takes, rl.Rollouts)
	} else if need.Groups > rl.Prompts {
		bad("rl.prompts", "mean %d groups an update, and its signals write in %d formats in turn; raise rl.prompts", rl.Prompts, need.Groups)
	}
	if signal.Need(rl.Signals).Sampler && r.Faults.Trains() {
		bad("faults", "they train other tokens than the policy sampled, and signal %s compares with what the sampler said of them: take "+
			"out one of both", signalsWith(func(n signal.Needs) bool { return n.Sampler }))
	}
	if rl.Minibatches > rl.Prompts {
		bad("rl.minibatches", "%d minibatches of %d prompts leave some empty", rl.Minibatches, rl.Prompts)
	}
	if n := float64(rl.Prompts) * float64(rl.Rollouts); n > mostGroup {
		bad("rl.rollouts", "with rl.prompts it makes %s episodes an update, more than %d", strict.Plain(n), mostGroup)
	}
	// The outcome keeps the rest of the reward: a failure never pays like a success.
	if rl.Progress+rl.Format >= 1 {
		bad("rl.progress", "with rl.format it must stay below 1, so that success pays most; together they are %v", rl.Progress+rl.Format)
	}
}

func (r *Recipe) checkSFT(bad report, key string, sources Names) {
	for _, name := range sources {
		if findSource(name) == nil {
			bad(key+".sft", "source %q is not known; choose among: %s", name, sourceNames())
		}
		if s := findSource(name); s != nil && s.File && r.SFT.File == "" {
			bad("sft.file", "source %s needs the name of one", name)
		}
	}
}
