package rollout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/chat/pretoken"
	"ballast/credit"
	"ballast/env"
	"ballast/task/desk"
	"ballast/value"
)

// budget is wide enough for every gold dialogue of the test.
var budget = Budget{Prompt: 8192, Episode: 8192, Reply: 256, Result: 512, Steps: 40}

// tokenizer is a small one with the control tokens of every template.
func tokenizer(t testing.TB) *bpe.Tokenizer {
	t.Helper()
	var all []*chat.Template
	for _, name := range templates() {
		all = append(all, chat.Templates[name])
	}
	texts := func(yield func(string) bool) {
		for i := range 50 {
			for _, turn := range deskTask(t, i).Turns {
				if !yield(turn.User) {
					return
				}
			}
		}
	}
	tok, err := bpe.Train(texts, 400, chat.ControlTokens(all...), bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func templates() []string {
	var names []string
	for name := range chat.Templates {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func formats() []string {
	var names []string
	for name := range chat.Formats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func deskTask(t testing.TB, i int) *ballast.Task {
	t.Helper()
	cats := []string{"base", "miss_func", "miss_param", "long_context"}
	task, err := desk.Generate(1, "train", cats[i%len(cats)], i, desk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func style(tok *bpe.Tokenizer, template, format string) chat.Renderer {
	return chat.Renderer{Tokenizer: tok, Template: chat.Templates[template], Format: chat.Formats[format]}
}

func run(t testing.TB, p ballast.Policy, cfg Config, plays ...Request) []ballast.Episode {
	t.Helper()
	if cfg.Budget == (Budget{}) {
		cfg.Budget = budget
	}
	eps, err := Run(context.Background(), p, cfg, plays, ballast.Sampling{})
	if err != nil {
		t.Fatal(err)
	}
	return eps
}

// says is a policy that answers with the texts in turn, each with its end token.
func says(s chat.Renderer, texts ...string) *Script {
	k := 0
	d := chat.NewDialogue(s, nil, nil)
	return &Script{Reply: func([]int32, ballast.Request) []int32 {
		text := texts[min(k, len(texts)-1)]
		k++
		return d.Gold(text)
	}}
}

func TestGoldPassesInEveryTemplateAndFormat(t *testing.T) {
	tok := tokenizer(t)
	for _, tmpl := range templates() {
		for _, f := range formats() {
			for i := range 12 {
				task := deskTask(t, i)
				ep := run(t, nil, Config{Renderer: style(tok, tmpl, f)}, Request{Task: task, Gold: true})[0]
				if s := credit.Score(&ep, task, credit.Options{}); !s.Success {
					t.Fatalf("%s %s %s: stop %s %s, %+v", tmpl, f, task.ID, ep.Stop, ep.Error, s)
				}
			}
		}
	}
}

// TestTokenIdentity plays 1,000 episodes with a policy of random tokens and gold
// replies over all templates and formats: what is recorded as the policy's is
// exactly what it sampled, in place, and the prompt it saw is what is recorded.
func TestTokenIdentity(t *testing.T) {
	tok := tokenizer(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 1000 {
		tmpl, f := templates()[n%len(templates())], formats()[n/len(templates())%len(formats())]
		s := style(tok, tmpl, f)
		task := deskTask(t, n%40)
		gold := run(t, nil, Config{Renderer: s}, Request{Task: task, Gold: true})[0]
		var want [][]int32
		var seen []int32
		p := &Script{Reply: func(tokens []int32, req ballast.Request) []int32 {
			reply := clip(randomReply(rng, s, &gold, len(want)), req)
			want = append(want, reply)
			seen = append(slices.Clone(tokens), reply...)
			return reply
		}}
		how := []Malformed{MalformedStop, MalformedRetry, MalformedAdvance}[n%3]
		b := budget
		b.Reply, b.Steps = 80, 8
		ep := run(t, p, Config{Renderer: s, Malformed: how, Budget: b}, Request{Task: task, Hint: ""})[0]
		checkIdentity(t, &ep, want, seen)
	}
}

// randomReply is a gold reply of the task, or noise that may hold any token.
func randomReply(rng *rand.Rand, s chat.Renderer, gold *ballast.Episode, k int) []int32 {
	var replies [][]int32
	for _, turn := range gold.Turns {
		for _, st := range turn.Steps {
			replies = append(replies, gold.Tokens[st.Start:st.End])
		}
	}
	if k < len(replies) && rng.IntN(4) > 0 {
		return slices.Clone(replies[k])
	}
	noise := make([]int32, rng.IntN(100))
	for i := range noise {
		noise[i] = int32(rng.IntN(s.Tokenizer.Size()))
	}
	if rng.IntN(2) == 0 {
		noise = append(noise, s.Stops()[0])
	}
	return noise
}

func checkIdentity(t *testing.T, ep *ballast.Episode, want [][]int32, seen []int32) {
	t.Helper()
	if !slices.Equal(ep.Tokens[:len(seen)], seen) {
		t.Fatalf("%s: the recorded conversation is not the one the policy saw", ep.Task)
	}
	k := 0
	mine := make([]bool, len(ep.Tokens))
	for _, turn := range ep.Turns {
		for _, st := range turn.Steps {
			if !slices.Equal(ep.Tokens[st.Start:st.End], want[k]) {
				t.Fatalf("%s: reply %d was sampled as %v and recorded as %v", ep.Task, k, want[k], ep.Tokens[st.Start:st.End])
			}
			for i := st.Start; i < st.End; i++ {
				mine[i] = true
			}
			k++
		}
	}
	if k != len(want) {
		t.Fatalf("%s: %d replies recorded, %d sampled", ep.Task, k, len(want))
	}
	for i, o := range ep.Owners {
		if (o == ballast.OwnerPolicy) != mine[i] {
			t.Fatalf("%s: token %d is owned by %s", ep.Task, i, o)
		}
	}
	if len(ep.LogProb) != len(ep.Tokens) || len(ep.Owners) != len(ep.Tokens) {
		t.Fatalf("%s: %d tokens, %d owners, %d log-probabilities", ep.Task, len(ep.Tokens), len(ep.Owners), len(ep.LogProb))
	}
}

func TestHintIsSeenButNotRecorded(t *testing.T) {
	tok := tokenizer(t)
	s := style(tok, "chatml", "hermes")
	task := deskTask(t, 0)
	saw := ""
	p := &Script{Reply: func(tokens []int32, req ballast.Request) []int32 {
		saw = tok.Decode(tokens)
		return chat.NewDialogue(s, nil, nil).Gold("Done.")
	}}
	ep := run(t, p, Config{Renderer: s}, Request{Task: task, Hint: "remember the milk"})[0]
	// It stands at the end of the system message and takes nothing away from it,
	// the template's default included (paper, section 3.3).
	if !strings.Contains(saw, "</tool_call>\n\nremember the milk<|im_end|>") || !strings.Contains(saw, "You are Qwen") {
		t.Errorf("the policy saw %q", saw)
	}
	if strings.Contains(tok.Decode(ep.Tokens), "remember the milk") {
		t.Error("the hint is among the recorded tokens")
	}
	if !ep.Hinted {
		t.Error("the episode is not marked")
	}
}

func TestStops(t *testing.T) {
	tok := tokenizer(t)
	s := style(tok, "chatml", "hermes")
	task := deskTask(t, 0)
	tool := task.Tools[0].Name
	call := s.Format.Render([]ballast.Call{{Name: tool}}, nil)
	for _, c := range []struct {
		name string
		p    *Script
		cfg  Config
		want ballast.Stop
	}{
		{"replies only", says(s, "Done."), Config{}, ballast.StopDone},
		{"calls forever", says(s, call), Config{Budget: Budget{8192, 8192, 256, 512, 5}}, ballast.StopTurns},
		{"tokens run out", says(s, call), Config{Budget: Budget{8192, 100, 256, 512, 500}}, ballast.StopTokens},
		{"reply is cut", says(s, strings.Repeat("x y z ", 50)), Config{Budget: Budget{8192, 8192, 20, 512, 40}}, ballast.StopCut},
		{"malformed", says(s, "<tool_call>"), Config{}, ballast.StopMalformed},
		{"malformed advances", says(s, "<tool_call>"), Config{Malformed: MalformedAdvance}, ballast.StopDone},
		{"malformed, told so", says(s, "<tool_call>", "Done."), Config{Malformed: MalformedRetry}, ballast.StopDone},
		{"broken machine", &Script{Reply: nil}, Config{}, ballast.StopInfra},
	} {
		c.cfg.Renderer = s
		var p ballast.Policy = c.p
		if c.p.Reply == nil {
			p = broken{}
		}
		if ep := run(t, p, c.cfg, Request{Task: task})[0]; ep.Stop != c.want {
			t.Errorf("%s: stop %s (%s), want %s", c.name, ep.Stop, ep.Error, c.want)
		}
	}
}

// TestReadableCallsOfMalformedReplies: under advance the calls that can be read are
// run, as in the paper's code and in BFCL's; otherwise a malformed reply runs
// nothing.
func TestReadableCallsOfMalformedReplies(t *testing.T) {
	s := style(tokenizer(t), "chatml", "hermes")
	task := deskTask(t, 0)
	call := s.Format.Render([]ballast.Call{{Name: task.Tools[0].Name}}, nil)
	for how, want := range map[Malformed]int{MalformedAdvance: 1, MalformedStop: 0} {
		ep := run(t, says(s, call+" and so on", "Done."), Config{Renderer: s, Malformed: how}, Request{Task: task})[0]
		if step := ep.Turns[0].Steps[0]; step.Kind != ballast.KindPolluted || len(step.Results) != want {
			t.Errorf("%s: form %s, results %q, want %d", how, step.Kind, step.Results, want)
		}
	}
}

// broken is a policy that answers nothing.
type broken struct{}

func (broken) Watched() []int32 { return nil }
func (broken) Play(_ context.Context, convs []ballast.Conversation, _ ballast.Sampling) error {
	for _, c := range convs {
		c.Next()
		c.Take(ballast.Reply{Err: context.DeadlineExceeded})
	}
	return nil
}

// TestCutReplyGetsNoEndToken locks what a budget does to a reply.
func TestCutReplyGetsNoEndToken(t *testing.T) {
	tok := tokenizer(t)
	s := style(tok, "chatml", "hermes")
	ep := run(t, says(s, strings.Repeat("x y z ", 50)), Config{Renderer: s, Budget: Budget{8192, 8192, 20, 512, 40}}, Request{Task: deskTask(t, 0)})[0]
	st := ep.Turns[0].Steps[0]
	if st.End-st.Start != 20 || !st.Cut || ep.Tokens[st.End-1] == s.Stops()[0] || st.End != len(ep.Tokens) {
		t.Errorf("span %d-%d of %d tokens, cut %v", st.Start, st.End, len(ep.Tokens), st.Cut)
	}
}

// TestStateSurvivesUserTurns locks what the paper's reference code got wrong.
func TestStateSurvivesUserTurns(t *testing.T) {
	tok := tokenizer(t)
	s := style(tok, "chatml", "hermes")
	mkdir := func(name string) string {
		return s.Format.Render([]ballast.Call{{Name: "mkdir", Args: []ballast.Arg{{Name: "folder", Value: name}}}}, nil)
	}
	task := &ballast.Task{ID: "t", Set: "desk", Category: "base", APIs: []string{"files"},
		Init:  map[string]any{"files": mustJSON(t, `{}`)},
		Turns: []ballast.TaskTurn{{User: "a"}, {User: "b"}}}
	ep := run(t, says(s, mkdir("box"), "Done.", mkdir("box"), "Done."), Config{Renderer: s}, Request{Task: task})[0]
	if ep.Stop != ballast.StopDone {
		t.Fatalf("stop %s %s", ep.Stop, ep.Error)
	}
	first, second := ep.Turns[0].Steps[0].Results[0], ep.Turns[1].Steps[0].Results[0]
	if strings.Contains(first, "error") || !strings.Contains(second, "exists") {
		t.Errorf("first %q, second %q", first, second)
	}
}

func mustJSON(t *testing.T, text string) any {
	t.Helper()
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPromptOverBudgetNamesTheTask(t *testing.T) {
	cfg := Config{Renderer: style(tokenizer(t), "chatml", "hermes"), Budget: Budget{10, 10, 10, 10, 10}}
	task := deskTask(t, 0)
	_, err := CheckPrompts(t.Context(), &cfg, []ballast.Task{*task})
	if err == nil || !strings.Contains(err.Error(), task.ID) || !strings.Contains(err.Error(), "budget.prompt") {
		t.Errorf("got %v", err)
	}
}

func TestLongResultLosesItsBeginning(t *testing.T) {
	s := style(tokenizer(t), "chatml", "hermes")
	cfg := Config{Renderer: s, Budget: budget}
	cfg.Budget.Result = 5
	task := deskTask(t, 0)
	p, err := env.Prepare(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	e := newEpisode(t.Context(), &cfg, Request{Task: task}, p)
	if got := e.truncate("0123456789 the end"); !strings.HasSuffix("0123456789 the end", got) || len(got) > 15 || got == "" {
		t.Errorf("got %q", got)
	}
	if got := e.truncate("tiny"); got != "tiny" {
		t.Errorf("got %q", got)
	}
}

// TestStuckTokenizer: a tokenizer's pattern that gets stuck on a tool's result or a
// user's text is an error of the run, in whatever goroutine the policy plays.
func TestStuckTokenizer(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	text, err := tokenizer(t).JSON()
	if err != nil {
		t.Fatal(err)
	}
	pattern, _ := json.Marshal(`<(q+)+>|[\s\S]`)
	qwen, _ := json.Marshal(pretoken.QwenRegex)
	if bytes.Count(text, qwen) != 1 {
		t.Fatal("the tokenizer's pattern is not where it was")
	}
	tok, err := bpe.Parse(bytes.Replace(text, qwen, pattern, 1), "tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	task := deskTask(t, 0)
	task.Turns[0].User += " <" + strings.Repeat("q", 60)
	s := style(tok, "chatml", "hermes")
	var stuck *pretoken.Stuck
	if _, err := Run(context.Background(), says(s, "x"), Config{Renderer: s, Budget: budget}, []Request{{Task: task}}, ballast.Sampling{}); !errors.As(err, &stuck) || !strings.Contains(err.Error(), task.ID) {
		t.Error(err)
	}
}
