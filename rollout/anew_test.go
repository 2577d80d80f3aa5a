package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/env"
	ace "ballast/env/acebench"
	"ballast/value"
)

// dialogueTask is an item of the agents: the device is to be logged in.
func dialogueTask(t testing.TB, category, format string) *ballast.Task {
	t.Helper()
	state := value.NewDict("BaseApi", value.NewDict("wifi", true, "logged_in", true))
	it := &ace.Item{ID: category + "_0", Category: category, Question: "You are Eve. You want the device to be logged in. You want the Wi-Fi to be on.",
		Classes: []string{"BaseApi"}, Config: value.NewDict("BaseApi", value.NewDict("wifi", false, "logged_in", false)), Gold: value.NewList(state),
		Milestones: value.NewList("[login_device()]", "[turn_on_wifi()]"), Functions: []ace.Function{{Name: "login_device", Doc: value.NewDict("name",
			"login_device")}, {Name: "turn_on_wifi", Doc: value.NewDict("name", "turn_on_wifi")}}}
	task := &ballast.Task{ID: it.ID, Category: category, Format: map[string]string{ace.Tool: "hermes", ace.AST: "pythonic"}[format]}
	for _, f := range it.Functions {
		task.Tools = append(task.Tools, ballast.Tool{Name: f.Name, Schema: f.Doc})
	}
	if err := ace.AgentTask(task, it, format); err != nil {
		t.Fatal(err)
	}
	return task
}

const loginCall, wifiCall = "<tool_call>\n{\"name\": \"login_device\", \"arguments\": {}}\n</tool_call>",
	"<tool_call>\n{\"name\": \"turn_on_wifi\", \"arguments\": {}}\n</tool_call>"

// listened is a policy that keeps the prompts that it was given, and answers by the number of the reply.
func listened(s chat.Renderer, tok *bpe.Tokenizer, texts ...string) (p *Script, prompts *[]string) {
	prompts, d := &[]string{}, chat.NewDialogue(s, nil, nil)
	return &Script{Reply: func(tokens []int32, _ ballast.Request) []int32 {
		*prompts = append(*prompts, tok.Decode(tokens))
		return d.Gold(texts[min(len(*prompts), len(texts))-1])
	}}, prompts
}

func playAnew(t testing.TB, p ballast.Policy, cfg Config, plays ...Request) []ballast.Episode {
	t.Helper()
	cfg.Budget = cmpBudget(cfg.Budget)
	eps, err := Anew(context.Background(), p, cfg, plays, ballast.Sampling{})
	if err != nil {
		t.Fatal(err)
	}
	return eps
}

func cmpBudget(b Budget) Budget {
	if b == (Budget{}) {
		return budget
	}
	return b
}

// Every prompt is the whole conversation as the world writes it then, tokens of its own, in every template. What was said runs, the
// user speaks, and the end is judged.
func TestAnew(t *testing.T) {
	tok := tokenizer(t)
	for _, tmpl := range templates() {
		for _, format := range ace.Formats {
			task := dialogueTask(t, ace.MultiTurn, format)
			s := style(tok, tmpl, task.Format)
			texts := []string{loginCall, "I have logged in successfully.", wifiCall, "Wi-Fi is on: done."}
			if format == ace.AST {
				texts[0], texts[2] = "[login_device()]", "[turn_on_wifi()]"
			}
			p, prompts := listened(s, tok, texts...)
			var ended []ballast.Episode
			ep := playAnew(t, p, Config{Renderer: s, Ended: func(ep *ballast.Episode) { ended = append(ended, *ep) }}, Request{Task: task})[0]
			if last := len(ep.Turns) - 1; ep.Stop != ballast.StopDone || len(ep.Turns) != 3 || !ep.Turns[last].Check.Passed ||
				ep.Turns[last].User != "finish conversation" || ep.Turns[1].User != "I want the Wi-Fi to be on." {
				t.Fatalf("%s %s: stop %s %s, %+v", tmpl, format, ep.Stop, ep.Error, ep.Turns)
			}
			if ep.Tokens != nil || len(ended) != 1 || len(*prompts) != 4 || ep.Turns[0].Steps[0].Kind != ballast.KindCall {
				t.Errorf("%s %s: %d tokens, %d ended, %d prompts", tmpl, format, len(ep.Tokens), len(ended), len(*prompts))
			}
			history := ""
			for i, line := range []string{"user:I want the device to be logged in.\n", "agent:" + texts[0] + "\nexecution:" + ep.Turns[0].Steps[0].Results[0] + "\n",
				"agent:" + texts[1] + "\nuser:I want the Wi-Fi to be on.\n", "agent:" + texts[2] + "\nexecution:" + ep.Turns[1].Steps[0].Results[0] + "\n"} {
				history += line
				it := &ace.Item{Category: ace.MultiTurn, Classes: task.APIs}
				for _, tool := range task.Tools {
					it.Functions = append(it.Functions, ace.Function{Name: tool.Name, Doc: tool.Schema.(*value.Dict)})
				}
				d := chat.NewPrompted(s, ace.Messages(it, format, history))
				if d.Open(); (*prompts)[i] != tok.Decode(d.Tokens()) {
					t.Errorf("%s %s: prompt %d is\n%s\nwant\n%s", tmpl, format, i, (*prompts)[i], tok.Decode(d.Tokens()))
				}
			}
		}
	}
}

// A prompt that the context has no room for gets an empty reply, and the policy is not asked. A reply that the budget cuts is taken as it is.
func TestAnewWithoutRoom(t *testing.T) {
	tok := tokenizer(t)
	task := dialogueTask(t, ace.MultiStep, ace.Tool)
	s := style(tok, "chatml", "hermes")
	p, prompts := listened(s, tok, loginCall)
	ep := playAnew(t, p, Config{Renderer: s, Context: 20}, Request{Task: task})[0]
	if ep.Stop != ballast.StopDone || len(*prompts) != 0 || len(ep.Turns[0].Steps) != 20 || ep.Turns[0].Steps[0].Text != "" ||
		ep.Turns[0].Steps[0].Reason != env.NoRoom || ep.Turns[0].Check.Passed {
		t.Errorf("stop %s, %d asked, %+v", ep.Stop, len(*prompts), ep.Turns)
	}
	b := budget
	b.Reply = 5
	p, _ = listened(s, tok, strings.Repeat("on and on ", 20))
	ep = playAnew(t, p, Config{Renderer: s, Budget: b}, Request{Task: task})[0]
	if step := ep.Turns[0].Steps[0]; ep.Stop != ballast.StopDone || !step.Cut || step.Text == "" || len(ep.Turns[0].Steps) != 20 {
		t.Errorf("stop %s, %+v", ep.Stop, step)
	}
	b.Episode = 30 // of what the prompt grows by
	if ep = playAnew(t, p, Config{Renderer: s, Budget: b}, Request{Task: task})[0]; ep.Stop != ballast.StopTokens || len(ep.Turns[0].Steps) == 0 || len(ep.Turns[0].Steps) > 6 {
		t.Errorf("stop %s after %d replies", ep.Stop, len(ep.Turns[0].Steps))
	}
	b.Episode = budget.Episode
	b.Steps = 3
	if ep = playAnew(t, p, Config{Renderer: s, Budget: b}, Request{Task: task})[0]; ep.Stop != ballast.StopTurns || len(ep.Turns[0].Steps) != 3 {
		t.Errorf("stop %s", ep.Stop)
	}
	ids, err := Prompt(t.Context(), &Config{Renderer: s, Budget: budget}, task)
	if err != nil || !strings.Contains(tok.Decode(ids), "login_device") {
		t.Errorf("%q %v", tok.Decode(ids), err)
	}
}

// Who trains is told that there is nothing to train on, and what Anew has no place for is refused.
func TestAnewRefuses(t *testing.T) {
	tok := tokenizer(t)
	s := style(tok, "chatml", "hermes")
	task := dialogueTask(t, ace.MultiStep, ace.Tool)
	cfg := Config{Renderer: s, Budget: budget}
	if _, err := Run(t.Context(), says(s, "x"), cfg, []Request{{Task: task}}, ballast.Sampling{}); err == nil ||
		!strings.Contains(err.Error(), "no growing list of tokens to train on") {
		t.Error(err)
	}
	for want, play := range map[string]Request{"grows and is not written anew": {Task: deskTask(t, 0)}, "no place for gold": {Task: task, Gold: true},
		"gold or a hint": {Task: task, Hint: "h"}} {
		if _, err := Anew(t.Context(), says(s, "x"), cfg, []Request{play}, ballast.Sampling{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	cfg.Faults = Faults{AppendEnd}
	if _, err := Anew(t.Context(), says(s, "x"), cfg, []Request{{Task: task}}, ballast.Sampling{}); err == nil {
		t.Error("faults are ignored")
	}
}

// unsteady is a user who fails the first times, and waits.
type unsteady struct {
	mu    *sync.Mutex
	fails *int
}

func (u unsteady) Next(_ context.Context, ep *ballast.Episode) (string, bool, error) {
	time.Sleep(time.Millisecond)
	u.mu.Lock()
	defer u.mu.Unlock()
	if *u.fails--; *u.fails >= 0 {
		return "", false, errors.New("nobody is there")
	}
	if len(ep.Turns) > 1 {
		return "finish conversation", true, nil
	}
	return "hello", true, nil
}

// A user, or a policy, that fails is infrastructure: the episode is played again, and is never scored.
func TestAnewFails(t *testing.T) {
	tok := tokenizer(t)
	s := style(tok, "chatml", "hermes")
	for _, c := range []struct{ fails, retries, infra int }{{0, 0, 0}, {2, 2, 0}, {100, 1, 3}} {
		fails, mu, table := c.fails, &sync.Mutex{}, env.Builtin
		table.Users = append(slices.Clone(table.Users), env.UserEntry{Name: "unsteady", New: func(context.Context, *ballast.Task) (ballast.User, error) {
			return unsteady{mu, &fails}, nil
		}})
		task := dialogueTask(t, ace.MultiTurn, ace.Tool)
		task.User = "unsteady"
		p, _ := listened(s, tok, "Yes?")
		infra := 0
		for _, ep := range playAnew(t, p, Config{Renderer: s, Retries: c.retries, Env: &table}, Request{Task: task}, Request{Task: task}, Request{Task: task}) {
			if ep.Stop == ballast.StopInfra {
				infra++
				if !strings.Contains(ep.Error, "nobody is there") {
					t.Error(ep.Error)
				}
			} else if ep.Stop != ballast.StopDone {
				t.Errorf("stop %s %s", ep.Stop, ep.Error)
			}
		}
		if infra != c.infra {
			t.Errorf("%+v: %d broke", c, infra)
		}
	}
	task := dialogueTask(t, ace.MultiTurn, ace.Tool)
	for name, p := range map[string]ballast.Policy{"broken": breaking{err: errors.New("no power")}, "silent": breaking{silent: true}} {
		if ep := playAnew(t, p, Config{Renderer: s}, Request{Task: task})[0]; ep.Stop != ballast.StopInfra {
			t.Errorf("%s: stop %s", name, ep.Stop)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Anew(ctx, breaking{}, Config{Renderer: s, Budget: budget}, []Request{{Task: task}}, ballast.Sampling{}); err == nil {
		t.Error("a context that has ended plays")
	}
}

// breaking is a policy that answers nothing.
type breaking struct {
	err    error
	silent bool
}

func (breaking) Watched() []int32 { return nil }

func (b breaking) Play(ctx context.Context, convs []ballast.Conversation, _ ballast.Sampling) error {
	if ctx.Err() != nil {
		return fmt.Errorf("play: %w", ctx.Err())
	}
	for _, c := range convs {
		if _, more := c.Next(); more && !b.silent {
			c.Take(ballast.Reply{Err: b.err})
			c.Next()
		}
	}
	return nil
}
