//go:build unix

package engine

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"ballast"
	"ballast/loss"
	"ballast/tinker/tinkertest"
)

// onServer opens an engine on a toy server.
func onServer(b *testing.B, o tinkertest.Options) *elsewhere {
	o.Vocab, o.Seed, o.Habits = 50, 1, tinkertest.TuFT()
	s := tinkertest.New(o)
	b.Cleanup(s.Close)
	e, err := Open(b.Context(), grpo(b, "engine={kind: tinker, address: '"+s.URL+"', reduction: sum}", "lora.rank=2"), tiny(), nil)
	must(b, err)
	b.Cleanup(func() { must(b, e.Close()) })
	return e.(*elsewhere)
}

// used is the processor's time and the most memory that this process took: client and server together.
func used(b *testing.B) (seconds, megabytes float64) {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), float64(u.Maxrss) / 1024 // KiB on Linux
}

// BenchmarkTinkerUpdate is an update of 32 sequences with 1,000 tokens each, through the engine:
// the forward pass, the gradient and the step. The time is also the toy server's.
func BenchmarkTinkerUpdate(b *testing.B) {
	const sequences, tokens = 32, 1000
	e, r := onServer(b, tinkertest.Options{}), rand.New(rand.NewPCG(1, 1))
	samples := make([]ballast.Sample, sequences)
	for i := range samples {
		s := &samples[i]
		s.Tokens, s.OldLogProb = make([]int32, tokens), make([]float32, tokens)
		w := make([]float32, tokens)
		for j := 1; j < tokens; j++ {
			s.Tokens[j], s.OldLogProb[j], w[j] = r.Int32N(50), -3.9, float32(i%2)-0.5
		}
		s.Terms[loss.TermPolicy] = ballast.Term{Weight: w, Count: tokens - 1}
	}
	sent, received := e.bytes()
	for b.Loop() {
		_, err := e.learner.Update(b.Context(), samples, 1e-6)
		must(b, err)
	}
	now, back := e.bytes()
	thousands := float64(b.N) * sequences * tokens / 1000
	b.ReportMetric(float64(now-sent)/thousands, "sent-B/ktok")
	b.ReportMetric(float64(back-received)/thousands, "received-B/ktok")
	b.ReportMetric(b.Elapsed().Seconds()*1000/thousands, "ms/ktok")
}

// bytes are all that the client sent and received.
func (e *elsewhere) bytes() (sent, received int64) {
	for _, n := range e.client.Counters() {
		sent, received = sent+n.BytesSent, received+n.BytesReceived
	}
	return sent, received
}

// several is a conversation of so many requests.
type several struct {
	left int
	err  error
}

func (s *several) Wait() <-chan struct{} { return nil }
func (s *several) Next() (ballast.Request, bool) {
	s.left--
	return ballast.Request{Append: make([]int32, 200), Max: 32, Seed: uint64(s.left)}, s.left >= 0
}
func (s *several) Take(r ballast.Reply) {
	if r.Err != nil {
		s.err = r.Err
	}
}

// BenchmarkTinkerSideBySide is 480 conversations of 8 replies each, on a server that takes a third
// of a second for one, with stragglers.
func BenchmarkTinkerSideBySide(b *testing.B) {
	e := onServer(b, tinkertest.Options{Latency: map[string]tinkertest.Latency{
		"asample": {Median: 300 * time.Millisecond, Sigma: 0.4, Stragglers: 0.01, Factor: 4}}})
	before, _ := used(b)
	for b.Loop() {
		list := make([]ballast.Conversation, 480)
		for i := range list {
			list[i] = &several{left: 8}
		}
		must(b, e.policy.Play(b.Context(), list, ballast.Sampling{Temperature: 1}))
		for _, c := range list {
			must(b, c.(*several).err)
		}
	}
	seconds, megabytes := used(b)
	b.ReportMetric((seconds-before)/b.Elapsed().Seconds(), "cores")
	b.ReportMetric(1000*(seconds-before)/float64(b.N*480*8), "cpu-ms/reply") // that of a busy machine, too
	b.ReportMetric(megabytes, "MB-peak")
}
