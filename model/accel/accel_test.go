package accel

import (
	"context"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"ballast"
	"ballast/model"
	"ballast/model/cpu"
	"ballast/model/device"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// configs are small decoders of every kind.
var configs = map[string]model.Config{
	"qwen2":   {Arch: "qwen2", QKVBias: true, Vocab: 300, Hidden: 32, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, FFN: 48, MaxLen: 1024, RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
	"qwen3":   {Arch: "qwen3", QKNorm: true, Vocab: 77, Hidden: 24, Layers: 2, Heads: 4, KVHeads: 1, HeadDim: 16, FFN: 40, MaxLen: 1024, RopeTheta: 1e6, NormEps: 1e-6},
	"llama":   {Arch: "llama", Vocab: 64, Hidden: 40, Layers: 3, Heads: 5, KVHeads: 5, HeadDim: 6, FFN: 50, MaxLen: 1024, RopeTheta: 1e4, NormEps: 1e-5, Rope: &model.RopeScaling{Factor: 8, LowFreq: 1, HighFreq: 4, OriginalLen: 64}},
	"all":     {QKVBias: true, QKNorm: true, NoRope: []int{0}, Vocab: 77, Hidden: 24, Layers: 2, Heads: 4, KVHeads: 1, HeadDim: 16, FFN: 40, MaxLen: 1024, RopeTheta: 1e6, NormEps: 1e-6},
	"smollm3": {Arch: "smollm3", NoRope: []int{1}, Vocab: 90, Hidden: 24, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 6, FFN: 40, MaxLen: 1024, RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
}

// random returns a model whose distributions are far from uniform, biases and
// norms included.
func random(c model.Config, seed uint64) *model.Model {
	m, rng := model.New(c, nil, seed), rand.New(rand.NewPCG(seed, 7))
	for _, t := range m.Weights.Tensors {
		for i := range t.Data {
			if len(t.Shape) == 1 {
				t.Data[i] += float32(0.2 * rng.NormFloat64())
			} else {
				t.Data[i] = float32(rng.NormFloat64() * 1.5 / math.Sqrt(float64(t.Shape[1])))
			}
		}
	}
	return m
}

// backend is the one that the tests run on: go test ./model/accel ./train/accel -backend xla:PLUGIN
var backend = flag.String("backend", "go", "backend of package device")

// open opens the backend of the tests.
func open(t testing.TB) *device.Device {
	t.Helper()
	d, err := device.Open(*backend)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// script is a conversation: what it appends before each reply.
type script struct {
	appends [][]int32
	max     int
	stop    []int32
	seed    uint64
	mask    ballast.Mask
	replies []ballast.Reply
}

func (s *script) Next() (ballast.Request, bool) {
	n := len(s.replies)
	if n == len(s.appends) {
		return ballast.Request{}, false
	}
	return ballast.Request{Append: s.appends[n], Max: s.max, Stop: s.stop, Seed: s.seed, Mask: s.mask}, true
}

func (s *script) Wait() <-chan struct{} { return nil }

func (s *script) Take(r ballast.Reply) { s.replies = append(s.replies, r) }

func tokens(rng *rand.Rand, n, vocab int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = rng.Int32N(int32(vocab))
	}
	return out
}

// groups makes n conversations in groups of three that share the first prompt;
// all prompts begin alike, and after each reply the tools answer.
func groups(n, prompt, max, vocab int) []ballast.Conversation {
	rng := rand.New(rand.NewPCG(5, 5))
	head, first := tokens(rng, prompt/2, vocab), []int32(nil)
	var out []ballast.Conversation
	for i := range n {
		if i%3 == 0 {
			first = slices.Concat(head, tokens(rng, prompt-len(head)+rng.IntN(5), vocab))
		}
		s := &script{max: max, stop: []int32{1, 2, 3, int32(vocab - 1)}, seed: uint64(1000 + i), appends: [][]int32{first}}
		for range 2 {
			s.appends = append(s.appends, tokens(rng, 1+rng.IntN(40), vocab))
		}
		out = append(out, s)
	}
	return out
}

func played(t testing.TB, p ballast.Policy, convs []ballast.Conversation, how ballast.Sampling) []ballast.Conversation {
	t.Helper()
	if err := p.Play(context.Background(), convs, how); err != nil {
		t.Fatal(err)
	}
	return convs
}

func replies(c ballast.Conversation) []ballast.Reply { return c.(*script).replies }

// compare fails unless two plays of the same conversations are the same but for
// tolerance in figures.
func compare(t *testing.T, got, want []ballast.Conversation, tolerance float64) {
	t.Helper()
	near := func(what string, i int, a, b []float32) {
		for k := range b {
			if d := math.Abs(float64(a[k]) - float64(b[k])); !(d <= tolerance*(1+math.Abs(float64(b[k])))) {
				t.Fatalf("conversation %d: %s %d is %g, want %g", i, what, k, a[k], b[k])
			}
		}
	}
	for i := range want {
		a, b := replies(got[i]), replies(want[i])
		if len(a) != len(b) {
			t.Fatalf("conversation %d: %d replies, want %d", i, len(a), len(b))
		}
		for k := range b {
			if (a[k].Err == nil) != (b[k].Err == nil) {
				t.Fatalf("conversation %d reply %d: error %v, want %v", i, k, a[k].Err, b[k].Err)
			}
			if !slices.Equal(a[k].Tokens, b[k].Tokens) {
				t.Fatalf("conversation %d reply %d:\n got %v\nwant %v", i, k, a[k].Tokens, b[k].Tokens)
			}
			near("log-probability", i, a[k].LogProb, b[k].LogProb)
			near("entropy", i, a[k].Entropy, b[k].Entropy)
			for j := range b[k].Watch {
				near("watched", i, a[k].Watch[j], b[k].Watch[j])
			}
		}
	}
}

func sampler(t testing.TB, m *model.Model, o Options) *Policy {
	t.Helper()
	p, err := New(open(t), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlaysAsTheProcessor(t *testing.T) {
	watched := []int32{1, 5, 60}
	for name, c := range configs {
		m := random(c, 9)
		for kind, how := range map[string]ballast.Sampling{
			"greedy": {}, "plain": {Temperature: 1}, "warm": {Temperature: 0.7},
			"top-p": {Temperature: 1, TopP: 0.8}, "top-k": {Temperature: 1.2, TopK: 7}, "both": {Temperature: 1, TopP: 0.9, TopK: 12},
		} {
			if name != "qwen2" && kind != "greedy" && kind != "plain" || (name == "smollm3" || name == "all") && kind != "plain" {
				continue // what follows the logits is the same for all
			}
			if testing.Short() && (name != "qwen2" || kind != "plain") {
				continue // with a race detector each takes half a minute
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				p := sampler(t, m, Options{Watched: watched, Rows: 4, Steps: 5, Chunk: 64})
				ref := cpu.NewPolicy(m, cpu.Options{Watched: watched})
				got := played(t, p, groups(7, 50, 17, c.Vocab), how)
				compare(t, got, played(t, ref, groups(7, 50, 17, c.Vocab), how), 1e-4)
				if n := p.Counters(); n.Sampled != ref.Counters().Sampled || n.Shared < 100 {
					t.Errorf("counters %+v, those of model/cpu %+v", n, ref.Counters())
				}
			})
		}
	}
}

// never is a mask that allows nothing.
type never struct{}

func (never) Allows(int32) bool { return false }
func (never) Advance(int32)     {}

func TestErrorsAreReplies(t *testing.T) {
	c := configs["qwen2"]
	c.MaxLen = 60
	m := random(c, 4)
	make := func() []ballast.Conversation {
		rng := rand.New(rand.NewPCG(1, 2))
		ok := tokens(rng, 20, c.Vocab)
		return []ballast.Conversation{
			&script{appends: [][]int32{ok, ok, ok}, max: 30, seed: 1}, // runs into the positions
			&script{appends: [][]int32{{3, 500}, ok}, max: 4, seed: 2},
			&script{appends: [][]int32{{}, ok}, max: 4, seed: 3},
			&script{appends: [][]int32{tokens(rng, 70, c.Vocab)}, max: 4, seed: 4},
			&script{appends: [][]int32{ok[:1], {}, {7}}, max: 6, seed: 5},
		}
	}
	p := sampler(t, m, Options{Rows: 2, Steps: 4})
	compare(t, played(t, p, make(), ballast.Sampling{}), played(t, cpu.NewPolicy(m, cpu.Options{}), make(), ballast.Sampling{}), 1e-4)

	masked := &script{appends: [][]int32{{1, 2}, {3}}, max: 4, mask: never{}}
	played(t, p, []ballast.Conversation{masked}, ballast.Sampling{})
	if len(masked.replies) != 2 || masked.replies[0].Err == nil || !strings.Contains(masked.replies[1].Err.Error(), "constrained") {
		t.Errorf("a mask: %+v", masked.replies)
	}
	m.Weights.Get("model.norm.weight").Data[3] = float32(math.NaN())
	if err := p.Refresh(m.Weights); err != nil {
		t.Fatal(err)
	}
	for _, r := range replies(played(t, p, []ballast.Conversation{&script{appends: [][]int32{{1, 2}, {3}}, max: 4}}, ballast.Sampling{})[0]) {
		if r.Err == nil || len(r.Tokens) > 0 {
			t.Errorf("broken weights: %+v", r)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Play(ctx, make(), ballast.Sampling{}); err == nil {
		t.Error("a cancelled play does not fail")
	}
}

// TestOtherCutsOfTheWork plays the same conversations with other numbers of rows,
// steps and chunks.
func TestOtherCutsOfTheWork(t *testing.T) {
	c := configs["llama"]
	if testing.Short() {
		t.Skip("slow with a race detector")
	}
	m, how := random(c, 2), ballast.Sampling{Temperature: 1}
	want := played(t, sampler(t, m, Options{Rows: 8}), groups(6, 90, 9, c.Vocab), how)
	for _, o := range []Options{{Rows: 1, Steps: 1}, {Memory: 1 << 18, Steps: 3, Chunk: 16}} {
		compare(t, played(t, sampler(t, m, o), groups(6, 90, 9, c.Vocab), how), want, 1e-5)
	}
}

func TestSharedWeights(t *testing.T) {
	c := configs["qwen2"]
	a, b, d := random(c, 1), random(c, 2), open(t)
	p, err := Follow(d, c, d.Weights(&c, a.Weights, false), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*model.Model{a, b} {
		if err := p.Share(d.Weights(&c, m.Weights, false)); err != nil {
			t.Fatal(err)
		}
		compare(t, played(t, p, groups(2, 20, 6, c.Vocab), ballast.Sampling{}),
			played(t, cpu.NewPolicy(m, cpu.Options{}), groups(2, 20, 6, c.Vocab), ballast.Sampling{}), 1e-4)
	}
	if err := p.Share(nil); err == nil {
		t.Error("no tensors are taken for a model")
	}
}

// TestTogether: plays, new weights and counters of several goroutines wait for each
// other, and each play is as if it were alone.
func TestTogether(t *testing.T) {
	c, how := configs["qwen2"], ballast.Sampling{Temperature: 1}
	m := random(c, 3)
	p := sampler(t, m, Options{Rows: 2, Steps: 4})
	want := played(t, p, groups(3, 12, 5, c.Vocab), how)
	var all sync.WaitGroup
	errs, got := make([]error, 4), make([][]ballast.Conversation, 3)
	for i := range got {
		got[i] = groups(3, 12, 5, c.Vocab)
		all.Go(func() { errs[i] = p.Play(context.Background(), got[i], how) })
		all.Go(func() { p.Counters() })
	}
	all.Go(func() { errs[3] = p.Refresh(m.Weights) })
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		compare(t, got[i], want, 0)
	}
}

// TestHalf plays in half precision: the first tokens' figures are those of a model of
// rounded weights, but for the rounding of what is multiplied with them. Without half
// of every sum, as where GoMLX's kernels were wrong, they are 0.7 nats off.
func TestHalf(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	for name, c := range configs {
		m, rounded := random(c, 6), random(c, 6)
		for _, w := range rounded.Weights.Tensors {
			for i, x := range w.Data {
				w.Data[i] = bfloat16.FromFloat32(x).Float32()
			}
		}
		got := played(t, sampler(t, m, Options{Half: true}), groups(4, 30, 1, c.Vocab), ballast.Sampling{})
		want := played(t, cpu.NewPolicy(rounded, cpu.Options{}), groups(4, 30, 1, c.Vocab), ballast.Sampling{})
		for i := range want {
			a, b := replies(got[i])[0], replies(want[i])[0]
			if d, e := math.Abs(float64(a.Entropy[0]-b.Entropy[0])), math.Abs(float64(a.LogProb[0]-b.LogProb[0])); !(d < 0.05 && e < 0.05) {
				t.Errorf("%s %d: entropy %g, want about %g; log-probability %g, want about %g", name, i, a.Entropy[0], b.Entropy[0], a.LogProb[0], b.LogProb[0])
			}
		}
	}
}
