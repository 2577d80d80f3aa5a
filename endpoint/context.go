package endpoint

import (
	"regexp"
	"strconv"
	"strings"
)

// overs are the sentences in which servers say by how many tokens a request is over
// what they have room for. Groups: limit = tokens of the context, in = tokens of the
// input, sum = of the input and what was asked for, most = of a reply alone. They are
// matched against lower-case text without commas in numbers; the first that matches
// counts. The issues named are where the wording was seen.
var overs = compile(
	// OpenAI, DeepSeek (evalstate/fast-agent#621), vLLM (vllm-project/vllm#20409), OpenRouter.
	`maximum context length is (?P<limit>\d+) tokens?\b.*?requested (?:about )?\d+ tokens \((?:about )?(?P<in>\d+)`,
	// vLLM since 0.12; it counts the input no further than up to what was asked for, so
	// that "at least" says nothing of how much is left.
	`maximum context length is (?P<limit>\d+) tokens.*?prompt contains at least \d+ input tokens`,
	`maximum context length is (?P<limit>\d+) tokens.*?prompt contains (?P<in>\d+) input tokens`,
	// OpenAI (bytedance/deer-flow#310) and vLLM (stepfun-ai/Step-Audio-R1#3).
	`maximum context length is (?P<limit>\d+) tokens.*?(?:resulted in|has|have|contains) (?P<in>\d+) (?:input )?tokens`,
	`maximum context length is (?P<limit>\d+) tokens.*?requested (?:about )?(?P<sum>\d+) tokens`,
	// SGLang, managers/tokenizer_manager.py.
	`maximum context length of (?P<limit>\d+) tokens.*?(?P<in>\d+) tokens from the input`,
	`input \((?P<in>\d+) tokens\) is longer than the model's context length \((?P<limit>\d+)`,
	`input length \((?P<in>\d+) tokens\) exceeds the maximum allowed length \((?P<limit>\d+)`,
	// vLLM, when the prompt alone is too long.
	`prompt \((?:total )?length (?P<in>\d+)\) is (?:longer than|too long).*?maximum model length of (?P<limit>\d+)`,
	// TGI, router/src/validation.rs.
	"`inputs` tokens \\+ `max_new_tokens` must be <= (?P<limit>\\d+)\\. given: (?P<in>\\d+)",
	"`inputs` must have less than (?P<limit>\\d+) tokens\\. given: (?P<in>\\d+)",
	// llama.cpp (ggml-org/llama.cpp#15780): in the message, or in fields, which complaint appends.
	`request \((?P<in>\d+) tokens\) exceeds the available context size \((?P<limit>\d+)`,
	`n_prompt_tokens (?P<in>\d+), n_ctx (?P<limit>\d+)`,
	// llama-cpp-python (fedora-copr/logdetective-website#193).
	`requested tokens \((?P<in>\d+)\) exceed context window of (?P<limit>\d+)`,
	// LM Studio (lmstudio-ai/lmstudio-bug-tracker#546, #2256).
	`keep the first (?P<in>\d+) tokens when.*context length of only (?P<limit>\d+)`,
	`n_keep: ?(?P<in>\d+) ?>=? ?n_ctx: ?(?P<limit>\d+)`,
	// Anthropic, Gemini, Mistral, xAI and Fireworks behind their compatible addresses.
	`exceed context limit: (?P<in>\d+) \+ \d+ > (?P<limit>\d+)`,
	`prompt is too long: (?P<in>\d+) tokens > (?P<limit>\d+)`,
	`input token count \(?(?P<in>\d+)\)? exceeds the maximum number of tokens allowed \(?(?P<limit>\d+)`,
	`prompt contains (?P<in>\d+) tokens.*too large for model with (?P<limit>\d+) maximum context`,
	`maximum prompt length is (?P<limit>\d+) but the request contains (?P<in>\d+)`,
	`prompt is too long: (?P<in>\d+), model maximum context length: (?P<limit>\d+)`,
	// What one reply may have, whatever the context: OpenAI, Groq, DeepSeek, DashScope, Anthropic.
	`supports at most (?P<most>\d+) (?:completion|output) tokens`,
	"max_(?:completion_)?tokens`? must be less than or equal to `?(?P<most>\\d+)",
	`range of max_(?:completion_)?tokens (?:is|should be) \[\d+, ?(?P<most>\d+)\]`,
	`max_tokens: \d+ > (?P<most>\d+), which is the maximum`,
)

func compile(patterns ...string) (out []*regexp.Regexp) {
	for _, p := range patterns {
		out = append(out, regexp.MustCompile("(?s)"+p))
	}
	return out
}

// fulls say that a context is full, with or without numbers: two of a kind of word
// must meet, since a server may say "context" of much else.
var fulls = compile(
	`context_length_exceeded|exceed_context_size|model_context_window_exceeded|string_above_max_length`,
	`maximum context length|max_model_len\b.*(?:longer|exceed)|(?:longer|exceed).*max_model_len\b|maximum model length`,
	`(?:exceed|longer|larger|greater|too long|too large|overflow|not enough|reached|beyond|full).{0,150}context (?:length|size|window|limit)`,
	`context (?:length|size|window|limit).{0,150}(?:exceed|longer|larger|greater|too long|too large|overflow|not enough|reached|beyond|full)`,
	`(?:input|prompt) is too long|prompt too long|input length exceeds`,
	// Cohere, Moonshot, DashScope, Zhipu, Volcengine and TensorRT-LLM.
	`tokens in the prompt cannot exceed|exceeded model token limit|range of input length should be|prompt exceeds max length`,
	`exceed max message tokens|prompt length.{0,150}should not exceed max_`,
	// vLLM, when the prompt leaves nothing of the context.
	`max_(?:completion_)?tokens must be at least 1, got (?:0|-\d+)`,
)

var commas = regexp.MustCompile(`(\d),(\d{3})\b`)

// over is what an error says of lengths.
type over struct {
	full    bool // the conversation and the reply asked for do not fit the context
	counted bool // it says by how much
	room    int  // tokens that a reply may have; 0 = none, or it is not said
	limit   int  // tokens of the context; 0 = it is not said
}

// maxSaid is how much of a message is read for its numbers: what follows may be the
// conversation, which some servers give back.
const maxSaid = 2 << 10

// overOf reads an error's code and message. Asked is how many tokens the request
// wanted; 0 = it did not say.
func overOf(text string, asked int) (o over) {
	text = strings.ToLower(cut(text, maxSaid))
	for range 3 { // 1,234,567,890
		text = commas.ReplaceAllString(text, "$1$2")
	}
	for _, re := range fulls { // a machine without memory for its context is no full context
		o.full = o.full || re.MatchString(text) && !strings.Contains(text, "memory")
	}
	o.counted = o.full && strings.Contains(text, "reached context length") // LM Studio, while it writes: there is no rest
	for _, re := range overs {
		m := re.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		number := func(group string) (n int, ok bool) {
			i := re.SubexpIndex(group)
			if i < 0 {
				return 0, false
			}
			n, err := strconv.Atoi(m[i])
			return n, err == nil && n <= maxCount
		}
		if most, ok := number("most"); ok {
			return over{full: false, counted: true, room: most}
		}
		limit, ok := number("limit")
		in, alone := number("in")
		if sum, both := number("sum"); both && !alone {
			in, alone = sum-asked, sum >= asked
		}
		if ok && alone {
			return over{full: true, counted: true, room: max(0, limit-in), limit: limit}
		}
		if ok {
			return over{full: true, limit: limit}
		}
	}
	return o
}
