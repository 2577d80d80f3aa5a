package tinkertest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"ballast/tinker"
)

// fields are a body.
type fields = map[string]any

// client asks a server, one request a call, and retries nothing.
type client struct {
	t   testing.TB
	s   *Server
	to  string // the session
	seq map[string]int
}

// reply is what came back; status 0 = nothing did.
type reply struct {
	status int
	kind   string
	body   []byte
}

func start(t testing.TB, o Options) *client {
	t.Helper()
	if o.Hold == 0 {
		o.Hold = time.Hour // a loaded machine takes its time
	}
	s := New(o)
	t.Cleanup(s.Close)
	c := &client{t: t, s: s, seq: map[string]int{}}
	c.to = c.field(c.post("create_session", fields{}), "session_id")
	return c
}

func (c *client) send(method, path, kind, accept string, body []byte) reply {
	ctx, stop := context.WithTimeout(context.Background(), time.Hour)
	defer stop()
	return c.sendIn(ctx, method, path, kind, accept, body)
}

func (c *client) sendIn(ctx context.Context, method, path, kind, accept string, body []byte) reply {
	r, err := http.NewRequestWithContext(ctx, method, c.s.URL+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	r.GetBody = nil // no second try
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	a, err := transport.RoundTrip(r)
	if err != nil {
		return reply{}
	}
	defer a.Body.Close()
	got, err := io.ReadAll(a.Body)
	if err != nil {
		return reply{}
	}
	return reply{a.StatusCode, a.Header.Get("Content-Type"), got}
}

func (c *client) post(kind string, body any) reply {
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.send(http.MethodPost, "/api/v1/"+kind, jsonType, "", text)
}

func (c *client) get(path string) reply { return c.send(http.MethodGet, path, "", "", nil) }

// field is a text of a JSON answer.
func (c *client) field(r reply, name string) string {
	c.t.Helper()
	var v fields
	if err := json.Unmarshal(r.body, &v); err != nil {
		c.t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	text, _ := v[name].(string)
	return text
}

// poll asks for a promise once.
func (c *client) poll(id string) reply {
	return c.post("retrieve_future", fields{"request_id": id})
}

// result is what a promise comes to.
func (c *client) result(promise reply) reply {
	c.t.Helper()
	id := c.field(promise, "request_id")
	if id == "" {
		c.t.Fatalf("no promise: %d %s", promise.status, promise.body)
	}
	return c.poll(id)
}

// next is the next seq_id of a model.
func (c *client) next(model string) int {
	c.seq[model]++
	return c.seq[model]
}

func (c *client) create(rank int, seed int) string {
	c.t.Helper()
	r := c.post("create_model", fields{"session_id": c.to, "model_seq_id": len(c.seq), "base_model": "toy",
		"lora_config": fields{"rank": rank, "seed": seed}})
	id := c.field(r, "model_id")
	if got := c.result(r); got.status != http.StatusOK {
		c.t.Fatalf("create_model: %d %s", got.status, got.body)
	}
	c.seq[id] = 0
	return id
}

// request is a training request of a model's next number.
func (c *client) request(model, loss string, config map[string]float64, data ...tinker.Datum) tinker.ForwardBackwardRequest {
	return tinker.ForwardBackwardRequest{ModelID: model, SeqID: c.next(model), Data: data, Loss: loss, Config: config}
}

// submit sends a training request as protobuf.
func (c *client) submit(r tinker.ForwardBackwardRequest) reply {
	return c.send(http.MethodPost, "/api/v1/forward_backward", protoType, "", r.AppendProto(nil))
}

// output is what a training request comes to.
func (c *client) output(promise reply) tinker.ForwardBackwardOutput {
	c.t.Helper()
	return c.outputOf(c.result(promise))
}

func (c *client) outputOf(r reply) tinker.ForwardBackwardOutput {
	c.t.Helper()
	var out tinker.ForwardBackwardOutput
	var err error
	if r.kind == protoType {
		err = out.UnmarshalProto(r.body)
	} else {
		err = json.Unmarshal(r.body, &out)
	}
	if err != nil || r.status != http.StatusOK {
		c.t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	return out
}

func (c *client) backward(model, loss string, config map[string]float64, data ...tinker.Datum) tinker.ForwardBackwardOutput {
	c.t.Helper()
	return c.output(c.submit(c.request(model, loss, config, data...)))
}

func (c *client) forward(model string, data ...tinker.Datum) tinker.ForwardBackwardOutput {
	c.t.Helper()
	r := c.request(model, "cross_entropy", nil, data...)
	r.ForwardOnly = true
	return c.output(c.submit(r))
}

func stepBody(model string, seq int, a tinker.AdamParams) fields {
	return fields{"model_id": model, "seq_id": seq, "adam_params": a}
}

// step steps, and says what the server measured.
func (c *client) step(model string, a tinker.AdamParams) map[string]float64 {
	c.t.Helper()
	r := c.result(c.post("optim_step", stepBody(model, c.next(model), a)))
	var out tinker.OptimStepResult
	if err := json.Unmarshal(r.body, &out); err != nil || r.status != http.StatusOK {
		c.t.Fatalf("optim_step: %d %s", r.status, r.body)
	}
	return out.Metrics
}

// draw asks for samples and waits for them.
func (c *client) draw(body fields) tinker.SampleResponse {
	c.t.Helper()
	r := c.result(c.post("asample", body))
	var out tinker.SampleResponse
	var err error
	if r.kind == protoType {
		err = out.UnmarshalProto(r.body)
	} else {
		err = json.Unmarshal(r.body, &out)
	}
	if err != nil || r.status != http.StatusOK {
		c.t.Fatalf("asample: %d %s: %v", r.status, r.body, err)
	}
	return out
}

// prompt is the body of asample for a session.
func prompt(session string, tokens []int32, params fields) fields {
	return fields{"sampling_session_id": session, "prompt": tinker.ModelInput(tokens), "sampling_params": params, "num_samples": 1}
}

// sampler saves a model's weights of now for sampling.
func (c *client) sampler(model string) string {
	c.t.Helper()
	seq := c.next(model)
	r := c.post("save_weights_for_sampler", fields{"model_id": model, "seq_id": seq, "sampling_session_seq_id": seq})
	return c.field(c.result(r), "sampling_session_id")
}

// save saves weights or a sampler's under a name, and says where.
func (c *client) save(kind, model, name string) string {
	c.t.Helper()
	return c.field(c.result(c.post(kind, fields{"model_id": model, "seq_id": c.next(model), "path": name})), "path")
}

// load loads weights as a model's first request.
func (c *client) load(model, path string, optimizer bool) reply {
	c.t.Helper()
	return c.result(c.post("load_weights", fields{"model_id": model, "seq_id": 1, "path": path, "optimizer": optimizer}))
}

func (c *client) state(model string) Snapshot {
	c.t.Helper()
	m, ok := c.s.Model(model)
	if !ok {
		c.t.Fatalf("model %s is gone", model)
	}
	return m
}

// sequenceOf is a datum that predicts each token of a sequence from those before it.
func sequenceOf(tokens []int32, tensors ...tinker.Named) tinker.Datum {
	last := len(tokens) - 1
	targets := tinker.Named{Name: "target_tokens", Tensor: tinker.Ints(tokens[1:])}
	return tinker.Datum{Input: tokens[:last], Inputs: append(tinker.Tensors{targets}, tensors...)}
}

func floats(name string, v ...float32) tinker.Named {
	return tinker.Named{Name: name, Tensor: tinker.Floats(v)}
}

// random are numbers of a seed, between -1 and 1.
func random(seed, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(2*draws{uint64(seed)}.uniform(uint64(i)) - 1)
	}
	return out
}

// tokens are token ids of a seed.
func tokens(seed, n, vocab int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(draws{uint64(seed) + 1000}.uniform(uint64(i)) * float64(vocab))
	}
	return out
}

func close64(a, b, tolerance float64) bool {
	d := a - b
	return d <= tolerance && -d <= tolerance
}

var adam = tinker.AdamParams{LearningRate: 0.05, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}
