package envtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/env/sim"
	"ballast/value"
)

// drawer is a task that reads a file and deletes it.
func drawer(t *testing.T) *ballast.Task {
	t.Helper()
	gold, err := value.ParseCalls("read('tax.txt'), delete('tax.txt')")
	if err != nil {
		t.Fatal(err)
	}
	return &ballast.Task{ID: "drawer", APIs: []string{"files"}, Turns: []ballast.TaskTurn{{User: "u", Gold: gold}},
		Init: map[string]any{"files": value.NewDict("folders", value.NewDict("docs", value.NewDict("tax.txt", "pay rent"), "work", &value.Dict{}))}}
}

func TestSimulatedWorld(t *testing.T) {
	Test(t, sim.World{}, drawer(t))
	p, task := sim.World{}, drawer(t)
	one, err := p.Prepare(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	Test(t, one, task)
	Test(t, Slow(sim.World{}, func(string, int) time.Duration { return time.Millisecond }), drawer(t))
}

// shared is a world whose sessions are one.
type shared struct {
	sim.World
	sync.Mutex
	s ballast.Session
}

func (w *shared) Open(ctx context.Context, t *ballast.Task) (_ ballast.Session, err error) {
	w.Lock()
	defer w.Unlock()
	if w.s == nil {
		w.s, err = w.World.Open(ctx, t)
	}
	return w, err
}

func (w *shared) Call(ctx context.Context, c ballast.Call) (string, error) {
	w.Lock()
	defer w.Unlock()
	return w.s.Call(ctx, c)
}

func (w *shared) Close() error { return nil }

// strict is a world to which a call that makes no sense is an error of the machine.
func strict() *World {
	return &World{World: sim.World{}, Call: func(ctx context.Context, _ string, _ int, next func(context.Context) (string, error)) (string, error) {
		answer, err := next(ctx)
		if strings.HasPrefix(answer, "error: ") {
			return "", ErrBroken
		}
		return answer, err
	}}
}

// TestCheckFinds: every fault of a world is found, under the part that it belongs to.
func TestCheckFinds(t *testing.T) {
	panics := &World{World: sim.World{}, Call: func(context.Context, string, int, func(context.Context) (string, error)) (string, error) {
		panic("boom")
	}}
	late := &World{World: sim.World{}, Call: func(ctx context.Context, _ string, _ int, next func(context.Context) (string, error)) (string, error) {
		if _, ends := ctx.Deadline(); ends || ctx.Err() != nil {
			time.Sleep(600 * time.Millisecond)
		}
		return next(ctx)
	}}
	for _, c := range []struct {
		name  string
		world ballast.World
		want  string
	}{
		{"shared state", &shared{}, "answers: call"},
		{"failures of the policy are the machine's", strict(), "odd calls: "},
		{"breaks", Broken(sim.World{}, 1), "answers: read"},
		{"panics", panics, "answers: panic: boom"},
		{"late", late, "a context that has ended: the call goes on"},
		{"leaks", Leaky(sim.World{}), "goroutines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all []string
			for _, err := range run(&check{ctx: t.Context(), w: c.world, task: drawer(t), patience: 300 * time.Millisecond}) {
				all = append(all, err.Error())
			}
			if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) {
				t.Errorf("found %q, want %q", text, c.want)
			}
		})
	}
}
