package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ballast/chat"
	"ballast/env"
	"ballast/eval"
	"ballast/recipe/worlds"
	"ballast/safetext"
	"ballast/serve"
	"ballast/task"
)

// serveFlags are the settings of `ballast serve`.
type serveFlags struct {
	spec      task.Spec
	address   string
	tokenEnv  string
	open      bool
	format    string
	protocol  string
	malformed string
	steps     int
	bodyMB    int
	rows      bool
	server    mcpFlags
	bounds    serve.Config
}

func serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", Short: "play tasks for other trainers: verl-tool's protocol and OpenEnv's", Args: cobra.NoArgs,
		Long: `Answers another trainer's requests: its model writes replies, this process runs the
calls, says what tools and users answer, and what the episode was worth. docs/serve.md
has the requests and answers, and how to point a trainer here.

An episode that nobody uses for --lease is closed, and at most --sessions are open. Ctrl-C
and SIGTERM refuse what is new, let requests under way finish, and close all episodes and
the processes of an MCP server.
Another address than this machine's own wants --token-env, or --no-token.

Budgets and rules are those of an evaluation protocol:` + protocolDocs(),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	fl := c.Flags()
	fl.StringVar(&f.address, "addr", "127.0.0.1:5500", "address to listen on; port 0 is any that is free")
	fl.StringVar(&f.tokenEnv, "token-env", "", "name of the environment variable that holds the token that requests must carry")
	fl.BoolVar(&f.open, "no-token", false, "let everybody ask who reaches an address that is not this machine's own")
	fl.StringVar(&f.spec.Name, "tasks", "desk", "task set (desk, bfcl, ...), or the path of a tasks file (docs/tasks-file.md)")
	f.server.add(fl)
	fl.StringVar(&f.spec.Data, "data", "", "folder of the task set's data")
	fl.StringVar(&f.spec.Split, "split", "train", "train, valid or test")
	fl.StringSliceVar(&f.spec.Categories, "category", nil, "only these categories")
	fl.IntVar(&f.spec.Count, "count", 0, "number of tasks (0 = the set's own number)")
	fl.Uint64Var(&f.spec.Seed, "seed", 1, "seed of a generated set")
	fl.StringToIntVar(&f.spec.Level, "level", nil, "difficulty of a generated set, such as max_turns=3")
	fl.StringVar(&f.format, "format", "hermes", "how the trainer's model writes calls, one of docs/formats.md: hermes, pythonic, xml, ...")
	fl.StringVar(&f.protocol, "protocol", "official", "whose budgets and rules: official or paper")
	fl.StringVar(&f.malformed, "malformed", "", "what a malformed reply leads to: stop, retry or advance (default: the protocol's)")
	fl.IntVar(&f.steps, "steps", 0, "replies in an episode (0 = the protocol's)")
	fl.IntVar(&f.bounds.Sessions, "sessions", serve.DefaultSessions, "most open episodes")
	fl.DurationVar(&f.bounds.Lease, "lease", serve.DefaultLease, "an episode that nobody uses for so long is closed")
	fl.DurationVar(&f.bounds.Timeout, "timeout", serve.DefaultTimeout, "of one request; an action that takes longer goes on")
	fl.IntVar(&f.bounds.Requests, "requests", serve.DefaultRequests, "requests and messages that are worked on at a time; others wait")
	fl.BoolVar(&f.rows, "rows", false, "serve nothing, and print the tasks as rows of a trainer's dataset, JSON lines")
	fl.IntVar(&f.bodyMB, "body", serve.DefaultBody>>20, "most MB of one request")
	return c
}

// config is what the flags say; the tasks and their worlds come later.
func (f *serveFlags) config() (c serve.Config, err error) {
	c = f.bounds
	c.Body, c.Version, c.Name = int64(f.bodyMB)<<20, version(), "ballast-"+setName(f.spec.Name)
	c.Split = f.spec.Split
	if c.Format, err = chat.FormatByName(f.format); err != nil {
		return c, fmt.Errorf("--format: %w", err)
	}
	p, err := eval.ProtocolByName(f.protocol)
	if err != nil {
		return c, fmt.Errorf("--protocol: %w", err)
	}
	c.Rules = env.Rules{Malformed: cmp.Or(env.Malformed(f.malformed), p.Malformed), Steps: cmp.Or(f.steps, p.Budget.Steps),
		PerTurn: p.PerTurn, Syntax: c.Format.Hint()}
	switch c.Rules.Malformed {
	case env.MalformedStop, env.MalformedRetry, env.MalformedAdvance:
	default:
		return c, fmt.Errorf("--malformed: there are stop, retry and advance, not %q", f.malformed)
	}
	if p.Budget.Result < eval.Unbounded {
		c.Result = 4 * p.Budget.Result
	}
	if f.tokenEnv != "" {
		if c.Token = os.Getenv(f.tokenEnv); c.Token == "" {
			return c, fmt.Errorf("--token-env: the environment variable %s is empty or not set", f.tokenEnv)
		}
	}
	return c, nil
}

// setName is the name of a set as it stands in an address: of a file its own without the folders and the ending.
func setName(name string) string {
	if !task.IsFile(name) {
		return name
	}
	name = filepath.Base(name)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// listen opens the address. One that others reach needs a token, or the word that it needs none.
func (f *serveFlags) listen(token string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(f.address)
	if err != nil {
		return nil, fmt.Errorf("--addr: %w; it is HOST:PORT, such as 127.0.0.1:5500", err)
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	own := host == "localhost" || ip != nil && ip.IsLoopback()
	if !own && token == "" && !f.open {
		return nil, fmt.Errorf("--addr %s is reached by others: give --token-env NAME, or --no-token if everybody may ask", f.address)
	}
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	return l, nil
}

func (f *serveFlags) run(c *cobra.Command) (err error) {
	cfg, err := f.config()
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context())
	defer stop()
	in, err := f.server.open(ctx, f.spec.Name)
	if err != nil {
		return interrupted(ctx, err)
	}
	err = f.play(ctx, c.OutOrStdout(), cfg, in)
	err = errors.Join(err, in.Close())
	var signal caught
	if err == nil && !f.rows && errors.As(context.Cause(ctx), &signal) {
		return &interruption{signal, fmt.Errorf("%w; requests under way were answered, all episodes are closed", signal)}
	}
	return interrupted(ctx, err) // the tasks were still looked at
}

// play serves the tasks in what is open, or prints them as rows.
func (f *serveFlags) play(ctx context.Context, out io.Writer, cfg serve.Config, in *worlds.Worlds) (err error) {
	if cfg.Tasks, err = in.Load(ctx, f.spec); err != nil {
		return err
	}
	cfg.Env = in.Table()
	s, err := serve.New(cfg)
	if err != nil {
		return err
	}
	if f.rows {
		return errors.Join(s.Rows(out), s.Close())
	}
	l, err := f.listen(cfg.Token)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	safetext.Say(out, "ballast: %d tasks of %s at http://%s (verl-tool: /get_observation, "+
		"OpenEnv: /ws), format %s, protocol %s, at most %d "+
		"episodes, leases of %s\n", len(cfg.Tasks), f.spec.Name, l.Addr(), f.format, f.protocol, s.Sessions(), f.bounds.Lease.Round(time.Second))
	return s.Serve(ctx, l)
}
