package rollout

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"ballast"
	"ballast/chat"
	"ballast/chat/pretoken"
	"ballast/env"
)

// Anew plays tasks whose world listens (env.Listener): the prompt of every reply is the whole conversation, written anew, and nothing
// says that it begins with the one before. So each is a conversation of its own for the policy, of one reply. All go
// on in step, reply by reply, so that those that begin alike share that. The record has texts and no tokens: it is for
// evaluations, and nothing can be trained on it. A prompt that the model's context has no room for gets an empty
// reply, which is cut. An episode ends where its prompt has grown by Budget.Episode. What tools answer is the world's to
// write: Budget.Result does not count.
func Anew(ctx context.Context, policy ballast.Policy, cfg Config, plays []Request, how ballast.Sampling) ([]ballast.Episode, error) {
	if len(cfg.Faults) > 0 {
		return nil, fmt.Errorf("rollout: faults %v are put into conversations that grow, and those of the tasks are written anew for every reply",
			cfg.Faults)
	}
	for i := range plays {
		if t := plays[i].Task; plays[i].Gold || plays[i].Hint != "" {
			return nil, fmt.Errorf("rollout: task %s: its prompt is written anew for every reply, with no place for gold or a hint", t.ID)
		}
	}
	return cfg.insist(ctx, plays, true, func(tasks map[*ballast.Task]*env.Prepared, todo []int, out []ballast.Episode) ([]int, error) {
		return anew(ctx, policy, &cfg, plays, tasks, todo, how, out)
	})
}

// anew plays the episodes of todo and returns those that failed for infrastructure.
func anew(ctx context.Context, policy ballast.Policy, cfg *Config, plays []Request, tasks map[*ballast.Task]*env.Prepared, todo []int,
	how ballast.Sampling, out []ballast.Episode) (again []int, err error) {
	defer pretoken.Recover(&err)
	all := make([]*restated, len(todo))
	for k, i := range todo {
		if all[k], err = newRestated(cfg, plays[i], tasks[plays[i].Task]); err != nil {
			return nil, err
		}
		defer all[k].Close()
	}
	beside(all, func(r *restated) { r.next = r.Start(ctx) })
	for {
		open := all[:0:0]
		var convs []ballast.Conversation
		for _, r := range all {
			if !r.goesOn() {
				continue
			}
			if open = append(open, r); r.ask.req.Max > 0 {
				convs = append(convs, r.ask)
			}
		}
		if len(open) == 0 {
			break
		}
		if len(convs) > 0 {
			if policy == nil {
				return nil, errors.New("rollout: episodes to sample but no policy")
			}
			if err := policy.Play(ctx, convs, how); err != nil {
				return nil, fmt.Errorf("rollout: %w", err)
			}
		}
		for _, r := range open {
			r.take()
		}
		beside(open, func(r *restated) {
			if !r.Over() {
				r.next = r.Answer(ctx)
			}
		})
	}
	for k, i := range todo {
		if out[i] = all[k].Episode; out[i].Stop == ballast.StopInfra {
			again = append(again, i)
		}
	}
	return again, nil
}

// beside does something for all episodes, side by side where it takes time.
func beside(all []*restated, do func(*restated)) {
	var group sync.WaitGroup
	for _, r := range all {
		if r.Instant() {
			do(r)
		} else {
			group.Go(func() { do(r) })
		}
	}
	group.Wait()
}

// restated is an episode whose prompt is written anew for every reply.
type restated struct {
	*env.Env
	cfg     *Config
	play    Request
	format  chat.Format
	next    env.Message // what the world says
	ask     *question
	first   int // tokens of the first prompt
	replies uint64
	told    bool
}

func newRestated(cfg *Config, p Request, task *env.Prepared) (r *restated, err error) {
	r = &restated{cfg: cfg, play: p, format: cfg.Renderer.Format}
	r.Env = task.New(env.Rules{Malformed: cfg.Malformed, Steps: cfg.Budget.Steps})
	if p.Task.Format != "" {
		r.format, err = chat.FormatByName(p.Task.Format)
	}
	r.Episode.Group, r.Episode.Sample, r.Episode.Seed = p.Group, p.Sample, p.Seed
	return r, err
}

// goesOn says whether another reply is to be asked for. It tells of an episode that has ended.
func (r *restated) goesOn() bool {
	if r.Ready() {
		if r.ask = r.question(); r.ask != nil {
			return true
		}
		r.Stop(ballast.StopTokens)
	}
	if r.Close(); r.cfg.Ended != nil && !r.told {
		r.told = true
		ep := r.Episode
		r.cfg.Ended(&ep)
	}
	return false
}

// question is the prompt of the next reply, nil where it has grown by the budget of an episode. Its Max is not above 0 where the
// context has no room for one.
func (r *restated) question() *question {
	d := chat.NewPrompted(r.cfg.Renderer, r.next.Prompt)
	d.Open()
	if r.replies == 0 {
		r.first = len(d.Tokens())
	}
	if most := r.cfg.Budget.Episode; most > 0 && len(d.Tokens())-r.first >= most {
		return nil
	}
	q := &question{req: ballast.Request{Append: d.Tokens(), Max: r.cfg.Budget.Reply, Stop: r.cfg.Renderer.Stops(),
		Seed: r.play.Seed + r.replies*0x9e3779b97f4a7c15, Mask: r.cfg.mask(r.Env)}} // splitmix64's step: each reply has draws of its own
	if r.cfg.Context > 0 {
		q.req.Max = min(q.req.Max, r.cfg.Context-len(d.Tokens()))
	}
	r.replies++
	return q
}

// take reads the reply. One that a budget cut is read as it is.
func (r *restated) take() {
	reply := &r.ask.reply
	switch {
	case reply.Err != nil:
		r.Fail(reply.Err)
	case r.ask.req.Max > 0 && !r.ask.answered:
		r.Fail(fmt.Errorf("the policy left the conversation unanswered"))
	default:
		text, ended := r.cfg.text(reply.Tokens)
		r.Reply(r.format.Parse(text, r.Env), ballast.Step{Text: text, Cut: !ended})
		if r.ask.req.Max <= 0 || reply.Full && len(reply.Tokens) == 0 {
			r.Last().Reason = env.NoRoom
		}
	}
}

// question is a conversation of one reply.
type question struct {
	req      ballast.Request
	asked    bool
	answered bool
	reply    ballast.Reply
}

// Wait waits for nothing.
func (q *question) Wait() <-chan struct{} { return nil }

// Next asks once.
func (q *question) Next() (ballast.Request, bool) {
	first := !q.asked
	q.asked = true
	return q.req, first
}

// Take takes the reply.
func (q *question) Take(r ballast.Reply) { q.reply, q.answered = r, true }
