package env

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ballast"
)

// call runs one call in a session, which it opens if there is none. Where the world wants it, a
// call of a tool that the policy was not shown is answered here.
func (e *Env) call(ctx context.Context, ses **opened, c ballast.Call) (string, error) {
	e.failed = true
	if e.world.OnlyShown && !e.Known(c.Name) {
		return fmt.Sprintf("error: no tool is named %q", c.Name), nil
	}
	if err := e.session(ctx, ses); err != nil {
		return "", err
	}
	s := (*ses).Session
	own := asked{s, e.back(c)}
	answer, err := guard(ctx, "the call", e.world.Instant, e.world.Limit, own, func(ctx context.Context, a asked) (string, error) {
		return a.in.Call(ctx, a.call)
	})
	if err != nil {
		return "", fmt.Errorf("world %s: %s: %w", e.world.Name, c.Name, err)
	}
	if f, ok := s.(Failer); ok {
		e.failed = f.Failed()
	} else {
		e.failed = e.world.Failed != nil && e.world.Failed(e.owns, answer)
	}
	return answer, nil
}

// asked is a call in a session.
type asked struct {
	in   ballast.Session
	call ballast.Call
}

// Failer is a session that knows of its last call whether it failed.
type Failer interface{ Failed() bool }

// Failed says whether the last call is known to have failed.
func (e *Env) Failed() bool { return e.failed }

// opened is a session with what to do after it was closed.
type opened struct {
	ballast.Session
	after func()
}

// session opens a session where there is none. It waits for room first.
func (e *Env) session(ctx context.Context, ses **opened) error {
	if *ses != nil {
		return nil
	}
	life, end := context.WithCancel(ctx) // the session's, which may start what lives as long
	after := end
	if room := e.world.Room; room != nil {
		if e.rules.Forget {
			end()
			return fmt.Errorf("world %s: its room is bounded, and fault drop-state would hold two places in it", e.world.Name)
		}
		select {
		case room <- struct{}{}:
			after = func() { end(); <-room }
		case <-ctx.Done():
			end()
			return context.Cause(ctx)
		}
	}
	back := make(chan struct{}) // Open has come back
	open := func(_ context.Context, w ballast.World) (ballast.Session, error) {
		defer close(back)
		s, err := w.Open(life, e.owns)
		if err == nil && s == nil {
			err = errors.New("it opened nothing")
		}
		return s, err
	}
	s, err := guard(ctx, "opening a session", e.world.Instant, OpenLimit, e.world.World, open, func(late ballast.Session) { late.Close() })
	if err != nil {
		end()
		go func() { // one that is late keeps its place until it has come back
			<-back
			after()
		}()
		return fmt.Errorf("world %s: %w", e.world.Name, err)
	}
	*ses = &opened{s, after}
	return nil
}

// release closes a session, if there is one. What goes wrong is noted in the episode and
// changes no verdict.
func (e *Env) release(ses **opened) {
	s := *ses
	if s == nil {
		return
	}
	*ses = nil
	defer s.after()
	if err := closing("closing a session", e.world.Instant, s); err != nil && e.Episode.Error == "" {
		e.Episode.Error = fmt.Sprintf("world %s: %v", e.world.Name, err)
	}
}

// Close gives back what the episode's world holds, whether it is over or not.
func (e *Env) Close() {
	e.release(&e.ses)
	e.release(&e.fresh)
}

// closing closes what a world holds.
func closing(what string, instant bool, c io.Closer) error {
	_, err := guard(context.Background(), what, instant, closeLimit, c, func(_ context.Context, c io.Closer) (struct{}, error) {
		return struct{}{}, c.Close()
	})
	return err
}
