package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"ballast"
	"ballast/model/kernel"
	"ballast/model/sampling"
)

// chi2 is Pearson's statistic in units of its standard deviation above its mean.
func chi2(counts []int, p []float64) float64 {
	n, x, df := 0, 0.0, -1.0
	for _, c := range counts {
		n += c
	}
	for i, c := range counts {
		if e := p[i] * float64(n); e > 0 {
			x += (float64(c) - e) * (float64(c) - e) / e
			df++
		} else if c > 0 {
			return math.Inf(1)
		}
	}
	return (x - df) / math.Sqrt(2*df)
}

// softTruncated is the distribution that a setting asks for, in float64.
func softTruncated(logits []float32, how ballast.Sampling) []float64 {
	p, order := make([]float64, len(logits)), make([]int, len(logits))
	sum := 0.0
	for i, l := range logits {
		p[i] = math.Exp(float64(l) / how.Temperature)
		sum += p[i]
		order[i] = i
	}
	for i := range order { // selection sort: by falling probability, then id
		for j := i + 1; j < len(order); j++ {
			if a, b := p[order[i]], p[order[j]]; b > a || b == a && order[j] < order[i] {
				order[i], order[j] = order[j], order[i]
			}
		}
	}
	keep := len(order)
	if how.TopK > 0 {
		keep = min(keep, how.TopK)
		sum = 0
		for _, i := range order[:keep] {
			sum += p[i]
		}
	}
	out, kept := make([]float64, len(p)), 0.0
	for _, i := range order[:keep] {
		out[i] = p[i]
		if kept += p[i]; how.TopP > 0 && kept >= how.TopP*sum {
			break
		}
	}
	for i := range out {
		out[i] /= kept
	}
	return out
}

func TestDrawsFollowTheDistribution(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	const vocab = 70
	logits := make([]float32, 96)
	for i := range vocab {
		logits[i] = float32(2 * rng.NormFloat64())
	}
	for _, k := range []*kernel.Set{kernel.Best(), kernel.Portable()} {
		for _, how := range []ballast.Sampling{{Temperature: 1}, {Temperature: 0.5}, {Temperature: 2, TopK: 7}, {Temperature: 1, TopP: 0.8}, {Temperature: 1.5, TopP: 0.9, TopK: 20}} {
			d, counts := dist{k: k}, make([]int, vocab)
			d.load(logits, vocab, how.Temperature)
			for i := range 20000 {
				counts[d.draw(how, sampling.Uniform(uint64(i%10), i/10))]++
			}
			if x := chi2(counts, softTruncated(logits[:vocab], how)); x > 4 {
				t.Errorf("%s %+v: chi-square %.1f deviations above its mean", k.Name, how, x)
			}
		}
	}
}

func TestUniformIsUniform(t *testing.T) {
	// Pairs of neighbouring positions and of neighbouring seeds fill a grid.
	for name, pair := range map[string]func(i int) (float64, float64){
		"positions": func(i int) (float64, float64) { return sampling.Uniform(7, i), sampling.Uniform(7, i+1) },
		"seeds": func(i int) (float64, float64) {
			return sampling.Uniform(uint64(i), 3), sampling.Uniform(uint64(i+1), 3)
		},
		"diagonal": func(i int) (float64, float64) {
			return sampling.Uniform(uint64(i), 100), sampling.Uniform(uint64(i+1), 99)
		},
	} {
		counts, p := make([]int, 256), make([]float64, 256)
		for i := range 400000 {
			a, b := pair(i)
			counts[int(a*16)*16+int(b*16)]++
		}
		for i := range p {
			p[i] = 1.0 / 256
		}
		if x := chi2(counts, p); x > 5 || x < -5 {
			t.Errorf("%s: chi-square %.1f deviations from its mean", name, x)
		}
	}
}

func TestGreedyTakesTheLowestOfEquals(t *testing.T) {
	d := dist{k: kernel.Best()}
	logits := make([]float32, 32)
	logits[5], logits[9] = 3, 3
	if d.load(logits, 20, 0); d.draw(ballast.Sampling{}, 0.9) != 5 {
		t.Error("greedy did not take the lowest id")
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		logits := make([]float32, 32)
		logits[11] = float32(bad)
		if d.load(logits, 20, 1); d.ok {
			t.Errorf("a logit of %g passed as good", bad)
		}
	}
}

func TestTheEndsOfTheDistribution(t *testing.T) {
	d, how := dist{k: kernel.Best()}, ballast.Sampling{Temperature: 1}
	logits := make([]float32, 128)
	for i := range logits {
		logits[i] = -200
	}
	logits[3], logits[70] = 0, 0
	d.load(logits, 100, 1)
	for u, want := range map[float64]int32{0: 3, 0.499: 3, 0.501: 70, 1 - 0x1p-53: 70} {
		if got := d.draw(how, u); got != want {
			t.Errorf("draw at %g is %d, want %d", u, got, want)
		}
	}
}

// odds allows the tokens that are odd, and counts what it is told.
type odds struct{ told []int32 }

func (o *odds) Allows(t int32) bool { return t%2 == 1 }
func (o *odds) Advance(t int32)     { o.told = append(o.told, t) }

// nothing allows no token.
type nothing struct{}

func (nothing) Allows(int32) bool { return false }
func (nothing) Advance(int32)     {}

// TestConstrainedIsRenormalised: constrained draws follow the distribution over
// the allowed tokens, under every sampling setting, and those that the mask does
// not touch are the plain ones.
func TestConstrainedIsRenormalised(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	const vocab = 50
	logits := make([]float32, vocab+14)
	for i := range vocab {
		logits[i] = float32(rng.NormFloat64() * 2)
	}
	for _, how := range []ballast.Sampling{{Temperature: 1}, {Temperature: 0.7}, {Temperature: 1, TopK: 6}, {Temperature: 1, TopP: 0.8}} {
		d := dist{k: kernel.Best()}
		d.load(logits, vocab, how.Temperature)
		allowed := slices.Clone(logits[:vocab])
		for i := 0; i < vocab; i += 2 {
			allowed[i] = -1e30
		}
		want := softTruncated(allowed, how)
		counts, m := make([]int, vocab), &odds{}
		for n := range 40000 {
			tok, ok := d.constrained(how, m, uint64(n), 7)
			if plain := d.draw(how, sampling.Uniform(uint64(n), 7)); !ok || plain%2 == 1 && plain != tok || m.told[n] != tok {
				t.Fatalf("%+v: drew %d (%v), plain %d, told %d", how, tok, ok, plain, m.told[n])
			}
			counts[tok]++
		}
		// With truncation the first draw keeps fewer allowed tokens than the second.
		if x := chi2(counts, want); how.TopK == 0 && how.TopP == 0 && math.Abs(x) > 4 {
			t.Errorf("%+v: chi-squared is %.1f deviations off", how, x)
		}
		for i := 0; i < vocab; i += 2 {
			if counts[i] > 0 {
				t.Errorf("%+v: forbidden token %d was drawn", how, i)
			}
		}
	}
}

// TestConstrainedEdges: greedy takes the best allowed token, allowed tokens of
// probability 0 are still taken, and a mask without any is reported.
func TestConstrainedEdges(t *testing.T) {
	logits := []float32{9, 1, 8, 3, -1e30, -1e30, -1e30, -1e30}
	d := dist{k: kernel.Best()}
	d.load(logits, 4, 0)
	if tok, ok := d.constrained(ballast.Sampling{}, &odds{}, 1, 1); !ok || tok != 3 {
		t.Errorf("greedy drew %d (%v), want 3", tok, ok)
	}
	if _, ok := d.constrained(ballast.Sampling{}, nothing{}, 1, 1); ok {
		t.Error("a mask that allows nothing drew a token")
	}
	d.load([]float32{0, -500, 0, -400, -1e30, -1e30, -1e30, -1e30}, 4, 1)
	if tok, ok := d.constrained(ballast.Sampling{Temperature: 1}, &odds{}, 1, 1); !ok || tok != 3 {
		t.Errorf("of hopeless tokens %d was drawn (%v), want 3", tok, ok)
	}
}
