// Package accel samples from decoder models by graphs, on accelerators: the
// counterpart of model/cpu with the same semantics, sharing package sampling
// with it.
//
// A fixed number of rows, each with a KV cache of one length for all, is played
// in turns of two: new tokens of some rows are computed in chunks (prefill), then
// every row draws a number of tokens in one call whose loop runs on the device
// (decode). Caches survive tool calls; a prompt that another row already holds is
// copied from there. A conversation that waits for what is outside the model gives up
// its row: when it returns and no row holds its tokens any more, they are computed
// again. Only tokens, log-probabilities, entropies and the watched probabilities come
// back to the host.
//
// Contract: a conversation's draws depend on its seed and the positions. Its
// figures are those of model/cpu up to the rounding of the device, and vary by as
// much with the cache's length and the sizes of chunks, so that a draw at the edge
// between two tokens may differ. The same conversations played again give the
// same bits where the device's operations do.
//
// Failure: as in model/cpu, a conversation that cannot go on gets a Reply with
// Err and the others go on; so does one with a Mask, which the device cannot ask.
// A failure of the device ends Play with an error.
package accel

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"ballast"
	"ballast/model"
	"ballast/model/device"
	"ballast/model/sampling"
)

// Options of a Policy. The zero value is good for all models.
type Options struct {
	Watched []int32 // tokens whose probabilities every reply records
	Rows    int     // most conversations played at a time; 0: 128
	Memory  int64   // bytes that the cache of a Play may take when it begins; fewer rows keep to it; 0: 16 GiB
	Steps   int     // most tokens a row draws in one call; 0: 16
	Chunk   int     // most tokens of all rows in one prefill call; 0: 2048
	Half    bool    // weights and cache in bfloat16 instead of float32
}

// Policy samples from one model on a device. Play may be called by several
// goroutines; they wait for each other.
type Policy struct {
	o       Options
	mu      sync.Mutex // held by who plays or changes weights
	e       *engine
	own     bool            // the weights are copies of this policy
	watched *tensors.Tensor // [watched], at least one element
	countMu sync.Mutex
	count   sampling.Counters
}

var _ ballast.Policy = (*Policy)(nil)

// New copies the model's weights to the device. Weights that the configuration
// does not call for are ignored; a missing one panics, which model.Load rules out.
func New(d *device.Device, m *model.Model, o Options) (p *Policy, err error) {
	err = device.Guard(func() {
		p = build(d, m.Config, o)
		p.e.w, p.own = d.Weights(&m.Config, m.Weights, o.Half), true
	})
	return p, err
}

// Follow makes a policy that uses weights on the device that belong to somebody
// else, such as a learner: the tensors in the order of Config.Specs, in float32.
// After they changed, Share must be called before the next Play.
func Follow(d *device.Device, c model.Config, ts []*tensors.Tensor, o Options) (p *Policy, err error) {
	if err = device.Guard(func() { p = build(d, c, o) }); err != nil {
		return nil, err
	}
	return p, p.Share(ts)
}

func build(d *device.Device, c model.Config, o Options) *Policy {
	if o.Rows <= 0 {
		o.Rows = 128
	}
	if o.Memory <= 0 {
		o.Memory = 16 << 30
	}
	if o.Steps <= 0 {
		o.Steps = 16
	}
	if o.Chunk <= 0 {
		o.Chunk = 2048
	}
	ids := o.Watched
	if len(ids) == 0 {
		ids = []int32{0} // tensors without elements are trouble
	}
	return &Policy{o: o, e: newEngine(d, c, len(o.Watched), o.Half), watched: device.Put(d, ids, len(ids))}
}

// Watched returns the ids of the watched tokens.
func (p *Policy) Watched() []int32 { return p.o.Watched }

// Kernels names the backend.
func (p *Policy) Kernels() string { return p.e.d.Describe() }

// Counters returns what was done so far.
func (p *Policy) Counters() sampling.Counters {
	p.countMu.Lock()
	defer p.countMu.Unlock()
	return p.count
}

// Refresh copies new weights of the same configuration to the device. It waits
// for a running Play.
func (p *Policy) Refresh(w *model.Weights) error {
	return p.replace(true, func() []*tensors.Tensor { return p.e.d.Weights(&p.e.c, w, p.o.Half) })
}

// Share uses new tensors of the same Device from now on, without a copy, or in
// half precision with one made on the device.
func (p *Policy) Share(ts []*tensors.Tensor) error {
	if n := len(p.e.c.Specs()); len(ts) != n {
		return fmt.Errorf("model/accel: %d tensors for a model of %d", len(ts), n)
	}
	if p.o.Half {
		return p.replace(true, func() []*tensors.Tensor { return p.e.d.Half(ts) })
	}
	return p.replace(false, func() []*tensors.Tensor { return slices.Clone(ts) })
}

// Close gives the weights back that are the policy's own; it plays no more.
func (p *Policy) Close() error { return p.replace(false, func() []*tensors.Tensor { return nil }) }

// replace frees the weights if they are the policy's own and takes others.
func (p *Policy) replace(own bool, others func() []*tensors.Tensor) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return device.Guard(func() {
		if p.own {
			device.Free(p.e.w...)
		}
		p.e.w, p.own = nil, false
		p.e.w, p.own = others(), own
	})
}

// Play plays all conversations. First prompts are sorted, so that those with a
// common prefix are played near each other.
func (p *Policy) Play(ctx context.Context, convs []ballast.Conversation, how ballast.Sampling) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	begin := time.Now()
	seqs := make([]*seq, len(convs))
	for i, c := range convs {
		seqs[i] = &seq{Seq: sampling.Seq{Conv: c}}
	}
	side := runtime.GOMAXPROCS(0) // the device waits for what conversations do
	plan := sampling.Open(ctx, sampling.Limits{Name: "model/accel", Vocab: p.e.c.Vocab, MaxLen: p.e.c.MaxLen, Maskless: true}, side, seqs)
	defer plan.Close()
	longest, err := plan.Longest()
	if err != nil || longest == 0 {
		return err
	}
	t := &player{e: p.e, o: p.o, how: how, watched: p.watched}
	failed := device.Guard(func() {
		t.size(plan.Len(), longest)
		defer t.kv.free()
		defer func() { t.count.PeakKV = t.kv.bytes() }()
		err = plan.Run(len(t.rows), side, t)
	})
	if failed != nil {
		err = fmt.Errorf("model/accel: %w", failed)
	}
	t.count.Elapsed = time.Since(begin)
	p.countMu.Lock()
	defer p.countMu.Unlock()
	p.count.Add(t.count)
	return err
}

// power is the least power of two that is n or more.
func power(n int) int { return 1 << bits.Len(uint(max(n, 1)-1)) }
