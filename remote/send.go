package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ballast/endpoint"
)

// send sends the conversation once. Some servers do not take back what their model wrote:
// a reply without a word (vllm-project/vllm#21089), a function whose name no function may
// have. They get it in a form that they take, or the episodes of a model that collapsed
// would be left out for its collapse.
func (d *dialogue) send(ctx context.Context, body endpoint.Chat) (endpoint.Reply, error) {
	chat := func() (endpoint.Reply, error) {
		rep, err := d.c.api.Chat(d.c.opts.Halt, ctx, body, d.c.opts.Stream)
		d.c.weigh(&body, rep.In)
		if rep.Content == "" && len(rep.Calls) == 0 { // a server that keeps refusals apart
			rep.Content = rep.Refusal
		}
		return rep, err
	}
	if !d.tame {
		rep, err := chat()
		var e *endpoint.Error
		if !errors.As(err, &e) || e.Kind != endpoint.Rejected || !slices.ContainsFunc(body.Messages, wild) {
			return rep, err
		}
	}
	body.Messages = slices.Clone(body.Messages)
	for i := range body.Messages {
		if wild(body.Messages[i]) {
			body.Messages[i] = tamed(body.Messages[i])
		}
	}
	rep, err := chat()
	d.tame = d.tame || err == nil
	return rep, err
}

// misnamed are the characters that OpenAI's names of functions do not have; a name has at
// most longestName.
var misnamed = regexp.MustCompile("[^a-zA-Z0-9_-]")

const longestName = 64

// wild says whether a message is a reply that a server may not take back.
func wild(m endpoint.Message) bool {
	if m.Role != "assistant" {
		return false
	}
	odd := func(c endpoint.MessageCall) bool {
		return misnamed.MatchString(c.Function.Name) || len(c.Function.Name) > longestName
	}
	return len(m.ToolCalls) == 0 && (m.Content == nil || strings.TrimSpace(*m.Content) == "") || slices.ContainsFunc(m.ToolCalls, odd)
}

// tamed is such a message in a form that a server takes.
func tamed(m endpoint.Message) endpoint.Message {
	if blank := " "; len(m.ToolCalls) == 0 {
		m.Content = &blank
	}
	m.ToolCalls = slices.Clone(m.ToolCalls)
	for i := range m.ToolCalls {
		name := misnamed.ReplaceAllString(m.ToolCalls[i].Function.Name, "_")
		m.ToolCalls[i].Function.Name = cmp.Or(name[:min(len(name), longestName)], "unknown")
	}
	return m
}

// A token has about four bytes of text, of JSON fewer. A server that counts many times
// that has not shown its model everything.
const (
	mostPerToken = 12      // bytes
	leastWeighed = 4 << 10 // bytes of a conversation: short ones say nothing
)

// weigh warns of a server that counts far fewer tokens than a conversation must have:
// Ollama drops the beginning of one that is longer than its context without a word
// (4,096 tokens by default), and some templates leave the tools out.
func (c *Client) weigh(body *endpoint.Chat, in int64) {
	n := int64(0)
	for _, m := range body.Messages {
		if m.Content != nil {
			n += int64(len(*m.Content))
		}
	}
	for _, t := range body.Tools {
		n += int64(len(t.Function.Name) + len(t.Function.Description))
		for _, p := range t.Function.Parameters {
			n += int64(len(p))
		}
	}
	if c.opts.Warn == nil || in <= 0 || n < leastWeighed || n <= mostPerToken*in {
		return
	}
	c.warned.Do(func() {
		c.opts.Warn(fmt.Sprintf("%s counts %d tokens in a conversation of %d bytes: it seems to cut conversations to its context "+
			"without a word, or to leave the tools out of the prompt. Give the model a longer context (Ollama: OLLAMA_CONTEXT_LENGTH "+
			"or num_ctx), or look at its chat template", c.api.Base(), in, n))
	})
}
