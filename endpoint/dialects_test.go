package endpoint_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ballast/endpoint"
	"ballast/endpoint/endpointtest"
)

// shown is a reply in one line: finish, text, calls with their ids.
func shown(r endpoint.Reply) string {
	s := r.Finish + " " + r.Content
	for _, c := range r.Calls {
		s += fmt.Sprintf("|%s:%s%s", c.ID, c.Name, c.Arguments)
	}
	if r.Full {
		s += "|full"
	}
	return s
}

// TestDialects: what is made of the replies of servers that do not write as OpenAI does.
func TestDialects(t *testing.T) {
	const text = "stop " + endpointtest.Text
	const f, g, a, b = "f", "g", `{"a": 1}`, `{"b": 2}`
	for name, want := range map[string]string{
		"no finish reason":               "stop a",
		"finish reason null":             "stop a",
		"finish reason empty":            "stop a",
		"finish reason of another name":  "length a",
		"the context ended the reply":    "length a|full",
		"a stream without a finish":      text,
		"a stream whose finish is empty": text, "a stream with choices empty first": text, "a stream with usage after its end": text,
		"a stream with usage in between": text, "a stream of an empty message": "stop ", "a stream without spaces": text,
		"a stream without empty lines": text, "a stream with comments and pings": text,

		"calls of a stream all at index 0":                        "tool_calls |c1:" + f + a + "|c2:" + g + b,
		"calls at index 0 without ids":                            "tool_calls |:" + f + a + "|:" + g + b + "|:" + f + a,
		"calls without an index":                                  "tool_calls |c1:" + f + a + "|c2:" + g + b,
		"calls without index and id":                              "tool_calls |:" + f + a + "|:" + f + a,
		"calls of one piece without index and id":                 "tool_calls |:" + f + a + "|:" + f + a + "|:g|:g",
		"a call in pieces without an index":                       "tool_calls |c1:" + f + a,
		"the name in every piece":                                 "tool_calls |c1:" + f + a,
		"the name and the id in every piece":                      "tool_calls |c1:" + f + a + "|c2:" + g + b,
		"the name and the id in every piece without an index":     "tool_calls |c1:" + f + a + "|c2:" + g + b,
		"the name and the id empty later":                         "tool_calls |c1:" + f + a,
		"the name and the id null later":                          "tool_calls |c1:" + f + a,
		"the name in two pieces":                                  "tool_calls |c1:get_it{}",
		"calls in turns":                                          "tool_calls |c1:" + f + a + "|c2:" + g + b,
		"calls of a stream with equal ids":                        "tool_calls |c:" + f + a + "|c:" + g + b,
		"arguments of a stream as an object":                      "tool_calls |c1:" + f + a,
		"a call whole again in the last piece":                    "tool_calls |c1:" + f + a,
		"arguments that are {} at first":                          "tool_calls |c1:" + f + a,
		"the whole message with its calls at the end of a stream": "tool_calls |:" + f + a + "|:" + g + b,
		"calls whose finish is null":                              "stop |c1:" + f + a,
		"calls whose finish is stop":                              "stop |c1:" + f + a,
		"arguments null":                                          "tool_calls |c:f",
		"arguments the word null":                                 "tool_calls |c:fnull",
		"arguments empty":                                         "tool_calls |c:f",
		"arguments absent":                                        "tool_calls |c:f",
		"arguments encoded twice":                                 `tool_calls |c:f"{\"a\": 1}"`,
		"arguments cut":                                           `tool_calls |c:f{"a": `,
		"arguments under parameters":                              "tool_calls |c:f{\"a\": 1}",
		"a call without its wrapper":                              "tool_calls |c:" + f + a,
		"calls without ids":                                       "tool_calls |:" + f + a + "|:" + f + a,
		"calls with equal ids":                                    "tool_calls |c:" + f + a + "|c:" + g + b,
		"an id null and a number":                                 "tool_calls |:" + f + a + "|7:" + g + b,
		"no content beside calls":                                 "stop |c:" + f + a,
		"a call from before tools":                                "function_call |:" + f + a,
		"a call of both kinds":                                    "tool_calls |c:" + f + a,
		"a call from before tools that is null":                   "stop a",
		"a call from before tools that is empty":                  "stop a",
		"a call from before tools in pieces":                      "tool_calls |:" + f + a,
		"content in parts":                                        text,
		"content in parts with a thought":                         text,
		"content in no parts":                                     "stop ",
		"content absent":                                          "stop ",
		"content in parts of a stream":                            text,
		"a thought apart":                                         text,
		"a thought apart under another name":                      text,
		"a thought alone":                                         "stop ",
		"a thought apart in a stream":                             text,
		"an error null beside a reply":                            text,
		"an error empty beside a reply":                           text,
		"the message so far beside every piece":                   text,
		"the whole message at the end of a stream":                text,
		"a stream of one message":                                 text,
		"fine":                                                    text,
		"a stream that nobody asked for":                          text,
		"html by its header":                                      text,
		"content null":                                            "stop ",
		"a stream that is reset after its end":                    text,
	} {
		c, _ := dial(t, find(t, name), endpoint.Options{})
		for _, stream := range []bool{false, true} {
			if rep, err := c.Chat(background, background, question(), stream); err != nil || shown(rep) != want {
				t.Errorf("%s, stream %v: %q, %v; want %q", name, stream, shown(rep), err, want)
			}
		}
	}
}

// find is the behaviour of that name.
func find(t *testing.T, name string) endpointtest.Behaviour {
	t.Helper()
	for _, b := range endpointtest.All() {
		if b.Name == name {
			return b
		}
	}
	t.Fatalf("no behaviour is named %s", name)
	return endpointtest.Behaviour{}
}

// TestComplaints: an error shows what the server says, whichever way it says it.
func TestComplaints(t *testing.T) {
	n := 0
	for _, b := range endpointtest.All() {
		if !strings.HasPrefix(b.Name, "an error") && !strings.HasPrefix(b.Name, "a detail") && !strings.HasPrefix(b.Name, "no parser") &&
			!strings.HasPrefix(b.Name, "a plain text") && b.Name != "a page of a proxy" && b.Name != "an unknown address with status 200" || b.Kinds == nil {
			continue
		}
		c, _ := dial(t, b, endpoint.Options{})
		_, err := c.Chat(background, background, question(), false)
		if err == nil || !strings.Contains(err.Error(), "no such thing") && !strings.Contains(err.Error(), "out of memory") && b.Name != "an error that is a list" && b.Name != "an error of 3 MB" {
			t.Errorf("%s: %v", b.Name, err)
		}
		n++
	}
	if n < 20 {
		t.Errorf("%d behaviours complain", n)
	}
}

// rejecting refuses replies of more than room tokens with a message, and answers others.
func rejecting(room int, message func(asked int) string) endpointtest.Behaviour {
	return endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) {
		var asked int
		for _, key := range []string{`"max_tokens":`, `"max_completion_tokens":`} {
			if _, after, ok := strings.Cut(string(x.Body), key); ok {
				fmt.Sscanf(after, "%d", &asked)
			}
		}
		if asked > room {
			x.Send(400, fmt.Sprintf(`{"error": {"message": %q}}`, message(asked)))
			return
		}
		said := `"message": {"content": "a"}`
		if !strings.Contains(x.Request.URL.Path, "chat") {
			said = `"text": "a"`
		}
		x.JSON(`{"choices": [{"finish_reason": "length", ` + said + `}], "usage": {"completion_tokens": 96}}`)
	}}
}

// TestFits: a reply that is too long for the rest of the context is asked for again
// with what fits, and no more often than that can help.
func TestFits(t *testing.T) {
	below := func(n int) string { // it counts no further than it must
		in := 4096 - n + 1
		return fmt.Sprintf("This model's maximum context length is 4096 tokens. However, you requested %d output tokens and your prompt contains at least %d input tokens, for a total of at least %d tokens.", n, in, n+in)
	}
	for _, c := range []struct {
		name       string
		room       int
		message    func(asked int) string
		completion bool
		requests   int64
		want       string // of the reply, or of the error
	}{
		{"vLLM", 96, func(n int) string {
			return fmt.Sprintf("This model's maximum context length is 4096 tokens. However, you requested %d tokens (4000 in the messages, %d in the completion).", 4000+n, n)
		}, false, 2, "length a|full"},
		{"vLLM's other", 96, func(n int) string {
			return fmt.Sprintf("'max_tokens' or 'max_completion_tokens' is too large: %d. This model's maximum context length is 4096 tokens and your request has 4000 input tokens (%d > 4096 - 4000).", n, n)
		}, false, 2, "length a|full"},
		{"vLLM's bound from below", 96, below, false, 2, "length a|full"},
		{"vLLM's bound from below, of a completion", 96, below, true, 2, "length a|full"},
		{"SGLang", 96, func(n int) string {
			return fmt.Sprintf("Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of %d tokens: 4000 tokens from the input messages and %d tokens for the completion.", 4000+n, n)
		}, true, 2, "length a|full"},
		{"TGI", 96, func(n int) string {
			return fmt.Sprintf("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and %d `max_new_tokens`", n)
		}, false, 2, "length a|full"},
		{"only the sum", 96, func(n int) string {
			return fmt.Sprintf("This model's maximum context length is 4,096 tokens, however you requested %d tokens in total.", 4000+n)
		}, false, 2, "length a|full"},
		{"the longest reply", 96, func(int) string { return "max_tokens is too large. This model supports at most 96 completion tokens" }, false, 2, "length a"},
		{"no numbers", 96, func(int) string { return "maximum context length exceeded" }, false, 2, "length a|full"},
		{"no numbers, where a bound is needed", 96, func(int) string { return "maximum context length exceeded" }, true, 1, "error full"},
		{"nothing fits", -1, func(n int) string {
			return fmt.Sprintf("This model's maximum context length is 4096 tokens. However, you requested %d tokens (4096 in the messages, %d in the completion).", 4096+n, n)
		}, false, 1, "error full"},
		{"no numbers, and nothing fits", -1, func(int) string { return "context_length_exceeded" }, false, 2, "error full"},
		{"always one too many", -1, func(n int) string {
			return fmt.Sprintf("This model's maximum context length is 1000 tokens. However, you requested 1001 tokens (%d in the messages)", 1001-n)
		}, false, 3, "error full"},
		{"more than was asked for", -1, func(int) string { return "supports at most 100000 completion tokens" }, false, 1, "error rejected"},
		{"something else", -1, func(int) string { return "max_tokens must be positive" }, false, 1, "error rejected"},
	} {
		cl, s := dial(t, rejecting(c.room, c.message), endpoint.Options{})
		var rep endpoint.Reply
		var err error
		if c.completion {
			rep, err = cl.Complete(background, background, endpoint.Completion{Prompt: make([]int32, 4000), MaxTokens: 512}, false)
		} else {
			q := question()
			q.MaxTokens = 512
			rep, err = cl.Chat(background, background, q, false)
		}
		got := shown(rep)
		var e *endpoint.Error
		if errors.As(err, &e) {
			got = "error " + string(e.Kind)
		}
		if got != c.want || s.Requests.Load() != c.requests {
			t.Errorf("%s: %q after %d requests, %v; want %q after %d", c.name, got, s.Requests.Load(), err, c.want, c.requests)
		}
	}
}

// TestCutByTheContext: a reply that ends before the bound that was asked for ended with
// the context; one that reached its bound did not.
func TestCutByTheContext(t *testing.T) {
	for most, want := range map[int]bool{96: false, 98: false, 99: true, 0: false} {
		cl, _ := dial(t, rejecting(1000, nil), endpoint.Options{})
		q := question()
		q.MaxCompletionTokens = most
		if rep, err := cl.Chat(background, background, q, false); err != nil || rep.Full != want {
			t.Errorf("%d: %+v, %v", most, rep, err)
		}
	}
}
