//go:build large

package cpu

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"

	"ballast"
	"ballast/model"
)

// loadSmolLM2 reads the real model, which is too large to ship.
func loadSmolLM2(t testing.TB) *model.Model {
	t.Helper()
	path := os.Getenv("BALLAST_SMOLLM2")
	if path == "" {
		t.Fatal("set BALLAST_SMOLLM2 to a SmolLM2-135M-Instruct GGUF file or directory to run this")
	}
	m, err := model.LoadWeights(path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSmolLM2HasTheTopFive(t *testing.T) {
	m := loadSmolLM2(t)
	g := readGolden(t, "../testdata/smollm2.json")
	got := NewPolicy(m, Options{}).Logits(g.IDs)
	for i, pos := range g.Positions {
		order := make([]int32, len(got[pos]))
		for j := range order {
			order[j] = int32(j)
		}
		slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(got[pos][b], got[pos][a]) })
		if !reflect.DeepEqual(order[:5], g.Top[i]) {
			t.Errorf("position %d: top five %v, want %v", pos, order[:5], g.Top[i])
		}
		for j, id := range g.Top[i] {
			if d := float64(got[pos][id]) - g.Logits[i][j]; max(d, -d) > 1e-4*g.Logits[i][0] {
				t.Errorf("position %d: logit of %d is %g, want %g", pos, id, got[pos][id], g.Logits[i][j])
			}
		}
	}
}

// BenchmarkSmolLM2 measures reading a prompt and 8 rows of decoding after 2k.
func BenchmarkSmolLM2(b *testing.B) {
	m := loadSmolLM2(b)
	p := NewPolicy(m, Options{})
	for _, n := range []int{512, 2048} {
		b.Run(fmt.Sprintf("prefill/%d", n), func(b *testing.B) {
			for b.Loop() {
				benchPlay(b, p, 1, n, 1)
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
	b.Run("decode/8x2048", func(b *testing.B) {
		short, long := 0.0, 0.0
		for b.Loop() {
			short += benchPlay(b, p, 8, 2048, 1)
			long += benchPlay(b, p, 8, 2048, 25)
		}
		b.ReportMetric(float64(b.N*8*24)/(long-short), "tokens/s")
	})
}

// benchPlay samples n tokens after one prompt shared by rows, and returns the
// seconds it took.
func benchPlay(b *testing.B, p *Policy, rows, prompt, n int) float64 {
	ids := make([]int32, prompt)
	for i := range ids {
		ids[i] = int32(i*7919%40000 + 100)
	}
	var ss []*script
	for i := range rows {
		ss = append(ss, &script{appends: [][]int32{ids}, max: n, seed: uint64(i)})
	}
	before := p.Counters().Elapsed
	play(b, p, ss, ballast.Sampling{Temperature: 1})
	return (p.Counters().Elapsed - before).Seconds()
}
