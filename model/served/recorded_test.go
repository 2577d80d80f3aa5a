package served

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/endpoint"
)

// recorded is an exchange with a real server.
type recorded struct {
	Path    string         `json:"path"`
	Request map[string]any `json:"request"`
	Status  int            `json:"status"`
	Body    string         `json:"body"`
}

// replay reads an exchange, and serves its answer; asked has what was sent last.
func replay(t testing.TB, name string) (rec recorded, b Backend, asked *map[string]any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &rec); err != nil {
		t.Fatal(err)
	}
	asked = &map[string]any{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, asked); err != nil || r.URL.Path != rec.Path {
			http.Error(w, "not the recorded path", 404)
			return
		}
		w.WriteHeader(rec.Status)
		_, _ = io.WriteString(w, rec.Body)
	}))
	t.Cleanup(s.Close)
	return rec, dial(t, "vllm", s.URL), asked
}

func dial(t testing.TB, kind, url string) Backend {
	t.Helper()
	b, err := Dial(Spec{Kind: kind, Options: endpoint.Options{URL: url}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// call is what asks for what a recorded request asked for.
func (rec *recorded) call() *Call {
	var c Call
	for _, x := range rec.Request["prompt"].([]any) {
		c.Prompt = append(c.Prompt, int32(x.(float64)))
	}
	number := func(key string) float64 { x, _ := rec.Request[key].(float64); return x }
	c.Max, c.Seed = int(number("max_tokens")), uint64(number("seed"))
	c.Sampling = ballast.Sampling{Temperature: number("temperature"), TopP: number("top_p"), TopK: int(number("top_k"))}
	for _, x := range asList(rec.Request["stop_token_ids"]) {
		c.Stop = append(c.Stop, int32(x.(float64)))
	}
	if name := rec.Request["model"].(string); name != "tiny" {
		c.Weights.Name = name
	}
	return &c
}

func asList(x any) []any { list, _ := x.([]any); return list }

// TestRecordedReplies: what vLLM answered is read, and what it was asked is what is sent.
func TestRecordedReplies(t *testing.T) {
	for name, want := range map[string]struct {
		tokens []int32
		first  float64
	}{
		"vllm-017-v1_completions": {[]int32{374, 31, 350, 59}, -6.68617582321167},
		"vllm-020-v1_completions": {[]int32{584, 31, 350, 59}, -4.568482398986816}, // temperature 0.5, top_p 0.9
		"vllm-025-v1_completions": {[]int32{584, 408, 236, 370, 77, 126, 472, 268}, -4.568482398986816},
		"vllm-030-v1_completions": {[]int32{343, 360, 587, 491, 306, 99, 9, 225, 527, 559, 67, 228, 576, 332, 563, 517}, -7.168050765991211},
	} {
		rec, b, asked := replay(t, name)
		c := rec.call()
		a, err := b.Sample(context.Background(), c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(a.Tokens, want.tokens) || math.Abs(float64(a.LogProb[0])-want.first) > 1e-6 || a.Full || a.Watch != nil {
			t.Errorf("%s: %+v", name, a)
		}
		if err := fits(b, a, c, 640); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for key, value := range rec.Request {
			if sent := (*asked)[key]; key != "logprobs" && key != "prompt_logprobs" && key != "ignore_eos" && key != "model" && !reflect.DeepEqual(sent, value) {
				t.Errorf("%s: %s is sent as %v, recorded %v", name, key, sent, value)
			}
		}
	}
}

// TestRecordedRefusals: answers that cannot be trained on are errors that say what is missing.
func TestRecordedRefusals(t *testing.T) {
	for name, want := range map[string]string{
		"vllm-001-v1_completions":  "EngineCore encountered an issue",
		"vllm-015-v1_completions":  "gives no token ids",
		"vllm-016-v1_completions":  "gives no token ids",
		"vllm-021-v1_completions":  "answers with 2 choices",
		"llama-003-v1_completions": "valid string",
	} {
		rec, b, _ := replay(t, name)
		_, err := b.Sample(context.Background(), rec.call0())
		var e *endpoint.Error
		if !errors.As(err, &e) || !strings.Contains(e.Text, want) || !e.Again() {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	rec, b, _ := replay(t, "vllm-026-inference_v1_generate")
	_, err := b.(*vllm).Exchange(context.Background(), never, endpoint.Exchange{Path: rec.Path, Body: rec.Request})
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Error(err)
	}
}

// call0 is a call where the request may be of another form.
func (rec *recorded) call0() *Call { return &Call{Prompt: []int32{635, 10, 20, 30, 40, 50}, Max: 4} }

// TestRecordedAdapters: adapters are loaded and unloaded as they were.
func TestRecordedAdapters(t *testing.T) {
	w := Weights{Name: "v1795903638", Path: "run/lora/v1795903638"}
	for name, do := range map[string]func(Backend) error{
		"vllm-029-v1_load_lora_adapter":   func(b Backend) error { return b.Load(context.Background(), w) },
		"vllm-033-v1_unload_lora_adapter": func(b Backend) error { return b.Drop(context.Background(), w) },
	} {
		rec, b, asked := replay(t, name)
		if err := do(b); err != nil || !reflect.DeepEqual(*asked, rec.Request) {
			t.Errorf("%s: %v; sent %v", name, err, *asked)
		}
	}
	// The adapter's name must come back with a reply: another one is other weights.
	rec, b, _ := replay(t, "vllm-030-v1_completions")
	c := rec.call()
	c.Weights.Name = "v2"
	if _, err := b.Sample(context.Background(), c); err == nil || !strings.Contains(err.Error(), "answers as model v1795903638") {
		t.Error(err)
	}
}

// TestReplayedPrompt: a server that continued another prompt is found out.
func TestReplayedPrompt(t *testing.T) {
	rec, b, _ := replay(t, "vllm-020-v1_completions")
	c := rec.call()
	c.Prompt[0]++
	if _, err := b.Sample(context.Background(), c); err == nil || !strings.Contains(err.Error(), "that is not the one") {
		t.Error(err)
	}
}
