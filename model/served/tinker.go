package served

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"ballast/endpoint"
	"ballast/tinker"
)

// Tinker is a training server that samples itself. Its weights are samplers: Offer gives one a
// path, by which Policy.Refresh finds it. The zero Weights are those of the base, until others
// were loaded.
type Tinker struct {
	client *tinker.Client
	base   string

	mu       sync.Mutex
	basic    *tinker.Sampler
	offered  map[string]*tinker.Sampler // by path
	samplers map[string]*tinker.Sampler // by the name of the weights
}

// NewTinker samples on the server of a client: until weights are offered with first, or where
// that is nil from the base model.
func NewTinker(c *tinker.Client, base string, first *tinker.Sampler) *Tinker {
	return &Tinker{client: c, base: base, basic: first, offered: map[string]*tinker.Sampler{}, samplers: map[string]*tinker.Sampler{}}
}

// Offer gives a sampler the path that a Refresh may name next. What was offered before is
// forgotten.
func (b *Tinker) Offer(s *tinker.Sampler) (path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	path = "session:" + s.ID()
	b.offered = map[string]*tinker.Sampler{path: s}
	return path
}

// Address is the server's.
func (b *Tinker) Address() string { return b.client.Address() }

// Context is what the server says of the base.
func (b *Tinker) Context(ctx context.Context) (int, error) {
	can, err := b.client.Capabilities(ctx)
	if err != nil {
		return 0, failure(err)
	}
	for _, m := range can.Models {
		if m.Name == b.base {
			return m.Context, nil
		}
	}
	return 0, nil // it may serve more than it says
}

// Load takes what was offered under the path.
func (b *Tinker) Load(_ context.Context, w Weights) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.offered[w.Path]
	if s == nil {
		return &endpoint.Error{Kind: endpoint.Access, Text: fmt.Sprintf("no weights were offered as %s", w.Path)}
	}
	b.samplers[w.Name] = s
	b.basic = s // a probe names no weights, and the model of those before may be gone
	return nil
}

// Drop forgets a sampler. The server keeps its weights as long as it sees fit.
func (b *Tinker) Drop(_ context.Context, w Weights) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.samplers, w.Name)
	return nil
}

// sampler is the one of the weights.
func (b *Tinker) sampler(ctx context.Context, w Weights) (*tinker.Sampler, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.Name != "" {
		if s := b.samplers[w.Name]; s != nil {
			return s, nil
		}
		return nil, &endpoint.Error{Kind: endpoint.Access, Text: "the weights " + w.Name + " were not loaded"}
	}
	if b.basic == nil {
		s, err := b.client.BaseSampler(ctx, b.base)
		if err != nil {
			return nil, failure(err)
		}
		b.basic = s
	}
	return b.basic, nil
}

// Sample draws one reply.
func (b *Tinker) Sample(ctx context.Context, c *Call) (*Answer, error) {
	s, err := b.sampler(ctx, c.Weights)
	if err != nil {
		return nil, err
	}
	seed := int64(c.Seed & (1<<31 - 1)) // servers count on from it in 32 bits
	r, err := s.Sample(ctx, tinker.Prompt{Tokens: c.Prompt, MaxTokens: c.Max, Temperature: c.Sampling.Temperature, TopP: c.Sampling.TopP,
		TopK: c.Sampling.TopK, Seed: &seed, Stop: c.Stop}).Wait()
	if err != nil {
		return nil, failure(err)
	}
	q := r.Sequences[0]
	short := q.StopReason == tinker.Length && len(q.Tokens) < c.Max // the model's length, and not ours
	return &Answer{Tokens: q.Tokens, LogProb: q.LogProbs, Full: short}, nil
}

// failure is an error of the protocol in the words of a backend. The client has tried all that
// trying again can mend; weights that the server does not know any more are gone with it.
func failure(err error) error {
	var e *tinker.Error
	if !errors.As(err, &e) {
		return err
	}
	kind := endpoint.Server
	switch e.Kind {
	case tinker.Access, tinker.Gone:
		return &LostError{&endpoint.Error{Kind: endpoint.Access, Status: e.Status, Text: e.Error()}}
	case tinker.Refused, tinker.Invalid, tinker.Failed:
		kind = endpoint.Rejected
	case tinker.Unreachable:
		kind = endpoint.Transport
	case tinker.Malformed:
		kind = endpoint.Malformed
	}
	return &endpoint.Error{Kind: kind, Status: e.Status, Text: e.Error()}
}
