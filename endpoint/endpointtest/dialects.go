package endpointtest

import (
	"fmt"
	"strings"

	"ballast/endpoint"
)

// whole is a reply whose choice is written out.
func whole(name, choice string) Behaviour {
	return answers(name, nil, `{"object": "chat.completion", "choices": [`+choice+`]}`)
}

// pieced is a reply in pieces, each the data of an event.
func pieced(name string, pieces ...string) Behaviour {
	return Behaviour{name, nil, false, func(x *Exchange) {
		x.Events()
		for _, p := range pieces {
			x.Raw("data: " + p + "\n\n")
		}
	}}
}

// saidPiece is a piece with a text.
func saidPiece(text string) string {
	return fmt.Sprintf(`{"choices": [{"index": 0, "delta": {"role": "assistant", "content": %q}, "finish_reason": null}]}`, text)
}

// called is a piece with calls.
func called(calls ...string) string {
	return `{"choices": [{"index": 0, "delta": {"tool_calls": [` + strings.Join(calls, ", ") + `]}, "finish_reason": null}]}`
}

const (
	ended  = `{"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}`
	over   = "[DONE]"
	callF  = `"function": {"name": "f", "arguments": "{\"a\": 1}"}`
	callG  = `"function": {"name": "g", "arguments": "{\"b\": 2}"}`
	calls  = `"finish_reason": "tool_calls", "message": {"role": "assistant", "content": null, "tool_calls": `
	stops  = `"finish_reason": "stop", "message": `
	usages = `{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}`
)

// endings are replies that say in other ways, or not, why they end.
var endings = []Behaviour{
	whole("no finish reason", `{"message": {"content": "a"}}`),
	whole("finish reason null", `{"finish_reason": null, "message": {"content": "a"}}`),
	whole("finish reason empty", `{"finish_reason": "", "message": {"content": "a"}}`),
	whole("finish reason of another name", `{"finish_reason": "MAX_TOKENS", "message": {"content": "a"}}`),
	whole("the context ended the reply", `{"finish_reason": "model_length", "message": {"content": "a"}}`),
	pieced("a stream without a finish", saidPiece(Text), over),
	pieced("a stream whose finish is empty", `{"choices": [{"delta": {"content": "`+Text+`"}, "finish_reason": ""}]}`,
		`{"choices": [{"delta": {}, "finish_reason": ""}]}`, over),
	pieced("a stream with choices empty first", `{"choices": [], "prompt_filter_results": []}`, saidPiece(Text), finishPiece, over),
	pieced("a stream with usage after its end", saidPiece(Text), finishPiece, usages, over),
	pieced("a stream with usage in between", saidPiece(Text), usages, finishPiece, over),
	pieced("a stream of an empty message", `{"choices": [{"delta": {"role": "assistant", "content": ""}}]}`, finishPiece, over),
	streams("a stream without spaces", nil, strings.ReplaceAll(pieces+finish+"data: [DONE]\n\n", "data: ", "data:")),
	streams("a stream without empty lines", nil, strings.ReplaceAll(pieces+finish+"data: [DONE]\n\n", "\n\n", "\n")),
	streams("a stream with comments and pings", nil, ": OPENROUTER PROCESSING\n\n"+strings.ReplaceAll(pieces+finish, "\n\n",
		"\n\n: keep-alive\n\ndata:\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n")),
}

const finishPiece = `{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}`

// calling are replies with calls, as servers write them.
var calling = []Behaviour{
	pieced("calls of a stream all at index 0", called(`{"index": 0, "id": "c1", `+callF+`}`),
		called(`{"index": 0, "id": "c2", `+callG+`}`), ended, over), // Ollama
	pieced("calls at index 0 without ids", called(`{"index": 0, `+callF+`}`), called(`{"index": 0, `+callG+`}`),
		called(`{"index": 0, `+callF+`}`), ended, over),
	pieced("calls without an index", called(`{"id": "c1", `+callF+`}`), called(`{"id": "c2", `+callG+`}`), ended, over),
	pieced("calls without index and id", called(`{`+callF+`}`), called(`{`+callF+`}`), ended, over),
	pieced("calls of one piece without index and id", called(`{`+callF+`}`, `{`+callF+`}`, `{"function": {"name": "g"}}`,
		`{"function": {"name": "g"}}`), ended, over),
	pieced("a call in pieces without an index", called(`{"id": "c1", "function": {"name": "f", "arguments": ""}}`),
		called(`{"function": {"arguments": "{\"a\""}}`),
		called(`{"id": "c1", "function": {"arguments": ": 1}"}}`), ended, over),
	pieced("the name in every piece", called(`{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{\"a\""}}`),
		called(`{"index": 0, "function": {"name": "f", "arguments": ": 1"}}`),
		called(`{"index": 0, "function": {"name": "f", "arguments": "}"}}`),
		called(`{"index": 0, "function": {"name": "f", "arguments": ""}}`), ended, over),
	pieced("the name and the id in every piece", called(`{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{\"a\""}}`),
		called(`{"index": 0, "id": "c1", "function": {"name": "f", "arguments": ": 1}"}}`), called(`{"index": 1, "id": "c2", `+callG+`}`),
		ended, over),
	pieced("the name and the id in every piece without an index", called(`{"id": "c1", "function": {"name": "f", "arguments": "{\"a\""}}`),
		called(`{"id": "c1", "function": {"name": "f", "arguments": ": 1}"}}`), called(`{"id": "c2", `+callG+`}`), ended, over),
	pieced("the name and the id empty later", called(`{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{\"a\""}}`),
		called(`{"index": 0, "id": "", "function": {"name": "", "arguments": ": 1}"}}`), ended, over),
	pieced("the name and the id null later", called(`{"index": 0, "id": "c1", "function": {"name": "f", "arguments": null}}`),
		called(`{"index": 0, "id": null, "function": {"name": null, "arguments": "{\"a\": 1}"}}`), ended, over),
	pieced("the name in two pieces", called(`{"index": 0, "id": "c1", "function": {"name": "get_"}}`),
		called(`{"index": 0, "function": {"name": "it", "arguments": "{}"}}`), ended, over),
	pieced("calls in turns", called(`{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{\"a\""}}`),
		called(`{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{\"b\""}}`),
		called(`{"index": 0, "function": {"arguments": ": 1}"}}`), called(`{"index": 1, "function": {"arguments": ": 2}"}}`), ended, over),
	pieced("calls of a stream with equal ids", called(`{"index": 0, "id": "c", `+callF+`}`, `{"index": 1, "id": "c", `+callG+`}`),
		ended, over),
	pieced("arguments of a stream as an object", called(`{"index": 0, "id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}`),
		ended, over),
	pieced("a call whole again in the last piece", called(`{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{\"a\""}}`),
		called(`{"index": 0, "function": {"arguments": ": 1}"}}`),
		called(`{"index": 0, "id": "c1", `+callF+`}`), ended, over),
	pieced("arguments that are {} at first", called(`{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}`),
		called(`{"index": 0, "function": {"arguments": "{\"a\""}}`),
		called(`{"index": 0, "function": {"arguments": ": 1}"}}`), ended, over),
	pieced("the whole message with its calls at the end of a stream", called(`{"index": 0, `+callF+`}`, `{"index": 1, `+callG+`}`),
		`{"choices": [{`+calls+`[{`+callF+`}, {`+callG+`}]}}]}`, over),
	pieced("calls whose finish is null", called(`{"index": 0, "id": "c1", `+callF+`}`), over),
	pieced("calls whose finish is stop", called(`{"index": 0, "id": "c1", `+callF+`}`), finishPiece, over), // Ollama
	whole("arguments null", `{`+calls+`[{"id": "c", "function": {"name": "f", "arguments": null}}]}}`),
	whole("arguments the word null", `{`+calls+`[{"id": "c", "function": {"name": "f", "arguments": "null"}}]}}`),
	whole("arguments empty", `{`+calls+`[{"id": "c", "function": {"name": "f", "arguments": ""}}]}}`),
	whole("arguments absent", `{`+calls+`[{"id": "c", "function": {"name": "f"}}]}}`),
	whole("arguments encoded twice", `{`+calls+`[{"id": "c", "function": {"name": "f", "arguments": "\"{\\\"a\\\": 1}\""}}]}}`),
	whole("arguments cut", `{`+calls+`[{"id": "c", "function": {"name": "f", "arguments": "{\"a\": "}}]}}`),
	whole("arguments under parameters", `{`+calls+ // TGI
		`[{"id": "c", "function": {"name": "f", "description": null, "parameters": {"a": 1}}}]}}`),
	whole("a call without its wrapper", `{`+calls+`[{"id": "c", "type": "function", "name": "f", "arguments": "{\"a\": 1}"}]}}`),
	whole("calls without ids", `{`+calls+`[{`+callF+`}, {`+callF+`}]}}`),
	whole("calls with equal ids", `{`+calls+`[{"id": "c", `+callF+`}, {"id": "c", `+callG+`}]}}`),
	whole("an id null and a number", `{`+calls+`[{"id": null, `+callF+`}, {"id": 7, `+callG+`}]}}`),
	whole("no content beside calls", `{"finish_reason": "stop", "message": {"tool_calls": [{"id": "c", `+callF+`}]}}`),
	whole("a call from before tools", `{"finish_reason": "function_call", "message": {"content": null, "function_call": {"name": "f",`+
		` "arguments": "{\"a\": 1}"}}}`),
	whole("a call of both kinds", `{`+calls+`[{"id": "c", `+callF+`}], "function_call": {"name": "f", "arguments": "{\"a\": 1}"}}}`),
	whole("a call from before tools that is null", `{`+stops+`{"content": "a", "function_call": null}}`),
	whole("a call from before tools that is empty", `{`+stops+`{"content": "a", "function_call": {"name": "", "arguments": ""}}}`),
	pieced("a call from before tools in pieces", `{"choices": [{"delta": {"role": "assistant", "content": null, "function_call":`+
		` {"name": "f", "arguments": ""}}}]}`,
		`{"choices": [{"delta": {"function_call": {"arguments": "{\"a\""}}}]}`,
		`{"choices": [{"delta": {"function_call": {"arguments": ": 1}"}}}]}`, ended, over),
}

// contents are replies whose text comes in other ways, thoughts apart or not.
var contents = []Behaviour{
	whole("content in parts", `{`+stops+`{"content": [{"type": "text", "text": "Turn 1:"}, {"type": "text", "text": " it is done."}]}}`),
	whole("content in parts with a thought", `{`+stops+`{"content": [{"type": "thinking", "thinking": [{"type": "text", "text":`+
		` "hm"}]}, {"type": "text", "text": "`+Text+`"}]}}`),
	whole("content in no parts", `{`+stops+`{"content": []}}`),
	whole("content absent", `{`+stops+`{"role": "assistant"}}`),
	pieced("content in parts of a stream", `{"choices": [{"delta": {"content": [{"type": "text", "text": "Turn 1:"}]}}]}`,
		`{"choices": [{"delta": {"content": " it is done."}}]}`, finishPiece, over),
	whole("a thought apart", `{`+stops+`{"content": "`+Text+`", "reasoning_content": "hm"}}`),
	whole("a thought apart under another name", `{`+stops+`{"content": "`+Text+`", "reasoning": "hm", "reasoning_details": [{"type":`+
		` "reasoning.text", "text": "hm"}]}}`),
	whole("a thought alone", `{`+stops+`{"content": null, "reasoning_content": "hm"}}`),
	// Perplexity
	pieced("the message so far beside every piece", `{"choices": [{"delta": {"content": "Turn 1:"}, "message": {"role": "assistant",`+
		` "content": "Turn 1:"}}]}`,
		`{"choices": [{"delta": {"content": " it is done."}, "message": {"content": "`+Text+`"}, "finish_reason": "stop"}]}`, over),
	pieced("the whole message at the end of a stream", saidPiece(Text),
		`{"choices": [{"message": {"content": "`+Text+`"}, "finish_reason": "stop"}]}`, over),
	pieced("a stream of one message", `{"choices": [{"message": {"content": "`+Text+`"}, "finish_reason": "stop"}]}`, over),
	pieced("a thought apart in a stream", `{"choices": [{"delta": {"reasoning_content": "h", "content": null}}]}`,
		`{"choices": [{"delta": {"reasoning": "m"}}]}`, saidPiece(Text), finishPiece, over),
	answers("an error null beside a reply", nil, strings.Replace(fine, `{"id"`,
		`{"error": null, "message": null, "detail": null, "id"`, 1)),
	answers("an error empty beside a reply", nil, strings.Replace(fine, `{"id"`, `{"error": {}, "id"`, 1)),
}

// complaints are errors as servers write them; each shows what it says.
var complaints = []Behaviour{
	sends("an error that is flat", kinds(endpoint.Rejected), // SGLang, older vLLM
		400, `{"object": "error", "message": "no such thing", "type": "BadRequestError", "param": null, "code": 400}`),
	answers("an error that is flat with status 200", kinds(endpoint.Rejected),
		`{"object": "error", "message": "no such thing", "type": "BadRequestError", "param": null, "code": 400}`),
	streams("an error that is flat in a stream", kinds(endpoint.Rejected),
		pieces+`data: {"object": "error", "message": "no such thing", "code": 400}`+"\n\ndata: [DONE]\n\n"),
	streams("an error that is an event", kinds(endpoint.Server), "event: error\ndata: {\"message\": \"no such thing\"}\n\n"), // LM Studio
	streams("an error that is a field of the stream", kinds(endpoint.Server), // older llama.cpp
		`error: {"code": 500, "message": "no such thing", "type": "server_error"}`+"\n\n"),
	// LM Studio, Ollama
	sends("an error that is a text", kinds(endpoint.Rejected), 400, `{"error": "no such thing"}`),
	{"an error that is a text with status 200", kinds(endpoint.Server), false, func(x *Exchange) { x.JSON(`{"error": "no such thing"}`) }},
	sends("an error with its message beside it", kinds(endpoint.Rejected),
		400, `{"statusCode": 400, "error": "Bad Request", "message": "no such thing"}`),
	sends("an error that is true", kinds(endpoint.Rejected), 400, `{"error": true, "message": "no such thing"}`),
	sends("an error with its type beside it", kinds(endpoint.Rejected), // TGI
		422, `{"error": "Input validation error: no such thing", "error_type": "validation"}`),
	sends("a detail", kinds(endpoint.Rejected), 400, `{"detail": "no such thing"}`), // FastAPI
	sends("a detail of fields", kinds(endpoint.Rejected),
		422, `{"detail": [{"type": "missing", "loc": ["body", "messages", 1, "content"], "msg": "no such thing", "input": {"role":`+
			` "assistant"}}]}`),
	{"a detail with status 200", kinds(endpoint.Server), false, func(x *Exchange) { x.JSON(`{"detail": "no such thing"}`) }},
	sends("an error in a list", kinds(endpoint.Rejected), // Gemini
		400, `[{"error": {"code": 400, "message": "no such thing", "status": "INVALID_ARGUMENT"}}]`),
	answers("an error in a list with status 200", kinds(endpoint.Rejected), `[{"error": {"code": 400, "message": "no such thing"}}]`),
	sends("an error of a provider", kinds(endpoint.Rejected), // OpenRouter
		400, `{"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": "no such thing"}}}`),
	answers("an error in a choice", kinds(endpoint.Server),
		`{"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "no such thing"}, "message": {"content": ""}}]}`),
	streams("an error of many in a stream", kinds(endpoint.Server), // Cloudflare
		pieces+`data: {"success": false, "errors": [{"code": 5006, "message": "no such thing"}]}`+"\n\ndata: [DONE]\n\n"),
	streams("an error of a gateway in a stream", kinds(endpoint.Server),
		pieces+`data: {"code": 10012, "msg": "no such thing"}`+"\n\ndata: [DONE]\n\n"),
	sends("a page of a proxy", kinds(endpoint.Server),
		502, "<html>\r\n<head><title>502 no such thing</title></head>\r\n</html>", "Content-Type: text/html"),
	sends("a plain text", kinds(endpoint.Server), 500, "Internal error: no such thing"),
	sends("a plain text with status 200", kinds(endpoint.Malformed), 200, "Internal error: no such thing"),
	answers("an unknown address with status 200", kinds(endpoint.Access), // LM Studio
		`{"error": "Unexpected endpoint or method. (POST /chat/completions). no such thing"}`),
	sends("no parser of tool calls", kinds(endpoint.Rejected), // vLLM
		400, `{"error": {"message": "no such thing: \"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser`+
			` to be set", "code": 400}}`),
	sends("no parser of templates", kinds(endpoint.Rejected), // llama.cpp
		500, `{"error": {"code": 500, "message": "no such thing: tools param requires --jinja flag", "type": "server_error"}}`),
}

// filled is a behaviour of a full context.
func filled(server string, status int, body string) Behaviour {
	return Behaviour{"the context is full: " + server, kinds(endpoint.Full), false, func(x *Exchange) { x.Send(status, body) }}
}

// contexts are how servers say that a conversation is too long.
var contexts = []Behaviour{
	filled("a code", 400, `{"error": {"code": "context_length_exceeded", "message": "too long"}}`),
	filled("OpenAI", 400, `{"error": {"message": "This model's maximum context length is 8192 tokens. However, your messages resulted`+
		` in 8227 tokens. Please reduce the length of the messages.",`+
		` "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}`),
	filled("vLLM", 400, `{"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested`+
		` 5091 tokens (5091 in the messages, 0 in the completion).`+
		` Please reduce the length of the messages or completion.", "type": "BadRequestError", "param": null, "code": 400}`),
	filled("vLLM's engine", 400, `{"error": {"message": "The decoder prompt (length 5000) is longer than the maximum model length of`+
		` 4096. Make sure that max_model_len is no smaller.", "code": 400}}`),
	filled("vLLM's default", 400, `{"error": {"message": "max_tokens must be at least 1, got -23.", "type": "BadRequestError", "code":`+
		` 400}}`),
	filled("SGLang", 400, `{"object": "error", "message": "The input (5000 tokens) is longer than the model's context length (4096`+
		` tokens).", "type": "BadRequestError", "code": 400}`),
	filled("SGLang's sum", 400, `{"object": "error", "message": "Requested token count exceeds the model's maximum context length of`+
		` 4096 tokens. You requested a total of 4596 tokens:`+
		` 4096 tokens from the input messages and 500 tokens for the completion.", "type": "BadRequestError", "code": 400}`),
	filled("TGI", 422, "{\"error\": \"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4096 `inputs`"+
		" tokens and 512 `max_new_tokens`\", \"error_type\": \"validation\"}"),
	filled("TGI's input", 422, "{\"error\": \"Input validation error: `inputs` must have less than 4095 tokens. Given: 5000\","+
		" \"error_type\": \"validation\"}"),
	filled("llama.cpp", 400, `{"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it",`+
		` "type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192}}`),
	filled("llama.cpp with status 200", 200, `{"error": {"code": 400, "message": "request (14429 tokens) exceeds the available context`+
		` size (8192 tokens)", "type": "exceed_context_size_error"}}`),
	filled("llama-cpp-python", 400, `{"error": {"message": "Requested tokens (2285) exceed context window of 2048", "type":`+
		` "invalid_request_error"}}`),
	filled("LM Studio", 400, `{"error": "Trying to keep the first 11149 tokens when context the overflows. However, the model is loaded`+
		` with context length of only 4096 tokens, which is not enough."}`),
	filled("LM Studio's n_keep", 400, `{"error": "The number of tokens to keep from the initial prompt is greater than the context`+
		` length (n_keep: 12526 >= n_ctx: 4096)."}`),
	filled("LM Studio's engine", 200, `{"error": "Context size has been exceeded."}`),
	filled("Ollama", 400, `{"error": {"message": "the input length exceeds the context length", "type": "invalid_request_error"}}`),
	filled("Anthropic", 400, `{"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000`+
		` tokens > 200000 maximum"}}`),
	filled("Gemini", 400, `[{"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of tokens`+
		` allowed (1048576).", "status": "INVALID_ARGUMENT"}}]`),
	streams("the context is full in a stream", kinds(endpoint.Full),
		pieces+"event: error\ndata: {\"error\": {\"message\": \"Reached context length of 4096 tokens, mid-generation overflow is"+
			" not supported\"}}\n\n"),
}
