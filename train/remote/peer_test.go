//go:build large

package remote

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/model/lora"
	"ballast/monitor"
	"ballast/tinker"
	"ballast/train"
)

// What a server's numbers may be apart from the local learner's.
const (
	peerApart = 1e-4 // log-probabilities, in nats
	peerOff   = 1e-3 // a gradient, as a part of its size
)

// peer is a learner on a real server, and a local one with its adapter.
type peer struct {
	*Learner
	t       *testing.T
	dir     string // of checkpoints
	saves   int
	local   *train.Learner
	adapter *lora.Adapter // what local trains
}

// TestPeer compares a real training server with the local learner, which has its adapter:
// log-probabilities of forward passes and of samples while the adapter is trained, and then the
// gradient of every term of the loss table. scripts/peer-tinker starts the server, and names it
// and its model's directory.
func TestPeer(t *testing.T) {
	p := newPeer(t, tinker.Options{Address: os.Getenv("BALLAST_TINKER")})
	r := rand.New(rand.NewPCG(1, 1))
	for range 2 { // off the base, and off the reference
		samples := p.samples(r, loss.TermCrossEntropy)
		must(t, p.Freeze())
		must(t, p.local.Freeze())
		p.step(p.Learner, samples, p.rate(samples, 0.3))
		p.follow()
		p.logProbs(r)
	}
	for term := range loss.NumTerms {
		p.gradient(loss.Terms[term].Name, p.samples(r, term))
	}
	p.gradient("four terms together", p.samples(r, loss.TermPolicy, loss.TermOffPolicy, loss.TermCrossEntropy, loss.TermReference))
	p.neighbour(p.samples(r, loss.TermCrossEntropy))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newPeer(t *testing.T, o tinker.Options) *peer {
	dir := os.Getenv("BALLAST_TINKER_MODEL")
	if o.Address == "" || dir == "" {
		t.Fatal("BALLAST_TINKER names no server, or BALLAST_TINKER_MODEL no directory of its model: run scripts/peer-tinker")
	}
	m, err := model.Load(dir)
	must(t, err)
	o.Vocabulary = m.Config.Vocab
	c, err := tinker.Dial(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	can, err := c.Capabilities(t.Context())
	must(t, err)
	base := can.Models[0].Name
	reduction, err := Probe(t.Context(), c, base, 8)
	must(t, err)
	t.Logf("%s reduces a loss to its %s", c.Address(), reduction)
	p := &peer{t: t, dir: t.TempDir()}
	p.Learner, err = New(t.Context(), m, Options{Client: c, Base: base, Rank: 8, Seed: 1, Reduction: reduction, Train: linear(),
		Run: fmt.Sprintf("peer-%d", rand.Uint32())})
	must(t, err)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	p.adapter = p.pull()
	local := linear()
	local.Adapter = p.adapter
	p.local, err = train.New(m, local)
	must(t, err)
	return p
}

// save writes a checkpoint.
func (p *peer) save() (dir string) {
	p.saves++
	dir = filepath.Join(p.dir, fmt.Sprint("save-", p.saves))
	must(p.t, p.Save(dir))
	return dir
}

// pull is the server's adapter as it is now, by way of a checkpoint.
func (p *peer) pull() *lora.Adapter {
	p.t.Helper()
	dir := p.save()
	m, err := ReadManifest(dir)
	must(p.t, err)
	_, err = Pull(p.t.Context(), p.o.Client, &m, dir+"-adapter")
	must(p.t, err)
	a, err := lora.Read(dir+"-adapter", &p.text.Config)
	must(p.t, err)
	return a
}

// follow gives the local learner the server's adapter.
func (p *peer) follow() {
	for i, x := range p.pull().Flat() {
		copy(p.adapter.Flat()[i], x)
	}
}

// samples are replies of the server, of the weights of now, with weights in terms. All fill one
// shape, which a server compiles once.
func (p *peer) samples(r *rand.Rand, terms ...int) []ballast.Sample {
	p.t.Helper()
	out, prompts := make([]ballast.Sample, 4), make([][]int32, 4)
	for i := range prompts {
		prompts[i] = p.tokens(r, 12)
	}
	for i, q := range p.replies(prompts) {
		x := &out[i]
		x.Tokens = append(prompts[i], q.Tokens...)
		x.Tokens = append(x.Tokens, p.tokens(r, max(0, 3-len(q.Tokens)))...) // it ended at once
	}
	logp, err := p.LogProbs(p.t.Context(), out)
	must(p.t, err)
	for i := range out {
		for j := range logp[i][1:] {
			logp[i][j+1] += 0.3 * float32(r.NormFloat64())
		}
		out[i].OldLogProb = logp[i]
		weigh(&out[i], len(prompts[i]), r, terms)
	}
	return out
}

func (p *peer) tokens(r *rand.Rand, n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = r.Int32N(int32(p.text.Config.Vocab))
	}
	return out
}

// replies are what the server samples with the weights of now, all at once.
func (p *peer) replies(prompts [][]int32) (out []tinker.SampledSequence) {
	p.t.Helper()
	s, err := p.Model().Sampler(p.t.Context()).Wait()
	must(p.t, err)
	var all []*tinker.Future[*tinker.SampleResponse]
	for i, x := range prompts {
		seed := int64(i)
		all = append(all, s.Sample(p.t.Context(), tinker.Prompt{Tokens: x, MaxTokens: 16, Temperature: 1, Seed: &seed}))
	}
	for _, f := range all {
		answer, err := f.Wait()
		must(p.t, err)
		out = append(out, answer.Sequences[0])
	}
	return out
}

// logProbs compares forward passes, and replies while they are sampled.
func (p *peer) logProbs(r *rand.Rand) {
	p.t.Helper()
	samples, prompts := make([]ballast.Sample, 4), make([][]int32, 4)
	for i, n := range []int{5, 33, 65, 129} {
		samples[i].Tokens = p.tokens(r, n)
	}
	got, err := p.LogProbs(p.t.Context(), samples)
	must(p.t, err)
	want, err := p.local.LogProbs(p.t.Context(), samples)
	must(p.t, err)
	p.apart("forward passes", got, want)

	for i, n := range []int{5, 12, 24, 32} {
		prompts[i] = p.tokens(r, n)
	}
	var reply [][]float32
	for i, q := range p.replies(prompts) {
		samples[i].Tokens = append(prompts[i], q.Tokens...)
		reply = append(reply, q.LogProbs)
	}
	want, err = p.local.LogProbs(p.t.Context(), samples)
	must(p.t, err)
	for i := range want {
		want[i] = want[i][len(want[i])-len(reply[i]):]
	}
	p.apart("replies while they are sampled", reply, want)
}

func (p *peer) apart(what string, got, want [][]float32) {
	p.t.Helper()
	worst, n := 0.0, 0
	for i := range want {
		for j := range want[i] {
			worst, n = max(worst, math.Abs(float64(got[i][j]-want[i][j]))), n+1
		}
	}
	p.t.Logf("%s: %d log-probabilities, apart by at most %.1e", what, n, worst)
	if !(worst <= peerApart) {
		p.t.Errorf("%s: log-probabilities differ by %g, more than %g", what, worst, peerApart)
	}
}

// rate makes a step of the given length of a gradient; the local learner knows how large that is.
func (p *peer) rate(samples []ballast.Sample, length float64) float64 {
	p.t.Helper()
	return length * linear().AdamW.Eps / p.step(p.local, samples, 0)
}

// step updates, and gives the gradient's norm.
func (p *peer) step(l ballast.Learner, samples []ballast.Sample, rate float64) float64 {
	p.t.Helper()
	stats, err := l.Update(p.t.Context(), samples, rate)
	must(p.t, err)
	norm, ok := stats[monitor.GradNorm]
	if !ok || !(norm > 0) {
		p.t.Fatalf("the gradient has norm %g", norm)
	}
	return norm
}

// gradient compares a step of both learners, and leaves both where they were.
func (p *peer) gradient(what string, samples []ballast.Sample) {
	p.t.Helper()
	begin, before := p.save(), p.flat()
	rate := p.rate(samples, 1)
	p.step(p.local, samples, rate)
	theirs := p.step(p.Learner, samples, rate)
	want, got := p.flat(), p.pull().Flat()
	for i := range before {
		copy(p.adapter.Flat()[i], before[i])
	}
	must(p.t, p.Load(begin))
	var along, size, off float64
	for _, group := range shared(before) {
		for j := range before[group[0]] {
			w, g := 0.0, float64(got[group[0]][j]-before[group[0]][j])
			for _, i := range group {
				w += float64(want[i][j] - before[i][j])
				if got[i][j] != got[group[0]][j] {
					p.t.Fatalf("%s: tensors %d and %d had equal numbers, and were trained apart", what, group[0], i)
				}
			}
			along, size, off = along+w*g, size+w*w, off+(w-g)*(w-g)
		}
	}
	// A step is the gradient times the rate over Eps, as long as the gradient is small.
	ours := math.Sqrt(size) * linear().AdamW.Eps / rate
	ratio, rest, norms := along/size, math.Sqrt(off/size), theirs/ours
	p.t.Logf("%s: the gradient's norm is %.4g; the server's by its own word %.6f of it; by its adapter %.6f of it, off by %.1e", what, ours,
		norms, ratio, rest)
	if !(math.Abs(norms-1) <= peerOff && math.Abs(ratio-1) <= peerOff && rest <= peerOff) {
		p.t.Errorf("%s: the server's gradient is not the local learner's", what)
	}
}

// shared are the tensors with equal numbers: a server may train one matrix in the place of several,
// as SkyRL's jax backend does with A of q, k and v, and of gate and up. Its gradient is the sum of theirs.
func shared(flat [][]float32) (groups [][]int) {
	for i := range flat {
		at := slices.IndexFunc(groups, func(g []int) bool { return slices.Equal(flat[g[0]], flat[i]) })
		if at < 0 {
			at, groups = len(groups), append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}

// neighbour says whether a step with much weight decay changes another model of the same server, such
// as the reference. New refuses decay where it does.
func (p *peer) neighbour(samples []ballast.Sample) {
	p.t.Helper()
	m, err := ReadManifest(p.save())
	must(p.t, err)
	other, err := p.made(p.t.Context(), m.Path, false)
	must(p.t, err)
	logp := func() []float32 {
		out, err := forward(p.t.Context(), other, datums(samples[:1], alone(samples[:1], true)))
		must(p.t, err)
		return out[0]
	}
	before, moved := logp(), 0.0
	p.o.Train.AdamW.WeightDecay = 0.5
	p.step(p.Learner, samples, 1)
	p.o.Train.AdamW.WeightDecay = 0
	for i, x := range logp() {
		moved = max(moved, math.Abs(float64(x-before[i])))
	}
	p.t.Logf("another model, while this one loses half of its weights by decay: its log-probabilities move by at most %.1e", moved)
	if moved > peerApart != (p.o.Reduction == Mean) {
		p.t.Errorf("of a server that reduces losses to their %s New has it otherwise", p.o.Reduction)
	}
	must(p.t, other.Unload(p.t.Context()))
}

// flat is a copy of the local adapter's numbers.
func (p *peer) flat() (out [][]float32) {
	for _, x := range p.adapter.Flat() {
		out = append(out, slices.Clone(x))
	}
	return out
}
