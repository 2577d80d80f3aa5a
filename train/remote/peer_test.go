//go:build large

package remote

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
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
const peerApart = 1e-4 // log-probabilities, in nats

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
// log-probabilities of forward passes and of samples, while the adapter is trained.
// scripts/peer-tinker starts the server, and names it and its model's directory.
func TestPeer(t *testing.T) {
	p := newPeer(t, os.Getenv("BALLAST_TINKER"), os.Getenv("BALLAST_TINKER_MODEL"))
	r := rand.New(rand.NewPCG(1, 1))
	for range 2 {
		samples := p.samples(r, loss.TermCrossEntropy)
		p.step(p.Learner, samples, p.rate(samples, 0.3))
		p.follow()
		p.logProbs(r)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newPeer(t *testing.T, address, dir string) *peer {
	if address == "" || dir == "" {
		t.Fatal("BALLAST_TINKER names no server, or BALLAST_TINKER_MODEL no directory of its model: run scripts/peer-tinker")
	}
	m, err := model.Load(dir)
	must(t, err)
	c, err := tinker.Dial(t.Context(), tinker.Options{Address: address, Vocabulary: m.Config.Vocab})
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
	o := linear()
	o.Adapter = p.adapter
	p.local, err = train.New(m, o)
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
