// Package sweep runs a method over a grid of settings and seeds, side by side,
// and puts the results into one table and one plot.
//
// Contract: a run is a directory DIR/SETTINGS/seed-N, made by a training process
// of its own. A sweep that was stopped goes on where it was: runs that are done
// stay, others resume. The table needs the directories only.
//
// How it fails: a key without values is an error; a run that fails (a collapse
// that stops it, a bad setting) is reported in the table with what it said, and
// the others go on.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Point is one combination of settings, as key=value pairs.
type Point []string

// Name is the point as a folder name.
func (p Point) Name() string {
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

// Grid is every combination of the varied keys: "sft.lr=1e-6,1e-5" and so on.
// Values that hold commas stand in brackets or braces.
func Grid(vary []string) ([]Point, error) {
	points := []Point{nil}
	for _, v := range vary {
		key, list, ok := strings.Cut(v, "=")
		if !ok || key == "" || list == "" {
			return nil, fmt.Errorf("--vary %s: want key=a,b,c, such as sft.lr=1e-6,1e-5", v)
		}
		var next []Point
		for _, p := range points {
			for _, val := range split(list) {
				next = append(next, append(p[:len(p):len(p)], key+"="+val))
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

// Options say what is swept.
type Options struct {
	Dir      string
	Method   string
	Args     []string // further arguments of every training command
	Points   []Point
	Seeds    int
	Parallel int // runs at once
	// Train runs one training command to its end; its output goes to out.
	Train func(ctx context.Context, args []string, out io.Writer) error
	// Say, if not nil, is told what happens.
	Say func(text string)
}

// job is one run.
type job struct {
	point Point
	seed  int
	dir   string
}

func (o *Options) jobs() []job {
	var out []job
	for seed := 1; seed <= o.Seeds; seed++ { // all points early
		for _, p := range o.Points {
			out = append(out, job{p, seed, filepath.Join(o.Dir, p.Name(), fmt.Sprintf("seed-%d", seed))})
		}
	}
	return out
}

// Run runs what is not done yet. Failed runs are not an error; see Read.
func Run(ctx context.Context, o Options) error {
	if len(o.Points) == 0 || o.Seeds < 1 || o.Parallel < 1 {
		return errors.New("sweep: nothing to run: want settings, seeds and at least one run at once")
	}
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	say := func(format string, args ...any) {
		if o.Say != nil {
			o.Say(fmt.Sprintf(format, args...))
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // of errs
	var errs []error
	turn := make(chan struct{}, o.Parallel)
	for _, j := range o.jobs() {
		if r, err := read(j.dir); err == nil && r.Done {
			say("%s: done before", j.dir)
			continue
		}
		turn <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-turn }()
			say("%s: begins", j.dir)
			err := o.one(ctx, j)
			if err != nil {
				say("%s: %v", j.dir, err)
			} else {
				say("%s: done", j.dir)
			}
			var host *fsError
			if errors.As(err, &host) {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// fsError is a failure of the sweep itself, not of a run.
type fsError struct{ error }

// one starts or resumes a run. What it prints is kept beside its directory.
func (o *Options) one(ctx context.Context, j job) error {
	if err := os.MkdirAll(filepath.Dir(j.dir), 0o777); err != nil {
		return &fsError{err}
	}
	log, err := os.OpenFile(j.dir+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return &fsError{err}
	}
	defer log.Close()
	args := []string{"train", "--resume", j.dir}
	if _, err := os.Stat(filepath.Join(j.dir, "run.json")); err != nil {
		args = append([]string{"train", o.Method, "--out", j.dir}, o.Args...)
		for _, s := range append(j.point[:len(j.point):len(j.point)], fmt.Sprintf("seed=%d", j.seed)) {
			args = append(args, "--set", s)
		}
	}
	return o.Train(ctx, args, log)
}
