// Package sweep runs many training runs side by side: a method over a grid of
// settings and seeds, or any other list of jobs.
//
// Contract: a run is a directory made by a training process of its own. What was
// stopped goes on where it was: runs that ended stay, others resume. What the
// directories hold is package compare's matter.
//
// How it fails: a key without values is an error; a directory that holds a run of other
// settings is one, and stays as it is while the other runs go on; a run that fails (a bad setting, a
// full disk) is told of with what it said, and the others go on; where the context ends
// before the jobs do, that is an error.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"ballast/compare"
	"ballast/durable"
	"ballast/runlog"
)

// Point is one combination of settings, as key=value pairs.
type Point []string

// Name is the point as a folder name; other points have other names.
func (p Point) Name() string {
	if len(p) == 0 {
		return "default"
	}
	return durable.Name(strings.Join(p, ","))
}

// Before is the name that the version before this one gave the point's folder, which
// other points may have too.
func (p Point) Before() string {
	if len(p) == 0 {
		return "default"
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("/\\ :*?\"<>|", r) {
			return '_'
		}
		return r
	}, strings.Join(p, ","))
}

// Bounds on a grid and its replicates.
const (
	MaxSeeds  = 1000
	maxPoints = 10_000
)

// Grid is every combination of the varied keys: "sft.lr=1e-6,1e-5" and so on.
// Values that hold commas stand in brackets or braces.
func Grid(vary []string) ([]Point, error) {
	points := []Point{nil}
	for _, v := range vary {
		key, list, ok := strings.Cut(v, "=")
		if !ok || key == "" || list == "" {
			return nil, fmt.Errorf("%s: want key=a,b,c, such as sft.lr=1e-6,1e-5", v)
		}
		var next []Point
		for _, p := range points {
			for _, val := range split(list) {
				if next = append(next, append(p[:len(p):len(p)], key+"="+val)); len(next) > maxPoints {
					return nil, fmt.Errorf("%.80s: it makes more than %d combinations", v, maxPoints)
				}
			}
		}
		points = next
	}
	return points, nil
}

// split cuts at the commas that are outside of brackets.
func split(list string) []string {
	var out []string
	depth, start := 0, 0
	for i, r := range list {
		switch r {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, list[start:i])
				start = i + 1
			}
		}
	}
	return append(out, list[start:])
}

// Seed is the directory of a run in a folder of replicates.
func Seed(folder string, seed int) string { return filepath.Join(folder, fmt.Sprintf("seed-%d", seed)) }

// Job is one run.
type Job struct {
	Dir string
	// Before, if not "", is where the run is if it was made under an older name.
	Before string
	// Start gives the arguments of the command that begins the run.
	Start func() ([]string, error)
	// Then are the arguments of commands that follow once the run has ended, by
	// itself too; each must do nothing where its work is done. Enough, if not nil,
	// says that none of them is needed.
	Then   [][]string
	Enough func(*compare.Run) bool
}

// Options say what is run and how.
type Options struct {
	Jobs     []Job
	Parallel int // runs at once
	// Exec runs one command to its end; its output goes to out.
	Exec func(ctx context.Context, args []string, out io.Writer) error
	// Signalled, if not nil, says by which signal a command that returned this error was
	// interrupted; others have failed.
	Signalled func(error) (name string, yes bool)
	// Same, if not nil, fails where the run in a directory is not the one that these
	// arguments would begin.
	Same func(dir string, args []string) error
	// Say, if not nil, is told what happens.
	Say func(text string)
}

// Jobs are the runs of a method at every point and seed, all points early.
func Jobs(dir, method string, args []string, points []Point, seeds int) []Job {
	var out []Job
	for seed := 1; seed <= seeds; seed++ {
		for _, p := range points {
			run := Seed(filepath.Join(dir, p.Name()), seed)
			out = append(out, Job{Dir: run, Before: Seed(filepath.Join(dir, p.Before()), seed), Start: func() ([]string, error) {
				all := append([]string{"train", method, "--out", run}, args...)
				for _, s := range append(p[:len(p):len(p)], fmt.Sprintf("seed=%d", seed)) {
					all = append(all, "--set", s)
				}
				return all, nil
			}})
		}
	}
	return out
}

// ErrInterrupted is returned where the context ended before the jobs did, or a run was
// interrupted by itself.
var ErrInterrupted = errors.New("interrupted; the same command goes on with what is not done")

// Run runs what is not done yet. Failed runs are told of and are not an error.
func Run(ctx context.Context, o Options) error {
	if len(o.Jobs) == 0 || o.Parallel < 1 {
		return errors.New("sweep: nothing to run: want settings, seeds and at least one run at once")
	}
	say := func(format string, args ...any) {
		if o.Say != nil {
			o.Say(fmt.Sprintf(format, args...))
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // of errs and left
	var errs []error
	left := false // something, by an interrupt
	turn := make(chan struct{}, o.Parallel)
	var mine []Job
	for _, j := range o.Jobs { // before hours of runs
		if err := o.place(&j); err != nil {
			say("%s: %v", j.Dir, err)
			errs = append(errs, fmt.Errorf("%s: %w", j.Dir, err))
			continue
		}
		mine = append(mine, j)
	}
	for _, j := range mine {
		if j.done() {
			say("%s: done before", j.Dir)
			continue
		}
		turn <- struct{}{}
		if ctx.Err() != nil {
			mu.Lock()
			left = true
			mu.Unlock()
			break
		}
		wg.Go(func() {
			defer func() { <-turn }()
			say("%s: begins", j.Dir)
			err := o.one(ctx, j)
			stopped, how := o.interrupted(ctx, err)
			switch {
			case err == nil:
				say("%s: done", j.Dir)
			case stopped:
				say("%s: interrupted%s; see %s.log", j.Dir, how, j.Dir)
			default:
				say("%s: failed: %v", j.Dir, err)
			}
			var host *fsError
			mu.Lock()
			defer mu.Unlock()
			if errors.As(err, &host) {
				errs = append(errs, err)
			}
			left = left || stopped
		})
	}
	wg.Wait()
	if left {
		errs = append(errs, ErrInterrupted)
	}
	return errors.Join(errs...)
}

// interrupted says whether a job's error is an interruption, and by which signal where
// that is known. A command that fails while others are interrupted has failed.
func (o *Options) interrupted(ctx context.Context, err error) (yes bool, how string) {
	if err == nil {
		return false, ""
	}
	if o.Signalled != nil {
		if name, yes := o.Signalled(err); yes {
			return true, " (" + name + ")"
		}
	}
	return errors.Is(err, context.Canceled) || ctx.Err() != nil && errors.Is(err, errOpen), ""
}

// errOpen is of a run whose command ended well before the run did.
var errOpen = errors.New("the run did not end")

// place finds the run of a job, which may be there under its older name, and fails where
// its directory holds another run.
func (o *Options) place(j *Job) error {
	same := func(dir string) error {
		if o.Same == nil {
			return nil
		}
		args, err := j.Start()
		if err != nil {
			return err
		}
		return o.Same(dir, args)
	}
	if runlog.Dir(j.Dir).IsRun() {
		return same(j.Dir)
	}
	if j.Before != "" && j.Before != j.Dir && runlog.Dir(j.Before).IsRun() && same(j.Before) == nil {
		j.Dir = j.Before
	}
	return nil
}

// done says whether nothing is left of the job.
func (j *Job) done() bool {
	r, err := compare.Load(j.Dir)
	if err != nil || r.Ending == compare.Open {
		return false
	}
	return len(j.Then) == 0 || j.Enough != nil && j.Enough(r)
}

// fsError is a failure of the sweep itself, not of a run.
type fsError struct{ error }

// one starts or resumes a run and does what follows. What is printed is kept beside
// its directory.
func (o *Options) one(ctx context.Context, j Job) error {
	if err := os.MkdirAll(filepath.Dir(j.Dir), 0o777); err != nil {
		return &fsError{err}
	}
	log, err := durable.Append(j.Dir + ".log")
	if err != nil {
		return &fsError{err}
	}
	defer log.Close()
	if r, err := compare.Load(j.Dir); err != nil || r.Ending == compare.Open {
		args := []string{"train", "--resume", j.Dir}
		if !runlog.Dir(j.Dir).IsRun() {
			if args, err = j.Start(); err != nil {
				return err
			}
		}
		failed := o.Exec(ctx, args, log)
		// A run that stopped by itself has failed, and has ended all the same.
		if r, err := compare.Load(j.Dir); err != nil || r.Ending == compare.Open {
			if failed == nil {
				failed = errOpen
			}
			return fmt.Errorf("%w; see %s.log", failed, j.Dir)
		}
	}
	for _, args := range j.Then {
		if err := o.Exec(ctx, args, log); err != nil {
			return fmt.Errorf("ballast %s: %w; see %s.log", args[0], err, j.Dir)
		}
	}
	return nil
}

// Alone locks the folder of a sweep or a study until unlock is called: a second one would
// take the runs of the first for failed ones, and write tables of half of them.
func Alone(dir, what string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w; name a folder that can be made, with --out", what, err)
	}
	unlock, err = durable.Lock(filepath.Join(dir, what+".lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("another %s runs in %s: wait until it has ended, or name another folder with --out", what, dir)
	}
	return unlock, err
}

// Processes runs training commands as processes of a program, with so many cores each. The end
// of their context lets each finish its update, the end of hurry lets it stop at once.
func Processes(hurry context.Context, program string, cores int) func(ctx context.Context, args []string, out io.Writer) error {
	return func(ctx context.Context, args []string, out io.Writer) error {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stdout, cmd.Stderr = out, out
		cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", cores))
		interrupt := func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.Cancel = interrupt
		tie(cmd)
		runtime.LockOSThread() // see tie
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			return err
		}
		defer context.AfterFunc(hurry, func() { _ = interrupt() })() // of no effect where it has ended
		return cmd.Wait()
	}
}
