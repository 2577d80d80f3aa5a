package main

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"ballast"
	"ballast/eval"
	"ballast/rollout"
	"ballast/safetext"
)

// tellEvery is how often an evaluation says how far it is.
const tellEvery = 30 * time.Second

// withProgress is a player that says on notes how many episodes have ended, every so often: a large model plays for hours. Episodes are
// played side by side, so for long few have ended.
func withProgress(play eval.Player, notes io.Writer, every time.Duration) eval.Player {
	return func(ctx context.Context, plays []rollout.Request, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
		var done atomic.Int64
		var teller sync.WaitGroup
		over := make(chan struct{})
		begun, tick := time.Now(), time.NewTicker(every)
		teller.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-tick.C:
					safetext.Say(notes, "ballast: %d of %d episodes have ended after %s\n", done.Load(), len(plays),
						time.Since(begun).Round(time.Second))
				}
			}
		})
		defer teller.Wait()
		defer close(over)
		defer tick.Stop()
		return play(ctx, plays, func(ep *ballast.Episode) {
			if ep.Stop != ballast.StopInfra { // one that broke may be played again
				done.Add(1)
			}
			if ended != nil {
				ended(ep)
			}
		})
	}
}
