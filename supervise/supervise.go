// Package supervise builds supervision out of tasks, failures and files: gold
// dialogues, sets of failed tasks, hints, reflections, and the judge that writes
// the last two.
//
// Contract: a gold dialogue is played by the rollout that plays the policy, with
// really executed tools, so that it has the tokens that the policy would see.
// The oracle judge is a pure function of a task and an episode. Everything a
// model behind an endpoint wrote is kept on disk by content and never asked for
// twice.
//
// How it fails: a demonstration that does not earn the full reward, a file that
// cannot be read, an endpoint that refuses the key: errors that say what to do.
// A judge that refuses, babbles or stays away costs its examples, which are
// counted by kind; the others are kept.
package supervise

import (
	"context"
	"fmt"

	"ballast"
	"ballast/credit"
	"ballast/rollout"
)

// Gold plays the gold dialogues of tasks (paper, section 3.1: gold calls, real
// tool answers, closing replies). Each must earn the full reward.
func Gold(ctx context.Context, cfg rollout.Config, tasks []*ballast.Task) ([]ballast.Episode, error) {
	eps, err := play(ctx, cfg, tasks)
	if err != nil {
		return nil, err
	}
	for i := range eps {
		if err := verify(&eps[i], tasks[i]); err != nil {
			return nil, err
		}
	}
	return eps, nil
}

// play plays the gold dialogues of tasks, whatever they earn.
func play(ctx context.Context, cfg rollout.Config, tasks []*ballast.Task) ([]ballast.Episode, error) {
	plays := make([]rollout.Request, len(tasks))
	for i, t := range tasks {
		plays[i] = rollout.Request{Task: t, Group: i, Gold: true}
	}
	return rollout.Run(ctx, nil, cfg, plays, ballast.Sampling{})
}

// raise is what to do about a gold dialogue that fails.
const raise = "; raise the budget or leave the task out"

// verify insists that a demonstration earns the full reward.
func verify(ep *ballast.Episode, task *ballast.Task) error {
	if ep.Stop == ballast.StopInfra {
		return fmt.Errorf("gold of task %s: %s", task.ID, ep.Error)
	}
	if s := credit.Score(ep, task, credit.Options{}); !s.Success {
		return fmt.Errorf("gold of task %s fails at turn %d (%s, stop %s)"+raise, task.ID, s.FailTurn+1, s.Reason, ep.Stop)
	}
	return nil
}

// Replies is the number of assistant messages in the gold dialogue of a task:
// one per gold call and the closing reply of every turn.
func Replies(task *ballast.Task) int {
	n := len(task.Turns)
	for _, t := range task.Turns {
		n += len(t.Gold)
	}
	return n
}

// Reply returns the k-th reply of an episode as a training instance: the
// conversation up to its end, and the span of its tokens (paper, section 1: SFT
// splits a dialogue into single-turn instances). It panics if there is none.
func Reply(ep *ballast.Episode, k int) (cut ballast.Episode, start, end int) {
	for _, t := range ep.Turns {
		if k < len(t.Steps) {
			s := t.Steps[k]
			cut = *ep
			cut.Tokens, cut.Owners = ep.Tokens[:s.End], ep.Owners[:s.End]
			return cut, s.Start, s.End
		}
		k -= len(t.Steps)
	}
	panic(fmt.Sprintf("supervise: episode of %s has no reply %d", ep.Task, k))
}
