package plan

import (
	"strings"
	"testing"

	"ballast"
	"ballast/model"
)

var small = model.Config{Arch: "qwen2", QKVBias: true, Vocab: 512, Hidden: 64, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 16, FFN: 192, Tied: true}

// smol is SmolLM2-135M.
var smol = model.Config{Arch: "llama", Vocab: 49152, Hidden: 576, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64, FFN: 1536, Tied: true}

func TestFor(t *testing.T) {
	if p := For(&small, Parameters(&small), 0); !p.Keep || p.Shards != 8 || p.Rows < longest {
		t.Errorf("small model: %+v", p)
	}
	p := For(&smol, Parameters(&smol), 0)
	if p.Keep || p.Shards != 2 || p.Rows < longest {
		t.Errorf("SmolLM2: %+v", p)
	}
	for _, c := range []*model.Config{&small, &smol} {
		if total := Memory(c, Parameters(c), For(c, Parameters(c), 0)).Total; total > Default {
			t.Errorf("%d layers take %d bytes", c.Layers, total)
		}
	}
	if p := For(&smol, Parameters(&smol), 1); p.Shards != 1 || p.Keep || p.Rows != 512 {
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

// TestHeld: what a process holds, by its parts, and what it grows with.
func TestHeld(t *testing.T) {
	all := 4 * Parameters(&small)
	if c := Cache(&small); c != 4*2*4*2*16 {
		t.Errorf("a token's keys and values take %d bytes", c)
	}
	sampling := Held(&small, Parameters(&small), Plan{Rows: 4096, Shards: 2}, Load{Slots: 10, Long: 100, Cores: 2})
	if want := (Process{Weights: all, Sampler: all, Moments: 2 * all, Caches: 1000 * Cache(&small), Live: 4*all + 1000*Cache(&small),
		Total: program + 4*all + 1000*Cache(&small)}); sampling != want {
		t.Errorf("sampling alone: %+v, want %+v", sampling, want)
	}
	p := Plan{Rows: 4096, Shards: 8}
	load := Load{Rows: 20000, Group: 300, Slots: 1, Long: 1, Cores: 2, Room: 50}
	h := Held(&small, Parameters(&small), p, load)
	if h.Reference != all || h.Gradients != int64(min(8, (20000+common-1)/common))*all || h.Live != 5*all+h.Gradients+h.Working || h.Total != program+h.Live+h.Live/2 {
		t.Errorf("%+v", h)
	}
	more := load
	more.Cores = 4
	if x := Held(&small, Parameters(&small), p, more); x.Working != 2*h.Working || x.Gradients != h.Gradients {
		t.Errorf("twice the cores: %+v, was %+v", x, h)
	}
	p.Keep = true
	if x := Held(&small, Parameters(&small), p, load); x.Working <= h.Working {
		t.Errorf("kept activations take no memory: %+v", x)
	}
	if text := (Process{Total: 3 << 30, Live: 2 << 30}).String(); !strings.HasPrefix(text, "at most 3.00 GiB, of which 2.00 at once") {
		t.Error(text)
	}
}

// TestAdapter: of frozen weights there is no reference, moment or gradient.
func TestAdapter(t *testing.T) {
	const rank16 = 4884480 // on all projections of SmolLM2-135M
	p := Plan{Rows: 2048, Shards: 2}
	e, all := Memory(&smol, rank16, p), 4*Parameters(&smol)
	if own := int64(4 * rank16); e.Weights != all+own || e.Reference != own || e.Moments != 2*own || e.Gradients != 2*own {
		t.Errorf("%+v", e)
	}
	if whole := Memory(&smol, Parameters(&smol), p); e.Activations != whole.Activations || e.Scratch <= whole.Scratch {
		t.Errorf("%+v, with all weights %+v", e, whole)
	}
	load := Load{Rows: 2000, Slots: 1, Long: 1, Cores: 2}
	h := Held(&smol, rank16, p, load)
	if h.Merged != all-4*49152*576 || h.Sampler != all || h.Live >= Held(&smol, Parameters(&smol), p, load).Live-4*all {
		t.Errorf("%+v", h)
	}
	if text := h.String(); !strings.Contains(text, "of the adapter: reference, moments and gradients 0.0") {
		t.Error(text)
	}
}

// TestBatch: the common number of rows, more for a large group, at most the plan's.
func TestBatch(t *testing.T) {
	p := Plan{Rows: 3 * common}
	for most, want := range map[int]int{0: common, common + 1: common + 1, 9 * common: 3 * common} {
		if got := p.Batch(most); got != want {
			t.Errorf("a group of %d: %d rows, want %d", most, got, want)
		}
	}
	if c, ok := ShapeOf("nobody/nothing"); ok || c != nil {
		t.Error("a model that nobody knows has a shape")
	}
}
