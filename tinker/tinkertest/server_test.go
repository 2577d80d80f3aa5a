package tinkertest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast/bounded"
	"ballast/model/tensorfile"
	"ballast/tinker"
)

// TestEras: which bodies are taken, and what comes of those that are not.
func TestEras(t *testing.T) {
	for _, test := range []struct {
		era                  Era
		proto, json, forward int
		result               string
	}{
		{ProtobufOnly, 200, 415, 404, protoType}, {JSONOnly, 422, 200, 200, jsonType},
		{JSONCrashes, 500, 200, 200, jsonType}, {BothEras, 200, 200, 200, protoType},
	} {
		c := start(t, Options{Vocab: 8, Era: test.era})
		m := c.create(2, 1)
		r := c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 6, 8), ones(5)))
		text, _ := r.MarshalJSON()
		proto := c.submit(r)
		r.SeqID = c.next(m)
		text2, _ := r.MarshalJSON()
		asJSON := c.send(http.MethodPost, "/api/v1/forward_backward", jsonType, "", text2)
		r.SeqID, r.ForwardOnly = c.next(m), true
		text, _ = r.MarshalJSON()
		forward := c.send(http.MethodPost, "/api/v1/forward", jsonType, "", text)
		if got := []int{proto.status, asJSON.status, forward.status}; !slices.Equal(got, []int{test.proto, test.json, test.forward}) {
			t.Errorf("%+v: %v", test.era, got)
		}
		var outputs []tinker.ForwardBackwardOutput
		for _, p := range []reply{proto, asJSON, forward} {
			if p.status != http.StatusOK {
				continue
			}
			got := c.result(p)
			if got.kind != test.result {
				t.Errorf("%+v: %s", test.era, got.kind)
			}
			outputs = append(outputs, c.outputOf(got))
		}
		for _, o := range outputs[1:] {
			if !reflect.DeepEqual(o.Outputs, outputs[0].Outputs) {
				t.Errorf("%+v: %v and %v", test.era, o, outputs[0])
			}
		}
	}
	// A server that gives JSON where it is asked for, in the era of protobuf.
	c := start(t, Options{Vocab: 8, Habits: TuFT()})
	m := c.create(2, 1)
	promise := c.submit(c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 6, 8), ones(5))))
	body, _ := json.Marshal(fields{"request_id": c.field(promise, "request_id")})
	a := c.send(http.MethodPost, "/api/v1/retrieve_future", jsonType, "application/json", body)
	b := c.send(http.MethodPost, "/api/v1/retrieve_future", jsonType, "application/x-protobuf, application/json", body)
	if a.kind != jsonType || b.kind != protoType || !reflect.DeepEqual(c.outputOf(a).Outputs, c.outputOf(b).Outputs) {
		t.Errorf("%s %s", a.kind, b.kind)
	}
	if sum := c.outputOf(a).Metrics["loss:sum"]; sum <= 0 {
		t.Errorf("loss:sum %v", sum)
	}
}

// TestCompressed: a body in zstd is the body; one that is not is an error.
func TestCompressed(t *testing.T) {
	c := start(t, Options{Vocab: 8})
	m := c.create(2, 1)
	r := c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 6, 8), ones(5)))
	plain := r.AppendProto(nil)
	for encoding, want := range map[string]int{"zstd": 200, "gzip": 415} {
		q, _ := http.NewRequest(http.MethodPost, c.s.URL+"/api/v1/forward_backward", bytes.NewReader(bounded.Pack(plain)))
		q.Header.Set("Content-Type", protoType)
		q.Header.Set("Content-Encoding", encoding)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(a.Body)
		a.Body.Close()
		if a.StatusCode != want {
			t.Errorf("%s: %d %s", encoding, a.StatusCode, body)
		}
	}
	again := c.submit(r) // the same content
	c.output(again)
	if l := c.s.Ledger(); l.Twice() != nil || len(l.Of(m)) != 1 {
		t.Errorf("%+v", l)
	}
}

// TestBrokenBodies: what is no zstd, and what unpacks to more than is read.
func TestBrokenBodies(t *testing.T) {
	c := start(t, Options{Vocab: 8})
	for want, body := range map[int][]byte{422: []byte("plain"), 413: bounded.Pack(make([]byte, maxBody+1))} {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/forward_backward", bytes.NewReader(body))
		r.Header.Set("Content-Encoding", "zstd")
		w := httptest.NewRecorder()
		c.s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%d and not %d: %s", w.Code, want, w.Body)
		}
	}
}

// TestCarefulServer: one that is not silent refuses what makes no sense.
func TestCarefulServer(t *testing.T) {
	nan := float32(math.NaN())
	good := []int32{1, 2, 3, 4}
	for name, d := range map[string]tinker.Datum{
		"a number":   sequenceOf(good, floats("weights", 1, nan, 1)),
		"a token":    sequenceOf([]int32{1, 99, 3, 4}, ones(3)),
		"a target":   sequenceOf([]int32{1, 2, 3, 99}, ones(3)),
		"a length":   sequenceOf(good, ones(2)),
		"no targets": {Input: good[:3], Inputs: tinker.Tensors{ones(3)}},
		"no tokens":  {Inputs: tinker.Tensors{{Name: "target_tokens", Tensor: tinker.Ints([]int32{})}}},
	} {
		c := start(t, Options{Vocab: 8, Habits: TuFT()})
		m := c.create(2, 1)
		if got := c.result(c.submit(c.request(m, "cross_entropy", nil, d))); got.status != 422 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if c.state(m).Datums != 0 || c.s.Ledger().Trained != 0 {
			t.Errorf("%s was trained", name)
		}
	}
	c := start(t, Options{Vocab: 8, Habits: TuFT()})
	m := c.create(2, 1)
	got := c.result(c.submit(c.request(m, "ppo", nil, sequenceOf(good, ones(3)))))
	if got.status != 422 || !strings.Contains(string(got.body), "has no logprobs") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestSilentServer: one that is silent spoils the model, as the real one does.
func TestSilentServer(t *testing.T) {
	c := start(t, Options{Vocab: 8})
	m := c.create(2, 1)
	c.backward(m, "cross_entropy", nil, sequenceOf([]int32{1, 2, 99, 3}, ones(3)))
	c.step(m, adam)
	for _, x := range c.state(m).Weights {
		if !math.IsNaN(x) {
			t.Fatalf("a weight is %v", x)
		}
	}
	s := c.draw(prompt(c.sampler(m), []int32{1}, fields{"max_tokens": 2})).Sequences[0]
	if !math.IsNaN(float64(s.LogProbs[1])) {
		t.Errorf("%v", s)
	}
}

// TestNeighbours: servers differ in what a second try of load_weights is, and in what a step's weight
// decay is on.
func TestNeighbours(t *testing.T) {
	for _, h := range []Habits{SkyRL(), TuFT()} {
		c := start(t, Options{Vocab: 10, Seed: 3, Habits: h})
		m := c.create(2, 1)
		c.backward(m, "cross_entropy", nil, sequenceOf(tokens(1, 9, 10), ones(8)))
		c.step(m, adam)
		path := c.save("save_weights", m, "x")
		n := c.create(2, 9)
		if got := c.load(n, path, false); got.status != 200 {
			t.Fatalf("%s: %d %s", h.Name, got.status, got.body)
		}
		again := c.post("load_weights", fields{"model_id": n, "seq_id": 1, "path": path, "optimizer": false})
		if refused := again.status == 400; refused != h.LoadsFirst {
			t.Errorf("%s: a second try has status %d: %s", h.Name, again.status, again.body)
		}
		want := c.state(n).Weights
		for i := range want {
			if h.DecaysAll {
				want[i] *= 0.5
			}
		}
		c.backward(m, "cross_entropy", nil, sequenceOf(tokens(2, 9, 10), ones(8)))
		c.step(m, tinker.AdamParams{LearningRate: 1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.5})
		if got := c.state(n).Weights; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the other model has %v, want %v", h.Name, got, want)
		}
	}
}

// TestResume: a model with a checkpoint's weights and optimiser goes on as the first would.
func TestResume(t *testing.T) {
	c := start(t, Options{Vocab: 10, Seed: 3})
	m := c.create(3, 1)
	again := func(m string, i int) {
		c.backward(m, "cross_entropy", nil, sequenceOf(tokens(i, 9, 10), ones(8)))
		c.step(m, adam)
	}
	for i := range 3 {
		again(m, i)
	}
	path := c.save("save_weights", m, "x")
	for _, optimizer := range []bool{true, false} {
		n := c.create(3, 9)
		if got := c.load(n, path, optimizer); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		c.seq[n] = 1
		if optimizer {
			again(m, 5)
		}
		again(n, 5)
		if same := reflect.DeepEqual(c.state(n).Weights, c.state(m).Weights); same != optimizer {
			t.Errorf("optimizer %v: the same weights: %v", optimizer, same)
		}
	}
	n := c.create(2, 9)
	if got := c.load(n, path, false); got.status != 400 || !strings.Contains(string(got.body), "Rank mismatch") {
		t.Errorf("%d %s", got.status, got.body)
	}
	for path, want := range map[string]int{"tinker://" + m + "/weights/y": 404, "tinker://" + m + "/x": 400, "elsewhere": 400} {
		if got := c.post("load_weights", fields{"model_id": c.create(2, 9), "seq_id": 1, "path": path}); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

// TestArchive: a sampler's weights as a folder of PEFT.
func TestArchive(t *testing.T) {
	c, m, _ := trained(t, Options{Vocab: 10, Order: 2})
	c.save("save_weights_for_sampler", m, "w")
	r, err := http.Get(c.s.URL + "/api/v1/training_runs/" + m + "/checkpoints/w/archive") // follows the redirect
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	zip, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name], _ = io.ReadAll(in)
	}
	var config struct {
		Rank int    `json:"r"`
		Type string `json:"peft_type"`
	}
	if err := json.Unmarshal(files["adapter_config.json"], &config); err != nil || config.Rank != 4 || config.Type != "LORA" {
		t.Errorf("%+v %v", config, err)
	}
	weights := files["adapter_model.safetensors"]
	entries, err := tensorfile.ReadSafetensors(bytes.NewReader(weights), int64(len(weights)), "w")
	if err != nil || len(entries) != 3 {
		t.Errorf("%d tensors: %v", len(entries), err)
	}
	if got := c.get("/api/v1/training_runs/" + m + "/checkpoints"); !strings.Contains(string(got.body), `"checkpoint_id":"w"`) {
		t.Errorf("%s", got.body)
	}
	if got := c.send(http.MethodDelete, "/api/v1/training_runs/"+m+"/checkpoints/sampler_weights/w", "", "", nil); got.status != 204 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := c.get("/api/v1/training_runs/" + m + "/checkpoints/w/archive"); got.status != 404 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestSessionsExpire: without heartbeats a session's models are unloaded.
func TestSessionsExpire(t *testing.T) {
	clock := NewManualClock()
	c := start(t, Options{Vocab: 8, Clock: clock})
	m := c.create(2, 1)
	for range 3 {
		clock.Advance(200 * time.Second)
		if got := c.post("session_heartbeat", fields{"session_id": c.to}); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	c.state(m)
	clock.Advance(301 * time.Second)
	c.get("/api/v1/healthz")
	if _, there := c.s.Model(m); there {
		t.Error("the model is there")
	}
	got := c.result(c.submit(c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 6, 8), ones(5)))))
	if got.status != 400 || !strings.Contains(string(got.body), "not loaded") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestKeys: who has no key is told so.
func TestKeys(t *testing.T) {
	s := New(Options{Vocab: 8, Keys: []string{"tml-one"}})
	defer s.Close()
	for key, want := range map[string]int{"": 401, "tml-two": 403, "tml-one": 200} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/api/v1/healthz", nil)
		r.Header.Set("X-API-Key", key)
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d", key, w.Code)
		}
	}
}

// TestOrder: a server that keeps the order waits for the number that is missing.
func TestOrder(t *testing.T) {
	c := start(t, Options{Vocab: 8, Habits: Hosted(), Hold: 50 * time.Millisecond})
	m := c.create(2, 1)
	r := c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 6, 8), ones(5)))
	late := c.post("optim_step", stepBody(m, c.next(m), adam))
	if got := c.result(late); c.field(got, "type") != "try_again" {
		t.Errorf("%d %s", got.status, got.body)
	}
	c.output(c.submit(r))
	got := c.result(late)
	for c.field(got, "type") == "try_again" {
		got = c.result(late)
	}
	if !strings.Contains(string(got.body), "metrics") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if c.state(m).M == nil || norm(c.state(m).M) == 0 {
		t.Error("the step came before the gradient")
	}
}

// TestLatency: the n-th operation takes the same time on every server, and stragglers longer.
func TestLatency(t *testing.T) {
	l := Latency{Median: time.Second, Sigma: 0.5, PerToken: time.Millisecond, Stragglers: 0.1, Factor: 10}
	var all []time.Duration
	for n := range uint64(2000) {
		d := l.of(draws{3}, n, 100)
		if d != l.of(draws{3}, n, 100) {
			t.Fatal("not the same again")
		}
		all = append(all, d)
	}
	slices.Sort(all)
	if median := all[1000]; median < time.Second || median > 1300*time.Millisecond {
		t.Errorf("median %v", median)
	}
	if most := all[1950]; most < 5*time.Second {
		t.Errorf("the slowest fortieth: %v", most)
	}
}

// TestSideBySide: hundreds of requests at once come to what they would one after the other.
func TestSideBySide(t *testing.T) {
	run := func(models, workers int) (weights [][]float64, drawn []tinker.SampleResponse) {
		c := start(t, Options{Vocab: 30, Seed: 8})
		var names []string
		for i := range models {
			names = append(names, c.create(2, i))
		}
		session := c.sampler(names[0])
		c.seq[names[0]] = 0
		drawn = make([]tinker.SampleResponse, 200)
		jobs := make(chan func())
		var wait sync.WaitGroup
		for range workers {
			wait.Go(func() {
				for job := range jobs {
					job()
				}
			})
		}
		for i, m := range names {
			own := &client{t: t, s: c.s, to: c.to, seq: map[string]int{m: 1}}
			jobs <- func() {
				for j := range 5 {
					own.backward(m, "cross_entropy", nil, sequenceOf(tokens(i*10+j, 20, 30), ones(19)))
					own.step(m, adam)
				}
			}
		}
		for i := range drawn {
			jobs <- func() {
				drawn[i] = c.draw(prompt(session, []int32{int32(i % 30)}, fields{"max_tokens": 15, "seed": i}))
			}
		}
		close(jobs)
		wait.Wait()
		for _, m := range names {
			weights = append(weights, c.state(m).Weights)
		}
		return weights, drawn
	}
	w1, d1 := run(3, 1)
	w2, d2 := run(3, 60)
	if !reflect.DeepEqual(w1, w2) || !reflect.DeepEqual(d1, d2) {
		t.Error("other numbers side by side")
	}
}

// FuzzServe: whatever is sent gets an answer.
func FuzzServe(f *testing.F) {
	paths := slices.Sorted(func(yield func(string) bool) {
		for route := range routes {
			if !yield(route) {
				return
			}
		}
	})
	r := tinker.ForwardBackwardRequest{ModelID: "model_1", SeqID: 1, Data: []tinker.Datum{sequenceOf([]int32{1, 2, 3}, ones(2))}, Loss: "ppo"}
	f.Add(7, true, r.AppendProto(nil))
	for i := range paths {
		f.Add(i, false, []byte(`{"model_id":"m","session_id":"s","seq_id":1,"base_model":"toy","lora_config":{"rank":2},"adam_params":{},`+
			`"path":"x","sampling_params":{"max_tokens":2,"top_k":-1,"stop":[1]},"prompt":{"chunks":[]}}`))
	}
	s := New(Options{Vocab: 6, Habits: TuFT(), Era: BothEras, Hold: time.Millisecond})
	f.Cleanup(s.Close)
	send := func(route, kind string, body []byte) *httptest.ResponseRecorder {
		method, path, _ := strings.Cut(route, " ")
		w := httptest.NewRecorder()
		q := httptest.NewRequest(method, path, bytes.NewReader(body))
		q.Header.Set("Content-Type", kind)
		s.ServeHTTP(w, q)
		return w
	}
	var session struct {
		ID string `json:"session_id"`
	}
	json.Unmarshal(send("POST /api/v1/create_session", jsonType, []byte(`{}`)).Body.Bytes(), &session)
	var model struct {
		ID string `json:"model_id"`
	}
	create := fmt.Appendf(nil, `{"session_id":%q,"base_model":"toy","lora_config":{"rank":2}}`, session.ID)
	json.Unmarshal(send("POST /api/v1/create_model", jsonType, create).Body.Bytes(), &model)
	f.Fuzz(func(t *testing.T, route int, proto bool, body []byte) {
		kind := jsonType
		if proto {
			kind = protoType
		}
		body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("model_1"), []byte(model.ID)), []byte(`"m"`), fmt.Appendf(nil, "%q", model.ID))
		if w := send(paths[uint(route)%uint(len(paths))], kind, body); w.Code < 200 || w.Code > 599 {
			t.Errorf("status %d", w.Code)
		}
	})
}
