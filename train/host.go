package train

import (
	"slices"
	"sync"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/train/decoder"
	"ballast/train/pack"
	"ballast/train/plan"
)

// hostEngine computes in plain Go on the host's processor.
type hostEngine struct {
	c    model.Config
	d    *decoder.Decoder
	mode decoder.Mode
	loss loss.Params
	mu   sync.Mutex
	idle []*decoder.Run
}

func newHostEngine(c model.Config, p loss.Params, cut plan.Plan) *hostEngine {
	e := &hostEngine{c: c, d: decoder.New(c, inner(cut)), mode: decoder.Recompute, loss: p}
	if cut.Keep {
		e.mode = decoder.Keep
	}
	return e
}

// place implements engine. The copy is shared memory from then on.
func (e *hostEngine) place(from *model.Weights) *params {
	p := &params{specs: e.c.Specs()}
	for _, s := range p.specs {
		p.flat = append(p.flat, slices.Clone(from.Get(s.Name).Data))
	}
	p.host = decoder.Bind(&e.c, p.flat)
	return p
}

// write implements engine.
func (e *hostEngine) write(p *params, change func(i int, data []float32)) {
	for i, x := range p.flat {
		change(i, x)
	}
}

// grow implements engine.
func (e *hostEngine) grow(n int) { e.d.Grow(n) }

// borrow returns a Run that nobody uses; giveBack takes it back.
func (e *hostEngine) borrow() *decoder.Run {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.idle); n > 0 {
		r := e.idle[n-1]
		e.idle = e.idle[:n-1]
		return r
	}
	return e.d.NewRun()
}

func (e *hostEngine) giveBack(r *decoder.Run) {
	r.Reset()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.idle = append(e.idle, r)
}

// lay makes a batch the decoder's input.
func lay(samples []ballast.Sample, b *pack.Batch) (decoder.Input, []decoder.Target) {
	in := decoder.Input{Tokens: b.Tokens, Positions: b.Positions, Segments: b.Segments}
	for _, t := range b.Targets {
		in.Wanted = append(in.Wanted, int32(t.Row))
	}
	slices.Sort(in.Wanted)
	in.Wanted = slices.Compact(in.Wanted)
	targets := make([]decoder.Target, len(b.Targets))
	for i, t := range b.Targets {
		row, _ := slices.BinarySearch(in.Wanted, int32(t.Row))
		targets[i] = decoder.Target{Row: row, ID: samples[t.Sample].Tokens[t.Index]}
	}
	return in, targets
}

// logProbs implements engine.
func (e *hostEngine) logProbs(w *params, samples []ballast.Sample, b *pack.Batch) ([]float32, error) {
	r := e.borrow()
	defer e.giveBack(r)
	in, targets := lay(samples, b)
	return logProbs(r, w, in, targets), nil
}

func logProbs(r *decoder.Run, w *params, in decoder.Input, targets []decoder.Target) []float32 {
	out := make([]float32, 0, len(targets))
	r.Forward(w.host, in, decoder.Inference)
	r.Head(targets, nil, func(_ int, logp, _ []float32) []float32 {
		out = append(out, logp...)
		return nil
	})
	return out
}

// derive implements engine.
func (e *hostEngine) derive(g *gradient, w, ref *params, samples []ballast.Sample, b *pack.Batch, in lossInput, st *sums) error {
	r := e.borrow()
	defer e.giveBack(r)
	rows, targets := lay(samples, b)
	switch {
	case in.refIsPolicy:
		in.ref = make([]float32, len(targets))
	case in.has[ballast.TermReference]:
		in.ref = logProbs(r, ref, rows, targets)
	}
	r.Forward(w.host, rows, e.mode)
	r.Head(targets, g.bound, func(from int, logp, entropy []float32) []float32 {
		if in.refIsPolicy {
			copy(in.ref[from:], logp)
		}
		part := b.Targets[from : from+len(logp)]
		st.take(samples, part, logp, entropy, in, from)
		return e.evaluate(samples, part, logp, in, from, st)
	})
	r.Backward(g.bound)
	return nil
}

// evaluate adds the loss of some targets to st and returns its derivatives with
// respect to their log-probabilities.
func (e *hostEngine) evaluate(samples []ballast.Sample, part []pack.Target, logp []float32, in lossInput, from int, st *sums) []float32 {
	vector := func(has bool, at func(i int, t pack.Target) float32) []float64 {
		if !has {
			return nil
		}
		out := make([]float64, len(part))
		for i, t := range part {
			out[i] = float64(at(i, t))
		}
		return out
	}
	batch := loss.Batch{
		LogProb: vector(true, func(i int, _ pack.Target) float32 { return logp[i] }),
		Ref:     vector(in.ref != nil, func(i int, _ pack.Target) float32 { return in.ref[from+i] }),
		Old: vector(in.has[ballast.TermPolicy], func(_ int, t pack.Target) float32 {
			if old := samples[t.Sample].OldLogProb; old != nil {
				return old[t.Index]
			}
			return 0
		}),
		Count: in.count,
	}
	for term, has := range in.has {
		batch.Weight[term] = vector(has, func(_ int, t pack.Target) float32 { return weight(&samples[t.Sample], term, t.Index) })
	}
	res := loss.Evaluate(batch, e.loss)
	for term, x := range res.Term {
		st.loss[term] += x
	}
	d := make([]float32, len(part))
	for i, x := range res.Grad {
		d[i] = float32(x)
	}
	return d
}
