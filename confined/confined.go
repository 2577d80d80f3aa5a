// Package confined runs strangers' programs: tool servers, programs that grade. They get a
// working directory, an environment without keys, and limits of time, memory, output and number of processes.
//
// Run runs a program to its end. Start starts one that is talked to. A supervisor, which is this
// program's own file in another process, starts all of them. It ends the whole tree of a program
// when the program ends, is closed or passes a limit, and all trees when this process is
// gone, however it ended. Main must run first thing in main, and in TestMain.
//
// # What a program gets
//
//   - Its working directory is fresh and removed at its end, unless Command.Dir names one. A
//     file that the program writes by a relative name is therefore gone with it.
//   - Its environment has PATH and LANG of this process, a fresh HOME, a fresh TMPDIR, and what
//     Command.Env names.
//   - The program's name is looked up in PATH and in the working directory of this process. An
//     argument that names a file there, and none in the program's own directory, is made absolute: "python
//     server.py" works. A folder is one only where it is written with a slash or as "." or "..".
//   - No terminal, and no core files.
//
// # How it fails
//
// A program that cannot be started is an error. What it does after that is an Exit: its status,
// the signal that ended it, or the Limit that it passed. Programs are strangers', not enemies: they run with the rights
// of this process, on its files and its network. Memory is watched, a few times a second, and so a program can
// pass its limit for a moment.
//
// A program that the system does not end, since it hangs in a call of the system, is an error of Close after 15 s. Run and
// Wait wait for such a one until it ends.
//
// On Linux no process escapes: not by a new session, nor by a double fork. The supervisor adopts orphans
// and knows them by a resource limit that has no effect (RLIMIT_LOCKS). On other Unix systems a
// tree is its process group: what leaves the group is not ended, and memory and number of processes are not
// limited. On Windows there is no supervisor: the program itself is ended, not what it started, and when this process dies
// the program only sees its input end.
package confined

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Limits of a program. Zeros are the defaults.
type Limits struct {
	Time      time.Duration // of the program's life; 0: a minute in Run, without end in Start
	Memory    int64         // bytes resident, summed over its processes; 0: 2 GiB
	Output    int64         // bytes of stdout: in Run in all, after Start since the last write to Stdin; 0: 16 MiB
	Processes int           // at a time; 0: 256
}

// The defaults of Limits.
const (
	DefaultTime      = time.Minute
	DefaultMemory    = 2 << 30
	DefaultOutput    = 16 << 20
	DefaultProcesses = 256
)

// The limits by name, as Exit has them.
const (
	LimitTime      = "time"
	LimitMemory    = "memory"
	LimitOutput    = "output"
	LimitProcesses = "processes"
)

// Command says what to run.
type Command struct {
	Argv []string // the program and its arguments, as a shell would get them
	Dir  string   // working directory; "": a fresh one, which is removed at the end
	Env  []string // names of variables of this process that the program gets too
	// Log, if not nil, gets the lines of stderr, each with its end, from one goroutine. Its errors end the logging.
	Log    io.Writer
	Limits Limits
}

// Exit says how a program ended.
type Exit struct {
	Code   int    // status; -1 where a signal ended it
	Signal string // that ended it, in the system's words; ""
	Limit  string // that it passed, by name; ""
	Bound  string // of that limit: 2 GiB
	Killed bool   // by Kill or Close of its Process
	Peak   int64  // most bytes resident that were seen; 0 where nobody looked
	Left   int    // processes that the system would not end within seconds
	Lost   string // why nothing else is known: the supervisor is gone; ""
}

// Err is nil if the program ended by itself with status 0.
func (e Exit) Err() error {
	left := ""
	if e.Left > 0 {
		left = fmt.Sprintf("; %d of its processes could not be ended", e.Left)
	}
	switch {
	case e.Lost != "":
		return errors.New(e.Lost)
	case e.Limit != "":
		return &LimitError{e.Limit, e.Bound + left}
	case e.Killed:
		return errors.New("it was ended" + left)
	case e.Signal != "":
		return fmt.Errorf("it was ended by a signal (%s)%s", e.Signal, left)
	case e.Code != 0 || left != "":
		return fmt.Errorf("exit status %d%s", e.Code, left)
	}
	return nil
}

// LimitError says that a program passed a limit.
type LimitError struct {
	Limit string // one of the limits by name
	Bound string
}

// Error names the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("it passed the limit on %s (%s)", e.Limit, e.Bound)
}

// Result is what a program left that ran to its end.
type Result struct {
	Exit
	Stdout  []byte
	Stderr  string // the end of it, at most StderrTail bytes
	Seconds float64
}

// Run runs a program with the input to its end. What the program does, a limit that it passes
// included, is in the Result; the error says that it could not be started, or that ctx has ended.
func Run(ctx context.Context, c Command, stdin []byte) (r Result, err error) {
	if c.Limits.Time == 0 {
		c.Limits.Time = DefaultTime
	}
	start := time.Now()
	p, err := launch(ctx, c, false)
	if err != nil {
		return r, err
	}
	defer p.Close(0)
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()
	var side sync.WaitGroup
	side.Go(func() { // it may end without reading all
		_, _ = p.Stdin.Write(stdin)
		_ = p.Stdin.Close()
	})
	// What goes wrong here is in the exit: the program is gone, or it passed the limit on output.
	r.Stdout, _ = io.ReadAll(p.Stdout)
	r.Exit = p.Wait()
	_ = p.Close(0)
	side.Wait()
	r.Stderr, r.Seconds = p.Stderr(), time.Since(start).Seconds()
	if r.Killed && ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	return r, nil
}
