// Package request resolves the recipe that a command line asks for, and writes it as one for
// the training commands of a sweep.
//
// Contract: a flag or a setting that the run would not read is an error; what a config file
// says in vain is told, since it may be for several methods.
//
// How it fails: with an error that names the flag, the setting or the file.
package request

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/bounded/yaml"
	"ballast/recipe"
	"ballast/recipe/models"
	"ballast/recipe/record"
)

// Request is what the flags of a training command ask for; empty ones leave the method's own.
type Request struct {
	Model, Tasks, Data string
	MCP                string // the server of the tasks' tools
	Dialogues, Config  string // files
	Seed               uint64
	Seeded             bool     // Seed was given
	Set                []string // settings, such as rl.lr=1e-6
	Aside              []string // what the config file says and the run does not read; set by Recipe
}

// Recipe resolves the method's defaults with the budgets of the model, the config file, the flags, and --set,
// in this order. A flag or --set that the run would not read is an error; a config file may
// be for several methods, so that what it sets in vain is said.
func (q *Request) Recipe(method string) (r recipe.Recipe, err error) {
	if r, err = recipe.New(method); err != nil {
		return r, err
	}
	var config []byte
	if q.Config != "" {
		if config, err = bounded.ReadFile(q.Config, yaml.MaxBytes); err != nil {
			return r, fmt.Errorf("--config: %w; name a YAML file of settings, such as recipes/qwen2.5-1.5b.yaml, or leave --config out for the "+
				"method's own", err)
		}
	}
	if r, err = q.laid(method, "", config); err == nil {
		r, err = q.laid(method, r.Model, config) // now that the model is known
	}
	if err != nil {
		return r, err
	}
	r.Settle()
	if err := r.Check(); err != nil {
		return r, err
	}
	return r, q.unread(&r, method, config)
}

// laid is a method's recipe for a model with all that was asked for laid over it.
func (q *Request) laid(method, model string, config []byte) (recipe.Recipe, error) {
	r, err := recipe.New(method)
	if err != nil {
		return r, err
	}
	r.Roomy(model)
	if q.Config != "" {
		if err := r.Apply(q.Config, config); err != nil {
			return r, err
		}
	}
	if q.Model != "" {
		r.Model = q.Model
	}
	if q.Tasks != "" {
		r.Tasks.Set = q.Tasks
	}
	if q.Data != "" {
		r.Tasks.Data = q.Data
	}
	if q.MCP != "" {
		r.MCP.Server = q.MCP
	}
	if q.Seeded {
		r.Seed = q.Seed
	}
	for _, pair := range q.Set {
		if err := r.Set(pair); err != nil {
			return r, err
		}
	}
	if q.Dialogues != "" {
		err = r.Dialogues(q.Dialogues)
	}
	return r, err
}

// unread is an error that names what was given for this run and nothing would read;
// config is the text of the config file.
func (q *Request) unread(r *recipe.Recipe, method string, config []byte) error {
	var errs []error
	check := func(what string, keys ...string) {
		for _, key := range keys {
			if why := r.Unread(key); why != "" {
				errs = append(errs, fmt.Errorf("%s: this run does not read %s: %s", what, key, why))
			}
		}
	}
	if q.Data != "" {
		check("--data "+q.Data, "tasks.data")
	}
	if q.MCP != "" {
		check("--mcp "+q.MCP, "mcp.server")
	}
	for _, pair := range q.Set {
		check("--set "+pair, recipe.Keys(pair)...)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for i, p := range r.Phases {
		for _, key := range slices.Sorted(maps.Keys(p.With)) {
			check(fmt.Sprintf("phases[%d].with", i), fmt.Sprintf("phases[%d].%s", i, key))
		}
	}
	if q.Config == "" {
		return errors.Join(errs...)
	}
	common, own, err := recipe.Given(method, config)
	if err != nil {
		return fmt.Errorf("%s: %w", q.Config, err)
	}
	q.Aside = nil
	why := map[string][]string{}
	for i, key := range append(common, own...) {
		text, name := r.Unread(key), key
		if i >= len(common) {
			name = "methods." + method + "." + key
		}
		switch {
		case key == "method" && r.Method != method: // another method's recipe is no start for this one
			errs = append(errs, fmt.Errorf("%s: it says method: %s, and the command %s", q.Config, r.Method, method))
		case text != "" && key != "method":
			why[text] = append(why[text], name)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(why)) {
		q.Aside = append(q.Aside, fmt.Sprintf("%s: this run does not read %s: %s", q.Config, strings.Join(why[text], ", "), text))
	}
	return errors.Join(errs...)
}

// shared are the flags, beside --set, that a sweep or a study gives to every training
// command.
func (q *Request) shared() []struct {
	name string
	text *string
} {
	return []struct {
		name string
		text *string
	}{{"--model", &q.Model}, {"--tasks", &q.Tasks}, {"--data", &q.Data}, {"--dialogues", &q.Dialogues}, {"--config", &q.Config}}
}

// Args are the flags that every training command of a sweep gets.
func (q *Request) Args() []string {
	var out []string
	for _, flag := range q.shared() {
		if *flag.text != "" {
			out = append(out, flag.name, *flag.text)
		}
	}
	for _, s := range q.Set {
		out = append(out, "--set", s)
	}
	return out
}

// Same fails where the recipe of the run in a directory is not the one that a
// training command would begin with.
func Same(dir string, args []string) error {
	want, err := resolved(args)
	if err != nil {
		return err
	}
	has, err := record.Recipe(dir)
	if err != nil {
		return err
	}
	if models.SamePin(has.Model, want.Model) {
		want.Model = has.Model
	}
	d := has.Differs(&want)
	if len(d) == 0 {
		return nil
	}
	if len(d) > 3 {
		d = append(d[:3], fmt.Sprintf("%d more", len(d)-3))
	}
	return fmt.Errorf("it holds a run of other settings: %s; name another folder, or take that run away", strings.Join(d, ", "))
}

// resolved is the recipe of a training command of a sweep or a study, which has one
// argument to each flag.
func resolved(args []string) (recipe.Recipe, error) {
	var q Request
	var out string
	takes := map[string]*string{"--out": &out}
	for _, flag := range q.shared() {
		takes[flag.name] = flag.text
	}
	for i := 2; i+1 < len(args); i += 2 {
		switch into := takes[args[i]]; {
		case args[i] == "--set":
			q.Set = append(q.Set, args[i+1])
		case into != nil:
			*into = args[i+1]
		default:
			return recipe.Recipe{}, fmt.Errorf("ballast %s: %s is no flag that a sweep gives", args[0], args[i])
		}
	}
	return q.Recipe(args[1])
}
