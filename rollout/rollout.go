// Package rollout plays tasks with a policy: it renders the conversation, reads
// each reply, holds the budgets of tokens and records everything token by token.
// What happens in the task (calls, turns, verdicts) is package env's.
//
// The conversation is one growing list of token ids. What the policy sampled is
// appended as it was sampled and is never decoded and encoded again; a reply
// that a budget cut gets no end token. The state of the worlds lives as long as
// the episode.
//
// A policy's bad behaviour ends in a typed stop and is data. Only a broken
// machine (a policy that cannot answer, a world that panics) is StopInfra; such
// episodes are played again, then left to the caller to leave out.
package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"ballast"
	"ballast/chat"
	"ballast/chat/pretoken"
	"ballast/env"
)

// Budget bounds an episode. All counts but Steps are tokens.
type Budget struct {
	Prompt  int // longest first prompt; an episode with a longer one ends as StopInfra
	Episode int // everything after the first prompt, tool results included
	Reply   int // one reply
	Result  int // one tool result; a longer one loses its beginning, as in the paper
	Steps   int // replies in an episode
}

// Paper is the budget of the paper's rollouts (section 1): 30 turns are 31
// replies.
var Paper = Budget{Prompt: 8192, Episode: 8192, Reply: 2048, Result: 1024, Steps: 31}

// Malformed says what a reply that is neither calls nor a response leads to; see
// env.Malformed.
type Malformed = env.Malformed

// The treatments of malformed replies.
const (
	MalformedStop    = env.MalformedStop
	MalformedRetry   = env.MalformedRetry
	MalformedAdvance = env.MalformedAdvance
)

// Config says how episodes are played.
type Config struct {
	Renderer  chat.Renderer
	System    *string // text of the system message before the tools; nil = the template's own
	Budget    Budget
	Malformed Malformed // "" = stop
	Retries   int       // plays of an episode after an infrastructure failure
	Context   int       // tokens of a whole conversation, the model's own bound; 0 = none
	PerTurn   int       // replies with calls in a user turn, see env.Rules; 0 = no bound
	Faults    Faults
	Env       *env.Table // the worlds, graders and users of the tasks; nil = env.Builtin
	// Constrain, if not nil, makes the mask of every sampled reply, given the names
	// of the functions that the policy was shown so far.
	Constrain func(offered []string) ballast.Mask
	// Ended, if not nil, is told of every episode the moment it ends, from several
	// goroutines. One that broke may be played again (Retries), and is told of again then.
	Ended func(*ballast.Episode)
}

// Request is one episode to be played.
type Request struct {
	Task   *ballast.Task
	Group  int
	Sample int
	Seed   uint64
	// Gold writes the task's gold replies into the conversation instead of
	// sampling; the tools are really executed.
	Gold bool
	// Hint is shown to the policy while it samples, at the end of the system
	// message, and is absent from the recorded tokens.
	Hint string
}

// Run plays all episodes and returns them in order. The error is the host's: a
// task that cannot be prepared, a policy that fails as a whole, a cancelled context, a world that listens (see Anew).
func Run(ctx context.Context, policy ballast.Policy, cfg Config, plays []Request, how ballast.Sampling) ([]ballast.Episode, error) {
	cfg.Malformed = cmp.Or(cfg.Malformed, MalformedStop)
	return cfg.insist(ctx, plays, false, func(tasks map[*ballast.Task]*env.Prepared, todo []int, out []ballast.Episode) ([]int, error) {
		return playAll(ctx, policy, &cfg, plays, tasks, todo, how, out)
	})
}

// some plays the episodes of todo into out, and returns those that failed for infrastructure.
type some func(tasks map[*ballast.Task]*env.Prepared, todo []int, out []ballast.Episode) (again []int, err error)

// insist plays all episodes, and again those that failed for infrastructure. Their worlds listen, or none does.
func (cfg *Config) insist(ctx context.Context, plays []Request, listens bool, play some) ([]ballast.Episode, error) {
	out := make([]ballast.Episode, len(plays))
	todo := make([]int, len(plays))
	for i := range todo {
		todo[i] = i
	}
	tasks, err := cfg.prepareAll(ctx, plays)
	defer func() {
		for _, p := range tasks {
			p.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	for t, p := range tasks {
		switch {
		case p.Listens() && !listens:
			return nil, fmt.Errorf("rollout: task %s: its prompt is written anew for every reply, so there is no growing list of tokens to train "+
				"on: evaluate it with ballast eval", t.ID)
		case listens && !p.Listens():
			return nil, fmt.Errorf("rollout: task %s: its conversation grows and is not written anew", t.ID)
		}
	}
	for try := 0; len(todo) > 0; try++ {
		again, err := play(tasks, todo, out)
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil { // it broke what was away and may show nowhere else
			return nil, fmt.Errorf("rollout: %w", err)
		}
		if try >= cfg.Retries {
			break
		}
		todo = again
	}
	return out, nil
}

// prepareAll makes the tasks of all plays ready, several at a time.
func (cfg *Config) prepareAll(ctx context.Context, plays []Request) (map[*ballast.Task]*env.Prepared, error) {
	tasks := make(map[*ballast.Task]*env.Prepared)
	var order []*ballast.Task
	for i := range plays {
		t := plays[i].Task
		if _, seen := tasks[t]; !seen {
			order, tasks[t] = append(order, t), nil
		}
	}
	ready, errs := make([]*env.Prepared, len(order)), make([]error, len(order))
	var group sync.WaitGroup
	turn := make(chan struct{}, 16)
	for i, t := range order {
		turn <- struct{}{}
		group.Go(func() {
			ready[i], errs[i] = cfg.prepare(ctx, t)
			<-turn
		})
	}
	group.Wait()
	var err error
	for i, t := range order {
		if tasks[t] = ready[i]; errs[i] != nil {
			delete(tasks, t)
			err = cmp.Or(err, errs[i])
		}
	}
	return tasks, err
}

// prepare makes a task ready.
func (cfg *Config) prepare(ctx context.Context, task *ballast.Task) (*env.Prepared, error) {
	if cfg.Env != nil {
		return cfg.Env.Prepare(ctx, task)
	}
	return env.Prepare(ctx, task)
}

// playAll plays the episodes of todo and returns those that failed for
// infrastructure.
func playAll(ctx context.Context, policy ballast.Policy, cfg *Config, plays []Request, tasks map[*ballast.Task]*env.Prepared, todo []int,
	how ballast.Sampling, out []ballast.Episode) (again []int, err error) {
	defer pretoken.Recover(&err)
	ctx, cancel := context.WithCancel(ctx)
	eps := make([]*episode, len(todo))
	defer func() {
		cancel()
		var group sync.WaitGroup
		for _, e := range eps {
			if e != nil && e.Instant() {
				e.settle()
			} else if e != nil {
				group.Go(e.settle)
			}
		}
		group.Wait()
	}()
	var convs []ballast.Conversation
	for k, i := range todo {
		e := newEpisode(ctx, cfg, plays[i], tasks[plays[i].Task])
		eps[k] = e
		switch {
		case !plays[i].Gold:
			convs = append(convs, e)
		case e.Instant():
			e.playGold()
		default:
			e.aside(e.playGold)
		}
	}
	if len(convs) > 0 {
		if policy == nil {
			return nil, errors.New("rollout: episodes to sample but no policy")
		}
		if err := policy.Play(ctx, convs, how); err != nil {
			return nil, fmt.Errorf("rollout: %w", err)
		}
	}
	for k, i := range todo {
		if eps[k].away != nil { // a gold play, or a session that closes
			<-eps[k].away
		}
		if err := eps[k].stuck; err != nil {
			return nil, fmt.Errorf("rollout: task %s: %w", plays[i].Task.ID, err)
		}
		out[i] = eps[k].finish()
		if out[i].Stop == ballast.StopInfra {
			again = append(again, i)
		}
	}
	return again, nil
}

// Prompt returns the first prompt of a task, for budget checks and estimates.
func Prompt(ctx context.Context, cfg *Config, task *ballast.Task) (ids []int32, err error) {
	defer pretoken.Recover(&err)
	p, err := cfg.prepare(ctx, task)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	e := newEpisode(ctx, cfg, Request{Task: task}, p)
	defer e.Close()
	if task.Prompt != nil { // nobody who speaks need be asked
		if err := e.prompted(); err != nil {
			return nil, fmt.Errorf("task %s: %w", task.ID, err)
		}
		return e.plain.Tokens(), nil
	}
	if e.begin(); e.Episode.Prompt == 0 && e.Episode.Error != "" {
		return nil, fmt.Errorf("task %s: %s", task.ID, e.Episode.Error)
	}
	return e.plain.Tokens(), nil
}

// CheckPrompts reports the first task whose prompt does not fit the budget, and
// the length of the longest prompt.
func CheckPrompts(ctx context.Context, cfg *Config, tasks []ballast.Task) (longest int, err error) {
	first, length, over := "", 0, 0
	for i := range tasks {
		p, err := Prompt(ctx, cfg, &tasks[i])
		if err != nil {
			return 0, err
		}
		longest = max(longest, len(p))
		if len(p) <= cfg.Budget.Prompt {
			continue
		}
		if over++; over == 1 {
			first, length = tasks[i].ID, len(p)
		}
	}
	switch {
	case over == 1:
		return 0, fmt.Errorf("task %s: its prompt has %d tokens, the budget is %d; raise budget.prompt, show fewer tools or leave the "+
			"task out", first, length, cfg.Budget.Prompt)
	case over > 1:
		return 0, fmt.Errorf("task %s: its prompt has %d tokens, the budget is %d; %d of %d tasks are over it, the longest has %d; raise "+
			"budget.prompt, show fewer tools or leave the tasks out",
			first, length, cfg.Budget.Prompt, over, len(tasks), longest)
	}
	return longest, nil
}
