// Package evaluation says what an evaluation of a model plays, under which settings, and who
// plays: a model in this process or one behind an endpoint.
//
// Contract: a checkpoint of a run is played with its run's tasks, renderer and budgets, as far
// as nothing else was asked for. A setting that the evaluation would take no notice of is an
// error. What is kept in a folder belongs to the settings and the hashes of what was played.
//
// How it fails: with an error that names the flag.
package evaluation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/eval"
	"ballast/model"
	"ballast/provenance"
	"ballast/recipe"
	"ballast/recipe/models"
	"ballast/recipe/prepare"
	"ballast/recipe/worlds"
	"ballast/safetext"
	"ballast/task"
	"ballast/task/acebench"
)

// Evaluation is what was asked for, by the flags of the command.
type Evaluation struct {
	Model, Tasks, Data, Split, Protocol string
	Config                              string   // path of a YAML file of settings, as a training reads it; "" for none
	Categories, Set                     []string // of tasks; settings of a recipe
	MCP                                 string   // the server of the tasks' tools
	Count                               int      // of tasks; 0 is the set's own number
	Draw                                uint64   // seed by which they are drawn from a set that is read; 0: the first
	Seed                                uint64
	Temperature                         float64
	Out                                 string // folder that keeps episodes; "" for none
	Endpoint                            Endpoint
	User                                User                   // of tasks that have a simulated one
	Worlds                              *worlds.Worlds         // where tasks are played
	Home                                models.Home            // of the model
	Given                               func(flag string) bool // whether a flag was given

	config []byte // the text of Config
	part   *Part  // of a suite; nil for an evaluation of its own
}

// Settings are what an evaluation's folder belongs to, with the hashes of what is played and of
// who plays: episodes of another model, or of other tasks of the same names, are not this
// evaluation's. A run is its checkpoint: which one is best may change while it trains.
func (e *Evaluation) Settings(ctx context.Context, find *models.Finder, r *recipe.Recipe, p *eval.Protocol,
	tasks []ballast.Task) (map[string]string, error) {
	model := e.Model
	if e.Home.Run != "" {
		model = e.Home.Path
	}
	out := map[string]string{
		"model": model, "data": r.Tasks.Data, "endpoint": safetext.URL(e.Endpoint.URL), "api": e.Endpoint.API, "protocol": p.Name,
		"temperature": fmt.Sprint(p.How.Temperature), "tasks": r.Tasks.Set, "split": e.Split,
		"categories": strings.Join(r.Tasks.Categories, ","), "count": fmt.Sprint(e.Count), "seed": fmt.Sprint(r.Seed),
		"set": strings.Join(e.Set, " "),
	}
	if e.Home.Run != "" {
		out["run"] = e.Home.Run // whose settings count
	}
	if e.Draw != 0 {
		out["draw"] = fmt.Sprint(e.Draw)
	}
	if r.Tasks.Words != "" {
		out["words"] = r.Tasks.Words
	}
	if r.MCP.Server != "" { // its tools are in the hash of the tasks, and what they answer is not
		out["mcp"] = r.MCP.Server
		if r.MCP.Remote() {
			out["mcp"] = safetext.URL(r.MCP.Server)
		}
	}
	if r.Engine.On() != "cpu" { // of which a folder says nothing
		out["engine"] = r.Engine.String()
	}
	if e.Home.Hub != nil {
		out["model"], out["commit"] = e.Home.Hub.Name.ID(), e.Home.Hub.Commit
	}
	if err := e.User.settings(out); err != nil {
		return nil, err
	}
	return out, e.hashes(ctx, find, out, r, tasks)
}

// hashes adds those of what is played and of who plays.
func (e *Evaluation) hashes(ctx context.Context, find *models.Finder, settings map[string]string, r *recipe.Recipe, tasks []ballast.Task) (
	err error) {
	settings["tasks"+eval.Hash] = task.Digest(tasks)
	if e.Config != "" {
		settings["config"+eval.Hash] = provenance.Bytes(e.config)
	}
	if path := r.Chat.Jinja; path != "" {
		if settings["chat.jinja"+eval.Hash], _, err = provenance.File(path); err != nil {
			return fmt.Errorf("chat.jinja: %w", err)
		}
	}
	var files []string
	switch {
	case e.Endpoint.URL != "" && e.Endpoint.API == "completion":
		settings["tokenizer"+eval.Hash], err = e.Endpoint.tokenizerSum(ctx, find)
		return err
	case e.Endpoint.URL != "", e.Model == "init":
		return nil
	case find.Embedded().Has(e.Model):
		settings["model's files"+eval.Hash], err = find.Embedded().Sum(e.Model)
		return err
	default:
		files, err = find.FilesOf(r, e.Home.Path)
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

// Open opens an engine that samples with a model of this process under a recipe; whoever asks
// for one closes it.
type Open func(context.Context, *recipe.Recipe, *model.Model, chat.Renderer) (ballast.Engine, error)

// Player is who plays: the endpoint, or a model in this process. done gives back what it holds.
// notes gets what is to be told before anything is played.
func (e *Evaluation) Player(ctx context.Context, find *models.Finder, notes io.Writer, open Open, r *recipe.Recipe, p eval.Protocol,
	tasks []ballast.Task) (
	who string, play eval.Player, done func() error, err error) {
	leave, err := e.seat(tasks, notes)
	if err != nil {
		return "", nil, nil, err
	}
	who, play, end, err := e.opened(ctx, find, notes, open, r, p, tasks)
	if err != nil {
		return "", nil, nil, errors.Join(err, leave())
	}
	return who, play, func() error { return errors.Join(end(), leave()) }, nil
}

// opened is who plays, beside the user.
func (e *Evaluation) opened(ctx context.Context, find *models.Finder, notes io.Writer, open Open, r *recipe.Recipe, p eval.Protocol,
	tasks []ballast.Task) (
	who string, play eval.Player, done func() error, err error) {
	if e.Endpoint.URL != "" {
		return e.Endpoint.player(ctx, find, notes, e, r, p, tasks)
	}
	m, err := find.Load(ctx, r)
	if err != nil {
		return "", nil, nil, err
	}
	s, c, err := models.Renderer(r, m)
	if err != nil {
		return "", nil, nil, &Unfit{err}
	}
	switch {
	case acebench.IsSet(r.Tasks.Set): // its items bring their prompts and formats
	case e.part == nil || e.part.Format == "":
		find.Warn(m.Origin, models.OtherFormat(r, c))
	case r.Chat.Format != e.part.Format:
		return "", nil, nil, &Unfit{fmt.Errorf("%s: its own template writes calls in format %s alone", m.Origin, r.Chat.Format)}
	}
	cfg := r.Rollout(s)
	p.Apply(&cfg)
	cfg.Context, cfg.Env = m.Config.MaxLen, e.Worlds.Table()
	if err := prepare.Fit(ctx, notes, cfg, tasks); err != nil {
		return "", nil, nil, &Unfit{err}
	}
	engine, err := open(ctx, r, m, s)
	if err != nil {
		return "", nil, nil, err
	}
	return m.Origin, eval.PolicyPlayer(engine.Policy(), cfg, p.How), engine.Close, nil
}
