package served

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"ballast"
	"ballast/endpoint"
)

// scale says which distribution a server's log-probabilities are of.
type scale int

const (
	untempered scale = iota // the model's own, whatever is sampled from
	tempered                // after the temperature
	truncated               // after the temperature and what top_p and top_k leave
)

// facts are what a probe found out about a server.
type facts struct {
	context int   // 0 = it does not say
	scale   scale //
	watch   bool  // it gives the probabilities of the watched tokens
	repeats bool  // the same seed gave the same tokens twice
}

// unfitError says that a server answers and cannot be sampled from. More tries do not help.
type unfitError struct{ text string }

func (e *unfitError) Error() string { return e.text }

// gone says whether an error may be that of a server that is only not there now.
func gone(err error) bool {
	var e *endpoint.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Kind == endpoint.Transport || e.Kind == endpoint.Server || e.Kind == endpoint.Rate
}

// Probes are short: what they find out shows at the first token.
const (
	probes     = 4 // prompts
	probeWords = 4 // tokens of a prompt
	repeated   = 8 // tokens that are drawn twice
	near       = 0.05
	nothing    = 1e-5
)

// probe asks a server for a few tokens, and whether they are what replies must be.
func probe(ctx context.Context, b Backend, vocab int, watch []int32) (f facts, err error) {
	if f.context, err = b.Context(ctx); err != nil {
		return f, unfit(b, err)
	}
	prompt := make([]int32, probeWords)
	for i := range prompt {
		prompt[i] = int32(i * 7 % vocab)
	}
	first, err := draw(ctx, b, vocab, &Call{Prompt: prompt, Max: 1, Sampling: ballast.Sampling{}})
	if err != nil {
		return f, unfit(b, err)
	}
	token := first.Tokens[0]
	end, err := draw(ctx, b, vocab, &Call{Prompt: prompt, Max: 4, Stop: []int32{token}})
	switch {
	case err != nil:
		return f, unfit(b, err)
	case len(end.Tokens) != 1: // what ends a reply must be in it
		return f, &unfitError{fmt.Sprintf("%s did not end a reply at its first token, which was a stop token", b.Address())}
	}
	if f.scale, err = scaleOf(ctx, b, vocab, prompt); err != nil {
		return f, unfit(b, err)
	}
	if f.watch, err = watches(ctx, b, vocab, prompt, watch, f.scale); err != nil {
		return f, unfit(b, err)
	}
	var twice [2]*Answer
	for i := range twice {
		twice[i], err = draw(ctx, b, vocab, &Call{Prompt: prompt, Max: repeated, Seed: 1 << 40, Sampling: ballast.Sampling{Temperature: 1}})
		if err != nil {
			return f, unfit(b, err)
		}
	}
	f.repeats = slices.Equal(twice[0].Tokens, twice[1].Tokens)
	return f, nil
}

// draw samples and checks the answer.
func draw(ctx context.Context, b Backend, vocab int, c *Call) (*Answer, error) {
	a, err := b.Sample(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(a.Tokens) == 0 {
		return nil, &unfitError{fmt.Sprintf("%s has no room for %d tokens after a prompt of %d", b.Address(), c.Max, len(c.Prompt))}
	}
	return a, fits(b, a, c, vocab)
}

// unfit makes the error of a probe one that says what to do, but for a server that is only not
// there now.
func unfit(b Backend, err error) error {
	var e *endpoint.Error
	if !errors.As(err, &e) {
		return err
	}
	text := strings.ToLower(e.Text)
	if e.Status >= 400 && strings.Contains(text, "prompt") && strings.Contains(text, "valid string") {
		return &unfitError{fmt.Sprintf("%s takes prompts of text only and refuses token ids, which are what is sampled from and trained on; "+
			"vLLM takes them, llama-cpp-python's server does not", b.Address())}
	}
	if gone(err) {
		return err
	}
	return &unfitError{e.Text}
}

// scaleOf compares the log-probability of the most likely token, drawn at two temperatures with
// nothing else left. A server that truncates before it tells gives 0 for both.
func scaleOf(ctx context.Context, b Backend, vocab int, prompt []int32) (scale, error) {
	prompt = slices.Clone(prompt)
	for k := range probes {
		prompt[0] = int32((k * 13) % vocab)
		var at [2]float64
		var token [2]int32
		for i, t := range []float64{1, 2} {
			a, err := draw(ctx, b, vocab, &Call{Prompt: prompt, Max: 1, Sampling: ballast.Sampling{Temperature: t, TopK: 1}})
			if err != nil {
				return 0, err
			}
			at[i], token[i] = float64(a.LogProb[0]), a.Tokens[0]
		}
		switch {
		case token[0] != token[1], at[0] > -nothing && at[1] > -nothing: // a tie, or a model that is sure
			continue
		case math.Abs(at[0]-at[1]) <= near*max(1, math.Abs(at[0])):
			return untempered, nil
		}
		return tempered, nil
	}
	return truncated, nil
}

// watches asks for the probabilities of tokens by their ids, of the most likely one too, whose
// log-probability is known where the server does not truncate: at temperature 0 one token is left.
func watches(ctx context.Context, b Backend, vocab int, prompt, watch []int32, of scale) (bool, error) {
	if len(watch) == 0 {
		return false, nil
	}
	plain, err := draw(ctx, b, vocab, &Call{Prompt: prompt, Max: 1})
	if err != nil {
		return false, err
	}
	ids := slices.Clone(watch)
	if !slices.Contains(ids, plain.Tokens[0]) {
		ids = append(ids, plain.Tokens[0])
	}
	a, err := draw(ctx, b, vocab, &Call{Prompt: prompt, Max: 1, Watch: ids})
	var e *endpoint.Error
	switch {
	case errors.As(err, &e) && e.Kind == endpoint.Rejected: // it does not know the option
		return false, nil
	case err != nil:
		return false, err
	case a.Watch == nil || a.Watch[0] == nil:
		return false, nil
	}
	p, q := float64(a.Watch[0][slices.Index(ids, plain.Tokens[0])]), math.Exp(float64(a.LogProb[0]))
	if of != truncated && a.Tokens[0] == plain.Tokens[0] && math.Abs(p-q) > near {
		return false, &unfitError{fmt.Sprintf("%s gives token %d the probability %.4g as sampled and %.4g as watched", b.Address(),
			a.Tokens[0], q, p)}
	}
	return true, nil
}
