package cpu

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"ballast"
	"ballast/model"
	"ballast/model/kernel"
)

// configs are small decoders of every kind, with widths that are and are not
// multiples of the kernels' vectors.
var configs = map[string]model.Config{
	"qwen2":    {Arch: "qwen2", QKVBias: true, Vocab: 100, Hidden: 32, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, FFN: 48, MaxLen: 1024, RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
	"qwen3":    {Arch: "qwen3", QKNorm: true, Vocab: 77, Hidden: 24, Layers: 2, Heads: 4, KVHeads: 1, HeadDim: 16, FFN: 40, MaxLen: 1024, RopeTheta: 1e6, NormEps: 1e-6},
	"llama":    {Arch: "llama", Vocab: 64, Hidden: 40, Layers: 3, Heads: 5, KVHeads: 5, HeadDim: 6, FFN: 50, MaxLen: 1024, RopeTheta: 1e4, NormEps: 1e-5, Rope: &model.RopeScaling{Factor: 8, LowFreq: 1, HighFreq: 4, OriginalLen: 64}},
	"smollm3":  {Arch: "smollm3", NoRope: []int{1}, Vocab: 90, Hidden: 24, Layers: 3, Heads: 4, KVHeads: 2, HeadDim: 6, FFN: 40, MaxLen: 1024, RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
	"all":      {QKVBias: true, QKNorm: true, NoRope: []int{0}, Vocab: 77, Hidden: 24, Layers: 2, Heads: 4, KVHeads: 1, HeadDim: 16, FFN: 40, MaxLen: 1024, RopeTheta: 1e6, NormEps: 1e-6},
	"embedded": {Arch: "qwen2", QKVBias: true, Vocab: 512, Hidden: 64, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 16, FFN: 192, MaxLen: 1024, RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
}

// random returns a model with weights large enough that its distributions are
// far from uniform, biases and norms included.
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

func tokens(rng *rand.Rand, n, vocab int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = rng.Int32N(int32(vocab))
	}
	return out
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-4*(1+math.Abs(b)) }

func TestForwardIsTheDecoder(t *testing.T) {
	for name, c := range configs {
		for _, k := range []*kernel.Set{kernel.Best(), kernel.Portable()} {
			m := random(c, 3)
			toks := tokens(rand.New(rand.NewPCG(1, 1)), 70, c.Vocab)
			p := NewPolicy(m, Options{})
			p.k = k
			got, want := p.Logits(toks), naive(m, toks)
			for i := range want {
				for j := range want[i] {
					if !near(float64(got[i][j]), want[i][j]) {
						t.Fatalf("%s %s: logit %d of position %d is %g, want %g", name, k.Name, j, i, got[i][j], want[i][j])
					}
				}
			}
		}
	}
}

// script is a conversation: what it appends before each reply.
type script struct {
	appends [][]int32
	max     int
	stop    []int32
	seed    uint64
	replies []ballast.Reply
}

func (s *script) Next() (ballast.Request, bool) {
	n := len(s.replies)
	if n == len(s.appends) {
		return ballast.Request{}, false
	}
	return ballast.Request{Append: s.appends[n], Max: s.max, Stop: s.stop, Seed: s.seed}, true
}

func (s *script) Wait() <-chan struct{} { return nil }

func (s *script) Take(r ballast.Reply) { s.replies = append(s.replies, r) }

// all returns the conversation's tokens, and for each whether it was sampled.
func (s *script) all() (toks []int32, sampled []bool) {
	for i, r := range s.replies {
		toks = append(append(toks, s.appends[i]...), r.Tokens...)
		sampled = append(sampled, make([]bool, len(s.appends[i]))...)
		for range r.Tokens {
			sampled = append(sampled, true)
		}
	}
	return toks, sampled
}

// groups makes n conversations in groups of size that share the first prompt;
// all prompts begin alike.
func groups(n, size, prompt, max, replies, vocab int) []*script {
	rng := rand.New(rand.NewPCG(5, 5))
	head := tokens(rng, prompt/3, vocab)
	var out []*script
	for i := range n {
		s := &script{max: max, stop: []int32{1}, seed: uint64(1000 + i)}
		if i%size == 0 {
			s.appends = append(s.appends, append(append([]int32(nil), head...), tokens(rng, prompt-len(head)+rng.IntN(5), vocab)...))
		} else {
			s.appends = append(s.appends, out[i-1].appends[0])
		}
		for range replies - 1 {
			s.appends = append(s.appends, tokens(rng, 3+rng.IntN(20), vocab))
		}
		out = append(out, s)
	}
	return out
}

func convs(ss []*script) (out []ballast.Conversation) {
	for _, s := range ss {
		out = append(out, s)
	}
	return out
}

func play(t testing.TB, p *Policy, ss []*script, how ballast.Sampling) []*script {
	t.Helper()
	if err := p.Play(context.Background(), convs(ss), how); err != nil {
		t.Fatal(err)
	}
	return ss
}

func TestRepliesDoNotDependOnCompany(t *testing.T) {
	for _, name := range []string{"qwen2", "qwen3", "llama", "smollm3"} {
		if testing.Short() && name != "qwen3" { // the others race the same
			continue
		}
		c := configs[name]
		m := random(c, 9)
		make1 := func() []*script { return groups(12, 4, 70, 6, 3, c.Vocab) }
		how := ballast.Sampling{Temperature: 0.9, TopP: 0.95}
		var alone []*script
		for _, s := range make1() {
			alone = append(alone, play(t, NewPolicy(m, Options{Workers: 1, Watched: []int32{1, 5}}), []*script{s}, how)...)
		}
		for _, o := range []Options{{Workers: 1}, {Workers: 3, MaxRows: 5}, {Workers: 2, Chunk: 7, MaxRows: 9}} {
			for _, limit := range []int{independent, 0} {
				o.Watched = []int32{1, 5}
				p := NewPolicy(m, o)
				p.limit = limit
				got := play(t, p, make1(), how)
				for i := range got {
					if !reflect.DeepEqual(got[i].replies, alone[i].replies) {
						t.Fatalf("%s %+v: conversation %d differs from the one played alone", name, o, i)
					}
				}
				if n := p.Counters(); n.Shared == 0 {
					t.Errorf("%s %+v: nothing was shared", name, o)
				}
			}
		}
	}
}

func TestReplyFiguresAreThoseOfTheWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and TestRepliesDoNotDependOnCompany races the same")
	}
	for name, c := range configs {
		m := random(c, 4)
		p := NewPolicy(m, Options{Watched: []int32{0, 3}})
		for _, s := range play(t, p, groups(3, 2, 40, 8, 3, c.Vocab), ballast.Sampling{Temperature: 1.3, TopK: 20}) {
			toks, sampled := s.all()
			logits, lp := naive(m, toks), p.LogProbs(toks)
			var r ballast.Reply
			for _, x := range s.replies {
				r.LogProb, r.Entropy, r.Watch = append(r.LogProb, x.LogProb...), append(r.Entropy, x.Entropy...), append(r.Watch, x.Watch...)
			}
			n := 0
			for i := range toks {
				if !sampled[i] {
					continue
				}
				l, h := logSoftmax(logits[i-1])
				w := r.Watch[n]
				if r.LogProb[n] != lp[i] {
					t.Fatalf("%s: position %d: log-probability %g when sampled, %g of the whole", name, i, r.LogProb[n], lp[i])
				}
				if !near(float64(r.LogProb[n]), l[toks[i]]) || !near(float64(r.Entropy[n]), h) ||
					!near(float64(w[0]), math.Exp(l[0])) || !near(float64(w[1]), math.Exp(l[3])) {
					t.Fatalf("%s: position %d: log-probability %g, want %g; entropy %g, want %g", name, i, r.LogProb[n], l[toks[i]], r.Entropy[n], h)
				}
				n++
			}
		}
	}
}

// logSoftmax returns log-probabilities and the entropy.
func logSoftmax(x []float64) (l []float64, h float64) {
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(v)
	}
	for _, v := range x {
		p := v - math.Log(sum)
		l, h = append(l, p), h-p*math.Exp(p)
	}
	return l, h
}

func TestEqualPromptsAreComputedOnce(t *testing.T) {
	m := random(configs["qwen2"], 4)
	for _, rows := range []int{8, 3} {
		p := NewPolicy(m, Options{Workers: 1, MaxRows: rows})
		ss := play(t, p, groups(8, 8, 100, 5, 1, 100), ballast.Sampling{Temperature: 1})
		n, prompt := p.Counters(), int64(len(ss[0].appends[0]))
		// Those who come when the first have left compute the last token.
		if late := n.Prefilled - prompt; late < 0 || late > int64(8-rows) || n.Prefilled+n.Shared != 8*prompt {
			t.Errorf("%d rows: %d prompt tokens of %d computed and %d shared", rows, n.Prefilled, 8*prompt, n.Shared)
		}
		if want := 4 * int64(rows*((200+pageLen-1)/pageLen)*newShape(&m.Config).size); n.PeakKV > want || n.Sampled == 0 {
			t.Errorf("%d rows: cache of %d bytes, %d expected at most; %d tokens sampled", rows, n.PeakKV, want, n.Sampled)
		}
	}
}

func TestBadConversationsGetAnError(t *testing.T) {
	m := random(configs["qwen2"], 1)
	bad := []*script{
		{appends: [][]int32{{1, 2}, {100}}, max: 4},
		{appends: [][]int32{make([]int32, 1024)}, max: 4},
		{appends: [][]int32{{}}, max: 4},
	}
	good := &script{appends: [][]int32{{1, 2}, nil}, max: 4}
	play(t, NewPolicy(m, Options{}), append(bad, good), ballast.Sampling{})
	for i, s := range bad {
		if s.replies[len(s.replies)-1].Err == nil {
			t.Errorf("bad conversation %d got no error", i)
		}
	}
	if len(good.replies) != 2 || len(good.replies[1].Tokens) != 4 || good.replies[1].Err != nil {
		t.Errorf("good conversation got %+v", good.replies)
	}
	m.Weights.Get("model.norm.weight").Data[0] = float32(math.NaN())
	s := &script{appends: [][]int32{{1, 2}}, max: 4}
	if play(t, NewPolicy(m, Options{}), []*script{s}, ballast.Sampling{}); s.replies[0].Err == nil {
		t.Error("non-finite logits gave no error")
	}
}

func TestPositionsEndTheReply(t *testing.T) {
	s := &script{appends: [][]int32{make([]int32, 1020)}, max: 40}
	play(t, NewPolicy(random(configs["qwen2"], 1), Options{}), []*script{s}, ballast.Sampling{})
	if n := len(s.replies[0].Tokens); n != 4 {
		t.Errorf("%d tokens after 1020 of 1024 positions, want 4", n)
	}
}

func TestPlayStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := NewPolicy(random(configs["qwen2"], 1), Options{}).Play(ctx, convs(groups(4, 2, 30, 9, 2, 100)), ballast.Sampling{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRefreshTakesNewWeights(t *testing.T) {
	a, b := random(configs["qwen3"], 1), random(configs["qwen3"], 2)
	p := NewPolicy(a, Options{})
	if err := p.Refresh(b.Weights); err != nil {
		t.Fatal(err)
	}
	x := []int32{5, 6, 7}
	if !reflect.DeepEqual(p.Logits(x), NewPolicy(b, Options{}).Logits(x)) {
		t.Error("logits after Refresh are not those of the new weights")
	}
	if p.Refresh(random(configs["qwen2"], 1).Weights) == nil {
		t.Error("weights of another model were taken")
	}
}

func BenchmarkPlay(b *testing.B) {
	c := configs["embedded"]
	p := NewPolicy(random(c, 1), Options{Watched: []int32{1, 2, 3, 4, 5, 6}})
	for b.Loop() {
		play(b, p, groups(128, 8, 150, 25, 4, c.Vocab), ballast.Sampling{Temperature: 1})
	}
	n := p.Counters()
	b.ReportMetric(float64(n.Sampled)/n.Elapsed.Seconds(), "sampled/s")
	b.ReportMetric(float64(n.Sampled+n.Prefilled)/n.Elapsed.Seconds(), "computed/s")
	b.ReportMetric(float64(n.Sampled)/float64(b.N), "sampled/op")
	b.ReportMetric(float64(n.Shared)/float64(n.Prefilled+n.Shared), "shared/prompt")
}
