package compare

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/compare/table"
	"ballast/monitor"
	"ballast/runlog"
)

var update = flag.Bool("update", false, "write golden files anew")

// script says how a scripted run goes.
type script struct {
	method, extra string
	seed          int
	evals         map[int]int            // successes of 100 by update; a checkpoint is made there too
	suites        map[string]map[int]int // by suite and update
	test          int                    // successes of 100 test tasks after training; 0 = none were played
	end           runlog.What            // the last event; nil = none
	left          int                    // episodes of every suite that could not be played
}

// write makes a run directory of 12 updates.
func write(t *testing.T, dir string, s script) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := runlog.Create(dir, fmt.Appendf(nil, "method: %s\nseed: %d\nchat: {format: hermes}\n%s", s.method, s.seed, s.extra))
	must(err)
	defer func() { must(r.Close()) }()
	score := func(ok int) runlog.Score {
		return runlog.Score{OK: ok, All: 100, Left: s.left, Rates: map[string]float64{"base": float64(ok) / 100, "miss_func": 0.5}}
	}
	for u := 1; u <= 12; u++ {
		m := map[string]float64{monitor.RewardMean: float64(u) / 20, monitor.KindPrefix + "call": 0.75, monitor.KindPrefix + "response": 0.25,
			monitor.WatchPrefix + "<tool_call>/start": 0.5, monitor.WatchPrefix + "<tool_call>/open": 0.01, monitor.TokensSampled: 1000,
			monitor.TokensSupervised: 10}
		if u == 2 { // in one of ten updates in a row, and in none of the last ten
			m[monitor.KindPrefix+ballast.KindCollapsed.String()] = 0.8 / float64(s.seed)
		} else {
			m[monitor.KindPrefix+ballast.KindCollapsed.String()] = 0
		}
		ok, due := s.evals[u]
		if due {
			m[monitor.EvalSuccess] = float64(ok) / 100
		}
		must(r.Update(ballast.Update{Index: u, Phase: "rl", Seconds: 5, Metrics: m}))
		if due {
			must(r.Event(runlog.Event{Update: u, What: runlog.Evaluated{Score: score(ok)}}))
			_, err := r.Checkpoint(u, nil, func(string) error { return nil })
			must(err)
		}
	}
	must(r.Event(runlog.Event{Update: 12, What: runlog.Cost{CPU: 55}}))
	if s.test > 0 {
		must(r.Event(runlog.Event{Update: 12, What: runlog.Tested{Score: score(s.test)}}))
	}
	if s.end != nil {
		must(r.Event(runlog.Event{Update: 12, What: s.end, Text: "because"}))
	}
	for name, at := range s.suites {
		for u, ok := range at {
			must(r.Event(runlog.Event{Update: u, What: runlog.SuiteTested{Suite: name, Score: score(ok)}}))
		}
	}
}

// some is a folder with two groups of three seeds: a rises, b falls to nothing in
// two of three.
func some(t *testing.T) string {
	dir := t.TempDir()
	for seed := 1; seed <= 3; seed++ {
		write(t, filepath.Join(dir, "a", fmt.Sprintf("seed-%d", seed)), script{method: "ets", seed: seed, end: runlog.Done{},
			evals:  map[int]int{4: 10, 8: 30, 12: 40 + seed},
			suites: map[string]map[int]int{"id": {12: 50 + 2*seed}, "format": {12: 20}}})
		final, end := 1, runlog.What(runlog.Alarm{})
		if seed == 3 {
			final, end = 30, nil
		}
		write(t, filepath.Join(dir, "b", fmt.Sprintf("seed-%d", seed)), script{method: "grpo", seed: seed, end: end,
			evals:  map[int]int{4: 40, 8: final, 12: final},
			suites: map[string]map[int]int{"id": {4: 40, 12: final}}})
	}
	return dir
}

func TestRun(t *testing.T) {
	dir := some(t)
	a, err := Load(filepath.Join(dir, "a", "seed-2"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Final != 12 || a.Best != 12 || a.Ending != Done || a.Seconds != 60 || a.CPU != 55 || a.Supervised != 120 || a.Seed != 2 || a.Format != "hermes" {
		t.Errorf("%+v", a)
	}
	b, err := Load(filepath.Join(dir, "b", "seed-1"))
	if err != nil {
		t.Fatal(err)
	}
	if b.Final != 12 || b.Best != 4 || b.Ending != Stopped || b.Why != "because" {
		t.Errorf("%+v", b)
	}
	if s, ok := b.Score("id", Top); !ok || s.Total.OK != 40 {
		t.Errorf("best: %+v", s)
	}
	if _, ok := b.Score("format", Last); ok {
		t.Error("a score that there is not")
	}
	if yes, known, since := b.Collapsed(); !yes || !known || since != 8 {
		t.Errorf("collapsed %v %v since %d", yes, known, since)
	}
	if yes, known, _ := a.Collapsed(); yes || !known {
		t.Errorf("a run that rises is collapsed: %v %v", yes, known)
	}
	low, err := Load(filepath.Join(dir, "b", "seed-2"))
	if err != nil {
		t.Fatal(err)
	}
	low.Suites, low.Before = map[string][]Score{During: low.Suites[During][1:]}, 0.03 // all its evaluations at 1%
	if _, known, _ := low.Collapsed(); !known {
		t.Error("what was there before training is nothing to fall from")
	}
	low.Before = 0.1
	if yes, _, since := low.Collapsed(); !yes || since != 8 {
		t.Errorf("from 10%% before training to 1%%: collapsed %v since %d", yes, since)
	}
	if _, err := Load(dir); err == nil {
		t.Error("a folder passes for a run")
	}
}

func TestTables(t *testing.T) {
	groups, err := Read([]string{some(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	tables := Tables(groups)
	golden(t, "tables.txt", table.Text(tables))
	golden(t, "tables.md", table.Markdown(tables))
	var b strings.Builder
	if err := tables[0].CSV(&b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][3] != "final id ci95" || rows[1][2] != "0.54" || rows[1][4] != "3" {
		t.Errorf("%v %q", err, rows)
	}
	text, err := json.Marshal(tables)
	var back []struct {
		Rows []map[string]any `json:"rows"`
	}
	if err := json.Unmarshal(text, &back); err != nil || back[0].Rows[0]["final id"].(map[string]any)["mean"] != 0.54 {
		t.Errorf("%v %s", err, text)
	}
	if err != nil {
		t.Error(err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s differs (%v), got\n%s", path, err, got)
	}
}

func TestFigures(t *testing.T) {
	dir := some(t)
	groups, err := Read([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	figures := Figures(groups)
	if err := Write(out, Tables(groups), figures); err != nil {
		t.Fatal(err)
	}
	want := "reward success kinds-a tokens-start-a tokens-open-a kinds-b tokens-start-b tokens-open-b"
	var names []string
	for _, f := range figures {
		names = append(names, f.Name)
		dec := xml.NewDecoder(strings.NewReader(f.SVG))
		for {
			if _, err := dec.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
		}
		if strings.Contains(f.SVG, "NaN") {
			t.Errorf("%s has NaN", f.Name)
		}
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("figures %s", got)
	}
	if !strings.Contains(figures[1].SVG, "whisker") {
		t.Error("the figure of success has no intervals")
	}
	for _, f := range []string{"methods.csv", "tables.json", "reward.svg"} {
		if _, err := os.Stat(filepath.Join(out, f)); err != nil {
			t.Error(err)
		}
	}
}

// TestGroups: loose runs are grouped by their recipes but for the seed, and named
// after what tells them apart.
func TestGroups(t *testing.T) {
	dir := t.TempDir()
	for i, s := range []script{{method: "grpo", seed: 1, extra: "rl: {lr: 1}"}, {method: "grpo", seed: 2, extra: "rl: {lr: 1}"},
		{method: "grpo", seed: 1, extra: "rl: {lr: 2}"}, {method: "ops", seed: 1}} {
		write(t, filepath.Join(dir, fmt.Sprint("run", i)), s)
	}
	groups, err := Read([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range groups {
		got = append(got, fmt.Sprintf("%s:%d", g.Label, len(g.Runs)))
	}
	if s := strings.Join(got, " "); s != "grpo rl.lr=1:2 grpo rl.lr=2:1 ops:1" {
		t.Error(s)
	}
}

// TestNoRunCountsTwice: a run that is named twice, by itself, by its folder or by a link,
// counts once; a copy is no replicate and has its own row.
func TestNoRunCountsTwice(t *testing.T) {
	dir := t.TempDir()
	a, b, link := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(t.TempDir(), "link")
	write(t, a, script{method: "grpo", seed: 1})
	write(t, b, script{method: "grpo", seed: 1})
	if err := os.Symlink(a, link); err != nil {
		t.Fatal(err)
	}
	for _, paths := range [][]string{{dir}, {a, b}, {a, dir, link, b, b}} {
		groups, err := Read(paths, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(groups) != 2 || len(groups[0].Runs) != 1 || len(groups[1].Runs) != 1 || groups[0].Label != "grpo" || groups[1].Label != "grpo b" {
			t.Errorf("%v: %d groups, %+v", paths, len(groups), groups)
		}
	}
}

func TestPaired(t *testing.T) {
	p := paired(map[uint64]float64{1: 3, 2: 5, 3: 9}, map[uint64]float64{1: 1, 2: 3})
	if p.N != 2 || p.Mean != 2 {
		t.Errorf("%+v", p)
	}
}

// pair is two runs of one method that differ by their seed, with evaluations on split
// valid and test tasks after training, and n of them.
func pair(t *testing.T, n int) []Group {
	t.Helper()
	dir := t.TempDir()
	for seed := 1; seed <= n; seed++ {
		write(t, filepath.Join(dir, "a", fmt.Sprintf("seed-%d", seed)), script{method: "grpo", seed: seed, extra: "tasks: {eval: valid}\n",
			evals: map[int]int{4: 17 * (seed - 1), 12: 17 * (seed - 1)}, test: 30 + seed, end: runlog.Done{}})
	}
	groups, err := Read([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// TestFewRuns: two runs show their values and no interval with one degree of freedom; one
// has the interval over its tasks; the head says which. Test tasks stand beside those of
// split valid.
func TestFewRuns(t *testing.T) {
	for n, want := range map[int][]string{
		1: {"of one its value and the 95% Wilson interval over its tasks)", "final valid", "final test", "best valid", "31.0 [22.8, 40.6]"},
		2: {"(of two runs both values)", "final valid", "final test", "best valid", "0.0 / 17.0", "31.0 / 32.0"},
		3: {"(mean +- half of a 95% t interval over the runs)", "17.0 +- 42.2", "32.0 +- 2.5"},
	} {
		m := methods(pair(t, n))
		text := m.Text()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%d runs: no %q in\n%s", n, w, text)
			}
		}
		if n < 3 && strings.Contains(text[:strings.Index(text, "Mean over")], "+-") {
			t.Errorf("%d runs have an interval over them:\n%s", n, text)
		}
		if strings.Contains(text, "best test") {
			t.Error("test tasks are not played with the best checkpoint")
		}
	}
	data, err := json.Marshal(methods(pair(t, 2)))
	if err != nil || !strings.Contains(string(data), `"values":[0,0.17]`) || strings.Contains(string(data), `"ci95":0`) {
		t.Errorf("%s %v", data, err)
	}
	for _, f := range Figures(pair(t, 2)) {
		if strings.Contains(f.SVG, "95%") {
			t.Errorf("%s of two runs speaks of an interval", f.Name)
		}
	}
}

// TestSuitesAndLoneRuns: a run that was on no suite keeps its own evaluations in the table
// beside runs that were.
func TestSuitesAndLoneRuns(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "with"), script{method: "grpo", seed: 1, evals: map[int]int{12: 10}, suites: map[string]map[int]int{"id": {12: 20}}, end: runlog.Done{}})
	write(t, filepath.Join(dir, "without"), script{method: "ets", seed: 1, extra: "tasks: {eval: valid}\n", evals: map[int]int{12: 40}, test: 50, end: runlog.Done{}})
	groups, err := Read([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	table := methods(groups)
	text := table.Text()
	for _, want := range []string{"final id", "final during", "final test", "40.0 [", "50.0 ["} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestLeftOut: episodes that could not be played stand in the heads of the columns whose
// figures lack them, and are no category.
func TestLeftOut(t *testing.T) {
	dir := t.TempDir()
	for seed := 1; seed <= 2; seed++ {
		write(t, filepath.Join(dir, fmt.Sprint(seed)), script{method: "ets", seed: seed, end: runlog.Done{}, left: 3 * (seed - 1), evals: map[int]int{4: 10, 12: 40},
			suites: map[string]map[int]int{"id": {12: 50}}})
	}
	var runs []*Run
	for seed := 1; seed <= 2; seed++ {
		r, err := Load(filepath.Join(dir, fmt.Sprint(seed)))
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	groups := []Group{{Label: "ets", Runs: runs}}
	for _, tab := range []string{text(methods(groups)), text(categories(groups)), text(Differences(groups, &Group{Label: "none"}))} {
		if !strings.Contains(tab, "(200 of 203 played, 3 left out)") || strings.Contains(tab, "left_out") {
			t.Errorf("%s", tab)
		}
	}
	if tab := text(methods([]Group{{Label: "ets", Runs: runs[:1]}})); strings.Contains(tab, "left out") {
		t.Errorf("%s", tab)
	}
}

func text(t table.Table) string { return t.Text() }
