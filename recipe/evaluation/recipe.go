package evaluation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/bounded"
	"ballast/bounded/yaml"
	"ballast/env/words"
	"ballast/eval"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/record"
	"ballast/rollout"
	"ballast/runlog"
	"ballast/task"
	"ballast/task/acebench"
)

// Read takes from the config file what has a flag of its own and was not given by it. It
// comes before everything else, and does nothing without a config file.
func (e *Evaluation) Read() (err error) {
	if e.Config == "" {
		return nil
	}
	if e.config, err = bounded.ReadFile(e.Config, yaml.MaxBytes); err != nil {
		return fmt.Errorf("--config: %w; name a YAML file of settings, such as one that a training had", err)
	}
	r, err := e.laid()
	if err != nil {
		return err
	}
	for _, of := range []struct {
		flag     string
		to, from *string
	}{{"model", &e.Model, &r.Model}, {"tasks", &e.Tasks, &r.Tasks.Set}, {"data", &e.Data, &r.Tasks.Data}, {"mcp", &e.MCP, &r.MCP.Server}} {
		if !e.Given(of.flag) {
			*of.to = *of.from
		}
	}
	if !e.Given("category") {
		e.Categories = r.Tasks.Categories
	}
	if !e.Given("seed") {
		e.Seed = r.Seed
	}
	if !e.Given("count") && slices.Contains(given(e.config), "tasks.test") {
		e.Count = r.Tasks.Test
	}
	return nil
}

// given are the settings of a config file that can be read.
func given(config []byte) []string {
	common, _, _ := recipe.Given(recipe.Baseline, config) // laid has read it before
	return common
}

// laid is the recipe of who plays untrained, with the config file over it. What that says of
// training is nothing to an evaluation.
func (e *Evaluation) laid() (recipe.Recipe, error) {
	r, err := recipe.New(recipe.Baseline)
	if err != nil {
		return r, err
	}
	r.Roomy(e.Model)
	if e.Config != "" {
		err = r.Apply(e.Config, e.config)
	}
	return r, err
}

// Recipe resolves the settings that a recipe also has, and the protocol: the run's,
// where the model is a checkpoint of one.
func (e *Evaluation) Recipe() (recipe.Recipe, eval.Protocol, error) {
	if e.Home.Run != "" && e.Config != "" {
		return recipe.Recipe{}, eval.Protocol{}, fmt.Errorf("--config %s: %s belongs to a run, whose recipe says how it plays; leave --config "+
			"out, or give single settings with --set", e.Config, e.Model)
	}
	if e.Home.Run != "" {
		return e.ofRun()
	}
	r, err := e.laid()
	if err != nil {
		return r, eval.Protocol{}, err
	}
	r.Model, r.Tasks.Set, r.Tasks.Data, r.Tasks.Categories, r.Seed = e.Model, e.Tasks, e.Data, e.Categories, e.Seed
	r.MCP.Server = e.MCP
	if e.part != nil && e.part.Set != "" { // what says more of another set
		r.Tasks.Level, r.Tasks.Worlds, r.Tasks.Words = nil, nil, ""
	}
	if e.Protocol == "" && r.Tasks.Set == "bfcl" && e.Config == "" { // a config file has budgets of its own
		e.Protocol = "official"
	}
	return e.settled(r)
}

// Played are the tasks that the recipe and the flags name.
func (e *Evaluation) Played(ctx context.Context, r *recipe.Recipe) ([]ballast.Task, error) {
	tasks, err := e.Worlds.Load(ctx, task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Split: e.Split, Categories: r.Tasks.Categories,
		Worlds: r.Tasks.Worlds, Level: r.Tasks.Level, Words: r.Tasks.Words, Seed: r.Seed, Count: e.Count, Draw: e.Draw})
	if err != nil {
		return nil, err
	}
	return tasks, e.User.choose(tasks, r.Tasks.Set)
}

// usable reports a setting of a recipe that an evaluation would take no notice of,
// or that has a flag of its own. set is that of the tasks.
func (e *Evaluation) usable(pair, set string) error {
	key, _, _ := strings.Cut(pair, "=")
	group, _, _ := strings.Cut(key, ".")
	flags := map[string]string{"model": "--model", "seed": "--seed", "tasks.set": "--tasks", "tasks.data": "--data",
		"tasks.categories": "--category", "tasks.count": "--count", "tasks.test": "--count", "mcp.server": "--mcp"}
	if group == "engine" {
		flags[key] = "--engine"
	}
	switch {
	case flags[key] != "":
		return fmt.Errorf("--set %s: an evaluation has the flag %s for that", pair, flags[key])
	case group == "init" && (e.Model != "init" || e.Endpoint.URL != ""):
		return fmt.Errorf("--set %s: the model is %s; --model init makes one of that shape", pair, e.Model)
	case e.Endpoint.URL != "" && e.Endpoint.API == "chat" &&
		(key == "chat.template" || key == "chat.jinja" || key == "chat.format" || key == "budget.prompt"):
		return fmt.Errorf("--set %s: with --api chat the server writes the prompts", pair)
	case key == "chat.format" && acebench.IsSet(set):
		return fmt.Errorf("--set %s: the items of %s ask for the benchmark's formats in prompts of their own; leave it out (--tasks %s and %s "+
			"are the two)", pair, set, acebench.Set, acebench.SetOwn)
	case group == "judge" && !task.IsFile(set):
		return fmt.Errorf("--set %s: only tasks of a file ask a judge; give it with --tasks", pair)
	case slices.Contains([]string{"chat", "budget", "init", "mcp", "judge"}, group) || key == "tasks.worlds" ||
		key == "tasks.words" || strings.HasPrefix(key, "tasks.level"):
		return nil
	}
	return fmt.Errorf("--set %s: an evaluation does not use that; it takes chat.*, budget.*, init.*, mcp.*, judge.*, tasks.worlds, "+
		"tasks.words and tasks.level", pair)
}

// ofRun is the recipe of the run that the model belongs to with the flags that were
// given laid over it, and the protocol that follows.
func (e *Evaluation) ofRun() (recipe.Recipe, eval.Protocol, error) {
	r, _, err := record.Trained(e.Home.Run)
	if err != nil {
		return r, eval.Protocol{}, err
	}
	given := e.Given
	r.Model = e.Home.Path
	same := !given("tasks") || e.Tasks == r.Tasks.Set
	if !same {
		r.Tasks, r.MCP = recipe.Tasks{Set: e.Tasks}, recipe.MCP{}
	}
	if given("data") {
		r.Tasks.Data = e.Data
	}
	if given("mcp") {
		r.MCP.Server = e.MCP
	}
	if given("category") {
		r.Tasks.Categories = e.Categories
	}
	if given("seed") {
		r.Seed = e.Seed
	}
	if !given("count") && same {
		e.Count = r.Tasks.Test
	}
	return e.settled(r)
}

// settled lays --set over a recipe and says by which protocol is played.
func (e *Evaluation) settled(r recipe.Recipe) (recipe.Recipe, eval.Protocol, error) {
	decided := false
	if e.Endpoint.URL != "" {
		r.Budget = ample(r.Budget)
	}
	for _, pair := range e.Set {
		if err := e.usable(pair, r.Tasks.Set); err != nil {
			return r, eval.Protocol{}, err
		}
		if err := r.Set(pair); err != nil {
			return r, eval.Protocol{}, err
		}
		if key, _, _ := strings.Cut(pair, "="); strings.HasPrefix(key, "mcp.") && r.Unread(key) != "" {
			return r, eval.Protocol{}, fmt.Errorf("--set %s: %s", pair, r.Unread(key))
		}
		decided = decided || strings.HasPrefix(pair, "budget.") || strings.HasPrefix(pair, "chat.malformed")
	}
	if err := r.Check(); err != nil {
		return r, eval.Protocol{}, err
	}
	if why := r.Unread("mcp.server"); r.MCP.Server != "" && why != "" {
		return r, eval.Protocol{}, fmt.Errorf("--mcp %s: %s", r.MCP.Server, why)
	}
	switch set, err := task.ByName(r.Tasks.Set); {
	case err != nil: // Load says it
	case !set.Whole && e.Given("data"):
		return r, eval.Protocol{}, fmt.Errorf("--data %s: set %s is generated and reads no files; give a set that is read, such as --tasks "+
			"bfcl", e.Data, set.Name)
	case set.Whole && e.Given("seed") && r.Model != "init" && r.Tasks.Words == "":
		return r, eval.Protocol{}, fmt.Errorf("--seed %d: set %s is read and not generated; leave the seed out", e.Seed, set.Name)
	}
	if e.Protocol == "" && !decided && acebench.IsSet(r.Tasks.Set) {
		e.Protocol = "acebench"
	}
	p := eval.Protocol{Name: "recipe", Budget: rollout.Budget(r.Budget), Malformed: r.Chat.Malformed}
	if e.Endpoint.URL != "" {
		p.Name = "endpoint"
	}
	if e.Protocol != "" {
		var err error
		if p, err = eval.ProtocolByName(e.Protocol); err != nil {
			return r, p, err
		}
		if decided {
			return r, p, fmt.Errorf("--set budget.* and chat.malformed say what protocol %s decides; leave them out", p.Name)
		}
	}
	if e.Given("temperature") {
		p.How.Temperature = e.Temperature
	}
	return r, p, nil
}

// Taken says in one line what is played as the run does, and which flags changed it.
func (e *Evaluation) Taken(r *recipe.Recipe, p *eval.Protocol, tasks int) string {
	t := &r.Tasks
	parts := []string{"tasks " + t.Set}
	for _, name := range slices.Sorted(maps.Keys(t.Level)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, t.Level[name]))
	}
	if len(t.Worlds) > 0 {
		parts = append(parts, "worlds "+strings.Join(t.Worlds, " "))
	}
	if t.Words != "" {
		parts = append(parts, "words "+t.Words)
	}
	if len(t.Categories) > 0 {
		parts = append(parts, "categories "+strings.Join(t.Categories, " "))
	}
	if e.Draw != 0 {
		parts = append(parts, fmt.Sprintf("drawn by %d", e.Draw))
	}
	parts = append(parts, fmt.Sprintf("%d tasks", tasks), fmt.Sprintf("seed %d", r.Seed), "format "+r.Chat.Format)
	if b := &r.Budget; e.Protocol == "" {
		parts = append(parts, fmt.Sprintf("malformed %s", r.Chat.Malformed),
			fmt.Sprintf("budget %d tokens a reply, %d an episode, %d a result, %d steps", b.Reply, b.Episode, b.Result, b.Steps))
	} else {
		parts = append(parts, "budget and malformed of protocol "+p.Name)
	}
	line := fmt.Sprintf("as run %s, update %d: %s", e.Home.Run, e.Home.Update, strings.Join(parts, ", "))
	var flags []string
	for _, name := range []string{"category", "count", "data", "draw", "mcp", "protocol", "seed", "set", "split", "tasks", "temperature"} {
		if e.Given(name) {
			flags = append(flags, "--"+name)
		}
	}
	if len(flags) > 0 {
		line += "; given " + strings.Join(flags, " ")
	}
	return line
}

// Chosen reports whether the tasks that are played are among those that the run chose
// this checkpoint by as its best one.
func (e *Evaluation) Chosen(r *recipe.Recipe) (bool, error) {
	own, past, err := record.Trained(e.Home.Run)
	split, ok := past["tasks.eval"].(string)
	if !ok {
		split = task.Held(own.Tasks.Set)
	}
	if err != nil || own.Tasks.Set != r.Tasks.Set || !words.Same(own.Tasks.Words, r.Tasks.Words) || split != e.Split {
		return false, err
	}
	set, err := task.ByName(r.Tasks.Set)
	if err != nil {
		return false, err
	}
	if !set.Whole && (own.Seed != r.Seed || !maps.Equal(own.Tasks.Level, r.Tasks.Level) || !slices.Equal(own.Tasks.Worlds, r.Tasks.Worlds)) {
		return false, nil // other tasks are generated
	}
	log, err := runlog.Read(e.Home.Run)
	if err != nil {
		return false, err
	}
	evals := 0 // one alone chooses nothing
	for ev, err := range log.Events() {
		if err != nil {
			return false, err
		}
		if ev.Kind() == runlog.KindEval {
			evals++
		}
	}
	best, err := log.Best(monitor.EvalSuccess)
	return evals > 1 && best.Update == e.Home.Update, err
}
