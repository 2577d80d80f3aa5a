package recipe

import (
	"cmp"
	"fmt"

	"ballast/chat/bpe"
	"ballast/model"
)

// qwen2 is the architecture of a model that is made where the recipe names none.
const qwen2 = "qwen2"

// settle leaves out what says no more than its absence.
func (i *Init) settle() {
	if i.Family == qwen2 {
		i.Family = ""
	}
	if i.Pretokenizer == string(bpe.Qwen2) {
		i.Pretokenizer = ""
	}
	if i.Heads > 0 && i.Head*i.Heads == i.Hidden {
		i.Head = 0
	}
}

// head is the size of a head.
func (i *Init) head() int {
	if i.Head > 0 || i.Heads <= 0 {
		return i.Head
	}
	return i.Hidden / i.Heads
}

// weights is about how many weights the model has.
func (i *Init) weights() float64 {
	attention := 2 * (float64(i.Heads) + float64(i.KV)) * float64(i.head())
	return float64(i.Hidden) * (float64(i.Vocab) + float64(i.Layers)*(attention+3*float64(i.FFN)))
}

// check reports a shape that no model has, beyond sizes that are out of range.
func (i *Init) check(bad report) {
	sized := true
	for _, n := range []struct {
		key string
		v   int
	}{{"vocab", i.Vocab}, {"hidden", i.Hidden}, {"layers", i.Layers}, {"heads", i.Heads}, {"kv", i.KV}, {"ffn", i.FFN}} {
		if n.v == 0 {
			bad("init."+n.key, "must be at least 1, is 0: model init is made of the sizes that section init gives")
		}
		sized = sized && n.v > 0
	}
	if !sized {
		return
	}
	if i.Heads%i.KV != 0 {
		bad("init.kv", "init.heads %d is not a multiple of it, %d", i.Heads, i.KV)
	}
	switch head := i.head(); {
	case i.Head == 0 && i.Hidden%i.Heads != 0:
		bad("init.head", "init.hidden %d is not a multiple of init.heads %d: give the size of a head", i.Hidden, i.Heads)
	case i.Head == 0 && head%2 != 0:
		bad("init.head", "init.hidden %d / init.heads %d is %d: rotary positions want an even size of a head; give one", i.Hidden, i.Heads, head)
	case head%2 != 0:
		bad("init.head", "rotary positions want an even number, it is %d", head)
	}
}

// shape is the configuration of the model that the init section describes, without the size
// of the vocabulary.
func (r *Recipe) shape() (model.Config, error) {
	if err := r.Check(); err != nil {
		return model.Config{}, err
	}
	i := &r.Init
	c, ok := model.Features(cmp.Or(i.Family, qwen2))
	if !ok {
		return c, fmt.Errorf("init.arch: no architecture %q", i.Family)
	}
	c.Hidden, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.FFN = i.Hidden, i.Layers, i.Heads, i.KV, i.head(), i.FFN
	c.MaxLen, c.RopeTheta, c.NormEps, c.Tied = cmp.Or(i.Context, r.Budget.Prompt+r.Budget.Episode), 10000, 1e-6, true
	return c, nil
}
