package supervise

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/rollout"
	"ballast/task"
)

// scribe is a judge that answers by function.
type scribe func(*Query) Answer

func (s scribe) Answer(_ context.Context, qs []Query) ([]Answer, Stats, error) {
	out := make([]Answer, len(qs))
	for i := range qs {
		out[i] = s(&qs[i])
	}
	return out, Stats{Answered: len(qs)}, nil
}

// lines answers a reply for each turn.
func lines(q *Query, reply string) Answer {
	var b strings.Builder
	for i := range q.Task.Turns {
		fmt.Fprintf(&b, "Turn %d: %s %d.\n", i+1, reply, i+1)
	}
	return Answer{Text: b.String()}
}

func TestClosings(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
	}{
		{"Turn 1: a\nTurn 2: b c\n", "a|b c"},
		{"**Turn 1:** a\nmore\n\nTurn 2: Turn 1 is done", "a more|Turn 1 is done"},
		{"Turn 1: a", ""},
		{"Turn 1: a\nTurn 2:", ""},
		{"Turn 2: b\nTurn 1: a", ""},
		{"Turn 1: a\nTurn 1: b", ""},
		{"a\nb", ""},
	} {
		if got := strings.Join(closings(c.text, 2), "|"); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

// TestClose: the replies of a judge end gold's turns; what cannot be used leaves
// the task as it was.
func TestClose(t *testing.T) {
	list := tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 8, Categories: []string{"base", "miss_param"}})
	cfg := rollout.Config{Renderer: style(t), Budget: wide}
	cfg.Budget.Reply = 200
	bad := map[string]Answer{
		list[1].ID: {Failure: FailServer},
		list[2].ID: lines(&Query{Task: &list[2]}, "<tool_call> is done"),
		list[3].ID: lines(&Query{Task: &list[3]}, strings.Repeat("very ", 100)+"done"),
		list[4].ID: {Text: "Turn 1: only one"},
	}
	seen := 0
	judge := scribe(func(q *Query) Answer {
		seen++
		if q.Kind != KindClosing || !strings.Contains(q.Text, "Result: ") || q.Task.ID == list[5].ID {
			t.Errorf("asked %s about %s: %s", q.Kind, q.Task.ID, q.Text)
		}
		if a, ok := bad[q.Task.ID]; ok {
			return a
		}
		return lines(q, "I have done")
	})
	out, lost, _, err := Close(context.Background(), judge, cfg, []chat.Format{cfg.Renderer.Format}, list, []string{list[5].ID})
	if err != nil || seen != 7 || len(lost) != len(bad) {
		t.Fatalf("%d queries, lost %v: %v", seen, lost, err)
	}
	for i := range out {
		own := out[i].Turns[0].Reply == list[i].Turns[0].Reply
		if want := slices.Contains(lost, out[i].ID) || i == 5; own != want {
			t.Errorf("task %d keeps its own reply: %v, want %v", i, own, want)
		}
	}
	eps, err := Gold(context.Background(), cfg, []*ballast.Task{&out[0]})
	if err != nil {
		t.Fatal(err)
	}
	steps := eps[0].Turns[1].Steps
	if text := steps[len(steps)-1].Text; !strings.Contains(text, "I have done 2.") {
		t.Errorf("the turn ends with %q", text)
	}
	if list[0].Turns[0].Reply == out[0].Turns[0].Reply {
		t.Error("the tasks that were given are changed")
	}
}

// TestCloseFitsEveryFormat: a written reply must leave room for the calls of each format.
func TestCloseFitsEveryFormat(t *testing.T) {
	list := tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 1, Categories: []string{"base"}})
	cfg := rollout.Config{Renderer: style(t), Budget: wide}
	judge := scribe(func(q *Query) Answer { return lines(q, "I have done") })
	hermes, pythonic := chat.Formats["hermes"], chat.Formats["pythonic"]
	most := func(list []ballast.Task, f chat.Format) int {
		cfg := cfg
		cfg.Renderer.Format = f
		eps, err := Gold(context.Background(), cfg, []*ballast.Task{&list[0]})
		if err != nil {
			t.Fatal(err)
		}
		return lengths(&cfg, &eps[0])[2].most
	}
	out, _, _, err := Close(context.Background(), judge, cfg, []chat.Format{hermes, pythonic}, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	short, long := most(out, pythonic), most(out, hermes)
	if short >= long || most(list, hermes) >= long {
		t.Fatalf("%d tokens in pythonic, %d in hermes", short, long)
	}
	cfg.Budget.Episode, cfg.Renderer.Format = long-1, pythonic
	for _, c := range []struct {
		in   []chat.Format
		lost int
	}{{[]chat.Format{pythonic}, 0}, {[]chat.Format{pythonic, hermes}, 1}} {
		if _, lost, _, err := Close(context.Background(), judge, cfg, c.in, list, nil); err != nil || len(lost) != c.lost {
			t.Errorf("%d formats: lost %v: %v", len(c.in), lost, err)
		}
	}
}
