package tinker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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
			tries := 0
			f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
				if r.URL.Path != PathForwardBackward && r.URL.Path != PathForward {
					return false
				}
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
	f := newFake(t) // a request that is bad in both encodings
	f.takes[JSON] = false
	m, _ := f.model(Options{})
	f.script(PathForwardBackward, reply{422, "", `{"detail":"no such loss"}`, nil})
	if _, err := m.ForwardBackward(t.Context(), batch(1, 2), "cross_entropy", nil).Wait(); err == nil || !strings.Contains(err.Error(), "no such loss") {
		t.Error(err)
	}
	if m.c.Wire() != Proto {
		t.Error(m.c.Wire())
	}
}

// TestHeartbeat: signs of life go out, and a session that is lost ends what waits for it.
func TestHeartbeat(t *testing.T) {
	for name, c := range map[string]struct {
		answer reply
		kind   Kind
		text   string
	}{
		"unknown session": {reply{404, "", `{"detail":"Session not found"}`, nil}, Gone, "Session not found"},
		"no server":       {reply{}, Unreachable, "30 signs of life"},
		"no access":       {reply{401, "", ``, nil}, Access, "401"},
	} {
		f := newFake(t)
		m, _ := f.model(Options{Wire: Proto, Heartbeat: time.Millisecond})
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			f.mu.Lock()
			beats := f.beats
			f.mu.Unlock()
			if beats > 2 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("no signs of life")
			}
		}
		if m.c.Err() != nil {
			t.Error(m.c.Err())
		}
		lost := make(chan struct{})
		f2 := newFake(t)
		f2.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			switch {
			case r.URL.Path == PathHeartbeat && c.answer.status == 0:
				panic(http.ErrAbortHandler)
			case r.URL.Path == PathHeartbeat:
				w.Header().Set("Content-Type", TypeJSON)
				w.WriteHeader(c.answer.status)
				io.WriteString(w, c.answer.body)
			case r.URL.Path == PathOptimStep:
				select { // it never answers
				case <-r.Context().Done():
				case <-lost:
				}
			default:
				return false
			}
			return true
		}
		client, _ := f2.dial(Options{Heartbeat: time.Millisecond})
		_, err := client.CreateModel(t.Context(), "base", LoRAConfig{})
		<-client.Done()
		close(lost)
		var e *Error
		if !errors.As(client.Err(), &e) || e.Kind != c.kind || !strings.Contains(e.Error(), c.text) {
			t.Errorf("%s: %v", name, client.Err())
		}
		if _, err2 := client.BaseSampler(t.Context(), "base"); !errors.As(err2, &e) || e.Kind != c.kind {
			t.Errorf("%s: %v, before %v", name, err2, err)
		}
	}
}

// TestSecrets: the key comes from where it was said to, and goes to the server alone.
func TestSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("tml-of-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BALLAST_TEST_KEY", " tml-of-a-variable ")
	t.Setenv("TINKER_API_KEY", "tml-of-nobody")
	for _, c := range [][4]string{{"BALLAST_TEST_KEY", "", "tml-of-a-variable", ""}, {"", file, "tml-of-a-file", ""}, {"", "", "", ""},
		{"BALLAST_TEST_KEY", file, "", "name one"}, {"BALLAST_NO_KEY", "", "", "BALLAST_NO_KEY"}, {"", file + "x", "", "no such file"}} {
		key, err := ReadKey(c[0], c[1])
		if key != c[2] || (err != nil) != (c[3] != "") || err != nil && !strings.Contains(err.Error(), c[3]) {
			t.Errorf("%q: %q, %v", c, key, err)
		}
	}
	const key = "tml-very-secret"
	f := newFake(t)
	m, _ := f.model(Options{Key: key, Wire: Proto})
	for _, r := range []reply{{422, "", `{"detail":"key ` + key + ` is odd"}`, nil}, {403, "text/plain", strings.Repeat("x", maxShown-5) + key, nil},
		{301, "", "", map[string]string{"Location": "http://example.org/" + key}}} {
		f.script(PathOptimStep, r)
		_, err := m.OptimStep(t.Context(), AdamParams{}).Wait()
		if err == nil || strings.Contains(err.Error(), "secret") && !strings.Contains(err.Error(), "[secret]") || strings.Contains(err.Error(), "tml-") {
			t.Error(err)
		}
	}
	for _, bad := range []Options{{Address: "ftp://x"}, {Address: "http://u:pass@x"}, {Address: "http://x?key=pass"}, {Address: "::"},
		{Address: "http://x", Key: "a\nb"}, {Address: "http://x", Wire: "cbor"}, {Address: "http://x", Vocabulary: -1}} {
		if _, err := Dial(t.Context(), bad); err == nil || strings.Contains(err.Error(), "pass") && !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "a\nb") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestSamplerAnswerLost: where the promise of kept weights is lost, and the server refuses
// the same request as a conflict, they are kept again.
func TestSamplerAnswerLost(t *testing.T) {
	f := newFake(t)
	m, _ := f.model(Options{})
	f.script(PathSaveWeightsForSampler, reply{}, reply{409, "", `{"detail":"Checkpoint exists"}`, nil})
	s := must[*Sampler](t)(m.Sampler(t.Context()).Wait())
	if s.ID() != "sampling_1" || m.Err() != nil || f.done["m/2"] != 1 {
		t.Error(s.ID(), m.Err(), f.done)
	}
	f.script(PathSaveWeightsForSampler, reply{409, "", `{"detail":"Checkpoint exists"}`, nil})
	var e *Error
	if _, err := m.SaveForSampler(t.Context(), "a").Wait(); !errors.As(err, &e) || e.Kind != Conflict || m.Err() != nil {
		t.Error(err, m.Err())
	}
}

func TestArchive(t *testing.T) {
	f := newFake(t)
	const tar = "\x1f\x8bpretend archive"
	other := newFake(t)
	other.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.Header.Get("X-API-Key") != "" {
			t.Error("the key went to another server")
		}
		io.WriteString(w, tar)
		return true
	}
	var location, said string
	cut := false
	f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		switch r.URL.Path {
		case "/api/v1/training_runs/m/checkpoints/a/archive": // as SkyRL names it
			if said != "" {
				io.WriteString(w, said)
				return true
			}
			w.Header().Set("Location", location)
			w.WriteHeader(302)
		case "/download":
			if r.Header.Get("X-API-Key") != "tml-k" {
				t.Error("no key")
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(tar)))
			if cut {
				io.WriteString(w, tar[:4])
				panic(http.ErrAbortHandler)
			}
			io.WriteString(w, tar)
		default:
			return false
		}
		return true
	}
	c, _ := f.dial(Options{Key: "tml-k"})
	for _, step := range []struct {
		path, location, said, want string
		cut                        bool
		limit                      int64
	}{
		{path: "tinker://m/sampler_weights/a", location: "/download", limit: 1 << 20},
		{path: "tinker://m/a", location: f.URL + "/download", limit: int64(len(tar))},
		{path: "tinker://m/a", location: other.URL + "/x?signature=abc", limit: 1 << 20},
		{path: "tinker://m/a", said: `{"url":"` + other.URL + `/x","expires":"soon"}`, limit: 1 << 20},
		{path: "tinker://m/a", location: "/download", limit: 5, want: "more than 5 bytes"},
		{path: "tinker://m/a", location: "/download", limit: 1 << 20, cut: true, want: "try again"},
		{path: "tinker://m/a", location: "file:///etc/passwd", limit: 1 << 20, want: "no address"},
		{path: "tinker://m/a", said: `{}`, limit: 1 << 20, want: "no address"},
		{path: "tinker://m/b", limit: 1 << 20, want: "404"},
		{path: "m/a", limit: 1 << 20, want: "no path of saved weights"},
		{path: "tinker://m/other/a", limit: 1 << 20, want: "no path of saved weights"},
	} {
		location, said, cut = step.location, step.said, step.cut
		var got bytes.Buffer
		n, err := c.Archive(t.Context(), step.path, &got, step.limit)
		if step.want == "" && (err != nil || got.String() != tar || n != int64(len(tar))) || step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)) {
			t.Errorf("%+v: %q, %v", step, got.String(), err)
		}
	}
}
