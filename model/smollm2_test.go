//go:build large

package model_test

import (
	"ballast/chat"
	"cmp"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"ballast/model"
	"ballast/model/cpu"
)

// TestSmolLM2 compares real weights, quantised in a GGUF file, with transformers:
// ids of a text, and the five most likely tokens at 50 positions.
func TestSmolLM2(t *testing.T) {
	path := os.Getenv("BALLAST_SMOLLM2")
	if path == "" {
		t.Fatal("BALLAST_SMOLLM2 does not name the file SmolLM2-135M-Instruct.Q4_1.gguf")
	}
	var want struct {
		Text      string
		IDs       []int32
		Positions []int
		Top       [][]int32
		Logits    [][]float64
	}
	data, err := os.ReadFile("testdata/smollm2.json")
	if err == nil {
		err = json.Unmarshal(data, &want)
	}
	if err != nil || len(want.Positions) != 50 {
		t.Fatal(err, len(want.Positions))
	}
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := chat.Choose(m.Source, m.Tokenizer, chat.Hermes); err != nil || c.Name != "smollm2" {
		t.Errorf("chat template %s, %v", c, err)
	}
	if got := m.Tokenizer.Encode(want.Text); !slices.Equal(got, want.IDs) {
		t.Errorf("ids %v\nwant %v", got, want.IDs)
	}
	logits := cpu.NewPolicy(m, cpu.Options{}).Logits(want.IDs)
	worst := 0.0
	for k, p := range want.Positions {
		row := logits[p]
		for i, id := range best(row, 5) {
			if id != want.Top[k][i] {
				t.Errorf("position %d: best tokens %v, want %v", p, best(row, 5), want.Top[k])
				break
			}
			worst = max(worst, math.Abs(float64(row[id])-want.Logits[k][i])/want.Logits[k][0])
		}
	}
	t.Logf("largest difference of a logit: %.1e of the position's largest", worst)
	if worst > 1e-4 {
		t.Errorf("logits differ by %.1e", worst)
	}
}

// best returns the n ids with the largest logits, best first.
func best(row []float32, n int) []int32 {
	ids := make([]int32, len(row))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortFunc(ids, func(a, b int32) int { return cmp.Compare(row[b], row[a]) })
	return ids[:n]
}
