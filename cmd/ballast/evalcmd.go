package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ballast"
	"ballast/eval"
	"ballast/model"
	"ballast/provenance"
	"ballast/recipe"
	"ballast/recipe/models"
	"ballast/recipe/prepare"
	"ballast/remote"
	"ballast/safetext"
	"ballast/task"
)

// evalFlags are the settings of `ballast eval`.
type evalFlags struct {
	model, tasks, data, split, protocol string
	categories, set                     []string
	count                               int
	seed                                uint64
	temperature                         float64
	out, transcript                     string
	asJSON                              bool
	endpoint                            endpointFlags
	home                                models.Home // of the model
}

func evalCommand() *cobra.Command {
	var f evalFlags
	var runDir, suites string
	c := &cobra.Command{
		Use:   "eval",
		Short: "play tasks with a model or an endpoint and report success with intervals",
		Long: `Plays every task once and prints success by category with 95% Wilson intervals,
why and where episodes fail, and what the replies look like.

A local model is played by this process. With --endpoint, an OpenAI-compatible
server plays: through its chat endpoint with native tools (--api chat), or through
its completions endpoint with our template (--api completion).

With --out, every finished episode is kept in that folder (and every reply of an
endpoint); the same command continues an evaluation that was interrupted. Ctrl-C,
SIGTERM and SIGHUP interrupt it; exit codes: ballast --help.

A run's tasks, level, worlds, format, budgets and rule for malformed replies are those of
its recipe where no flag says otherwise, also for the path of one of its checkpoints.

With --run, the final and the best checkpoint of a run play test tasks in and out
of distribution (other format, other worlds, both), for ballast compare.

Protocols: ` + protocolDocs(),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := f.endpoint.interruptible(c)
			defer stop()
			c.SetOut(outlive(c.OutOrStdout()))
			if err := idle(c, runDir, f.endpoint.url); err != nil {
				return err
			}
			if runDir != "" {
				return interrupted(ctx, evalRun(ctx, c.OutOrStdout(), runDir, suites))
			}
			return interrupted(ctx, f.run(ctx, c))
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.model, "model", "embedded", modelNames+"; with --endpoint, its name there")
	f.tasksFlags(fl)
	fl.StringVar(&f.out, "out", "", "folder that keeps episodes; the same command continues there")
	fl.StringVar(&f.transcript, "transcript", "", "write every episode as readable text to this file")
	fl.StringVar(&runDir, "run", "", "play the suites of test tasks with this run's final and best checkpoint and record them in it; no other flag but --suites goes with it")
	fl.StringVar(&suites, "suites", "", "with --run: a study's plan whose suites are played (default: id, format, content, both)")
	f.endpoint.add(fl)
	return c
}

// idle reports flags that an evaluation would take no notice of.
func idle(c *cobra.Command, run, endpoint string) (err error) {
	c.Flags().Visit(func(fl *pflag.Flag) {
		switch {
		case err != nil || fl.Name == "run":
		case run != "" && fl.Name != "suites":
			err = fmt.Errorf("--%s: with --run the run's recipe and the suites say what is played; leave it out, or give --model %s instead of --run", fl.Name, run)
		case run == "" && fl.Name == "suites":
			err = errors.New("--suites goes with --run")
		case endpoint == "" && slices.Contains([]string{"concurrency", "retries", "timeout"}, fl.Name):
			err = fmt.Errorf("--%s belongs to an endpoint: give --endpoint too", fl.Name)
		}
	})
	return err
}

// tasksFlags adds the flags that say what is played and how.
func (f *evalFlags) tasksFlags(fl *pflag.FlagSet) {
	fl.StringVar(&f.tasks, "tasks", "desk", "task set: desk, bfcl, ...")
	fl.StringVar(&f.data, "data", "", "folder of the task set's data")
	fl.StringVar(&f.split, "split", "test", "train or test")
	fl.StringSliceVar(&f.categories, "category", nil, "only these categories")
	fl.IntVar(&f.count, "count", 0, "number of tasks (0 = the set's own number)")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of a generated set")
	fl.StringVar(&f.protocol, "protocol", "", "official or paper (default: official for bfcl; else the recipe's budgets, for an endpoint "+
		"4,096 tokens a reply)")
	fl.Float64Var(&f.temperature, "temperature", 0, "0 is greedy (default: the protocol's)")
	fl.StringArrayVar(&f.set, "set", nil, "one setting, such as chat.format=pythonic (repeatable)")
	fl.BoolVar(&f.asJSON, "json", false, "print the result as JSON")
}

func protocolDocs() string {
	var b strings.Builder
	for _, p := range eval.Protocols {
		fmt.Fprintf(&b, "\n  %-9s %s", p.Name, p.Doc)
	}
	return b.String()
}

// usable reports a setting of a recipe that an evaluation would take no notice of,
// or that has a flag of its own.
func (f *evalFlags) usable(pair string) error {
	key, _, _ := strings.Cut(pair, "=")
	group, _, _ := strings.Cut(key, ".")
	flags := map[string]string{"model": "--model", "seed": "--seed", "tasks.set": "--tasks", "tasks.data": "--data",
		"tasks.categories": "--category", "tasks.count": "--count", "tasks.test": "--count", "tasks.eval": "--split", "rl.temperature": "--temperature"}
	switch {
	case flags[key] != "":
		return fmt.Errorf("--set %s: an evaluation has the flag %s for that", pair, flags[key])
	case group == "init" && (f.model != "init" || f.endpoint.url != ""):
		return fmt.Errorf("--set %s: the model is %s; --model init makes one of that shape", pair, f.model)
	case f.endpoint.url != "" && f.endpoint.api == "chat" && (key == "chat.template" || key == "chat.format" || key == "budget.prompt"):
		return fmt.Errorf("--set %s: with --api chat the server writes the prompts", pair)
	case group == "chat" || group == "budget" || group == "init" || key == "tasks.worlds" || strings.HasPrefix(key, "tasks.level"):
		return nil
	}
	return fmt.Errorf("--set %s: an evaluation does not use that; it takes chat.*, budget.*, init.*, tasks.worlds and tasks.level", pair)
}

// recipe resolves the settings that a recipe also has, and the protocol: the run's,
// where the model is a checkpoint of one.
func (f *evalFlags) recipe(c *cobra.Command) (recipe.Recipe, eval.Protocol, error) {
	if f.home.Run != "" {
		return f.ofRun(c)
	}
	r, err := recipe.New(recipe.Baseline)
	if err != nil {
		return r, eval.Protocol{}, err
	}
	r.Model, r.Tasks.Set, r.Tasks.Data, r.Tasks.Categories, r.Seed = f.model, f.tasks, f.data, f.categories, f.seed
	if f.protocol == "" && r.Tasks.Set == "bfcl" {
		f.protocol = "official"
	}
	return f.settled(c, r)
}

// played are the tasks that the recipe and the flags name.
func (f *evalFlags) played(r *recipe.Recipe) ([]ballast.Task, error) {
	return task.Load(task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Split: f.split, Categories: r.Tasks.Categories,
		Worlds: r.Tasks.Worlds, Level: r.Tasks.Level, Seed: r.Seed, Count: f.count})
}

func (f *evalFlags) run(ctx context.Context, c *cobra.Command) (err error) {
	if f.endpoint.url == "" { // an endpoint's model is a name
		if f.home, err = finder.Find(ctx, f.model, false); err != nil {
			return err
		}
	}
	r, protocol, err := f.recipe(c)
	if err != nil {
		return err
	}
	tasks, err := f.played(&r)
	if err != nil {
		return err
	}
	if err := f.endpoint.check(f.model); err != nil {
		return err
	}
	if err := f.announce(c, &r, &protocol); err != nil {
		return err
	}
	var store *eval.Store
	if f.out != "" {
		settings := f.settings(&r, protocol)
		if err := f.hashes(settings, &r, tasks); err != nil {
			return err
		}
		if store, err = eval.OpenStore(f.out, settings); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
	}
	if f.transcript != "" { // before hours of playing, and not after
		if err := placeTranscripts(f.transcript); err != nil {
			return err
		}
	}
	who, play, done, err := f.player(&r, protocol, tasks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if f.endpoint.url != "" { // before anything is sent
		left := len(tasks)
		if store != nil {
			left = store.Missing(tasks)
		}
		fmt.Fprintf(c.ErrOrStderr(), "ballast: %s gets of %d tasks the users' messages, the tools' documentation, the model's own replies and the tools' results; a reply may have %d tokens (protocol %s)\n",
			who, left, protocol.Budget.Reply, protocol.Name)
	}
	start := time.Now()
	res, err := eval.RunStored(ctx, store, tasks, play)
	switch {
	case err != nil && store != nil:
		return fmt.Errorf("%w; %d of %d episodes are in %s, the same command continues", err, store.Len(), len(tasks), f.out)
	case err != nil:
		return err
	}
	if f.endpoint.url != "" && f.endpoint.api == "chat" {
		res.Notes = remote.Hints(res.Episodes)
	}
	if f.transcript != "" {
		if err := writeTranscripts(f.transcript, tasks, res.Episodes); err != nil {
			return err
		}
	}
	if f.asJSON {
		err = json.NewEncoder(c.OutOrStdout()).Encode(res)
	} else {
		say(c.OutOrStdout(), "%s on %s (%s), protocol %s, %.1f s\n", who, r.Tasks.Set, f.split, protocol.Name, time.Since(start).Seconds())
		_, err = fmt.Fprint(c.OutOrStdout(), res.Table())
	}
	if err == nil && res.Infra > 0 {
		err = fmt.Errorf("%d of %d episodes could not be played; the first is %s", res.Infra, len(tasks), res.Broken)
		if store != nil {
			err = fmt.Errorf("%w; the same command plays them again", err)
		}
	}
	return err
}

// announce says what is taken from the model's run, and warns of tasks that chose the
// checkpoint.
func (f *evalFlags) announce(c *cobra.Command, r *recipe.Recipe, p *eval.Protocol) error {
	if f.home.Run == "" {
		return nil
	}
	out := c.OutOrStdout()
	if f.asJSON {
		out = c.ErrOrStderr()
	}
	fmt.Fprintln(out, f.taken(c, r, p))
	biased, err := f.chosen(r)
	if biased {
		fmt.Fprintf(c.ErrOrStderr(), "ballast: these tasks chose this checkpoint among the run's (tasks.eval: %s), so the figure is biased upwards; play others with --seed, or --split where the set has more\n", f.split)
	}
	return err
}

// settings are what an evaluation's folder belongs to. A run is its checkpoint: which
// one is best may change while it trains.
func (f *evalFlags) settings(r *recipe.Recipe, p eval.Protocol) map[string]string {
	model := f.model
	if f.home.Run != "" {
		model = f.home.Path
	}
	out := map[string]string{
		"model": model, "data": r.Tasks.Data, "endpoint": safetext.URL(f.endpoint.url), "api": f.endpoint.api, "protocol": p.Name,
		"temperature": fmt.Sprint(p.How.Temperature), "tasks": r.Tasks.Set, "split": f.split,
		"categories": strings.Join(r.Tasks.Categories, ","), "count": fmt.Sprint(f.count), "seed": fmt.Sprint(r.Seed),
		"set": strings.Join(f.set, " "),
	}
	if f.home.Run != "" {
		out["run"] = f.home.Run // whose settings count
	}
	if f.home.Hub != nil {
		out["model"], out["commit"] = f.home.Hub.Name.ID(), f.home.Hub.Commit
	}
	return out
}

// hashes adds those of what is played and of who plays: episodes of another model, or of
// other tasks of the same names, are not this evaluation's.
func (f *evalFlags) hashes(settings map[string]string, r *recipe.Recipe, tasks []ballast.Task) (err error) {
	settings["tasks"+eval.Hash] = task.Digest(tasks)
	if path := r.Jinja(); path != "" {
		if settings["chat.template"+eval.Hash], _, err = provenance.File(path); err != nil {
			return fmt.Errorf("chat.template: %w", err)
		}
	}
	var files []string
	switch {
	case f.endpoint.url != "" && f.endpoint.api == "completion":
		settings["tokenizer"+eval.Hash], err = f.endpoint.tokenizerSum()
		return err
	case f.endpoint.url != "", f.model == "init":
		return nil
	case f.model == "embedded":
		settings["model's files"+eval.Hash], err = model.EmbeddedSum()
		return err
	default:
		files, err = model.Files(f.home.Path)
	}
	sums := provenance.Inputs{}
	for _, path := range files {
		if err == nil {
			var rel string // of a directory's files; a single file has its name
			if rel, err = filepath.Rel(filepath.Dir(files[0]), path); err == nil {
				sums[rel], _, err = provenance.File(path)
			}
		}
	}
	settings["model's files"+eval.Hash] = provenance.Bytes(fmt.Append(nil, map[string]string(sums))) // in order of the names
	return err
}

// player is who plays: the endpoint, or a model in this process. Done ends it.
func (f *evalFlags) player(r *recipe.Recipe, p eval.Protocol, tasks []ballast.Task) (who string, play eval.Player, done func() error,
	err error) {
	if f.endpoint.url != "" {
		return f.endpoint.player(f, r, p, tasks)
	}
	m, err := finder.Load(r)
	if err != nil {
		return "", nil, nil, err
	}
	s, c, err := models.Style(r, m)
	if err != nil {
		return "", nil, nil, err
	}
	finder.Warn(m.Origin, models.OtherFormat(r, c))
	cfg := r.Rollout(s)
	p.Apply(&cfg)
	cfg.Context = m.Config.MaxLen
	if err := prepare.Fit(stderr, cfg, tasks); err != nil {
		return "", nil, nil, err
	}
	policy, err := newPolicy(m, s)
	if err != nil {
		return "", nil, nil, err
	}
	return m.Origin, eval.PolicyPlayer(policy, cfg, p.How), func() error { return nil }, nil
}
