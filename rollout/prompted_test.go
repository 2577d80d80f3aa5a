package rollout

import (
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/env"
	ace "ballast/env/acebench"
	"ballast/value"
)

// asked is a task that brings its own prompt, and whose one reply is judged.
func asked() *ballast.Task {
	it := &ace.Item{ID: "x", Category: "normal_similar_api", Question: "user: add 5\nsystem: [f(n=1)]\nuser: more", Gold: value.NewDict("f",
		value.NewDict("n", int64(5))), Functions: []ace.Function{{Name: "f", Doc: value.NewDict("name", "f", "parameters",
		value.NewDict("properties", value.NewDict("n", value.NewDict("type", "integer")), "required", value.NewList("n")))}}}
	return &ballast.Task{ID: it.ID, World: env.None, Grader: ace.Name, Prompt: ace.Messages(it, ace.Tool, ""), Format: "hermes",
		Tools: []ballast.Tool{{Name: "f"}}, Turns: []ballast.TaskTurn{{User: it.Question, Gold: ace.GoldCalls(it),
			Reply: ace.GoldReply(it, ace.Tool), Want: ace.Want(it, ace.Tool)}}}
}

// A task's own prompt stands for everything before the reply. The reply closes the turn, whatever it is, also one that
// a budget cut, and is judged.
func TestPrompted(t *testing.T) {
	tok := tokenizer(t)
	for _, tmpl := range templates() {
		for _, f := range formats() {
			s, task := style(tok, tmpl, f), asked()
			for _, c := range []struct {
				text   string
				budget int
				kind   ballast.ReplyKind
				passed bool
			}{
				{task.Turns[0].Reply, 256, ballast.KindCall, true}, {"No.", 256, ballast.KindResponse, false},
				{"<tool_call>x", 256, ballast.KindPolluted, false}, {task.Turns[0].Reply + " and so on, and on", len(chat.NewDialogue(s, nil, nil).
					Gold(task.Turns[0].Reply)), ballast.KindPolluted, true},
			} {
				b := budget
				b.Reply = c.budget
				ep := run(t, says(s, c.text), Config{Renderer: s, Budget: b}, Request{Task: task})[0]
				turn := &ep.Turns[0]
				if ep.Stop != ballast.StopDone || !turn.Check.Done || turn.Check.Passed != c.passed || len(turn.Steps) != 1 || turn.Steps[0].Kind != c.kind ||
					turn.Steps[0].Results != nil {
					t.Fatalf("%s %s %q: stop %s %s, %+v", tmpl, f, c.text, ep.Stop, ep.Error, turn)
				}
			}
			if ep := run(t, nil, Config{Renderer: s}, Request{Task: task, Gold: true})[0]; !ep.Turns[0].Check.Passed {
				t.Fatalf("%s %s: gold: %s %+v", tmpl, f, ep.Error, ep.Turns[0])
			}
			ids, err := Prompt(t.Context(), &Config{Renderer: s, Budget: budget}, task)
			if err != nil {
				t.Fatal(err)
			}
			text, at := tok.Decode(ids), 0
			for _, m := range task.Prompt {
				i := strings.Index(text[at:], strings.TrimSpace(m.Text))
				if i < 0 {
					t.Fatalf("%s %s: %q stands not behind %q", tmpl, f, m.Text, text[:at])
				}
				at += i
			}
			calls := 0
			for _, id := range ids {
				if tok.Token(id) == "<tool_call>" {
					calls++
				}
			}
			if want := strings.Count(text, "<tool_call>"); calls != want {
				t.Errorf("%s %s: %d tags are control tokens, %d are written", tmpl, f, calls, want)
			}
		}
	}
	if ep := run(t, says(style(tok, "chatml", "hermes"), "x"), Config{Renderer: style(tok, "chatml", "hermes")}, Request{Task: asked(), Hint: "h"})[0]; ep.Stop != ballast.StopInfra || !strings.Contains(ep.Error, "no place for a hint") {
		t.Errorf("a hint: %s %s", ep.Stop, ep.Error)
	}
}
