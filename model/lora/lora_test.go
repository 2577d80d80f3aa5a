package lora

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast/model"
)

// shape is a small model with widths that fill panels and widths that do not.
func shape() *model.Config {
	return &model.Config{Arch: "llama", Vocab: 40, Hidden: 36, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 16, FFN: 50, MaxLen: 64,
		RopeTheta: 1e4, NormEps: 1e-5, Tied: true}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// moved is an adapter whose B is not 0 any more.
func moved(t testing.TB, c *model.Config, rank int, targets ...string) *Adapter {
	t.Helper()
	a, err := New(c, Config{Rank: rank, Alpha: 12, Targets: targets}, 7)
	must(t, err)
	for i, x := range a.Flat() {
		for k := range x {
			if i%2 == 1 {
				x[k] = float32(math.Sin(float64(31*i + k)))
			}
		}
	}
	a.Base = "ORG/NAME"
	return a
}

// TestNew: a new adapter is drawn from its seed, has the tensors of its targets, and changes
// nothing.
func TestNew(t *testing.T) {
	c := shape()
	config := Config{Rank: 3, Alpha: 6, Targets: []string{"v_proj", "down_proj"}}
	a, err := New(c, config, 1)
	must(t, err)
	var names []string
	for i, s := range a.Specs() {
		names = append(names, s.Name)
		if x := a.Weights.Tensors[i]; x.Name != s.Name || len(x.Data) != s.Shape[0]*s.Shape[1] {
			t.Errorf("tensor %d is %s %v, want %v", i, x.Name, x.Shape, s)
		}
	}
	want := []string{"model.layers.0.self_attn.v_proj.lora_A.weight", "model.layers.0.self_attn.v_proj.lora_B.weight",
		"model.layers.0.mlp.down_proj.lora_A.weight", "model.layers.0.mlp.down_proj.lora_B.weight"}
	if len(names) != 8 || !slices.Equal(names[:4], want) {
		t.Errorf("tensors %q", names)
	}
	if n := int64(2 * 3 * (36 + 32 + 50 + 36)); a.Count(c) != n || int64(a.Weights.Count()) != n {
		t.Errorf("%d parameters, counted %d, want %d", a.Weights.Count(), a.Count(c), n)
	}
	down := a.Weights.Get("model.layers.1.mlp.down_proj.lora_A.weight").Data
	if most := slices.Max(down); most > float32(1/math.Sqrt(50)) || most < float32(0.9/math.Sqrt(50)) {
		t.Errorf("the largest of A is %g, and its bound is %g", most, 1/math.Sqrt(50))
	}
	base := model.New(*c, nil, 1).Weights
	for i, x := range a.Merge(base).Tensors {
		if !slices.Equal(x.Data, base.Tensors[i].Data) {
			t.Errorf("a new adapter changes %s", x.Name)
		}
	}
	again, err := New(c, config, 1)
	must(t, err)
	other, err := New(c, config, 2)
	must(t, err)
	if !slices.EqualFunc(a.Flat(), again.Flat(), slices.Equal) || slices.EqualFunc(a.Flat(), other.Flat(), slices.Equal) {
		t.Error("it does not follow from the seed")
	}
}

// TestMerge holds the merged weights against the formula in float64, and parts against the
// whole, to the bit.
func TestMerge(t *testing.T) {
	c := shape()
	for _, rank := range []int{1, 5, 32, 40} {
		a, base := moved(t, c, rank, Targets()...), model.New(*c, nil, 1).Weights
		merged, pairs := a.Merge(base), a.Pairs(a.Flat())
		for i, x := range merged.Tensors {
			w, p := base.Tensors[i], pairs[x.Name]
			if p == nil {
				if &x.Data[0] != &w.Data[0] {
					t.Errorf("%s is copied", x.Name)
				}
				continue
			}
			out, in := w.Shape[0], w.Shape[1]
			for o := range out {
				for k := range in {
					want, size := float64(w.Data[o*in+k]), 1.0
					for r := range rank {
						d := 12 / float64(rank) * float64(p.B[o*rank+r]) * float64(p.A[r*in+k])
						want, size = want+d, size+math.Abs(d)
					}
					if got := float64(x.Data[o*in+k]); math.Abs(got-want) > 1e-6*size {
						t.Fatalf("rank %d: %s at %d, %d is %g, want %g", rank, x.Name, o, k, got, want)
					}
				}
			}
			parts := make([]float32, len(x.Data))
			for from := 0; from < out; from += 7 {
				to := min(from+7, out)
				p.Merge(parts[from*in:to*in], w.Data, from, to)
			}
			if !slices.Equal(parts, x.Data) {
				t.Errorf("rank %d: %s merged in parts has other bits", rank, x.Name)
			}
		}
		if len(pairs) != 14 {
			t.Errorf("%d weights are merged", len(pairs))
		}
	}
}

// TestRoundTrip: what is saved is read back to the bit.
func TestRoundTrip(t *testing.T) {
	c := shape()
	for _, targets := range [][]string{Targets(), {"up_proj", "q_proj"}} {
		a, dir := moved(t, c, 5, targets...), filepath.Join(t.TempDir(), "a")
		must(t, a.Save(dir))
		back, err := Read(dir, c)
		must(t, err)
		if back.Base != a.Base || a.Differs(&back.Config) != "" || !slices.EqualFunc(a.Flat(), back.Flat(), slices.Equal) {
			t.Errorf("%v of %q came back as %v of %q", a.Config, a.Base, back.Config, back.Base)
		}
		again := filepath.Join(t.TempDir(), "b")
		must(t, back.Save(again))
		for i, path := range Files(dir) {
			x, err := os.ReadFile(path)
			must(t, err)
			y, err := os.ReadFile(Files(again)[i])
			must(t, err)
			if string(x) != string(y) {
				t.Errorf("%s has other bytes when it is saved again", path)
			}
		}
		if err := a.Save(dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("a folder that is not empty: %v", err)
		}
	}
}

// TestNames: the names and shapes of the file are PEFT's.
func TestNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	must(t, moved(t, shape(), 5, "k_proj").Save(dir))
	data, err := os.ReadFile(Files(dir)[1])
	must(t, err)
	for _, want := range []string{
		`"base_model.model.model.layers.1.self_attn.k_proj.lora_A.weight":{"dtype":"F32","shape":[5,36]`,
		`"base_model.model.model.layers.1.self_attn.k_proj.lora_B.weight":{"dtype":"F32","shape":[32,5]`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the file lacks %s", want)
		}
	}
}

// TestDiffers names what is not the same, and takes no heed of the order of targets.
func TestDiffers(t *testing.T) {
	a := Config{Rank: 8, Alpha: 32, Targets: []string{"q_proj", "v_proj"}}
	for want, b := range map[string]Config{
		"":                    {8, 32, []string{"v_proj", "q_proj"}},
		"rank 4 and not 8":    {4, 32, a.Targets},
		"alpha 16 and not 32": {8, 16, a.Targets},
		"targets [q_proj] and not [q_proj, v_proj]":  {8, 32, a.Targets[:1]},
		"targets [q_proj, k_proj] and not [q_proj, ": {8, 32, []string{"q_proj", "k_proj"}},
	} {
		if got := a.Differs(&b); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%v: %q, want %q", b, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	good := Config{Rank: 1, Alpha: 1, Targets: Targets()}
	must(t, good.Check(shape()))
	for want, c := range map[string]Config{
		"rank 0":               {0, 1, Targets()},
		"rank 1025":            {1025, 1, Targets()},
		"alpha 0":              {1, 0, Targets()},
		"alpha NaN":            {1, math.NaN(), Targets()},
		"alpha +Inf":           {1, math.Inf(1), Targets()},
		"no targets":           {1, 1, nil},
		`target "lm_head"`:     {1, 1, []string{"q_proj", "lm_head"}},
		"q_proj is named twic": {1, 1, []string{"q_proj", "q_proj"}},
	} {
		if _, err := New(shape(), c, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", c, err, want)
		}
	}
}
