package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"

	"ballast"
	"ballast/chat"
	"ballast/chat/format"
	"ballast/endpoint"
	"ballast/env"
	"ballast/value"
)

// ChatConfig says how episodes are played with messages and native tools.
type ChatConfig struct {
	Rules  env.Rules // Shorten is set from Result
	System *string   // text of a system message; nil = none
	// Budgets in tokens, 0 = none. The endpoint's tokens are not ours: Episode is
	// held to the endpoint's own count, if it sends one, and Result to four bytes
	// a token.
	Reply, Episode, Result int
	How                    ballast.Sampling // a negative temperature is not sent
	Env                    *env.Table       // the worlds, graders and users of the tasks; nil = env.Builtin
}

// Chat plays every task once, a few at a time, and returns the episodes in order,
// without tokens. Ended, if not nil, is told of every episode that ended, those that
// broke among them, from several goroutines. The error is what no
// further request could mend, or the cancellation.
func (c *Client) Chat(ctx context.Context, cfg ChatConfig, tasks []*ballast.Task, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
	if n := 4 * cfg.Result; n > 0 {
		cfg.Rules.Shorten = env.Tail(n)
	}
	out, all, tries := make([]ballast.Episode, len(tasks)), make([]*dialogue, len(tasks)), make([]int, len(tasks))
	err := c.each(ctx, len(tasks), func(ctx context.Context, i int) (wait <-chan struct{}, infra, fatal error) {
		if all[i] == nil {
			task, err := cmp.Or(cfg.Env, &env.Builtin).Prepare(ctx, tasks[i])
			if err != nil {
				return nil, nil, err
			}
			all[i] = &dialogue{c: c, cfg: &cfg, Env: task.New(cfg.Rules)}
		}
		d := all[i]
		if wait, infra, fatal = d.play(ctx); wait != nil || fatal != nil {
			return wait, nil, fatal
		}
		d.settle()
		if d.Episode.Stop == ballast.StopInfra && infra == nil && tries[i] < worldTries {
			tries[i]++
			all[i] = nil // what the endpoint said is in the journal
			return done, nil, nil
		}
		if out[i] = d.Episode; ended != nil {
			ended(&out[i])
		}
		return nil, infra, nil
	})
	for _, d := range all { // those that the error broke off
		if d != nil {
			d.settle()
		}
	}
	return out, err
}

// worldTries is how often an episode is played again whose world, grader or user failed.
const worldTries = 2

// done is a channel that waits for nothing.
var done = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// each runs play for 0 to n-1, Concurrency at a time. Play returns what broke one
// episode, and what ends everything. An endpoint that breaks many episodes in a
// row ends everything, too. An episode that waits for what is not the endpoint returns
// the channel that says for how long, and makes room for others; play is then called for it
// again, before any that has not begun.
func (c *Client) each(ctx context.Context, n int, play func(context.Context, int) (wait <-chan struct{}, infra, fatal error)) error {
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.opts.Halt, func() { cancel(endpoint.Ended(c.opts.Halt)) })()
	next, back, over := make(chan int), make(chan int, n), make(chan struct{}, n)
	var group sync.WaitGroup
	var mu sync.Mutex
	row := 0
	ended := func(infra, fatal error) {
		mu.Lock()
		defer mu.Unlock()
		if row++; infra == nil {
			row = 0
		}
		if fatal == nil && row >= max(10, 2*c.opts.Concurrency) {
			fatal = fmt.Errorf("remote: %d episodes in a row could not be played; the last: %w", row, infra)
		}
		if fatal != nil {
			cancel(fatal)
		}
		over <- struct{}{}
	}
	for range min(n, c.opts.Concurrency) {
		group.Go(func() {
			for i := range next {
				wait, infra, fatal := play(ctx, i)
				if wait == nil || fatal != nil {
					ended(infra, fatal)
					continue
				}
				group.Go(func() {
					select {
					case <-wait:
						back <- i
					case <-ctx.Done():
					}
				})
			}
		})
	}
	feed(ctx, n, next, back, over)
	close(next)
	group.Wait()
	return cmp.Or(endpoint.Ended(caller), context.Cause(ctx))
}

// feed gives out 0 to n-1, and those that come back before the others, until all are over
// or the context ends.
func feed(ctx context.Context, n int, next chan<- int, back <-chan int, over <-chan struct{}) {
	var first []int // came back
	fresh := 0
	for left := n; left > 0; {
		out, i := next, fresh
		switch {
		case len(first) > 0:
			i = first[0]
		case fresh == n:
			out = nil
		}
		select {
		case out <- i:
			if len(first) > 0 {
				first = first[1:]
			} else {
				fresh++
			}
		case k := <-back:
			first = append(first, k)
		case <-over:
			left--
		case <-ctx.Done():
			return
		}
	}
}

// dialogue is one episode of Chat.
type dialogue struct {
	*env.Env
	c        *Client
	cfg      *ChatConfig
	messages []endpoint.Message
	tools    []endpoint.Tool
	last     []endpoint.Call // native calls of the last reply
	replies  int
	written  int   // bytes of all replies
	first    int64 // tokens after the first reply, as the endpoint counts
	used     int64 // and after the newest, beyond those
	tame     bool  // the endpoint does not take back what its model wrote

	begun bool
	next  env.Message     // what the environment says, to be shown
	said  bool            // it has said something
	away  <-chan struct{} // closed when what runs aside has come back
}

// play plays the episode until it is over, or waits for what is not the endpoint and is to
// be called again. Infra is what broke it; fatal ends the evaluation.
func (d *dialogue) play(ctx context.Context) (wait <-chan struct{}, infra, fatal error) {
	if !d.begun {
		d.begun = true
		d.begin()
		if wait := d.aside(func() env.Message { return d.Start(ctx) }); wait != nil {
			return wait, nil, nil
		}
	}
	for d.goesOn() {
		m, err := d.ask(ctx)
		var end *fatalError
		switch {
		case errors.As(err, &end):
			return nil, nil, end.err
		case err != nil && ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		case full(err) && d.Listens(): // the original program has an empty reply then
			m = endpoint.Reply{Finish: "length", Full: true}
		case full(err):
			d.Stop(ballast.StopTokens)
			continue
		case err != nil:
			d.Fail(err)
			return nil, err, nil
		}
		if wait := d.take(ctx, m); wait != nil {
			return wait, nil, nil
		}
	}
	if err := ctx.Err(); err != nil { // it may have broken the world
		return nil, nil, context.Cause(ctx)
	}
	return nil, nil, nil // what a world broke is not the endpoint's
}

// aside has the environment act, and keeps what it says. It returns what to wait for.
func (d *dialogue) aside(act func() env.Message) <-chan struct{} {
	d.said = true
	if d.Instant() {
		d.next = act()
		return nil
	}
	away := make(chan struct{})
	d.away = away
	go func() {
		defer close(away)
		d.next = act()
	}()
	return away
}

// settle waits for what runs aside and gives back what the world holds.
func (d *dialogue) settle() {
	if d.away != nil {
		<-d.away
	}
	d.Close()
	if err := d.Prepared.Close(); err != nil && d.Episode.Error == "" {
		d.Episode.Error = err.Error()
	}
}

// goesOn shows what the environment said and reports whether another reply is to be asked for.
func (d *dialogue) goesOn() bool {
	if d.said && !d.Over() {
		d.show(d.next)
	}
	d.said = false
	if !d.Over() && (d.written > maxWritten || d.cfg.Episode > 0 && d.used >= int64(d.cfg.Episode)) {
		d.Stop(ballast.StopTokens)
	}
	return d.Ready()
}

// take reads a reply and lets the environment act on it. It returns what to wait for.
func (d *dialogue) take(ctx context.Context, m endpoint.Reply) <-chan struct{} {
	cut := m.Finish == "length"
	d.echo(m)
	d.read(m, cut)
	if d.Listens() && m.Full && m.Content == "" && len(m.Calls) == 0 {
		d.Last().Reason = env.NoRoom
	}
	if d.replies++; d.replies == 1 {
		d.first = m.Tokens
	}
	d.written += len(m.Content) + size(m.Calls)
	d.used = m.Tokens - d.first
	switch {
	case d.Closes() || d.Listens(): // it is taken as it is
		return d.aside(func() env.Message { return d.Answer(ctx) })
	case cut && m.Full:
		d.Stop(ballast.StopTokens)
	case cut:
		d.Stop(ballast.StopCut)
	default:
		return d.aside(func() env.Message { return d.Answer(ctx) })
	}
	return nil
}

// maxWritten bounds what one conversation holds of its model, in bytes: more than any
// context has room for, whatever the endpoint counts.
const maxWritten = 2 << 20

// size is that of calls in bytes.
func size(calls []endpoint.Call) (n int) {
	for _, c := range calls {
		n += len(c.ID) + len(c.Name) + len(c.Arguments)
	}
	return n
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
	if m.Prompt != nil {
		d.messages, d.last = written(m.Prompt), nil
		return
	}
	for i, c := range d.last {
		answer := env.RetryText
		if i < len(m.Results) {
			answer = m.Results[i]
		}
		d.messages = append(d.messages, endpoint.Answer(answer, c.ID))
	}
	first := d.replies == 0
	if d.last = nil; m.Results != nil || first && d.Task().Prompt != nil {
		return
	}
	d.offer(m.Reveal)
	d.messages = append(d.messages, endpoint.User(m.User))
}

// echo appends the reply to the messages. Its content is always there, as a text:
// servers refuse a message without the key (jekalmin/extended_openai_conversation#456,
// abetlen/llama-cpp-python#1805), drop one whose content is null
// (cubist38/mlx-openai-server#205) or fail in a template that adds it to a text; the
// empty text is none of that. Calls that are no valid JSON would make servers refuse the
// conversation: their arguments are left out. Calls are answered by their ids, so each
// has one of its own.
func (d *dialogue) echo(m endpoint.Reply) {
	a := endpoint.Message{Role: "assistant", Content: &m.Content}
	d.last = m.Calls
	seen := map[string]bool{}
	for i := range d.last {
		c := &d.last[i]
		if c.ID == "" || seen[c.ID] {
			c.ID = fmt.Sprintf("call_%d_%d", d.replies, i)
		}
		seen[c.ID] = true
		name, arguments := d.last[i].Name, d.last[i].Arguments
		if _, reason := readCall(d.last[i]); reason != "" {
			name, arguments = cmp.Or(name, "unknown"), "{}"
		}
		if text := strings.TrimSpace(arguments); text == "null" {
			arguments = ""
		}
		a.ToolCalls = append(a.ToolCalls, endpoint.NewCall(d.last[i].ID, name, cmp.Or(arguments, "{}")))
	}
	d.messages = append(d.messages, a)
}

// text is the reply as the record keeps it: the prose, then the calls as they came.
func text(m endpoint.Reply) string {
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
func parse(m endpoint.Reply, offered format.Offered) chat.Parsed {
	if len(m.Calls) == 0 {
		p := chat.Hermes.Parse(format.Opened(m.Content), offered)
		if p.Kind == ballast.KindCall {
			p.Kind, p.Reason = ballast.KindPolluted, format.ReasonOtherSyntax
		}
		p.Calls = nil
		return p
	}
	p := chat.Parsed{Kind: ballast.KindCall, Text: strings.TrimSpace(m.Content)}
	for _, raw := range m.Calls {
		c, reason := readCall(raw)
		if reason != "" {
			if p.Kind == ballast.KindCall {
				p.Kind, p.Reason = ballast.KindPolluted, reason
			}
			continue
		}
		p.Calls = append(p.Calls, c)
		if _, ok := offered.Tool(c.Name); p.Reason == "" && !ok {
			p.Reason = format.ReasonUnknownTool
		}
	}
	if p.Kind == ballast.KindPolluted {
		p.Calls = nil
	}
	return p
}

// readCall reads one native call; a reason says what is malformed. No arguments at
// all are an empty object, as some servers send it: as null, as the word, or as nothing.
func readCall(raw endpoint.Call) (ballast.Call, chat.Reason) {
	c := ballast.Call{Name: raw.Name}
	if raw.Name == "" {
		return c, format.ReasonMissingName
	}
	if text := strings.TrimSpace(raw.Arguments); text == "" || text == "null" {
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
func (d *dialogue) ask(ctx context.Context) (endpoint.Reply, error) {
	body := endpoint.Chat{Model: d.c.opts.Model, Messages: d.messages, Tools: d.tools}
	if t := d.cfg.How.Temperature; t >= 0 {
		body.Temperature = &t
	}
	if p := d.cfg.How.TopP; p > 0 && p < 1 {
		body.TopP = &p
	}
	if d.cfg.How.Temperature > 0 {
		h := fnv.New32a()
		h.Write([]byte(d.Episode.Task))
		seed := int64(h.Sum32())
		body.Seed = &seed
	}
	d.c.bound(&body, d.cfg.Reply)
	scope := fmt.Sprintf("chat %s %d", d.Episode.Task, d.replies)
	return d.c.ask(ctx, "chat", scope, body, func() (endpoint.Reply, error) { return d.send(ctx, body) })
}

// bound sets the most tokens of a reply.
func (c *Client) bound(body *endpoint.Chat, most int) {
	if strings.Contains(c.opts.URL, "api.openai.com") { // its newer models refuse the older name
		body.MaxCompletionTokens = most
	} else {
		body.MaxTokens = most
	}
}

// nativeTool is a tool as the endpoint wants it documented: JSON schema, with the
// parameters in their order.
func nativeTool(t ballast.Tool) endpoint.Tool {
	doc := toolSchema(t)
	f := endpoint.Function{Name: t.Name, Description: t.Doc, Parameters: map[string]json.RawMessage{}}
	for i := range doc.Len() {
		k, v := doc.At(i)
		text, err := value.JSON(v)
		if err != nil {
			panic("remote: tool " + t.Name + ": " + err.Error()) // schemas come from JSON
		}
		f.Parameters[k.(string)] = json.RawMessage(text)
	}
	return endpoint.Tool{Function: f, Type: "function"}
}
