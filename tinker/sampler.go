package tinker

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
)

// Sampler samples with one set of weights. It is safe for concurrent use: requests are
// independent of one another.
type Sampler struct {
	c    *Client
	id   string
	next atomic.Int64
}

// ID is the server's id of the sampling session.
func (s *Sampler) ID() string { return s.id }

// Sample asks for replies to a prompt. What comes back is as long as was asked for, of the
// vocabulary and finite, or it is an error; a server may give no log-probabilities. Those
// of the prompt stand at their tokens: the first is NaN.
func (s *Sampler) Sample(ctx context.Context, p Prompt) *Future[*SampleResponse] {
	const op = "asample"
	if err := s.c.o.checkPrompt(&p); err != nil {
		return failed[*SampleResponse](err)
	}
	p.Samples = max(p.Samples, 1)
	seq := int(s.next.Add(1)) - 1
	return begin(ctx, s.c, newFuture[*SampleResponse](), func(ctx context.Context) (*SampleResponse, error) {
		select {
		case s.c.sampling <- struct{}{}:
			defer func() { <-s.c.sampling }()
		case <-ctx.Done():
			return nil, ended(ctx, op)
		}
		topK, topP := p.TopK, p.TopP
		if topK == 0 {
			topK = -1
		}
		if topP == 0 {
			topP = 1
		}
		params := SamplingParams{MaxTokens: p.MaxTokens, Seed: p.Seed, Stop: p.Stop, Temperature: &p.Temperature, TopK: &topK, TopP: &topP}
		k, err := s.c.jsonCall(PathSample, SampleRequest{SamplingSessionID: s.id, SeqID: seq, NumSamples: p.Samples, Prompt: p.Tokens,
			Params: params, PromptLogProbs: p.LogProbs || p.TopLogProbs > 0, TopKPromptLogProbs: p.TopLogProbs, Type: "sample"})
		if err != nil {
			return nil, err
		}
		k.result, k.header = TypeProto, map[string]string{"X-Tinker-Sampling-Backpressure": "1"}
		promise, _, _, err := s.c.submit(ctx, k)
		if err != nil {
			return nil, err
		}
		a, err := s.c.await(ctx, k, promise)
		if err != nil {
			return nil, err
		}
		var r SampleResponse
		if a.proto {
			err = r.UnmarshalProto(a.body)
		} else {
			err = json.Unmarshal(a.body, &r)
		}
		if err == nil {
			err = s.c.checkSamples(&r, &p)
		}
		if err != nil {
			return nil, s.c.malformed(op, a.status, err)
		}
		return &r, nil
	})
}

// checkSamples says what an answer has that was not asked for, and puts the prompt's
// log-probabilities at their tokens: SkyRL leaves the first one out.
func (c *Client) checkSamples(r *SampleResponse, p *Prompt) error {
	if len(r.Sequences) != p.Samples {
		return fmt.Errorf("%d sequences instead of %d", len(r.Sequences), p.Samples)
	}
	for i, s := range r.Sequences {
		if len(s.Tokens) > p.MaxTokens {
			return fmt.Errorf("sequence %d has %d tokens, and %d were allowed", i, len(s.Tokens), p.MaxTokens)
		}
		if err := c.o.checkTokens("token", s.Tokens); err != nil {
			return fmt.Errorf("sequence %d: %w", i, err)
		}
		if j := slices.IndexFunc(s.LogProbs, notFinite); j >= 0 {
			return fmt.Errorf("sequence %d: the log-probability of token %d is %v", i, j, s.LogProbs[j])
		}
	}
	if !p.LogProbs && p.TopLogProbs == 0 {
		r.PromptLogProbs, r.TopK = nil, nil
		return nil
	}
	unknown := float32(math.NaN())
	switch n := len(p.Tokens); len(r.PromptLogProbs) {
	case n:
		r.PromptLogProbs[0] = unknown
	case n - 1:
		r.PromptLogProbs = append(Maybe{unknown}, r.PromptLogProbs...)
	default:
		if p.LogProbs {
			return fmt.Errorf("%d log-probabilities of a prompt with %d tokens", len(r.PromptLogProbs), n)
		}
	}
	for j := 1; j < len(r.PromptLogProbs); j++ {
		if notFinite(r.PromptLogProbs[j]) {
			return fmt.Errorf("the log-probability of the prompt's token %d is %v", j, r.PromptLogProbs[j])
		}
	}
	if p.TopLogProbs > 0 {
		switch n := len(p.Tokens); len(r.TopK) {
		case n:
		case n - 1:
			r.TopK = append([][]TokenLogProb{nil}, r.TopK...)
		default:
			return fmt.Errorf("top log-probabilities at %d of a prompt's %d tokens", len(r.TopK), n)
		}
	}
	return nil
}
