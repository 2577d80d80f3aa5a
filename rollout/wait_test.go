package rollout_test

import (
	"context"
	"testing"

	"ballast"
	"ballast/env/envtest"
	"ballast/env/sim"
)

// patient is a policy that asks Wait once before every Next: it waits for the channel to be
// closed and goes on, as the contract of a conversation allows.
type patient struct{ waited int }

func (p *patient) Watched() []int32 { return nil }

func (p *patient) Play(_ context.Context, convs []ballast.Conversation, _ ballast.Sampling) error {
	for _, c := range convs {
		for {
			if wait := c.Wait(); wait != nil {
				<-wait
				p.waited++
			}
			req, more := c.Next()
			if !more {
				break
			}
			reply := req.Stop[:1] // nothing but an end
			c.Take(ballast.Reply{Tokens: reply, LogProb: make([]float32, 1), Entropy: make([]float32, 1), Watch: [][]float32{nil}})
		}
	}
	return nil
}

// TestNextAfterWait: Next may be called when the channel that Wait returned is closed, without
// another Wait.
func TestNextAfterWait(t *testing.T) {
	s := newStage(t, 16, 4)
	p := &patient{}
	s.policy, s.other = nil, p
	eps, _ := s.in(t, &envtest.World{World: sim.World{}})
	if len(eps) == 0 || p.waited == 0 {
		t.Fatalf("%d episodes, waited %d times", len(eps), p.waited)
	}
	for _, ep := range eps {
		if ep.Stop == ballast.StopInfra {
			t.Fatalf("%s: %s", ep.Task, ep.Error)
		}
	}
}
