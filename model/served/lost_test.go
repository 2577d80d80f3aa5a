package served_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"ballast/model/served"
	"ballast/model/servedtest"
)

// dying is a backend that loses for good what it samples with.
type dying struct {
	served.Backend
	dead atomic.Bool
}

func (d *dying) Sample(ctx context.Context, c *served.Call) (*served.Answer, error) {
	if d.dead.Load() {
		return nil, &served.LostError{Err: errors.New("the weights are gone")}
	}
	return d.Backend.Sample(ctx, c)
}

// TestLost: a play whose weights are gone for good ends with that, at once and as no interrupt.
// The server is not left out.
func TestLost(t *testing.T) {
	o := quick(t, "vllm", start(t, servedtest.Options{}))
	d := &dying{Backend: o.Servers[0]}
	o.Servers[0] = d
	p := open(t, o)
	d.dead.Store(true)
	err := p.Play(t.Context(), conversations(talks(4, 4, 3)), warm)
	if !errors.As(err, new(*served.LostError)) || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the weights are gone") {
		t.Errorf("%v", err)
	}
	if s := p.Servers()[0]; s.Left != 0 || s.Failed == 0 || s.Retries != 0 {
		t.Errorf("%+v", s)
	}
	d.dead.Store(false)
	play(t, p, talks(4, 4, 3), warm)
}
