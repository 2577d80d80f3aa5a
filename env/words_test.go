package env

import (
	"context"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/env/words"
	"ballast/value"
)

// echo answers with the call that it got.
type echo struct{ none }

func (echo) Open(context.Context, *ballast.Task) (ballast.Session, error) { return echo{}, nil }
func (echo) Call(_ context.Context, c ballast.Call) (string, error) {
	return "error: no tool " + c.Name + " for " + value.FormatCall(c), nil
}

// reader keeps what graders and users are given.
type reader struct{ task, record, heard string }

func (r *reader) grader(_ context.Context, t *ballast.Task, _ ballast.Session) (ballast.Grader, error) {
	r.task = t.Tools[0].Name
	return r, nil
}

func (r *reader) Grade(_ context.Context, ep *ballast.Episode, i int) (ballast.Check, error) {
	s := ep.Turns[i].Steps[0]
	r.record = ep.Turns[i].User + "|" + value.FormatCall(s.Calls[0]) + "|" + s.Results[0]
	return ballast.Check{Passed: i == 0}, nil
}

func (r *reader) user(_ context.Context, t *ballast.Task) (ballast.User, error) { return r, nil }

func (r *reader) Next(_ context.Context, ep *ballast.Episode) (string, bool, error) {
	if n := len(ep.Turns); n > 0 {
		r.heard = ep.Turns[n-1].User + "|" + value.FormatCall(ep.Turns[n-1].Steps[0].Calls[0])
		if !ep.Turns[0].Check.Passed {
			r.heard += " without a verdict"
		}
	}
	return "call 'ls'", len(ep.Turns) < 1, nil
}

// TestRecordInOwnWords: world, grader and user have the task's own words, the policy the others, whoever takes time.
func TestRecordInOwnWords(t *testing.T) {
	for _, instant := range []bool{true, false} {
		r := &reader{}
		table := Table{Worlds: []WorldEntry{{Name: "echo", Instant: instant, World: echo{}}}, Graders: []GraderEntry{{Name: "g", Instant: instant, New: r.grader}},
			Users: []UserEntry{{Name: "u", Instant: instant, New: r.user}}}
		tasks := []ballast.Task{{ID: "x", Turns: []ballast.TaskTurn{{User: "call 'ls'"}}, Tools: []ballast.Tool{{Name: "ls", Params: []ballast.Param{{Name: "file_name"}}}}}}
		if err := words.Apply(tasks, "renamed", 1); err != nil {
			t.Fatal(err)
		}
		p, err := table.Prepare(t.Context(), &tasks[0])
		if err != nil {
			t.Fatal(err)
		}
		e := p.New(Rules{Steps: 9})
		m := e.Start(t.Context())
		ls, file := tasks[0].Tools[0].Name, tasks[0].Tools[0].Params[0].Name
		e.Reply(chat.Parsed{Kind: ballast.KindCall, Calls: []ballast.Call{{Name: ls, Args: []ballast.Arg{{Name: file, Value: "a"}}}}}, ballast.Step{})
		answer := e.Answer(t.Context()).Results[0]
		e.Reply(chat.Parsed{Kind: ballast.KindResponse}, ballast.Step{})
		e.Answer(t.Context())
		s := e.Episode.Turns[0].Steps[0]
		shown := "error: no tool " + ls + " for " + ls + "(" + file + "='a')"
		if m.User != "call '"+ls+"'" || m.User != e.Episode.Turns[0].User || answer != shown || s.Results[0] != shown || s.Calls[0].Name != ls {
			t.Errorf("the policy meets %+v, %s, %+v", m, answer, s)
		}
		const own = "ls(file_name='a')"
		if r.task != "ls" || r.record != "call 'ls'|"+own+"|error: no tool ls for "+own || r.heard != "call 'ls'|"+own {
			t.Errorf("the others meet %+v", *r)
		}
		if e.Close(); e.Episode.Stop != ballast.StopDone {
			t.Error(e.Episode.Stop, e.Episode.Error)
		}
	}
}
