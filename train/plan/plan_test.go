package plan

import (
	"testing"

	"ballast"
	"ballast/model"
)

var small = model.Config{Arch: "qwen2", QKVBias: true, Vocab: 512, Hidden: 64, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 16, FFN: 192, Tied: true}

// smol is SmolLM2-135M.
var smol = model.Config{Arch: "llama", Vocab: 49152, Hidden: 576, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64, FFN: 1536, Tied: true}

func TestFor(t *testing.T) {
	if p := For(&small, 0); !p.Keep || p.Shards != 8 || p.Rows < longest {
		t.Errorf("small model: %+v", p)
	}
	p := For(&smol, 0)
	if p.Keep || p.Shards != 2 || p.Rows < longest {
		t.Errorf("SmolLM2: %+v", p)
	}
	for _, c := range []*model.Config{&small, &smol} {
		if total := Memory(c, For(c, 0)).Total; total > Default {
			t.Errorf("%d layers take %d bytes", c.Layers, total)
		}
	}
	if p := For(&smol, 1); p.Shards != 1 || p.Keep || p.Rows != 512 {
		t.Errorf("no memory: %+v", p)
	}
}

func TestBudget(t *testing.T) {
	group := func(id, n, prefix, own int) (out []ballast.Sample) {
		for range n {
			out = append(out, ballast.Sample{Group: id, Prefix: prefix, Tokens: make([]int32, prefix+own)})
		}
		return out
	}
	p := Plan{Rows: 9000}
	for name, x := range map[string]struct {
		samples []ballast.Sample
		want    int
	}{
		"a large group":         {group(1, 4, 4000, 1000), 8000},
		"more than the rows":    {group(1, 8, 4000, 1000), 9000},
		"many dialogues":        {append(group(1, 60, 0, 100), group(2, 60, 0, 100)...), common},
		"few dialogues":         {group(1, 6, 0, 100), 301},
		"a prefix and no reply": {group(1, 2, 50, -10), 50},
		"nothing":               {nil, 1},
	} {
		if got := p.Budget(x.samples); got != x.want {
			t.Errorf("%s: %d rows, want %d", name, got, x.want)
		}
	}
}

// TestShapes checks the table against the published numbers of parameters.
func TestShapes(t *testing.T) {
	for name, want := range map[string]int64{
		"HuggingFaceTB/SmolLM2-135M-Instruct": 134515008,
		"Qwen/Qwen2.5-0.5B-Instruct":          494032768,
		"Qwen/Qwen2.5-1.5B-Instruct":          1543714304,
		"Qwen/Qwen3-0.6B":                     596049920,
		"Qwen/Qwen3-1.7B":                     1720574976,
	} {
		c, ok := ShapeOf(name)
		if !ok {
			t.Fatalf("%s is not in the table", name)
		}
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := Parameters(c); n != want {
			t.Errorf("%s has %d parameters, want %d", name, n, want)
		}
	}
}
