package livetest

import (
	"context"
	"fmt"

	"ballast"
	"ballast/chat"
	"ballast/env"
	"ballast/env/expect"
)

// Play plays a task of a tasks file in a world, with its gold answers or with none, and has the grader
// of such tasks judge it. failed is the first turn that does not pass, "" where all do.
func Play(ctx context.Context, w ballast.World, t *ballast.Task, gold bool) (failed string, err error) {
	table := env.Table{
		Worlds:  []env.WorldEntry{{Name: "mcp", World: w}},
		Graders: []env.GraderEntry{{Name: expect.Name, New: expect.New(expect.Options{})}},
		Users:   env.Builtin.Users,
	}
	tools, err := w.Tools(ctx, t)
	if err != nil {
		return "", err
	}
	bound := *t
	bound.Tools = tools
	p, err := table.Prepare(ctx, &bound)
	if err != nil {
		return "", err
	}
	defer p.Close()
	e := p.New(env.Rules{Steps: 1000})
	defer e.Close()
	e.Start(ctx)
	for i := range t.Turns {
		turn := &t.Turns[i]
		if gold {
			for _, c := range turn.Gold {
				if e.Ready() {
					e.Reply(chat.Parsed{Kind: ballast.KindCall, Calls: []ballast.Call{c}}, ballast.Step{})
					e.Answer(ctx)
				}
			}
		}
		if !e.Ready() {
			break
		}
		text := "Done."
		if gold && turn.Reply != "" {
			text = turn.Reply
		}
		e.Reply(chat.Parsed{Kind: ballast.KindResponse, Text: text}, ballast.Step{Text: text})
		e.Answer(ctx)
		if check := e.Episode.Turns[i].Check; !check.Passed && failed == "" {
			failed = fmt.Sprintf("turn %d: %s: %s", i+1, check.Reason, check.Where)
		}
	}
	if e.Episode.Stop != ballast.StopDone {
		return failed, fmt.Errorf("%s: %s %s", t.ID, e.Episode.Stop, e.Episode.Error)
	}
	return failed, nil
}
