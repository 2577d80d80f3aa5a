package train

import (
	"ballast"
	"ballast/model"
	"ballast/train/pack"
	"ballast/train/plan"
)

// engine computes on batches with weights that it placed. Its methods but grow,
// place and write may be called by several goroutines.
type engine interface {
	// place copies weights to where the engine computes.
	place(from *model.Weights) *params
	// write lets change edit every tensor's data.
	write(p *params, change func(i int, data []float32))
	// grow makes positions below n known.
	grow(n int)
	// logProbs returns the log-probability of every target of a batch.
	logProbs(w *params, samples []ballast.Sample, b *pack.Batch) ([]float32, error)
	// derive adds one batch's gradient to g and its facts to st; ref is nil
	// without a reference.
	derive(g *gradient, w, ref *params, samples []ballast.Sample, b *pack.Batch, in lossInput, st *sums) error
}

// newEngine chooses by backend: plain Go, or graphs on the GoMLX backend asked for.
func newEngine(c model.Config, o Options, p plan.Plan) (engine, error) {
	name := backendName(o.Backend)
	if name == "" {
		return newHostEngine(c, o.Loss, p), nil
	}
	backend, err := newBackend(name)
	if err != nil {
		return nil, err
	}
	var e *graphEngine
	failed := guard(func() { e, err = newGraphEngine(backend, c, o.Loss, p) })
	if failed != nil {
		return nil, failed
	}
	return e, err
}

// terms says which terms of the loss are present in a minibatch.
type terms [ballast.NumTerms]bool

// lossInput is what the loss of a batch needs besides the model.
type lossInput struct {
	has   terms
	count [ballast.NumTerms]float64 // of the whole minibatch
	ref   []float32                 // [targets] or nil
	// refIsPolicy: the reference has the policy's weights, as after Freeze, so
	// that its forward pass would repeat the policy's.
	refIsPolicy bool
}

// weight is a token's weight in a term, 0 if the term is absent.
func weight(s *ballast.Sample, term, index int) float32 {
	if w := s.Terms[term].Weight; w != nil {
		return w[index]
	}
	return 0
}
