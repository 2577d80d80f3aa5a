package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"ballast/recipe/loop"
	"ballast/sweep"
)

// exitCodes is what the help of commands says about how they end.
const exitCodes = `A command ends with 0, or with 1 where it failed. Ctrl-C (SIGINT), SIGTERM and SIGHUP end it in an orderly way, with
130, 143 and 129; what it had done is kept, and the same command, or train --resume, goes on.`

// endings are the signals that end a command in an orderly way. A hang-up that was
// ignored from the start, as by nohup, stays ignored.
func endings() []os.Signal {
	list := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// caught is the cause of a context that a signal ended.
type caught struct{ sig os.Signal }

func (c caught) Error() string { return c.sig.String() }

// interruption is the error of a command that a signal ended before its work was done,
// and not a failure.
type interruption struct {
	caught
	err error
}

func (i *interruption) Error() string { return i.err.Error() }
func (i *interruption) Unwrap() error { return i.err }

// code is the exit status of a command that returned an error: 1, or 128 and the
// signal's number where it was interrupted.
func code(err error) int {
	var i *interruption
	if errors.As(err, &i) {
		if n, ok := i.sig.(syscall.Signal); ok {
			return 128 + int(n)
		}
	}
	return 1
}

// interrupts returns a context that ends with the first of the signals that end a
// command, which told hears of, and one that ends with the second; a third has its
// usual effect. The contexts' cause is the signal.
func interrupts(parent context.Context, told func()) (first, second context.Context, stop func()) {
	first, one := context.WithCancelCause(parent)
	second, two := context.WithCancelCause(context.WithoutCancel(parent))
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, endings()...)
	over := make(chan struct{})
	go func() {
		for _, next := range []func(error){func(why error) { told(); one(why) }, two} {
			select {
			case sig := <-ch:
				next(caught{sig})
			case <-over:
			}
		}
		signal.Stop(ch)
	}()
	return first, second, func() { close(over); one(nil); two(nil) }
}

// interruptible returns a context that ends with the first of the signals; the second
// has its usual effect, so that it waits for nothing.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, end := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, endings()...)
	go func() {
		select {
		case sig := <-ch:
			signal.Stop(ch)
			end(caught{sig})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(ch); end(nil) }
}

// interrupted marks an error that a signal brought about as an interruption. What failed
// by itself while a signal was being obeyed, such as a checkpoint on a full disk, stays a
// failure.
func interrupted(ctx context.Context, err error) error {
	var c caught
	if err == nil || !errors.As(context.Cause(ctx), &c) {
		return err
	}
	if errors.Is(err, loop.ErrInterrupted) || errors.Is(err, sweep.ErrInterrupted) || errors.Is(err, context.Canceled) ||
		errors.As(err, new(caught)) {
		return &interruption{c, err}
	}
	return err
}

// signalled says by which signal a process of this program was interrupted: one that
// obeyed it ends with its exit code, one that could not yet is ended by it.
func signalled(err error) (name string, yes bool) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return "", false
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		ended, ok := exit.Sys().(interface{ Signal() syscall.Signal })
		if exit.ExitCode() == 128+int(sig) || ok && exit.ExitCode() < 0 && ended.Signal() == sig {
			return sig.String(), true
		}
	}
	return "", false
}

// lasting is an output whose reader may go away, such as a pipe into head: what it does
// not take any more is dropped, so that the work goes on, and that is said once on
// standard error.
type lasting struct {
	out  io.Writer
	mu   sync.Mutex
	gone error // why it takes nothing any more
}

// outlive returns an output for a command whose work is worth more than what it
// prints. A broken pipe, which else ends the process, is an error of writing from now on.
func outlive(out io.Writer) *lasting {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	printed.notice()
	return &lasting{out: out}
}

var _ io.Writer = (*lasting)(nil)

func (l *lasting) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		return len(p), nil
	}
	if _, err := l.out.Write(p); err != nil {
		l.gone = err
		fmt.Fprintf(stderr, "ballast: %v; going on without printing\n", err)
	}
	return len(p), nil
}

// lost is the error of a command whose result is what it prints.
func (l *lasting) lost() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return unprinted(l.gone)
}
