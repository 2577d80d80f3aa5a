package loop

import (
	"context"
	"fmt"

	"ballast"
	"ballast/eval"
	"ballast/runlog"
)

// evaluate plays the tasks of evaluations, once after an update. Of equal evaluations
// the newest is the best; one without a success is none.
func (r *Run) evaluate(ctx context.Context) error {
	if e := r.State.Eval; e != nil && e.Update == r.State.Update {
		return nil
	}
	res, err := r.greedy(ctx, r.Eval)
	if err != nil {
		return err
	}
	r.State.Eval, r.saved = &Evaluation{r.State.Update, res}, false
	what := runlog.Evaluated{Score: res.Score()}
	if rate := res.Rate(); rate > 0 && rate >= r.State.Best {
		r.State.Best, r.State.BestAt = rate, r.State.Update
		what.Best = true
	}
	return r.Log.Event(runlog.Event{Update: r.State.Update, What: what, Text: res.String()})
}

// test plays the test tasks after the last update, once. Where there are none of their
// own, the last evaluation was on them.
func (r *Run) test(ctx context.Context) (eval.Result, error) {
	if len(r.Test) == 0 {
		return r.State.Eval.Result, nil
	}
	if e := r.State.Test; e != nil && e.Update == r.State.Update {
		return e.Result, nil
	}
	if err := r.stopped(); err != nil { // before what may take as long as many updates
		return eval.Result{}, err
	}
	res, err := r.greedy(ctx, r.Test)
	if err != nil {
		return res, err
	}
	r.State.Test, r.saved = &Evaluation{r.State.Update, res}, false
	return res, r.Log.Event(runlog.Event{Update: r.State.Update, What: runlog.Tested{Score: res.Score()}, Text: res.String()})
}

// greedy plays tasks greedily.
func (r *Run) greedy(ctx context.Context, tasks []ballast.Task) (eval.Result, error) {
	res, err := eval.Run(ctx, r.Engine.Policy, r.rollout(&r.Recipe), tasks, ballast.Sampling{})
	if err != nil {
		return res, fmt.Errorf("evaluation: %w", err)
	}
	if res.Total.All == 0 && res.Infra > 0 { // a broken machine is not a zero
		return res, fmt.Errorf("evaluation: no task could be played; the first is %s", res.Broken)
	}
	return res, nil
}
