package servedtest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// completions speaks as vLLM.
func (s *Server) completions(w http.ResponseWriter, r *http.Request) {
	defer s.enter()()
	var in struct {
		Model       string          `json:"model"`
		Prompt      json.RawMessage `json:"prompt"`
		Max         *int            `json:"max_tokens"`
		Temperature *float64        `json:"temperature"`
		TopP        *float64        `json:"top_p"`
		TopK        *int            `json:"top_k"`
		MinP        *float64        `json:"min_p"`
		Repetition  *float64        `json:"repetition_penalty"`
		Presence    *float64        `json:"presence_penalty"`
		Frequency   *float64        `json:"frequency_penalty"`
		Seed        *uint64         `json:"seed"`
		Stop        []int32         `json:"stop_token_ids"`
		IgnoreEnd   bool            `json:"ignore_eos"`
		LogProbs    *int            `json:"logprobs"`
		Watch       []int32         `json:"logprob_token_ids"`
		IDs         bool            `json:"return_token_ids"`
		AsIDs       bool            `json:"return_tokens_as_token_ids"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		complain(w, 400, err.Error())
		return
	}
	var prompt []int32
	if err := json.Unmarshal(in.Prompt, &prompt); err != nil || s.o.TextOnly {
		complain(w, 500, fmt.Sprintf("7 validation errors:\n  {'type': 'string_type', 'loc': ('body', 'prompt', 'str'), 'msg': "+
			"'Input should be a valid string', 'input': %s}", in.Prompt))
		return
	}
	if in.Max == nil || in.Temperature == nil || in.TopP == nil || in.TopK == nil || in.MinP == nil || in.Repetition == nil ||
		in.Presence == nil || in.Frequency == nil || in.Seed == nil || in.LogProbs == nil || !in.AsIDs {
		complain(w, 400, "a setting is left to the generation config")
		return
	}
	path, ok := s.weights(in.Model)
	if !ok {
		complain(w, 404, fmt.Sprintf("The model `%s` does not exist.", in.Model))
		return
	}
	if s.o.NoWatch {
		in.Watch = nil
	}
	o := &order{weights: path, prompt: prompt, most: *in.Max, topK: *in.TopK, temperature: *in.Temperature, topP: *in.TopP, seed: *in.Seed,
		stop: in.Stop, watch: in.Watch, ignoreEnd: in.IgnoreEnd}
	if status, text := s.check(o); text != "" {
		complain(w, status, text)
		return
	}
	d := s.draw(o)
	top, names := make([]map[string]float64, len(d.tokens)), make([]string, len(d.tokens))
	for i, t := range d.tokens {
		names[i] = key(t)
		top[i] = map[string]float64{key(t): d.logProb[i]}
		for k, id := range o.watch {
			top[i][key(id)] = d.watch[i][k]
		}
	}
	choice := map[string]any{"index": 0, "text": "", "finish_reason": "length", "stop_reason": nil, "token_ids": d.tokens,
		"prompt_token_ids": prompt, "logprobs": map[string]any{"token_logprobs": d.logProb, "tokens": names, "top_logprobs": top}}
	if d.tokens == nil {
		choice["token_ids"] = []int32{}
	}
	if d.stop >= 0 {
		choice["finish_reason"], choice["stop_reason"] = "stop", d.stop
	}
	if s.o.NoIDs || !in.IDs {
		choice["token_ids"], choice["prompt_token_ids"] = nil, nil
	}
	reply(w, 200, map[string]any{"id": "cmpl-0", "object": "text_completion", "model": in.Model, "choices": []any{choice}})
}

// generate speaks as SGLang.
func (s *Server) generate(w http.ResponseWriter, r *http.Request) {
	defer s.enter()()
	var in struct {
		Prompt   []int32 `json:"input_ids"`
		Sampling struct {
			Max         int     `json:"max_new_tokens"`
			Temperature float64 `json:"temperature"`
			TopP        float64 `json:"top_p"`
			TopK        int     `json:"top_k"`
			Seed        uint64  `json:"sampling_seed"`
			Stop        []int32 `json:"stop_token_ids"`
			IgnoreEnd   bool    `json:"ignore_eos"`
		} `json:"sampling_params"`
		Watch   []int32 `json:"token_ids_logprob"`
		Adapter string  `json:"lora_path"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		complain(w, 400, err.Error())
		return
	}
	path, ok := s.weights(in.Adapter)
	if !ok {
		complain(w, 400, fmt.Sprintf("Got LoRA adapter that has never been loaded: %s", in.Adapter))
		return
	}
	p := in.Sampling
	o := &order{weights: path, prompt: in.Prompt, most: p.Max, topK: p.TopK, temperature: p.Temperature, topP: p.TopP, seed: p.Seed,
		stop: p.Stop, watch: in.Watch, ignoreEnd: p.IgnoreEnd}
	if status, text := s.check(o); text != "" {
		complain(w, status, text)
		return
	}
	d := s.draw(o)
	finish := map[string]any{"type": "length", "length": len(d.tokens)}
	if d.stop >= 0 {
		finish = map[string]any{"type": "stop", "matched": d.stop}
	}
	var tokens, watch []any
	for i, t := range d.tokens {
		tokens = append(tokens, []any{d.logProb[i], t, nil})
		var row []any
		for k, id := range o.watch {
			row = append(row, []any{d.watch[i][k], id, nil})
		}
		watch = append(watch, row)
	}
	meta := map[string]any{"finish_reason": finish, "prompt_tokens": len(in.Prompt), "completion_tokens": len(d.tokens),
		"output_token_logprobs": tokens}
	if len(in.Watch) > 0 && !s.o.NoWatch {
		meta["output_token_ids_logprobs"] = watch
	}
	reply(w, 200, map[string]any{"text": "", "output_ids": d.tokens, "meta_info": meta})
}
