package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/rollout"
)

// TestEvalProgress: a line says how many have ended, without those that broke, and whoever keeps the episodes gets all.
func TestEvalProgress(t *testing.T) {
	lines := make(notes, 100)
	kept := 0
	play := withProgress(func(_ context.Context, plays []rollout.Request, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
		for i, stop := range []ballast.Stop{ballast.StopInfra, ballast.StopDone, ballast.StopTurns} {
			ended(&ballast.Episode{Group: i, Stop: stop})
		}
		for len(lines) > 0 { // said before all had ended
			<-lines
		}
		<-lines // one on its way may have been early
		if line := <-lines; !strings.HasPrefix(line, "ballast: 2 of 4 episodes have ended after ") {
			t.Errorf("%q", line)
		}
		return make([]ballast.Episode, len(plays)), nil
	}, lines, time.Millisecond)
	eps, err := play(t.Context(), make([]rollout.Request, 4), func(*ballast.Episode) { kept++ })
	if len(eps) != 4 || err != nil || kept != 3 {
		t.Errorf("%d episodes, %v, %d kept", len(eps), err, kept)
	}
	for len(lines) > 0 {
		<-lines
	}
	if time.Sleep(20 * time.Millisecond); len(lines) > 0 {
		t.Errorf("after the end: %q", <-lines)
	}
}

// notes are lines that are waited for.
type notes chan string

func (n notes) Write(p []byte) (int, error) {
	select {
	case n <- string(p):
	default:
	}
	return len(p), nil
}
