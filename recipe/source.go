package recipe

import (
	"math"

	"ballast"
	"ballast/supervise"
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

// Source lists the examples of a supervised phase, and says what it needs for that.
// Nothing else knows a source by its name.
type Source struct {
	Name string
	Doc  string
	// Reads are the settings of section sft that not every source reads.
	Reads    []string
	Golden   bool // it learns from the gold dialogues of training tasks
	Failures bool // what it holds depends on the failures of the RL phase before
	Judge    bool // a judge writes its dialogues
	File     bool // it reads the dialogues of sft.file
	Given    bool // a file of dialogues may take its place
	// Of is a function of the phase's settings and of what the run has; it asks
	// and plays nothing.
	Of func(m Material, s *SFT) ([]Example, error)
}

// Material is what a run has to make examples of.
type Material interface {
	Tasks() []ballast.Task // the training tasks
	// Failed lists the tasks that failed in the RL phase before.
	Failed(window int, rule supervise.Rule) []supervise.Outcome
	// Dialogues reads a file of dialogues. Those that document no tools have the ones of the file
	// tools, or where that is "" the ones of the run's MCP server.
	Dialogues(path, tools string) ([]supervise.Dialogue, error)
}

// Sources is the table of supervision sources.
var Sources = []Source{gold, failed, reflections, imported}

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

// Window is how many updates back any phase looks for failures; 0 if none does.
func (r *Recipe) Window() int {
	n := 0
	if r.Guard.Corrects() {
		n = r.SFT.Window
	}
	for i, p := range r.Phases {
		if Waits(p.SFT) {
			if in, err := r.In(i); err == nil {
				n = max(n, in.SFT.Window)
			}
		}
	}
	return n
}

// Examples lists the examples of sources; Check has seen their names.
func Examples(sources Names, m Material, s *SFT) ([]Example, error) {
	var out []Example
	for _, name := range sources {
		list, err := findSource(name).Of(m, s)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// among are the sources that have a need.
func among(sources Names, need func(*Source) bool) (out Names) {
	for _, name := range sources {
		if s := findSource(name); s != nil && need(s) {
			out = append(out, name)
		}
	}
	return out
}

// Worst is a run's material as if every training task had failed: of what depends on
// failures there can be no more.
func Worst(m Material) Material { return worst{m} }

type worst struct{ Material }

func (w worst) Failed(int, supervise.Rule) (out []supervise.Outcome) {
	for _, t := range w.Tasks() {
		out = append(out, supervise.Outcome{Task: t.ID})
	}
	return out
}

// Imports are the sources that read a file.
func Imports(sources Names) Names { return among(sources, func(s *Source) bool { return s.File }) }

// Waits says whether what the sources hold depends on the failures of an RL phase.
func Waits(sources Names) bool {
	return len(among(sources, func(s *Source) bool { return s.Failures })) > 0
}

func findSource(name string) *Source {
	for i := range Sources {
		if Sources[i].Name == name {
			return &Sources[i]
		}
	}
	return nil
}

func sourceNames() Names { return named(Sources, func(s Source) string { return s.Name })() }

// Steps is the number of updates of a phase on n examples.
func (s *SFT) Steps(n int) int {
	each := (n + s.Batch - 1) / s.Batch
	if s.Updates > 0 && each > 0 {
		return s.Updates
	}
	return s.Epochs * each
}

// Rate is the learning rate of update i of n: linear warm-up, then cosine to
// zero.
func (s *SFT) Rate(i, n int) float64 {
	warm := int(math.Ceil(s.Warmup * float64(n)))
	if i < warm {
		return s.LR * float64(i+1) / float64(warm)
	}
	if n <= warm {
		return s.LR
	}
	return s.LR * 0.5 * (1 + math.Cos(math.Pi*float64(i-warm)/float64(n-warm)))
}
