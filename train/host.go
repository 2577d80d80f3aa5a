package train

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"

	"ballast"
	"ballast/model"
	"ballast/model/kernel"
	"ballast/train/adamw"
	"ballast/train/decoder"
	"ballast/train/pack"
	"ballast/train/plan"
	"ballast/train/state"
	"ballast/train/tally"
)

// host is the machine of this process's processor.
type host struct {
	m      *model.Model
	opts   Options
	e      *engine
	of     subject
	w, ref *params // ref is nil until Freeze
	grads  []*params
	adam   adamw.State
	plan   plan.Plan
}

func newHost(m *model.Model, opts Options) *host {
	h := &host{m: m, opts: opts, plan: opts.Plan(&m.Config), of: newSubject(m, opts.Adapter)}
	if !h.plan.Keep {
		lean()
	}
	h.e = newEngine(&m.Config, h.plan)
	h.w = h.of.own()
	h.adam = adamw.New(h.w.flat)
	return h
}

// Plan returns how a learner of c will cut its work up; see plan.Memory for what
// that takes.
func (o *Options) Plan(c *model.Config) plan.Plan {
	if o.fixed != nil {
		return *o.fixed
	}
	return plan.For(c, o.Trained(c), o.Limit)
}

func (h *host) Budget(samples []ballast.Sample) int { return h.plan.Budget(samples) }
func (h *host) Referred() bool                      { return h.ref != nil }
func (h *host) Same() bool                          { return h.ref.equal(h.w) }
func (h *host) Weights() *model.Weights             { return h.of.weights() }

// Step sums the gradients of the batches by shard, and the shards in order.
func (h *host) Step(ctx context.Context, w *Work) error {
	shards := min(h.plan.Shards, len(w.List))
	for len(h.grads) < shards {
		h.grads = append(h.grads, h.of.gradient())
	}
	h.grow(w.List)
	parts := make([]*tally.Sums, shards)
	err := h.parallel(ctx, shards, func(shard int) error {
		parts[shard] = tally.New(&h.opts.Loss, h.m.Tokenizer)
		h.grads[shard].clear()
		for i := shard; i < len(w.List); i += shards {
			if err := ctx.Err(); err != nil {
				return err
			}
			h.e.derive(h.grads[shard], h.w, h.ref, w.Samples, &w.List[i], w.In, parts[shard])
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range parts {
		w.Sums.Merge(p)
	}
	total := h.grads[0]
	for _, g := range h.grads[1:shards] {
		adamw.Merge(total.flat, g.flat)
	}
	if w.Sums.Norm = adamw.Norm(total.flat); w.Sums.Finite() {
		step := h.adam.Begin(h.opts.AdamW, w.Rate, w.Sums.Norm)
		for i, x := range h.w.flat {
			step.Update(i, x, total.flat[i])
		}
	}
	return nil
}

// grow makes the rotary tables cover the batches' positions.
func (h *host) grow(batches []pack.Batch) {
	most := 0
	for i := range batches {
		for _, pos := range batches[i].Positions {
			most = max(most, int(pos)+1)
		}
	}
	h.e.d.Grow(most)
}

// parallel calls do for 0 to n-1 on as many goroutines as there are cores, but no
// more than the plan has memory for, and returns the first error by index.
func (h *host) parallel(ctx context.Context, n int, do func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	turn := make(chan struct{}, min(runtime.GOMAXPROCS(0), h.plan.Shards))
	for i := range n {
		turn <- struct{}{}
		wg.Go(func() {
			if errs[i] = ctx.Err(); errs[i] == nil {
				errs[i] = do(i)
			}
			<-turn
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *host) LogProbs(ctx context.Context, b *Batches, put func(pack.Target, float32)) error {
	h.grow(b.List)
	return h.parallel(ctx, len(b.List), func(i int) error {
		for k, x := range h.e.logProbs(h.w, b.Samples, &b.List[i]) {
			put(b.List[i].Targets[k], x)
		}
		return nil
	})
}

func (h *host) Watch(ctx context.Context, b *Batches, ids []int32, put func(pack.Target, []float32)) error {
	h.grow(b.List)
	return h.parallel(ctx, len(b.List), func(i int) error {
		r := h.e.borrow()
		defer h.e.giveBack(r)
		in, targets := lay(b.Samples, &b.List[i])
		var asked []decoder.Target
		for _, t := range targets {
			for _, id := range ids {
				asked = append(asked, decoder.Target{Row: t.Row, ID: id})
			}
		}
		p := logProbs(r, h.ref, in, asked)
		for k, x := range p {
			p[k] = float32(math.Exp(float64(x)))
		}
		for k, t := range b.List[i].Targets {
			put(t, p[k*len(ids):(k+1)*len(ids)])
		}
		return nil
	})
}

func (h *host) Freeze() error {
	if h.ref == nil {
		h.ref = h.of.on(cloned(h.w.flat))
	} else {
		h.ref.set(h.w.flat)
	}
	return nil
}

func (h *host) ResetOptimizer() error {
	h.adam.Reset()
	return nil
}

func (h *host) State() state.Source {
	from := state.Source{Tensors: len(h.w.flat), Steps: h.adam.Steps,
		Moments: func(i int) (m, v []float32) { return h.adam.M[i], h.adam.V[i] }}
	if h.ref != nil {
		from.Reference = func(i int) []float32 { return h.ref.flat[i] }
	}
	return from
}

func (h *host) Restore(w *model.Weights, opt adamw.State, ref [][]float32) error {
	h.adam, h.ref = opt, nil
	for i, s := range h.w.specs {
		copy(h.w.flat[i], w.Get(s.Name).Data)
	}
	if ref != nil {
		h.ref = h.of.on(ref)
	}
	return nil
}

// Room is by how many percent the collector lets the heap of a learner under a plan
// grow: GOGC, or what lean makes of it.
func Room(p plan.Plan) int {
	text := os.Getenv("GOGC")
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	if text == "" && !p.Keep {
		return leanRoom
	}
	return 100
}

const leanRoom = 25

// lean keeps the collector's head room small for a large model: its heap is a few
// gigabytes in large blocks without pointers, which cost nothing to mark, and by
// default would be let grow to twice that. GOGC in the environment wins.
func lean() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(leanRoom)
	}
}

// Notice returns a sentence for the user if this binary computes far slower than
// it could on this machine, else "".
func Notice() string {
	if kernel.Best().Name != kernel.Portable().Name {
		return ""
	}
	return "this binary has no vector code, so training is 8 to 18 times slower: build it with GOEXPERIMENT=simd on an x86-64-v3 machine"
}
