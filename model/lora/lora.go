// Package lora holds low-rank adapters of decoder models (LoRA): what is trained in the place
// of a model's own weights. A projection W [out, in] with an adapter computes with
// W + Alpha/Rank * B A, where A is [Rank, in] and B is [out, Rank]. The package makes
// adapters, merges them, and reads and writes the directories of PEFT.
//
// Contract: an adapter has A and B for every target in every layer of its model, and nothing
// else. What Merge makes of a row depends on that row of W and B and on A alone, so that
// whoever merges, whole or in parts, has the same bits on one kind of CPU. An adapter that was
// written is read back to the bit. What a file says that would change the numbers is honoured
// or refused.
//
// Failure: errors name the file and the key or tensor, or the setting. An adapter on a model
// of another shape is a bug, and panics.
package lora

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"

	"ballast/model"
	"ballast/model/kernel"
)

// Config says what an adapter is.
type Config struct {
	Rank    int
	Alpha   float64  // what B A is scaled by, times Rank
	Targets []string // names among those of Targets
}

// MaxRank is the largest rank that is believed.
const MaxRank = 1 << 10

// Alpha is that of servers that take a rank alone.
const Alpha = 32

// Targets are the projections that may have an adapter, in the order of a layer: all linear
// layers of attention and of the feed-forward.
func Targets() []string {
	return []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
}

// Scale is what B A is multiplied by.
func (c *Config) Scale() float32 { return float32(c.Alpha / float64(c.Rank)) }

// String says it in words.
func (c Config) String() string {
	return fmt.Sprintf("rank %d, alpha %g, on %s", c.Rank, c.Alpha, strings.Join(c.Targets, ", "))
}

// Check reports what is wrong with c for a model.
func (c *Config) Check(m *model.Config) error {
	switch {
	case c.Rank < 1 || c.Rank > MaxRank:
		return fmt.Errorf("rank %d does not lie between 1 and %d", c.Rank, MaxRank)
	case !(c.Alpha > 0 && c.Alpha <= math.MaxFloat32):
		return fmt.Errorf("alpha %g is not above 0 and finite", c.Alpha)
	case len(c.Targets) == 0:
		return errors.New("no targets")
	}
	for i, t := range c.Targets {
		if !slices.Contains(Targets(), t) {
			return fmt.Errorf("target %q is not one of %s", t, strings.Join(Targets(), ", "))
		}
		if slices.Contains(c.Targets[:i], t) {
			return fmt.Errorf("target %s is named twice", t)
		}
		if n := len(adapted(m, []string{t})); n != m.Layers {
			return fmt.Errorf("target %s: the model has it in %d of %d layers", t, n, m.Layers)
		}
	}
	return nil
}

// Differs says in what another adapter is not as c, "" where it is: "rank 8 and not 16".
func (c *Config) Differs(o *Config) string {
	missing := func(t string) bool { return !slices.Contains(o.Targets, t) }
	switch {
	case o.Rank != c.Rank:
		return fmt.Sprintf("rank %d and not %d", o.Rank, c.Rank)
	case o.Alpha != c.Alpha:
		return fmt.Sprintf("alpha %g and not %g", o.Alpha, c.Alpha)
	case len(o.Targets) != len(c.Targets) || slices.ContainsFunc(c.Targets, missing):
		return fmt.Sprintf("targets [%s] and not [%s]", strings.Join(o.Targets, ", "), strings.Join(c.Targets, ", "))
	}
	return ""
}

// adapted lists the weights of a model that targets name, in the order of the model.
func adapted(m *model.Config, targets []string) (out []model.Spec) {
	for _, s := range m.Specs() {
		if name, ok := strings.CutSuffix(s.Name, weight); ok && slices.Contains(targets, name[strings.LastIndex(name, ".")+1:]) {
			out = append(out, s)
		}
	}
	return out
}

// The ends of tensors' names.
const weight, downName, upName = ".weight", ".lora_A.weight", ".lora_B.weight"

// Specs lists the tensors of an adapter of a model, A and B of each weight, in the order in
// which they are stored and updated.
func (c *Config) Specs(m *model.Config) (out []model.Spec) {
	for _, s := range adapted(m, c.Targets) {
		name := strings.TrimSuffix(s.Name, weight)
		out = append(out, model.Spec{Name: name + downName, Shape: []int{c.Rank, s.Shape[1]}},
			model.Spec{Name: name + upName, Shape: []int{s.Shape[0], c.Rank}})
	}
	return out
}

// Count is the number of an adapter's parameters.
func (c *Config) Count(m *model.Config) (n int64) {
	for _, s := range c.Specs(m) {
		n += int64(s.Shape[0]) * int64(s.Shape[1])
	}
	return n
}

// Adapter is an adapter of one model.
type Adapter struct {
	Config
	Weights *model.Weights // in the order of Specs
	Base    string         // the model that it is for, as files name it; "" if they do not
	Dropout float64        // what it was trained with elsewhere; it changes nothing here
	model   model.Config
}

// New makes an adapter that changes nothing yet: A is uniform between plus and minus
// 1/sqrt(in), as in PEFT, and B is 0. The same seed gives the same weights.
func New(m *model.Config, c Config, seed uint64) (*Adapter, error) {
	if err := c.Check(m); err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	a := &Adapter{Config: c, model: *m}
	var ts []*model.Tensor
	for k, s := range c.Specs(m) {
		t := &model.Tensor{Name: s.Name, Shape: s.Shape, Data: make([]float32, s.Shape[0]*s.Shape[1])}
		if strings.HasSuffix(s.Name, downName) {
			rng, most := rand.New(rand.NewPCG(seed, stream+uint64(k))), 1/math.Sqrt(float64(s.Shape[1]))
			for i := range t.Data {
				t.Data[i] = float32(most * (2*rng.Float64() - 1))
			}
		}
		ts = append(ts, t)
	}
	a.Weights = model.NewWeights(ts)
	return a, nil
}

// stream keeps the draws apart from those of a model that is made with the same seed.
const stream = 1 << 32

// Specs lists the adapter's tensors.
func (a *Adapter) Specs() []model.Spec { return a.Config.Specs(&a.model) }

// Flat are the numbers of the adapter's tensors, its own memory.
func (a *Adapter) Flat() (out [][]float32) {
	for _, t := range a.Weights.Tensors {
		out = append(out, t.Data)
	}
	return out
}

// Pair is the adapter of one weight.
type Pair struct {
	A, B  []float32 // [Rank, in], [out, Rank]
	Rank  int
	Scale float32
}

// Pairs finds the adapters of the weights, by their names, in numbers that are in the order of
// Specs: those of an adapter, or its gradient's.
func (a *Adapter) Pairs(flat [][]float32) map[string]*Pair {
	out := map[string]*Pair{}
	for i, s := range adapted(&a.model, a.Targets) {
		out[s.Name] = &Pair{A: flat[2*i], B: flat[2*i+1], Rank: a.Rank, Scale: a.Scale()}
	}
	return out
}

const panel = kernel.Panel

// Merge sets dst [to-from, in] to rows from to to of w [out, in] plus Scale B A. dst may be
// those rows.
func (p *Pair) Merge(dst, w []float32, from, to int) {
	if from >= to {
		return
	}
	k, in, rows := kernel.Best(), len(p.A)/p.Rank, to-from
	w, dst = w[from*in:to*in], dst[:rows*in]
	b := slices.Clone(p.B[from*p.Rank : to*p.Rank])
	k.Scale(b, p.Scale)
	a := make([]float32, p.Rank*panel) // columns of A side by side
	for at := 0; at < in; at += panel {
		width := min(panel, in-at)
		clear(a)
		for i := range p.Rank {
			copy(a[i*panel:], p.A[i*in+at:i*in+at+width])
		}
		if width == panel {
			k.Mul32(dst[at:], in, b, p.Rank, rows, a, panel, p.Rank, w[at:], in)
			continue
		}
		for r := range rows {
			var row [panel]float32
			copy(row[:], w[r*in+at:r*in+at+width])
			k.Mul32(row[:], panel, b[r*p.Rank:], p.Rank, 1, a, panel, p.Rank, row[:], panel)
			copy(dst[r*in+at:r*in+at+width], row[:])
		}
	}
}

// Merge returns a model's weights with the adapter in them. Tensors that it does not change
// are those of base.
func (a *Adapter) Merge(base *model.Weights) *model.Weights {
	pairs, out := a.Pairs(a.Flat()), make([]*model.Tensor, len(base.Tensors))
	var wg sync.WaitGroup
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, t := range base.Tensors {
		p := pairs[t.Name]
		if p == nil {
			out[i] = t
			continue
		}
		turn <- struct{}{}
		wg.Go(func() {
			out[i] = &model.Tensor{Name: t.Name, Shape: t.Shape, Data: make([]float32, len(t.Data))}
			p.Merge(out[i].Data, t.Data, 0, t.Shape[0])
			<-turn
		})
	}
	wg.Wait()
	return model.NewWeights(out)
}
