//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package confined

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// endTime is how long the supervisor tries to end processes that will not go.
	endTime = 5 * time.Second
	// lookEvery is the least time between two looks at memory; looking takes at most 1/lookShare of a core.
	lookEvery, lookShare = 100 * time.Millisecond, 20
)

// member is a living process below the supervisor.
type member struct {
	pid      int
	tree     uint64 // id of the program that started it; 0: nobody knows
	resident int64  // bytes
}

// program is one that the supervisor holds.
type program struct {
	order
	pid    int
	base   string // its folder
	passed string // the limit
	peak   int64
	timer  *time.Timer
	reaped bool
}

// supervisor is the state of the process that holds the programs.
type supervisor struct {
	conn  frames
	send  sync.Mutex
	mu    sync.Mutex
	byID  map[uint64]*program // until it is gone with all that it started
	byPid map[int]*program    // until it was reaped
	base  string              // folder of all
	wake  chan struct{}
}

// supervise holds programs until the other end of the socket is closed, then ends all. It returns the exit status.
func supervise() int {
	runtime.LockOSThread() // the parent of the programs, to the system, is this thread
	syscall.CloseOnExec(3)
	conn, err := newFrames(os.NewFile(3, "trainer"))
	if err == nil {
		err = adopt()
	}
	if err != nil {
		fmt.Fprintln(os.NewFile(2, "stderr"), err)
		return 2
	}
	s := &supervisor{conn: conn, byID: map[uint64]*program{}, byPid: map[int]*program{}, wake: make(chan struct{}, 1)}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-asked
		conn.Close() // as if the trainer were gone
	}()
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go s.reap(children)
	go s.watch()
	for {
		var o order
		fds, err := conn.read(&o)
		if err != nil {
			break
		}
		s.obey(o, fds)
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
	}
	s.endAll()
	if s.base != "" {
		sweep(s.base)
	}
	return 0
}

// say sends a report. Where the other end is gone, so is this process soon.
func (s *supervisor) say(r report) {
	s.send.Lock()
	defer s.send.Unlock()
	_ = s.conn.write(r)
}

func (s *supervisor) obey(o order, fds []int) {
	switch o.Do {
	case orderStart:
		p, dir, err := s.begin(o, fds)
		if err != nil {
			s.say(report{ID: o.ID, Failed: err.Error()})
			return
		}
		s.say(report{ID: o.ID, Pid: p.pid, Dir: dir})
		go s.follow(p)
	case orderKill:
		s.end(o.ID, o.Limit)
	case orderMemory:
		go func() {
			sum := int64(0)
			for _, m := range s.members() {
				if m.tree == o.ID {
					sum += m.resident
				}
			}
			s.say(report{ID: o.ID, Memory: &sum})
		}()
	}
}

// begin starts a program. It runs on the thread that lives as long as this process.
func (s *supervisor) begin(o order, fds []int) (p *program, dir string, err error) {
	if s.base == "" {
		if s.base, err = os.MkdirTemp(o.Temp, "ballast-confined-*"); err != nil {
			return nil, "", err
		}
	}
	p = &program{order: o, base: filepath.Join(s.base, strconv.FormatUint(o.ID, 10))}
	defer func() {
		if err != nil {
			sweep(p.base)
		}
	}()
	dir, env, err := settle(o.What, p.base)
	if err != nil {
		return nil, "", err
	}
	files := make([]uintptr, len(fds))
	for i, fd := range fds {
		files[i] = uintptr(fd)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = marked(o.ID, func() (err error) {
		p.pid, err = syscall.ForkExec(o.What.Path, o.What.Argv, &syscall.ProcAttr{Dir: dir, Env: env, Files: files, Sys: attributes()})
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", o.What.Path, err)
	}
	s.byID[o.ID], s.byPid[p.pid] = p, p
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return p, dir, nil
}

// follow sets a program's clock, after its start was reported.
func (s *supervisor) follow(p *program) {
	if p.Time > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !p.reaped {
			p.timer = time.AfterFunc(p.Time, func() { s.end(p.ID, LimitTime) })
		}
	}
}

// end ends a program; the rest of its tree follows when it was reaped.
func (s *supervisor) end(id uint64, limit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byID[id]
	if p == nil || p.reaped {
		return
	}
	if p.passed == "" {
		p.passed = limit
	}
	// It has not been reaped: the number is its own.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
}

// reap collects what has ended: programs, and orphans that this process adopted.
func (s *supervisor) reap(children <-chan os.Signal) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for s.reapOne() {
		}
		select {
		case <-children:
		case <-tick.C:
		}
	}
}

func (s *supervisor) reapOne() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	if err != nil || pid <= 0 {
		return err == syscall.EINTR
	}
	if p := s.byPid[pid]; p != nil {
		delete(s.byPid, pid)
		p.reaped = true
		if p.timer != nil {
			p.timer.Stop()
		}
		go s.finish(p, status)
	}
	return true
}

// finish ends what a program left behind, and reports.
func (s *supervisor) finish(p *program, status syscall.WaitStatus) {
	left := s.endTree(p)
	sweep(p.base)
	s.mu.Lock()
	delete(s.byID, p.ID)
	e := Exit{Code: status.ExitStatus(), Limit: p.passed, Peak: p.peak, Left: left}
	s.mu.Unlock()
	if status.Signaled() {
		e.Code, e.Signal = -1, status.Signal().String()
	}
	s.say(report{ID: p.ID, Exit: &e})
}

// endTree ends what a program started that goes on without it, and returns how many will not end.
func (s *supervisor) endTree(p *program) int {
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // its group, if it has any members left
	return s.until(func(m member) bool { return m.tree == p.ID })
}

// endAll ends everything below this process.
func (s *supervisor) endAll() int {
	s.mu.Lock()
	for pid := range s.byPid {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	s.mu.Unlock()
	return s.until(func(member) bool { return true })
}

// until kills the members that fit, again and again, until there are none or the time is up.
func (s *supervisor) until(fits func(member) bool) (n int) {
	wait := time.Millisecond
	for deadline := time.Now().Add(endTime); ; time.Sleep(wait) {
		n = 0
		for _, m := range s.members() {
			if fits(m) {
				n++
				_ = syscall.Kill(m.pid, syscall.SIGKILL)
			}
		}
		if n == 0 || time.Now().After(deadline) {
			return n
		}
		wait = min(2*wait, 50*time.Millisecond)
	}
}

// members are the living processes below this one, with the programs that they belong to.
func (s *supervisor) members() []member {
	s.mu.Lock()
	roots := make(map[int]uint64, len(s.byPid))
	for pid, p := range s.byPid {
		roots[pid] = p.ID
	}
	s.mu.Unlock()
	return below(os.Getpid(), roots)
}

// watch looks at memory and numbers of processes while there are programs.
func (s *supervisor) watch() {
	for {
		begun := time.Now()
		if s.look() == 0 {
			<-s.wake
			continue
		}
		time.Sleep(max(lookEvery, lookShare*time.Since(begun)))
	}
}

// look ends the programs that pass their limits, and processes of programs that are gone. It returns how many programs there are.
func (s *supervisor) look() int {
	type use struct {
		resident  int64
		processes int
	}
	uses := map[uint64]use{}
	all := s.members()
	for _, m := range all {
		u := uses[m.tree]
		uses[m.tree] = use{u.resident + m.resident, u.processes + 1}
	}
	over := map[uint64]string{}
	s.mu.Lock()
	for id, p := range s.byID {
		u := uses[id]
		p.peak = max(p.peak, u.resident)
		switch {
		case u.resident > p.Memory:
			over[id] = LimitMemory
		case u.processes > p.Processes:
			over[id] = LimitProcesses
		}
	}
	for _, m := range all {
		// One that is being started has no entry yet; it has our lock, and is in none of these lists.
		if s.byID[m.tree] == nil {
			_ = syscall.Kill(m.pid, syscall.SIGKILL)
		}
	}
	n := len(s.byID)
	s.mu.Unlock()
	for id, limit := range over {
		s.end(id, limit)
	}
	return n
}
