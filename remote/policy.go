package remote

import (
	"context"
	"errors"
	"fmt"

	"ballast"
	"ballast/chat/bpe"
	"ballast/chat/pretoken"
	"ballast/endpoint"
)

// Policy samples from the completions endpoint: prompts are sent as token ids, so
// that the server sees exactly the conversation that is recorded. Replies come
// back as text and are encoded once; log-probabilities are not known (0), and the
// replies are not fit to be trained on.
type Policy struct {
	Client    *Client
	Tokenizer *bpe.Tokenizer // the model's own
	Text      bool           // send prompts as text, for servers that take no ids
}

// Watched returns the ids of the watched tokens: nothing is watched.
func (p *Policy) Watched() []int32 { return nil }

// Play asks the endpoint for every reply. A conversation that waits for what is not the
// endpoint leaves its place to others.
func (p *Policy) Play(ctx context.Context, convs []ballast.Conversation, how ballast.Sampling) error {
	tokens, broke := make([][]int32, len(convs)), make([]error, len(convs))
	return p.Client.each(ctx, len(convs), func(ctx context.Context, i int) (wait <-chan struct{}, infra, fatal error) {
		for {
			if wait = convs[i].Wait(); wait != nil {
				select {
				case <-wait:
				default:
					return wait, nil, nil
				}
			}
			req, more := convs[i].Next()
			if !more {
				return nil, broke[i], nil
			}
			tokens[i] = append(tokens[i], req.Append...)
			reply, cut, err := p.reply(ctx, tokens[i], req, how)
			var end *fatalError
			switch {
			case errors.As(err, &end):
				return nil, nil, end.err
			case err != nil && ctx.Err() != nil:
				return nil, nil, context.Cause(ctx)
			case full(err):
				convs[i].Take(ballast.Reply{Full: true})
				continue
			case err != nil:
				broke[i] = err
				convs[i].Take(ballast.Reply{Err: err})
				continue
			}
			tokens[i] = append(tokens[i], reply...)
			convs[i].Take(ballast.Reply{Tokens: reply, LogProb: make([]float32, len(reply)), Full: cut})
		}
	})
}

// reply asks for one reply and encodes it; full says that the model's context cut it.
func (p *Policy) reply(ctx context.Context, tokens []int32, req ballast.Request, how ballast.Sampling) (ids []int32, full bool, err error) {
	defer pretoken.Recover(&err)
	if req.Mask != nil {
		return nil, false, &fatalError{errors.New("an endpoint cannot constrain its replies: play the model in this process")}
	}
	body := endpoint.Completion{Model: p.Client.opts.Model, MaxTokens: req.Max}
	if p.Text {
		body.Prompt = p.Tokenizer.Decode(tokens)
	} else {
		body.Prompt = tokens
	}
	for _, id := range req.Stop {
		body.Stop = append(body.Stop, p.Tokenizer.Token(id))
	}
	if how.Temperature >= 0 {
		body.Temperature = &how.Temperature
	}
	if how.TopP > 0 && how.TopP < 1 {
		body.TopP = &how.TopP
	}
	if how.Temperature > 0 {
		seed := int64(uint32(req.Seed) ^ uint32(len(tokens)))
		body.Seed = &seed
	}
	scope := fmt.Sprintf("completion %d %d", req.Seed, len(tokens))
	m, err := p.Client.ask(ctx, "completion", scope, body, func() (endpoint.Reply, error) {
		return p.Client.api.Complete(p.Client.opts.Halt, ctx, body, p.Client.opts.Stream)
	})
	if err != nil {
		return nil, false, err
	}
	ids = p.Tokenizer.Encode(m.Content)
	ended := m.Finish != "length"
	for i, id := range ids { // a server may send the stop token as text
		for _, s := range req.Stop {
			if id == s {
				return ids[:i+1], false, nil
			}
		}
	}
	if ended && len(req.Stop) > 0 {
		ids = append(ids, req.Stop[0])
	}
	return ids, m.Full, nil
}
