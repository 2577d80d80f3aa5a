package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ballast"
	"ballast/durable"
	"ballast/env/mcp"
	"ballast/recipe/worlds"
	"ballast/safetext"
	"ballast/task/file"
	"ballast/task/fromchats"
	"ballast/task/survey"
	"ballast/task/synthesize"
	"ballast/value"
)

// liveFlags are those of commands that make tasks of a live server.
type liveFlags struct {
	mcpFlags
	out    string
	reads  []string
	writes bool
	seed   uint64
}

func (f *liveFlags) add(fl *pflag.FlagSet) {
	f.mcpFlags.add(fl)
	fl.StringVar(&f.out, "out", "", "file that the tasks are written to (default: print them)")
	fl.StringSliceVar(&f.reads, "reads", nil, "tools that only read although the server does not say so (readOnlyHint)")
	fl.BoolVar(&f.writes, "writes", false, "call tools that do not only read, too; what they change must not outlive a session: "+
		"a server that writes files or to a service of others wants a copy")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of all draws")
}

// live opens the server of the flags; the caller closes what is opened.
func (f *liveFlags) live(ctx context.Context) (*worlds.Worlds, *mcp.Server, error) {
	if f.server == "" {
		return nil, nil, errors.New(`no server is named: give --mcp "COMMAND" or --mcp URL`)
	}
	in, err := f.open(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	return in, in.Server(), nil
}

// writeTasks writes tasks to the file of the flags, or prints them.
func (f *liveFlags) writeTasks(tasks []ballast.Task, split []string) error {
	fill := func(w io.Writer) error { return file.Write(w, tasks, split) }
	if f.out == "" {
		return fill(stdout)
	}
	if err := durable.Replace(f.out, fill); err != nil {
		return err
	}
	if _, err := file.Read(f.out); err != nil { // what was made of a server is held to what a person writes
		return fmt.Errorf("%s cannot be read back: %w", f.out, err)
	}
	safetext.Say(stderr, "ballast: %d tasks in %s\n", len(tasks), f.out)
	return nil
}

func synthesizeCommand() *cobra.Command {
	var f liveFlags
	var o synthesize.Options
	var given []string
	c := &cobra.Command{Use: "synthesize", Short: "make tasks of what a live MCP server holds, verified by playing them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, pair := range given {
				name, text, ok := strings.Cut(pair, "=")
				if !ok || name == "" {
					return fmt.Errorf("--value %s: want NAME=VALUE, such as --value order_id=17", pair)
				}
				o.Given = append(o.Given, survey.Given(name, plainValue(text))...)
			}
			return synthesizeTasks(c.Context(), &f, o)
		}}
	f.add(c.Flags())
	fl := c.Flags()
	fl.IntVar(&o.Count, "count", 200, "number of tasks, of both splits")
	fl.Float64Var(&o.Tests, "tests", 0.25, "share of them that are for tests")
	fl.StringSliceVar(&o.Categories, "category", nil, "only these categories: base, miss_func, miss_param")
	fl.StringVar(&o.Name, "name", "server", "what the ids of the tasks begin with")
	fl.StringArrayVar(&given, "value", nil, "NAME=VALUE: a value that is there, for servers whose reading tools all need one (repeatable)")
	return c
}

// plainValue is a number or a truth value where a text is one, else the text.
func plainValue(text string) any {
	v, err := value.ParseExact([]byte(text))
	if err == nil {
		switch v.(type) {
		case int64, float64, bool:
			return v
		}
	}
	return text
}

// everySo tells how far something is, at most once in so long: a server that starts slowly takes
// minutes over a few tasks, and a person wants to see that it goes on.
func everySo(wait time.Duration, say func(what string, done, of int)) func(what string, done, of int) {
	last := time.Now()
	return func(what string, done, of int) {
		if now := time.Now(); now.Sub(last) >= wait {
			last = now
			say(what, done, of)
		}
	}
}

func synthesizeTasks(ctx context.Context, f *liveFlags, o synthesize.Options) (err error) {
	in, s, err := f.live(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	o.Seed, o.Reads, o.Writes, o.Today = f.seed, f.reads, f.writes, time.Now()
	o.Progress = everySo(10*time.Second, func(what string, done, of int) {
		safetext.Say(stderr, "ballast: %s %d of %d tasks\n", what, done, of)
	})
	made, report, err := synthesize.Synthesize(ctx, s, o)
	if report != nil {
		for line := range strings.SplitSeq(strings.TrimSuffix(report.String(), "\n"), "\n") {
			safetext.Say(stderr, "%s\n", line)
		}
	}
	if err != nil {
		return err
	}
	if len(made) == 0 {
		return errors.New("no task came out; the lines above say why")
	}
	tasks, split := make([]ballast.Task, len(made)), make([]string, len(made))
	for i, t := range made {
		tasks[i], split[i] = t.Task, t.Split
	}
	return f.writeTasks(tasks, split)
}

func fromChatsCommand() *cobra.Command {
	var f liveFlags
	var ignore []string
	c := &cobra.Command{Use: "from-chats FILE", Short: "make tasks of dialogues whose calls come back the same on a live MCP server",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return chatTasks(c.Context(), &f, args[0], ignore) }}
	f.add(c.Flags())
	c.Flags().StringSliceVar(&ignore, "ignore", nil, "keys of objects in results that may differ, such as created_at")
	return c
}

func chatTasks(ctx context.Context, f *liveFlags, path string, ignore []string) (err error) {
	in, s, err := f.live(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	tasks, report, err := fromchats.Convert(ctx, s, path, fromchats.Options{Seed: f.seed, Writes: f.writes, Reads: f.reads, Ignore: ignore,
		Today: time.Now()})
	if report != nil {
		printChats(path, report)
	}
	if err != nil {
		return err
	}
	if len(tasks) == 0 {
		return errors.New("no task came out; the lines above say why")
	}
	return f.writeTasks(tasks, nil)
}

// printChats says what came of a file of dialogues.
func printChats(path string, r *fromchats.Report) {
	safetext.Say(stderr, "%s: %d rows, %d tasks, %d left out\n", path, r.Rows, r.Tasks, r.Left.Rows())
	for _, x := range r.Left.Sorted() {
		safetext.Say(stderr, "  %6d  %s: %s\n", x.Rows, x.Reason, x.First())
		if more := x.Others(); more != "" {
			safetext.Say(stderr, "          also %s\n", more)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.Passed)) {
		safetext.Say(stderr, "  not taken over: %s (%d rows)\n", k, r.Passed[k])
	}
	if r.Unshown > 0 {
		safetext.Say(stderr, "  %d turns change something that no reading tool shows: only their calls are expected\n", r.Unshown)
	}
}
