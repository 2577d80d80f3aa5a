package loop

import (
	"context"
	"fmt"

	"ballast/chat"
	"ballast/runlog"
	"ballast/supervise"
)

// close lets the judge write the closing replies of the training tasks' gold
// dialogues, if that is asked for and something learns from them. After a resume they
// come from its cache.
func (r *Run) close(ctx context.Context) error {
	if !r.Recipe.Asks().Closing {
		return nil
	}
	g := r.ground()
	var in []chat.Format // a reply that fits in one may be over the budget in another, with longer calls
	for _, name := range r.Recipe.Formats() {
		f, err := chat.FormatByName(name)
		if err != nil {
			return err
		}
		in = append(in, f)
	}
	tasks, lost, stats, err := supervise.Close(ctx, g.judge, played(&r.Recipe, &r.Engine), in, r.Train, r.State.Open)
	if err != nil {
		return err
	}
	r.Train = tasks
	if r.State.Closed && len(lost) > 0 {
		return fmt.Errorf("the judge's closing replies for %s were there before and are not now; keep its cache folder until the run ends",
			lost[0])
	}
	if r.State.Closed {
		return nil
	}
	r.State.Closed, r.State.Open = true, lost
	r.keep.changed()
	return r.keep.say(judged(stats),
		fmt.Sprintf("closing replies of %d tasks, %d keep their own: %s", len(tasks)-len(lost), len(lost), stats))
}

func judged(s supervise.Stats) runlog.Judged {
	return runlog.Judged{Requests: s.Asked, Cached: s.Cached, Answered: s.Answered, Lost: s.Lost, Tokens: s.Tokens, Cost: s.Cost,
		Failures: s.Failures}
}
