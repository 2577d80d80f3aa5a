// Package cpu samples from decoder models on processors, in plain Go with SIMD
// kernels: a forward pass with a KV cache that survives tool calls, prefixes
// shared between conversations, and continuous batching. A conversation that waits for
// what is outside the model gives up its place and keeps its cache (Options.Memory).
//
// Contract: the tokens and figures of a conversation depend on the weights, the
// tokens appended, the seed and the sampling settings, and on nothing else: not
// on the other conversations, the number of workers, or what was shared. Every
// kernel adds up in an order fixed by the row alone, so this holds to the bit
// on one kind of CPU. Weights are copied (packed); a learner's change is seen
// after Refresh.
//
// Failure: a conversation that cannot go on (token outside the vocabulary,
// longer than the model's positions, weights that give non-finite logits) gets
// a Reply with Err; the others go on. Play itself fails when its context ends.
//
// Without GOEXPERIMENT=simd, or on other processors, portable kernels are used:
// the same figures up to rounding, ten times slower.
package cpu

import (
	"runtime"
	"sync"

	"ballast/model"
	"ballast/model/kernel"
	"ballast/model/sampling"
)

// Options of a Policy. The zero value is good for all models.
type Options struct {
	Watched []int32 // tokens whose probabilities every reply records
	Workers int     // 0: GOMAXPROCS
	MaxRows int     // conversations played at a time; 0: 16 per worker, 32 for large models
	Chunk   int     // most prompt tokens in one pass and worker; 0: 256, 512 for large models
	// Memory bounds what conversations that wait may hold: they keep their caches, and as
	// long as some wait no other begins when all caches take so many bytes; 0: 4 GiB.
	Memory int64
}

// Counters say what a Policy has done since it was made.
type Counters = sampling.Counters

// Policy samples from one model. Play may be called by several goroutines.
type Policy struct {
	o       Options
	k       *kernel.Set
	mu      sync.RWMutex // held for reading while weights are used
	w       *weights
	limit   int // independent, but for tests
	countMu sync.Mutex
	count   Counters
}

// independent is the largest number of parameters for which each worker plays
// its own conversations and never waits for the others. Above, the workers
// share every matrix product, so that weights are read from memory once.
const independent = 4 << 20

// Slots is how many conversations a Policy plays at a time by default, for a model of so
// many parameters. For small models the caches of 16 rows are what the second-level cache
// holds: 64 rows a worker cost 1.4 times the time.
func Slots(parameters, workers int) int {
	if parameters > independent {
		return 32
	}
	return 16 * workers
}

// NewPolicy packs the model's weights. It panics when weights and
// configuration disagree, which model.Load rules out.
func NewPolicy(m *model.Model, o Options) *Policy {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	rows, chunk := Slots(m.Weights.Count(), o.Workers), 256
	if m.Weights.Count() > independent {
		chunk = 512
	}
	if o.Chunk <= 0 {
		o.Chunk = chunk
	}
	if o.MaxRows <= 0 {
		o.MaxRows = rows
	}
	if o.Memory <= 0 {
		o.Memory = 4 << 30
	}
	w, err := newWeights(m.Config, m.Weights, nil)
	if err != nil {
		panic(err)
	}
	return &Policy{o: o, k: kernel.Best(), w: w, limit: independent}
}

// Watched returns the ids of the watched tokens.
func (p *Policy) Watched() []int32 { return p.o.Watched }

// Kernels names the instruction set in use: AVX-512, AVX2 or portable.
func (p *Policy) Kernels() string { return p.k.Name }

// Counters returns what was done so far.
func (p *Policy) Counters() Counters {
	p.countMu.Lock()
	defer p.countMu.Unlock()
	return p.count
}

// Refresh takes new weights of the same configuration. It waits for a running
// Play and drops nothing but weights: caches do not outlive Play.
func (p *Policy) Refresh(w *model.Weights) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := newWeights(p.w.c, w, p.w)
	if err == nil {
		p.w = n
	}
	return err
}

// Logits returns the next-token logits [len(tokens)][vocab] after every token.
func (p *Policy) Logits(tokens []int32) [][]float32 {
	out := make([][]float32, 0, len(tokens))
	p.run(tokens, func(row []float32) { out = append(out, append([]float32(nil), row[:p.w.c.Vocab]...)) })
	return out
}

// LogProbs returns the log-probability of every token given those before it;
// the first is 0.
func (p *Policy) LogProbs(tokens []int32) []float32 {
	out := make([]float32, 0, len(tokens))
	d := dist{k: p.k}
	p.run(tokens, func(row []float32) {
		if len(out) == 0 {
			out = append(out, 0)
		}
		if len(out) < len(tokens) {
			d.load(row, p.w.c.Vocab, 1)
			out = append(out, d.logProb(tokens[len(out)]))
		}
	})
	return out
}

// run passes the tokens through the model in chunks and hands over each row of
// logits. It panics on a token outside the vocabulary.
func (p *Policy) run(tokens []int32, f func(row []float32)) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if err := p.w.limits().Check(tokens); err != nil {
		panic(err)
	}
	e := newEngine(p.w, p.k, p.o.Workers)
	var kv cache
	const step = 128 // bounds the memory of the logits
	for i := 0; i < len(tokens); i += step {
		part := tokens[i:min(i+step, len(tokens))]
		kv.grow(&e.pool, len(part))
		e.forward([]span{{kv: &kv, start: i, tokens: part, all: true}})
		for r := range part {
			f(e.logits[r*p.w.vocab : (r+1)*p.w.vocab])
		}
	}
}

// limits are what the model allows of a conversation.
func (w *weights) limits() sampling.Limits {
	return sampling.Limits{Name: "model/cpu", Vocab: w.c.Vocab, MaxLen: w.c.MaxLen}
}
