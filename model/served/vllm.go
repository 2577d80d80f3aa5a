package served

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"ballast"
	"ballast/endpoint"
)

// vllmKind is vLLM's OpenAI-compatible server, 0.10.2 or later; the exchanges of its tests were
// recorded with 0.32.
var vllmKind = Kind{
	Name: "vllm",
	Doc:  "vLLM over /v1/completions; adapters want --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",
	open: func(s *Spec, c *endpoint.Client) Backend { return &vllm{wire{c, s.Model}} },
}

type vllm struct{ wire }

// vllmRequest is a request to /v1/completions. Every setting of sampling is sent: one that is
// not is taken from the model's generation_config.json, which may hold penalties and a top_k.
type vllmRequest struct {
	Model       string  `json:"model,omitempty"`
	Prompt      ids     `json:"prompt"`
	Max         int     `json:"max_tokens"`
	N           int     `json:"n"`
	Temperature float64 `json:"temperature"`
	TopP        float64 `json:"top_p"`
	TopK        int     `json:"top_k"` // -1 = off
	MinP        float64 `json:"min_p"`
	Repetition  float64 `json:"repetition_penalty"`
	Presence    float64 `json:"presence_penalty"`
	Frequency   float64 `json:"frequency_penalty"`
	Seed        uint64  `json:"seed"` // of 63 bits
	Stop        ids     `json:"stop_token_ids"`
	IgnoreEnd   bool    `json:"ignore_eos"` // only Stop ends a reply
	LogProbs    int     `json:"logprobs"`   // 0 = of the sampled token alone
	LogProbIDs  ids     `json:"logprob_token_ids,omitempty"`
	IDs         bool    `json:"return_token_ids"`
	IDsAsTokens bool    `json:"return_tokens_as_token_ids"`
	Special     bool    `json:"skip_special_tokens"`
}

// off is a top_p or top_k as these servers write that there is none.
func off(how ballast.Sampling) (topP float64, topK int) {
	if topP, topK = how.TopP, how.TopK; topP <= 0 || topP > 1 {
		topP = 1
	}
	if topK <= 0 {
		topK = -1
	}
	return topP, topK
}

// Sample asks for a completion of token ids.
func (v *vllm) Sample(ctx context.Context, c *Call) (*Answer, error) {
	r := vllmRequest{Model: v.model, Prompt: c.Prompt, N: 1, Temperature: c.Sampling.Temperature, Repetition: 1, Seed: c.Seed, Stop: c.Stop,
		IgnoreEnd: true, LogProbIDs: c.Watch, IDs: true, IDsAsTokens: true}
	r.TopP, r.TopK = off(c.Sampling)
	if c.Weights.Name != "" {
		r.Model = c.Weights.Name
	}
	return v.sample(ctx, "/v1/completions", c, func(most int) any {
		r.Max = most
		return &r
	}, func(text []byte, most int) (*Answer, error) { return v.read(text, c, most) })
}

// read reads a completion of at most so many tokens. One that ends before them without a stop
// token has reached the end of the context.
func (v *vllm) read(text []byte, c *Call, most int) (*Answer, error) {
	var body struct {
		Model   string `json:"model"`
		Choices []struct {
			Tokens   ids             `json:"token_ids"`
			Prompt   ids             `json:"prompt_token_ids"`
			Finish   string          `json:"finish_reason"`
			Stop     json.RawMessage `json:"stop_reason"`
			LogProbs *struct {
				Tokens numbers         `json:"token_logprobs"`
				Top    json.RawMessage `json:"top_logprobs"` // of each token: by "token_id:ID"
			} `json:"logprobs"`
		} `json:"choices"`
	}
	if err := v.parse(text, &body); err != nil {
		return nil, err
	}
	if n := len(body.Choices); n != 1 {
		return nil, v.Wrong("answers with %d choices where 1 was asked for", n)
	}
	x := &body.Choices[0]
	switch name := c.Weights.Name; {
	case name != "" && body.Model != name:
		return nil, v.Wrong("answers as model %s and was asked for %s", body.Model, name)
	case x.Tokens == nil:
		return nil, v.Wrong("gives no token ids, which are sampled from and trained on; return_token_ids needs vLLM 0.10.2 or later")
	case x.Prompt != nil && !slices.Equal(x.Prompt, c.Prompt):
		return nil, v.Wrong("continued a prompt of %d tokens that is not the one of %d tokens that it was sent", len(x.Prompt), len(c.Prompt))
	case x.LogProbs == nil:
		return nil, v.Wrong("gives no log-probabilities")
	case x.Finish != "stop" && x.Finish != "length":
		return nil, v.Wrong("ended a reply of %d tokens by %q", len(x.Tokens), x.Finish)
	}
	a := &Answer{Tokens: x.Tokens, Full: x.Finish == "length" && len(x.Tokens) < most}
	for _, n := range x.LogProbs.Tokens {
		a.LogProb = append(a.LogProb, n.logProb())
	}
	if err := v.ended(a, c, x.Finish, x.Stop); err != nil {
		return nil, err
	}
	if len(c.Watch) > 0 {
		var tops []map[string]number
		if err := v.parse(x.LogProbs.Top, &tops); err != nil {
			return nil, err
		}
		for _, top := range tops {
			a.Watch = append(a.Watch, byID(c.Watch, func(id int32) (number, bool) {
				n, ok := top["token_id:"+strconv.Itoa(int(id))]
				return n, ok
			}))
		}
	}
	return a, nil
}

// ended checks how the reply ended, in servers that say it as vLLM does: at a stop token that is
// part of the reply, or at the most tokens.
func (w *wire) ended(a *Answer, c *Call, finish string, by json.RawMessage) error {
	if finish == "length" {
		return nil
	}
	n := len(a.Tokens)
	id, err := strconv.ParseInt(strings.Trim(string(by), `"`), 10, 32)
	switch known := err == nil; {
	case known && !slices.Contains(c.Stop, int32(id)):
		return w.Wrong("ended a reply at token %d, which is no stop token here; its own generation config adds it: start it with "+
			"--generation-config vllm", id)
	case known && (n == 0 || a.Tokens[n-1] != int32(id)):
		return w.Wrong("left the stop token %d off a reply", id)
	case n > 0 && !slices.Contains(c.Stop, a.Tokens[n-1]):
		return w.Wrong("ended a reply at token %d, which is no stop token here", a.Tokens[n-1])
	}
	return nil
}

// adapter is the body of a request about an adapter.
type adapter struct {
	Name string `json:"lora_name"`
	Path string `json:"lora_path,omitempty"`
}

// Load loads an adapter. One of that name that is there already goes first: nobody knows what
// it is.
func (v *vllm) Load(ctx context.Context, w Weights) error {
	load := func() error {
		_, err := v.Exchange(ctx, never, endpoint.Exchange{Path: "/v1/load_lora_adapter", Body: adapter{w.Name, w.Path}})
		return err
	}
	err := load()
	var e *endpoint.Error
	if errors.As(err, &e) && e.Kind == endpoint.Rejected && strings.Contains(e.Text, "already") {
		if err := v.Drop(ctx, w); err != nil {
			return err
		}
		err = load()
	}
	if errors.As(err, &e) && e.Status == 404 && strings.Contains(e.Text, "Not Found") { // of the path, not of the adapter
		e.Text += "; adapters are loaded by vLLM that was started with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
	}
	return err
}

// Drop unloads an adapter.
func (v *vllm) Drop(ctx context.Context, w Weights) error {
	_, err := v.Exchange(ctx, never, endpoint.Exchange{Path: "/v1/unload_lora_adapter", Body: adapter{Name: w.Name}})
	return err
}
