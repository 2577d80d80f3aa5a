package loop

import (
	"context"
	"fmt"

	"ballast"
	"ballast/eval"
	"ballast/rollout"
	"ballast/runlog"
)

// evaluator plays the tasks of evaluations greedily and keeps how they went in the cursor.
type evaluator struct {
	policy ballast.Policy
	cfg    func() rollout.Config
	during []ballast.Task // of the evaluations during the run
	after  []ballast.Task // of the test after it
	keep   *keeper
}

// evaluate plays the tasks of evaluations, once after an update. Of equal evaluations
// the newest is the best; one without a success is none.
func (v *evaluator) evaluate(ctx context.Context) error {
	s := v.keep.cursor
	if e := s.Eval; e != nil && e.Update == s.Update {
		return nil
	}
	res, err := v.greedy(ctx, v.during)
	if err != nil {
		return err
	}
	s.Eval = &Evaluation{s.Update, res}
	v.keep.changed()
	what := runlog.Evaluated{Score: res.Score()}
	if rate := res.Rate(); rate > 0 && rate >= s.Best {
		s.Best, s.BestAt = rate, s.Update
		what.Best = true
	}
	return v.keep.say(what, res.String())
}

// test plays the test tasks after the last update, once. Where there are none of their
// own, the last evaluation was on them. It may take as long as many updates, and stopped is
// asked before.
func (v *evaluator) test(ctx context.Context, stopped func() error) (eval.Result, error) {
	s := v.keep.cursor
	if len(v.after) == 0 {
		return s.Eval.Result, nil
	}
	if e := s.Test; e != nil && e.Update == s.Update {
		return e.Result, nil
	}
	if err := stopped(); err != nil {
		return eval.Result{}, err
	}
	res, err := v.greedy(ctx, v.after)
	if err != nil {
		return res, err
	}
	s.Test = &Evaluation{s.Update, res}
	v.keep.changed()
	return res, v.keep.say(runlog.Tested{Score: res.Score()}, res.String())
}

func (v *evaluator) greedy(ctx context.Context, tasks []ballast.Task) (eval.Result, error) {
	res, err := eval.Run(ctx, v.policy, v.cfg(), tasks, ballast.Sampling{})
	if err != nil {
		return res, fmt.Errorf("evaluation: %w", err)
	}
	if res.Total.All == 0 && res.Infra > 0 { // a broken machine is not a zero
		return res, fmt.Errorf("evaluation: no task could be played; the first is %s", res.Broken)
	}
	return res, nil
}
