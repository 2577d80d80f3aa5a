package tinker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast/bounded"
)

// reply is what a server says once.
type reply struct {
	status int
	kind   string // of the body; "" = JSON
	body   string
	header map[string]string
}

// job is a request that was taken.
type job struct {
	path  string
	body  string
	wants int // times that it was asked for
	gone  bool
	seq   int
	answer
}

// fake is a server of the protocol that trains nothing. It takes a request of a number
// once, as SkyRL does.
type fake struct {
	t *testing.T
	*httptest.Server

	mu       sync.Mutex
	takes    map[Wire]bool // encodings of training requests
	config   string        // what it wants of clients; "" = 404
	jobs     []*job
	known    map[string]int // jobs by model and number
	done     map[string]int // how often a request was done, by model and number
	heads    []http.Header  // of training requests
	beats    int
	unloaded int
	// fault, where there is one, may answer in the server's place.
	fault func(w http.ResponseWriter, r *http.Request, body []byte) bool
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, takes: map[Wire]bool{Proto: true, JSON: true}, known: map[string]int{}, done: map[string]int{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// dial begins a session of a client whose waits take no time, and their sum.
func (f *fake) dial(o Options) (*Client, *waits) {
	f.t.Helper()
	w := &waits{}
	o.Address, o.Wait = f.URL, w.wait
	if o.Heartbeat == 0 {
		o.Heartbeat = -1
	}
	c, err := Dial(f.t.Context(), o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.end(errClosed) })
	return c, w
}

func (f *fake) model(o Options) (*Model, *waits) {
	f.t.Helper()
	c, w := f.dial(o)
	m, err := c.CreateModel(f.t.Context(), "base", LoRA(8))
	if err != nil {
		f.t.Fatal(err)
	}
	return m, w
}

// waits are the waits that a client was to make.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return context.Cause(ctx)
}

func (w *waits) sum() (s time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.all {
		s += d
	}
	return s
}

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", TypeJSON)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func detail(w http.ResponseWriter, status int, text string) {
	say(w, status, map[string]string{"detail": text})
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client left
	}
	if f.fault != nil && f.fault(w, r, body) {
		return
	}
	f.serve(w, r, body)
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.URL.Path {
	case PathClientConfig:
		if f.config == "" {
			detail(w, 404, "Not Found")
			return
		}
		io.WriteString(w, f.config)
	case PathCreateSession:
		say(w, 201, CreateSessionResponse{Type: "create_session", SessionID: "session_1"})
	case PathHeartbeat:
		f.beats++
		say(w, 200, HeartbeatRequest{Type: "session_heartbeat"})
	case PathCapabilities:
		io.WriteString(w, `{"supported_models":[{"model_name":"base","max_context_length":128}]}`)
	case PathGetInfo:
		io.WriteString(w, `{"model_id":"m","model_data":{"base_model":"base","lora_config":{"rank":8}}}`)
	case PathWeightsInfo:
		io.WriteString(w, `{"base_model":"base","is_lora":true,"lora_rank":8}`)
	case PathCreateSamplingSession:
		say(w, 200, SamplingSessionResponse{SamplingSessionID: "sampling_base"})
	case PathRetrieveFuture:
		f.retrieve(w, r, body)
	default:
		f.take(w, r, body)
	}
}

// take gives a promise.
func (f *fake) take(w http.ResponseWriter, r *http.Request, body []byte) {
	key, seq, ok := f.number(w, r, body)
	if !ok {
		return
	}
	if n, known := f.known[key]; known && key != "" {
		if f.jobs[n].body != string(body) {
			detail(w, 409, "Training request sequence number was reused")
			return
		}
		if !f.jobs[n].gone {
			say(w, 202, Promise{RequestID: fmt.Sprint(n)})
			return
		}
	} else if key != "" {
		f.done[key]++
	}
	f.known[key] = len(f.jobs)
	f.jobs = append(f.jobs, &job{path: r.URL.Path, body: string(body), seq: seq})
	say(w, 202, map[string]string{"request_id": fmt.Sprint(len(f.jobs) - 1), "model_id": "m"})
}

// number is what a request is known by.
func (f *fake) number(w http.ResponseWriter, r *http.Request, body []byte) (key string, seq int, ok bool) {
	plain := body
	if r.Header.Get("Content-Encoding") == "zstd" {
		u, _, err := bounded.Unpack(bytes.NewReader(body), 64<<20)
		if err != nil {
			f.t.Error(err)
		} else if plain, err = io.ReadAll(u); err != nil {
			f.t.Error(err)
		}
	}
	switch r.URL.Path {
	case PathForwardBackward, PathForward:
		f.heads = append(f.heads, r.Header)
		var q ForwardBackwardRequest
		var err error
		if wire := r.Header.Get("Content-Type"); wire == TypeProto && f.takes[Proto] {
			err = q.UnmarshalProto(plain)
		} else if wire == TypeJSON && f.takes[JSON] {
			err = json.Unmarshal(plain, &q)
		} else {
			detail(w, 415, "another body is required")
			return "", 0, false
		}
		if err != nil {
			detail(w, 422, err.Error())
			return "", 0, false
		}
		return fmt.Sprint(q.ModelID, "/", q.SeqID), q.SeqID, true
	case PathOptimStep, PathSaveWeights, PathSaveWeightsForSampler, PathLoadWeights, PathSample:
		var q struct {
			ModelID string `json:"model_id"`
			Sampler string `json:"sampling_session_id"`
			SeqID   int    `json:"seq_id"`
		}
		if err := json.Unmarshal(body, &q); err != nil {
			detail(w, 422, err.Error())
			return "", 0, false
		}
		return fmt.Sprint(q.ModelID, q.Sampler, "/", q.SeqID), q.SeqID, true
	case PathCreateModel, PathUnloadModel:
		return "", 0, true
	}
	detail(w, 404, "Not Found")
	return "", 0, false
}

// retrieve gives a result.
func (f *fake) retrieve(w http.ResponseWriter, r *http.Request, body []byte) {
	var q RetrieveFutureRequest
	var n int
	if json.Unmarshal(body, &q) != nil || q.AllowMetadataOnly {
		detail(w, 422, "no request")
		return
	}
	if _, err := fmt.Sscan(q.RequestID, &n); err != nil || n < 0 || n >= len(f.jobs) {
		detail(w, 404, "Future not found")
		return
	}
	switch j := f.jobs[n]; j.path {
	case PathForwardBackward, PathForward:
		var q ForwardBackwardRequest
		plain := []byte(j.body)
		if u, how, err := bounded.Unpack(strings.NewReader(j.body), 64<<20); err == nil && how == "zstd" {
			plain, _ = io.ReadAll(u)
		}
		if q.UnmarshalProto(plain) != nil {
			if err := json.Unmarshal(plain, &q); err != nil {
				f.t.Error(err)
			}
		}
		o := ForwardBackwardOutput{Type: "scalar", Metrics: Metrics{"loss:sum": float64(len(q.Data)), "loss:mean": float64(q.SeqID)}}
		for _, d := range q.Data {
			lp := make([]float32, len(d.Input))
			for i := range lp {
				lp[i] = -float32(d.Input[i]) / 8
			}
			o.Outputs = append(o.Outputs, Tensors{{"logprobs", Floats(lp)}})
		}
		if strings.Contains(r.Header.Get("Accept"), TypeProto) && f.takes[Proto] {
			w.Header().Set("Content-Type", TypeProto)
			w.Write(o.AppendProto(nil))
			return
		}
		say(w, 200, &o)
	case PathOptimStep:
		say(w, 200, OptimStepResult{Metrics{"grad_norm": float64(j.seq)}})
	case PathCreateModel, PathUnloadModel:
		f.unloaded += map[string]int{PathUnloadModel: 1}[j.path]
		say(w, 200, ModelResult{ModelID: "m"})
	case PathSaveWeights:
		var q SaveWeightsRequest
		json.Unmarshal([]byte(j.body), &q)
		path := "tinker://m/weights/" + q.Path
		say(w, 200, SaveResult{Path: &path})
	case PathSaveWeightsForSampler:
		var q SaveForSamplerRequest
		json.Unmarshal([]byte(j.body), &q)
		if q.Path != nil {
			path := "tinker://m/sampler_weights/" + *q.Path
			say(w, 200, SaveResult{Path: &path})
			return
		}
		id := fmt.Sprint("sampling_", *q.SamplingSessionSeqID)
		say(w, 200, SaveResult{SamplingSessionID: &id})
	case PathLoadWeights:
		say(w, 200, map[string]string{"type": "load_weights"})
	case PathSample:
		var q SampleRequest
		json.Unmarshal([]byte(j.body), &q)
		res := SampleResponse{}
		for i := range q.NumSamples {
			res.Sequences = append(res.Sequences, SampledSequence{Stop, []int32{int32(q.SeqID % 100), int32(i)}, []float32{-1, -2}})
		}
		if q.PromptLogProbs {
			res.PromptLogProbs = make(Maybe, len(q.Prompt)-1) // as SkyRL has it
		}
		w.Header().Set("Content-Type", TypeProto)
		w.Write(res.AppendProto(nil))
	}
}

// script answers requests to a path with the replies, one after the other, and then as the
// server does.
func (f *fake) script(path string, replies ...reply) {
	var mu sync.Mutex
	f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.URL.Path != path {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if len(replies) == 0 {
			return false
		}
		next := replies[0]
		replies = replies[1:]
		if next.status == 0 { // the connection breaks
			panic(http.ErrAbortHandler)
		}
		for name, v := range next.header {
			w.Header().Set(name, v)
		}
		if next.kind == "" {
			next.kind = TypeJSON
		}
		w.Header().Set("Content-Type", next.kind)
		w.WriteHeader(next.status)
		io.WriteString(w, next.body)
		return true
	}
}

// batch are datums of n tokens each.
func batch(datums, n int) (out []Datum) {
	for d := range datums {
		in, weights := make(ModelInput, n), make([]float32, n)
		for i := range in {
			in[i], weights[i] = int32((d+i)%100), 1
		}
		out = append(out, Datum{in, Tensors{{"target_tokens", Ints([]int32(in))}, {"weights", Floats(weights)}}})
	}
	return out
}
