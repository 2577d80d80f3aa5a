package task

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/env"
	"ballast/env/sim"
	"ballast/env/words"
)

// open keeps the session that a task is played in.
type open struct {
	ballast.World
	last ballast.Session
}

func (o *open) Open(ctx context.Context, t *ballast.Task) (s ballast.Session, err error) {
	s, err = o.World.Open(ctx, t)
	o.last = s
	return s, err
}

// played plays gold, one call in every turn twice, and a call of a tool that there is not. It returns the episode
// and the states.
func played(t *testing.T, task *ballast.Task) (*ballast.Episode, map[string]any) {
	t.Helper()
	table := env.Builtin
	table.Worlds = append([]env.WorldEntry(nil), table.Worlds...)
	prepare, in := table.Worlds[0].Prepare, &open{}
	table.Worlds[0].Prepare = func(ctx context.Context, t *ballast.Task) (ballast.World, error) {
		w, err := prepare(ctx, t)
		in.World = w
		return in, err
	}
	p, err := table.Prepare(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	e := p.New(env.Rules{Steps: 1000})
	e.Start(t.Context())
	for !e.Over() {
		for i, c := range task.Turns[e.Turn()].Gold {
			calls := []ballast.Call{c}
			if i == 0 {
				calls = append(calls, c, ballast.Call{Name: "no_such_tool"}, ballast.Call{Name: c.Name, Args: []ballast.Arg{{Name: "no_such", Value: "x"}}})
			}
			e.Reply(chat.Parsed{Kind: ballast.KindCall, Calls: calls}, ballast.Step{})
			e.Answer(t.Context())
		}
		e.Reply(chat.Parsed{Kind: ballast.KindResponse, Text: "Done."}, ballast.Step{})
		e.Answer(t.Context())
	}
	if e.Episode.Stop != ballast.StopDone {
		t.Fatalf("%s: %s %s", task.ID, e.Episode.Stop, e.Episode.Error)
	}
	return &e.Episode, in.last.(*sim.Session).Dump()
}

// TestWords: in all other words gold passes, and what is played leaves the same states, earns the same verdicts
// and is answered alike but for names.
func TestWords(t *testing.T) {
	for name, spec := range map[string]Spec{
		"desk":   {Name: "desk", Split: "test", Seed: 3, Count: 40},
		"ood":    {Name: "desk-ood", Split: "test", Seed: 3, Count: 12},
		"worlds": {Name: "worlds", Split: "test", Seed: 3, Count: 12},
		"bfcl":   {Name: "bfcl", Data: "bfcl/testdata"},
	} {
		own := load(t, spec)
		for _, kind := range words.Names() {
			other := spec
			other.Words = kind
			tasks := load(t, other)
			if err := Check(tasks); err != nil {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
			if Digest(tasks) == Digest(own) {
				t.Errorf("%s, %s: the tasks are the same", name, kind)
			}
			for i := range tasks {
				a, first := played(t, &own[i])
				b, second := played(t, &tasks[i])
				if !reflect.DeepEqual(first, second) {
					t.Errorf("%s, %s: %s ends in another state", name, kind, tasks[i].ID)
				}
				alike(t, a, b, &tasks[i])
			}
		}
	}
}

// alike compares two plays of a task, the second in other words.
func alike(t *testing.T, a, b *ballast.Episode, task *ballast.Task) {
	t.Helper()
	for i := range a.Turns {
		if a.Turns[i].Check != b.Turns[i].Check {
			t.Errorf("%s: verdicts %+v and %+v", task.ID, a.Turns[i].Check, b.Turns[i].Check)
		}
		for k, s := range a.Turns[i].Steps {
			for n, answer := range s.Results {
				c := words.Back(task.Words, b.Turns[i].Steps[k].Calls[n])
				if want := words.Answer(task.Words, c, answer, false); b.Turns[i].Steps[k].Results[n] != want {
					t.Errorf("%s: %s is answered %q, want %q", task.ID, c.Name, b.Turns[i].Steps[k].Results[n], want)
				}
				if len(task.Words.Tools) > 0 && strings.Contains(b.Turns[i].Steps[k].Results[n], "."+c.Name+"(") {
					t.Errorf("%s: the answer %q has the name of the world", task.ID, b.Turns[i].Steps[k].Results[n])
				}
			}
		}
	}
}

// TestOldNames: under other names, the world's own name of a tool is that of none.
func TestOldNames(t *testing.T) {
	tasks := load(t, Spec{Name: "desk", Split: "test", Seed: 3, Count: 20, Words: "renamed"})
	for i := range tasks {
		p, err := env.Prepare(t.Context(), &tasks[i])
		if err != nil {
			t.Fatal(err)
		}
		e := p.New(env.Rules{Steps: 9})
		e.Start(t.Context())
		name := tasks[i].Words.Own.Tools[0].Name
		if e.Known(name) {
			t.Errorf("%s is known", name)
		}
		e.Reply(chat.Parsed{Kind: ballast.KindCall, Calls: []ballast.Call{{Name: name}}}, ballast.Step{})
		if got := e.Answer(t.Context()).Results[0]; got != "error: no tool "+name {
			t.Errorf("%s is answered %q", name, got)
		}
	}
}
