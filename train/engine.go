package train

import (
	"runtime"
	"slices"
	"sync"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/train/decoder"
	"ballast/train/pack"
	"ballast/train/plan"
	"ballast/train/tally"
)

// engine takes batches through the decoder. It may be used by several goroutines,
// but for its decoder's Grow.
type engine struct {
	d    *decoder.Decoder
	mode decoder.Mode
	loss loss.Params
	mu   sync.Mutex
	idle []*decoder.Run
}

func newEngine(c *model.Config, p loss.Params, cut plan.Plan) *engine {
	// Batches side by side keep the cores busy, unless there is one shard only.
	workers := 1
	if cut.Shards == 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	e := &engine{d: decoder.New(*c, workers), mode: decoder.Recompute, loss: p}
	if cut.Keep {
		e.mode = decoder.Keep
	}
	return e
}

// borrow returns a Run that nobody uses; giveBack takes it back.
func (e *engine) borrow() *decoder.Run {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.idle); n > 0 {
		r := e.idle[n-1]
		e.idle = e.idle[:n-1]
		return r
	}
	return e.d.NewRun()
}

func (e *engine) giveBack(r *decoder.Run) {
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

// logProbs returns the log-probability of every target of a batch.
func (e *engine) logProbs(w *params, samples []ballast.Sample, b *pack.Batch) []float32 {
	r := e.borrow()
	defer e.giveBack(r)
	in, targets := lay(samples, b)
	return logProbs(r, w, in, targets)
}

func logProbs(r *decoder.Run, w *params, in decoder.Input, targets []decoder.Target) []float32 {
	r.Forward(w.bound, in, decoder.Inference)
	return head(r, targets)
}

// head returns the log-probabilities of targets after a Forward, and leaves all for
// another Head.
func head(r *decoder.Run, targets []decoder.Target) []float32 {
	out := make([]float32, 0, len(targets))
	r.Head(targets, nil, func(_ int, logp, _ []float32) []float32 {
		out = append(out, logp...)
		return nil
	})
	return out
}

// derive adds one batch's gradient to g and its facts to st; ref is nil without a
// reference.
func (e *engine) derive(g, w, ref *params, samples []ballast.Sample, b *pack.Batch, in tally.Input, st *tally.Sums) {
	r := e.borrow()
	defer e.giveBack(r)
	rows, targets := lay(samples, b)
	switch {
	case in.RefIsPolicy:
		in.Ref = make([]float32, len(targets))
	case in.Refers():
		in.Ref = logProbs(r, ref, rows, targets)
	}
	r.Forward(w.bound, rows, e.mode)
	if in.Coupled() {
		in.Couple(samples, b.Targets, head(r, targets))
	}
	r.Head(targets, g.bound, func(from int, logp, entropy []float32) []float32 {
		if in.RefIsPolicy {
			copy(in.Ref[from:], logp)
		}
		part := b.Targets[from : from+len(logp)]
		st.Take(samples, part, logp, entropy, &in, from)
		return e.evaluate(samples, part, logp, &in, from, st)
	})
	r.Backward(g.bound)
}

// evaluate adds the loss of some targets, from the one at index from on, to st and
// returns its derivatives with respect to their log-probabilities.
func (e *engine) evaluate(samples []ballast.Sample, part []pack.Target, logp []float32, in *tally.Input, from int,
	st *tally.Sums) []float32 {
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
		Ref:     vector(in.Ref != nil, func(i int, _ pack.Target) float32 { return in.Ref[from+i] }),
		Old: vector(in.Needs(func(t *loss.Term) bool { return t.Old }), func(_ int, t pack.Target) float32 {
			return tally.Old(&samples[t.Sample], t.Index)
		}),
		Count: in.Count,
	}
	for term, has := range in.Has {
		batch.Weight[term] = vector(has, func(_ int, t pack.Target) float32 { return tally.Weight(&samples[t.Sample], term, t.Index) })
	}
	for term, s := range in.Seq {
		if s.Gap != nil {
			batch.Seq[term] = loss.Sequence{Gap: s.Gap[from : from+len(part)], Mean: s.Mean[from : from+len(part)]}
		}
	}
	res := loss.Evaluate(batch, e.loss)
	for term, x := range res.Term {
		st.Loss[term] += x
	}
	d := make([]float32, len(part))
	for i, x := range res.Grad {
		d[i] = float32(x)
	}
	return d
}
