package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ballast/eval"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/record"
	"ballast/rollout"
	"ballast/runlog"
	"ballast/task"
)

// ofRun is the recipe of the run that the model belongs to with the flags that were
// given laid over it, and the protocol that follows.
func (f *evalFlags) ofRun(c *cobra.Command) (recipe.Recipe, eval.Protocol, error) {
	r, err := record.Trained(f.home.Run)
	if err != nil {
		return r, eval.Protocol{}, err
	}
	given := c.Flags().Changed
	r.Model = f.home.Path
	same := !given("tasks") || f.tasks == r.Tasks.Set
	if !same {
		r.Tasks = recipe.Tasks{Set: f.tasks}
	}
	if given("data") {
		r.Tasks.Data = f.data
	}
	if given("category") {
		r.Tasks.Categories = f.categories
	}
	if given("seed") {
		r.Seed = f.seed
	}
	if !given("count") && same {
		f.count = r.Tasks.Test
	}
	return f.settled(c, r)
}

// settled lays --set over a recipe and says by which protocol is played.
func (f *evalFlags) settled(c *cobra.Command, r recipe.Recipe) (recipe.Recipe, eval.Protocol, error) {
	decided := false
	if f.endpoint.url != "" {
		r.Budget = endpointBudget(r.Budget)
	}
	for _, pair := range f.set {
		if err := f.usable(pair); err != nil {
			return r, eval.Protocol{}, err
		}
		if err := r.Set(pair); err != nil {
			return r, eval.Protocol{}, err
		}
		decided = decided || strings.HasPrefix(pair, "budget.") || strings.HasPrefix(pair, "chat.malformed")
	}
	if err := r.Check(); err != nil {
		return r, eval.Protocol{}, err
	}
	switch set, err := task.ByName(r.Tasks.Set); {
	case err != nil: // Load says it
	case !set.Whole && c.Flags().Changed("data"):
		return r, eval.Protocol{}, fmt.Errorf("--data %s: set %s is generated and reads no files; give a set that is read, such as --tasks bfcl", f.data, set.Name)
	case set.Whole && c.Flags().Changed("seed") && r.Model != "init":
		return r, eval.Protocol{}, fmt.Errorf("--seed %d: set %s is read and not generated; leave the seed out", f.seed, set.Name)
	}
	p := eval.Protocol{Name: "recipe", Budget: rollout.Budget(r.Budget), Malformed: r.Chat.Malformed}
	if f.endpoint.url != "" {
		p.Name = "endpoint"
	}
	if f.protocol != "" {
		var err error
		if p, err = eval.ProtocolByName(f.protocol); err != nil {
			return r, p, err
		}
		if decided {
			return r, p, fmt.Errorf("--set budget.* and chat.malformed say what protocol %s decides; leave them out", p.Name)
		}
	}
	if c.Flags().Changed("temperature") {
		p.How.Temperature = f.temperature
	}
	return r, p, nil
}

// taken says in one line what is played as the run does, and which flags changed it.
func (f *evalFlags) taken(c *cobra.Command, r *recipe.Recipe, p *eval.Protocol) string {
	t := &r.Tasks
	parts := []string{"tasks " + t.Set}
	for _, name := range slices.Sorted(maps.Keys(t.Level)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, t.Level[name]))
	}
	if len(t.Worlds) > 0 {
		parts = append(parts, "worlds "+strings.Join(t.Worlds, " "))
	}
	if len(t.Categories) > 0 {
		parts = append(parts, "categories "+strings.Join(t.Categories, " "))
	}
	if f.count > 0 {
		parts = append(parts, fmt.Sprintf("%d tasks", f.count))
	}
	parts = append(parts, fmt.Sprintf("seed %d", r.Seed), "format "+r.Chat.Format)
	if b := &r.Budget; f.protocol == "" {
		parts = append(parts, fmt.Sprintf("malformed %s", r.Chat.Malformed), fmt.Sprintf("budget %d tokens a reply, %d an episode, %d a result, %d steps", b.Reply, b.Episode, b.Result, b.Steps))
	} else {
		parts = append(parts, "budget and malformed of protocol "+p.Name)
	}
	line := fmt.Sprintf("as run %s, update %d: %s", f.home.Run, f.home.Update, strings.Join(parts, ", "))
	var flags []string
	c.Flags().Visit(func(fl *pflag.Flag) {
		if slices.Contains([]string{"tasks", "data", "split", "category", "count", "seed", "protocol", "temperature", "set"}, fl.Name) {
			flags = append(flags, "--"+fl.Name)
		}
	})
	if len(flags) > 0 {
		line += "; given " + strings.Join(flags, " ")
	}
	return line
}

// chosen reports whether the tasks that are played are among those that the run chose
// this checkpoint by as its best one.
func (f *evalFlags) chosen(r *recipe.Recipe) (bool, error) {
	own, err := record.Recipe(f.home.Run)
	if err != nil || own.Tasks.Set != r.Tasks.Set || cmp.Or(own.Tasks.Eval, "test") != f.split {
		return false, err
	}
	set, err := task.ByName(r.Tasks.Set)
	if err != nil {
		return false, err
	}
	if !set.Whole && (own.Seed != r.Seed || !maps.Equal(own.Tasks.Level, r.Tasks.Level) || !slices.Equal(own.Tasks.Worlds, r.Tasks.Worlds)) {
		return false, nil // other tasks are generated
	}
	log, err := runlog.Read(f.home.Run)
	if err != nil {
		return false, err
	}
	evals := 0 // one alone chooses nothing
	for e, err := range log.Events() {
		if err != nil {
			return false, err
		}
		if e.Kind == "eval" {
			evals++
		}
	}
	best, err := log.Best(monitor.EvalSuccess)
	return evals > 1 && best.Update == f.home.Update, err
}
