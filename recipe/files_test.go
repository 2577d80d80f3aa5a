package recipe

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// file lays a file of recipes/ over a method.
func file(t *testing.T, name, method string) Recipe {
	t.Helper()
	path := filepath.Join("..", "recipes", name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(method)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(path, text); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	if err := r.Check(); err != nil {
		t.Fatalf("%s, %s: %v", path, method, err)
	}
	return r
}

// TestFiles: every file goes with every method but base, which makes a model of
// its own.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "recipes", "*.yaml"))
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasPrefix(filepath.Base(f), "study") }) // plans, of package study
	if err != nil || len(files) != 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		for _, m := range All {
			if m.Name != "base" {
				file(t, filepath.Base(f), m.Name)
			}
		}
	}
}

// TestReader: the steps of scripts/embedded-reader.
func TestReader(t *testing.T) {
	for name, method := range map[string]string{"1-copying.yaml": "base", "2-worlds.yaml": "sft", "3-formats.yaml": "sft"} {
		if r := file(t, filepath.Join("reader", name), method); r.Tasks.Set != "worlds" || r.Chat.Template != "documented" {
			t.Errorf("%s: %+v, %+v", name, r.Tasks, r.Chat)
		}
	}
}

// TestPaperSettings holds the numbers of the fact sheet's sections 1 and 3.
func TestPaperSettings(t *testing.T) {
	for name, rounds := range map[string]string{"qwen2.5-1.5b.yaml": "50 100 150", "qwen3-1.7b.yaml": "50 50 100"} {
		r := file(t, name, "ets")
		var got []string
		for _, p := range r.Phases {
			if p.RL > 0 {
				got = append(got, fmt.Sprint(p.RL))
			}
		}
		if strings.Join(got, " ") != rounds || r.SFT.Epochs != 2 || r.SFT.Warmup != 0.3 || r.SFT.LR != 1e-5 || r.SFT.Rule != "all" || r.RL.Warmup != 5 {
			t.Errorf("%s ets: rounds %v, sft %+v", name, got, r.SFT)
		}
		r = file(t, name, "grpo")
		rl, b := r.RL, r.Budget
		if rl.Prompts != 60 || rl.Rollouts != 8 || rl.Prompts/rl.Minibatches != 20 || rl.LR != 1e-6 || rl.KL != 1e-4 || rl.Warmup != 10 || r.Phases[0].RL != 300 {
			t.Errorf("%s grpo: %+v, phases %v", name, rl, r.Phases)
		}
		if b != (Budget{Prompt: 8192, Episode: 8192, Reply: 2048, Result: 1024, Steps: 31}) {
			t.Errorf("%s: %+v", name, b)
		}
		r = file(t, name, "sft")
		if s := r.SFT; s.Epochs != 3 || s.Batch != 128 || s.LR != 1e-5 || s.Warmup != 0.1 || s.Per != "turn" || r.Adam.Beta2 != 0.95 {
			t.Errorf("%s sft: %+v, betas %+v", name, s, r.Adam)
		}
		if s := file(t, name, "ops").RL.Signals["gold"]; fmt.Sprint(s["n"], " ", s["loss"]) != "1 ratio" {
			t.Errorf("%s ops: %v", name, s)
		}
		if s := file(t, name, "hbg").RL.Signals["hint"]; fmt.Sprint(s["n"], " ", s["correct"]) != "2 false" {
			t.Errorf("%s hbg: %v", name, s)
		}
	}
}

// TestEveryMethodHasAPage: docs/recipes/NAME.md, listed in the README there.
func TestEveryMethodHasAPage(t *testing.T) {
	dir := filepath.Join("..", "docs", "recipes")
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range All {
		if _, err := os.Stat(filepath.Join(dir, m.Name+".md")); err != nil || !strings.Contains(string(index), "("+m.Name+".md)") {
			t.Errorf("%s has no page in %s, or it is not listed: %v", m.Name, dir, err)
		}
	}
}
