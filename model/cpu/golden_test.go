package cpu

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"testing"

	"ballast"
	"ballast/model"
)

// golden is a file of numbers by PyTorch; model/testdata/README.md describes it.
type golden struct {
	IDs       []int32     `json:"ids"`
	Positions []int       `json:"positions"`
	Logits    [][]float64 `json:"logits"`
	LogProbs  []float64   `json:"logprobs"`
	Prompt    []int32     `json:"greedy_prompt"`
	Greedy    []int32     `json:"greedy"`
	Top       [][]int32   `json:"top"`
}

func readGolden(t *testing.T, path string) (g golden) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGoldenModels(t *testing.T) {
	for _, arch := range []string{"qwen2", "qwen3", "llama", "smollm3"} {
		dir := "../testdata/" + arch
		m, err := model.LoadWeights(dir)
		if err != nil {
			t.Fatal(err)
		}
		g, p := readGolden(t, dir+"/golden.json"), NewPolicy(m, Options{})
		got := p.Logits(g.IDs)
		for i, pos := range g.Positions {
			largest := max(slices.Max(g.Logits[i]), -slices.Min(g.Logits[i]))
			for j, want := range g.Logits[i] {
				if d := float64(got[pos][j]) - want; max(d, -d) > 1e-4*largest {
					t.Fatalf("%s: logit %d at %d is %g, want %g", arch, j, pos, got[pos][j], want)
				}
			}
		}
		for i, lp := range p.LogProbs(g.IDs) {
			if !near(float64(lp), g.LogProbs[i]) {
				t.Errorf("%s: log-probability %d is %g, want %g", arch, i, lp, g.LogProbs[i])
			}
		}
		s := &script{appends: [][]int32{g.Prompt}, max: len(g.Greedy)}
		if play(t, p, []*script{s}, ballast.Sampling{}); !reflect.DeepEqual(s.replies[0].Tokens, g.Greedy) {
			t.Errorf("%s: greedy tokens %v, want %v", arch, s.replies[0].Tokens, g.Greedy)
		}
	}
}
