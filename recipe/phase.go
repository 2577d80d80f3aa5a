package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ballast/recipe/signal"
)

// Phase is one entry of the schedule; exactly one of RL and SFT is set.
type Phase struct {
	RL  int   `yaml:"rl,omitempty"`  // so many updates of reinforcement learning
	SFT Names `yaml:"sft,omitempty"` // supervised fine-tuning on these of Sources
	// Reset says what starts afresh with the phase, see Resets.
	Reset *Names `yaml:"reset,omitempty"`
	// With overrides settings in this phase, by dotted key: sft.lr, rl.kl, ...
	With map[string]any `yaml:"with,omitempty"`
}

// What may start afresh with a phase.
const (
	ResetOptimizer = "optimizer"
	ResetReference = "reference" // the policy as it is becomes the reference
)

// Resets is what starts afresh with phase i: by default both (paper, section 1: every round
// restarts both). A run's first phase starts with both.
func (r *Recipe) Resets(i int) Names {
	if p := r.Phases[i].Reset; i > 0 && p != nil && *p != nil {
		return *p
	}
	return Names{ResetOptimizer, ResetReference}
}

// phased are the sections that a phase may override, but for what the learner is
// built with.
var phased = []string{"rl.", "sft."}

// In is the recipe with the overrides of phase i.
func (r *Recipe) In(i int) (Recipe, error) {
	out := *r
	for _, key := range slices.Sorted(maps.Keys(r.Phases[i].With)) {
		name := fmt.Sprintf("phases[%d].with.%s", i, key)
		if !slices.ContainsFunc(phased, func(p string) bool { return strings.HasPrefix(key, p) }) || strings.HasPrefix(key, "rl.clip") {
			return out, fmt.Errorf("%s: in one phase only rl.* (but for rl.clip) and sft.* can be other than in the rest; "+
				"phases themselves are given as a whole, such as --set 'phases=[{rl: 5}]'", name)
		}
		if err := out.put(name, key, r.Phases[i].With[key]); err != nil {
			return out, err
		}
	}
	return out, nil
}

// Formats are all call formats that a run of r writes or samples, sorted. What In
// and signals object to is left out; Check says it.
func (r *Recipe) Formats() []string {
	all := []Recipe{*r}
	for i := range r.Phases {
		if in, err := r.In(i); err == nil {
			all = append(all, in)
		}
	}
	var out []string
	for _, in := range all {
		out = append(append(out, in.Chat.Format), slices.Collect(maps.Keys(in.SFT.Formats))...)
		if _, err := signal.Open(in.RL.Signals, in.RL.Rollouts); err == nil {
			out = append(out, signal.Need(in.RL.Signals).Gold...)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(name string) bool { return name == "" }) // the episodes' own is there
}

// setPhase applies phases[N].key=val.
func (r *Recipe) setPhase(pair, key string, val any) error {
	num, rest, ok := strings.Cut(strings.TrimPrefix(key, "phases["), "].")
	i, err := strconv.Atoi(num)
	if !ok || err != nil || i < 0 || i >= len(r.Phases) {
		return fmt.Errorf("--set %s: want phases[N].key=value with N from 0 to %d", pair, len(r.Phases)-1)
	}
	p := &r.Phases[i]
	p.With = maps.Clone(p.With)
	if p.With == nil {
		p.With = map[string]any{}
	}
	p.With[rest] = val
	_, err = r.In(i)
	return err
}

// Files are what the supervision of the phases is read from.
type Files struct {
	Dialogues, Tools []string // of dialogues that others wrote, and of tools of those that document none
	Signals          []string
}

// Files lists what the supervision of the phases is read from.
func (r *Recipe) Files() (f Files, err error) {
	for i, p := range r.Phases {
		in, err := r.In(i)
		if err != nil {
			return f, err
		}
		if len(Imports(p.SFT)) > 0 {
			f.Dialogues = append(f.Dialogues, in.SFT.File)
			if in.SFT.Tools != "" {
				f.Tools = append(f.Tools, in.SFT.Tools)
			}
		}
		if p.RL > 0 {
			f.Signals = append(f.Signals, signal.Need(in.RL.Signals).Files...)
		}
	}
	return f, nil
}
