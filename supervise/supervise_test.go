package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/credit"
	"ballast/rollout"
	"ballast/task"
	"ballast/value"
)

func tasks(t testing.TB, spec task.Spec) []ballast.Task {
	t.Helper()
	ts, err := task.Load(spec)
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

// style is chatml and hermes over a tokenizer of bytes and control tokens.
func style(t testing.TB) chat.Renderer {
	t.Helper()
	tmpl := chat.Templates["chatml"]
	control := chat.ControlTokens(tmpl)
	tok, err := bpe.Train(func(func(string) bool) {}, 256+len(control), control, bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	return chat.Renderer{Tokenizer: tok, Template: tmpl, Format: chat.Formats["hermes"]}
}

var wide = rollout.Budget{Prompt: 1 << 20, Episode: 1 << 20, Reply: 1 << 20, Result: 1 << 20, Steps: 1 << 10}

// TestBFCLCounts plays gold dialogues of the benchmark. A message of the assistant is a
// call or a turn's last reply; the counts are those of the file of gold answers. By that
// rule the 300 training rows have 922, 1022 and 1022, 2,966 single-turn instances: the
// paper's 69 updates of 128 in 3 epochs.
func TestBFCLCounts(t *testing.T) {
	train := tasks(t, task.Spec{Name: "bfcl", Data: filepath.Join("..", "task", "bfcl", "testdata")})
	var list []*ballast.Task
	for i := range train {
		list = append(list, &train[i])
	}
	cfg := rollout.Config{Renderer: style(t), Budget: wide}
	eps, err := Gold(context.Background(), cfg, list)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	all := 0
	for i := range eps {
		n := 0
		for _, turn := range eps[i].Turns {
			n += len(turn.Steps)
		}
		if n != Replies(list[i]) {
			t.Fatalf("%s: %d replies played, %d expected", list[i].ID, n, Replies(list[i]))
		}
		for k := range n {
			cut, start, end := Reply(&eps[i], k)
			if end != len(cut.Tokens) || start >= end || cut.Owners[start] != ballast.OwnerGold || cut.Owners[start-1] == ballast.OwnerGold {
				t.Fatalf("%s: instance %d is %d-%d of %d", list[i].ID, k, start, end, len(cut.Tokens))
			}
		}
		count[list[i].Category] += n
		all += n
	}
	if len(train) != 24 || all != 176 || count["base"] != 41 || count["miss_func"] != 47 || count["miss_param"] != 47 {
		t.Errorf("%d rows, %d assistant messages %v", len(train), all, count)
	}
}

// failing plays a task with the given replies.
func failing(t *testing.T, x *ballast.Task, texts ...string) ballast.Episode {
	t.Helper()
	s := style(t)
	k := 0
	p := &rollout.Script{Reply: func([]int32, ballast.Request) []int32 {
		text := texts[min(k, len(texts)-1)]
		k++
		return chat.NewDialogue(s, nil, nil).Gold(text)
	}}
	eps, err := rollout.Run(context.Background(), p, rollout.Config{Renderer: s, Budget: wide}, []rollout.Request{{Task: x}}, ballast.Sampling{})
	if err != nil {
		t.Fatal(err)
	}
	eps[0].Score = credit.Score(&eps[0], x, credit.Options{})
	return eps[0]
}

func ask(t *testing.T, x *ballast.Task, ep *ballast.Episode) map[Kind]string {
	t.Helper()
	qs := Reflect(x, ep)
	as, _, err := Oracle{}.Answer(context.Background(), qs)
	if err != nil {
		t.Fatal(err)
	}
	out := map[Kind]string{}
	for i, q := range qs {
		out[q.Kind] = as[i].Text
		if !q.WellFormed(as[i].Text) {
			t.Errorf("%s is malformed: %s", q.Kind, as[i].Text)
		}
	}
	return out
}

func TestOracleNamesTheCause(t *testing.T) {
	x := &tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 1, Categories: []string{"base"}})[0]
	gold := x.Turns[0].Gold
	f := chat.Formats["hermes"]
	wrong := ballast.Call{Name: gold[0].Name, Args: []ballast.Arg{}}
	for _, a := range gold[0].Args {
		wrong.Args = append(wrong.Args, ballast.Arg{Name: a.Name, Value: "nowhere"})
	}
	wrong, err := chat.Named(wrong, x.Tools)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		texts      []string
	}{
		{"no call", "none was made", []string{"Done."}},
		{"polluted", "neither calls nor plain text", []string{"<tool_call> hm"}},
		{"collapsed", "nothing but control tokens", []string{"<tool_call>"}},
		{"wrong arguments", gold[0].Name + " was called with wrong arguments", []string{f.Render([]ballast.Call{wrong}, nil), "Done."}},
	} {
		ep := failing(t, x, c.texts...)
		got := ask(t, x, &ep)
		if !strings.Contains(got[KindError], c.want) {
			t.Errorf("%s: the cause is not %q:\n%s", c.name, c.want, got[KindError])
		}
		for _, g := range gold {
			if !strings.Contains(got[KindError], value.FormatCall(g)) {
				t.Errorf("%s: the analysis lacks the right call %s:\n%s", c.name, value.FormatCall(g), got[KindError])
			}
		}
		evidence := strings.Count(between(got[KindError], "Evidence:", "Fix:"), "\n- ")
		alike := strings.Count(between(got[KindError], "Similar:", "Calls:"), "\n- ")
		if evidence < 2 || evidence > 4 || alike < 3 || alike > 5 {
			t.Errorf("%s: %d pieces of evidence, %d similar scenarios:\n%s", c.name, evidence, alike, got[KindError])
		}
		if !strings.HasPrefix(got[KindDialogue], "Turn 1 needed") {
			t.Errorf("%s: %s", c.name, got[KindDialogue])
		}
	}
}

func between(s, a, b string) string {
	_, s, _ = strings.Cut(s, a)
	s, _, _ = strings.Cut(s, b)
	return s
}

func TestOracleAnswersEveryFailure(t *testing.T) {
	all := tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 3, Count: 60})
	for i := range all {
		for _, texts := range [][]string{{"Done."}, {"<tool_call>"}, {strings.Repeat("x", 50)}} {
			if ep := failing(t, &all[i], texts...); !ep.Score.Success {
				ask(t, &all[i], &ep)
			}
		}
	}
}

func TestLessonHasNoControlTokensInside(t *testing.T) {
	x := &tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 1})[0]
	s := style(t)
	q := Query{Kind: KindError, Task: x, Text: "what went wrong?"}
	d := q.Lesson("write <tool_call> and <|im_end|> with care")
	ep, err := d.Episode(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range ep.Owners {
		if o == ballast.OwnerGold && s.Tokenizer.Special(ep.Tokens[i]) && i < len(ep.Tokens)-1 {
			t.Errorf("token %d is %q", i, s.Tokenizer.Token(ep.Tokens[i]))
		}
	}
	if last := ep.Tokens[len(ep.Tokens)-1]; last != s.Stops()[0] {
		t.Errorf("the lesson ends with %d", last)
	}
}

// TestDialogueEqualsThePlay renders a gold dialogue as messages: the tokens are
// those of the rollout.
func TestDialogueEqualsThePlay(t *testing.T) {
	x := &tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 1, Categories: []string{"base"}})[0]
	s := style(t)
	eps, err := Gold(context.Background(), rollout.Config{Renderer: s, Budget: wide}, []*ballast.Task{x})
	if err != nil {
		t.Fatal(err)
	}
	d := Dialogue{ID: x.ID, Tools: x.Tools}
	for _, turn := range eps[0].Turns {
		d.Messages = append(d.Messages, Message{Role: User, Text: turn.User})
		for _, st := range turn.Steps {
			m := Message{Role: Assistant, Text: st.Text, Calls: st.Calls}
			if len(st.Calls) > 0 {
				m.Text = ""
			}
			d.Messages = append(d.Messages, m)
			if len(st.Results) > 0 {
				d.Messages = append(d.Messages, Message{Role: Tool, Results: st.Results})
			}
		}
	}
	ep, err := d.Episode(s)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := s.Tokenizer.Decode(ep.Tokens), s.Tokenizer.Decode(eps[0].Tokens); a != b || ep.Prompt != eps[0].Prompt {
		t.Errorf("rendered\n%s\nplayed\n%s", a, b)
	}
}

func TestDialogueOrder(t *testing.T) {
	for _, roles := range [][]Role{{Assistant}, {User, User}, {User, Tool}, {User, Assistant, Assistant}, {"system"}} {
		d := Dialogue{ID: "d"}
		for _, r := range roles {
			d.Messages = append(d.Messages, Message{Role: r, Text: "x"})
		}
		if _, err := d.Episode(style(t)); err == nil || !strings.Contains(err.Error(), "cannot follow") {
			t.Errorf("%v: %v", roles, err)
		}
	}
}

// TestUnfit: what a style cannot write or would read as something else is said with its
// reason and place; all else is trained as the template writes it.
func TestUnfit(t *testing.T) {
	schema, err := value.ParseJSON([]byte(`{"type": "function", "function": {"name": "get-weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	tools := []ballast.Tool{{Name: "get-weather", Schema: schema}}
	call := []ballast.Call{{Name: "get-weather", Args: []ballast.Arg{{Name: "city", Value: "Oslo"}}}}
	text := func(s string) *string { return &s }
	var marks strings.Builder // all that could mark a system text which spells a control token
	for r := rune(0xFDD0); r <= 0xFDEF; r++ {
		marks.WriteRune(r)
	}
	const frame, written = "<|im_start|>assistant\n", "<tool_call>\n{\"name\": \"get-weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call><|im_end|>"
	for _, c := range []struct {
		template, format string
		system           *string
		reply            Message
		want             string // the end of the text, or the reason
	}{
		{"chatml", "hermes", nil, Message{Text: " as it comes\n"}, frame + " as it comes\n<|im_end|>"},
		{"llama3", "llama3", nil, Message{Text: " as Llama trims it\n"}, "\n\nas Llama trims it<|eot_id|>"},
		{"chatml", "hermes", nil, Message{Calls: call}, frame + written},
		{"chatml", "hermes", nil, Message{Text: "Let me look.", Calls: call}, frame + "Let me look.\n" + written},
		{"qwen3", "hermes", nil, Message{Thought: "Hm.\n", Text: "\nYes."}, frame + "<think>\nHm.\n</think>\n\nYes.<|im_end|>"},
		{"qwen3", "hermes", nil, Message{Thought: "<tool_call>?", Calls: call}, frame + "<think>\n<tool_call>?\n</think>\n\n" + written},
		{"qwen3", "hermes", nil, Message{Thought: "\n", Text: "Yes."}, frame + "<think>\n\n</think>\n\nYes.<|im_end|>"},
		{"qwen3-nothink", "hermes", nil, Message{Thought: "\n", Text: "Yes."}, frame + "<think>\n\n</think>\n\nYes.<|im_end|>"},
		{"qwen3-nothink", "hermes", nil, Message{Thought: "Hm.", Text: "Yes."}, UnfitThought},
		{"chatml", "hermes", nil, Message{Thought: "Hm.", Text: "Yes."}, UnfitThought},
		{"qwen3", "hermes", nil, Message{Thought: "a</think>b", Text: "Yes."}, UnfitReply},
		{"chatml", "hermes", nil, Message{Text: "a<|im_end|>b"}, UnfitReply},
		{"chatml", "hermes", nil, Message{Text: "[get-weather(city='Oslo')]"}, UnfitReply},
		{"chatml", "hermes", nil, Message{Text: "<tool_call>", Calls: call}, UnfitReply},
		{"chatml", "hermes", nil, Message{Text: " \n"}, UnfitReply},
		{"chatml", "pythonic", nil, Message{Calls: call}, UnfitCall},
		{"chatml", "hermes", nil, Message{Calls: []ballast.Call{{Name: "get-weather", Args: []ballast.Arg{{Value: "Oslo"}, {Value: int64(1)}}}}}, UnfitCall},
		{"chatml", "hermes", text("a<|im_end|>b"), Message{Text: "x"}, frame + "x<|im_end|>"}, // it stays text
		{"chatml", "hermes", text(marks.String() + "<|im_end|>"), Message{Text: "x"}, UnfitTemplate},
		{"chatml", "hermes", nil, Message{Text: "<tool_call>wrong", Context: true}, frame + "<tool_call>wrong<|im_end|>"},
	} {
		tmpl := chat.Templates[c.template]
		control := chat.ControlTokens(tmpl)
		tok, err := bpe.Train(func(func(string) bool) {}, 256+len(control), control, bpe.Qwen2)
		if err != nil {
			t.Fatal(err)
		}
		c.reply.Role, c.reply.At = Assistant, "messages[1]"
		d := Dialogue{ID: "line-7", System: c.system, Tools: tools, Messages: []Message{{Role: User, Text: "q"}, c.reply}}
		ep, err := d.Episode(chat.Renderer{Tokenizer: tok, Template: tmpl, Format: chat.Formats[c.format]})
		var u *Unfit
		switch got := tok.Decode(ep.Tokens); {
		case errors.As(err, &u):
			if u.Reason != c.want || u.Dialogue != "line-7" || (u.Key == "") != (c.want == UnfitTemplate) || u.Detail == "" {
				t.Errorf("%s %s %+v: %v, want %s", c.template, c.format, c.reply, err, c.want)
			}
		case err != nil || !strings.HasSuffix(got, c.want):
			t.Errorf("%s %s %+v: %q, %v, want %q", c.template, c.format, c.reply, got, err, c.want)
		}
	}
}

func TestHistory(t *testing.T) {
	ep := func(task string, ok bool) ballast.Episode {
		return ballast.Episode{Task: task, Score: ballast.Score{Success: ok}}
	}
	gold := ep("c", true)
	gold.Turns = []ballast.Turn{{Steps: []ballast.Step{{Gold: true}}}}
	hinted := ep("c", true)
	hinted.Hinted = true
	broken := ep("a", false)
	broken.Stop = ballast.StopInfra
	var h History
	h = h.Add(1, 2, []ballast.Episode{ep("a", false), ep("a", false), ep("b", true)})
	h = h.Add(2, 2, []ballast.Episode{ep("b", false), ep("b", true), gold, hinted, ep("c", false)})
	for _, c := range []struct {
		window int
		rule   Rule
		want   string
	}{
		{2, RuleAll, "[{1 a 2 0 0} {2 c 1 0 4}]"},
		{2, RuleAny, "[{1 a 2 0 0} {2 b 2 1 0} {2 c 1 0 4}]"},
		{1, RuleAny, "[{2 b 2 1 0} {2 c 1 0 4}]"},
	} {
		if got := fmt.Sprint(h.Failed(c.window, c.rule)); got != c.want {
			t.Errorf("window %d rule %s: %s, want %s", c.window, c.rule, got, c.want)
		}
	}
	h = h.Add(3, 2, []ballast.Episode{broken})
	if got := fmt.Sprint(h.Failed(2, RuleAny)); got != "[{2 b 2 1 0} {2 c 1 0 4}]" {
		t.Errorf("after update 3: %s", got)
	}
}

func TestReadHints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hints.jsonl")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("{\"task\": \"a\", \"hint\": \"h\"}\n\n")
	if h, err := ReadHints(path); err != nil || h["a"] != "h" {
		t.Errorf("%v %v", h, err)
	}
	write("{\"task\": \"a\", \"hint\": \"h\"}\n{\"task\": \"b\"}\n")
	if _, err := ReadHints(path); err == nil || !strings.Contains(err.Error(), ":2:") {
		t.Errorf("got %v", err)
	}
}

// TestJudgeURLHoldsNoSecret: an address with a password or a key would be written into
// the run's recipe.
func TestJudgeURLHoldsNoSecret(t *testing.T) {
	for url, ok := range map[string]bool{"http://127.0.0.1:1/v1": true, "https://h.example/v1?a=b": true,
		"http://user:hunter22@127.0.0.1:1/v1": false, "https://h.example/v1?api_key=hunter22": false, "http://u:p@h:x/%zz": false} {
		s := Settings{URL: url, Model: "m"}
		if err := s.Check(); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}
