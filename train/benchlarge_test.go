package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/model/lora"
)

// smol is SmolLM2-135M.
var smol = model.Config{Arch: "llama", Vocab: 49152, Hidden: 576, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64,
	FFN: 1536, MaxLen: 8192, RopeTheta: 100000, NormEps: 1e-5, Tied: true}

// BenchmarkLarge is the first update of a random SmolLM2-135M, on 2 prompts of 4k tokens
// with 4 rollouts of up to 1k tokens, in part with 3 of its layers, whole with 30. The
// whole takes minutes and 7 GB. The others train an adapter on the same; the peak is the
// process's, so that each wants one of its own.
func BenchmarkLarge(b *testing.B) {
	b.Run("part", func(b *testing.B) { benchLarge(b, 3, 0) })
	b.Run("part of an adapter", func(b *testing.B) { benchLarge(b, 3, 16) })
	b.Run("whole", func(b *testing.B) { benchLarge(b, smol.Layers, 0) })
	b.Run("whole of an adapter", func(b *testing.B) { benchLarge(b, smol.Layers, 16) })
}

// benchLarge trains an adapter of a rank, or with 0 all weights.
func benchLarge(b *testing.B, layers, rank int) {
	smol := smol
	smol.Layers = layers
	rng := rand.New(rand.NewPCG(1, 1))
	ids := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(rng.IntN(smol.Vocab))
		}
		return out
	}
	var samples []ballast.Sample
	for g := range 2 {
		prefix := ids(4000 + 100*g)
		for k := range 4 {
			s := ballast.Sample{Group: g, Prefix: len(prefix), Tokens: append(append([]int32(nil), prefix...), ids(1000-150*k)...)}
			n := len(s.Tokens)
			s.OldLogProb = make([]float32, n)
			w, ref := make([]float32, n), make([]float32, n)
			count := 0.0
			for i := len(prefix); i < n; i++ {
				if i%2 == 0 {
					w[i], ref[i], s.OldLogProb[i] = float32(k)-1.5, 1e-3, -10.8
					count++
				}
			}
			s.Terms[loss.TermPolicy] = ballast.Term{Weight: w, Count: count}
			s.Terms[loss.TermReference] = ballast.Term{Weight: ref, Count: count}
			samples = append(samples, s)
		}
	}
	for b.Loop() {
		o := Default()
		if rank > 0 {
			a, err := lora.New(&smol, lora.Config{Rank: rank, Alpha: lora.Alpha, Targets: lora.Targets()}, 1)
			if err != nil {
				b.Fatal(err)
			}
			o.Adapter = a
		}
		l, err := New(model.New(smol, nil, 1), o)
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Freeze(); err != nil {
			b.Fatal(err)
		}
		if _, err := l.Update(context.Background(), samples, 1e-5); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(peakMemory(b), "peak-MB")
}

// peakMemory is the most that the process held so far, in MB.
func peakMemory(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			return kb / 1e3
		}
	}
	return 0
}
