// Package envtest is what every world passes, and worlds that do what worlds do at their
// worst.
//
// Check takes the world that a task is played in: the one that a table's Prepare returns, where
// it has one. It plays the gold calls of a task and calls that make no sense, in one session and in
// several, with contexts that end, and says what a world does not keep of the contract of
// ballast.World and ballast.Session. It takes seconds at most, unless the world does.
//
// The worlds are Slow, Broken, Late and Leaky: each has another world inside. Package env
// and the schedulers are tested with them.
package envtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/value"
)

// patience is how long a world may take to give up a call whose context has ended, and to
// give back what a closed session held.
const patience = 5 * time.Second

// Test fails the test for everything that Check finds.
func Test(t *testing.T, w ballast.World, task *ballast.Task) {
	t.Helper()
	for _, err := range Check(t.Context(), w, task) {
		t.Error(err)
	}
}

// Check returns what the world does not keep of its contract:
//
//   - it documents the functions, each once, where the task does not;
//   - gold's calls answer the same in every session, one after the other and side by
//     side: sessions share nothing, nothing is drawn, and no clock shows;
//   - a call that makes no sense is answered, since it is the policy's doing;
//   - a call comes back soon after its context has ended;
//   - a session can be closed twice, and a call after that does not panic;
//   - a closed session leaves no goroutine and no open file.
func Check(ctx context.Context, w ballast.World, task *ballast.Task) (found []error) {
	return run(&check{ctx: ctx, w: w, task: task, patience: patience})
}

func run(c *check) (found []error) {
	var before holding
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"tools", c.tools}, {"answers", c.answers},
		{"", func() error { before = held(); return nil }}, // what a world keeps for good, it has by now
		{"side by side", c.beside}, {"odd calls", c.odd}, {"a context that has ended", c.ended},
		{"a context that ends", c.ends}, {"closing", c.closing},
	} {
		if err := safely(part.run); err != nil {
			found = append(found, fmt.Errorf("%s: %w", part.name, err))
		}
	}
	if err := leak(before, c.patience); err != nil {
		found = append(found, err)
	}
	return found
}

// check is one run of the checks.
type check struct {
	ctx      context.Context
	w        ballast.World
	task     *ballast.Task
	want     []string // what gold's calls answer
	patience time.Duration
}

// safely runs do and turns its panic into an error.
func safely(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return do()
}

func (c *check) tools() error {
	tools, err := c.task.Tools, error(nil)
	if tools == nil {
		if tools, err = c.w.Tools(c.ctx, c.task); err != nil {
			return err
		}
	}
	if len(tools) == 0 {
		return errors.New("there are none")
	}
	seen := map[string]bool{}
	for _, t := range tools {
		if t.Name == "" || seen[t.Name] {
			return fmt.Errorf("the name %q is empty or occurs twice", t.Name)
		}
		seen[t.Name] = true
	}
	return nil
}

// gold plays the gold calls in a session of its own.
func (c *check) gold() (answers []string, err error) {
	s, err := c.w.Open(c.ctx, c.task)
	if err != nil {
		return nil, fmt.Errorf("Open: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, turn := range c.task.Turns {
		for _, call := range turn.Gold {
			before := value.FormatCall(call)
			answer, err := s.Call(c.ctx, call)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", before, err)
			}
			if after := value.FormatCall(call); after != before {
				return nil, fmt.Errorf("%s was changed to %s", before, after)
			}
			answers = append(answers, answer)
		}
	}
	return answers, nil
}

func (c *check) answers() (err error) {
	if c.want, err = c.gold(); err != nil {
		return err
	}
	if len(c.want) == 0 {
		return errors.New("the task has no gold calls, so that nothing is known")
	}
	return c.again()
}

// again plays gold once more and compares.
func (c *check) again() error {
	got, err := c.gold()
	if err != nil {
		return err
	}
	for i := range min(len(got), len(c.want)) {
		if got[i] != c.want[i] {
			return fmt.Errorf("call %d answers %q, and %q in another session", i, c.want[i], got[i])
		}
	}
	return nil
}

func (c *check) beside() error {
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = safely(c.again) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// calls are gold's and some that make no sense.
func (c *check) calls() (calls []ballast.Call) {
	names := []string{"", "no such function"}
	for _, turn := range c.task.Turns {
		for _, call := range turn.Gold {
			if !slices.Contains(names, call.Name) {
				names = append(names, call.Name)
			}
		}
	}
	for _, name := range names {
		for _, args := range [][]ballast.Arg{nil, {{Value: nil}}, {{Name: "no such argument", Value: "x"}},
			{{Value: "\x00\xff"}, {Value: int64(-1)}, {Value: 1e300}}, {{Name: "a", Value: value.NewList(nil, value.NewDict("a", true))}}} {
			calls = append(calls, ballast.Call{Name: name, Args: args})
		}
	}
	return calls
}

func (c *check) odd() error {
	s, err := c.w.Open(c.ctx, c.task)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, call := range c.calls() {
		if _, err := s.Call(c.ctx, call); err != nil {
			return fmt.Errorf("%s is an error of the machine: %w", value.FormatCall(call), err)
		}
	}
	return c.again()
}

// first is gold's first call.
func (c *check) first() (call ballast.Call) {
	for _, turn := range c.task.Turns {
		for _, call := range turn.Gold {
			return call
		}
	}
	return call
}

func (c *check) ended() error {
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	return c.within(ctx)
}

func (c *check) ends() error {
	ctx, cancel := context.WithTimeout(c.ctx, time.Millisecond)
	defer cancel()
	return c.within(ctx)
}

// within makes a call that must come back soon.
func (c *check) within(ctx context.Context) error {
	s, err := c.w.Open(c.ctx, c.task)
	if err != nil {
		return err
	}
	defer s.Close()
	done := make(chan error, 1)
	go func() {
		done <- safely(func() error { s.Call(ctx, c.first()); return nil })
	}()
	<-ctx.Done()
	select {
	case err := <-done:
		return err
	case <-time.After(c.patience):
		return fmt.Errorf("the call goes on %s after its context has ended", c.patience)
	}
}

func (c *check) closing() error {
	s, err := c.w.Open(c.ctx, c.task)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		done <- safely(func() error { s.Call(c.ctx, c.first()); s.Close(); return nil })
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(c.patience):
		return fmt.Errorf("a call, or a second Close, after Close does not come back within %s", c.patience)
	}
}

// holding is what a process holds.
type holding struct{ goroutines, files int }

// held counts. Where the system does not tell, no files are open.
func held() holding {
	files, _ := os.ReadDir("/proc/self/fd")
	return holding{runtime.NumGoroutine(), len(files)}
}

// leak waits until no more is held than before.
func leak(before holding, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		now := held()
		if now.goroutines <= before.goroutines && now.files <= before.files {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("closed sessions leave %d goroutines and %d open files", now.goroutines-before.goroutines, now.files-before.files)
		}
	}
}
