package supervise

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/rollout"
	"ballast/task"
)

// TestCheck: what Gold refuses is an error with the tasks it is true of and the budgets that
// would do; at those budgets nothing is refused.
func TestCheck(t *testing.T) {
	list := tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 1, Count: chunk + 6})
	var all []*ballast.Task
	for i := range list {
		all = append(all, &list[i])
	}
	cfg := rollout.Config{Renderer: style(t), Budget: wide, Context: wide.Episode}
	eps, err := Gold(context.Background(), cfg, all)
	if err != nil {
		t.Fatal(err)
	}
	most := make([]int, 5) // of prompt, reply, episode, steps and context
	for i := range eps {
		for k, l := range lengths(&cfg, &eps[i]) {
			most[k] = max(most[k], l.most)
		}
	}
	for k, c := range []struct {
		bound string
		put   func(*rollout.Config, int)
	}{
		{"budget.prompt", func(c *rollout.Config, n int) { c.Budget.Prompt = n }},
		{"budget.reply", func(c *rollout.Config, n int) { c.Budget.Reply = n }},
		{"budget.episode", func(c *rollout.Config, n int) { c.Budget.Episode = n }},
		{"budget.steps", func(c *rollout.Config, n int) { c.Budget.Steps = n }},
		{"the model's context", func(c *rollout.Config, n int) { c.Context = n }},
	} {
		cfg := cfg
		c.put(&cfg, most[k])
		if err := Check(context.Background(), cfg, all); err != nil {
			t.Errorf("%s of %d is enough: %v", c.bound, most[k], err)
		}
		c.put(&cfg, most[k]-1)
		over := slices.IndexFunc(eps, func(ep ballast.Episode) bool { return lengths(&cfg, &ep)[k].most == most[k] })
		err := Check(context.Background(), cfg, all)
		for _, want := range []string{fmt.Sprintf("of %d training tasks", len(all)), "format hermes", "the first is " + all[over].ID + ":",
			fmt.Sprintf("%s is %d and the longest", c.bound, most[k]-1), fmt.Sprintf("has %d ", most[k])} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v lacks %q", c.bound, err, want)
			}
		}
		if raise := "raise " + c.bound; err != nil && strings.Contains(err.Error(), raise) != strings.HasPrefix(c.bound, "budget.") {
			t.Errorf("%s: %v", c.bound, err)
		}
	}
}

// TestCheckTellsApart: several bounds are told apart, and gold that is wrong is no matter of
// budgets.
func TestCheckTellsApart(t *testing.T) {
	list := tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 3, Categories: []string{"base"}})
	cfg := rollout.Config{Renderer: style(t), Budget: wide}
	long, wrong := list[1], list[2]
	long.Turns, wrong.Turns = slices.Clone(long.Turns), slices.Clone(wrong.Turns)
	long.Turns[0].Reply = strings.Repeat("very ", 800) + "long"
	wrong.Turns[0].Reply = "<tool_call>\n{" // no words, and no call
	cfg.Budget.Reply, cfg.Budget.Steps = 2000, Replies(&long)-1
	err := Check(context.Background(), cfg, []*ballast.Task{&long, &wrong})
	for _, want := range []string{"2 of 2 training tasks", "budget.reply is 2000", "(1 of them)", "budget.steps is", "gold of task " + wrong.ID,
		"raise budget.reply and budget.steps, or leave the tasks out", "wrong itself"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

// TestShort counts the tasks that more room would do for: not those whose gold is wrong, and none where playing
// gold takes time.
func TestShort(t *testing.T) {
	list := tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 4, Categories: []string{"base"}})
	long, wrong, mute, slow := list[0], list[1], list[2], list[3]
	for _, x := range []*ballast.Task{&long, &wrong, &mute, &slow} {
		x.Turns = slices.Clone(x.Turns)
	}
	long.Turns[0].Reply = strings.Repeat("very ", 800) + "long"
	slow.Turns[0].Reply = long.Turns[0].Reply
	wrong.Turns[0].Reply = "<tool_call>\n{"
	for i := range mute.Turns {
		mute.Turns[i].Gold = nil
	}
	mute.Turns[0].Reply, slow.World = long.Turns[0].Reply, "mine"
	cfg := rollout.Config{Renderer: style(t), Budget: wide}
	all := []*ballast.Task{&long, &wrong, &mute, &slow}
	for _, c := range []struct {
		reply, short int
		needs        string
	}{{2000, 1, "budget.reply is 2000 and the longest reply has "}, {1 << 20, 0, ""}} {
		cfg.Budget.Reply, cfg.Budget.Episode = c.reply, 1<<20
		n, needs, err := Short(context.Background(), cfg, all)
		if err != nil || n != c.short || !strings.HasPrefix(needs, c.needs) || (needs == "") != (c.needs == "") || strings.Contains(needs, "of them") {
			t.Errorf("%+v: %d, %q, %v", c, n, needs, err)
		}
	}
}

// TestCheckResults: a result that is cut where it is graded is a matter of budget.result.
func TestCheckResults(t *testing.T) {
	list := tasks(t, task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 40})
	var all []*ballast.Task
	for i := range list {
		all = append(all, &list[i])
	}
	cfg := rollout.Config{Renderer: style(t), Budget: wide}
	cfg.Budget.Result = 1
	_, gold := Gold(context.Background(), cfg, all)
	err := Check(context.Background(), cfg, all)
	if (gold == nil) != (err == nil) || err != nil && !strings.Contains(err.Error(), "raise budget.result") {
		t.Errorf("Gold says %v and Check %v", gold, err)
	}
}
