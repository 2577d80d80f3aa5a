package recipe

import (
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/supervise"
	"ballast/supervise/foreign"
)

// Example is one thing that a supervised phase trains on: a task's gold dialogue,
// one reply of it, a reflection on a failed episode, or an imported dialogue.
type Example struct {
	Task     *ballast.Task
	Reply    int // index of the one reply to train on, -1 for all
	Failure  *supervise.Outcome
	Kind     supervise.Kind      // of the reflection on Failure
	Dialogue *supervise.Dialogue // instead of gold: imported, or written by the judge
}

// Source lists the examples of a supervised phase.
type Source struct {
	Name string
	Doc  string
	// Of is a function of the recipe with the phase's settings, the tasks and
	// the run's state; it asks and plays nothing.
	Of func(r *Run, set *Recipe) ([]Example, error)
}

// Sources is the table of supervision sources.
var Sources = []Source{
	{"gold", "the gold dialogue of every training task", func(r *Run, set *Recipe) ([]Example, error) {
		var out []Example
		for i := range r.Train {
			if n := set.SFT.Turns; n == 0 || len(r.Train[i].Turns) <= n {
				out = append(out, set.SFT.gold(&r.Train[i])...)
			}
		}
		return out, nil
	}},
	{"failed", "the gold dialogues of the tasks that failed in the RL phase before (paper, section 3.4)", func(r *Run, set *Recipe) ([]Example, error) {
		var out []Example
		for _, o := range r.failed(set) {
			out = append(out, set.SFT.gold(r.task(o.Task))...)
		}
		return out, nil
	}},
	{"reflections", "two analyses of one failure of each of those tasks, written by the judge (paper, section 3.5)", func(r *Run, set *Recipe) ([]Example, error) {
		var out []Example
		for _, o := range r.failed(set) {
			for _, k := range []supervise.Kind{supervise.KindDialogue, supervise.KindError} {
				out = append(out, Example{Task: r.task(o.Task), Reply: -1, Failure: &o, Kind: k})
			}
		}
		return out, nil
	}},
	{"file", "the dialogues of sft.file: ToolACE, verl, or chat JSONL", func(r *Run, set *Recipe) ([]Example, error) {
		ds, err := r.dialogues(set.SFT.File)
		if err != nil {
			return nil, err
		}
		out := make([]Example, len(ds))
		for i := range ds {
			out[i] = Example{Reply: -1, Dialogue: &ds[i]}
		}
		return out, nil
	}},
}

// gold is a task's gold dialogue as one example, or as one per reply.
func (s *SFT) gold(t *ballast.Task) []Example {
	if s.Per != "turn" {
		return []Example{{Task: t, Reply: -1}}
	}
	var out []Example
	for k := range supervise.Replies(t) {
		out = append(out, Example{Task: t, Reply: k})
	}
	return out
}

// defaultWindow is the paper's: the last 10 updates of an RL phase, in which it
// sees every question twice.
const defaultWindow = 10

func (s *SFT) window() int {
	if s.Window > 0 {
		return s.Window
	}
	return defaultWindow
}

// window is how many updates back any phase looks for failures; 0 if none does.
func (r *Recipe) window() int {
	n := 0
	if r.Guard.Do == "sft" {
		n = r.SFT.window()
	}
	for i, p := range r.Phases {
		if strings.Contains(p.SFT, "failed") || strings.Contains(p.SFT, "reflections") {
			if in, err := r.In(i); err == nil {
				n = max(n, in.SFT.window())
			}
		}
	}
	return n
}

func (r *Run) failed(set *Recipe) []supervise.Outcome {
	return r.State.History.Failed(set.SFT.window(), set.SFT.Rule)
}

// task finds a training task by its ID.
func (r *Run) task(id string) *ballast.Task {
	k := slices.IndexFunc(r.Train, func(t ballast.Task) bool { return t.ID == id })
	if k < 0 {
		panic(fmt.Sprintf("recipe: the cursor names task %s, which is not among the training tasks", id))
	}
	return &r.Train[k]
}

// dialogues reads a file of dialogues once.
func (r *Run) dialogues(path string) ([]supervise.Dialogue, error) {
	if in, ok := r.imported[path]; ok {
		return in.Dialogues, nil
	}
	in, err := foreign.Import(path)
	if err != nil {
		return nil, err
	}
	if r.imported == nil {
		r.imported = map[string]foreign.Imported{}
	}
	r.imported[path] = in
	return in.Dialogues, nil
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
