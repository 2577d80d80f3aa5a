package tinkertest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ballast/tinker"
)

// exchange is an answer that a real server gave: testdata/recorded.json.
type exchange struct {
	Server, Name, Path, Type string
	Status                   int
	JSON                     any
	Proto                    string // base64
}

// TestRecorded gives the server the requests that real ones were given, and compares statuses,
// types, shapes and texts. The numbers are those of another model.
func TestRecorded(t *testing.T) {
	text, err := os.ReadFile("testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	given := map[string]map[string]reply{"skyrl": asSkyRL(t), "tuft": asTuFT(t)}
	for _, e := range all {
		t.Run(e.Server+"/"+e.Name, func(t *testing.T) {
			got, asked := given[e.Server][e.Name]
			if !asked {
				t.Fatal("nobody asks for this one")
			}
			if got.status != e.Status || got.kind != e.Type {
				t.Fatalf("%d %s %s; the real one: %d %s", got.status, got.kind, got.body, e.Status, e.Type)
			}
			if e.Type == protoType {
				compareProto(t, e, got.body)
				return
			}
			var v any
			if err := json.Unmarshal(got.body, &v); err != nil {
				t.Fatal(err)
			}
			if a, b := shape(v, ""), shape(e.JSON, ""); a != b {
				t.Errorf("%s\nthe real one: %s", a, b)
			}
		})
	}
	for server, names := range given {
		for name := range names {
			if !slices.ContainsFunc(all, func(e exchange) bool { return e.Server == server && e.Name == name }) {
				t.Errorf("%s/%s was not recorded", server, name)
			}
		}
	}
}

var ids = regexp.MustCompile(`(model|session|sampling)_[0-9a-f]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// shape is what must be equal: names, kinds of values, texts of complaints but for ids.
func shape(v any, name string) string {
	switch v := v.(type) {
	case fields:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key != "input" { // what pydantic gives back of the request
				parts = append(parts, key+": "+shape(v[key], key))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		if name == "detail" || name == "loc" {
			var parts []string
			for _, x := range v {
				parts = append(parts, shape(x, name))
			}
			return "[" + strings.Join(parts, ", ") + "]"
		}
		if len(v) == 0 {
			return "[]"
		}
		return "[" + shape(v[0], "") + "…]"
	case string:
		kind := ids.FindStringSubmatch(v)
		text := ids.ReplaceAllString(v, "ID")
		switch {
		case slices.Contains([]string{"detail", "loc", "msg", "type", "status", "expected", "url", "dtype", "loss_fn_output_type"}, name):
			return fmt.Sprintf("%q", text)
		case name == "path" && kind != nil:
			return text[:strings.LastIndex(text, "/")]
		case kind != nil:
			return "id of " + kind[1]
		}
		return "text"
	case nil:
		return "null"
	}
	return fmt.Sprintf("%T", v)
}

// compareProto compares messages by what they hold.
func compareProto(t *testing.T, e exchange, got []byte) {
	want, err := base64.StdEncoding.DecodeString(e.Proto)
	if err != nil {
		t.Fatal(err)
	}
	describe := func(b []byte) string {
		if strings.Contains(e.Name, "sampled") || strings.Contains(e.Name, "prompt") {
			var r tinker.SampleResponse
			if err := r.UnmarshalProto(b); err != nil {
				t.Fatal(err)
			}
			out := fmt.Sprint("prompt ", len(r.PromptLogProbs), r.PromptLogProbs == nil, " top ", r.TopK == nil)
			for _, s := range r.Sequences {
				out += fmt.Sprint(" ", s.StopReason, len(s.Tokens), len(s.LogProbs))
			}
			return out
		}
		var r tinker.ForwardBackwardOutput
		if err := r.UnmarshalProto(b); err != nil {
			t.Fatal(err)
		}
		out := fmt.Sprint(r.Type, r.Metrics)
		for _, o := range r.Outputs {
			out += " |"
			for _, n := range o {
				missing := 0
				for _, x := range n.Floats() {
					if math.IsNaN(float64(x)) {
						missing++
					}
				}
				out += fmt.Sprint(" ", n.Name, n.DType(), n.Len(), "NaN", missing)
			}
		}
		return out
	}
	if a, b := describe(got), describe(want); a != b {
		t.Errorf("%s\nthe real one: %s", a, b)
	}
}

// ones are n weights of 1.
func ones(n int) tinker.Named { return floats("weights", slices.Repeat([]float32{1}, n)...) }

// recordedBatch are datums of the lengths of the recorded ones.
func recordedBatch(lengths ...int) (out []tinker.Datum) {
	for i, n := range lengths {
		out = append(out, sequenceOf(tokens(i, n+1, 700), ones(n)))
	}
	return out
}

func asSkyRL(t *testing.T) map[string]reply {
	h := SkyRL()
	h.Capacity, h.MaxRank = 4, 8
	c := start(t, Options{Vocab: 700, Habits: h})
	out := map[string]reply{}
	out["create_session"] = c.post("create_session", fields{"tags": []string{}, "sdk_version": "0.25.0"})
	out["config"] = c.post("client/config", fields{"sdk_version": "0.25.0"})
	out["dynamic_config"] = c.post("client/dynamic_config", fields{"sdk_version": "0.25.0"})
	out["capabilities"] = c.get("/api/v1/get_server_capabilities")
	out["telemetry"] = c.post("telemetry", fields{})
	out["heartbeat"] = c.post("session_heartbeat", fields{"session_id": c.to})
	out["no_session"] = c.post("session_heartbeat", fields{"session_id": "nope"})
	create := func(rank int) reply {
		return c.post("create_model", fields{"session_id": c.to, "base_model": "toy", "lora_config": fields{"rank": rank, "seed": 1}})
	}
	out["create_model"] = create(8)
	out["created"] = c.result(out["create_model"])
	out["rank"] = c.result(create(0))
	m := c.field(out["created"], "model_id")
	out["info"] = c.post("get_info", fields{"model_id": m})

	r := c.request(m, "cross_entropy", nil, recordedBatch(7, 11, 7, 9)...)
	r.SeqID, c.seq[m] = 1, 0
	text, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	out["json_body"] = c.send(http.MethodPost, "/api/v1/forward_backward", jsonType, "", text)
	out["forward"] = c.send(http.MethodPost, "/api/v1/forward", jsonType, "", text)
	out["promise"] = c.submit(r)
	out["trained"] = c.result(out["promise"])
	r.Data = r.Data[:1]
	out["reused"] = c.submit(r)
	c.seq[m] = 1
	out["step_promise"] = c.post("optim_step", stepBody(m, c.next(m), adam))
	out["stepped"] = c.result(out["step_promise"])
	nobody := r
	nobody.ModelID = "model_nope"
	out["no_model"] = c.submit(nobody)
	out["no_future"] = c.poll("999999")
	rl := sequenceOf([]int32{1, 2, 3}, floats("advantages", 1, 1), floats("logprobs", -1, -1))
	out["dro"] = c.submit(c.request(m, "dro", map[string]float64{"beta": 0.1}, rl))
	config := map[string]float64{"clip_low_threshold": 0.8, "clip_high_threshold": 1.2, "kl_coef": 0.1}
	out["unknown_key"] = c.submit(c.request(m, "ppo", config, rl))
	out["gspo"] = c.result(c.submit(c.request(m, "gspo", nil, rl)))
	foo := sequenceOf([]int32{1, 2, 3}, ones(2), floats("foo", 1, 1))
	out["unknown_tensor"] = c.result(c.submit(c.request(m, "cross_entropy", nil, foo)))
	long := sequenceOf(tokens(1, 12, 700), ones(11))
	long.Input = long.Input[:7]
	out["long_targets"] = c.result(c.submit(c.request(m, "cross_entropy", nil, long)))
	short := sequenceOf([]int32{1, 2, 3}, ones(2))
	short.Input = []int32{1, 2, 3}
	forward := c.request(m, "cross_entropy", nil, short)
	forward.ForwardOnly = true
	out["forward_only_short"] = c.result(c.submit(forward))

	skyrlSamplers(c, m, out)
	skyrlCheckpoints(c, m, create, out)
	return out
}

func skyrlSamplers(c *client, m string, out map[string]reply) {
	out["ephemeral"] = c.result(c.post("save_weights_for_sampler", fields{"model_id": m, "seq_id": c.next(m), "sampling_session_seq_id": 0}))
	sampling := c.field(out["ephemeral"], "sampling_session_id")
	body := prompt(sampling, []int32{635, 10, 20, 30}, fields{"max_tokens": 8, "temperature": 1.0, "seed": 7})
	body["num_samples"] = 2
	out["sample_promise"] = c.post("asample", body)
	out["sampled"] = c.result(out["sample_promise"])
	out["stop_text"] = c.post("asample", prompt(sampling, []int32{635}, fields{"max_tokens": 8, "stop": "<|im_end|>"}))
	out["no_max_tokens"] = c.post("asample", prompt(sampling, []int32{635}, fields{"temperature": 1.0}))
	body = prompt(sampling, []int32{635, 10, 20, 30}, fields{"max_tokens": 1})
	body["prompt_logprobs"] = true
	out["prompt_logprobs"] = c.result(c.post("asample", body))
	out["base_sampler"] = c.post("create_sampling_session", fields{"session_id": c.to, "base_model": "toy"})
	out["sampler_promise"] = c.post("save_weights_for_sampler", fields{"model_id": m, "seq_id": c.next(m), "path": "w1"})
	out["sampler_saved"] = c.result(out["sampler_promise"])

}

func skyrlCheckpoints(c *client, m string, create func(int) reply, out map[string]reply) {
	out["save_promise"] = c.post("save_weights", fields{"model_id": m, "seq_id": c.next(m), "path": "k1"})
	out["saved"] = c.result(out["save_promise"])
	path := c.field(out["saved"], "path")
	out["weights_info"] = c.post("weights_info", fields{"tinker_path": path})
	other := c.create(8, 99)
	load := fields{"model_id": other, "seq_id": 1, "path": path, "optimizer": true}
	out["load_promise"] = c.post("load_weights", load)
	out["loaded"] = c.result(out["load_promise"])
	load["seq_id"] = 15
	out["load_late"] = c.post("load_weights", load)

	out["nan_weights"] = c.result(c.submit(c.request(other, "cross_entropy", nil,
		sequenceOf(tokens(1, 8, 700), floats("weights", slices.Repeat([]float32{float32(math.NaN())}, 7)...)))))
	out["vocabulary"] = c.result(c.submit(c.request(other, "cross_entropy", nil, sequenceOf([]int32{1, 2, 99999, 3}, ones(3)))))
	c.create(8, 2)
	out["capacity"] = c.result(create(8))
	out["unload_promise"] = c.post("unload_model", fields{"model_id": other, "seq_id": 16})
	out["unloaded"] = c.result(out["unload_promise"])
	out["not_loaded"] = c.result(c.submit(c.request(other, "cross_entropy", nil, recordedBatch(7)...)))
}

func asTuFT(t *testing.T) map[string]reply {
	c := start(t, Options{Vocab: 700, Habits: TuFT()})
	out := map[string]reply{}
	out["create_session"] = c.post("create_session", fields{})
	out["create_model"] = c.post("create_model", fields{"session_id": c.to, "base_model": "toy", "lora_config": fields{"rank": 8, "seed": 1}})
	out["created"] = c.result(out["create_model"])
	m := c.field(out["created"], "model_id")
	out["promise"] = c.submit(c.request(m, "cross_entropy", nil, recordedBatch(7, 11, 7, 9)...))
	out["trained"] = c.result(out["promise"])
	out["step_promise"] = c.post("optim_step", stepBody(m, c.next(m), adam))
	out["stepped"] = c.result(out["step_promise"])
	out["sampler_promise"] = c.post("save_weights_for_sampler", fields{"model_id": m, "seq_id": c.next(m), "path": "w1"})
	out["sampler_saved"] = c.result(out["sampler_promise"])
	out["unload_seq"] = c.post("unload_model", fields{"model_id": m, "seq_id": 47})
	return out
}
