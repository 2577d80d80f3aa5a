package loop

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"ballast/monitor/verdict"
	"ballast/recipe"
	"ballast/runlog"
)

// patient is a ward without a run: it records what a guard does to it.
type patient struct {
	state State
	set   recipe.Recipe
	done  []string
}

func (p *patient) at() *State               { return &p.state }
func (p *patient) settings() *recipe.Recipe { return &p.set }
func (p *patient) changed()                 { p.done = append(p.done, "changed") }

func (p *patient) save() error {
	p.done = append(p.done, "checkpoint")
	return nil
}

func (p *patient) load(dir string) error {
	p.done = append(p.done, "load "+dir)
	return nil
}

func (p *patient) say(what runlog.What, _ string) error {
	p.done = append(p.done, string(runlog.Event{What: what}.Kind()))
	return nil
}

func (p *patient) reschedule(phases []recipe.Phase) {
	p.set.Phases = phases
	p.done = append(p.done, "reschedule")
}

// TestGuardsOrder: what every action does to a run in update 5 of 20 of its first phase, in
// order: an alarm is followed by its action, and an action by the checkpoint that knows of it.
func TestGuardsOrder(t *testing.T) {
	acted := []string{"changed", "alarm", "action", "checkpoint"}
	stopped := []string{"checkpoint", "alarm", "action"}
	for _, c := range []struct {
		do     string
		kl     float64
		kept   string // the healthy checkpoint
		done   []string
		after  error
		rate   float64
		phases string
	}{
		{"stop", 0, "old", stopped, ErrSick, 0, "[{20 }]"},
		{"rollback", 0, "old", append([]string{"load old"}, acted...), errReopen, 0.25, "[{20 }]"},
		{"rollback", 0, "", stopped, ErrSick, 0, "[{20 }]"},
		{"reference", 0.1, "old", acted, errReopen, 0, "[{20 }]"},
		{"reference", 0, "old", stopped, ErrSick, 0, "[{20 }]"},
		{"sft", 0, "old", append([]string{"reschedule"}, acted...), errReopen, 0.25, "[{5 } {0 failed} {15 }]"},
	} {
		p := &patient{state: State{Update: 5, InPhase: 5, Begun: true}}
		p.set.Phases, p.set.Guard = []recipe.Phase{{RL: 20}}, recipe.Guard{Do: c.do, Rate: 0.25}
		p.set.RL.KL = c.kl
		g := &guard{ward: p, past: past{&memory{}, c.kept}, found: verdict.Diagnosis{Began: 4}}
		if err := guards[c.do](g, "why"); !errors.Is(err, c.after) {
			t.Errorf("%s: %v, want %v", c.do, err, c.after)
		}
		if !reflect.DeepEqual(p.done, c.done) {
			t.Errorf("%s: does %v, want %v", c.do, p.done, c.done)
		}
		var phases []string
		for _, x := range p.set.Phases {
			phases = append(phases, fmt.Sprintf("{%d %s}", x.RL, x.SFT))
		}
		acts := 0
		if slices.Contains(p.done, "changed") {
			acts = 1
		}
		if s := p.state.Guard; s.Rate != c.rate || s.Acts != acts || fmt.Sprint(phases) != c.phases {
			t.Errorf("%s: %+v, phases %v", c.do, s, phases)
		}
	}
}
