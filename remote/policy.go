package remote

import (
	"context"
	"errors"
	"fmt"

	openai "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"

	"ballast"
	"ballast/chat/bpe"
)

// Policy samples from the completions endpoint: prompts are sent as token ids, so
// that the server sees exactly the conversation that is recorded. Replies come
// back as text and are encoded once; log-probabilities are not known (0), and the
// replies are not fit to be trained on.
type Policy struct {
	Client *Client
	Tok    *bpe.Tokenizer // the model's own
	Text   bool           // send prompts as text, for servers that take no ids
}

// Watched implements ballast.Policy: nothing is watched.
func (p *Policy) Watched() []int32 { return nil }

// Play implements ballast.Policy.
func (p *Policy) Play(ctx context.Context, convs []ballast.Conversation, how ballast.Sampling) error {
	return p.Client.each(ctx, len(convs), func(ctx context.Context, i int) (infra, fatal error) {
		var tokens []int32
		for {
			req, more := convs[i].Next()
			if !more {
				return nil, nil
			}
			tokens = append(tokens, req.Append...)
			reply, err := p.reply(ctx, tokens, req, how)
			var end *fatalError
			switch {
			case errors.As(err, &end):
				return nil, end.err
			case err != nil && ctx.Err() != nil:
				return nil, context.Cause(ctx)
			case errors.Is(err, errFull):
				reply = nil // an empty reply without an end: cut
			case err != nil:
				convs[i].Take(ballast.Reply{Err: err})
				return err, nil
			}
			tokens = append(tokens, reply...)
			convs[i].Take(ballast.Reply{Tokens: reply, LogProb: make([]float32, len(reply))})
		}
	})
}

// reply asks for one reply and encodes it.
func (p *Policy) reply(ctx context.Context, tokens []int32, req ballast.Request, how ballast.Sampling) ([]int32, error) {
	if req.Mask != nil {
		return nil, &fatalError{errors.New("an endpoint cannot constrain its replies: play the model in this process")}
	}
	body := openai.CompletionNewParams{Model: openai.CompletionNewParamsModel(p.Client.opts.Model), MaxTokens: param.NewOpt(int64(req.Max))}
	if p.Text {
		body.Prompt.OfString = param.NewOpt(p.Tok.Decode(tokens))
	} else {
		for _, id := range tokens {
			body.Prompt.OfArrayOfTokens = append(body.Prompt.OfArrayOfTokens, int64(id))
		}
	}
	for _, id := range req.Stop {
		body.Stop.OfStringArray = append(body.Stop.OfStringArray, p.Tok.Token(id))
	}
	if how.Temperature >= 0 {
		body.Temperature = param.NewOpt(how.Temperature)
	}
	if how.TopP > 0 && how.TopP < 1 {
		body.TopP = param.NewOpt(how.TopP)
	}
	if how.Temperature > 0 {
		body.Seed = param.NewOpt(int64(uint32(req.Seed) ^ uint32(len(tokens))))
	}
	scope := fmt.Sprintf("completion %d %d", req.Seed, len(tokens))
	m, err := p.Client.ask(ctx, scope, body, func(ctx context.Context) (message, error) {
		return p.Client.complete(ctx, body)
	})
	if err != nil {
		return nil, err
	}
	ids := p.Tok.Encode(m.Content)
	ended := m.Finish != "length"
	for i, id := range ids { // a server may send the stop token as text
		for _, s := range req.Stop {
			if id == s {
				return ids[:i+1], nil
			}
		}
	}
	if ended && len(req.Stop) > 0 {
		ids = append(ids, req.Stop[0])
	}
	return ids, nil
}

// complete sends one request to the completions endpoint.
func (c *Client) complete(ctx context.Context, body openai.CompletionNewParams) (message, error) {
	var m message
	if !c.opts.Stream {
		res, err := c.api.Completions.New(ctx, body)
		if err != nil {
			return m, err
		}
		if len(res.Choices) == 0 || res.Choices[0].FinishReason == "" {
			return m, errHalf
		}
		return message{Content: res.Choices[0].Text, Finish: string(res.Choices[0].FinishReason), Tokens: res.Usage.TotalTokens}, nil
	}
	s := c.api.Completions.NewStreaming(ctx, body)
	defer s.Close()
	for s.Next() {
		if chunk := s.Current(); len(chunk.Choices) > 0 {
			m.Content += chunk.Choices[0].Text
			m.Finish = or(string(chunk.Choices[0].FinishReason), m.Finish)
		}
	}
	if err := s.Err(); err != nil {
		return m, err
	}
	if m.Finish == "" {
		return m, errHalf
	}
	return m, nil
}
