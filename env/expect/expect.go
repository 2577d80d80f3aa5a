// Package expect grades turns by what their task expects of them: calls, results of calls,
// the closing reply, the state that the calls leave, the score of a program, the answer of a
// judge.
//
// Contract: what a turn expects is its TaskTurn.Want, in the shape Shape; a turn without one
// expects its gold calls in any order. All parts must hold. They are looked at in the order of
// the list Reasons, and the first that fails is the reason; those after it, which may cost money,
// are not looked at. The score is 0 where a part fails that is yes or no, else the program's.
// The calls that a part of kind state makes are the grader's: they stand in no episode and
// count for nothing.
//
// How it fails: what a policy does wrong is a Check. A session, a program or a judge that fails
// is an error, which ends the episode as infrastructure, and never a score of 0. So is a want
// that cannot be read, which the reader of tasks has refused before.
package expect

import (
	"context"
	"fmt"
	"strings"

	"ballast"
	"ballast/value"
)

// Name is the grader's name in tables.
const Name = "expect"

// The parts of what a turn expects. A turn that fails has the part as its reason.
const (
	PartCalls   = "calls"
	PartResults = "results"
	PartReply   = "reply"
	PartState   = "state"
	PartProgram = "program"
	PartJudge   = "judge"
)

var parts = []string{PartCalls, PartResults, PartReply, PartState, PartProgram, PartJudge}

// ReasonEmpty is the reason of a turn that expects calls and has none, ReasonNoGold that of one
// beyond the task's last.
const (
	ReasonEmpty  = "empty_turn"
	ReasonNoGold = "no_gold"
)

// Reasons lists why a turn fails, in the order in which the parts are looked at.
var Reasons = append([]string{ReasonNoGold, ReasonEmpty}, parts...)

// Options are what graders need beside the task.
type Options struct {
	// Run runs the programs of tasks, as Confined does; nil: a task with one is an error.
	Run Runner
	// Judge answers the questions of tasks; nil: a task with one is an error.
	Judge Judge
}

// Judge answers questions. It is used by many goroutines at a time.
type Judge interface {
	// Ask answers a question about a transcript with yes or no, and says why in a few words. An
	// error is that there is no answer.
	Ask(ctx context.Context, question, transcript string) (yes bool, why string, err error)
}

// New makes graders: it is the New of a table's entry.
func New(o Options) func(context.Context, *ballast.Task, ballast.Session) (ballast.Grader, error) {
	return func(_ context.Context, t *ballast.Task, s ballast.Session) (ballast.Grader, error) {
		g := &grader{o: o, task: t, session: s, tools: Tools(t.Tools)}
		for i, turn := range t.Turns {
			w, faults := Parse(turn.Want, turn.Gold)
			if len(faults) > 0 {
				return nil, fmt.Errorf("expect: task %s, turn %d: expect.%s: %s", t.ID, i, faults[0].Path, faults[0].Text)
			}
			switch {
			case w.Program != nil && o.Run == nil:
				return nil, fmt.Errorf("expect: task %s, turn %d wants a program, and none may run here", t.ID, i)
			case w.Judge != nil && o.Judge == nil:
				return nil, fmt.Errorf("expect: task %s, turn %d wants a judge, and there is none: set judge.url and judge.model", t.ID, i)
			}
			g.wants = append(g.wants, w)
		}
		return g, nil
	}
}

// grader grades one episode.
type grader struct {
	o       Options
	task    *ballast.Task
	session ballast.Session
	tools   Toolbox
	wants   []*Want
}

// Grade judges turn i.
func (g *grader) Grade(ctx context.Context, ep *ballast.Episode, i int) (ballast.Check, error) {
	if i >= len(g.wants) {
		return failed(ReasonNoGold, fmt.Sprintf("the task has %d turns", len(g.wants))), nil
	}
	w, turn := g.wants[i], &ep.Turns[i]
	calls, results := made(turn)
	if w.Calls != nil {
		if where := g.tools.compare(w.Calls, calls); where != "" {
			if len(calls) == 0 {
				return failed(ReasonEmpty, where), nil
			}
			return failed(PartCalls, where), nil
		}
	}
	for _, r := range w.Results {
		if where := r.among(results); where != "" {
			return failed(PartResults, where), nil
		}
	}
	if w.Reply != nil {
		if where := w.Reply.Differs(said(turn)); where != "" {
			return failed(PartReply, where), nil
		}
	}
	for _, s := range w.State {
		got, err := g.session.Call(ctx, s.Call)
		if err != nil {
			return ballast.Check{}, fmt.Errorf("expect: task %s, turn %d: state: %s: %w", g.task.ID, i, s.Call.Name, err)
		}
		if where := s.Differs(got); where != "" {
			return failed(PartState, brief(value.FormatCall(s.Call))+": "+where), nil
		}
	}
	return g.outside(ctx, ep, i, w)
}

// outside has a program and a judge look at the turn.
func (g *grader) outside(ctx context.Context, ep *ballast.Episode, i int, w *Want) (ballast.Check, error) {
	check := ballast.Check{Passed: true, Score: 1}
	if w.Program == nil && w.Judge == nil {
		return check, nil
	}
	text := Transcript(g.task, ep, i)
	if p := w.Program; p != nil {
		score, why, err := p.run(ctx, g.o.Run, text)
		switch {
		case err != nil:
			return ballast.Check{}, fmt.Errorf("expect: task %s, turn %d: %w", g.task.ID, i, err)
		case score < 1:
			check = failed(PartProgram, why)
			check.Score = score
		}
	}
	if w.Judge != nil && check.Score > 0 {
		yes, why, err := g.o.Judge.Ask(ctx, w.Judge.Question, string(text))
		switch {
		case err != nil:
			return ballast.Check{}, fmt.Errorf("expect: task %s, turn %d: judge: %w", g.task.ID, i, err)
		case !yes:
			return failed(PartJudge, brief(why)), nil
		}
	}
	return check, nil
}

func failed(reason, where string) ballast.Check { return ballast.Check{Reason: reason, Where: where} }

// made are the calls that ran in a turn, and what they answered.
func made(t *ballast.Turn) (calls []ballast.Call, results []string) {
	for _, s := range t.Steps {
		n := min(len(s.Results), len(s.Calls))
		calls = append(calls, s.Calls[:n]...)
		results = append(results, s.Results[:n]...)
	}
	return calls, results
}

// said is the reply that closes a turn.
func said(t *ballast.Turn) string {
	if len(t.Steps) == 0 {
		return ""
	}
	return strings.TrimSpace(t.Steps[len(t.Steps)-1].Said)
}

// Judged says that some turn of a task is graded by the answer of a judge.
func Judged(t *ballast.Task) bool {
	for _, turn := range t.Turns {
		if w, faults := Parse(turn.Want, turn.Gold); len(faults) == 0 && w.Judge != nil {
			return true
		}
	}
	return false
}

// Abstains says that a task wants no calls, so that saying something is all that is right: no
// turn has gold calls, and each expects calls and lists none.
func Abstains(t *ballast.Task) bool {
	for _, turn := range t.Turns {
		w, faults := Parse(turn.Want, turn.Gold)
		if len(turn.Gold) > 0 || turn.Want == nil || len(faults) > 0 || w.Calls == nil || len(w.Calls.Calls) > 0 {
			return false
		}
	}
	return len(t.Turns) > 0
}
