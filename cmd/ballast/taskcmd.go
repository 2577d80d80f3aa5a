package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/env/sim"
	"ballast/env/words"
	"ballast/rollout/attack"
	"ballast/safetext"
	"ballast/task"
	"ballast/task/file"
	"ballast/value"
)

func taskCommand() *cobra.Command {
	c := &cobra.Command{Use: "task", Short: "list, show, check and generate tasks"}
	var spec task.Spec
	var asJSON, attacked bool
	var server mcpFlags
	common := func(c *cobra.Command) *cobra.Command {
		fl := c.Flags()
		fl.StringVar(&spec.Name, "tasks", "desk", "task set, or the path of a tasks file (docs/tasks-file.md)")
		fl.StringVar(&spec.Data, "data", "", "folder of the task set's data")
		fl.StringVar(&spec.Split, "split", "", "train, test or valid (default: all)")
		fl.StringSliceVar(&spec.Categories, "category", nil, "only these categories")
		fl.Uint64Var(&spec.Seed, "seed", 1, "seed of a generated set")
		fl.IntVar(&spec.Count, "count", 0, "number of tasks (0 = the set's own number)")
		fl.StringVar(&spec.Words, "words", "", "ask in other words: "+strings.Join(words.Choices(), ", ")+" (docs/ood.md)")
		fl.BoolVar(&asJSON, "json", false, "print JSON")
		c.PreRunE = func(c *cobra.Command, _ []string) error { return unseeded(c, &spec) }
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
		RunE: func(c *cobra.Command, _ []string) error {
			return checkTasks(c.Context(), spec, &server, asJSON, attacked)
		},
	})
	server.add(check.Flags())
	check.Flags().BoolVar(&attacked, "adversaries", false, "play policies that call everything, too; none may earn more than silence (slower)")
	c.AddCommand(check)
	c.AddCommand(synthesizeCommand(), fromChatsCommand())
	c.AddCommand(common(&cobra.Command{
		Use: "generate", Short: "print tasks of a generated set as JSON lines", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return listTasks(spec, true) },
	}))
	c.AddCommand(&cobra.Command{
		Use: "schema", Short: "print the JSON Schema of a line of a tasks file, for editors", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := stdout.Write(append(file.Schema(), '\n'))
			return err
		},
	})
	return c
}

// unseeded refuses a seed for tasks that are not drawn.
func unseeded(c *cobra.Command, spec *task.Spec) error {
	set, err := task.ByName(spec.Name)
	switch {
	case err != nil: // Load says it
	case set.Paths && spec.Words != "" && c.Name() != "check":
		return fmt.Errorf("--words: the tools of %s come from its server, which %s does not start; ballast task check does", spec.Name, c.Name())
	case set.Whole && c.Flags().Changed("seed") && spec.Words == "":
		return fmt.Errorf("--seed: the tasks of %s are read and not drawn, and no seed changes them; leave it out", spec.Name)
	}
	return nil
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
	if t.World == file.World {
		printListed(t)
	} else {
		safetext.Say(stdout, "%s  %s  worlds %v  %d tools\n", t.ID, t.Category, t.APIs, len(t.Tools))
	}
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
		if turn.Want != nil {
			safetext.Say(stdout, "  expects: %s\n", inJSON(turn.Want))
		}
	}
}

// printListed prints the head of a task of a file.
func printListed(t *ballast.Task) {
	tools, hold := file.Listed(t)
	shown := "all of the server's"
	if tools != nil {
		shown = strings.Join(tools, ", ")
	}
	if tools == nil && hold != nil {
		shown += " but those"
	}
	safetext.Say(stdout, "%s  %s  tools: %s\n", t.ID, t.Category, shown)
	if hold != nil {
		safetext.Say(stdout, "held back: %s\n", strings.Join(hold, ", "))
	}
}

// inJSON is a value as JSON, and what JSON cannot hold in Python's syntax, as a text.
func inJSON(v any) json.RawMessage {
	text, err := value.JSON(v)
	if err == nil && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	text = value.Repr(v)
	out, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text always marshals
	}
	return out
}

// taskJSON is a task as printed for programs: calls in Python syntax, initial
// states as JSON.
func taskJSON(t *ballast.Task) map[string]any {
	init := map[string]any{}
	for w, v := range t.Init {
		init[w] = inJSON(v)
	}
	var turns []map[string]any
	for _, turn := range t.Turns {
		gold := []string{}
		for _, c := range turn.Gold {
			gold = append(gold, value.FormatCall(c))
		}
		out := map[string]any{"user": turn.User, "gold": gold, "reply": turn.Reply, "reveal": turn.Reveal}
		if turn.Want != nil {
			out["expect"] = inJSON(turn.Want)
		}
		turns = append(turns, out)
	}
	out := map[string]any{"id": t.ID, "set": t.Set, "category": t.Category, "worlds": t.APIs, "init": init, "turns": turns}
	if t.World == file.World { // its line lists names, and Init holds nothing else
		delete(out, "init")
		out["tools"], out["hold"] = file.Listed(t)
		return out
	}
	var tools []string
	for _, tool := range t.Tools {
		tools = append(tools, tool.Name)
	}
	out["tools"] = tools
	return out
}

// checkTasks proves tasks, in the worlds that they name. Adversaries fail tasks whose calls are to
// be chosen; in those of a benchmark, whose verdict is its own, they are counted.
func checkTasks(ctx context.Context, spec task.Spec, server *mcpFlags, asJSON, attacked bool) (err error) {
	in, err := server.open(ctx, spec.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	tasks, err := in.Load(ctx, spec)
	if err != nil {
		return err
	}
	start := time.Now()
	bad := map[int]string{}
	for _, f := range (task.Checking{Table: in.Table()}).Run(ctx, tasks) {
		bad[f.Index] = f.Error()
	}
	won, played := 0, 0
	for i := range tasks {
		t := &tasks[i]
		if !attacked || t.World != "" || bad[i] != "" {
			continue
		}
		wins, err := attack.Wins(ctx, t)
		if played++; len(wins) > 0 {
			won++
		}
		if err == nil && len(wins) > 0 && t.Grader == sim.Sparing {
			w := wins[0]
			err = fmt.Errorf("task: %s: the adversary %s earns %.2f, silence %.2f", t.ID, w.Adversary, w.Reward, w.Silence)
		}
		if err != nil {
			bad[i] = err.Error()
		}
	}
	return tellChecked(tasks, bad, time.Since(start).Seconds(), asJSON, attacked, won, played)
}

// namedFaults is how many tasks that do not hold are named of a set that is no file of a person's: all of a
// benchmark's, and no flood where a generator is broken.
const namedFaults = 50

// tellChecked prints what a check found. Of a person's file it names every task that does not
// hold, of other sets at most namedFaults.
func tellChecked(tasks []ballast.Task, bad map[int]string, secs float64, asJSON, attacked bool, won, played int) error {
	good, all := map[string]int{}, map[string]int{}
	var faults []string
	own := false
	for i := range tasks {
		all[tasks[i].Category]++
		if own = own || tasks[i].Source != ""; bad[i] == "" {
			good[tasks[i].Category]++
		} else {
			faults = append(faults, bad[i])
		}
	}
	shown := faults
	if most := 10; !own && len(shown) > most {
		shown = shown[:most]
	}
	ok := len(tasks) - len(faults)
	if asJSON {
		if err := json.NewEncoder(stdout).Encode(map[string]any{"valid": ok, "all": len(tasks), "by_category": good, "first_failures": shown,
			"won_by_adversaries": won, "seconds": secs}); err != nil {
			return err
		}
	} else {
		for _, c := range slices.Sorted(maps.Keys(all)) {
			safetext.Say(stdout, "%-14s %d/%d valid\n", c, good[c], all[c])
		}
		safetext.Say(stdout, "%-14s %d/%d valid, %.2f s\n", "all", ok, len(tasks), secs)
		if attacked {
			safetext.Say(stdout, "an adversary earns more than silence in %d of %d\n", won, played)
		}
		named := faults
		if !own {
			named = faults[:min(len(faults), namedFaults)]
		}
		for _, text := range named {
			safetext.Say(stderr, "%s\n", text)
		}
		if more := len(faults) - len(named); more > 0 {
			safetext.Say(stderr, "and %d more\n", more)
		}
	}
	if ok < len(tasks) {
		return fmt.Errorf("%d of %d tasks do not check; the first: %s", len(tasks)-ok, len(tasks), faults[0])
	}
	return nil
}
