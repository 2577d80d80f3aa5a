package rollout

import (
	"strings"
	"testing"

	"ballast"
	"ballast/chat/format"
)

// TestDraftedCallsAreNotRun: of a reply with a thought only what stands behind it is run,
// in every format and whatever is done with malformed replies; of a thought that does not
// close nothing is.
func TestDraftedCallsAreNotRun(t *testing.T) {
	tok, wide := tokenizer(t), budget
	wide.Reply = 640 // DeepSeek's tokens, spelled
	for _, name := range formats() {
		s := style(tok, "qwen3", name)
		mkdir := func(folder string) string {
			return s.Format.Render([]ballast.Call{{Name: "mkdir", Args: []ballast.Arg{{Name: "folder", Value: folder}}}}, nil)
		}
		task := &ballast.Task{ID: "t", Set: "desk", Category: "base", APIs: []string{"files"}, Tools: []ballast.Tool{{Name: "mkdir"}},
			Init: map[string]any{"files": mustJSON(t, `{}`)}, Turns: []ballast.TaskTurn{{User: "a"}}}
		for _, how := range []Malformed{MalformedStop, MalformedRetry, MalformedAdvance} {
			for _, draft := range []string{mkdir("draft"), "<tool_call>", "I answer inside <tool_call></tool_call> tags", mkdir("draft")[:20]} {
				ep := run(t, says(s, "<think>\nMaybe\n"+draft+" - no\n</think>\n\n"+mkdir("meant"), "Done."), Config{Renderer: s, Malformed: how, Budget: wide}, Request{Task: task})[0]
				step := ep.Turns[0].Steps[0]
				if ep.Stop != ballast.StopDone || step.Kind != ballast.KindCall || len(step.Results) != 1 || step.Calls[0].Args[0].Value != "meant" {
					t.Errorf("%s, malformed: %s, draft %q: stop %s, %s %s, %v", name, how, draft, ep.Stop, step.Kind, step.Reason, step.Calls)
				}
			}
			for reply, reason := range map[string]format.Reason{"<think>\nMaybe\n" + mkdir("draft"): format.ReasonUnclosedTag,
				"<think>\n" + mkdir("draft") + strings.Repeat(" and or not", 200): format.ReasonCut} {
				cfg := Config{Renderer: s, Malformed: how, Budget: Budget{8192, 8192, 200, 512, 40}}
				ep := run(t, says(s, reply, "Done."), cfg, Request{Task: task})[0]
				if step := ep.Turns[0].Steps[0]; step.Kind != ballast.KindPolluted || step.Reason != string(reason) || len(step.Calls)+len(step.Results) > 0 {
					t.Errorf("%s, malformed: %s, a thought that never closes: %s %s, %v", name, how, step.Kind, step.Reason, step.Calls)
				}
			}
		}
	}
}

// TestRetryTells: under retry the policy is told what was seen in its reply and how calls
// are written, and may reply again; under no rule is a call in another syntax a response.
func TestRetryTells(t *testing.T) {
	tok := tokenizer(t)
	for _, name := range formats() {
		s := style(tok, "chatml", name)
		task := deskTask(t, 0)
		tool := task.Tools[0].Name
		for _, reply := range []string{"<function=" + tool + ">\n</function>", tool + "(a=1)\n" + tool + "(b=2)", "Sure: {\"name\": \"" + tool + "\", \"arguments\": {}}"} {
			var told string
			p := says(s, reply, "Done.")
			inner := p.Reply
			p.Reply = func(ids []int32, q ballast.Request) []int32 {
				if told == "" && strings.Contains(tok.Decode(ids), "The last reply was not") {
					told = tok.Decode(ids)
				}
				return inner(ids, q)
			}
			ep := run(t, p, Config{Renderer: s, Malformed: MalformedRetry}, Request{Task: task})[0]
			if step := ep.Turns[0].Steps[0]; step.Kind != ballast.KindPolluted || step.Reason != string(format.ReasonOtherSyntax) {
				t.Errorf("%s %q: %s %s", name, reply, step.Kind, step.Reason)
			}
			for _, want := range []string{"a call is written in another syntax (\"", tool, "Calls are written like this: " + s.Format.Hint()} {
				if !strings.Contains(told, want) {
					t.Errorf("%s %q: told %q, without %q", name, reply, told, want)
				}
			}
			ep = run(t, says(s, reply, "Done."), Config{Renderer: s}, Request{Task: task})[0]
			if ep.Stop != ballast.StopMalformed {
				t.Errorf("%s %q, malformed: stop: %s", name, reply, ep.Stop)
			}
		}
	}
}
