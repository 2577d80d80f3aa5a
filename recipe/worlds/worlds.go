// Package worlds opens what the tasks of a recipe are played in, and loads the tasks that are
// played there.
//
// Contract: the table of an opened Worlds has every world, grader and user of env.Builtin, and
// those that need more than a name: the MCP server that a recipe names, and the grader of tasks
// that a person wrote. Tasks come with their tools, so that whoever hashes tasks hashes what
// prompts show. An opened Worlds has one judge, of whose budget all take that ask it.
//
// How it fails: with an error that names the setting, the flag or the line, before anything is
// played.
package worlds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"ballast"
	"ballast/env"
	"ballast/env/expect"
	"ballast/env/mcp"
	"ballast/recipe"
	"ballast/safetext"
	"ballast/supervise"
	"ballast/supervise/endpoint"
	"ballast/task"
	"ballast/task/file"
)

// Worlds is what is open. A nil one has what is built in, and nothing to close.
type Worlds struct {
	table  env.Table
	server *mcp.Server // nil: none
	judge  supervise.Judge
	tools  []ballast.Tool
	notes  io.Writer
	// compared is true once tasks have shown whether episodes see each other.
	compared atomic.Bool
}

// Open opens the worlds of a recipe; the context bounds that. No server is started for a file of
// tasks that cannot be read. notes gets what a person should know of the worlds before anything is
// played, and what failed in them when they are closed.
func Open(ctx context.Context, r *recipe.Recipe, notes io.Writer) (*Worlds, error) {
	judge, err := endpoint.Open(r.Judge)
	if err != nil {
		return nil, err
	}
	grading, err := graderOptions(r, judge)
	if err != nil {
		return nil, err
	}
	w := &Worlds{table: env.Builtin, judge: judge, notes: notes}
	w.table.Graders = append(slices.Clone(w.table.Graders), env.GraderEntry{Name: expect.Name,
		Doc: "each turn is what its task expects of it (docs/tasks-file.md)", New: expect.New(grading), Limit: 5 * time.Minute})
	if r.MCP.Server == "" {
		return w, nil
	}
	if task.IsFile(r.Tasks.Set) {
		if _, err := file.Read(r.Tasks.Set); err != nil {
			return nil, err
		}
	}
	if w.server, err = mcp.Connect(ctx, config(&r.MCP)); err != nil {
		return nil, err
	}
	if w.tools, err = w.server.Tools(ctx, nil); err != nil {
		return nil, errors.Join(err, w.server.Close())
	}
	for _, text := range w.server.Notes() {
		safetext.Say(notes, "ballast: %s\n", text)
	}
	w.table.Worlds = append(slices.Clone(w.table.Worlds), env.WorldEntry{Name: file.World, Doc: "the MCP server that the recipe names",
		World: w.server, Room: w.server.Room(), Limit: w.server.Limit(), OnlyShown: true})
	return w, nil
}

// config is the server that a recipe names, in the words of package mcp.
func config(m *recipe.MCP) mcp.Config {
	c := mcp.Config{Dir: m.Dir, Tools: m.Tools, Env: m.Env, Reads: m.Reads, ReadOnly: m.ReadOnly, Reset: string(m.Reset),
		Isolate: m.Isolate, Token: m.Token, Ahead: m.Ahead, Sessions: m.Sessions,
		Seconds: m.Seconds, MemoryMiB: int64(m.Memory), OutputMiB: int64(m.Output)}
	if c.Command = m.Server; m.Remote() {
		c.Command, c.URL = "", m.Server
	}
	return c
}

// Table resolves the names that tasks have.
func (w *Worlds) Table() *env.Table {
	if w == nil {
		return &env.Builtin
	}
	return &w.table
}

// AddUser adds a user to the table, before anything is played.
func (w *Worlds) AddUser(u env.UserEntry) { w.table.Users = append(slices.Clone(w.table.Users), u) }

// Tools documents the functions of the MCP server; nil where there is none.
func (w *Worlds) Tools() []ballast.Tool {
	if w == nil {
		return nil
	}
	return w.tools
}

// Server is the MCP server; nil where there is none.
func (w *Worlds) Server() *mcp.Server {
	if w == nil {
		return nil
	}
	return w.server
}

// Load loads tasks with their tools. The first that change something on the MCP server are played
// there, once, and notes get whether an episode sees another.
func (w *Worlds) Load(ctx context.Context, spec task.Spec) ([]ballast.Task, error) {
	tasks, err := task.Load(spec)
	if err != nil || !slices.ContainsFunc(tasks, func(t ballast.Task) bool { return t.World == file.World }) {
		return tasks, err
	}
	if w == nil || w.server == nil {
		return nil, fmt.Errorf("tasks: those of %s call tools of an MCP server, and none is named: give --mcp COMMAND or --mcp ADDRESS, or set "+
			"mcp.server", spec.Name)
	}
	if faults := file.Bind(tasks, w.tools); len(faults) > 0 {
		return nil, file.Refuse(spec.Name, faults)
	}
	if err := w.apart(ctx, tasks); err != nil {
		return nil, err
	}
	return tasks, task.Reword(spec, tasks)
}

// Close ends what was started, and says what failed in it. Nothing is played after that.
func (w *Worlds) Close() error {
	if w == nil || w.server == nil {
		return nil
	}
	err := w.server.Close()
	counts := w.server.Counts()
	var failed []string
	for _, kind := range mcp.Kinds {
		if counts[kind] > 0 {
			failed = append(failed, fmt.Sprintf("%s %d", kind, counts[kind]))
		}
	}
	if failed != nil {
		where := ""
		if path := w.server.Kept(); path != "" {
			where = "; what it wrote to stderr is in " + path
		}
		safetext.Say(w.notes, "ballast: failures of the MCP server: %s; no play that met one counts as a verdict on a model%s\n",
			strings.Join(failed, ", "), where)
	}
	return err
}
