package envtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"ballast"
)

// World is another world whose calls go wrong, or take time. It is never instant.
type World struct {
	ballast.World
	// Call, if not nil, comes in place of call n (from 0) of a session of the task.
	// next is the call in the world inside.
	Call func(ctx context.Context, task string, n int, next func(context.Context) (string, error)) (string, error)
	// Leak keeps a goroutine for every session that was closed.
	Leak bool

	open atomic.Int64
}

// Open opens a session of the world inside.
func (w *World) Open(ctx context.Context, t *ballast.Task) (ballast.Session, error) {
	s, err := w.World.Open(ctx, t)
	if err != nil {
		return nil, err
	}
	w.open.Add(1)
	return &session{Session: s, w: w, task: t.ID}, nil
}

// Held is the number of sessions that are open.
func (w *World) Held() int { return int(w.open.Load()) }

// session is one of a World.
type session struct {
	ballast.Session
	w      *World
	task   string
	n      int
	closed atomic.Bool
}

func (s *session) Call(ctx context.Context, c ballast.Call) (string, error) {
	n := s.n
	s.n++
	next := func(ctx context.Context) (string, error) { return s.Session.Call(ctx, c) }
	if s.w.Call == nil {
		return next(ctx)
	}
	return s.w.Call(ctx, s.task, n, next)
}

func (s *session) Close() error {
	if !s.closed.Swap(true) {
		s.w.open.Add(-1)
		if s.w.Leak {
			go func() { select {} }()
		}
	}
	return s.Session.Close()
}

// Grade has the session inside judge, if it can.
func (s *session) Grade(ctx context.Context, ep *ballast.Episode, i int) (ballast.Check, error) {
	g, ok := s.Session.(ballast.Grader)
	if !ok {
		return ballast.Check{}, errors.New("envtest: the world inside grades nothing")
	}
	return g.Grade(ctx, ep, i)
}

// Grader makes graders, for a table, of worlds whose sessions grade themselves.
func Grader(_ context.Context, t *ballast.Task, s ballast.Session) (ballast.Grader, error) {
	g, ok := s.(ballast.Grader)
	if !ok {
		return nil, fmt.Errorf("envtest: task %s: its sessions grade nothing", t.ID)
	}
	return g, nil
}

// Slow answers call n of a task after delay(task, n), unless its context ends.
func Slow(w ballast.World, delay func(task string, n int) time.Duration) *World {
	return &World{World: w, Call: func(ctx context.Context, task string, n int, next func(context.Context) (string, error)) (string, error) {
		timer := time.NewTimer(delay(task, n))
		defer timer.Stop()
		select {
		case <-timer.C:
			return next(ctx)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}}
}

// errBroken is what calls of a Broken world are.
var errBroken = errors.New("envtest: the machine is broken")

// Broken fails the first n calls of all sessions together, as infrastructure.
func Broken(w ballast.World, n int) *World {
	var left atomic.Int64
	left.Store(int64(n))
	return &World{World: w, Call: func(ctx context.Context, _ string, _ int, next func(context.Context) (string, error)) (string, error) {
		if left.Add(-1) >= 0 {
			return "", errBroken
		}
		return next(ctx)
	}}
}

// Late answers after the time, whatever its context says.
func Late(w ballast.World, after time.Duration) *World {
	return &World{World: w, Call: func(_ context.Context, _ string, _ int, next func(context.Context) (string, error)) (string, error) {
		time.Sleep(after)
		return next(context.Background())
	}}
}

// Leaky keeps a goroutine for every session.
func Leaky(w ballast.World) *World { return &World{World: w, Leak: true} }
