package mcp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/env"
	"ballast/env/envtest"
	"ballast/value"
)

func TestResults(t *testing.T) {
	s := connect(t, Config{Command: command("memory"), Ahead: -1})
	e := open(t, s)
	for _, c := range []struct{ call, want string }{
		{"remember(text='a')", "noted"},
		{"remember('b')", "noted"},
		{"recall()", "a,b"},
		{"add(zeta=1, alpha=2)", "3"},
		{"order(zeta='a')", `{"zeta":1,"alpha":{"y":2.0,"x":3}}`},
		{"refuse()", "error: no such order"},
		{"calm()", "error: none was found"},
		{"media()", "a\nb\n[The tool returned an image (image/png), which cannot be shown here.]\n" +
			"[The tool returned audio (audio/wav), which cannot be shown here.]\ninside\n[The tool returned a file (x/y), which cannot be shown here.]\nc file:///c"},
		{"nothing()", `error: no tool is named "nothing"`},
		{"add(1, 2, 3)", "error: add(1, 2, 3): argument 3 has no name and the documentation has no parameter for it"},
		{"add(1, zeta=2)", "error: the argument zeta is given twice"},
		{"recall()", "a,b"},
	} {
		if got := ask(t, e, c.call); got != c.want {
			t.Errorf("%s: %q, want %q", c.call, got, c.want)
		}
		// A tool that worked may say the word with which a mistake begins.
		if failed := e.(env.Failer).Failed(); failed != (strings.HasPrefix(c.want, "error: ") && c.call != "calm()") {
			t.Errorf("%s failed: %t", c.call, failed)
		}
	}
	for _, c := range []string{"remember()", "remember(text=1)", "remember(text='a', other=1)", "add(zeta='x')"} {
		if got := ask(t, e, c); !strings.HasPrefix(got, "error: ") {
			t.Errorf("%s: %q", c, got)
		}
	}
	odd := ballast.Call{Name: "remember", Args: []ballast.Arg{{Name: "text", Value: "\x00\xff\xed\xa0\x80"}}}
	if got, err := e.Call(t.Context(), odd); err != nil || got != "noted" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := e.Call(t.Context(), parse(t, "recall()")); err != nil {
		t.Error(err)
	}
	e.Close()
	if _, err := e.Call(t.Context(), parse(t, "recall()")); err == nil {
		t.Error("a closed session answers")
	}
}

// TestTools: documentation stays in the server's order; what only reads is marked.
func TestTools(t *testing.T) {
	s := connect(t, Config{Command: command("memory"), Ahead: -1, Tools: []string{"order", "recall"}})
	tools, err := s.Tools(t.Context(), nil)
	if err != nil || len(tools) != 2 {
		t.Fatalf("%d tools, %v", len(tools), err)
	}
	byName := map[string]ballast.Tool{}
	for _, tool := range tools {
		byName[tool.Name] = tool
	}
	order := byName["order"]
	text, err := value.JSON(order.Schema)
	want := `{"name": "order", "description": "", "parameters": {"type": "object", "properties": {"zeta": {"type": "string", "enum": ["b", "a"]}, ` +
		`"alpha": {"type": "object", "properties": {"y": {}, "x": {}}}, "mid": {"type": "integer"}}, "required": ["zeta"]}}`
	if err != nil || text != want {
		t.Errorf("%s, %v", text, err)
	}
	if p := order.Params; len(p) != 3 || p[0].Name != "zeta" || !p[0].Required || p[2].Type != "integer" {
		t.Errorf("%+v", p)
	}
	if order.ReadOnly || !byName["recall"].ReadOnly {
		t.Error("recall only reads, order does not say so")
	}
	e := open(t, s)
	if got := ask(t, e, "remember(text='a')"); got != `error: no tool is named "remember"` {
		t.Errorf("a tool that is not shown answers %q", got)
	}
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Command: command("memory"), Tools: []string{"ordr"}}, "mcp.tools: it has no tool ordr; it has "},
		{Config{Command: command("memory"), Dir: "surely-no-folder"}, "mcp.dir: surely-no-folder is no folder"},
		{Config{Command: command("memory"), Reset: `{"name": "x"}`}, "mcp.reset: it has no tool x"},
		{Config{Command: command("memory"), Reset: `{"name": "refuse"}`}, `mcp.reset: refuse answers "error: no such order"`},
		{Config{Command: command("dead")}, "start: the server ended: exit status 4; its stderr ends in: server dead starts"},
		{Config{Command: command("banner")}, `garbage: it wrote to stdout what is no message of the protocol: "Server started on stdio!"`},
		{Config{Command: command("deaf"), start: 0.5}, "start: it was not ready within 500ms; mcp.seconds above 60 gives it more time, and a program that is no MCP server never is"},
		{Config{Command: command("echo")}, "garbage: it sends back what it is sent, as cat does: it is no MCP server"},
		{Config{Command: command("leaves")}, "start: the server ended with exit status 0 before it was ready: a program that does its work"},
		{Config{Command: command("ancient")}, `protocol: it speaks version "1999-12-31" of MCP, and ballast speaks 2026-07-28, 2025-11-25, `},
		{Config{Command: "surely-no-such-server"}, "start: starting surely-no-such-server"},
		{Config{Command: command("memory"), Env: []string{"NO_SUCH_KEY"}}, "NO_SUCH_KEY, which the program is to get, is not set"},
		{Config{URL: "http://127.0.0.1:1/mcp"}, "connection: "},
		{Config{URL: "http://127.0.0.1:1/mcp", Token: "NO_SUCH_KEY"}, "mcp.token: the environment variable NO_SUCH_KEY is not set"},
	} {
		if s, err := Connect(t.Context(), c.c); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.c, err, c.want)
			if s != nil {
				s.Close()
			}
		}
	}
}

// settled is a world whose sessions close when the pool is full again, so that a conformance test can count.
type settled struct{ *Server }

type settling struct {
	ballast.Session
	s *Server
}

func (w settled) Open(ctx context.Context, t *ballast.Task) (ballast.Session, error) {
	e, err := w.Server.Open(ctx, t)
	if err != nil {
		return nil, err
	}
	return &settling{e, w.Server}, nil
}

// warm reports whether the pool is full.
func (s *Server) warm() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode == joined || len(s.idle) >= s.c.Ahead && s.filling == 0
}

func (e *settling) Close() error {
	err := e.Session.Close()
	for range 1000 {
		if e.s.warm() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

// task has gold that remembers and recalls.
func task(t *testing.T, calls string) *ballast.Task {
	t.Helper()
	gold, err := value.ParseCalls(calls)
	if err != nil {
		t.Fatal(err)
	}
	return &ballast.Task{ID: "t", Turns: []ballast.TaskTurn{{User: "u", Gold: gold}}}
}

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name  string
		c     Config
		calls string
	}{
		{"a process each", Config{Command: command("memory"), Ahead: -1, Tools: []string{"remember", "recall", "add"}}, "remember(text='x'), recall(), add(zeta=2)"},
		{"a pool", Config{Command: command("memory"), Ahead: 2, Tools: []string{"remember", "recall"}}, "remember(text='x'), recall()"},
		{"shared", Config{Command: command("reader")}, "recall()"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := connect(t, c.c)
			wait(t, "a full pool", s.warm)
			envtest.Test(t, settled{s}, task(t, c.calls))
		})
	}
}

// TestMemories: no word of an episode is in another.
func TestMemories(t *testing.T) {
	for _, c := range []struct {
		name  string
		c     Config
		count int
	}{
		{"processes", Config{Command: command("memory"), Ahead: 8, Sessions: 16}, 80},
		{"reset", Config{Command: command("memory"), Reset: `{"name": "forget", "arguments": {}}`, Ahead: 4, Sessions: 16}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := c.count
			if testing.Short() {
				count = 60
			}
			s := connect(t, c.c)
			episodes(t, s, count, 16, func(i int, e ballast.Session) error {
				word := fmt.Sprint("word", i)
				for _, call := range []struct{ call, want string }{{"recall()", ""}, {"remember(text='" + word + "')", "noted"}, {"recall()", word}} {
					got, err := e.Call(t.Context(), parse(t, call.call))
					if err != nil || got != call.want {
						return fmt.Errorf("episode %d: %s: %q, %v, want %q", i, call.call, got, err, call.want)
					}
				}
				return nil
			})
			n := s.Counts()
			if n["sessions"] != count || n["died"]+n["timeout"]+n["garbage"] > 0 {
				t.Errorf("%v", n)
			}
			if c.c.Reset != "" && n["connections"] > 2*c.c.Sessions+c.c.Ahead {
				t.Errorf("processes were not used again: %v", n)
			}
		})
	}
}

// episodes plays so many, side at a time.
func episodes(t *testing.T, s *Server, count, side int, play func(int, ballast.Session) error) {
	t.Helper()
	next := make(chan int)
	var group sync.WaitGroup
	for range side {
		group.Go(func() {
			for i := range next {
				e, err := s.Open(t.Context(), nil)
				if err == nil {
					err = errors.Join(play(i, e), e.Close())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	group.Wait()
}

// TestBrokenMachines: each failure has its kind, is counted, and leaves no process.
func TestBrokenMachines(t *testing.T) {
	s, err := Connect(t.Context(), Config{Command: command("memory"), Ahead: -1, MemoryMiB: 200, OutputMiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ call, kind, want string }{
		{"crash()", KindDied, "died: the server ended: exit status 3; its stderr ends in: server memory starts\nTraceback: the database is gone"},
		{"garbage()", KindGarbage, `what is no message of the protocol: "DEBUG: here I am"`},
		{"flood()", KindOutput, "the limit on output (1 MiB)"},
		{"long()", KindOutput, "1 MiB"},
		{"grow()", KindMemory, "the limit on memory (200 MiB)"},
	} {
		if c.kind == KindMemory && runtime.GOOS != "linux" {
			continue
		}
		e := open(t, s)
		before := s.Counts()[c.kind]
		_, err := e.Call(t.Context(), parse(t, c.call))
		var e1 *Error
		if !errors.As(err, &e1) || e1.Kind != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s: %s", c.call, err, c.kind, c.want)
		}
		if n := s.Counts()[c.kind]; n != before+1 {
			t.Errorf("%s: counted %d times", c.call, n-before)
		}
		if _, err := e.Call(t.Context(), parse(t, "recall()")); err == nil {
			t.Errorf("after %s the session goes on", c.call)
		}
		e.Close()
	}
	e := open(t, s)
	ask(t, e, "fork()")
	if err := s.Close(); err != nil { // with an open session
		t.Error(err)
	}
	if _, err := e.Call(t.Context(), parse(t, "recall()")); err == nil {
		t.Error("a closed server answers")
	}
	if _, err := s.Open(t.Context(), nil); err == nil {
		t.Error("a closed server opens sessions")
	}
	noneLeft(t)
}

// TestSlow: a call honours the limit and its context.
func TestSlow(t *testing.T) {
	s := connect(t, Config{Command: command("memory"), Ahead: -1, Seconds: 1})
	e := open(t, s)
	var late *Error
	if _, err := e.Call(t.Context(), parse(t, "hang()")); !errors.As(err, &late) || late.Kind != KindTimeout ||
		!strings.Contains(err.Error(), "hang did not answer within 1s (mcp.seconds)") {
		t.Error(err)
	}
	e = open(t, s)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("enough"))
	defer cancel()
	begun := time.Now()
	if _, err := e.Call(ctx, parse(t, "hang()")); err == nil || err.Error() != "enough" {
		t.Error(err)
	}
	if d := time.Since(begun); d > 900*time.Millisecond {
		t.Errorf("it took %s", d)
	}
}

// TestLongResult: a result within mcp.output is shown whole, also where its text is kept beside what the SDK makes of it.
func TestLongResult(t *testing.T) {
	for _, c := range []Config{{Command: command("memory")}, {URL: web(t, true, nil)}} {
		c.OutputMiB, c.Ahead = 1, -1
		if got := ask(t, open(t, connect(t, c)), "quotes()"); len(got) != len(`{"text":""}`)+2*quotes {
			t.Errorf("%d bytes", len(got))
		}
	}
}

// TestSlowReset: there are no more processes than are held, however long each takes to be put back.
func TestSlowReset(t *testing.T) {
	s := connect(t, Config{Command: command("memory"), Ahead: -1, Sessions: 3, Reset: `{"name": "tick"}`})
	episodes(t, s, 30, 3, func(_ int, e ballast.Session) error {
		_, err := e.Call(t.Context(), parse(t, "recall()"))
		return err
	})
	if n := s.Counts(); n["connections"] > 3 || n["sessions"] != 30 {
		t.Errorf("%v", n)
	}
}

// TestEvery50th: a server that crashes now and then is counted, and the others go on.
func TestEvery50th(t *testing.T) {
	const count = 110
	s := connect(t, Config{Command: command("every", filepath.Join(t.TempDir(), "calls")), Ahead: 4, Sessions: 8})
	var mu sync.Mutex
	failed := 0
	episodes(t, s, count, 8, func(_ int, e ballast.Session) error {
		if _, err := e.Call(t.Context(), parse(t, "recall()")); err != nil {
			var e1 *Error
			if !errors.As(err, &e1) || e1.Kind != KindDied || !strings.Contains(err.Error(), "exit status 5") {
				return err
			}
			mu.Lock()
			failed++
			mu.Unlock()
		}
		return nil
	})
	if n := s.Counts()[KindDied]; n != failed || failed < count/50 || failed > count/50+1 {
		t.Errorf("%d counted, %d failed", n, failed)
	}
}

// TestPool: what died while it waited is passed over.
func TestPool(t *testing.T) {
	s := connect(t, Config{Command: command("memory"), Ahead: 2, Sessions: 4})
	wait(t, "a full pool", s.warm)
	s.mu.Lock()
	links := slices.Collect(maps.Keys(s.links))
	s.mu.Unlock()
	for _, l := range links {
		l.process.Kill()
		l.process.Wait()
	}
	e := open(t, s)
	if got := ask(t, e, "recall()"); got != "" {
		t.Error(got)
	}
	if n := s.Counts(); n[KindDied] != 2 {
		t.Errorf("%v", n)
	}
	wait(t, "a full pool again", s.warm)
}

// TestCompare: tasks show what a server keeps, beside and after.
func TestCompare(t *testing.T) {
	tasks := []ballast.Task{*task(t, "recall(), remember(text='x'), recall()")}
	for _, c := range []struct {
		c     Config
		notes string
		want  string
	}{
		{Config{Command: command("memory"), Ahead: -1}, "1 tool read the same in both", ""},
		{Config{Command: command("memory"), Ahead: -1, Reset: `{"name":"forget"}`}, "forget answered, and 1 tool read the same before and after", ""},
		{Config{Command: command("memory"), Ahead: -1, Reset: `{"name":"calm"}`}, "calm answered, and 1 tool", `task t: recall() answers "", and "x" in the same process after calm`},
		{Config{Command: command("slow"), Ahead: -1, Seconds: 1.5}, "A call may take 1.5s (mcp.seconds), and the server took ", "-"},
		{Config{Command: command("keeps"), Ahead: -1, Reset: `{"name":"forget"}`}, "forget answered, and 1 tool", `task t: recall() answers "", and "x" in the same process after forget`},
		{Config{Command: command("memory"), Ahead: -1, Reads: true}, "episodes share one", `task t: recall() answers "", and "x" in a session beside it`},
	} {
		s := connect(t, c.c)
		if notes := strings.Join(s.Notes(), "\n"); !strings.Contains(notes, c.notes) || !strings.Contains(notes, "A process is ready in ") {
			t.Errorf("%s\nnot %s", notes, c.notes)
		}
		if c.want == "-" { // no call comes back in time
			continue
		}
		found, err := s.Compare(t.Context(), tasks, nothingShows)
		if got := strings.Join(found, "\n"); err != nil || got == "" != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s, %v, want %s", c.c, got, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{}, "mcp.server: give a command or an address"},
		{Config{Command: "a", URL: "b"}, "mcp.server: give a command or an address"},
		{Config{Command: "a", Reads: true, Reset: `{"name":"x"}`}, "mcp.reset: a server that only reads"},
		{Config{Command: "a", Reads: true, ReadOnly: []string{"x"}}, "leave mcp.reads out"},
		{Config{URL: "u", Dir: "."}, "mcp.dir: it is for a command"},
		{Config{Command: "a", Isolate: "path"}, "mcp.isolate"},
		{Config{Command: "a", Seconds: -1}, "negative"},
		{Config{Command: "a | b"}, "mcp.server: '|' is for a shell"},
		{Config{URL: "u", Isolate: "cookie x"}, `mcp.isolate: "cookie x" is none of`},
		{Config{URL: "u", Isolate: "path"}, "{session} in the url go together"},
		{Config{URL: "u/{session}"}, "{session} in the url go together"},
		{Config{Command: "a", Reset: "forget"}, "mcp.reset: it is no call"},
		{Config{Command: "a", Reset: `{"name":"x","args":{}}`}, `"args" is neither`},
		{Config{Command: "a", Reset: `{"name":"x","arguments":[]}`}, "mcp.reset: it is no call"},
	} {
		if err := c.c.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.c, err, c.want)
		}
	}
	if err := (Config{URL: "http://h/{session}/mcp", Isolate: "path"}).Check(); err != nil {
		t.Error(err)
	}
}

// nothingShows is for tasks whose gold shows what it changes.
func nothingShows(*ballast.Task) []ballast.Call { return nil }
