package report

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ballast"
	"ballast/monitor"
	"ballast/runlog"
)

var update = flag.Bool("update", false, "rewrite golden files")

// newRun returns a run of some updates, closed.
func newRun(t *testing.T, updates ...ballast.Update) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	r, err := runlog.Create(dir, []byte("method: grpo\n"))
	must(t, err)
	for _, u := range updates {
		must(t, r.Update(u))
	}
	must(t, r.Close())
	return dir
}

// html returns the page of a run.
func html(t *testing.T, dir string) string {
	t.Helper()
	var b bytes.Buffer
	must(t, HTML(&b, dir))
	return b.String()
}

// has fails unless text has every part.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in\n%.2000s", p, text)
		}
	}
}

func one(index int, name string, v float64) ballast.Update {
	return ballast.Update{Index: index, Phase: "rl", Metrics: map[string]float64{name: v}}
}

func TestSummaryGolden(t *testing.T) {
	got, err := Summary(demoDir(t))
	must(t, err)
	const path = "testdata/summary.txt"
	if *update {
		must(t, os.MkdirAll("testdata", 0o777))
		must(t, os.WriteFile(path, []byte(got), 0o666))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestSelfContained(t *testing.T) {
	page := html(t, demoDir(t))
	for _, bad := range []string{"src=", "href=", "@import", "url(", "http://", "https://"} {
		text := strings.ReplaceAll(page, `xmlns="http://www.w3.org/2000/svg"`, "")
		if i := strings.Index(text, bad); i >= 0 {
			t.Errorf("the page refers outside: %.80s", text[i:])
		}
	}
}

func TestEmptyRun(t *testing.T) {
	dir := newRun(t)
	has(t, html(t, dir), "no updates yet", "not finished")
	text, err := Summary(dir)
	must(t, err)
	has(t, text, "no updates yet")
}

func TestOneUpdate(t *testing.T) {
	dir := newRun(t, one(1, monitor.RewardMean, 0.25))
	has(t, html(t, dir), "1 update in", "Reward 0.250")
}

func TestNonFinite(t *testing.T) {
	dir := newRun(t, one(1, monitor.GradNorm, math.Inf(1)), one(2, monitor.GradNorm, math.NaN()), one(3, monitor.GradNorm, 2), one(3, monitor.NonFinite, 2))
	page := html(t, dir)
	has(t, page, "Gradient norm", "2 optimiser steps skipped")
	if i := strings.Index(page, "NaN"); i >= 0 {
		t.Errorf("NaN on the page: %.80s", page[i:])
	}
}

func TestUnknownMetric(t *testing.T) {
	has(t, html(t, newRun(t, one(1, "my/<metric>", 3), one(2, "my/<metric>", 4))), "my/&lt;metric&gt;")
}

func TestZeroMetric(t *testing.T) {
	page := html(t, newRun(t, one(1, "boring", 0), one(2, "boring", 0)))
	has(t, page, "not drawn: boring")
	if strings.Contains(page, "<figure") {
		t.Error("a metric that stays 0 is drawn")
	}
}

// TestLongRun: a page does not grow with the run.
func TestLongRun(t *testing.T) {
	var list []ballast.Update
	for i := 1; i <= 5000; i++ {
		list = append(list, one(i, monitor.RewardMean, math.Sin(float64(i)/500)))
	}
	page := html(t, newRun(t, list...))
	has(t, page, "5000 updates")
	if len(page) > 100_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// TestBrokenEpisodes: the page comes out, and says what is wrong.
func TestBrokenEpisodes(t *testing.T) {
	dir := newRun(t, one(1, monitor.RewardMean, 0))
	must(t, os.WriteFile(filepath.Join(dir, "episodes", "000001.jsonl.zst"), []byte("not zstd"), 0o666))
	has(t, html(t, dir), "No episodes are shown", "000001.jsonl.zst")
}

func TestNoRun(t *testing.T) {
	if _, err := Write(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a run directory") {
		t.Errorf("error %v", err)
	}
}

func TestStatus(t *testing.T) {
	ev := func(update int, what runlog.What) runlog.Event { return runlog.Event{Update: update, What: what} }
	for _, row := range []struct {
		events []runlog.Event
		want   string
		bad    bool
	}{
		{nil, "not finished", false},
		{[]runlog.Event{ev(3, runlog.Alarm{}), ev(9, runlog.Done{})}, "finished", false},
		{[]runlog.Event{ev(9, runlog.Alarm{})}, "stopped by an alarm", true},
		{[]runlog.Event{ev(3, runlog.Alarm{})}, "not finished", false}, // it went on
		{[]runlog.Event{ev(9, runlog.Interrupted{})}, "interrupted", false},
		{[]runlog.Event{ev(3, runlog.Interrupted{}), ev(3, runlog.Resumed{})}, "not finished", false},
	} {
		r := &run{x: []int{1, 9}, events: row.events}
		if got, bad := r.status(); got != row.want || bad != row.bad {
			t.Errorf("%+v: %q, %v", row.events, got, bad)
		}
	}
}

func TestExtremes(t *testing.T) {
	rewards := map[int]float64{1: 0.5, 2: math.NaN(), 3: 0.1, 4: 0.5, 9: 7}
	if best, worst := extremes([]int{1, 2, 3, 4}, rewards); best != 4 || worst != 3 {
		t.Errorf("best %d, worst %d", best, worst)
	}
}

func TestEnds(t *testing.T) {
	r := &run{metrics: map[string][]float64{}}
	for i := range 12 {
		r.add(one(i+1, "m", float64(i%10)))
	}
	e, ok := r.ends("m") // pairs: 0.5 first, 0.5 last (values 0, 1), 8.5 best
	if !ok || e.first != 0.5 || e.last != 0.5 || e.best != 8.5 || e.bestAt != 10 {
		t.Errorf("%+v", e)
	}
}

func TestSparkline(t *testing.T) {
	want := "0.000 \u2581\u2584\u2588 1.000"
	for _, y := range [][]float64{{math.MaxFloat64, -math.MaxFloat64}, {math.SmallestNonzeroFloat64, 0}, {1.7e308, 1.7e308, 1.7e308}, {math.Inf(1), 1}} {
		for _, width := range []int{1, 2, 10} {
			got := sparkline(y, width)
			if strings.ContainsFunc(got, func(r rune) bool { return r > 126 && (r < 0x2581 || r > 0x2588) }) || len(got) > 60 {
				t.Errorf("%v: %q", y, got)
			}
		}
	}
	if got := sparkline([]float64{0, 0.5, math.NaN(), 1}, 10); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestThin(t *testing.T) {
	r := &run{metrics: map[string][]float64{}}
	for i := range 2*maxPoints + 1 {
		r.add(one(i+1, "m", float64(i)))
	}
	got := r.thin()
	if n := len(got.x); n > maxPoints || len(got.metrics["m"]) != n || got.x[n-1] != 2*maxPoints+1 {
		t.Errorf("%d points, %d values, last update %d", n, len(got.metrics["m"]), got.x[n-1])
	}
	if want := []float64{1, 4}; !reflect.DeepEqual(got.metrics["m"][:2], want) {
		t.Errorf("%v, want %v", got.metrics["m"][:2], want)
	}
}

// TestPhasesKeptApart: a mean is over updates that have the metric, and never over two
// phases. Runs of older versions recorded a cross entropy of 0 in updates without one.
func TestPhasesKeptApart(t *testing.T) {
	var list []ballast.Update
	add := func(phase string, metrics map[string]float64) {
		list = append(list, ballast.Update{Index: len(list) + 1, Phase: phase, Metrics: metrics})
	}
	for _, ce := range []float64{0.9, 0.7, 0.5} {
		add("sft", map[string]float64{monitor.LossCE: ce, monitor.KL: 0})
	}
	for _, reward := range []float64{0.2, 0.3, 0.4, 0.5} {
		add("rl", map[string]float64{monitor.LossCE: 0, monitor.RewardMean: reward, monitor.KL: 0.5})
	}
	got, err := Summary(newRun(t, list...))
	must(t, err)
	has(t, got, "Cross entropy of supervised tokens went from 0.900 to 0.500 nats.", "Sampled reward began at 0.200 and rose to 0.500 (means of 1 update)")
	add("sft", map[string]float64{monitor.LossCE: 0.3})
	add("sft", map[string]float64{monitor.LossCE: 0.25})
	for range 14 { // now a mean is over 3 updates, and the last phase has 2
		add("rl", map[string]float64{monitor.RewardMean: 0.4})
	}
	add("sft", map[string]float64{monitor.LossCE: 0.2})
	add("rl", map[string]float64{monitor.RewardMean: 0.9})
	add("rl", map[string]float64{monitor.RewardMean: 0.7})
	dir := newRun(t, list...)
	got, err = Summary(dir)
	must(t, err)
	has(t, got, "Cross entropy of supervised tokens, phase by phase: from 0.900 to 0.500, then from 0.300 to 0.250, then 0.200 nats.",
		"Sampled reward began at 0.300 and rose to 0.800 (means of 2 to 3 updates); best 0.800 at update")
	r, err := load(dir)
	must(t, err)
	if e, _ := r.ends(monitor.KL); e.first != 0.5 || e.n != 4 {
		t.Errorf("the KL of supervised updates counts: %+v", e)
	}
}

// TestPhasesOfOneKind: where two phases of a kind follow each other, their events part them.
func TestPhasesOfOneKind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r, err := runlog.Create(dir, []byte("method: sft\n"))
	must(t, err)
	for i, ce := range []float64{0.9, 0.5, 0.8, 0.4} {
		if i%2 == 0 {
			must(t, r.Event(runlog.Event{Update: i, What: runlog.PhaseBegun{Name: "sft", Updates: 2}}))
		}
		must(t, r.Update(ballast.Update{Index: i + 1, Phase: "sft", Metrics: map[string]float64{monitor.LossCE: ce}}))
	}
	must(t, r.Close())
	got, err := Summary(dir)
	must(t, err)
	has(t, got, "phase by phase: from 0.900 to 0.500, then from 0.800 to 0.400 nats")
}
