package served

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
)

// ErrNobody says that no server took weights.
var ErrNobody = errors.New("no server took the weights")

// Refresh has all servers sample with the LoRA adapter at a path, which the servers' machines
// must see; "" is what they were started with. A server that does not take it is left out until
// it has it, so what is at the path must not change before the next Refresh. No play may be under
// way. It fails when no server took the weights, and no server is sampled from then until one has.
func (p *Policy) Refresh(ctx context.Context, path string) error {
	if !p.plays.TryLock() {
		return errors.New("served: the weights cannot change while conversations are played")
	}
	defer p.plays.Unlock()
	w := Weights{}
	if path != "" {
		w = Weights{Name: unique(), Path: path}
	}
	p.mu.Lock()
	p.weights = w
	p.updates++
	var up []*server
	for _, s := range p.servers {
		if s.why == nil {
			up = append(up, s)
			continue
		}
		select { // it wants these weights, not those that it may be getting
		case s.nudge <- struct{}{}:
		default:
		}
	}
	p.mu.Unlock()
	errs := make([]error, len(up))
	var group sync.WaitGroup
	for i, s := range up {
		group.Go(func() {
			if w.Name != "" {
				errs[i] = p.load(ctx, s, w)
			}
			if errs[i] == nil {
				p.drop(ctx, s, w)
			}
		})
	}
	group.Wait()
	took := 0
	for i, s := range up {
		if errs[i] == nil {
			took++
			continue
		}
		p.leaveOut(s, fmt.Errorf("it did not take the weights %s: %w", path, errs[i]))
	}
	switch {
	case took > 0:
		return nil
	case len(up) == 0: // they get the weights when they come back
		return nil
	}
	return fmt.Errorf("served: %w: %w", ErrNobody, errs[0])
}

// unique is a name of weights that no server has seen, of no other run either.
func unique() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return "ballast-" + hex.EncodeToString(b[:])
}
