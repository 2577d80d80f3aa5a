package train

import (
	"context"
	"math/rand/v2"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/model"
)

// small is the largest of the embedded models: 236k parameters.
var small = model.Config{Arch: "qwen2", QKVBias: true, Vocab: 512, Hidden: 64, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 16,
	FFN: 192, MaxLen: 1024, RopeTheta: 10000, NormEps: 1e-6, Tied: true}

// desk makes groups shaped as those of the desk tasks: a prefix of about 150
// tokens, 8 continuations of about 100 of which 40% carry weight.
func desk(groups int) []ballast.Sample {
	rng := rand.New(rand.NewPCG(7, 7))
	ids := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(rng.IntN(512))
		}
		return out
	}
	var out []ballast.Sample
	for g := range groups {
		prefix := ids(130 + rng.IntN(40))
		for range 8 {
			own := ids(80 + rng.IntN(40))
			s := ballast.Sample{Group: g, Prefix: len(prefix), Tokens: append(append([]int32(nil), prefix...), own...)}
			n := len(s.Tokens)
			s.OldLogProb = make([]float32, n)
			policy, ref, count := make([]float32, n), make([]float32, n), 0.0
			for i := len(prefix); i < n; i++ {
				if (i-len(prefix))%20 < 8 {
					policy[i], ref[i] = rng.Float32()-0.5, 1e-3
					s.OldLogProb[i] = -6.2
					count++
				}
			}
			s.Terms[loss.TermPolicy] = ballast.Term{Weight: policy, Count: count}
			s.Terms[loss.TermReference] = ballast.Term{Weight: ref, Count: count}
			out = append(out, s)
		}
	}
	return out
}

// BenchmarkUpdate is one optimiser step on 16 desk groups; real counts all
// tokens of the samples, computed the rows after prefix sharing.
func BenchmarkUpdate(b *testing.B) {
	for _, ref := range []bool{false, true} {
		name := "policy"
		samples := desk(16)
		if ref {
			name = "policy+reference"
		} else {
			for i := range samples {
				samples[i].Terms[loss.TermReference] = ballast.Term{}
			}
		}
		b.Run(name, func(b *testing.B) {
			l, err := New(model.New(small, nil, 1), Default())
			if err != nil {
				b.Fatal(err)
			}
			if err := l.Freeze(); err != nil {
				b.Fatal(err)
			}
			var real, computed, padded float64
			step := func() {
				st, err := l.Update(context.Background(), samples, 1e-5)
				if err != nil {
					b.Fatal(err)
				}
				real, computed, padded = st["tokens/real"], st["tokens/computed"], st["tokens/padded"]
			}
			step()
			b.ResetTimer()
			for range b.N {
				step()
			}
			per := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(real*per, "real-tok/s")
			b.ReportMetric(computed*per, "computed-tok/s")
			b.ReportMetric((computed+padded)*per, "padded-tok/s")
		})
	}
}
