package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"unicode/utf8"

	openai "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"

	"ballast"
	"ballast/chat"
	"ballast/chat/format"
	"ballast/rollout/env"
	"ballast/value"
)

// ChatConfig says how episodes are played with messages and native tools.
type ChatConfig struct {
	Rules  env.Rules // Shorten is set from Result
	System string    // text of a system message; "" = none
	// Budgets in tokens, 0 = none. The endpoint's tokens are not ours: Episode is
	// held to the endpoint's own count, if it sends one, and Result to four bytes
	// a token.
	Reply, Episode, Result int
	How                    ballast.Sampling // a negative temperature is not sent
}

// Chat plays every task once, a few at a time, and returns the episodes in order,
// without tokens. Ended, if not nil, is told of every episode that ended, but not
// of infrastructure failures, from several goroutines. The error is what no
// further request could mend, or the cancellation.
func (c *Client) Chat(ctx context.Context, cfg ChatConfig, tasks []*ballast.Task, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
	if n := 4 * cfg.Result; n > 0 {
		cfg.Rules.Shorten = func(s string) string { return tail(s, n) }
	}
	out := make([]ballast.Episode, len(tasks))
	err := c.each(ctx, len(tasks), func(ctx context.Context, i int) (error, error) {
		d := &dialogue{c: c, cfg: &cfg}
		var err error
		if d.Env, err = env.New(tasks[i], cfg.Rules); err != nil {
			return nil, err
		}
		infra, err := d.play(ctx)
		if err != nil {
			return nil, err
		}
		if out[i] = d.Episode; infra == nil && ended != nil {
			ended(&out[i])
		}
		return infra, nil
	})
	return out, err
}

// tail keeps the last n bytes of s, from the beginning of a character on.
func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	at := len(s) - n
	for at < len(s) && !utf8.RuneStart(s[at]) {
		at++
	}
	return s[at:]
}

// each runs play for 0 to n-1, Concurrency at a time. Play returns what broke one
// episode, and what ends everything. An endpoint that breaks many episodes in a
// row ends everything, too.
func (c *Client) each(ctx context.Context, n int, play func(context.Context, int) (infra, fatal error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var group sync.WaitGroup
	var mu sync.Mutex
	row := 0
	for range min(n, c.opts.Concurrency) {
		group.Go(func() {
			for i := range next {
				infra, fatal := play(ctx, i)
				mu.Lock()
				if row++; infra == nil {
					row = 0
				}
				if fatal == nil && row >= max(10, 2*c.opts.Concurrency) {
					fatal = fmt.Errorf("remote: %d episodes in a row could not be played; the last: %w", row, infra)
				}
				mu.Unlock()
				if fatal != nil {
					cancel(fatal)
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	group.Wait()
	return context.Cause(ctx)
}

// dialogue is one episode of Chat.
type dialogue struct {
	*env.Env
	c        *Client
	cfg      *ChatConfig
	messages []openai.ChatCompletionMessageParamUnion
	tools    []openai.ChatCompletionToolUnionParam
	last     []rawCall // native calls of the last reply
	replies  int
	first    int64 // tokens after the first reply, as the endpoint counts
}

// play plays the episode. Infra is what broke it; fatal ends the evaluation.
func (d *dialogue) play(ctx context.Context) (infra, fatal error) {
	if d.cfg.System != "" {
		d.messages = append(d.messages, openai.SystemMessage(d.cfg.System))
	}
	d.offer(d.Tools())
	d.show(d.Start())
	for d.Ready() {
		m, err := d.ask(ctx)
		var end *fatalError
		switch {
		case errors.As(err, &end):
			return nil, end.err
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, errFull):
			d.Stop(ballast.StopTokens)
			continue
		case err != nil:
			d.Fail(err)
			return err, nil
		}
		d.take(m)
	}
	if d.Episode.Stop == ballast.StopInfra {
		return errors.New(d.Episode.Error), nil
	}
	return nil, nil
}

// take reads a reply, lets the environment act on it and shows what it says.
func (d *dialogue) take(m message) {
	cut := m.Finish == "length"
	d.echo(m)
	d.Reply(parse(m, d.Known), ballast.Step{Text: text(m), Cut: cut})
	if d.replies++; d.replies == 1 {
		d.first = m.Tokens
	}
	switch {
	case cut:
		d.Stop(ballast.StopCut)
	default:
		if next := d.Answer(); !d.Over() {
			d.show(next)
		}
	}
	if used := m.Tokens - d.first; !d.Over() && d.cfg.Episode > 0 && used >= int64(d.cfg.Episode) {
		d.Stop(ballast.StopTokens)
	}
}

// offer adds tools to those that requests carry.
func (d *dialogue) offer(tools []ballast.Tool) {
	for _, t := range tools {
		d.tools = append(d.tools, nativeTool(t))
	}
}

// show appends what the policy is shown. Native calls must be answered one by one:
// those that were not run, because the reply was malformed, are told so.
func (d *dialogue) show(m env.Message) {
	for i, c := range d.last {
		answer := env.RetryText
		if i < len(m.Results) {
			answer = m.Results[i]
		}
		d.messages = append(d.messages, openai.ToolMessage(answer, c.ID))
	}
	if d.last = nil; m.Results != nil {
		return
	}
	d.offer(m.Reveal)
	d.messages = append(d.messages, openai.UserMessage(m.User))
}

// echo appends the reply to the messages. Calls that are no valid JSON would make
// servers refuse the conversation: their arguments are left out.
func (d *dialogue) echo(m message) {
	a := &openai.ChatCompletionAssistantMessageParam{}
	if m.Content != "" || len(m.Calls) == 0 {
		a.Content.OfString = param.NewOpt(m.Content)
	}
	d.last = m.Calls
	for i := range d.last {
		if c := &d.last[i]; c.ID == "" {
			c.ID = fmt.Sprintf("call_%d_%d", d.replies, i)
		}
		name, arguments := d.last[i].Name, d.last[i].Arguments
		if _, reason := readCall(d.last[i]); reason != "" {
			name, arguments = or(name, "unknown"), "{}"
		}
		a.ToolCalls = append(a.ToolCalls, openai.ChatCompletionMessageToolCallUnionParam{
			OfFunction: &openai.ChatCompletionMessageFunctionToolCallParam{ID: d.last[i].ID,
				Function: openai.ChatCompletionMessageFunctionToolCallFunctionParam{Name: name, Arguments: or(arguments, "{}")}}})
	}
	d.messages = append(d.messages, openai.ChatCompletionMessageParamUnion{OfAssistant: a})
}

// text is the reply as the record keeps it: the prose, then the calls as they came.
func text(m message) string {
	var b strings.Builder
	b.WriteString(m.Content)
	for _, c := range m.Calls {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(c.Name + " " + c.Arguments)
	}
	return b.String()
}

// parse reads a reply with native tool calls. Prose beside them is healthy. A
// reply without them that holds calls or their residue as text is polluted. Of a
// polluted reply no call is kept: BFCL decodes all native calls of one or none.
func parse(m message, known func(string) bool) chat.Parsed {
	if len(m.Calls) == 0 {
		p := chat.Hermes.Parse(m.Content, known)
		if p.Form == ballast.FormCall {
			p.Form, p.Reason = ballast.FormPolluted, format.ReasonOtherSyntax
		}
		p.Calls = nil
		return p
	}
	p := chat.Parsed{Form: ballast.FormCall, Text: strings.TrimSpace(m.Content)}
	for _, raw := range m.Calls {
		c, reason := readCall(raw)
		if reason != "" {
			if p.Form == ballast.FormCall {
				p.Form, p.Reason = ballast.FormPolluted, reason
			}
			continue
		}
		if p.Calls = append(p.Calls, c); p.Reason == "" && !known(c.Name) {
			p.Reason = format.ReasonUnknownTool
		}
	}
	if p.Form == ballast.FormPolluted {
		p.Calls = nil
	}
	return p
}

// readCall reads one native call; a reason says what is malformed. No arguments at
// all are an empty object, as some servers send it.
func readCall(raw rawCall) (ballast.Call, chat.Reason) {
	c := ballast.Call{Name: raw.Name}
	if raw.Name == "" {
		return c, format.ReasonMissingName
	}
	if strings.TrimSpace(raw.Arguments) == "" {
		return c, ""
	}
	v, err := value.ParseJSON([]byte(raw.Arguments))
	if err != nil {
		return c, format.ReasonBadJSON
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return c, format.ReasonNotAnObject
	}
	for i := range d.Len() {
		k, v := d.At(i)
		name, _ := k.(string)
		c.Args = append(c.Args, ballast.Arg{Name: name, Value: v})
	}
	return c, ""
}

// ask sends the conversation.
func (d *dialogue) ask(ctx context.Context) (message, error) {
	body := openai.ChatCompletionNewParams{Model: d.c.opts.Model, Messages: d.messages, Tools: d.tools}
	if t := d.cfg.How.Temperature; t >= 0 {
		body.Temperature = param.NewOpt(t)
	}
	if p := d.cfg.How.TopP; p > 0 && p < 1 {
		body.TopP = param.NewOpt(p)
	}
	if d.cfg.How.Temperature > 0 {
		h := fnv.New32a()
		h.Write([]byte(d.Episode.Task))
		body.Seed = param.NewOpt(int64(h.Sum32()))
	}
	if n := d.cfg.Reply; n > 0 {
		if strings.Contains(d.c.opts.URL, "api.openai.com") { // its newer models refuse the older name
			body.MaxCompletionTokens = param.NewOpt(int64(n))
		} else {
			body.MaxTokens = param.NewOpt(int64(n))
		}
	}
	scope := fmt.Sprintf("chat %s %d", d.Episode.Task, d.replies)
	return d.c.ask(ctx, scope, body, func(ctx context.Context) (message, error) {
		if d.c.opts.Stream {
			return d.c.streamed(ctx, body)
		}
		return d.c.whole(ctx, body)
	})
}

// whole asks for a reply in one piece.
func (c *Client) whole(ctx context.Context, body openai.ChatCompletionNewParams) (message, error) {
	res, err := c.api.Chat.Completions.New(ctx, body)
	if err != nil {
		return message{}, err
	}
	if len(res.Choices) == 0 || res.Choices[0].FinishReason == "" {
		return message{}, errHalf
	}
	ch := &res.Choices[0]
	m := message{Content: ch.Message.Content, Finish: ch.FinishReason, Tokens: res.Usage.TotalTokens}
	for _, t := range ch.Message.ToolCalls {
		m.Calls = append(m.Calls, rawCall{t.ID, t.Function.Name, t.Function.Arguments})
	}
	return m, nil
}

// streamed asks for a reply piece by piece. It is whole once it says why it ended.
func (c *Client) streamed(ctx context.Context, body openai.ChatCompletionNewParams) (message, error) {
	body.StreamOptions.IncludeUsage = param.NewOpt(true)
	s := c.api.Chat.Completions.NewStreaming(ctx, body)
	defer s.Close()
	var m message
	at := map[int64]int{} // index of a call in the stream to that in m.Calls
	for s.Next() {
		chunk := s.Current()
		m.Tokens = max(m.Tokens, chunk.Usage.TotalTokens)
		if len(chunk.Choices) == 0 {
			continue
		}
		ch := &chunk.Choices[0]
		m.Content += ch.Delta.Content
		for _, t := range ch.Delta.ToolCalls {
			i, ok := at[t.Index]
			if !ok {
				i = len(m.Calls)
				at[t.Index], m.Calls = i, append(m.Calls, rawCall{})
			}
			call := &m.Calls[i]
			call.ID = or(call.ID, t.ID)
			call.Name += t.Function.Name
			call.Arguments += t.Function.Arguments
		}
		m.Finish = or(ch.FinishReason, m.Finish)
	}
	if err := s.Err(); err != nil {
		return message{}, err
	}
	if m.Finish == "" {
		return message{}, errHalf
	}
	return m, nil
}

// nativeTool is a tool as the endpoint wants it documented: JSON schema, with the
// parameters in their order.
func nativeTool(t ballast.Tool) openai.ChatCompletionToolUnionParam {
	doc := toolSchema(t)
	f := openai.FunctionDefinitionParam{Name: t.Name, Description: param.NewOpt(t.Doc), Parameters: openai.FunctionParameters{}}
	for i := range doc.Len() {
		k, v := doc.At(i)
		text, err := value.JSON(v)
		if err != nil {
			panic("remote: tool " + t.Name + ": " + err.Error()) // schemas come from JSON
		}
		f.Parameters[k.(string)] = json.RawMessage(text)
	}
	return openai.ChatCompletionFunctionTool(f)
}
