package served

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"ballast/endpoint"
)

// sglangKind is SGLang's own interface. It was written from SGLang's sources and documentation
// (0.5), and no exchange with a server was recorded.
var sglangKind = Kind{
	Name: "sglang",
	Doc: "SGLang over /generate (read, not run); a temperature other than 1 wants SGLANG_RETURN_ORIGINAL_LOGPROB=True, " +
		"seeds --enable-deterministic-inference, adapters --enable-lora",
	open: func(s *Spec, c *endpoint.Client) Backend { return &sglang{wire{c, s.Model}} },
}

type sglang struct{ wire }

// sglangRequest is a request to /generate.
type sglangRequest struct {
	Prompt   ids `json:"input_ids"`
	Sampling struct {
		Max         int     `json:"max_new_tokens"`
		Temperature float64 `json:"temperature"`
		TopP        float64 `json:"top_p"`
		TopK        int     `json:"top_k"` // -1 = off
		MinP        float64 `json:"min_p"`
		Repetition  float64 `json:"repetition_penalty"`
		Presence    float64 `json:"presence_penalty"`
		Frequency   float64 `json:"frequency_penalty"`
		Seed        uint64  `json:"sampling_seed"` // of 31 bits
		Stop        ids     `json:"stop_token_ids"`
		IgnoreEnd   bool    `json:"ignore_eos"`
		Special     bool    `json:"skip_special_tokens"`
		NoTrim      bool    `json:"no_stop_trim"`
	} `json:"sampling_params"`
	LogProbs   bool   `json:"return_logprob"`
	Start      int    `json:"logprob_start_len"` // -1 = none of the prompt
	LogProbIDs ids    `json:"token_ids_logprob,omitempty"`
	Adapter    string `json:"lora_path,omitempty"` // by its name
}

// Sample asks for one generation from token ids.
func (s *sglang) Sample(ctx context.Context, c *Call) (*Answer, error) {
	r := sglangRequest{Prompt: c.Prompt, LogProbs: true, Start: -1, LogProbIDs: c.Watch, Adapter: c.Weights.Name}
	p := &r.Sampling
	p.Temperature, p.Repetition, p.Seed, p.Stop, p.IgnoreEnd, p.NoTrim = c.Sampling.Temperature, 1, c.Seed>>32, c.Stop, true, true
	p.TopP, p.TopK = off(c.Sampling)
	a, err := s.sample(ctx, "/generate", c, func(most int) any {
		p.Max = most
		return &r
	}, func(text []byte, most int) (*Answer, error) { return s.read(text, c, most) })
	var e *endpoint.Error
	if errors.As(err, &e) && e.Kind == endpoint.Rejected && r.Adapter != "" && strings.Contains(strings.ToLower(e.Text), "lora") {
		e.Kind = endpoint.Access // a server that was started anew does not have it
	}
	return a, err
}

// scored is a token with its log-probability: [number, id, text or null].
type scored struct {
	number
	id int32
}

// UnmarshalJSON takes the first two of the three.
func (x *scored) UnmarshalJSON(text []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	if len(parts) < 2 {
		return errors.New("a token has no log-probability")
	}
	id, err := strconv.ParseInt(string(parts[1]), 10, 32)
	if err != nil {
		return errors.New("a token's id is no number")
	}
	x.id = int32(id)
	return x.number.UnmarshalJSON(parts[0])
}

// read reads a generation, likewise.
func (s *sglang) read(text []byte, c *Call, most int) (*Answer, error) {
	var body struct {
		Meta struct {
			Finish *struct {
				Type    string          `json:"type"`
				Matched json.RawMessage `json:"matched"` // the stop token
				Message string          `json:"message"` // of "abort"
			} `json:"finish_reason"`
			Prompt *int       `json:"prompt_tokens"`
			Count  *int       `json:"completion_tokens"`
			Tokens []scored   `json:"output_token_logprobs"`
			Watch  [][]scored `json:"output_token_ids_logprobs"`
		} `json:"meta_info"`
	}
	if err := s.parse(text, &body); err != nil {
		return nil, err
	}
	m := &body.Meta
	switch {
	case m.Finish == nil:
		return nil, s.Wrong("does not say why a reply ended; is it SGLang, and finished?")
	case m.Finish.Type != "stop" && m.Finish.Type != "length":
		return nil, s.Wrong("ended a reply by %q: %s", m.Finish.Type, m.Finish.Message)
	case m.Prompt != nil && *m.Prompt != len(c.Prompt):
		return nil, s.Wrong("continued a prompt of %d tokens and was sent %d", *m.Prompt, len(c.Prompt))
	case m.Count != nil && *m.Count != len(m.Tokens):
		return nil, s.Wrong("sampled %d tokens and gives the log-probabilities of %d", *m.Count, len(m.Tokens))
	}
	a := &Answer{Full: m.Finish.Type == "length" && len(m.Tokens) < most}
	for _, x := range m.Tokens {
		a.Tokens, a.LogProb = append(a.Tokens, x.id), append(a.LogProb, x.logProb())
	}
	if err := s.ended(a, c, m.Finish.Type, m.Finish.Matched); err != nil {
		return nil, err
	}
	if len(c.Watch) > 0 && len(m.Watch) == len(a.Tokens) {
		for _, row := range m.Watch {
			a.Watch = append(a.Watch, byID(c.Watch, func(id int32) (number, bool) {
				for _, x := range row {
					if x.id == id {
						return x.number, true
					}
				}
				return number{}, false
			}))
		}
	}
	return a, nil
}

// done is what SGLang says of a request about an adapter.
type done struct {
	Success *bool  `json:"success"`
	Error   string `json:"error_message"`
}

func (s *sglang) administer(ctx context.Context, path string, body adapter) error {
	text, err := s.Exchange(ctx, never, endpoint.Exchange{Path: path, Body: body})
	if err != nil {
		return err
	}
	var d done
	if err := s.parse(text, &d); err != nil {
		return err
	}
	if d.Success == nil || !*d.Success {
		return s.Wrong("did not do %s: %s", path, d.Error)
	}
	return nil
}

// Load loads an adapter, after unloading one of that name.
func (s *sglang) Load(ctx context.Context, w Weights) error {
	err := s.administer(ctx, "/load_lora_adapter", adapter{w.Name, w.Path})
	if err != nil && ctx.Err() == nil && s.Drop(ctx, w) == nil { // it was there
		err = s.administer(ctx, "/load_lora_adapter", adapter{w.Name, w.Path})
	}
	return err
}

// Drop unloads an adapter.
func (s *sglang) Drop(ctx context.Context, w Weights) error {
	return s.administer(ctx, "/unload_lora_adapter", adapter{Name: w.Name})
}
