package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/env/sim"
	"ballast/rollout/attack"
	"ballast/safetext"
	"ballast/task"
	"ballast/value"
)

func taskCommand() *cobra.Command {
	c := &cobra.Command{Use: "task", Short: "list, show, check and generate tasks"}
	var spec task.Spec
	var asJSON, attacked bool
	common := func(c *cobra.Command) *cobra.Command {
		fl := c.Flags()
		fl.StringVar(&spec.Name, "tasks", "desk", "task set")
		fl.StringVar(&spec.Data, "data", "", "folder of the task set's data")
		fl.StringVar(&spec.Split, "split", "", "train or test (default: all)")
		fl.StringSliceVar(&spec.Categories, "category", nil, "only these categories")
		fl.Uint64Var(&spec.Seed, "seed", 1, "seed of a generated set")
		fl.IntVar(&spec.Count, "count", 0, "number of tasks (0 = the set's own number)")
		fl.BoolVar(&asJSON, "json", false, "print JSON")
		return c
	}
	c.AddCommand(common(&cobra.Command{
		Use: "list", Short: "one line a task", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return listTasks(spec, asJSON) },
	}))
	c.AddCommand(common(&cobra.Command{
		Use: "show ID", Short: "one task whole", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return showTask(spec, args[0], asJSON) },
	}))
	check := common(&cobra.Command{
		Use: "check", Short: "play every gold answer; it must pass, and an empty one must not", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return checkTasks(spec, asJSON, attacked) },
	})
	check.Flags().BoolVar(&attacked, "adversaries", false, "play policies that call everything, too; none may earn more than silence (slower)")
	c.AddCommand(check)
	c.AddCommand(synthesizeCommand(), fromChatsCommand())
	c.AddCommand(common(&cobra.Command{
		Use: "generate", Short: "print tasks of a generated set as JSON lines", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return listTasks(spec, true) },
	}))
	return c
}

func listTasks(spec task.Spec, asJSON bool) error {
	tasks, err := task.Load(spec)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(stdout)
	for i := range tasks {
		t := &tasks[i]
		if asJSON {
			if err := enc.Encode(taskJSON(t)); err != nil {
				return err
			}
			continue
		}
		calls := 0
		for _, turn := range t.Turns {
			calls += len(turn.Gold)
		}
		safetext.Say(stdout, "%-28s %-13s turns %d calls %2d  %v\n", t.ID, t.Category, len(t.Turns), calls, t.APIs)
	}
	return nil
}

func showTask(spec task.Spec, id string, asJSON bool) error {
	tasks, err := task.Load(spec)
	if err != nil {
		return err
	}
	for i := range tasks {
		t := &tasks[i]
		if t.ID != id {
			continue
		}
		if asJSON {
			return json.NewEncoder(stdout).Encode(taskJSON(t))
		}
		printTask(t)
		return nil
	}
	return fmt.Errorf("task %q is not in %s; `ballast task list` shows the names", id, spec.Name)
}

func printTask(t *ballast.Task) {
	safetext.Say(stdout, "%s  %s  worlds %v  %d tools\n", t.ID, t.Category, t.APIs, len(t.Tools))
	for _, w := range t.APIs {
		text, err := value.JSON(t.Init[w])
		if err != nil {
			text = value.Repr(t.Init[w])
		}
		safetext.Say(stdout, "init %s: %s\n", w, text)
	}
	for i, turn := range t.Turns {
		safetext.Say(stdout, "turn %d user: %s\n", i+1, turn.User)
		if len(turn.Reveal) > 0 {
			safetext.Say(stdout, "  reveals %v\n", turn.Reveal)
		}
		for _, c := range turn.Gold {
			safetext.Say(stdout, "  gold: %s\n", value.FormatCall(c))
		}
		if turn.Reply != "" {
			safetext.Say(stdout, "  reply: %s\n", turn.Reply)
		}
	}
}

// taskJSON is a task as printed for programs: calls in Python syntax, initial
// states as JSON.
func taskJSON(t *ballast.Task) map[string]any {
	init := map[string]any{}
	for w, v := range t.Init {
		if text, err := value.JSON(v); err == nil {
			init[w] = json.RawMessage(text)
		} else {
			init[w] = value.Repr(v)
		}
	}
	var turns []map[string]any
	for _, turn := range t.Turns {
		gold := []string{}
		for _, c := range turn.Gold {
			gold = append(gold, value.FormatCall(c))
		}
		turns = append(turns, map[string]any{"user": turn.User, "gold": gold, "reply": turn.Reply, "reveal": turn.Reveal})
	}
	var tools []string
	for _, tool := range t.Tools {
		tools = append(tools, tool.Name)
	}
	return map[string]any{"id": t.ID, "set": t.Set, "category": t.Category, "worlds": t.APIs, "init": init, "tools": tools, "turns": turns}
}

// checkTask proves a task. Adversaries fail tasks whose calls are to be chosen; in those
// of a benchmark, whose verdict is its own, they are counted.
func checkTask(t *ballast.Task, attacked bool) (won bool, err error) {
	if err := task.Check([]ballast.Task{*t}); err != nil || !attacked {
		return false, err
	}
	wins, err := attack.Wins(context.Background(), t)
	if err == nil && len(wins) > 0 && t.Grader == sim.Sparing {
		w := wins[0]
		err = fmt.Errorf("task: %s: the adversary %s earns %.2f, silence %.2f", t.ID, w.Adversary, w.Reward, w.Silence)
	}
	return len(wins) > 0, err
}

func checkTasks(spec task.Spec, asJSON, attacked bool) error {
	tasks, err := task.Load(spec)
	if err != nil {
		return err
	}
	start := time.Now()
	good, all, won := map[string]int{}, map[string]int{}, 0
	var first []string
	for i := range tasks {
		t := &tasks[i]
		all[t.Category]++
		lost, err := checkTask(t, attacked)
		if lost {
			won++
		}
		if err != nil {
			if len(first) < 10 {
				first = append(first, err.Error())
			}
			continue
		}
		good[t.Category]++
	}
	secs := time.Since(start).Seconds()
	ok := 0
	for _, n := range good {
		ok += n
	}
	if asJSON {
		if err := json.NewEncoder(stdout).Encode(map[string]any{"valid": ok, "all": len(tasks), "by_category": good, "first_failures": first,
			"won_by_adversaries": won, "seconds": secs}); err != nil {
			return err
		}
	} else {
		for _, c := range slices.Sorted(maps.Keys(all)) {
			safetext.Say(stdout, "%-14s %d/%d valid\n", c, good[c], all[c])
		}
		safetext.Say(stdout, "%-14s %d/%d valid, %.2f s\n", "all", ok, len(tasks), secs)
		if attacked {
			safetext.Say(stdout, "an adversary earns more than silence in %d of %d\n", won, len(tasks))
		}
	}
	if ok < len(tasks) {
		return fmt.Errorf("%d of %d tasks do not check; the first: %s", len(tasks)-ok, len(tasks), first[0])
	}
	return nil
}
