// Package plan decides how a learner cuts its work up, from the model's shape and
// a limit of memory, and estimates what it will take. It computes nothing else
// and cannot fail; a limit too small for the model gives the smallest plan.
package plan

import (
	"cmp"
	"fmt"

	"ballast"
	"ballast/model"
)

// Plan is how a learner cuts its work up. It depends on the options and the
// model only, never on the machine's cores, because sums of gradients must have
// one order.
type Plan struct {
	Rows   int  // most rows of a batch, but for a single sample that is longer
	Shards int  // gradients summed side by side
	Keep   bool // activations are kept for the backward pass, else computed again
}

// common is the number of rows of a batch unless a group needs more: enough to
// keep the products busy, few enough to give every core several batches.
const common = 2048

// longest is the number of rows that the choice of Keep provides for: a group of
// a few long conversations on one prompt.
const longest = 8192

// Default is the limit of memory in bytes that plans keep to.
const Default = 8 << 30

// Estimate is the memory that a learner needs, in bytes.
type Estimate struct {
	Weights     int64 // in training
	Reference   int64 // frozen copy
	Moments     int64 // AdamW's two
	Gradients   int64 // of all shards
	Activations int64 // kept from forward to backward, of all shards
	Scratch     int64 // temporaries, of all shards
	Total       int64
}

// Memory estimates what a learner of so many parameters of c needs under a plan, with
// batches of p.Rows rows in all shards at once. The garbage collector's head room is not in
// it; a GOMEMLIMIT near the machine's memory bounds that.
func Memory(c *model.Config, trained int64, p Plan) Estimate {
	all, own := 4*parameters(c), 4*trained
	fixed := Estimate{Weights: all, Reference: own, Moments: 2 * own, Gradients: own * int64(p.Shards)}
	at := int64(p.Rows) * int64(p.Shards)
	if own != all { // an adapter
		fixed.Weights += own
		fixed.Scratch = int64(p.Shards) * mergeFixed(c)
	}
	fixed.Activations = at * perRow(c, p.Keep)
	fixed.Scratch += at*scratchRow(c) + int64(p.Shards)*scratchFixed(c)
	fixed.Total = fixed.Weights + fixed.Reference + fixed.Moments + fixed.Gradients + fixed.Activations + fixed.Scratch
	return fixed
}

func parameters(c *model.Config) (n int64) {
	for _, s := range c.Specs() {
		size := int64(1)
		for _, d := range s.Shape {
			size *= int64(d)
		}
		n += size
	}
	return n
}

// perRow is the bytes of one row's tape over all layers, see decoder.Mode.
func perRow(c *model.Config, keep bool) int64 {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	n := q + c.Heads + c.Hidden // attention's output, its denominators, the layer's input
	if keep {
		n += q + 2*kv + c.Hidden + 2*c.FFN
	}
	return 4 * int64(n) * int64(c.Layers)
}

// scratchRow is the bytes of temporaries of one row: queries, keys and values and
// their derivatives, and those of attention's output and the residual stream.
func scratchRow(c *model.Config) int64 {
	return 4 * int64(3*c.Heads*c.HeadDim+4*c.KVHeads*c.HeadDim+3*c.Hidden)
}

// scratchFixed is the bytes of temporaries that do not grow with rows: the head's
// [rows, Vocab] tensor, a layer's weights packed both ways, and a chunk of rows.
func scratchFixed(c *model.Config) int64 {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	weights := int64(c.Hidden) * int64(2*q+2*kv+3*c.FFN)
	return 4 * (int64(HeadRows(c))*int64(c.Vocab+6*c.Hidden) + 2*weights + 1024*int64(3*c.FFN+4*c.Hidden))
}

// mergeFixed is the bytes of the largest weight that an adapter is merged into.
func mergeFixed(c *model.Config) int64 {
	return 4 * int64(c.Hidden) * int64(max(c.FFN, c.Heads*c.HeadDim))
}

// HeadRows is the number of targets the head takes at once: a [rows, Vocab]
// tensor stays below 64 MiB or so.
func HeadRows(c *model.Config) int { return min(max(16<<20/c.Vocab, 16), 2048) }

// For chooses how a learner of so many parameters of c cuts its work up within limit bytes, 0
// for Default: as many shards as leave room for a long group in each, kept
// activations if they fit as well, and what rows remain.
func For(c *model.Config, trained, limit int64) Plan {
	limit = cmp.Or(limit, Default)
	p := Plan{Shards: 16}
	row, free := int64(1), int64(0)
	for free/row < longest && p.Shards > 1 {
		p.Shards /= 2
		free = limit - Memory(c, trained, p).Total
		row = int64(p.Shards) * (perRow(c, false) + scratchRow(c))
	}
	if kept := int64(p.Shards) * (perRow(c, true) + scratchRow(c)); free/kept >= longest {
		p.Keep, row = true, kept
	}
	p.Rows = int(max(free/row, 512))
	return p
}

// Batch bounds Budget where the largest group has most rows, its prefix once.
func (p Plan) Batch(most int) int { return min(max(common, most), p.Rows) }

// Budget is the number of rows of a batch for these samples: the common one, or
// half of all rows if that is less, or what the largest group needs to share its
// prefix once, up to the plan's rows.
func (p Plan) Budget(samples []ballast.Sample) int {
	need := map[int]int{}
	all, most := 0, 0
	for i := range samples {
		s := &samples[i]
		if need[s.Group] == 0 {
			need[s.Group] = s.Prefix
			all += s.Prefix
		}
		own := max(len(s.Tokens)-s.Prefix, 0)
		need[s.Group] += own
		all += own
		if s.Prefix > 0 {
			most = max(most, need[s.Group])
		}
	}
	return min(max(min(common, all/2+1), most), p.Rows)
}

// Load is what a run asks of the machine at most, for Held.
type Load struct {
	Rows  int // tokens of a minibatch, shared prefixes once; 0 = it trains nothing
	Group int // tokens of its largest group, or of its longest sample
	Slots int // conversations that are sampled at a time
	Long  int // tokens of one of them
	Cores int
	Room  int // percent by which the collector lets the heap grow, GOGC
}

// Process is the memory that a training process holds, in bytes. Sampling and training
// take turns, so that the larger of Caches and Working counts.
type Process struct {
	Weights   int64 // the learner's
	Sampler   int64 // its weights, packed
	Reference int64 // frozen copy
	Moments   int64 // AdamW's two
	Gradients int64 // of all shards
	Caches    int64 // keys and values of the conversations that are sampled at a time
	Working   int64 // activations and scratch of the shards that the cores work on at a time
	Merged    int64 // weights with an adapter in them, at most, while the sampler takes them over
	Live      int64 // held at once
	Total     int64 // with the program and what the collector has not collected yet
}

// program is what a process holds without any model.
const program = 64 << 20

// Held estimates what a process of c holds at most when a run trains so many of its
// parameters under a plan on the built-in engine. Unlike Memory, which plans are made of, it
// counts the cores.
func Held(c *model.Config, trained int64, p Plan, l Load) Process {
	all, own := 4*parameters(c), 4*trained
	h := Process{Weights: all, Sampler: all, Moments: 2 * own, Caches: Cache(c) * int64(l.Slots) * int64(l.Long)}
	if own != all { // an adapter, which is merged into a copy of what it is on for the sampler
		h.Weights += own
		h.Merged = all - 4*outer(c)
	}
	if l.Rows > 0 {
		rows := min(max(min(common, l.Rows/2+1), l.Group), p.Rows)
		shards := min(p.Shards, (l.Rows+rows-1)/rows)
		h.Reference, h.Gradients = own, own*int64(shards)
		each := int64(rows)*(perRow(c, p.Keep)+scratchRow(c)) + scratchFixed(c)
		if own != all {
			each += mergeFixed(c)
		}
		h.Working = int64(min(shards, max(1, l.Cores))) * each
	}
	h.Live = h.Weights + h.Sampler + h.Reference + h.Moments + h.Gradients + max(h.Caches, h.Working, h.Merged)
	h.Total = program + h.Live + h.Live*int64(l.Room)/100
	return h
}

// outer is the number of parameters outside of the layers.
func outer(c *model.Config) int64 {
	n := int64(c.Vocab) * int64(c.Hidden)
	if c.Tied {
		return n
	}
	return 2 * n
}

// String says the estimate in words.
func (h Process) String() string {
	g := func(n int64) string { return fmt.Sprintf("%.2f", float64(n)/(1<<30)) }
	if h.Merged > 0 {
		return fmt.Sprintf("at most %s GiB, of which %s at once: weights %s, the sampler's %s, of the adapter: reference, moments and gradients "+
			"%s, and the largest of keys and values %s (sampling), activations with scratch %s (training) and merged weights %s (in between)",
			g(h.Total), g(h.Live), g(h.Weights), g(h.Sampler), g(h.Reference+h.Moments+h.Gradients), g(h.Caches), g(h.Working), g(h.Merged))
	}
	return fmt.Sprintf("at most %s GiB, of which %s at once: weights %s, the sampler's %s, reference %s, moments %s, gradients %s, and "+
		"the larger of "+
		"keys and values %s (sampling) and activations with scratch %s (training)",
		g(h.Total), g(h.Live), g(h.Weights), g(h.Sampler), g(h.Reference), g(h.Moments), g(h.Gradients), g(h.Caches), g(h.Working))
}

// Shape is a published model whose sizes are known without its files, for
// estimates. Numbers are those of the models' config.json.
type Shape struct {
	Name   string
	Config model.Config
}

// Shapes is the table of known shapes.
var Shapes = []Shape{
	shape("HuggingFaceTB/SmolLM2-135M-Instruct", "llama", 49152, 576, 1536, 30, 9, 3, 64, 8192, 100000, 1e-5),
	shape("HuggingFaceTB/SmolLM2-360M-Instruct", "llama", 49152, 960, 2560, 32, 15, 5, 64, 8192, 100000, 1e-5),
	shape("Qwen/Qwen2.5-0.5B-Instruct", "qwen2", 151936, 896, 4864, 24, 14, 2, 64, 32768, 1000000, 1e-6),
	shape("Qwen/Qwen2.5-1.5B-Instruct", "qwen2", 151936, 1536, 8960, 28, 12, 2, 128, 32768, 1000000, 1e-6),
	shape("Qwen/Qwen3-0.6B", "qwen3", 151936, 1024, 3072, 28, 16, 8, 128, 40960, 1000000, 1e-6),
	shape("Qwen/Qwen3-1.7B", "qwen3", 151936, 2048, 6144, 28, 16, 8, 128, 40960, 1000000, 1e-6),
}

// shape is a line of the table; all of these tie the output to the embedding.
func shape(name, arch string, vocab, hidden, ffn, layers, heads, kv, head, length int, theta, eps float64) Shape {
	c, ok := model.Features(arch)
	if !ok {
		panic("plan: no architecture " + arch)
	}
	c.Vocab, c.Hidden, c.FFN, c.Layers, c.Heads, c.KVHeads, c.HeadDim = vocab, hidden, ffn, layers, heads, kv, head
	c.MaxLen, c.RopeTheta, c.NormEps, c.Tied = length, theta, eps, true
	return Shape{name, c}
}

// ShapeOf returns the shape of a published model.
func ShapeOf(name string) (*model.Config, bool) {
	for i := range Shapes {
		if Shapes[i].Name == name {
			return &Shapes[i].Config, true
		}
	}
	return nil, false
}

// Parameters is the number of parameters of c.
func Parameters(c *model.Config) int64 { return parameters(c) }

// Cache is the bytes of the sampler's keys and values of one token.
func Cache(c *model.Config) int64 {
	return 4 * 2 * int64(c.Layers) * int64(c.KVHeads) * int64(c.HeadDim)
}
