package train

import (
	"runtime"
	"slices"
	"sync"

	"ballast"
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
	mu   sync.Mutex
	idle []*decoder.Run
}

func newEngine(c *model.Config, cut plan.Plan) *engine {
	// Batches side by side keep the cores busy, unless there is one shard only.
	workers := 1
	if cut.Shards == 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	e := &engine{d: decoder.New(*c, workers), mode: decoder.Recompute}
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
		return st.Evaluate(samples, part, logp, &in, from)
	})
	r.Backward(g.bound)
}
