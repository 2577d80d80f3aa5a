package rollout

import (
	"strings"
	"testing"
	"time"

	"ballast"
)

// Gold dialogues keep the budgets of replies and of tokens, and hold no part of a
// reply that does not fit.
func TestGoldKeepsBudgets(t *testing.T) {
	s := style(tokenizer(t), "chatml", "hermes")
	task := deskTask(t, 0)
	whole := run(t, nil, Config{Renderer: s}, Request{Task: task, Gold: true})[0]
	replies, longest := 0, 0
	for _, turn := range whole.Turns {
		for _, step := range turn.Steps {
			replies++
			longest = max(longest, step.End-step.Start)
		}
	}
	if whole.Stop != ballast.StopDone || replies < 3 {
		t.Fatalf("stop %s after %d replies", whole.Stop, replies)
	}
	for _, c := range []struct {
		name   string
		change func(*Budget)
		stop   ballast.Stop
	}{
		{"just enough", func(b *Budget) { b.Steps, b.Reply, b.Episode = replies, longest, len(whole.Tokens)-whole.Prompt }, ballast.StopDone},
		{"replies", func(b *Budget) { b.Steps = replies - 1 }, ballast.StopTurns},
		{"one reply", func(b *Budget) { b.Reply = longest - 1 }, ballast.StopCut},
		{"tokens", func(b *Budget) { b.Episode = len(whole.Tokens) - whole.Prompt - 1 }, ballast.StopTokens},
		{"no token", func(b *Budget) { b.Episode = 0 }, ballast.StopTokens},
		{"prompt", func(b *Budget) { b.Prompt = whole.Prompt - 1 }, ballast.StopInfra},
	} {
		cfg := Config{Renderer: s, Budget: budget}
		c.change(&cfg.Budget)
		ep := run(t, nil, cfg, Request{Task: task, Gold: true})[0]
		n := 0
		for _, turn := range ep.Turns {
			for _, step := range turn.Steps {
				n++
				if step.Cut || step.End-step.Start > cfg.Budget.Reply {
					t.Errorf("%s: a reply is cut or too long: %+v", c.name, step)
				}
			}
		}
		if ep.Stop != c.stop || n > cfg.Budget.Steps || (c.stop == ballast.StopDone) != (n == replies) {
			t.Errorf("%s: stop %s after %d replies: %s", c.name, ep.Stop, n, ep.Error)
		}
	}
}

// A gold reply that cannot be read ends the dialogue under every rule: asked again,
// it would be the same.
func TestUnreadableGoldEnds(t *testing.T) {
	s := style(tokenizer(t), "chatml", "hermes")
	task := *deskTask(t, 0)
	task.Turns = append([]ballast.TaskTurn(nil), task.Turns...)
	task.Turns[0].Reply = "<tool_call>\n{\"name\": "
	for _, how := range []Malformed{MalformedStop, MalformedRetry, MalformedAdvance} {
		done := make(chan ballast.Episode, 1)
		go func() {
			done <- run(t, nil, Config{Renderer: s, Malformed: how}, Request{Task: &task, Gold: true})[0]
		}()
		select {
		case ep := <-done:
			steps := ep.Turns[0].Steps
			if ep.Stop != ballast.StopMalformed || len(ep.Turns) != 1 || !strings.Contains(steps[len(steps)-1].Text, "tool_call") {
				t.Errorf("%s: stop %s, %d turns", how, ep.Stop, len(ep.Turns))
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: it never ends", how)
		}
	}
}
