// Package attack is a table of policies that want a reward without doing what the
// user asks: they call everything at once, fill in every word they saw, look
// everywhere, do and undo. None may earn more than a policy that says something and
// calls nothing; where one does, the task or its check is wrong.
//
// Contract: a policy sees what the environment shows, and may try calls aside, which
// no real one can: what it does not win, a weaker one does not win either. Nothing is
// drawn; the same task gives the same play. An error is one of the world, never the
// play of a policy.
package attack

import (
	"context"
	"fmt"

	"ballast"
	"ballast/chat"
	"ballast/credit"
	"ballast/env"
	"ballast/env/sim"
	"ballast/env/words"
	"ballast/value"
)

// adversary is one such policy.
type adversary struct {
	Name, Doc string
	// calls returns what the next reply calls; none closes the turn.
	calls func(v *view) []ballast.Call
	// form is that of replies with calls.
	form ballast.ReplyKind
}

// steps bounds the replies of a play.
const steps = 64

// view is what an adversary knows in an open turn.
type view struct {
	tools  []ballast.Tool // shown so far
	all    []ballast.Tool // those of the task: held back ones and not documented ones too
	apis   []string
	turn   int
	round  int    // replies in the open turn
	user   string // what the open turn is about
	before string // and the turn before
	seen   []string
	aside  *sim.Session                    // where the same calls were made
	back   func(ballast.Call) ballast.Call // under the names that it knows
	plan   []ballast.Call                  // what slowly makes in this turn
}

// episode plays a task with an adversary under the rules that let the most pass: calls
// that can be read out of a malformed reply are run.
func episode(ctx context.Context, task *ballast.Task, p *env.Prepared, tries *sim.Prepared, a adversary) (*ballast.Episode, error) {
	e := p.New(env.Rules{Steps: steps, Malformed: env.MalformedAdvance})
	_, back := words.Own(task)
	v := &view{apis: task.APIs, aside: tries.Session(), back: back, all: everything(ctx, task, tries)}
	v.open(e, task, e.Start(ctx))
	for e.Ready() {
		calls := a.calls(v)
		reply := chat.Parsed{Kind: ballast.KindResponse}
		if len(calls) > 0 {
			reply = chat.Parsed{Kind: a.form, Calls: calls}
		}
		e.Reply(reply, ballast.Step{Text: a.Name})
		turn := e.Turn()
		m := e.Answer(ctx)
		for _, c := range calls {
			v.aside.Run(back(c))
		}
		if err := v.aside.Err(); err != nil {
			return nil, err
		}
		v.round++
		v.seen = append(v.seen, m.Results...)
		if e.Turn() != turn && !e.Over() {
			v.open(e, task, m)
		}
	}
	if e.Episode.Stop == ballast.StopInfra {
		return nil, fmt.Errorf("attack: task %s, %s: %s", task.ID, a.Name, e.Episode.Error)
	}
	return &e.Episode, nil
}

// open takes in the message that opens a turn.
func (v *view) open(e *env.Env, task *ballast.Task, m env.Message) {
	before := v.user
	v.turn, v.round, v.user, v.before = e.Turn(), 0, m.User, before
	if m.Reveal != nil { // what is wanted was said a turn before
		v.user = before
	}
	v.seen = append(v.seen, m.User)
	v.tools = nil
	for _, t := range task.Tools {
		if e.Known(t.Name) {
			v.tools = append(v.tools, t)
		}
	}
}

// everything returns the documented tools and those that the worlds have besides.
func everything(ctx context.Context, task *ballast.Task, world *sim.Prepared) []ballast.Tool {
	all := append([]ballast.Tool(nil), task.Tools...)
	known := make(map[string]bool)
	for _, t := range all {
		known[t.Name] = true
	}
	own, _ := words.Own(task)
	for _, t := range own.Tools { // in other words it is documented
		known[t.Name] = true
	}
	tools, err := world.Tools(ctx, own)
	if err != nil {
		return all
	}
	for _, t := range tools {
		if !known[t.Name] && t.Params != nil {
			all = append(all, t)
		}
	}
	return all
}

// silent says something in every turn and calls nothing: the measure of the others.
var silent = adversary{"silent", "a plain response in every turn, no call", func(*view) []ballast.Call { return nil }, ballast.KindResponse}

// Win is an adversary that earned more than silence in a task.
type Win struct {
	Adversary       string
	Reward, Silence float64
}

// Wins plays all adversaries and returns those that earn more than silence with calls
// that gold does not make, under the outcome reward and under each shaped part.
func Wins(ctx context.Context, task *ballast.Task) ([]Win, error) {
	p, err := env.Prepare(ctx, task)
	if err != nil {
		return nil, err
	}
	own, _ := words.Own(task)
	tries, err := sim.Prepare(own)
	if err != nil {
		return nil, err
	}
	quiet, err := episode(ctx, task, p, tries, silent)
	if err != nil {
		return nil, err
	}
	var wins []Win
	for _, a := range adversaries {
		ep, err := episode(ctx, task, p, tries, a)
		if err != nil {
			return nil, err
		}
		for _, o := range rewards {
			mine, none := credit.Score(ep, task, o).Reward, credit.Score(quiet, task, o).Reward
			if mine > none && scattered(task, ep) {
				wins = append(wins, Win{a.Name, mine, none})
				break
			}
		}
	}
	return wins, nil
}

// scattered reports whether a turn passed that has more different calls than gold
// makes. An adversary that happens on gold's calls and makes no other has done the task.
func scattered(task *ballast.Task, ep *ballast.Episode) bool {
	calls := make(map[string]bool) // since the last turn that was compared
	for i, t := range ep.Turns {
		for _, s := range t.Steps {
			for _, c := range s.Calls {
				calls[value.FormatCall(c)] = true
			}
		}
		gold := len(task.Turns[i].Gold)
		if gold > 0 && t.Check.Passed && len(calls) > gold {
			return true
		}
		if gold > 0 {
			clear(calls)
		}
	}
	return false
}

// rewards are the outcome reward and each shaped part beside it.
var rewards = []credit.Options{{}, {Progress: 0.5}, {Format: 0.5}}
