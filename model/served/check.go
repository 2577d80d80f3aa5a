package served

import (
	"fmt"
	"math"
	"slices"

	"ballast/endpoint"
)

// lowest is what servers write for a log-probability of minus infinity: no sampled token has it.
const lowest = -9000

// slack is how far above 0 rounding may lift a log-probability, and a probability above 1.
const slack = 1e-3

// fits is the error of an answer that cannot be one to the call, nil if it can. An answer
// without tokens is one where the context is full.
func fits(b Backend, a *Answer, c *Call, vocab int) error {
	wrong := func(format string, args ...any) error {
		return &endpoint.Error{Kind: endpoint.Malformed, Text: b.Address() + " " + fmt.Sprintf(format, args...)}
	}
	n := len(a.Tokens)
	switch {
	case n == 0 && !a.Full:
		return wrong("answers with no token")
	case n > c.Max:
		return wrong("answers with %d tokens and was asked for at most %d", n, c.Max)
	case len(a.LogProb) != n:
		return wrong("answers with %d tokens and %d log-probabilities", n, len(a.LogProb))
	case a.Watch != nil && len(a.Watch) != n:
		return wrong("answers with %d tokens and the watched probabilities of %d", n, len(a.Watch))
	}
	for i, t := range a.Tokens {
		switch lp := float64(a.LogProb[i]); {
		case t < 0 || int(t) >= vocab:
			return wrong("sampled token %d, which is outside of the vocabulary of %d: is it the same model?", t, vocab)
		case i < n-1 && slices.Contains(c.Stop, t):
			return wrong("went on after the stop token %d", t)
		case math.IsNaN(lp) || lp > slack || lp < lowest:
			return wrong("gives the token that it sampled at position %d the log-probability %v", i, lp)
		}
	}
	if last := n > 0 && slices.Contains(c.Stop, a.Tokens[n-1]); n > 0 && n < c.Max && !last && !a.Full {
		return wrong("ended a reply after %d of %d tokens without a stop token", n, c.Max)
	}
	for i, row := range a.Watch {
		if row == nil {
			continue
		}
		if len(row) != len(c.Watch) {
			return wrong("gives %d watched probabilities of %d", len(row), len(c.Watch))
		}
		for k, p := range row {
			if p := float64(p); !(p >= 0 && p <= 1+slack) {
				return wrong("gives the watched token %d at position %d the probability %v", c.Watch[k], i, p)
			}
		}
	}
	return nil
}

// watched is the error of an answer without all the probabilities that the server has given in
// its probe.
func watched(b Backend, a *Answer) error {
	if len(a.Watch) == len(a.Tokens) && !slices.ContainsFunc(a.Watch, func(row []float32) bool { return row == nil }) {
		return nil
	}
	return &endpoint.Error{Kind: endpoint.Malformed, Text: b.Address() + " leaves out probabilities of watched tokens, which it gave at first"}
}
