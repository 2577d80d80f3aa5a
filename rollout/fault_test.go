package rollout

import (
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/credit"
	"ballast/value"
)

// drawer is a task of two turns in the files world: a file is moved, then found.
func drawer() *ballast.Task {
	call := func(name string, args ...string) ballast.Call {
		c := ballast.Call{Name: name}
		for i := 0; i < len(args); i += 2 {
			c.Args = append(c.Args, ballast.Arg{Name: args[i], Value: args[i+1]})
		}
		return c
	}
	return &ballast.Task{ID: "drawer", APIs: []string{"files"}, Category: "base",
		Init: map[string]any{"files": must(value.ParseJSON([]byte(`{"folders": {"docs": {"a.txt": "x"}, "work": {}}}`)))},
		Turns: []ballast.TaskTurn{
			{User: "move it", Gold: []ballast.Call{call("move", "file", "a.txt", "folder", "work")}},
			{User: "find it", Gold: []ballast.Call{call("find", "file", "a.txt")}},
		}}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func faulty(t *testing.T, task *ballast.Task, budget Budget, replies []string, faults ...Fault) (chat.Renderer, ballast.Episode) {
	s := style(tokenizer(t), "compact", "hermes")
	return s, run(t, says(s, replies...), Config{Renderer: s, Budget: budget, Faults: faults}, Request{Task: task})[0]
}

func TestDropState(t *testing.T) {
	replies := []string{
		`<tool_call>{"name": "move", "arguments": {"file": "a.txt", "folder": "work"}}</tool_call>`, "Done.",
		`<tool_call>{"name": "find", "arguments": {"file": "a.txt"}}</tool_call>`, "Done."}
	for _, c := range []struct {
		faults []Fault
		shown  string
	}{{nil, "work"}, {[]Fault{DropState}, "docs"}} {
		task := drawer()
		_, ep := faulty(t, task, budget, replies, c.faults...)
		if got := ep.Turns[1].Steps[0].Results[0]; got != c.shown {
			t.Errorf("%v: the second turn is shown %q, want %q", c.faults, got, c.shown)
		}
		if !credit.Score(&ep, task, credit.Options{}).Success {
			t.Errorf("%v: the checks do not live on: %+v", c.faults, ep.Turns)
		}
	}
}

func TestAdvanceTurn(t *testing.T) {
	for _, c := range []struct {
		first  string
		faults []Fault
		stop   ballast.Stop
		turns  int
		result string
	}{
		{"<tool_call>", nil, ballast.StopMalformed, 1, ""},
		{"<tool_call>", []Fault{AdvanceTurn}, ballast.StopDone, 2, ""},
		{"<tool_call>{]</tool_call>", nil, ballast.StopMalformed, 1, ""},
		{"<tool_call>{]</tool_call>", []Fault{AdvanceTurn}, ballast.StopDone, 2, unread},
	} {
		_, ep := faulty(t, drawer(), budget, []string{c.first, "Done."}, c.faults...)
		step := ep.Turns[0].Steps[0]
		if ep.Stop != c.stop || len(ep.Turns) != c.turns || strings.Join(step.Results, "") != c.result || step.Kind == ballast.KindResponse {
			t.Errorf("%q %v: stop %s, %d turns, first step %+v", c.first, c.faults, ep.Stop, len(ep.Turns), step)
		}
	}
}

// TestAppendEnd: a cut reply goes on, the record stays as it was sampled, and
// training sees an end token of the policy's behind it, at the end of a conversation
// too.
func TestAppendEnd(t *testing.T) {
	small := budget
	small.Reply = 6
	long := []string{strings.Repeat("plan a trip and ", 4)}
	_, ep := faulty(t, drawer(), small, long)
	if ep.Stop != ballast.StopCut {
		t.Fatalf("without faults the episode ends with %s", ep.Stop)
	}
	s, ep := faulty(t, drawer(), small, long, AppendEnd)
	if ep.Stop != ballast.StopDone || len(ep.Turns) != 2 {
		t.Fatalf("stop %s after %d turns", ep.Stop, len(ep.Turns))
	}
	end := s.Stops()[0]
	for _, turn := range ep.Turns {
		step := turn.Steps[0]
		if !step.Cut || step.Kind != ballast.KindResponse || slices.Contains(ep.Tokens[step.Start:step.End], end) {
			t.Errorf("%+v", step)
		}
	}
	trained := Faults{AppendEnd}.Trained(s, &ep)
	if got, want := s.Tokenizer.Decode(trained.Tokens), s.Tokenizer.Decode(ep.Tokens)+s.Tokenizer.Token(end); got != want {
		t.Errorf("training sees\n%s\nwant\n%s", got, want)
	}
	for _, turn := range ep.Turns {
		if at := turn.Steps[0].End; trained.Tokens[at] != end || trained.Owners[at] != ballast.OwnerPolicy {
			t.Errorf("token %d is %q of %s", at, s.Tokenizer.Token(trained.Tokens[at]), trained.Owners[at])
		}
	}
	if len(trained.Owners) != len(trained.Tokens) || len(trained.LogProb) != len(trained.Tokens) || ep.Owners[ep.Turns[0].Steps[0].End] != ballast.OwnerTemplate {
		t.Error("lengths differ, or the record was changed")
	}
}

// TestRetokenise: a tag in pieces becomes the tag, a template's token is lost, and
// what was written as usual stays.
func TestRetokenise(t *testing.T) {
	s := style(tokenizer(t), "compact", "hermes")
	plain := chat.NewDialogue(s, nil, nil)
	odd := slices.Concat(s.Tokenizer.EncodePlain(nil, "<tool", nil), s.Tokenizer.EncodePlain(nil, "_call>x", nil), []int32{must1(s.Tokenizer.ID("<|im_start|>"))}, plain.Gold("y"))
	k := 0
	p := &Script{Reply: func([]int32, ballast.Request) []int32 {
		k++
		if k == 1 {
			return odd
		}
		return plain.Gold("Done.")
	}}
	ep := run(t, p, Config{Renderer: s, Malformed: MalformedAdvance, Faults: Faults{Retokenise}}, Request{Task: drawer()})[0]
	step := ep.Turns[0].Steps[0]
	if !slices.Equal(ep.Tokens[step.Start:step.End], odd) {
		t.Fatal("the record is not what was sampled")
	}
	trained := Faults{Retokenise}.Trained(s, &ep)
	want := plain.Gold("<tool_call>xy")
	if got := trained.Tokens[step.Start : step.Start+len(want)]; !slices.Equal(got, want) || trained.Owners[step.Start+len(want)] != ballast.OwnerTemplate {
		t.Errorf("training sees %q", s.Tokenizer.Decode(got))
	}
	last := ep.Turns[1].Steps[0]
	shift := len(trained.Tokens) - len(ep.Tokens)
	if !slices.Equal(trained.Tokens[last.Start+shift:], ep.Tokens[last.Start:]) {
		t.Error("a reply in usual tokens changed")
	}
	if (Faults{DropState}).Trained(s, &ep) != &ep {
		t.Error("faults that do not train copy the episode")
	}
}

func must1(id int32, ok bool) int32 {
	if !ok {
		panic("no such token")
	}
	return id
}
