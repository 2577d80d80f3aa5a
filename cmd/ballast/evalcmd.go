package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ballast"
	"ballast/endpoint"
	"ballast/eval"
	"ballast/recipe"
	"ballast/recipe/evaluation"
	"ballast/recipe/worlds"
	"ballast/remote"
	"ballast/runlog"
	"ballast/safetext"
	"ballast/study"
	"ballast/task"
)

// evalFlags are the settings of `ballast eval`.
type evalFlags struct {
	evaluation.Evaluation
	transcript string
	asJSON     bool
	engine     engineFlag
	suite      string
	// told, if not nil, gets the result in place of the terminal.
	told func(head string, r *recipe.Recipe, tasks []ballast.Task, res eval.Result) error
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

With --suite, the parts of a suite are played one after another, and their success is
compared on the tasks that both played; with --out, each part has a folder in it.

Suites:` + suiteDocs() + `

Protocols: ` + protocolDocs(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("eval takes no argument; a model or a run is --model %s, the tests of a run's plan --run %s", args[0], args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := f.interruptible(c)
			defer stop()
			out := outlive(c.OutOrStdout())
			c.SetOut(out)
			if err := idle(c, runDir, &f.Evaluation); err != nil {
				return err
			}
			if runDir != "" {
				return interrupted(ctx, f.evalRun(ctx, c.OutOrStdout(), runDir, suites))
			}
			if err := f.run(ctx, c); err != nil {
				return interrupted(ctx, err)
			}
			return out.lost()
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.Model, "model", recipe.DefaultModel, modelNames+"; with --endpoint, its name there")
	f.tasksFlags(fl)
	fl.StringVar(&f.Out, "out", "", "folder that keeps episodes; the same command continues there")
	fl.StringVar(&f.suite, "suite", "", "play a suite: "+strings.Join(evaluation.SuiteNames(), ", ")+" (docs/ood.md)")
	fl.StringVar(&f.transcript, "transcript", "", "write every episode as readable text to this file")
	fl.StringVar(&runDir, "run", "", "play the suites of test tasks with this run's final and best checkpoint and record them in it; no "+
		"other flag but --suites and --engine goes with it")
	fl.StringVar(&suites, "suites", "", "with --run: a study's plan whose suites are played (default: id, format, content, both)")
	f.endpointFlags(fl)
	return c
}

// idle reports flags that an evaluation would take no notice of.
func idle(c *cobra.Command, run string, e *evaluation.Evaluation) (err error) {
	endpoint := e.Endpoint.URL
	c.Flags().Visit(func(fl *pflag.Flag) {
		switch {
		case err != nil || fl.Name == "run":
		case run != "" && fl.Name != "suites" && fl.Name != "engine":
			err = fmt.Errorf("--%s: with --run the run's recipe and the suites say what is played; leave it out, or give --model %s instead of "+
				"--run", fl.Name, run)
		case run == "" && fl.Name == "suites":
			err = errors.New("--suites goes with --run")
		case endpoint != "" && fl.Name == "engine":
			err = errors.New("--engine: with --endpoint the server samples; leave it out")
		case endpoint == "" && e.User.URL == "" && (fl.Name == "retries" || fl.Name == "timeout" || fl.Name == "concurrency"):
			// the user's model is asked by them, too
			err = fmt.Errorf("--%s belongs to an endpoint: give --endpoint or --user-endpoint too", fl.Name)
		}
	})
	return err
}

// tasksFlags adds the flags that say what is played and how.
func (f *evalFlags) tasksFlags(fl *pflag.FlagSet) {
	fl.StringVar(&f.Tasks, "tasks", "desk", "task set: desk, bfcl, ..., or the path of a tasks file (docs/tasks-file.md)")
	fl.StringVar(&f.Data, "data", "", "folder of the task set's data")
	fl.StringVar(&f.MCP, "mcp", "", mcpFlag)
	fl.StringVar(&f.Split, "split", "test", "train or test")
	fl.StringSliceVar(&f.Categories, "category", nil, "only these categories")
	fl.IntVar(&f.Count, "count", 0, "number of tasks (0 = the set's own number)")
	fl.Uint64Var(&f.Seed, "seed", 1, "seed of a generated set, and of other words")
	fl.Uint64Var(&f.Draw, "draw", 0, "with --count: draw the tasks of a set that is read by this seed (default: the first, categories take "+
		"turns)")
	fl.StringVar(&f.Protocol, "protocol", "", "official or paper (default: official for bfcl; else the recipe's budgets, for an endpoint "+
		"4,096 tokens a reply)")
	fl.Float64Var(&f.Temperature, "temperature", 0, "0 is greedy (default: the protocol's)")
	fl.StringVar(&f.User.URL, "user-endpoint", "", "base address of a server whose model speaks as the simulated user of acebench's "+
		"agent_multi_turn (default: rules)")
	fl.StringVar(&f.User.Model, "user-model", "", "with --user-endpoint: the model's name there")
	fl.StringVar(&f.User.KeyEnv, "user-key-env", "", "name of the environment variable that holds the key of --user-endpoint")
	fl.StringVar(&f.User.Lines, "user-lines", "", "file of what simulated users say (docs/acebench.md)")
	fl.StringVar(&f.Config, "config", "", "YAML file with settings, such as that of a training: model, tasks, format and budgets count")
	fl.StringArrayVar(&f.Set, "set", nil, "one setting, such as chat.format=pythonic (repeatable)")
	fl.BoolVar(&f.asJSON, "json", false, "print the result as JSON")
	f.engine.add(fl, "that of the run that the model belongs to, else cpu")
}

func protocolDocs() string {
	var b strings.Builder
	for _, p := range eval.Protocols {
		fmt.Fprintf(&b, "\n  %-9s %s", p.Name, p.Doc)
	}
	return b.String()
}

func (f *evalFlags) run(ctx context.Context, c *cobra.Command) (err error) {
	f.Given = c.Flags().Changed
	if err := f.Read(); err != nil {
		return err
	}
	if f.Endpoint.URL == "" { // an endpoint's model is a name
		if f.Home, err = finder.Find(ctx, f.Model, false); err != nil {
			return err
		}
	}
	if f.Given("suite") {
		return f.runSuite(ctx, c)
	}
	return f.one(ctx, c)
}

// one is one evaluation.
func (f *evalFlags) one(ctx context.Context, c *cobra.Command) (err error) {
	r, protocol, tasks, err := f.resolved(ctx)
	defer func() { err = errors.Join(err, f.Worlds.Close()) }()
	if err != nil {
		return err
	}
	if err := errors.Join(f.Endpoint.Check(f.Model), f.User.Check()); err != nil {
		return err
	}
	if err := f.announce(c, &r, &protocol, len(tasks)); err != nil {
		return err
	}
	store, err := f.store(ctx, &r, &protocol, tasks)
	if err != nil {
		return err
	}
	if store != nil {
		defer func() { err = errors.Join(err, store.Close()) }()
		if err := f.Worlds.Keep(worlds.Files{Server: runlog.Dir(f.Out).Server()}); err != nil {
			return err
		}
	}
	if f.transcript != "" { // before hours of playing, and not after
		if err := eval.PlaceTranscripts(f.transcript); err != nil {
			return fmt.Errorf("--transcript %w", err)
		}
	}
	who, play, done, err := f.Player(ctx, &finder, stderr, f.engine.open, &r, protocol, tasks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if f.Endpoint.URL != "" { // before anything is sent
		left := len(tasks)
		if store != nil {
			left = store.Missing(tasks)
		}
		sends(c.ErrOrStderr(), who, left, &protocol)
	}
	start := time.Now()
	res, err := eval.RunStored(ctx, store, tasks, withProgress(play, stderr, tellEvery))
	switch {
	case err != nil && store != nil:
		return fmt.Errorf("%w; %d of %d episodes are in %s, the same command continues", err, store.Len(), len(tasks), f.Out)
	case err != nil:
		return err
	}
	f.note(&res, tasks)
	if f.transcript != "" {
		if err := eval.WriteTranscripts(f.transcript, tasks, res.Episodes); err != nil {
			return err
		}
	}
	head := fmt.Sprintf("%s on %s (%s), protocol %s, %.1f s", who, r.Tasks.Set, f.Split, protocol.Name, time.Since(start).Seconds())
	switch {
	case f.told != nil:
		err = f.told(head, &r, tasks, res)
	case f.asJSON:
		err = json.NewEncoder(c.OutOrStdout()).Encode(res)
	default:
		safetext.Say(c.OutOrStdout(), "%s\n", head)
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

// note adds what is to be said below the table of who played.
func (f *evalFlags) note(res *eval.Result, tasks []ballast.Task) {
	if f.Endpoint.URL != "" && f.Endpoint.API == "chat" {
		res.Notes = remote.Hints(res.Episodes)
	}
	if who := f.Simulated(tasks); who != "" {
		res.Notes = append(res.Notes, who)
	}
}

// sends says what an endpoint gets to see.
func sends(w io.Writer, who string, tasks int, p *eval.Protocol) {
	if tasks == 0 { // all were played before
		return
	}
	fmt.Fprintf(w, "ballast: %s gets of %d tasks the users' messages, the tools' documentation, the model's own replies "+
		"and the tools' results; a reply may have %d tokens (protocol %s)\n", who, tasks, p.Budget.Reply, p.Name)
}

// store opens the folder of --out; nil where none was given.
func (f *evalFlags) store(ctx context.Context, r *recipe.Recipe, by *eval.Protocol, tasks []ballast.Task) (*eval.Store, error) {
	if f.Out == "" {
		return nil, nil
	}
	settings, err := f.Settings(ctx, &finder, r, by, tasks)
	if err != nil {
		return nil, err
	}
	s, err := eval.OpenStore(f.Out, settings)
	if err == nil && s.Torn() {
		safetext.Say(stderr, "ballast: %s: a crash cut its last episode off; it is played again\n", f.Out)
	}
	return s, err
}

// evalRun plays the suites of a plan, "" for the built-in ones, with a run's checkpoints.
func (f *evalFlags) evalRun(ctx context.Context, out io.Writer, dir, plan string) error {
	suites := study.Suites
	if plan != "" {
		p, err := study.Read(plan)
		if err != nil {
			return err
		}
		suites = p.Suites
	}
	return study.Play(ctx, out, dir, suites, f.engine.open)
}

// resolved are the settings, the protocol and the tasks of an evaluation. It opens the worlds, which
// the caller closes, also after an error.
func (f *evalFlags) resolved(ctx context.Context) (r recipe.Recipe, p eval.Protocol, tasks []ballast.Task, err error) {
	if r, p, err = f.Recipe(); err != nil {
		return r, p, nil, err
	}
	if err = f.engine.apply(&r); err != nil {
		return r, p, nil, err
	}
	if f.Worlds, err = worlds.Open(ctx, &r, stderr); err != nil {
		return r, p, nil, err
	}
	tasks, err = f.Played(ctx, &r)
	return r, p, tasks, err
}

// announce says what is taken from the model's run, and warns of tasks that chose the
// checkpoint.
func (f *evalFlags) announce(c *cobra.Command, r *recipe.Recipe, p *eval.Protocol, tasks int) error {
	if f.Home.Run == "" {
		return nil
	}
	out := c.OutOrStdout()
	if f.asJSON {
		out = c.ErrOrStderr()
	}
	fmt.Fprintln(out, f.Taken(r, p, tasks))
	biased, err := f.Chosen(r)
	if biased {
		others := "play others with --seed, or --split where the set has more"
		if set, err := task.ByName(r.Tasks.Set); err == nil && set.Whole { // its tasks are read, and no seed draws others
			others = "play others with --split where the set has more; in a file of your own, tasks of split valid choose instead"
		}
		fmt.Fprintf(c.ErrOrStderr(), "ballast: these tasks chose this checkpoint among the run's (split %s), so the figure is biased "+
			"upwards; %s\n", f.Split, others)
	}
	return err
}

// endpointFlags adds those of an evaluation by an endpoint.
func (f *evalFlags) endpointFlags(fl *pflag.FlagSet) {
	fl.StringVar(&f.Endpoint.URL, "endpoint", "", "base address of an OpenAI-compatible server, such as http://localhost:8000/v1")
	fl.StringVar(&f.Endpoint.API, "api", "chat", "with --endpoint: chat (native tools) or completion (our template)")
	fl.StringVar(&f.Endpoint.KeyEnv, "key-env", "", "name of the environment variable that holds the endpoint's key")
	fl.StringVar(&f.Endpoint.Tokenizer, "tokenizer", "", "with --api completion: the model's folder, its tokenizer.json, or its name on "+
		"the hub")
	fl.BoolVar(&f.Endpoint.Text, "prompt-text", false, "with --api completion: send prompts as text, not as token ids")
	fl.IntVar(&f.Endpoint.Concurrency, "concurrency", 8, "requests under way, at --endpoint and at --user-endpoint each")
	fl.IntVar(&f.Endpoint.Retries, "retries", 6, "further tries of a request that fails for infrastructure")
	fl.DurationVar(&f.Endpoint.Timeout, "timeout", 5*time.Minute, "of one request")
	fl.BoolVar(&f.Endpoint.Stream, "stream", false, "ask for replies piece by piece")
}

// interruptible returns a context that ends with the first signal. The second ends what
// an endpoint is still doing; an evaluation by a model in this process it ends as usual.
func (f *evalFlags) interruptible(c *cobra.Command) (ctx context.Context, stop func()) {
	if f.Endpoint.URL == "" {
		return interruptible(c.Context())
	}
	f.Endpoint.Warn = func(s string) { fmt.Fprintf(c.ErrOrStderr(), "ballast: %s\n", safetext.Line(s)) }
	ctx, f.Endpoint.Halt, stop = interrupts(c.Context(), func() {
		fmt.Fprintf(c.ErrOrStderr(), "ballast: interrupted; waiting at most %v for replies on their way, interrupt again to stop at once\n",
			endpoint.DefaultGrace)
	})
	return ctx, stop
}
