package train

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/model"

	"ballast/train/plan"
)

// smol is SmolLM2-135M.
var smol = model.Config{Arch: "llama", Vocab: 49152, Hidden: 576, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64,
	FFN: 1536, MaxLen: 8192, RopeTheta: 100000, NormEps: 1e-5, Tied: true}

const updates = 1

// TestLarge trains a random SmolLM2-135M on 2 prompts of 4k tokens with 4
// rollouts of up to 1k tokens and prints time and memory; it runs if
// BALLAST_LARGE is set and takes minutes.
func TestLarge(t *testing.T) {
	if os.Getenv("BALLAST_LARGE") == "" {
		t.Skip("set BALLAST_LARGE=1 (or to a number of layers) to train a model of 135M parameters for minutes")
	}
	smol := smol
	if n, err := strconv.Atoi(os.Getenv("BALLAST_LARGE")); err == nil && n > 1 {
		smol.Layers = n // for a profile in less time
	}
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
			s.Terms[ballast.TermPolicy] = ballast.Term{Weight: w, Count: count}
			s.Terms[ballast.TermReference] = ballast.Term{Weight: ref, Count: count}
			samples = append(samples, s)
		}
	}
	l, err := New(model.New(smol, nil, 1), Default())
	must(t, err)
	must(t, l.Freeze())
	t.Logf("plan %+v; %+v", l.plan, plan.Memory(&smol, l.plan))
	for range updates {
		begin := time.Now()
		st, err := l.Update(context.Background(), samples, 1e-5)
		must(t, err)
		t.Logf("%.1f s: %v", time.Since(begin).Seconds(), st)
		status, err := os.ReadFile("/proc/self/status")
		must(t, err)
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmRSS") {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
}
