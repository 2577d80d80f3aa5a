package prepare

import (
	"context"
	"errors"
	"fmt"

	"ballast/chat"
	"ballast/recipe/loop"
	"ballast/recipe/signal"
	"ballast/supervise"
)

// Gold is an error where gold that the run may still write cannot be had: each training task
// whose gold some phase may learn from is played once in every format that it may be written in.
// An error of the same gold in the middle of the run would cost all updates before it.
func Gold(ctx context.Context, run *loop.Run) error {
	r := run.Schedule()
	list, err := r.Gold(run.Material(), run.State.Phase, run.State.Begun)
	if err != nil {
		return err
	}
	cfg := run.Rollout()
	var errs []error
	for _, w := range list {
		if cfg.Renderer.Format, err = chat.FormatByName(w.Format); err != nil {
			return err
		}
		errs = append(errs, supervise.Check(ctx, cfg, w.Tasks))
	}
	if err := errors.Join(errs...); err != nil {
		return roomier(&run.Recipe, err)
	}
	return nil
}

// Signals is an error where what a signal reads lacks a training task.
func Signals(run *loop.Run) error {
	r := run.Schedule()
	for i := run.State.Phase; i < len(r.Phases); i++ {
		if r.Phases[i].RL == 0 || i == run.State.Phase && run.State.Begun {
			continue
		}
		in, err := r.In(i)
		if err != nil {
			return err
		}
		effects, err := signal.Open(in.RL.Signals, in.RL.Rollouts)
		if err != nil {
			return fmt.Errorf("phases[%d]: rl.signals: %w", i, err)
		}
		for _, e := range effects {
			if s, ok := e.(signal.Server); ok {
				if err := s.Serve(run.Train); err != nil {
					return fmt.Errorf("phases[%d]: rl.signals: %w", i, err)
				}
			}
		}
	}
	return nil
}
