package rollout

import (
	"context"

	"ballast"
)

// Script is the deterministic fake of a policy: a function from the tokens of a
// conversation so far to the tokens of the next reply. Log-probabilities are 0
// (certainty). A reply longer than the request allows is cut as a sampler would
// cut it, and everything after a stop token is dropped.
type Script struct {
	Reply func(tokens []int32, req ballast.Request) []int32
	// Probability fills Reply.Watch, if not nil, for sampled token i of a reply.
	Probability func(reply []int32, i int) []float32
	Tokens      []int32 // watched ids
}

// Watched implements ballast.Policy.
func (s *Script) Watched() []int32 { return s.Tokens }

// Play implements ballast.Policy: it drives one conversation after the other.
func (s *Script) Play(ctx context.Context, convs []ballast.Conversation, _ ballast.Sampling) error {
	for _, c := range convs {
		var tokens []int32
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			req, more := c.Next()
			if !more {
				break
			}
			tokens = append(tokens, req.Append...)
			reply := clip(s.Reply(tokens, req), req)
			tokens = append(tokens, reply...)
			c.Take(s.answer(reply))
		}
	}
	return nil
}

// clip cuts a reply where a sampler would have ended it.
func clip(reply []int32, req ballast.Request) []int32 {
	for i, id := range reply {
		for _, stop := range req.Stop {
			if id == stop {
				reply = reply[:i+1]
				break
			}
		}
		if i+1 >= len(reply) {
			break
		}
	}
	return reply[:min(len(reply), req.Max)]
}

func (s *Script) answer(reply []int32) ballast.Reply {
	r := ballast.Reply{Tokens: reply, LogProb: make([]float32, len(reply)), Entropy: make([]float32, len(reply))}
	for i := range reply {
		row := make([]float32, len(s.Tokens))
		if s.Probability != nil {
			row = s.Probability(reply, i)
		}
		r.Watch = append(r.Watch, row)
	}
	return r
}
