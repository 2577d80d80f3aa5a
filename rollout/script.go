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
	// Reply returns the tokens of the next reply. chat.NewDialogue(renderer, nil, nil).Gold(text)
	// is a text with its end token.
	Reply func(tokens []int32, req ballast.Request) []int32
	// Probability fills Reply.Watch, if not nil, for sampled token i of a reply.
	Probability func(reply []int32, i int) []float32
	Tokens      []int32 // watched ids
}

// Watched returns the ids of the watched tokens.
func (s *Script) Watched() []int32 { return s.Tokens }

// Play drives one conversation after the other, each until it is over or waits. Those
// that have waited go on in the order of their return.
func (s *Script) Play(ctx context.Context, convs []ballast.Conversation, _ ballast.Sampling) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tokens, back := make([][]int32, len(convs)), make(chan int, len(convs))
	waiting := 0
	drive := func(i int) error {
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			if wait := convs[i].Wait(); wait != nil {
				select {
				case <-wait:
				default:
					waiting++
					go func() {
						select {
						case <-wait:
							back <- i
						case <-ctx.Done():
						}
					}()
					return nil
				}
			}
			req, more := convs[i].Next()
			if !more {
				return nil
			}
			tokens[i] = append(tokens[i], req.Append...)
			reply := clip(s.Reply(tokens[i], req), req)
			tokens[i] = append(tokens[i], reply...)
			convs[i].Take(s.answer(reply))
		}
	}
	for i := range convs {
		if err := drive(i); err != nil {
			return err
		}
	}
	for ; waiting > 0; waiting-- {
		select {
		case i := <-back:
			if err := drive(i); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
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
