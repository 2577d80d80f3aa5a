package envtest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
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
			return "", errBroken
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
		{"documents a function twice", twice{}, "tools: the name"},
		{"falls at a second Close", &shut{panics: true}, "closing: panic: closed twice"},
		{"hangs at a second Close", &shut{}, "closing: a call, or a second Close"},
		{"keeps a file open", hoarder{}, "open files"},
		{"drawn", &drawn{}, "in another session"},
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

// twice documents a function twice.
type twice struct{ sim.World }

func (twice) Tools(context.Context, *ballast.Task) ([]ballast.Tool, error) {
	return []ballast.Tool{{Name: "f"}, {Name: "f"}}, nil
}

// shut is a world whose sessions cannot be closed twice.
type shut struct {
	sim.World
	panics bool
}

type shutSession struct {
	ballast.Session
	panics, closed bool
}

func (w *shut) Open(ctx context.Context, t *ballast.Task) (ballast.Session, error) {
	s, err := w.World.Open(ctx, t)
	return &shutSession{Session: s, panics: w.panics}, err
}

func (s *shutSession) Close() error {
	if s.closed && s.panics {
		panic("closed twice")
	}
	if s.closed {
		time.Sleep(600 * time.Millisecond)
	}
	s.closed = true
	return nil
}

// hoarder opens a file for every session and keeps it.
type hoarder struct{ sim.World }

var hoard []*os.File

func (w hoarder) Open(ctx context.Context, t *ballast.Task) (ballast.Session, error) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	lock.Lock()
	hoard = append(hoard, f)
	lock.Unlock()
	return w.World.Open(ctx, t)
}

var lock sync.Mutex

// drawn is a world that answers by chance, as it seems from outside.
type drawn struct {
	sim.World
	n atomic.Int64
}

type drawnSession struct {
	ballast.Session
	w *drawn
}

func (w *drawn) Open(ctx context.Context, t *ballast.Task) (ballast.Session, error) {
	s, err := w.World.Open(ctx, t)
	return &drawnSession{s, w}, err
}

func (s *drawnSession) Call(context.Context, ballast.Call) (string, error) {
	return fmt.Sprint(s.w.n.Add(1)), nil
}
