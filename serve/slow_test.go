package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/env"
)

// counter is a world whose calls take time: it adds 1 and says the sum. A call of break fails as
// a machine does.
type counter struct {
	pause  time.Duration
	open   atomic.Int64
	calls  atomic.Int64
	inside atomic.Int64  // calls that have begun
	hang   chan struct{} // closed: calls go on; nil: none waits
}

type count struct {
	*counter
	n int
}

func (c *counter) Tools(context.Context, *ballast.Task) ([]ballast.Tool, error) {
	return []ballast.Tool{{Name: "add", Doc: "Adds 1."}, {Name: "break", Doc: "Breaks."}}, nil
}

func (c *counter) Open(context.Context, *ballast.Task) (ballast.Session, error) {
	c.open.Add(1)
	return &count{counter: c}, nil
}

func (c *count) Call(ctx context.Context, call ballast.Call) (string, error) {
	if call.Name == "break" {
		return "", errors.New("the pipe broke")
	}
	c.inside.Add(1)
	select {
	case <-time.After(c.pause):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if c.hang != nil {
		select {
		case <-c.hang:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	c.calls.Add(1)
	c.n++
	return fmt.Sprint(c.n), nil
}

func (c *count) Close() error { c.open.Add(-1); return nil }

func (c *count) Grade(context.Context, *ballast.Episode, int) (ballast.Check, error) {
	return ballast.Check{Passed: c.n == 2, Reason: "number"}, nil
}

// counting serves tasks in a slow world.
func counting(w *counter) func(*Config) {
	return func(c *Config) {
		c.Env = &env.Table{Worlds: []env.WorldEntry{{Name: "counter", World: w}},
			Graders: []env.GraderEntry{{Name: "two", New: func(_ context.Context, _ *ballast.Task, s ballast.Session) (ballast.Grader, error) {
				return s.(*count), nil
			}}}, Users: env.Builtin.Users}
		c.Tasks = []ballast.Task{{ID: "count", Turns: []ballast.TaskTurn{{User: "Count to 2."}}}}
	}
}

const add, broke = `<tool_call>{"name": "add", "arguments": {}}</tool_call>`, `<tool_call>{"name": "break", "arguments": {}}</tool_call>`

// of names the task of the slow world, and an action's number.
func of(step ...int) map[string]any {
	m := map[string]any{"ballast_task": "count"}
	if len(step) > 0 {
		m["ballast_step"] = step[0]
	}
	return m
}

// TestBroken: a world that breaks ends its episode with an error and no reward, and nothing else.
func TestBroken(t *testing.T) {
	w := &counter{}
	s, h := serving(t, counting(w))
	got := post(t, h, map[string]any{"trajectory_ids": []string{"a", "b"}, "actions": []string{broke, add}, "extra_fields": []any{of(), of()}})
	o := got.Observations[0]
	if !got.Dones[0] || o["reward"] != nil || o["score"] != nil || o["stop"] != "infra" || !strings.Contains(fmt.Sprint(o["error"]), "the pipe broke") {
		t.Errorf("%+v", got)
	}
	if got.Dones[1] || got.Observations[1]["obs"] != "<tool_response>\n1\n</tool_response>" || s.registry.size() != 1 {
		t.Errorf("%+v", got)
	}
	c := dial(t, h, "")
	c.send("reset", map[string]any{})
	if m := c.send("step", map[string]any{"text": broke}); m.Type != "error" || m.Data.Code != codeFailed || !strings.Contains(m.Data.Message, "the pipe broke") {
		t.Errorf("%+v", m)
	}
	if m := c.send("reset", map[string]any{}); m.Type != "observation" {
		t.Errorf("%+v", m)
	}
	post(t, h, finish("b"))
	c.conn.CloseNow()
	until(t, func() bool { return w.open.Load() == 0 })
}

// TestRepeats: an action whose answer did not arrive is not played twice, one that is repeated
// after its answer is, and a number says which it is.
func TestRepeats(t *testing.T) {
	w := &counter{hang: make(chan struct{})}
	s, h := serving(t, counting(w))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		q, err := http.NewRequestWithContext(ctx, "POST", h.URL+"/get_observation", strings.NewReader(
			`{"trajectory_ids":["a"],"actions":["`+strings.ReplaceAll(add, `"`, `\"`)+`"],"extra_fields":[{"ballast_task":"count"}]}`))
		if err == nil {
			_, err = h.Client().Do(q)
		}
		failed <- err
	}()
	until(t, func() bool { return w.inside.Load() == 1 })
	cancel()
	if err := <-failed; err == nil {
		t.Fatal("the client got an answer")
	}
	until(t, func() bool { return len(s.slots) == 0 }) // the server has seen it
	close(w.hang)
	obs := func(got seen) string { return fmt.Sprint(got.Observations[0]["obs"], got.Observations[0]["error"]) }
	for i, x := range []struct {
		extra map[string]any
		want  string
		calls int64
	}{
		{of(), "\n1\n", 1},  // again
		{of(), "\n2\n", 2},  // the same text, a new action
		{of(1), "\n2\n", 2}, // again, by its number
		{of(2), "\n3\n", 3}, // the next
		{of(2), "\n3\n", 3},
		{of(5), "this is action 5 of a trajectory that has had 3", 3},
	} {
		if got := obs(post(t, h, one("a", add, x.extra))); !strings.Contains(got, x.want) || w.calls.Load() != x.calls {
			t.Errorf("%d: %s, %d calls", i, got, w.calls.Load())
		}
	}
	if got := obs(post(t, h, one("a", "other", of(2)))); !strings.Contains(got, "was another text") {
		t.Errorf("%s", got)
	}
	if got := obs(post(t, h, one("new", add, of(3)))); !strings.Contains(got, "has had 0") {
		t.Errorf("%s", got)
	}
}

// TestTimeout: a request that takes too long says so, what it began goes on, and the same request
// gets its answer.
func TestTimeout(t *testing.T) {
	w := &counter{hang: make(chan struct{})}
	_, h := serving(t, func(c *Config) { counting(w)(c); c.Timeout = 50 * time.Millisecond })
	for range 2 { // also of one who asks again while it plays
		if got := post(t, h, one("a", add, of())); got.code != http.StatusRequestTimeout {
			t.Errorf("%+v", got)
		}
	}
	close(w.hang)
	until(t, func() bool { return w.calls.Load() == 1 })
	if got := post(t, h, one("a", add, of())); got.code != 200 || !strings.Contains(fmt.Sprint(got.Observations[0]["obs"]), "\n1\n") || w.calls.Load() != 1 {
		t.Errorf("%+v, %d calls", got, w.calls.Load())
	}
}

// TestLate: a request whose action could not be played in time has no answer. It is not one without an observation.
func TestLate(t *testing.T) {
	w := &counter{hang: make(chan struct{})}
	s, h := serving(t, counting(w))
	first := make(chan seen)
	go func() { first <- post(t, h, one("a", add, of())) }()
	until(t, func() bool { return w.inside.Load() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5000 { // which of two things that have happened is seen first is drawn
		if got, err := s.playActions(ctx, []action{{id: "a", text: add, task: 0}}); !errors.Is(err, errLate) {
			t.Errorf("%+v, %v", got[0].answer, err)
			break
		}
	}
	close(w.hang)
	if got := <-first; got.code != 200 || w.calls.Load() != 1 {
		t.Errorf("%+v, %d calls", got, w.calls.Load())
	}
}

// TestVanish: clients that vanish while their action runs leave nothing behind.
func TestVanish(t *testing.T) {
	w := &counter{hang: make(chan struct{})}
	s, h := serving(t, func(c *Config) { counting(w)(c); c.Lease = 100 * time.Millisecond })
	c := dial(t, h, "")
	c.send("reset", map[string]any{})
	if err := c.conn.Write(t.Context(), 1, []byte(`{"type":"step","data":{"text":"`+strings.ReplaceAll(add, `"`, `\"`)+`"}}`)); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return w.inside.Load() == 1 })
	c.conn.CloseNow() // the call does not come back, the episode ends nevertheless
	until(t, func() bool { return w.open.Load() == 0 && s.registry.size() == 0 })
	close(w.hang)
	post(t, h, one("a", add, of())) // and never again
	until(t, func() bool { return w.open.Load() == 0 && s.registry.size() == 0 })
}

// TestStop: at the end requests under way are answered, new ones are refused, sockets are told
// and all worlds are closed.
func TestStop(t *testing.T) {
	w := &counter{hang: make(chan struct{})}
	c := Config{Format: chat.Hermes, Rules: env.Rules{Malformed: env.MalformedAdvance}, Grace: 5 * time.Second}
	counting(w)(&c)
	s, url, stop, served := listening(t, c)
	type got struct {
		code int
		err  error
	}
	under := make(chan got, 1)
	go func() {
		res, err := http.Post(url+"/get_observation", "application/json", strings.NewReader(
			`{"trajectory_ids":["a"],"actions":["`+strings.ReplaceAll(add, `"`, `\"`)+`"],"extra_fields":[{"ballast_task":"count"}]}`))
		if err != nil {
			under <- got{err: err}
			return
		}
		res.Body.Close()
		under <- got{code: res.StatusCode}
	}()
	until(t, func() bool { return w.open.Load() == 1 })
	stop()
	<-s.drain
	if _, _, err := s.registry.enter([]want{{key{verlTool, "b"}, true}}); !errors.Is(err, errDraining) {
		t.Errorf("%v", err)
	}
	close(w.hang)
	if g := <-under; g.err != nil || g.code != 200 {
		t.Errorf("%+v", g)
	}
	if err := <-served; err != nil || w.open.Load() != 0 || s.registry.size() != 0 {
		t.Errorf("%v, %d worlds, %d sessions", err, w.open.Load(), s.registry.size())
	}
	if _, err := http.Get(url + "/health"); err == nil {
		t.Error("it still answers")
	}
}

// TestDrainSockets: a WebSocket is told that the server ends.
func TestDrainSockets(t *testing.T) {
	s, h := serving(t, nil)
	c := dial(t, h, "")
	c.send("reset", map[string]any{})
	s.Drain()
	if m, err := c.read(); err != nil || m.Data.Code != codeSession || !strings.Contains(m.Data.Message, "shutting down") {
		t.Errorf("%+v %v", m, err)
	}
	if got := post(t, h, one("a", "x", map[string]any{"ballast_task": 0})); got.code != 503 {
		t.Errorf("%+v", got)
	}
	if code, _ := ask(t, h, "GET", "/health", ""); code != 503 {
		t.Errorf("%d", code)
	}
}

// TestConfig: what cannot be served is an error, and a world's room bounds the sessions.
func TestConfig(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Tasks = nil }, "no tasks"},
		{func(c *Config) { c.Format = nil }, "no format"},
		{func(c *Config) { c.Tasks = append(c.Tasks, c.Tasks[0]) }, "the same id"},
		{func(c *Config) { c.Lease = -1 }, "below 0"},
		{func(c *Config) { c.Rules.Forget = true }, "drop-state"},
	} {
		x := Config{Tasks: desk(t, 2), Format: chat.Hermes}
		c.change(&x)
		if _, err := New(x); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	s, _ := serving(t, func(c *Config) {
		counting(&counter{})(c)
		c.Env.Worlds[0].Room = make(chan struct{}, 3)
	})
	if s.Sessions() != 3 {
		t.Errorf("%d", s.Sessions())
	}
}

// TestLongRequest: a request that is worked on for longer than its body may take to arrive is
// answered, and one whose body does not arrive is not waited for.
func TestLongRequest(t *testing.T) {
	defer func(d time.Duration) { bodyTime = d }(bodyTime)
	bodyTime = 400 * time.Millisecond
	w := &counter{pause: 800 * time.Millisecond}
	_, h := serving(t, counting(w))
	if got := post(t, h, one("a", add, of())); got.code != 200 || w.calls.Load() != 1 {
		t.Errorf("%+v", got)
	}
	if got := post(t, h, one("a", add, of())); got.code != 200 || w.calls.Load() != 2 { // delivered, so a new action
		t.Errorf("%+v, %d calls", got, w.calls.Load())
	}
	conn, err := net.Dial("tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "POST /get_observation HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
	buf := make([]byte, 1<<12)
	if n, err := conn.Read(buf); err != nil || !strings.Contains(string(buf[:n]), " 400 ") {
		t.Errorf("%s %v", buf[:n], err)
	}
}
