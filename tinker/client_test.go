package tinker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
)

var nan = float32(math.NaN())

func must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestOperations: all of them, one after the other.
func TestOperations(t *testing.T) {
	f := newFake(t)
	f.config = `{"proto_compress_fwdbwd":true,"fwdbwd_max_chunk_len":3,"sample_no_retries":false}`
	m, _ := f.model(Options{Key: "tml-secret-key"})
	ctx := t.Context()
	if info := must[ModelInfo](t)(m.Info(ctx)); info.Data.BaseModel != "base" || m.ID() != "m" || m.Base() != "base" {
		t.Errorf("%+v", info)
	}
	if caps := must[Capabilities](t)(m.c.Capabilities(ctx)); caps.Models[0].Name != "base" || caps.Models[0].Context != 128 {
		t.Errorf("%+v", caps)
	}
	must[struct{}](t)(m.LoadWeights(ctx, "tinker://m/weights/a", true).Wait())
	out := must[*ForwardBackwardOutput](t)(m.Forward(ctx, batch(7, 2), "cross_entropy", nil).Wait())
	if lp, _ := out.Outputs[6].Get("logprobs"); len(out.Outputs) != 7 || lp.Floats()[1] != -7./8 || out.Metrics["loss:sum"] != 7 ||
		math.Abs(out.Metrics["loss:mean"]-(2*3+3*3+4*1)/7.) > 1e-12 {
		t.Errorf("%+v", out)
	}
	back := m.ForwardBackward(ctx, batch(2, 3), "cross_entropy", nil)
	step := must[*OptimStepResult](t)(m.OptimStep(ctx, AdamParams{LearningRate: 1}).Wait())
	if must[*ForwardBackwardOutput](t)(back.Wait()); step.Metrics["grad_norm"] != 6 {
		t.Errorf("%+v", step)
	}
	if path := must[string](t)(m.SaveWeights(ctx, "step-1").Wait()); path != "tinker://m/weights/step-1" {
		t.Error(path)
	}
	if path := must[string](t)(m.SaveForSampler(ctx, "step-1").Wait()); path != "tinker://m/sampler_weights/step-1" {
		t.Error(path)
	}
	if s := must[*Sampler](t)(m.c.Sampler(ctx, "tinker://m/sampler_weights/step-1")); s.ID() != "sampling_base" {
		t.Error(s.ID())
	}
	s := must[*Sampler](t)(m.Sampler(ctx).Wait())
	got := must[*SampleResponse](t)(s.Sample(ctx, Prompt{Tokens: []int32{1, 2, 3}, Samples: 2, MaxTokens: 4, Temperature: 1, LogProbs: true}).Wait())
	if len(got.Sequences) != 2 || got.Sequences[1].Tokens[1] != 1 || len(got.PromptLogProbs) != 3 || !math.IsNaN(float64(got.PromptLogProbs[0])) {
		t.Errorf("%+v", got)
	}
	must[*Sampler](t)(m.c.BaseSampler(ctx, "base"))
	if w := must[WeightsInfo](t)(m.c.WeightsInfo(ctx, "tinker://m/weights/step-1")); w.BaseModel != "base" || w.LoRARank != 8 {
		t.Errorf("%+v", w)
	}
	if _, err := m.LoadWeights(ctx, "tinker://m/weights/a", true).Wait(); err == nil {
		t.Error("weights were loaded into a model that was used")
	}
	for _, h := range f.heads {
		if h.Get("Content-Encoding") != "zstd" || h.Get("X-API-Key") != "tml-secret-key" || h.Get("Content-Type") != TypeProto {
			t.Errorf("%v", h)
		}
	}
	if n := m.c.Counters()["forward"]; n.Requests != 3 || n.Retries != 0 || n.BytesSent == 0 || n.BytesReceived == 0 || m.c.Wire() != Proto {
		t.Errorf("%+v, %v", n, m.c.Wire())
	}
	if err := m.c.Close(ctx); err != nil || f.unloaded != 1 {
		t.Errorf("%v, %d unloaded", err, f.unloaded)
	}
	if _, err := m.OptimStep(ctx, AdamParams{}).Wait(); err == nil || !errors.Is(m.c.Err(), errClosed) {
		t.Errorf("%v, %v", err, m.c.Err())
	}
}

// TestOrder: requests of one goroutine have their numbers in its order, whatever happens
// on the way, and a refused one leaves no gap.
func TestOrder(t *testing.T) {
	f := newFake(t)
	m, _ := f.model(Options{Wire: Proto})
	rng, n := rand.New(rand.NewPCG(1, 2)), 0
	var mu sync.Mutex
	f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == PathRetrieveFuture {
			return false
		}
		if n++; n == 7 {
			detail(w, 422, "no")
			return true
		}
		if rng.IntN(3) == 0 {
			detail(w, 429, "busy") // which says that it was not taken
			return true
		}
		return false
	}
	var steps []*Future[*OptimStepResult]
	for range 60 {
		steps = append(steps, m.OptimStep(t.Context(), AdamParams{}))
	}
	refused := 0
	for i, s := range steps {
		r, err := s.Wait()
		if err != nil {
			refused++
			continue
		}
		if got := int(r.Metrics["grad_norm"]); got != i+1-refused {
			t.Errorf("call %d has number %d after %d that were refused", i, got, refused)
		}
	}
	if refused != 1 || m.Err() != nil {
		t.Errorf("%d refused, %v", refused, m.Err())
	}
}

// TestPartialGradients: no step is made with a part of what was to be in it.
func TestPartialGradients(t *testing.T) {
	ctx := t.Context()
	refuse := func(nth int, path string) (*fake, *Model) {
		f := newFake(t)
		m, _ := f.model(Options{Wire: Proto, ChunkDatums: 2})
		n := 0
		f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			if r.URL.Path == path {
				if n++; n == nth {
					detail(w, 422, "no")
					return true
				}
			}
			return false
		}
		return f, m
	}
	// The first request is refused: the step that was called is not sent, and the model is as it was.
	f, m := refuse(1, PathForwardBackward)
	back, step := m.ForwardBackward(ctx, batch(5, 2), "cross_entropy", nil), m.OptimStep(ctx, AdamParams{})
	if _, err := step.Wait(); err == nil || !strings.Contains(err.Error(), "not sent: a gradient") {
		t.Error(err)
	}
	if _, err := back.Wait(); err == nil || m.Err() != nil || len(f.done) != 0 {
		t.Error(err, m.Err(), f.done)
	}
	must[*ForwardBackwardOutput](t)(m.ForwardBackward(ctx, batch(5, 2), "cross_entropy", nil).Wait())
	if step := must[*OptimStepResult](t)(m.OptimStep(ctx, AdamParams{}).Wait()); step.Metrics["grad_norm"] != 4 {
		t.Errorf("%+v", step)
	}
	// Who was told of the failure may step with the rest.
	f, m = refuse(2, PathForwardBackward)
	must[*ForwardBackwardOutput](t)(m.ForwardBackward(ctx, batch(1, 2), "cross_entropy", nil).Wait())
	if _, err := m.ForwardBackward(ctx, batch(1, 2), "cross_entropy", nil).Wait(); err == nil {
		t.Error("no error")
	}
	must[*OptimStepResult](t)(m.OptimStep(ctx, AdamParams{}).Wait())
	// The second of three is refused: a part is there, and cannot be taken away.
	for _, path := range []string{PathForwardBackward, PathRetrieveFuture} {
		f, m = refuse(2, path)
		_, err := m.ForwardBackward(ctx, batch(5, 2), "cross_entropy", nil).Wait()
		_, err2 := m.OptimStep(ctx, AdamParams{}).Wait()
		var e *Error
		if err == nil || !errors.As(err2, &e) || e.Kind != Uncertain || f.done["m/4"] != 0 {
			t.Error(path, err, err2, f.done)
		}
	}
	// What is not sent at all.
	_, m = refuse(0, "")
	bad := batch(1, 2)
	bad[0].Inputs[1] = Named{"weights", Floats([]float32{1, nan})}
	back, step = m.ForwardBackward(ctx, bad, "cross_entropy", nil), m.OptimStep(ctx, AdamParams{})
	if _, err := step.Wait(); err == nil {
		t.Error("a step without its gradient was sent")
	}
	if _, err := back.Wait(); err == nil {
		t.Error("NaN was sent")
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	back, step = m.ForwardBackward(canceled, batch(1, 2), "cross_entropy", nil), m.OptimStep(ctx, AdamParams{})
	if _, err := step.Wait(); err == nil {
		t.Error("a step without its gradient was sent")
	}
	if _, err := back.Wait(); !errors.Is(err, context.Canceled) || m.Err() != nil {
		t.Error(err, m.Err())
	}
}

// TestOneLossAtATime: a batch with another loss is not sent while the one before waits.
func TestOneLossAtATime(t *testing.T) {
	f := newFake(t)
	m, _ := f.model(Options{Wire: Proto})
	sent, asked := 0, 0
	var mu sync.Mutex
	f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		switch r.URL.Path {
		case PathForwardBackward:
			sent++
		case PathRetrieveFuture:
			if asked++; asked <= 20 {
				if sent != 1 {
					t.Errorf("%d batches were sent before the first one's result", sent)
				}
				w.WriteHeader(408)
				return true
			}
		}
		return false
	}
	first := m.ForwardBackward(t.Context(), batch(1, 2), "cross_entropy", nil)
	other := batch(1, 2)
	other[0].Inputs = append(other[0].Inputs[:1], Named{"logprobs", Floats([]float32{-1, -1})}, Named{"advantages", Floats([]float32{1, 1})})
	second := m.ForwardBackward(t.Context(), other, "importance_sampling", nil)
	must[*ForwardBackwardOutput](t)(second.Wait())
	must[*ForwardBackwardOutput](t)(first.Wait())
	if sent != 2 || asked < 21 {
		t.Error(sent, asked)
	}
}

// TestCutConnections: whatever the connections do, everything happens once, and every
// result comes back.
func TestCutConnections(t *testing.T) {
	f := newFake(t)
	var mu sync.Mutex
	rng, cuts := rand.New(rand.NewPCG(3, 4)), [4]int{}
	f.fault = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		mu.Lock()
		where := rng.IntN(10)
		if where < 4 {
			cuts[where]++
		}
		part := rng.Float64()
		mu.Unlock()
		if r.URL.Path == PathCreateSession || r.URL.Path == PathCreateModel || where > 3 {
			return false
		}
		if where == 0 { // before the request
			panic(http.ErrAbortHandler)
		}
		done := &recorder{head: http.Header{}, status: 200}
		f.serve(done, r, body)
		if where == 1 { // after it
			panic(http.ErrAbortHandler)
		}
		text := done.body.Bytes() // in the middle of the answer, and at its end
		for name, v := range done.head {
			w.Header()[name] = v
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(text)+where-2))
		w.WriteHeader(done.status)
		w.Write(text[:int(part*float64(len(text)))])
		panic(http.ErrAbortHandler)
	}
	m, _ := f.model(Options{Samples: 8})
	s := must[*Sampler](t)(m.c.BaseSampler(t.Context(), "base"))
	var backs []*Future[*ForwardBackwardOutput]
	var steps []*Future[*OptimStepResult]
	var samples []*Future[*SampleResponse]
	const n = 334
	for i := range n {
		backs = append(backs, m.ForwardBackward(t.Context(), batch(1+i%3, 2), "cross_entropy", nil))
		steps = append(steps, m.OptimStep(t.Context(), AdamParams{LearningRate: float64(i)}))
		samples = append(samples, s.Sample(t.Context(), Prompt{Tokens: []int32{1}, MaxTokens: 2}))
	}
	for i := range n {
		if out := must[*ForwardBackwardOutput](t)(backs[i].Wait()); len(out.Outputs) != 1+i%3 || out.Metrics["loss:mean"] != float64(2*i+1) {
			t.Fatalf("batch %d: %+v", i, out)
		}
		if r := must[*OptimStepResult](t)(steps[i].Wait()); r.Metrics["grad_norm"] != float64(2*i+2) {
			t.Fatalf("step %d: %+v", i, r)
		}
		if r := must[*SampleResponse](t)(samples[i].Wait()); r.Sequences[0].Tokens[0] != int32(i%100) {
			t.Fatalf("sample %d: %+v", i, r)
		}
	}
	if len(f.done) != 3*n {
		t.Errorf("%d requests were done instead of %d", len(f.done), 3*n)
	}
	for key, times := range f.done {
		if times != 1 {
			t.Errorf("%s was done %d times", key, times)
		}
	}
	for where, times := range cuts {
		if times < 100 {
			t.Errorf("only %d connections were cut at place %d", times, where)
		}
	}
}

// recorder is an answer that is held back.
type recorder struct {
	head   http.Header
	body   bytes.Buffer
	status int
}

func (r *recorder) Header() http.Header         { return r.head }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
func (r *recorder) WriteHeader(status int)      { r.status = status }

// TestWire: the encoding is found, remembered, and not mistaken for another refusal.
func TestWire(t *testing.T) {
	for name, c := range map[string]struct {
		takes  []Wire
		status int // that a server without protobuf answers
		config string
		want   Wire
		tries  int
	}{
		"both":                     {takes: []Wire{Proto, JSON}, want: Proto, tries: 1},
		"protobuf only":            {takes: []Wire{Proto}, want: Proto, tries: 1},
		"JSON only, 415":           {takes: []Wire{JSON}, status: 415, want: JSON, tries: 2},
		"JSON only, 422":           {takes: []Wire{JSON}, status: 422, want: JSON, tries: 2},
		"JSON only, 400":           {takes: []Wire{JSON}, status: 400, want: JSON, tries: 2},
		"JSON only, 500":           {takes: []Wire{JSON}, status: 500, want: JSON, tries: 2},
		"JSON only, as it says":    {takes: []Wire{JSON}, status: 500, config: `{"proto_write_fwdbwd":false}`, want: JSON, tries: 1},
		"protobuf only, says JSON": {takes: []Wire{Proto}, config: `{"proto_write_fwdbwd":false}`, want: Proto, tries: 2},
	} {
		for _, forward := range []bool{true, false} {
			f := newFake(t)
			f.config, f.takes = c.config, map[Wire]bool{}
			for _, w := range c.takes {
				f.takes[w] = true
			}
			var mu sync.Mutex
			tries := 0
			f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
				if r.URL.Path != PathForwardBackward && r.URL.Path != PathForward {
					return false
				}
				mu.Lock()
				defer mu.Unlock()
				if tries++; !f.takes[Proto] && r.Header.Get("Content-Type") == TypeProto && c.status != 415 {
					detail(w, c.status, "no JSON")
					return true
				}
				return false
			}
			m, _ := f.model(Options{})
			if m.c.Wire() != Auto {
				t.Errorf("%s: %v before the first request", name, m.c.Wire())
			}
			for range 2 {
				send := m.ForwardBackward
				if forward {
					send = m.Forward
				}
				if _, err := send(t.Context(), batch(1, 2), "cross_entropy", nil).Wait(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if m.c.Wire() != c.want || tries != c.tries+1 {
				t.Errorf("%s: %v after %d tries", name, m.c.Wire(), tries)
			}
		}
	}
	f := newFake(t) // an empty answer of a proxy says nothing about the encoding
	m, _ := f.model(Options{})
	f.script(PathForwardBackward, reply{400, "", "", nil})
	must[*ForwardBackwardOutput](t)(m.ForwardBackward(t.Context(), batch(1, 2), "cross_entropy", nil).Wait())
	if m.c.Wire() != Proto {
		t.Error(m.c.Wire())
	}
	f = newFake(t) // a request that is bad in both encodings
	f.takes[JSON] = false
	m, _ = f.model(Options{})
	f.script(PathForwardBackward, reply{422, "", `{"detail":"no such loss"}`, nil})
	if _, err := m.ForwardBackward(t.Context(), batch(1, 2), "cross_entropy", nil).Wait(); err == nil || !strings.Contains(err.Error(), "no such loss") {
		t.Error(err)
	}
	if m.c.Wire() != Proto {
		t.Error(m.c.Wire())
	}
}
