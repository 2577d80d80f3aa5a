package env

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/env/envtest"
	"ballast/env/sim"
)

// in is the builtin table with the world w in the first place, which nothing makes instant.
func in(w ballast.World) *Table {
	return &Table{Worlds: []WorldEntry{{Name: "w", World: w}}, Graders: []GraderEntry{{Name: "g", New: envtest.Grader}}, Users: Builtin.Users}
}

// short is the limit of what must not take long.
const short = 50 * time.Millisecond

// one plays gold's first call in a world and returns the closed episode.
func one(t *testing.T, table *Table, rules Rules) *Env {
	t.Helper()
	p, err := table.Prepare(t.Context(), drawer(t, read))
	if err != nil {
		t.Fatal(err)
	}
	rules.Steps = 9
	e := p.New(rules)
	play(t, e, read, ".")
	e.Close()
	return e
}

func calling(call func(context.Context, string, int, func(context.Context) (string, error)) (string, error)) *envtest.World {
	return &envtest.World{World: sim.World{}, Call: call}
}

// TestBrokenMachines: whatever a world, grader or user does, an episode ends as
// StopInfra, in time, with what broke, and gives its session back.
func TestBrokenMachines(t *testing.T) {
	forever := make(chan struct{})
	defer close(forever)
	for _, c := range []struct {
		name  string
		world *envtest.World
		want  string
	}{
		{"an error", envtest.Broken(sim.World{}, 1), "world w: read: envtest: the machine is broken"},
		{"a panic", calling(func(context.Context, string, int, func(context.Context) (string, error)) (string, error) {
			panic("boom")
		}), "read: the call: panic: boom"},
		{"no answer", calling(func(context.Context, string, int, func(context.Context) (string, error)) (string, error) {
			<-forever
			return "late", nil
		}), "read: the call took longer than 50ms"},
		{"an answer too late", envtest.Late(sim.World{}, 300*time.Millisecond), "read: the call took longer than 50ms"},
		{"slow", envtest.Slow(sim.World{}, func(string, int) time.Duration { return time.Hour }), "read: the call took longer than 50ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			table := in(c.world)
			table.Worlds[0].Limit = short
			e := one(t, table, Rules{})
			if e.Episode.Stop != ballast.StopInfra || !strings.Contains(e.Episode.Error, c.want) || time.Since(start) > 5*time.Second {
				t.Errorf("%s: %q after %s, want %q", e.Episode.Stop, e.Episode.Error, time.Since(start), c.want)
			}
			if c.world.Held() != 0 {
				t.Error("its session is still open")
			}
		})
	}
	if e := one(t, in(envtest.Slow(sim.World{}, func(string, int) time.Duration { return time.Millisecond })), Rules{}); e.Episode.Stop != ballast.StopDone || !e.Episode.Turns[0].Check.Passed {
		t.Errorf("a slow world: %s %s", e.Episode.Stop, e.Episode.Error)
	}
}

// TestCancelled: an episode whose context ends does not wait for its world.
func TestCancelled(t *testing.T) {
	w := envtest.Slow(sim.World{}, func(string, int) time.Duration { return time.Hour })
	p, err := in(w).Prepare(t.Context(), drawer(t, read))
	if err != nil {
		t.Fatal(err)
	}
	e := p.New(Rules{Steps: 9})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	e.Start(ctx)
	e.Reply(reply(t, read), ballast.Step{})
	start := time.Now()
	e.Answer(ctx)
	if e.Close(); e.Episode.Stop != ballast.StopInfra || time.Since(start) > 5*time.Second || w.Held() != 0 {
		t.Errorf("%s after %s, %d sessions held", e.Episode.Stop, time.Since(start), w.Held())
	}
}

// opener opens sessions as it likes.
type opener struct {
	sim.World
	open func(context.Context, *ballast.Task) (ballast.Session, error)
}

func (o opener) Open(ctx context.Context, t *ballast.Task) (ballast.Session, error) {
	return o.open(ctx, t)
}

// TestOpening: a session is opened when it is needed; one that does not open is an
// infrastructure failure; one that opens too late is closed.
func TestOpening(t *testing.T) {
	if e := one(t, in(opener{open: func(context.Context, *ballast.Task) (ballast.Session, error) { return nil, errors.New("no room") }}), Rules{}); !strings.Contains(e.Episode.Error, "world w: no room") {
		t.Errorf("%s %q", e.Episode.Stop, e.Episode.Error)
	}
	inside := &envtest.World{World: sim.World{}}
	ctx, cancel := context.WithCancel(t.Context())
	late := opener{open: func(ctx context.Context, task *ballast.Task) (ballast.Session, error) {
		cancel()
		time.Sleep(50 * time.Millisecond)
		return inside.Open(context.Background(), task)
	}}
	table := in(late)
	room := make(chan struct{}, 1)
	table.Worlds[0].Room = room
	p, err := table.Prepare(t.Context(), drawer(t, read))
	if err != nil {
		t.Fatal(err)
	}
	e := p.New(Rules{Steps: 9})
	e.Start(ctx)
	e.Reply(reply(t, read), ballast.Step{})
	e.Answer(ctx)
	e.Close()
	held := len(room)
	for end := time.Now().Add(time.Minute); (inside.Held() != 0 || len(room) != 0) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if e.Episode.Stop != ballast.StopInfra || inside.Held() != 0 || held != 1 || len(room) != 0 {
		t.Errorf("%s, %d sessions held, places taken %d, then %d", e.Episode.Stop, inside.Held(), held, len(room))
	}
}

// speaker is a user of one's own.
type speaker func(*ballast.Episode) (string, bool, error)

func (s speaker) Next(_ context.Context, ep *ballast.Episode) (string, bool, error) { return s(ep) }

// judge is a grader of one's own.
type judge func(context.Context, *ballast.Episode) (ballast.Check, error)

func (j judge) Grade(ctx context.Context, ep *ballast.Episode, _ int) (ballast.Check, error) {
	return j(ctx, ep)
}

// TestGraders: what a grader says is held to 0 to 1; one that errs, panics or takes too long
// is a broken machine and no zero.
func TestGraders(t *testing.T) {
	for _, c := range []struct {
		name  string
		grade judge
		want  ballast.Check
		error string
	}{
		{"passed", func(context.Context, *ballast.Episode) (ballast.Check, error) {
			return ballast.Check{Passed: true}, nil
		}, ballast.Check{Done: true, Passed: true, Score: 1}, ""},
		{"half", func(context.Context, *ballast.Episode) (ballast.Check, error) {
			return ballast.Check{Score: 0.5, Reason: "half"}, nil
		}, ballast.Check{Done: true, Score: 0.5, Reason: "half"}, ""},
		{"no number", func(context.Context, *ballast.Episode) (ballast.Check, error) {
			return ballast.Check{Score: math.NaN()}, nil
		}, ballast.Check{}, "score NaN is not in 0 to 1"},
		{"too large", func(context.Context, *ballast.Episode) (ballast.Check, error) { return ballast.Check{Score: 7}, nil }, ballast.Check{}, "score 7 is not in"},
		{"an error", func(context.Context, *ballast.Episode) (ballast.Check, error) {
			return ballast.Check{Passed: true}, errors.New("no judge")
		}, ballast.Check{}, "grader g: no judge"},
		{"a panic", func(context.Context, *ballast.Episode) (ballast.Check, error) { panic("boom") }, ballast.Check{}, "panic: boom"},
		{"late, and reads on", func(_ context.Context, ep *ballast.Episode) (ballast.Check, error) {
			for end := time.Now().Add(3 * short); time.Now().Before(end); {
				if ep.Stop != "" || len(ep.Turns) != 1 {
					panic("the record changes under a grader")
				}
			}
			return ballast.Check{Passed: true}, nil
		}, ballast.Check{}, "took longer than 50ms"},
	} {
		table := in(sim.World{})
		table.Graders = []GraderEntry{{Name: "g", Limit: short, New: func(context.Context, *ballast.Task, ballast.Session) (ballast.Grader, error) { return c.grade, nil }}}
		e := one(t, table, Rules{})
		if got := e.Episode.Turns[0].Check; got != c.want || !strings.Contains(e.Episode.Error, c.error) || (c.error != "") != (e.Episode.Stop == ballast.StopInfra) {
			t.Errorf("%s: %+v, %s %q", c.name, got, e.Episode.Stop, e.Episode.Error)
		}
	}
	table := in(sim.World{})
	table.Graders[0].New = func(context.Context, *ballast.Task, ballast.Session) (ballast.Grader, error) { panic("boom") }
	if e := one(t, table, Rules{}); e.Episode.Stop != ballast.StopInfra || !strings.Contains(e.Episode.Error, "boom") {
		t.Errorf("a grader that cannot be made: %s %q", e.Episode.Stop, e.Episode.Error)
	}
}

// TestLife: the context of Open lives as long as the session, that of Prepare as long as the
// task, and both end; what was prepared is closed, the table's own world is not.
func TestLife(t *testing.T) {
	var session, task context.Context
	table := in(nil)
	world := &closer{World: opener{open: func(ctx context.Context, x *ballast.Task) (ballast.Session, error) {
		session = ctx
		return sim.NewSession(x)
	}}}
	table.Worlds[0].World = world
	p, err := table.Prepare(t.Context(), drawer(t, read))
	if err != nil {
		t.Fatal(err)
	}
	if p.Close(); world.closed {
		t.Error("the table's world was closed with a task")
	}
	table.Worlds[0].Prepare = func(ctx context.Context, _ *ballast.Task) (ballast.World, error) {
		task = ctx
		return world, nil
	}
	if p, err = table.Prepare(t.Context(), drawer(t, read)); err != nil {
		t.Fatal(err)
	}
	e := p.New(Rules{Steps: 9})
	play(t, e, read)
	if session.Err() != nil || task.Err() != nil {
		t.Errorf("ended while open: session %v, task %v", session.Err(), task.Err())
	}
	if e.Close(); session.Err() == nil || task.Err() != nil || world.closed {
		t.Errorf("after the session: %v, task %v", session.Err(), task.Err())
	}
	if p.Close(); task.Err() == nil || !world.closed {
		t.Errorf("after the task: %v, closed %t", task.Err(), world.closed)
	}
}

// closer is a world that can be closed.
type closer struct {
	ballast.World
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// TestRoom: a session takes a place and gives it back, and one that is not to be had is
// waited for until the context ends.
func TestRoom(t *testing.T) {
	table := in(sim.World{})
	table.Worlds[0].Room = make(chan struct{}, 1)
	if e := one(t, table, Rules{}); e.Episode.Stop != ballast.StopDone || len(table.Worlds[0].Room) != 0 {
		t.Errorf("%s %q, %d places taken", e.Episode.Stop, e.Episode.Error, len(table.Worlds[0].Room))
	}
	if e := one(t, table, Rules{Forget: true}); e.Episode.Stop != ballast.StopInfra || !strings.Contains(e.Episode.Error, "drop-state") {
		t.Errorf("a fault that needs two places: %s %q", e.Episode.Stop, e.Episode.Error)
	}
	table.Worlds[0].Room <- struct{}{}
	p, err := table.Prepare(t.Context(), drawer(t, read))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	e := p.New(Rules{Steps: 9})
	e.Start(ctx)
	e.Reply(reply(t, read), ballast.Step{})
	if e.Answer(ctx); e.Episode.Stop != ballast.StopInfra {
		t.Errorf("without room: %s", e.Episode.Stop)
	}
}

// TestUsers: a user may say less than the task has turns, or more, or break.
func TestUsers(t *testing.T) {
	for _, c := range []struct {
		name  string
		next  speaker
		turns int
		stop  ballast.Stop
		error string
	}{
		{"says nothing", func(*ballast.Episode) (string, bool, error) { return "", false, nil }, 0, ballast.StopInfra, "user u says nothing"},
		{"stops early", func(ep *ballast.Episode) (string, bool, error) { return "hi", len(ep.Turns) < 1, nil }, 1, ballast.StopDone, ""},
		{"breaks", func(*ballast.Episode) (string, bool, error) { return "", false, errors.New("no line") }, 0, ballast.StopInfra, "no line"},
		{"panics", func(*ballast.Episode) (string, bool, error) { panic("boom") }, 0, ballast.StopInfra, "user u: panic: boom"},
	} {
		table := in(sim.World{})
		table.Users = []UserEntry{{Name: "u", New: func(context.Context, *ballast.Task) (ballast.User, error) { return c.next, nil }}}
		p, err := table.Prepare(t.Context(), drawer(t, read, read))
		if err != nil {
			t.Fatal(err)
		}
		e := p.New(Rules{Steps: 9})
		if e.Start(t.Context()); !e.Over() {
			e.Reply(reply(t, "."), ballast.Step{})
			e.Answer(t.Context())
		}
		if e.Close(); e.Episode.Stop != c.stop || len(e.Episode.Turns) != c.turns || !strings.Contains(e.Episode.Error, c.error) {
			t.Errorf("%s: %s after %d turns, %q", c.name, e.Episode.Stop, len(e.Episode.Turns), e.Episode.Error)
		}
	}
}

// TestNames: a name that no table has is an error that lists the names there are.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		change func(*ballast.Task)
		want   string
	}{
		{func(x *ballast.Task) { x.World = "moon" }, `no world is named "moon"; there are sim`},
		{func(x *ballast.Task) { x.Grader = "moon" }, `no grader is named "moon"; there are gold, gold-sparing`},
		{func(x *ballast.Task) { x.User = "moon" }, `no user is named "moon"; there are turns`},
		{func(x *ballast.Task) { x.Turns[0].Reveal = []string{"moon"} }, "reveals moon, which is not among the tools"},
		{func(x *ballast.Task) { x.Tools = append(x.Tools, x.Tools[0]) }, "occurs twice"},
	} {
		task := drawer(t, read)
		c.change(task)
		if _, err := Builtin.Prepare(t.Context(), task); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "task drawer") {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	// A grader that does not fit the world says so; nothing is scored.
	table := in(&envtest.World{World: sim.World{}})
	table.Graders = Builtin.Graders
	if e := one(t, table, Rules{}); e.Episode.Stop != ballast.StopInfra || !strings.Contains(e.Episode.Error, "name another grader") {
		t.Errorf("%s %q", e.Episode.Stop, e.Episode.Error)
	}
}

// TestForget: under Forget the policy is shown what a fresh session answers in every turn,
// the verdict stays that of the episode's own, and all sessions are closed.
func TestForget(t *testing.T) {
	w := &envtest.World{World: sim.World{}}
	p, err := in(w).Prepare(t.Context(), drawer(t, move, "read('tax.txt')"))
	if err != nil {
		t.Fatal(err)
	}
	e := p.New(Rules{Steps: 9, Forget: true})
	shown := play(t, e, move, ".", "move('tax.txt', 'docs')", "read('tax.txt')", ".")
	if w.Held() == 0 {
		t.Error("no session is held before Close")
	}
	if e.Close(); w.Held() != 0 {
		t.Errorf("%d sessions are held", w.Held())
	}
	if e.Episode.Stop != ballast.StopDone || !e.Episode.Turns[0].Check.Passed || len(shown) != 5 {
		t.Errorf("%s %q, shown %q", e.Episode.Stop, e.Episode.Error, shown)
	}
}
