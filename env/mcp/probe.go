package mcp

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ballast"
	"ballast/safetext"
	"ballast/value"
)

// mostReadings bounds the tools that a probe calls.
const mostReadings = 8

// probe starts a connection, lists the tools, decides how episodes get connections, and notes what that means.
func (s *Server) probe(ctx context.Context) error {
	if name := s.c.Token; name != "" && getenv(name) == "" {
		return fmt.Errorf("mcp.token: the environment variable %s is not set", name)
	}
	s.idle = make(chan *link, s.c.Sessions+s.c.Ahead)
	first, err := s.dial(ctx)
	if err != nil {
		return err
	}
	list, err := first.list(ctx)
	if err != nil {
		return err
	}
	if err := s.choose(list); err != nil {
		return err
	}
	s.decide(first)
	s.describe(ctx, first)
	return s.tryOut(ctx, first)
}

// readers are the names of the tools that say that they only read.
func (s *Server) readers() (names []string) {
	for _, t := range s.tools {
		if t.ReadOnly {
			names = append(names, t.Name)
		}
	}
	return names
}

// onlyReads reports whether nothing that is shown changes anything, as far as the server or the person says.
func (s *Server) onlyReads() bool { return s.c.Reads || len(s.readers()) == len(s.tools) }

// hasSessions reports whether a server over HTTP tells connections apart by itself.
func (l *link) hasSessions() bool { return l.process == nil && l.cs.ID() != "" }

// decide chooses the mode.
func (s *Server) decide(first *link) {
	switch {
	case s.reset != nil:
		s.mode = again
		// Connections that cannot be told apart have one state. So may those of whoever lets one episode run at a time.
		if s.c.Sessions == 1 || first.process == nil && !first.hasSessions() && s.c.Isolate == "" {
			s.one, s.c.Sessions, s.c.Ahead = true, 1, 0
		}
	case s.onlyReads():
		s.mode = joined
	}
}

func (s *Server) note(format string, a ...any) { s.notes = append(s.notes, fmt.Sprintf(format, a...)) }

// describe notes what the server is and what an episode costs.
func (s *Server) describe(ctx context.Context, first *link) {
	info := first.cs.InitializeResult()
	what := "it does not say its name"
	if info.ServerInfo != nil && info.ServerInfo.Name != "" {
		what = strings.TrimSpace(info.ServerInfo.Name + " " + info.ServerInfo.Version)
	}
	said := ""
	if len(s.c.ReadOnly) > 0 {
		said = ", or are said to (mcp.read_only)"
	}
	s.note("MCP server %s (%s) speaks %s. It shows %s, %d of which say that they only read%s.",
		s.name(), what, info.ProtocolVersion, plural(len(s.tools), "tool"), len(s.readers()), said)
	ready := first.ready.Round(time.Millisecond)
	if limit := seconds(s.c.Seconds); ready > limit {
		s.note("A call may take %s (mcp.seconds), and the server took %s to be ready: where a call does as much it is ended as one that hangs. "+
			"Raise mcp.seconds, or leave it out for %d.", limit, ready, defaultSeconds)
	}
	if first.process != nil {
		s.describeProcess(ctx, first, ready)
		return
	}
	switch {
	case s.mode == joined:
		s.note("The tools only read, and all episodes share a connection.")
	case s.one && (first.hasSessions() || s.c.Isolate != ""):
		s.note("One episode runs at a time (mcp.sessions), and %s is called before each.", s.reset.Name)
	case first.hasSessions():
		s.note("Each episode gets a session of the server, which opens in %s. Whether sessions share state is the server's doing.", ready)
	case s.isolate.header != "":
		s.note("The server has no sessions. Each episode sends its name in the header %s; the server must keep them apart.",
			s.isolate.header)
	case s.isolate.argument != "":
		s.note("The server has no sessions. Each call has the episode's name as argument %s; the server must keep them apart.",
			s.isolate.argument)
	case s.isolate.path:
		s.note("The server has no sessions. Each episode has its own address; the server must keep them apart.")
	case s.mode == again:
		s.note("The server has no sessions. One episode runs at a time, and %s is called before each; mcp.isolate would let more run.",
			s.reset.Name)
	default:
		s.note("The server has no sessions and mcp.isolate names no way to tell episodes apart: EPISODES CAN SEE EACH OTHER'S changes. " +
			"Name a header, an argument or a part of the address in mcp.isolate, or a call in mcp.reset.")
	}
}

// describeProcess notes what a process costs.
func (s *Server) describeProcess(ctx context.Context, first *link, ready time.Duration) {
	cost := fmt.Sprintf("A process is ready in %s", ready)
	if n, err := first.process.Memory(ctx); err == nil && n > 0 {
		cost += fmt.Sprintf(" and holds %s", size(n>>20<<20))
	}
	switch s.mode {
	case joined:
		s.note("%s. The tools only read, and all episodes share one.", cost)
	case again:
		s.note("%s. It is used again after %s; up to %d are held.", cost, s.reset.Name, s.c.Sessions+s.c.Ahead)
	default:
		s.note("%s. Each episode gets a new one; %s started ahead, at most %s at a time.",
			cost, are(s.c.Ahead), plural(s.c.Sessions, "episode"))
		s.note("A call that puts the server back (mcp.reset) would save the %s of an episode; "+
			"so would mcp.reads, if its tools change nothing.", ready)
	}
	if s.c.Dir != "" {
		s.note("All processes work in %s (mcp.dir): what one writes there the others see.", s.c.Dir)
	}
	switch filepath.Base(s.argv[0]) {
	case "npx", "uvx", "uv", "pipx", "bunx", "pnpm", "yarn", "docker":
		if !slices.Contains(s.c.Env, "HOME") {
			s.note("%s keeps its downloads below HOME, which is fresh for each process: "+
				"name HOME in mcp.env, or install the server and name its file.", s.argv[0])
		}
	}
}

// tryOut plays what reads, before and after, here and beside, and notes what that shows.
func (s *Server) tryOut(ctx context.Context, first *link) error {
	before, err := s.readings(ctx, first)
	if err != nil {
		return err
	}
	switch s.mode {
	case joined:
		s.shared = first
		return nil
	case again:
		if err := s.putBack(ctx, first); err != nil {
			return err
		}
		after, err := s.readings(ctx, first)
		if err != nil {
			return err
		}
		if name := differ(before, after); name != "" {
			s.note("After %s the tool %s answers otherwise than before, though nothing was changed: it may answer by a clock or by chance.",
				s.reset.Name, name)
		} else if len(before) > 0 {
			s.note("%s answered, and %s read the same before and after. Nothing was changed in between; tasks show whether it puts changes back.",
				s.reset.Name, plural(len(before), "tool"))
		} else {
			s.note("%s answered. No tool reads without arguments, so that only tasks show whether it puts changes back.", s.reset.Name)
		}
		s.keep(first)
		return nil
	}
	defer func() { s.aside(first.close) }() // it was read from
	if len(before) == 0 {
		s.note("No tool reads without arguments, so that only tasks show whether episodes see each other.")
		return nil
	}
	second, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { s.aside(second.close) }()
	beside, err := s.readings(ctx, second)
	if err != nil {
		return err
	}
	if name := differ(before, beside); name != "" {
		s.note("Two episodes side by side: the tool %s answers one otherwise than the other, before anything was changed.", name)
	} else {
		s.note("Two episodes side by side: %s read the same in both. Nothing was changed; tasks show whether one sees the other's changes.",
			plural(len(before), "tool"))
	}
	return nil
}

// readings are the answers of tools that only read and need no arguments, by name.
func (s *Server) readings(ctx context.Context, l *link) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range s.tools {
		needs := slices.ContainsFunc(t.Params, func(p ballast.Param) bool { return p.Required })
		if !t.ReadOnly || needs || len(out) == mostReadings {
			continue
		}
		args, err := arguments(ballast.Call{Name: t.Name}, t, s.isolate.argument, l.token)
		if err != nil {
			return nil, err
		}
		a, err := l.call(ctx, t.Name, args)
		if err != nil {
			return nil, err
		}
		out[t.Name] = a.text
	}
	return out, nil
}

// differ is a name at which two readings differ, or "".
func differ(a, b map[string]string) string {
	names := make([]string, 0, len(a))
	for name := range a {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if a[name] != b[name] {
			return name
		}
	}
	return ""
}

// Compare plays the gold calls of tasks in a session, then in one that was opened beside it and is open as long, and, where a reset
// call is in use, once more after it. Before and after the gold of the first session it makes the calls of looks in the second, which
// must change nothing: who changes a state that both see may be answered alike in both. It returns where an answer depends on the
// episode beside or before: a sentence for each such task. An error is one of the machine.
func (s *Server) Compare(ctx context.Context, tasks []ballast.Task, looks func(*ballast.Task) []ballast.Call) (found []string, err error) {
	for i := range tasks {
		what, err := s.beside(ctx, &tasks[i], looks(&tasks[i]))
		if err != nil {
			return found, fmt.Errorf("task %s: %w", tasks[i].ID, err)
		}
		if what != "" {
			found = append(found, fmt.Sprintf("task %s: %s", tasks[i].ID, what))
		}
	}
	return found, nil
}

// beside is Compare of one task.
func (s *Server) beside(ctx context.Context, task *ballast.Task, looks []ballast.Call) (_ string, err error) {
	var calls []ballast.Call
	for _, turn := range task.Turns {
		calls = append(calls, turn.Gold...)
	}
	one, err := s.Open(ctx, task)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, one.Close()) }()
	two := one
	if s.c.Sessions > 1 {
		if two, err = s.Open(ctx, task); err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, two.Close()) }()
	}
	before, err := answers(ctx, two, looks)
	if err != nil {
		return "", err
	}
	played, err := answers(ctx, one, calls)
	if err != nil {
		return "", err
	}
	if two != one {
		if what, err := same(ctx, two, looks, before, "after gold was played in a session beside it"); what != "" || err != nil {
			return what, err
		}
		if what, err := same(ctx, two, calls, played, "in a session beside it"); what != "" || err != nil {
			return what, err
		}
	}
	e, ok := one.(*session)
	if !ok || s.mode != again {
		return "", nil
	}
	if err := s.putBack(ctx, e.link); err != nil {
		return "", err
	}
	where := "in the same process after " + s.reset.Name
	if what, err := same(ctx, one, looks, before, where); what != "" || err != nil {
		return what, err
	}
	return same(ctx, one, calls, played, where)
}

// answers makes calls.
func answers(ctx context.Context, in ballast.Session, calls []ballast.Call) (out []string, err error) {
	for _, c := range calls {
		answer, err := in.Call(ctx, c)
		if err != nil {
			return nil, err
		}
		out = append(out, answer)
	}
	return out, nil
}

// same makes calls and says how the first answer that differs from the wanted one does.
func same(ctx context.Context, in ballast.Session, calls []ballast.Call, want []string, where string) (string, error) {
	for i, c := range calls {
		if got, err := in.Call(ctx, c); err != nil || got != want[i] {
			return fmt.Sprintf("%s answers %q, and %q %s", value.FormatCall(c), brief(want[i]), brief(got), where), err
		}
	}
	return "", nil
}

// brief is the start of an answer.
func brief(text string) string { return safetext.Brief(text, 120) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func are(n int) string {
	if n == 1 {
		return "1 is"
	}
	return fmt.Sprintf("%d are", n)
}
