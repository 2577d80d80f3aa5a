package jinja

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"ballast/value"
)

// ErrNoMain is what Apart answers in a program that never called Main.
var ErrNoMain = errors.New("jinja: templates of strangers run in a child process of this program: call jinja.Main() first thing in main")

// grace is how long a child may take over its own limit on time, to start and to answer.
const grace = 2 * time.Second

// Apart renders source once for every set of variables, all in one child process, and answers in
// their order. The child runs no program but this one, has no environment, and ends with this
// process. A render that fails, or passes a limit on steps, output, depth or time, has its error in its Result.
// When the child itself has to be ended, the renders after it have the same error. The error
// of Apart itself says that no child could be started or that ctx ended.
func Apart(ctx context.Context, source string, data []*value.Dict) ([]Result, error) {
	return apart(ctx, source, data, DefaultLimits)
}

func apart(ctx context.Context, source string, data []*value.Dict, limits Limits) ([]Result, error) {
	if !mainCalled.Load() {
		return nil, ErrNoMain
	}
	results := make([]Result, len(data))
	if len(source) > limits.Source {
		for i := range results {
			results[i].Err = sourceLimit(limits)
		}
		return results, nil
	}
	if len(data) == 0 {
		return results, ctx.Err()
	}
	c, err := start(ctx, limits)
	if err != nil {
		return nil, err
	}
	defer c.end()
	if err := c.send(source, limits); err != nil {
		return nil, c.lost(err)
	}
	for i, d := range data {
		results[i], err = c.render(d)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err = c.lost(err)
		for j := i; j < len(results); j++ {
			results[j] = Result{Err: err}
		}
		break
	}
	return results, nil
}

// child is a running child process.
type child struct {
	cmd      *exec.Cmd
	requests *os.File
	replies  *os.File
	w        *bufio.Writer
	r        *bufio.Reader
	limits   Limits
	stderr   tail
	kill     context.CancelFunc
	waited   func() error
	late     bool // it was ended because it took too long
}

func start(ctx context.Context, limits Limits) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("jinja: a child process needs this program's file: %w", err)
	}
	theirs, requests, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("jinja: %w", err)
	}
	replies, answers, err := os.Pipe()
	if err != nil {
		theirs.Close()
		requests.Close()
		return nil, fmt.Errorf("jinja: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &child{requests: requests, replies: replies, w: bufio.NewWriter(requests), r: bufio.NewReader(replies), limits: limits, kill: cancel}
	c.cmd = exec.CommandContext(ctx, exe)
	c.cmd.Args = []string{childName}
	c.cmd.Env = []string{}                      // not nil: nil is this process's own
	c.cmd.Stdin, c.cmd.Stdout = theirs, answers // the only two that every system hands on
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = time.Second
	err = c.cmd.Start()
	theirs.Close()
	answers.Close()
	if err != nil {
		cancel()
		requests.Close()
		replies.Close()
		return nil, fmt.Errorf("jinja: starting a child process: %w", err)
	}
	c.waited = sync.OnceValue(c.cmd.Wait)
	return c, nil
}

func (c *child) send(source string, limits Limits) error {
	text, err := json.Marshal(limits)
	if err != nil {
		return err
	}
	if err := writeFrame(c.w, frameLimits, string(text)); err != nil {
		return err
	}
	return writeFrame(c.w, frameSource, source)
}

// render has one set of variables rendered. Its error says that the child is gone.
func (c *child) render(d *value.Dict) (Result, error) {
	text, err := value.JSON(d)
	if err != nil {
		return Result{Err: fmt.Errorf("the variables: %w", err)}, nil
	}
	if len(text) > c.limits.Data {
		return Result{Err: &LimitError{"data", fmt.Sprintf("%d bytes", c.limits.Data)}}, nil
	}
	timer := time.AfterFunc(c.limits.Time+grace, func() { c.kill() })
	defer func() {
		if !timer.Stop() {
			c.late = true
		}
	}()
	if err := writeFrame(c.w, frameData, text); err != nil {
		return Result{}, err
	}
	kind, text, err := readFrame(c.r, c.limits.Output+1<<20)
	if err != nil {
		return Result{}, err
	}
	switch kind {
	case frameText:
		return Result{Text: text}, nil
	case frameError:
		e := new(Error)
		if err := json.Unmarshal([]byte(text), e); err != nil {
			return Result{}, err
		}
		return Result{Err: e}, nil
	case frameFailed:
		return Result{Err: errors.New(text)}, nil
	case frameLimited:
		limit, bound, _ := strings.Cut(text, "\x00")
		return Result{Err: &LimitError{limit, bound}}, nil
	}
	return Result{}, fmt.Errorf("a reply of kind %q", kind)
}

// lost says why the child is gone.
func (c *child) lost(err error) error {
	c.kill()
	status := c.waited()
	said := c.stderr.String()
	switch {
	case c.late:
		return &LimitError{"time", c.limits.Time.String()}
	case c.cmd.ProcessState.ExitCode() == exitMemory,
		strings.Contains(said, "out of memory"), strings.Contains(said, "cannot allocate memory"):
		return &LimitError{"memory", memoryText(c.limits.Memory)}
	case strings.Contains(said, "stack exceeds"):
		return &LimitError{"depth", fmt.Sprint(c.limits.Depth)}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	return fmt.Errorf("jinja: the child process that renders the template ended (%v, %v): %s", status, err, first)
}

// end lets the child go and waits until it is gone.
func (c *child) end() {
	c.requests.Close()
	c.kill()
	// How it ended was said where it mattered.
	_ = c.waited()
	c.replies.Close()
}

// tail keeps the first bytes that a child writes to its error output.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write implements io.Writer and forgets what is too much.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p[:min(len(p), 4096-len(t.b))]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
