package remote_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"ballast"
	"ballast/model"
	"ballast/model/playtest"
	"ballast/remote"
)

// exchange is a conversation of some replies; it tells when it is over.
type exchange struct {
	seed    uint64
	replies []ballast.Reply
	want    int
	over    func()
}

func (e *exchange) Wait() <-chan struct{} { return nil }

func (e *exchange) Next() (ballast.Request, bool) {
	if len(e.replies) == e.want {
		e.over()
		return ballast.Request{}, false
	}
	return ballast.Request{Append: []int32{int32(len(e.replies)), 7}, Max: 4, Seed: e.seed}, true
}

func (e *exchange) Take(r ballast.Reply) { e.replies = append(e.replies, r) }

// gated is a conversation that waits before one of its requests until a gate opens.
type gated struct {
	*exchange
	at   int
	gate chan struct{}
}

func (g *gated) Wait() <-chan struct{} {
	if len(g.replies) == g.at {
		return g.gate
	}
	return nil
}

// answering is a policy of an endpoint that answers with the number of tokens it was sent,
// for one request at a time.
func answering(t *testing.T) *remote.Policy {
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	var busy atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if busy.Add(1) > 1 {
			t.Error("two requests at a time")
		}
		defer busy.Add(-1)
		var body struct{ Prompt []int32 }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, `{"choices": [{"index": 0, "text": "%d", "finish_reason": "stop"}]}`, len(body.Prompt))
	}))
	t.Cleanup(s.Close)
	c, err := remote.NewClient(remote.Options{URL: s.URL + "/v1", Model: "m", Concurrency: 1, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &remote.Policy{Client: c, Tokenizer: m.Tokenizer}
}

// TestWhoWaitsHoldsNoSlot: with one slot, conversations wait until all others are over; if they
// held the slot, the play would not end. Replies are those without waits.
func TestWhoWaitsHoldsNoSlot(t *testing.T) {
	t.Parallel()
	p := answering(t)
	want := &exchange{want: 3, over: func() {}}
	if err := p.Play(t.Context(), []ballast.Conversation{want}, ballast.Sampling{}); err != nil {
		t.Fatal(err)
	}
	const n = 10
	var left atomic.Int32
	gate := make(chan struct{})
	left.Store(n - 4)
	var all []*exchange
	var convs []ballast.Conversation
	for i := range n {
		e := &exchange{seed: uint64(i), want: 3, over: func() {}}
		if all = append(all, e); i < 4 { // the last of them waits before it says that it is over
			convs = append(convs, &gated{e, i, gate})
			continue
		}
		e.over = func() {
			if left.Add(-1) == 0 {
				close(gate)
			}
		}
		convs = append(convs, e)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Play(ctx, convs, ballast.Sampling{}); err != nil {
		t.Fatal(err)
	}
	for i, e := range all {
		if len(e.replies) != 3 {
			t.Fatalf("conversation %d has %d replies", i, len(e.replies))
		}
		for k, r := range e.replies {
			if r.Err != nil || !slices.Equal(r.Tokens, want.replies[k].Tokens) {
				t.Errorf("conversation %d reply %d: %v %v, want %v", i, k, r.Tokens, r.Err, want.replies[k].Tokens)
			}
		}
	}
}

// TestPlayStopsWhileSomeWait: a cancellation does not wait for what never goes on.
func TestPlayStopsWhileSomeWait(t *testing.T) {
	t.Parallel()
	p := answering(t)
	ctx, cancel := context.WithCancel(t.Context())
	var convs []ballast.Conversation
	for i := range 3 {
		e := &exchange{seed: uint64(i), want: 2, over: func() {}}
		convs = append(convs, playtest.Slow(e, playtest.Constant(playtest.Never)))
	}
	done := &exchange{want: 2, over: cancel}
	err := p.Play(ctx, append(convs, done), ballast.Sampling{})
	if !errors.Is(err, context.Canceled) || len(done.replies) != 2 {
		t.Errorf("%v after %d replies", err, len(done.replies))
	}
}
