package confined

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ballast/bounded"
)

// StderrTail is how many bytes of the end of stderr are kept.
const StderrTail = 8 << 10

// drainTime is how long the rest of stderr is waited for after the end of a program.
const drainTime = time.Second

// closeTime is how long Close waits for the end of a program that it has killed.
var closeTime = 15 * time.Second // a variable for tests

// Process is a program that runs. Its fields are for one reader and one writer, its methods for everybody.
// Who starts one closes it.
type Process struct {
	Stdin io.WriteCloser
	// Stdout fails with a *LimitError, and the program is ended, where the program says more than
	// Limits.Output since the last write to Stdin.
	Stdout io.ReadCloser

	command Command
	tree    tree
	dir     string
	killed  atomic.Bool
	exit    Exit
	done    chan struct{} // closed when exit is known
	tail    tail
	files   []*os.File // our ends of stdin, stdout, stderr
	close   sync.Once
	stuck   error // what Close answers
}

// tree is a program and all that it started, as a system holds them.
type tree interface {
	pid() int
	// kill ends it; limit is the limit that it passed, or "".
	kill(limit string)
	// memory is how many bytes are resident, 0 where nobody can tell.
	memory(ctx context.Context) (int64, error)
}

// Start starts a program to talk to; the context bounds the start alone. It runs until it ends, passes a limit,
// is closed, or this process is gone.
func Start(ctx context.Context, c Command) (*Process, error) { return launch(ctx, c, true) }

// launch starts a program. A dialogue's limit on output counts from the last input on.
func launch(ctx context.Context, c Command, dialogue bool) (_ *Process, err error) {
	defer func() {
		if err != nil && len(c.Argv) > 0 {
			err = fmt.Errorf("starting %s: %w", c.Argv[0], err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	c.Limits = c.Limits.filled()
	r, err := c.resolve()
	if err != nil {
		return nil, err
	}
	p := &Process{command: c, done: make(chan struct{})}
	theirs, err := p.pipes()
	if err != nil {
		return nil, err
	}
	defer func() { // the program has its own
		for _, f := range theirs {
			f.Close()
		}
		if err != nil {
			for _, f := range p.files {
				f.Close()
			}
		}
	}()
	if p.tree, p.dir, err = start(ctx, r, c.Limits, theirs, p.ended); err != nil {
		return nil, err
	}
	m := &meter{p: p, f: p.files[1]}
	m.left.Store(c.Limits.Output)
	p.Stdout, p.Stdin = m, p.files[0]
	if dialogue {
		p.Stdin = &input{p.files[0], m}
	}
	go p.tail.read(p.files[2], c.Log)
	return p, nil
}

// pipes makes the program's standard files and returns its ends.
func (p *Process) pipes() (theirs []*os.File, err error) {
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			for _, f := range append(theirs, p.files...) {
				f.Close()
			}
			return nil, err
		}
		if i == 0 {
			r, w = w, r
		}
		p.files, theirs = append(p.files, r), append(theirs, w)
	}
	p.tail.done = make(chan struct{})
	return theirs, nil
}

// ended takes the end of the program, once.
func (p *Process) ended(e Exit) {
	e.Killed = e.Limit == "" && p.killed.Load()
	switch e.Limit {
	case LimitTime:
		e.Bound = p.command.Limits.Time.String()
	case LimitMemory:
		e.Bound = bounded.Bytes(p.command.Limits.Memory)
	case LimitOutput:
		e.Bound = bounded.Bytes(p.command.Limits.Output)
	case LimitProcesses:
		e.Bound = fmt.Sprint(p.command.Limits.Processes)
	}
	select { // nobody of the tree holds it any more
	case <-p.tail.done:
	case <-time.After(drainTime):
	}
	p.exit = e
	close(p.done)
}

// Pid is the number of the program's process, Dir its working directory.
func (p *Process) Pid() int { return p.tree.pid() }

// Dir is the program's working directory.
func (p *Process) Dir() string { return p.dir }

// Done is closed when the program and all that it started are gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for that, and says how the program ended.
func (p *Process) Wait() Exit {
	<-p.done
	return p.exit
}

// Kill ends the program and all that it started. It does not wait.
func (p *Process) Kill() {
	p.killed.Store(true)
	p.tree.kill("")
}

// Close closes the program's input, waits so long for it to end by itself, ends it, and gives back what the Process
// holds. It may come again. The error names a program that the system does not end: Close does not wait for it
// any longer, and Wait goes on waiting.
func (p *Process) Close(grace time.Duration) error {
	p.close.Do(func() {
		_ = p.Stdin.Close()
		if grace > 0 {
			timer := time.NewTimer(grace)
			defer timer.Stop()
			select {
			case <-p.done:
			case <-timer.C:
			}
		}
		p.Kill()
		timer := time.NewTimer(closeTime)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
			p.stuck = fmt.Errorf("%s, process %d, was killed %s ago and does not end; it may hang in a call of the system, on a disk "+
				"or a network drive", p.command.Argv[0], p.Pid(), closeTime)
		}
		for _, f := range p.files {
			f.Close()
		}
	})
	return p.stuck
}

// Stderr is the end of what the program wrote there so far, at most StderrTail bytes.
func (p *Process) Stderr() string { return p.tail.String() }

// errGone is what Memory answers of a program that is gone.
var errGone = errors.New("the program is gone")

// Memory is how many bytes the program and all that it started have resident; 0 where the system does not tell.
// Of a program that is gone, or goes meanwhile, it is an error.
func (p *Process) Memory(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	asked := make(chan struct{})
	defer close(asked)
	go func() {
		select {
		case <-p.done:
			cancel(errGone)
		case <-asked:
		}
	}()
	return p.tree.memory(ctx)
}

// filled has the defaults in place of zeros; that of Time is Run's.
func (l Limits) filled() Limits {
	if l.Memory <= 0 {
		l.Memory = DefaultMemory
	}
	if l.Output <= 0 {
		l.Output = DefaultOutput
	}
	if l.Processes <= 0 {
		l.Processes = DefaultProcesses
	}
	return l
}

// meter reads stdout and counts.
type meter struct {
	p    *Process
	f    *os.File
	left atomic.Int64
}

func (m *meter) Read(b []byte) (int, error) {
	if m.left.Load() < 0 {
		return 0, m.over()
	}
	n, err := m.f.Read(b)
	if left := m.left.Add(-int64(n)); left < 0 {
		m.p.tree.kill(LimitOutput)
		return n + int(max(left, -int64(n))), m.over()
	}
	return n, err
}

func (m *meter) over() error {
	return &LimitError{LimitOutput, bounded.Bytes(m.p.command.Limits.Output)}
}

func (m *meter) Close() error { return m.f.Close() }

// input is stdin of a dialogue: whoever asks again allows output again.
type input struct {
	f *os.File
	m *meter
}

func (i *input) Write(b []byte) (int, error) {
	if i.m.left.Load() >= 0 {
		i.m.left.Store(i.m.p.command.Limits.Output)
	}
	return i.f.Write(b)
}

func (i *input) Close() error { return i.f.Close() }

// tail keeps the end of stderr.
type tail struct {
	mu   sync.Mutex
	last []byte
	done chan struct{} // closed when all was read
}

// logLine bounds a line that is logged.
const logLine = 16 << 10

func (t *tail) read(f io.Reader, log io.Writer) {
	defer close(t.done)
	var line []byte // not yet logged
	buf := make([]byte, 4<<10)
	for {
		n, err := f.Read(buf)
		t.add(buf[:n])
		if log != nil {
			line = append(line, buf[:n]...)
			end := bytes.LastIndexByte(line, '\n') + 1
			if err != nil || end == 0 && len(line) > logLine {
				if end = len(line); end > 0 && line[end-1] != '\n' {
					line = append(line, '\n')
					end++
				}
			}
			if end > 0 {
				if _, err := log.Write(line[:end]); err != nil {
					log = nil
				}
				line = append(line[:0], line[end:]...)
			}
		}
		if err != nil {
			return
		}
	}
}

// Write adds to the end.
func (t *tail) Write(b []byte) (int, error) {
	t.add(b)
	return len(b), nil
}

func (t *tail) add(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last = append(t.last, b...); len(t.last) > 2*StderrTail {
		t.last = append(t.last[:0], t.last[len(t.last)-StderrTail:]...)
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.last[max(0, len(t.last)-StderrTail):])
}
