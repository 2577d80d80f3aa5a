package engine

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/tinker/tinkertest"
)

// TestTinkerRefuses: what a server decides or cannot take is an error that names the key.
func TestTinkerRefuses(t *testing.T) {
	for set, key := range map[string]string{
		"lora={rank: 2, alpha: 8}":             "lora.alpha",
		"lora={rank: 2, targets: [q_proj]}":    "lora.targets",
		"lora={rank: 2, start: nowhere}":       "lora.start",
		"guard.do=stop":                        "guard.do",
		"engine.key=BALLAST_NO_SUCH_KEY":       "",
		"engine={kind: tinker, address: x://}": "",
	} {
		r := grpo(t, "engine={kind: tinker, address: 'http://127.0.0.1:1'}", set)
		if err := Check(r); key != "" && (err == nil || !strings.Contains(err.Error(), key+":")) {
			t.Errorf("%s: %v", set, err)
		}
		if _, err := Open(t.Context(), r, tiny(), nil); err == nil {
			t.Errorf("%s: it opens", set)
		}
	}
}

// TestTinkerBase: the model is the one that the recipe names, the one that the server serves
// alone, or an error that names those that it serves.
func TestTinkerBase(t *testing.T) {
	at := server(t)
	open := func(set ...string) error {
		e, err := Sampler(t.Context(), grpo(t, append([]string{"engine={kind: tinker, address: '" + at + "'}"}, set...)...), tiny(), nil)
		if err == nil {
			must(t, e.Close())
		}
		return err
	}
	if err := open(); err != nil {
		t.Error(err)
	}
	if err := open("engine.model=toy"); err != nil {
		t.Error(err)
	}
	if err := open("engine.model=another"); err == nil {
		t.Error("a model that the server does not serve is sampled from")
	}
}

// TestTinkerTrainsOn: a checkpoint's folder as the model is what its server keeps: to sample with,
// and to train on with fresh moments.
func TestTinkerTrainsOn(t *testing.T) {
	s := tinkertest.New(tinkertest.Options{Vocab: 50, Order: 2, Seed: 1, Habits: tinkertest.TuFT()})
	defer s.Close()
	r := grpo(t, "engine={kind: tinker, address: '"+s.URL+"', reduction: sum}", "lora.rank=2")
	e, err := Open(t.Context(), r, tiny(), nil)
	must(t, err)
	x := ballast.Sample{Tokens: []int32{1, 2, 3, 4}}
	x.Terms[loss.TermCrossEntropy] = ballast.Term{Weight: []float32{0, 1, 1, 1}, Count: 3}
	_, err = e.Learner().Update(t.Context(), []ballast.Sample{x}, 0.1)
	must(t, err)
	must(t, e.Sync(t.Context()))
	ask := ballast.Request{Append: []int32{1, 2, 3}, Max: 4}
	want := play(t, e, ask)
	dir := filepath.Join(t.TempDir(), "c")
	must(t, e.Learner().Save(dir))
	must(t, e.Close())

	r.Model = dir
	only, err := Sampler(t.Context(), r, tiny(), nil)
	must(t, err)
	if got := play(t, only, ask); !slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.LogProb, want.LogProb) {
		t.Errorf("it samples %+v, want %+v", got, want)
	}
	must(t, only.Close())
	on, err := Open(t.Context(), r, tiny(), nil)
	must(t, err)
	if got := play(t, on, ask); !slices.Equal(got.LogProb, want.LogProb) {
		t.Errorf("it trains on from %+v, want %+v", got, want)
	}
	must(t, on.Close())
	must(t, r.Set("lora.rank=4"))
	if _, err := Open(t.Context(), r, tiny(), nil); err == nil || !strings.Contains(err.Error(), "lora.rank") {
		t.Errorf("another rank: %v", err)
	}
}
