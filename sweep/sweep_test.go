package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"ballast"
	"ballast/compare"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/runlog"
)

func TestGrid(t *testing.T) {
	ps, err := Grid([]string{"sft.lr=1e-6,1e-5", "phases=[{rl: 1}, {sft: gold}],[{rl: 2}]"})
	if err != nil || len(ps) != 4 || ps[2][0] != "sft.lr=1e-5" || ps[2][1] != "phases=[{rl: 1}, {sft: gold}]" {
		t.Errorf("%q %v", ps, err)
	}
	for _, bad := range []string{"", "lr", "=1", "lr="} {
		if _, err := Grid([]string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// trainer is a training command that writes a run whose success is its rate, and an
// evaluating command.
type trainer struct {
	mu    sync.Mutex
	calls []string
	fail  string // a setting whose runs break before they end
	stop  string // a setting whose runs stop by themselves
}

func (f *trainer) exec(_ context.Context, args []string, out io.Writer) error {
	f.mu.Lock()
	f.calls = append(f.calls, strings.Join(args, " "))
	f.mu.Unlock()
	if args[0] == "eval" {
		return record(args[2], runlog.SuiteTested{Suite: "id", Score: runlog.Score{OK: 1, All: 2}})
	}
	if args[1] == "--resume" {
		return f.finish(args[2])
	}
	dir := args[slices.Index(args, "--out")+1]
	log, err := runlog.Create(dir, []byte("method: m\n"))
	if err != nil {
		return err
	}
	if err := log.Update(ballast.Update{Index: 1, Phase: "rl", Metrics: map[string]float64{monitor.RewardMean: 0.5}}); err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	switch all := strings.Join(args, " "); {
	case f.fail != "" && strings.Contains(all, f.fail):
		fmt.Fprintln(out, "it broke")
		return errors.New("exit status 1")
	case f.stop != "" && strings.Contains(all, f.stop):
		return errors.Join(record(dir, runlog.Alarm{Sign: verdict.NoSignal}), errors.New("exit status 1"))
	}
	return f.finish(dir)
}

func record(dir string, events ...runlog.What) error {
	log, err := runlog.Open(dir)
	if err != nil {
		return err
	}
	for _, what := range events {
		err = errors.Join(err, log.Event(runlog.Event{Update: 1, What: what}))
	}
	return errors.Join(err, log.Close())
}

func (f *trainer) finish(dir string) error {
	ok := 2
	if strings.Contains(dir, "lr=2") {
		ok = 8
	}
	return record(dir, runlog.Evaluated{Score: runlog.Score{OK: ok, All: 10}}, runlog.Done{})
}

// TestSweepResumes: a broken run costs its own row only, and the same sweep again
// resumes it and leaves the others alone.
func TestSweepResumes(t *testing.T) {
	f := &trainer{fail: "lr=2"}
	points, err := Grid([]string{"lr=1,2"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o := Options{Jobs: Jobs(dir, "m", []string{"--set", "x=1"}, points, 3), Parallel: 4, Exec: f.exec}
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if len(f.calls) != 6 || !slices.ContainsFunc(f.calls, func(s string) bool {
		return strings.HasPrefix(s, "train m --out ") && strings.HasSuffix(s, "--set x=1 --set lr=2 --set seed=3")
	}) {
		t.Errorf("%q", f.calls)
	}
	ended := func() string {
		groups, err := compare.Read([]string{dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for i := range groups {
			s := groups[i].Stat(compare.Success(compare.During, compare.Last))
			out = append(out, fmt.Sprintf("%s %d of %d %.1f", groups[i].Label, s.N, len(groups[i].Runs), s.Mean))
		}
		return strings.Join(out, ", ")
	}
	if got := ended(); got != "lr=1 3 of 3 0.2, lr=2 0 of 3 NaN" {
		t.Errorf("after the failures: %s", got)
	}
	f.calls = nil
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if len(f.calls) != 3 || !strings.HasPrefix(f.calls[0], "train --resume ") {
		t.Errorf("the second sweep ran %q", f.calls)
	}
	if got := ended(); got != "lr=1 3 of 3 0.2, lr=2 3 of 3 0.8" {
		t.Errorf("at the end: %s", got)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "lr=2", "seed-1.log")); err != nil || !strings.Contains(string(data), "it broke") {
		t.Errorf("the log: %q, %v", data, err)
	}
}

// TestThen: what follows a run is done once, after runs that stopped by themselves
// too.
func TestThen(t *testing.T) {
	f := &trainer{stop: "lr=2"}
	points, err := Grid([]string{"lr=1,2"})
	if err != nil {
		t.Fatal(err)
	}
	jobs := Jobs(t.TempDir(), "m", nil, points, 1)
	for i := range jobs {
		jobs[i].Then = [][]string{{"eval", "--run", jobs[i].Dir}}
		jobs[i].Enough = func(r *compare.Run) bool { return len(r.Suites["id"]) > 0 }
	}
	for _, want := range []int{4, 0} {
		f.calls = nil
		if err := Run(context.Background(), Options{Jobs: jobs, Parallel: 2, Exec: f.exec}); err != nil {
			t.Fatal(err)
		}
		if len(f.calls) != want {
			t.Errorf("ran %q, want %d commands", f.calls, want)
		}
	}
}

// TestInterruptedRuns: a run that a signal ended is told of as interrupted, and the sweep
// ends with an error that is not one of failures; a run that breaks is told of as failed,
// also while others are being interrupted.
func TestInterruptedRuns(t *testing.T) {
	points, err := Grid([]string{"lr=1,2,3"})
	if err != nil {
		t.Fatal(err)
	}
	signal, broken := errors.New("exit status 143"), errors.New("exit status 1")
	for _, during := range []bool{false, true} {
		ctx, cancel := context.WithCancel(context.Background())
		var mu sync.Mutex
		var told []string
		var all sync.WaitGroup
		all.Add(len(points))
		err := Run(ctx, Options{Jobs: Jobs(t.TempDir(), "m", nil, points, 1), Parallel: len(points),
			Exec: func(_ context.Context, args []string, _ io.Writer) error {
				all.Done()
				all.Wait()
				if during {
					cancel()
				}
				switch {
				case slices.Contains(args, "lr=1"):
					return signal
				case slices.Contains(args, "lr=2"):
					return broken
				}
				return (&trainer{}).exec(ctx, args, io.Discard)
			},
			Signalled: func(err error) (string, bool) { return "terminated", errors.Is(err, signal) },
			Say: func(text string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, text[strings.Index(text, "lr="):])
			}})
		cancel()
		if !errors.Is(err, ErrInterrupted) {
			t.Errorf("the sweep ends with %v", err)
		}
		for _, want := range []string{"lr=1/seed-1: interrupted (terminated)", "lr=2/seed-1: failed: exit status 1", "lr=3/seed-1: done"} {
			if !slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, want) }) {
				t.Errorf("interrupted as a whole %v: nothing says %q: %q", during, want, told)
			}
		}
	}
}

// TestNames: points have folders of their own, which stay in the sweep's.
func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{"a b", "a_b", "/../../x", "..", "", "x=a/b", "x=a:b", "x=[{rl: 2}]"} {
		p := Point{text}
		for _, name := range []string{p.Name(), p.Before()} {
			if strings.ContainsAny(name, `/\`) {
				t.Errorf("%q: %q", text, name)
			}
		}
		if other, twice := seen[p.Name()]; twice {
			t.Errorf("%q and %q share %s", text, other, p.Name())
		}
		seen[p.Name()] = text
		job := Jobs("runs", "m", nil, []Point{p}, 1)[0]
		if rel, err := filepath.Rel("runs", job.Dir); err != nil || strings.HasPrefix(rel, "..") || strings.Count(rel, "/") != 1 {
			t.Errorf("%q: %s", text, job.Dir)
		}
	}
}

// TestForeignRuns: a directory that holds another run is an error of that job, done or
// not, and stays as it is; the others run. A run under its older name is found.
func TestForeignRuns(t *testing.T) {
	f := &trainer{}
	dir := t.TempDir()
	points := []Point{{"x=a b"}, {"x=c"}, {"x=d"}}
	jobs := Jobs(dir, "m", nil, points, 1)
	old := filepath.Join(dir, "x=a_b", "seed-1")
	for _, run := range []string{old, jobs[1].Dir} {
		if err := f.exec(context.Background(), []string{"train", "m", "--out", run}, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	events := func() string {
		data, err := os.ReadFile(filepath.Join(jobs[1].Dir, "events.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	before := events()
	var told []string
	o := Options{Jobs: jobs, Parallel: 1, Exec: f.exec, Say: func(s string) { told = append(told, s) },
		Same: func(run string, args []string) error {
			if run == jobs[1].Dir {
				return errors.New("rl.lr is 1 and not 2")
			}
			if !slices.Contains(args, "--out") {
				t.Errorf("%q", args)
			}
			return nil
		}}
	f.calls = nil
	err := Run(context.Background(), o)
	if err == nil || !strings.Contains(err.Error(), jobs[1].Dir+": rl.lr is 1 and not 2") {
		t.Errorf("%v", err)
	}
	if len(f.calls) != 1 || !strings.Contains(f.calls[0], jobs[2].Dir) || events() != before {
		t.Errorf("ran %q; told %q", f.calls, told)
	}
	if !slices.Contains(told, old+": done before") {
		t.Errorf("told %q", told)
	}
}
