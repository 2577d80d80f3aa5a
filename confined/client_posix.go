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

// supervisor is the one of this process, as seen from here. One that is gone is replaced.
type supervisor struct {
	conn frames
	cmd  *exec.Cmd
	send sync.Mutex // of whole frames
	mu   sync.Mutex
	last uint64
	live map[uint64]*ward // nil when the supervisor is gone
	gone error
}

var current struct {
	sync.Mutex
	*supervisor
}

// ward is a program in the supervisor's care.
type ward struct {
	s        *supervisor
	id       uint64
	process  int
	started  chan report // the first report of it
	memories chan int64
	measure  sync.Mutex
	ended    func(Exit)
}

// start has a program started with its standard files. ended is called once, when it is gone.
func start(ctx context.Context, r resolved, l Limits, files []*os.File, ended func(Exit)) (tree, string, error) {
	s, err := running()
	if err != nil {
		return nil, "", err
	}
	w := &ward{s: s, started: make(chan report, 1), memories: make(chan int64, 1), ended: ended}
	s.mu.Lock()
	if s.live == nil {
		err = s.gone
	} else {
		s.last++
		w.id = s.last
		s.live[w.id] = w
	}
	s.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	o := order{ID: w.id, Do: orderStart, What: r, Temp: os.TempDir(), Time: l.Time, Memory: l.Memory, Processes: l.Processes}
	if err := s.order(o, files...); err != nil {
		s.drop(w.id)
		return nil, "", err
	}
	select {
	case got := <-w.started:
		if got.Failed != "" {
			return nil, "", errors.New(got.Failed)
		}
		w.process = got.Pid
		return w, got.Dir, nil
	case <-ctx.Done():
		w.kill("")
		return nil, "", context.Cause(ctx)
	}
}

func (w *ward) pid() int { return w.process }

func (w *ward) kill(limit string) {
	// Where it cannot be sent the supervisor is gone, and the program with it.
	_ = w.s.order(order{ID: w.id, Do: orderKill, Limit: limit})
}

func (w *ward) memory(ctx context.Context) (int64, error) {
	w.measure.Lock()
	defer w.measure.Unlock()
	if err := w.s.order(order{ID: w.id, Do: orderMemory}); err != nil {
		return 0, err
	}
	select {
	case n := <-w.memories:
		return n, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// running is the supervisor, which it starts where there is none.
func running() (*supervisor, error) {
	if !mainCalled.Load() {
		return nil, errNoMain
	}
	current.Lock()
	defer current.Unlock()
	if s := current.supervisor; s != nil {
		s.mu.Lock()
		alive := s.live != nil
		s.mu.Unlock()
		if alive {
			return s, nil
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
	s := &supervisor{cmd: cmd, live: map[uint64]*ward{}}
	said := &tail{}
	cmd.Stderr = said
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C is this process's to handle
	if s.conn, err = newFrames(ours); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		s.conn.Close()
		return nil, fmt.Errorf("starting the supervisor: %w", err)
	}
	go s.listen(said)
	current.supervisor = s
	return s, nil
}

// order sends one.
func (s *supervisor) order(o order, files ...*os.File) error {
	s.send.Lock()
	defer s.send.Unlock()
	if err := s.conn.write(o, files...); err != nil {
		return fmt.Errorf("the supervisor of programs: %w", err)
	}
	return nil
}

// drop forgets a program.
func (s *supervisor) drop(id uint64) *ward {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.live[id]
	delete(s.live, id)
	return w
}

// listen takes reports until the supervisor is gone.
func (s *supervisor) listen(said *tail) {
	var err error
	for {
		var r report
		if _, err = s.conn.read(&r); err != nil {
			break
		}
		s.take(r)
	}
	s.conn.Close()
	status := s.cmd.Wait()
	s.mu.Lock()
	left := s.live
	s.live, s.gone = nil, fmt.Errorf("the supervisor of programs is gone (%w, %v): %s", err, status, said.String())
	s.mu.Unlock()
	for _, w := range left {
		w.lost(s.gone)
	}
}

// lost ends a program whose supervisor is gone: it started, or it never will.
func (w *ward) lost(err error) {
	select {
	case w.started <- report{Failed: err.Error()}:
	default:
	}
	go w.ended(Exit{Code: -1, Lost: err.Error()})
}

func (s *supervisor) take(r report) {
	s.mu.Lock()
	w := s.live[r.ID]
	s.mu.Unlock()
	switch {
	case w == nil:
	case r.Exit != nil:
		s.drop(r.ID)
		go w.ended(*r.Exit)
	case r.Memory != nil:
		select {
		case w.memories <- *r.Memory:
		default:
		}
	default:
		if r.Failed != "" {
			s.drop(r.ID)
		}
		w.started <- r
	}
}
