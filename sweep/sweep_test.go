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
	"ballast/monitor"
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

// trainer is a training command that writes a run whose success is its rate.
type trainer struct {
	mu    sync.Mutex
	calls []string
	fail  string // a setting whose runs break before they end
}

func (f *trainer) train(_ context.Context, args []string, out io.Writer) error {
	f.mu.Lock()
	f.calls = append(f.calls, strings.Join(args, " "))
	f.mu.Unlock()
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
	if f.fail != "" && strings.Contains(strings.Join(args, " "), f.fail) {
		fmt.Fprintln(out, "it broke")
		return errors.New("exit status 1")
	}
	return f.finish(dir)
}

func (f *trainer) finish(dir string) error {
	log, err := runlog.Open(dir)
	if err != nil {
		return err
	}
	defer log.Close()
	ok := 2
	if strings.Contains(dir, "lr=2") {
		ok = 8
	}
	return errors.Join(
		log.Event(ballast.Event{Update: 1, Kind: "eval", Data: map[string]any{"ok": ok, "all": 10}}),
		log.Event(ballast.Event{Update: 1, Kind: "done"}))
}

// TestSweepResumes: a broken run costs its own row only, and the same sweep again
// resumes it and leaves the others alone.
func TestSweepResumes(t *testing.T) {
	f := &trainer{fail: "lr=2"}
	points, err := Grid([]string{"lr=1,2"})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: t.TempDir(), Method: "m", Args: []string{"--set", "x=1"}, Points: points, Seeds: 3, Parallel: 4, Train: f.train}
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if len(f.calls) != 6 || !slices.ContainsFunc(f.calls, func(s string) bool {
		return strings.HasPrefix(s, "train m --out ") && strings.HasSuffix(s, "--set x=1 --set lr=2 --set seed=3")
	}) {
		t.Errorf("%q", f.calls)
	}
	if table := Table(Read(o)); !strings.Contains(table, "3/3") || !strings.Contains(table, "0/3") {
		t.Errorf("after the failures:\n%s", table)
	}
	f.calls = nil
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if len(f.calls) != 3 || !strings.HasPrefix(f.calls[0], "train --resume ") {
		t.Errorf("the second sweep ran %q", f.calls)
	}
	rows := Read(o)
	table := Table(rows)
	if !strings.Contains(table, "80.0%") || !strings.Contains(table, "20.0%") || strings.Contains(table, "0/3") {
		t.Errorf("at the end:\n%s", table)
	}
	_, svg, err := Write(o, rows)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(svg); err != nil || !strings.Contains(string(data), "lr=2") {
		t.Errorf("the plot: %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(o.Dir, "lr=2", "seed-1.log")); err != nil || !strings.Contains(string(data), "it broke") {
		t.Errorf("the log: %q, %v", data, err)
	}
}
