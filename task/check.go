package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"

	"ballast"
	"ballast/chat"
	"ballast/chat/format"
	"ballast/env"
	"ballast/env/expect"
	"ballast/safetext"
	"ballast/task/drawn"
	"ballast/value"
)

// Checking proves tasks: the gold answer of each, played as a policy would, passes every turn,
// and an answer that calls nothing does not pass them all.
type Checking struct {
	Table  *env.Table // what the tasks are played in; nil is env.Builtin
	Beside int        // tasks that are played side by side; 0 is some
}

// Finding is a task that does not hold.
type Finding struct {
	Index int // among the tasks that were checked
	Task  *ballast.Task
	Err   error
	// Infra says that the machine failed, several times over, so that nothing is known of the task.
	Infra bool
}

// Error names the task by the place where it is written, and by its id.
func (f *Finding) Error() string {
	at := ""
	if f.Task.Source != "" {
		at = f.Task.Source + ": "
	}
	return fmt.Sprintf("task: %s%s: %v", at, f.Task.ID, f.Err)
}

// Unwrap is what is wrong with the task.
func (f *Finding) Unwrap() error { return f.Err }

// Check proves tasks of the builtin worlds. It returns the first task that does not hold, with
// turn and reason.
func Check(tasks []ballast.Task) error {
	if found := (Checking{}).Run(context.Background(), tasks); len(found) > 0 {
		return &found[0]
	}
	return nil
}

// Bounds of a Checking.
const (
	someBeside = 8
	tries      = 3 // of a play that the machine fails
)

// Run returns the tasks that do not hold, in order. A context that ends ends the check: the
// tasks that were not reached are findings of Infra.
func (c Checking) Run(ctx context.Context, tasks []ballast.Task) []Finding {
	table := c.Table
	if table == nil {
		table = &env.Builtin
	}
	all := make([]*Finding, len(tasks))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(cmp.Or(c.Beside, someBeside), len(tasks)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(tasks); i = int(next.Add(1)) - 1 {
				if infra, err := check(ctx, table, &tasks[i]); err != nil {
					all[i] = &Finding{Index: i, Task: &tasks[i], Err: err, Infra: infra}
				}
			}
		})
	}
	wg.Wait()
	var found []Finding
	for _, f := range all {
		if f != nil {
			found = append(found, *f)
		}
	}
	return found
}

// check proves one task.
func check(ctx context.Context, table *env.Table, t *ballast.Task) (infra bool, err error) {
	if len(t.Turns) == 0 {
		return false, fmt.Errorf("has no turns")
	}
	p, err := table.Prepare(ctx, t)
	if err != nil {
		return ctx.Err() != nil, cmp.Or(errors.Unwrap(err), err) // it names the task
	}
	defer func() {
		if broken := p.Close(); broken != nil && err == nil {
			infra, err = true, broken
		}
	}()
	if err := checkNames(t, p.All()); err != nil {
		return false, err
	}
	failed, err := insist(ctx, p, t, true)
	switch {
	case err != nil:
		return true, fmt.Errorf("the gold answer cannot be played: %w", err)
	case failed != "":
		return false, fmt.Errorf("the gold answer fails at %s", failed)
	}
	calls := 0
	for _, turn := range t.Turns {
		calls += len(turn.Gold)
	}
	if calls == 0 && (t.Source == "" || expect.Abstains(t)) { // it is right to call nothing
		return false, nil
	}
	switch failed, err = insist(ctx, p, t, false); {
	case err != nil:
		return true, fmt.Errorf("an answer without calls cannot be played: %w", err)
	case failed == "":
		return false, fmt.Errorf("an answer without calls passes")
	}
	return false, nil
}

// checkNames looks for gold calls and revelations of tools that are not
// documented. A gold call of a function that is revealed only later is let pass:
// it runs, and the benchmark has such a task (multi_turn_miss_func_49). A set that documents nothing that
// gold calls is meant so.
func checkNames(t *ballast.Task, tools []ballast.Tool) error {
	if t.Set == drawn.None.Set() {
		return nil
	}
	known := make(map[string]bool)
	for _, tool := range tools {
		known[tool.Name] = true
	}
	for i, turn := range t.Turns {
		for _, name := range turn.Reveal {
			if !known[name] {
				return fmt.Errorf("turn %d reveals %s, which is not among the tools", i, name)
			}
		}
		for _, c := range turn.Gold {
			if !known[c.Name] {
				return fmt.Errorf("turn %d: gold calls %s, which is not among the tools", i, c.Name)
			}
		}
	}
	return nil
}

// insist plays again where the machine fails.
func insist(ctx context.Context, p *env.Prepared, t *ballast.Task, gold bool) (failed string, err error) {
	for range tries {
		if failed, err = play(ctx, p, t, gold); err == nil || ctx.Err() != nil {
			break
		}
	}
	return failed, err
}

// written is a call as a world that listens reads it: in the format that the task asks for. Others are called.
func written(p *env.Prepared, t *ballast.Task, c ballast.Call, offered format.Offered) (string, error) {
	if !p.Listens() {
		return "", nil
	}
	f, err := chat.FormatByName(t.Format)
	if err != nil {
		return "", err
	}
	return f.Write([]ballast.Call{c}, offered)
}

// play plays the gold calls, or none, and describes the first failing turn. The error is the
// machine's.
func play(ctx context.Context, p *env.Prepared, t *ballast.Task, gold bool) (failed string, err error) {
	e := p.New(env.Rules{Steps: math.MaxInt})
	defer e.Close()
	e.Start(ctx)
	for !e.Over() {
		i, answers := e.Turn(), []string(nil)
		reply := "Done."
		if gold && i < len(t.Turns) {
			reply = cmp.Or(t.Turns[i].Reply, reply)
			for _, c := range t.Turns[i].Gold {
				if p.Closes() { // the reply has all of them
					break
				}
				text, err := written(p, t, c, e)
				if err != nil {
					return "", err
				}
				e.Reply(chat.Parsed{Kind: ballast.KindCall, Calls: []ballast.Call{c}}, ballast.Step{Text: text, Gold: true})
				if e.Answer(ctx); e.Over() || len(e.Last().Results) == 0 {
					break
				}
				answer := e.Last().Results[0]
				answers = append(answers, value.FormatCall(c)+" answers "+fmt.Sprintf("%q", safetext.Brief(answer, 200)))
				if e.Failed() && failed == "" {
					failed = fmt.Sprintf("turn %d: %s", i, answers[len(answers)-1])
				}
			}
		}
		if e.Over() {
			break
		}
		e.Reply(chat.Parsed{Kind: ballast.KindResponse, Text: reply}, ballast.Step{Text: reply, Gold: true})
		e.Answer(ctx)
		for k := i; k < len(e.Episode.Turns); k++ { // a user who ends a conversation closes another one
			if check := e.Episode.Turns[k].Check; check.Done && !check.Passed && failed == "" {
				failed = strings.Join(append([]string{fmt.Sprintf("turn %d: %s: %s", k, check.Reason, check.Where)}, answers...), "; ")
			}
		}
	}
	if e.Episode.Stop == ballast.StopInfra {
		return "", errors.New(e.Episode.Error)
	}
	if n := len(e.Episode.Turns); n < len(t.Turns) && failed == "" {
		failed = fmt.Sprintf("turn %d: the user says nothing more", n)
	}
	return failed, nil
}
