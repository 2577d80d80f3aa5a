//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package confined

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"

	"ballast/confined/self"
)

// errNoMain is what Run and Start answer in a program that never called Main.
var errNoMain = errors.New("confined: a child process of this program starts strangers' programs: call confined.Main() first thing in main")

// mainCalled says that this program can be its own supervisor.
var mainCalled atomic.Bool

// Main must be called first thing in main, and in TestMain of tests that run programs. In the
// supervisor it holds them and does not return. In any other process it returns at once,
// and Run and Start work from then on.
func Main() {
	if self.Is(role) {
		os.Exit(supervise())
	}
	mainCalled.Store(true)
}

// client is the connection to the supervisor of this process. When that is gone, another takes its place.
type client struct {
	conn frames
	cmd  *exec.Cmd
	send sync.Mutex // of whole frames
	mu   sync.Mutex
	last uint64
	live map[uint64]*sandbox // nil when the supervisor is gone
	gone error
}

var current struct {
	sync.Mutex
	*client
}

// sandbox is a program and all that it started, which the supervisor holds.
type sandbox struct {
	client   *client
	id       uint64
	process  int
	started  chan report // the first report of it
	memories chan int64
	measure  sync.Mutex
	ended    func(Exit)
}

// start has a program started with its standard files. ended is called once, when it is gone.
func start(ctx context.Context, r resolved, l Limits, files []*os.File, ended func(Exit)) (tree, string, error) {
	c, err := running()
	if err != nil {
		return nil, "", err
	}
	b := &sandbox{client: c, started: make(chan report, 1), memories: make(chan int64, 1), ended: ended}
	c.mu.Lock()
	if c.live == nil {
		err = c.gone
	} else {
		c.last++
		b.id = c.last
		c.live[b.id] = b
	}
	c.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	o := order{ID: b.id, Do: orderStart, What: r, Temp: os.TempDir(), Time: l.Time, Memory: l.Memory, Processes: l.Processes}
	if err := c.order(o, files...); err != nil {
		c.drop(b.id)
		return nil, "", err
	}
	select {
	case got := <-b.started:
		if got.Failed != "" {
			return nil, "", errors.New(got.Failed)
		}
		b.process = got.Pid
		return b, got.Dir, nil
	case <-ctx.Done():
		b.kill("")
		return nil, "", context.Cause(ctx)
	}
}

func (b *sandbox) pid() int { return b.process }

func (b *sandbox) kill(limit string) {
	// Where it cannot be sent the supervisor is gone, and the program with it.
	_ = b.client.order(order{ID: b.id, Do: orderKill, Limit: limit})
}

func (b *sandbox) memory(ctx context.Context) (int64, error) {
	b.measure.Lock()
	defer b.measure.Unlock()
	if err := b.client.order(order{ID: b.id, Do: orderMemory}); err != nil {
		return 0, err
	}
	select {
	case n := <-b.memories:
		return n, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// running is the supervisor, which it starts where there is none.
func running() (*client, error) {
	if !mainCalled.Load() {
		return nil, errNoMain
	}
	current.Lock()
	defer current.Unlock()
	if c := current.client; c != nil {
		c.mu.Lock()
		alive := c.live != nil
		c.mu.Unlock()
		if alive {
			return c, nil
		}
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd, err := self.Command(context.Background(), role) // it outlives who needs it first
	if err != nil {
		ours.Close()
		return nil, err
	}
	c := &client{cmd: cmd, live: map[uint64]*sandbox{}}
	said := &tail{}
	cmd.Stderr = said
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C is this process's to handle
	if c.conn, err = newFrames(ours); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		c.conn.Close()
		return nil, fmt.Errorf("starting the supervisor: %w", err)
	}
	go c.listen(said)
	current.client = c
	return c, nil
}

// order sends one.
func (c *client) order(o order, files ...*os.File) error {
	c.send.Lock()
	defer c.send.Unlock()
	if err := c.conn.write(o, files...); err != nil {
		return fmt.Errorf("the supervisor of programs: %w", err)
	}
	return nil
}

// drop forgets a program.
func (c *client) drop(id uint64) *sandbox {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.live[id]
	delete(c.live, id)
	return b
}

// listen takes reports until the supervisor is gone.
func (c *client) listen(said *tail) {
	var err error
	for {
		var r report
		if _, err = c.conn.read(&r); err != nil {
			break
		}
		c.take(r)
	}
	c.conn.Close()
	status := c.cmd.Wait()
	c.mu.Lock()
	left := c.live
	c.live, c.gone = nil, fmt.Errorf("the supervisor of programs is gone (%w, %v): %s", err, status, said.String())
	c.mu.Unlock()
	for _, b := range left {
		b.lost(c.gone)
	}
}

// lost ends a program whose supervisor is gone: it started, or it never will.
func (b *sandbox) lost(err error) {
	select {
	case b.started <- report{Failed: err.Error()}:
	default:
	}
	go b.ended(Exit{Code: -1, Lost: err.Error()})
}

func (c *client) take(r report) {
	c.mu.Lock()
	b := c.live[r.ID]
	c.mu.Unlock()
	switch {
	case b == nil:
	case r.Exit != nil:
		c.drop(r.ID)
		go b.ended(*r.Exit)
	case r.Memory != nil:
		select {
		case b.memories <- *r.Memory:
		default:
		}
	default:
		if r.Failed != "" {
			c.drop(r.ID)
		}
		b.started <- r
	}
}
