package endpoint

import "testing"

// TestOver: what servers say of lengths, and what only sounds like it.
func TestOver(t *testing.T) {
	for text, want := range map[string]over{
		"This model's maximum context length is 8192 tokens. However, your messages resulted in 8,227 tokens (8126 in the messages, 101 in the functions).": {true, true, 0, 8192},
		"This model's maximum context length is 131,072 tokens. However, you requested 131134 tokens (122942 in the messages, 8192 in the completion).":     {true, true, 8130, 131072},
		"This endpoint's maximum context length is 32768 tokens. However, you requested about 40960 tokens (8192 of text input, 32768 in the output).":      {true, true, 24576, 32768},
		"This model's maximum context length is 2048 tokens, however you requested 2600 tokens (2000 in your prompt; 600 for the completion).":              {true, true, 48, 2048},
		"This model's maximum context length is 100 tokens. However, you requested 612 tokens in total.":                                                    {true, true, 0, 100},
		"This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens.":                                                  {true, true, 0, 4096},
		"You requested 512 output tokens and This model's maximum context length is 4096 tokens and your prompt contains at least 3585 input tokens":        {true, false, 0, 4096},
		"Input length (4000 tokens) exceeds the maximum allowed length (3990 tokens). Use a shorter input or enable --allow-auto-truncate.":                 {true, true, 0, 3990},
		"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again":                  {true, true, 10000, 200000},
		"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length":                                            {true, true, 0, 32768},
		"This model's maximum prompt length is 131072 but the request contains 537812 tokens.":                                                              {true, true, 0, 131072},
		"The prompt is too long: 5000, model maximum context length: 4096":                                                                                  {true, true, 0, 4096},
		"context_length_exceeded": {full: true}, "exceed_context_size_error": {full: true}, "Context size has been exceeded.": {full: true},
		"the input length exceeds the context length": {full: true}, "max_tokens must be at least 1, got -23": {full: true}, "Input is too long for requested model.": {full: true},
		"Reached context length of 4096 tokens, but this model does not currently support mid-generation context overflow":                              {full: true, counted: true},
		"`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model":        {counted: true, room: 8192},
		"Invalid max_tokens value, the valid range of max_tokens is [1, 8192]":                                                                          {counted: true, room: 8192},
		"max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for m":                                                        {counted: true, room: 64000},
		"This model's maximum context length is 99999999999999999999 tokens. However, you requested 5 tokens (5 in the messages, 5 in the completion).": {full: true},
		"Range of max_tokens should be [1, 8192]":                                  {counted: true, room: 8192},
		"Range of input length should be [1, 30720]":                               {full: true},
		"too many tokens: total number of tokens in the prompt cannot exceed 4081": {full: true},
		"Your request exceeded model token limit: 8192":                            {full: true},
		"Prompt exceeds max length":                                                {full: true},
		"The sum of prompt length (5000.0), query length (0) and max_tokens (512) should not exceed max_num_tokens (4096)": {full: true},
		// What is not a full context.
		"no context is given": {}, "Rate limit reached on tokens per minute (TPM): Limit 6000, Requested 8000": {},
		"the request's body is too large": {}, "the image is too large": {}, "unknown parameter context_window": {}, "": {}, "invalid context": {},
		"not enough memory for a context length of 131072":                             {},
		"failed to load the model: out of memory, the context size 32768 is too large": {},
	} {
		if got := overOf(text, 512); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	long := "invalid message: " + string(make([]byte, maxSaid)) + "maximum context length is 10 tokens"
	if got := overOf(long, 1); got != (over{}) {
		t.Errorf("what the conversation says counts: %+v", got)
	}
}
