// Package eval plays tasks and reports success with intervals. It trains
// nothing, and methods never read its tasks.
//
// What plays them is a Player: a policy, or an endpoint. A Store keeps episodes as
// they end, so that an interrupted evaluation continues and gives the same table.
// Infrastructure failures are left out, counted and named.
package eval

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"ballast"
	"ballast/chat/decline"
	"ballast/credit"
	"ballast/env"
	"ballast/monitor"
	"ballast/rollout"
)

// Count is a number of successes among a number of episodes.
type Count struct {
	OK  int `json:"ok"`
	All int `json:"all"`
}

// MarshalJSON adds the rate and its interval, null where nothing was played.
func (c Count) MarshalJSON() ([]byte, error) {
	if c.All == 0 {
		return fmt.Appendf(nil, `{"ok":%d,"all":0,"rate":null,"lo":null,"hi":null}`, c.OK), nil
	}
	lo, hi := c.Wilson()
	return fmt.Appendf(nil, `{"ok":%d,"all":%d,"rate":%.4f,"lo":%.4f,"hi":%.4f}`, c.OK, c.All, c.Rate(), lo, hi), nil
}

// Rate is OK/All, 0 when nothing was played.
func (c Count) Rate() float64 {
	if c.All == 0 {
		return 0
	}
	return float64(c.OK) / float64(c.All)
}

// Wilson returns the 95% Wilson score interval of the rate.
func (c Count) Wilson() (lo, hi float64) {
	return monitor.Wilson(float64(c.OK), float64(c.All))
}

// Result is the outcome of an evaluation.
type Result struct {
	Total      Count                 `json:"total"`
	Categories map[string]Count      `json:"categories"`
	Reasons    map[string]int        `json:"reasons"`   // of failures: credit's reasons
	FailTurn   map[int]int           `json:"fail_turn"` // first failing turn, from 1
	Stops      map[ballast.Stop]int  `json:"stops"`
	Kinds      [ballast.NumKinds]int `json:"forms"`
	Calls      float64               `json:"calls_per_turn"`
	// Silent are the turns without a call whose gold makes one, by how their replies read. Wanted are those whose
	// gold makes none, with a call or without, and Declines the same by category.
	Silent   decline.Count            `json:"no_call"`
	Wanted   decline.Count            `json:"no_call_wanted"`
	Declines map[string]decline.Count `json:"declines,omitempty"`
	// Findings are what else the graders say of the episodes, by name and category (env.GraderEntry).
	Findings map[string]map[string]Share `json:"findings,omitempty"`
	found    []kind
	NoRoom   int               `json:"no_room,omitempty"`  // replies that are empty since the context had no room for one
	Infra    int               `json:"infra"`              // episodes left out
	Left     map[string]int    `json:"left_out,omitempty"` // of each category
	Broken   string            `json:"broken,omitempty"`   // the first of them, and why
	Notes    []string          `json:"notes,omitempty"`    // of who played, for below the table
	Episodes []ballast.Episode `json:"-"`
}

// Run plays every task once with a policy and scores it.
func Run(ctx context.Context, policy ballast.Policy, cfg rollout.Config, tasks []ballast.Task, how ballast.Sampling) (Result, error) {
	return RunStored(ctx, nil, tasks, PolicyPlayer(policy, cfg, how))
}

// tally scores the episodes of tasks, in their order. Infrastructure failures are
// counted and left out. A turn that wants no call is passed by prose alone
// (credit.Options.Answered).
func tally(tasks []ballast.Task, eps []ballast.Episode) Result {
	r := Result{Categories: map[string]Count{}, Reasons: map[string]int{}, FailTurn: map[int]int{}, Stops: map[ballast.Stop]int{},
		Episodes: eps}
	turns, calls := 0, 0
	for i := range eps {
		ep := &eps[i]
		r.Stops[ep.Stop]++
		if ep.Stop == ballast.StopInfra {
			if r.Infra++; r.Infra == 1 {
				r.Broken = ep.Task + ": " + ep.Error
			}
			if r.Left == nil {
				r.Left = map[string]int{}
			}
			r.Left[tasks[i].Category]++
			continue
		}
		ep.Score = credit.Score(ep, &tasks[i], credit.Options{Answered: true})
		r.add(&tasks[i], ep.Score)
		read := r.find(&tasks[i], ep)
		for k, t := range ep.Turns {
			turns++
			if k < len(tasks[i].Turns) { // of a user who says more, nobody knows what gold does
				r.quiet(&t, read, tasks[i].Category, len(tasks[i].Turns[k].Gold) > 0)
			}
			for _, s := range t.Steps {
				calls += len(s.Calls)
				if s.Reason == env.NoRoom { // nobody wrote it, so it has no form
					r.NoRoom++
				} else {
					r.Kinds[s.Kind]++
				}
			}
		}
	}
	r.Calls = float64(calls) / float64(max(1, turns))
	return r
}

func (r *Result) add(task *ballast.Task, s ballast.Score) {
	c := r.Categories[task.Category]
	c.All++
	r.Total.All++
	if s.Success {
		c.OK++
		r.Total.OK++
	} else {
		r.Reasons[s.Reason]++
		r.FailTurn[s.FailTurn+1]++
	}
	r.Categories[task.Category] = c
}

// quiet counts a turn in which nothing is called, or should be. Read is how the grader reads the reply, "" where it does not say:
// a benchmark may take for a call what the played format does not. Wanted says that gold makes a call.
func (r *Result) quiet(t *ballast.Turn, read decline.Manner, category string, wanted bool) {
	if len(t.Steps) == 0 {
		return
	}
	switch how := cmp.Or(read, decline.Turn(t)); {
	case !wanted:
		r.Wanted.Add(how)
		if r.Declines == nil {
			r.Declines = map[string]decline.Count{}
		}
		n := r.Declines[category]
		n.Add(how)
		r.Declines[category] = n
	case how != decline.Called:
		r.Silent.Add(how)
	}
}

// Protocol is a way to evaluate: when an episode ends, and how tokens are drawn.
type Protocol struct {
	Name      string
	Doc       string
	Budget    rollout.Budget
	PerTurn   int // see env.Rules
	Malformed rollout.Malformed
	How       ballast.Sampling
}

// Unbounded in a budget stands for no bound where a number must stand.
const Unbounded = 1 << 30

// Protocols is the table of the protocols. In all a malformed reply closes the
// user turn, and a conversation that fills the model's context has failed.
var Protocols = []Protocol{
	{
		Name: "official",
		Doc: "BFCL's harness: 20 steps with calls in a user turn, one more is executed and ends the episode; " +
			"temperature 0.001; 4,096 tokens a reply; whole results",
		Budget:    rollout.Budget{Prompt: Unbounded, Episode: Unbounded, Reply: 4096, Result: Unbounded, Steps: Unbounded},
		PerTurn:   20,
		Malformed: rollout.MalformedAdvance,
		How:       ballast.Sampling{Temperature: 0.001},
	},
	{
		Name: "paper",
		Doc: "the paper's evaluation: 30 turns (31 replies) in an episode, greedy; 2,048 tokens a reply, " +
			"16,384 after the prompt, 4,096 a result, of which the end is kept",
		Budget:    rollout.Budget{Prompt: Unbounded, Episode: 16384, Reply: 2048, Result: 4096, Steps: rollout.Paper.Steps},
		Malformed: rollout.MalformedAdvance,
	},
	{
		Name:      "acebench",
		Doc:       "ACEBench's program with a local model: greedy, 1,024 tokens a reply",
		Budget:    rollout.Budget{Prompt: Unbounded, Episode: Unbounded, Reply: 1024, Result: Unbounded, Steps: Unbounded},
		Malformed: rollout.MalformedAdvance,
	},
}

// ProtocolByName returns the protocol of that name.
func ProtocolByName(name string) (Protocol, error) {
	var names []string
	for _, p := range Protocols {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Protocol{}, fmt.Errorf("eval: no protocol is named %q; there are %s", name, strings.Join(names, ", "))
}

// Apply puts the protocol's bounds into a configuration.
func (p Protocol) Apply(cfg *rollout.Config) {
	cfg.Budget, cfg.PerTurn, cfg.Malformed = p.Budget, p.PerTurn, p.Malformed
}
