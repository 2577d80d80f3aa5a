package jinja

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"ballast/confined/self"
	"ballast/value"
)

// errNoMain is what Apart answers in a program that never called Main.
var errNoMain = errors.New("jinja: templates of strangers run in a child process of this program: call jinja.Main() first thing in main")

const (
	// childName is the child's role.
	childName = "ballast: jinja template in a child process"
	// grace is how long a child may take over its own limit on time, to start and to answer.
	grace = 2 * time.Second
	// exitMemory is the status of a child that ended itself because of its memory.
	exitMemory = 86
)

// mainCalled says that this program can be its own child.
var mainCalled atomic.Bool

// request is what a child reads, once.
type request struct {
	Source string
	Data   []string // variables as JSON
	Limits Limits
}

// reply is a Result as a child writes it, one for each set of variables.
type reply struct {
	Text  string
	Own   *Error
	Limit *LimitError
	Other string // any other error
}

// Apart renders source once for every set of variables, all in one child process, and answers in
// their order. The child runs no program but this one, has no environment, and ends with this
// process. A render that fails, or passes a limit on steps, output, depth or time, has its error in its Result.
// When the child itself has to be ended, the renders after it have the same error. The error
// of Apart itself says that no child could be started, that variables are no JSON, or that ctx ended.
func Apart(ctx context.Context, source string, data []*value.Dict) ([]Result, error) {
	return apart(ctx, source, data, DefaultLimits)
}

func apart(parent context.Context, source string, data []*value.Dict, limits Limits) ([]Result, error) {
	if !mainCalled.Load() {
		return nil, errNoMain
	}
	q := request{Source: source, Limits: limits}
	for _, d := range data {
		text, err := value.JSON(d)
		if err != nil {
			return nil, fmt.Errorf("jinja: the variables: %w", err)
		}
		q.Data = append(q.Data, text)
	}
	ctx, kill := context.WithCancel(parent)
	defer kill()
	cmd, err := self.Command(ctx, childName)
	if err != nil {
		return nil, fmt.Errorf("jinja: %w", err)
	}
	var said bytes.Buffer
	cmd.Stderr, cmd.WaitDelay = &said, time.Second
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("jinja: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("jinja: starting a child process: %w", err)
	}
	var late atomic.Bool
	timer := time.AfterFunc(limits.Time+grace, func() {
		late.Store(true)
		kill()
	})
	results := make([]Result, len(data))
	done := 0
	err = gob.NewEncoder(in).Encode(q)
	for answers := gob.NewDecoder(out); err == nil && done < len(data); {
		var a reply
		if err = answers.Decode(&a); err == nil {
			results[done] = a.result()
			done++
			timer.Reset(limits.Time + grace)
		}
	}
	timer.Stop()
	kill()
	status := cmd.Wait()
	if err == nil {
		return results, nil
	}
	if parent.Err() != nil {
		return nil, parent.Err()
	}
	err = lost(late.Load(), cmd.ProcessState.ExitCode(), said.String(), limits, errors.Join(err, status))
	for i := range results[done:] {
		results[done+i] = Result{Err: err}
	}
	return results, nil
}

// lost says why a child is gone.
func lost(late bool, exit int, said string, limits Limits, err error) error {
	switch {
	case late:
		return &LimitError{"time", limits.Time.String()}
	case exit == exitMemory, strings.Contains(said, "out of memory"), strings.Contains(said, "cannot allocate memory"):
		return &LimitError{"memory", fmt.Sprintf("%d MiB", limits.Memory>>20)}
	case strings.Contains(said, "stack exceeds"):
		return depthLimit(limits)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	return fmt.Errorf("jinja: the child process that renders the template ended (%w): %s", err, first)
}

func (a *reply) result() Result {
	switch {
	case a.Own != nil:
		return Result{Err: a.Own}
	case a.Limit != nil:
		return Result{Err: a.Limit}
	case a.Other != "":
		return Result{Err: errors.New(a.Other)}
	}
	return Result{Text: a.Text}
}

// Main must be called first thing in main, and in TestMain of tests that call Apart. In a
// child that Apart started it renders what the parent sends and does not return. In
// any other process it returns at once, and Apart works from then on.
func Main() {
	if self.Is(childName) {
		if err := serve(os.Stdin, os.NewFile(uintptr(syscall.Stdout), "replies")); err != nil {
			os.Exit(2)
		}
		os.Exit(0)
	}
	mainCalled.Store(true)
}

// serve answers the request of the parent, which keeps its end of in open: when that is closed,
// however the parent ended, this process ends too.
func serve(in io.Reader, out io.Writer) error {
	var q request
	if err := gob.NewDecoder(in).Decode(&q); err != nil {
		return err
	}
	go func() {
		// However it ended.
		_, _ = io.Copy(io.Discard, in)
		os.Exit(0)
	}()
	go watchMemory(q.Limits.Memory)
	p, failed := compile(q.Source, q.Limits)
	answers := gob.NewEncoder(out)
	for _, text := range q.Data {
		if err := answers.Encode(answer(p, failed, text, q.Limits)); err != nil {
			return err
		}
	}
	return nil
}

func answer(p *program, err error, data string, limits Limits) (a reply) {
	if err == nil {
		var v any
		if v, err = value.ParseJSON([]byte(data)); err == nil {
			a.Text, err = p.render(v.(*value.Dict), limits)
		}
	}
	if err != nil && !errors.As(err, &a.Own) && !errors.As(err, &a.Limit) {
		a.Other = err.Error()
	}
	return a
}

// watchMemory ends the process when its memory passes the limit. It looks every few milliseconds:
// what a render makes between two looks is bounded by its limit on output.
func watchMemory(limit int64) {
	debug.SetMemoryLimit(limit)
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for {
		metrics.Read(sample)
		if used := sample[0].Value.Uint64() - sample[1].Value.Uint64(); used > uint64(limit) {
			os.Exit(exitMemory)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
