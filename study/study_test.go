package study

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/compare"
	"ballast/compare/table"
	"ballast/doctor/probe"
	"ballast/eval"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/runlog"
	"ballast/sweep"
	"ballast/task"
)

const head = "title: t\nseeds: 2\nsettings: {rl: {lr: 0.001}}\nrows:\n"

func read(t *testing.T, text string) (*Plan, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return Read(path)
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestPlanErrors(t *testing.T) {
	for text, want := range map[string]string{
		"title: t\nseeds: 0\nrows: [{name: a, method: sft}]":                                       "wants seeds",
		head + "  - {name: a, method: sft, colour: red}":                                           "colour",
		head + "  - {name: a/b, method: sft}":                                                      "is one of a folder",
		head + "  - {name: a, method: sft}\n  - {name: a, method: ops}":                            "two rows are named a",
		head + "  - {name: a, method: sft, match: b}":                                              "no row b",
		head + "  - {name: a, method: sft, match: b}\n  - {name: b, method: ops}":                  "a row of that method without match",
		head + "  - {name: a, method: sft, vary: [lr]}":                                            "want key=",
		head + "  - {name: a, method: sft}\nbase: b":                                               "base: there is no row b",
		head + "  - {name: a, method: sft}\nsections: [{name: s, rows: [c]}]":                      "no row c",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, more: a}]":                          "wants says, and one of",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, more: a, less: c}]":                 "no row c",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, more: a, less: a, at: never}]":      "neither final nor best",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, collapses: a, holds: a}]":           "one of more with less",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, collapses: a, same: a, as: a}]":     "one of more with less",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, more: a, less: a, suite: it}]":      "there is no suite it",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, holds: a, but: a}]":                 "goes with collapses",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, hastens: a}]":                       "hastens with but",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, holds: a, at: best}]":               "go with more and same",
		head + "  - {name: a, method: sft}\nclaims: [{says: x, more: a, less: a, margin: 0.1}]":    "margin: with same",
		head + "  - {name: a, method: sft}\nclaims: [{more: a, less: a}]":                          "wants says",
		head + "  - {name: a, method: sft}\nsections: [{name: s, rows: [a]}]\nsuites: [{nam: id}]": "nam",
	} {
		if _, err := read(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// TestCommitted: the committed plans can be read, and their rows are recipes.
func TestCommitted(t *testing.T) {
	files, err := filepath.Glob("../recipes/study*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		p, err := Read(f)
		if err != nil {
			t.Error(err)
			continue
		}
		dir := t.TempDir()
		if err := p.Open(dir); err != nil {
			t.Error(err)
		}
		text := must[[]byte](t)(os.ReadFile(p.Config(dir)))
		for _, row := range p.Rows {
			r, err := recipe.New(row.Method)
			if err != nil {
				t.Errorf("%s: row %s: %v", f, row.Name, err)
				continue
			}
			if err := r.Apply(f, text); err != nil {
				t.Errorf("%s: row %s: %v", f, row.Name, err)
			}
			for _, s := range row.Set {
				if err := r.Set(s); err != nil {
					t.Errorf("%s: row %s: %v", f, row.Name, err)
				}
			}
			if err := r.Check(); err != nil || task.Held(r.Tasks.Set) != "valid" {
				t.Errorf("%s: row %s: %v, evaluations on %q", f, row.Name, err, r.Tasks.Set)
			}
		}
	}
}

func TestVaryAndQuick(t *testing.T) {
	p := must[*Plan](t)(read(t, head+"  - {name: a, method: grpo, vary: ['rl.lr=1,2', 'rl.kl=0,1']}\n  - {name: b, method: ops}\nquick: {seeds: 1, rows: [a], set: [rl.prompts=2]}"))
	if len(p.Rows) != 5 || p.Rows[2].Name != "a,rl.lr=2,rl.kl=0" || !slices.Equal(p.Rows[2].Set, []string{"rl.lr=2", "rl.kl=0"}) {
		t.Errorf("%+v", p.Rows)
	}
	p.Small()
	if len(p.Rows) != 4 || p.Seeds != 1 || !slices.Contains(p.Rows[0].Set, "rl.prompts=2") {
		t.Errorf("quick: %d seeds, %+v", p.Seeds, p.Rows)
	}
}

func TestLike(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"base.yaml": "title: b\nseeds: 1\nsettings: {rl: {lr: 1, kl: 2}, model: m}\nsuites: [{name: id, count: 3}]\nrows: [{name: a, method: sft}]",
		"own.yaml":  "title: o\nseeds: 2\nlike: base.yaml\nsettings: {rl: {lr: 5}}\nrows: [{name: b, method: ops}]",
		"far.yaml":  "title: f\nseeds: 2\nlike: own.yaml\nrows: [{name: b, method: ops}]",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	p := must[*Plan](t)(Read(filepath.Join(dir, "own.yaml")))
	rl := p.Settings["rl"].(map[string]any)
	if fmt.Sprintf("%v %v %v %v %v %v", rl["lr"], rl["kl"], p.Settings["model"], p.Seeds, len(p.Rows), p.Suites[0].Count) != "5 2 m 2 1 3" {
		t.Errorf("%+v", p)
	}
	if _, err := Read(filepath.Join(dir, "far.yaml")); err == nil {
		t.Error("a chain of plans is accepted")
	}
}

// TestOpen: rows and seeds may be added to a folder, the others must stay, whatever its name.
func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[a] study")
	a, b := "  - {name: a, method: grpo}\n", "  - {name: b, method: ops}\n"
	for _, c := range []struct{ text, want string }{
		{head + a, ""}, {head + a + b, ""}, {head + b, ""},
		{head + "  - {name: a, method: grpo, set: [rl.lr=1]}\n", "rows a differ from plan.yaml"},
		{strings.Replace(head, "0.001", "0.002", 1) + a, "settings differ"},
		{head + a + "suites: [{name: id, count: 3}]", "suites differ"},
	} {
		err := must[*Plan](t)(read(t, c.text)).Open(dir)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	// Plans with names keep copies of their own, and must agree with one another.
	named := "name: more\n" + head + b
	if err := must[*Plan](t)(read(t, named+"  - {name: c, method: ets}")).Open(dir); err != nil {
		t.Fatal(err)
	}
	first, err := Read(filepath.Join(dir, "plan.yaml"))
	if err != nil || first.row("c") != nil || first.row("a") == nil {
		t.Errorf("the first plan's copy has rows %+v, error %v", first.Rows, err)
	}
	err = must[*Plan](t)(read(t, head+"  - {name: c, method: ops}")).Open(dir)
	if err == nil || !strings.Contains(err.Error(), "(rows c differ from plan-more.yaml)") {
		t.Errorf("a row of another plan in the folder changes: %v", err)
	}
}

// run writes a run that ended, with id successes of 100 at its end and its best.
func run(t *testing.T, dir string, supervised float64, final, best int) {
	t.Helper()
	log, err := runlog.Create(dir, []byte("method: m\nseed: "+strings.TrimPrefix(filepath.Base(dir), "seed-")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	for u, ok := range []int{best, final} {
		must[int](t)(0, log.Update(ballast.Update{Index: u + 1, Phase: "sft", Metrics: map[string]float64{
			monitor.TokensSupervised: supervised, monitor.EvalSuccess: float64(ok) / 100}}))
		score := runlog.Score{OK: ok, All: 100}
		must[int](t)(0, log.Event(runlog.Event{Update: u + 1, What: runlog.Evaluated{Score: score}}))
		must[runlog.Checkpoint](t)(log.Checkpoint(u+1, nil, func(string) error { return nil }))
		must[int](t)(0, log.Event(runlog.Event{Update: u + 1, What: runlog.SuiteTested{Suite: "id", Score: score}}))
	}
	must[int](t)(0, log.Event(runlog.Event{Update: 2, What: runlog.Done{}}))
	must[int](t)(0, log.Close())
}

// TestMatch: a matched run has as many supervised tokens as its model saw.
func TestMatch(t *testing.T) {
	p := must[*Plan](t)(read(t, head+"  - {name: sft, method: sft}\n  - {name: ops, method: ops}\n  - {name: half, method: sft, match: ops}"))
	dir := t.TempDir()
	first, second := p.Jobs(dir)
	if len(first) != 4 || len(second) != 2 {
		t.Fatalf("%d and %d jobs", len(first), len(second))
	}
	if _, err := second[0].Start(); err == nil || !strings.Contains(err.Error(), "waits for ops") {
		t.Errorf("before the runs: %v", err)
	}
	run(t, sweep.Seed(filepath.Join(dir, "sft"), 1), 100, 1, 2)
	run(t, sweep.Seed(filepath.Join(dir, "ops"), 1), 760, 1, 2)
	args := must[[]string](t)(second[0].Start())
	if text := strings.Join(args, " "); !strings.HasPrefix(text, "train sft --out ") || !strings.HasSuffix(text, "--set seed=1 --set sft.updates=15") {
		t.Errorf("%s", text)
	}
}

func TestClaims(t *testing.T) {
	p := must[*Plan](t)(read(t, head+"  - {name: a, method: grpo}\n  - {name: b, method: ops}\n  - {name: c, method: ops}\nclaims:\n"+
		"  - {says: 1, more: a, less: b}\n  - {says: 2, more: b, less: a}\n  - {says: 3, same: a, as: b}\n  - {says: 4, same: a, as: a}\n"+
		"  - {says: 5, collapses: b}\n  - {says: 6, holds: b}\n  - {says: 7, holds: a}\n  - {says: 8, more: a, less: c}\n  - {says: 9, more: a, less: b, at: best}\n"+
		"  - {says: 10, same: b, as: b}\n  - {says: 11, collapses: b, but: a}\n  - {says: 12, collapses: b, but: b}\n  - {says: 13, collapses: b, but: c}\n"))
	dir := t.TempDir()
	for seed := 1; seed <= 5; seed++ {
		run(t, sweep.Seed(filepath.Join(dir, "a"), seed), 0, 40+seed, 41)
		run(t, sweep.Seed(filepath.Join(dir, "b"), seed), 0, seed/5, 40+2*seed%3)
	}
	groups := must[[]compare.Group](t)(p.Groups(dir))
	got := map[string]string{}
	table := p.claims(groups)
	for _, row := range table.Rows {
		got[row[0].Text] = row[4].Text
	}
	for says, want := range map[string]string{"1": agrees, "2": disagrees, "3": disagrees, "4": agrees, "5": agrees, "6": disagrees, "7": agrees, "8": cannotTell,
		"10": cannotTell /* b has nothing to keep */, "11": agrees, "12": disagrees, "13": cannotTell} {
		if got[says] != want {
			t.Errorf("claim %s: %s, want %s\n%s", says, got[says], want, table.Text())
		}
	}
}

// TestHastens: the difference is between the updates from which on the reward is gone.
func TestHastens(t *testing.T) {
	p := must[*Plan](t)(read(t, head+"  - {name: a, method: grpo}\n  - {name: b, method: grpo}\nclaims:\n"+
		"  - {says: 1, hastens: a, but: b}\n  - {says: 2, hastens: b, but: a}\n  - {says: 3, hastens: b, but: b}\n"))
	dir := t.TempDir()
	for seed := 1; seed <= 3; seed++ {
		for row, dies := range map[string]int{"a": 14 + seed, "b": 99} {
			log := must[*runlog.Run](t)(runlog.Create(sweep.Seed(filepath.Join(dir, row), seed), fmt.Appendf(nil, "method: grpo\nseed: %d\n", seed)))
			for u := 1; u <= 40; u++ {
				reward := 0.5
				if u >= dies {
					reward = 0
				}
				if err := log.Update(ballast.Update{Index: u, Phase: "rl", Metrics: map[string]float64{monitor.RewardMean: reward}}); err != nil {
					t.Fatal(err)
				}
			}
			must[int](t)(0, log.Event(runlog.Event{Update: 40, What: runlog.Done{}}))
			log.Close()
		}
	}
	table := p.claims(must[[]compare.Group](t)(p.Groups(dir)))
	// The mean of ten is under a fifth of 0.5 when nine of them are 0: 8 updates after the first.
	for i, want := range []struct {
		mean    float64
		verdict string
	}{{41 - 24, agrees}, {24 - 41, disagrees}, {0, cannotTell}} {
		if row := table.Rows[i]; row[2].Stat == nil || row[2].Stat.Mean != want.mean || row[4].Text != want.verdict {
			t.Errorf("claim %s: %s %s, want %v", row[0].Text, row[2], row[4].Text, want)
		}
	}
}

// TestProbes: the table is over the probes of final checkpoints, and a job is done
// when its run has the one that its row asks for.
func TestProbes(t *testing.T) {
	p := must[*Plan](t)(read(t, head+"  - {name: a, method: grpo, probe: 50}\n  - {name: b, method: grpo}\nsuites: [{name: id, count: 100}]"))
	dir := t.TempDir()
	probes := func(run string, update, count, plain, free int) {
		r := probe.Result{Update: update, Count: count, Outcomes: []probe.Outcome{
			{Variant: "plain", Success: eval.Count{OK: plain, All: count}},
			{Variant: "free", Success: eval.Count{OK: free, All: count}, Hidden: &probe.Difference{Mean: float64(free-plain) / float64(count)}}}}
		must[string](t)(r.Save(run))
	}
	for seed := 1; seed <= 2; seed++ {
		for _, row := range []string{"a", "b"} {
			run(t, sweep.Seed(filepath.Join(dir, row), seed), 0, 40, 41)
		}
		probes(sweep.Seed(filepath.Join(dir, "a"), seed), 2, 50*seed, 10*seed, 20*seed)
		probes(sweep.Seed(filepath.Join(dir, "a"), seed), 1, 50, 50, 50) // not the final checkpoint
	}
	table := hidden(must[[]compare.Group](t)(p.Groups(dir)))
	if len(table.Rows) != 1 || strings.Join(table.Head, "|") != "method|n|plain|free|free - plain" {
		t.Fatal(table.Text())
	}
	for i, want := range []float64{0.2, 0.4, 0.2} {
		if got := table.Rows[0][2+i].Stat; got.N != 2 || math.Abs(got.Mean-want) > 1e-9 {
			t.Errorf("%s: %+v, want %v", table.Head[2+i], got, want)
		}
	}
	first, _ := p.Jobs(dir)
	for i, want := range []bool{true, true, false, true} { // a and b of seed 1, then of seed 2, whose probe has 100 tasks
		r := must[*compare.Run](t)(compare.Load(first[i].Dir))
		if got := first[i].Enough(r); got != want {
			t.Errorf("%s: done %v, want %v", first[i].Dir, got, want)
		}
	}
	broken := must[string](t)((&probe.Result{Update: 2}).Save(first[0].Dir))
	if err := os.WriteFile(broken, []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	groups := must[[]compare.Group](t)(p.Groups(dir))
	if first[0].Enough(groups[0].Runs[0]) {
		t.Error("done with a probe that cannot be read")
	}
	if table := hidden(groups); !strings.Contains(table.Text(), broken) || table.Rows[0][1].Text != "1" {
		t.Errorf("%s", table.Text())
	}
}

// TestFigures: plans that share a folder do not draw over each other's figures.
func TestFigures(t *testing.T) {
	dir := t.TempDir()
	run(t, sweep.Seed(filepath.Join(dir, "a"), 1), 0, 40, 41)
	names := map[string]int{}
	for _, name := range []string{"", "name: more\n"} {
		p := must[*Plan](t)(read(t, name+head+"  - {name: a, method: grpo}\n"))
		for _, f := range p.Figures(must[[]compare.Group](t)(p.Groups(dir))) {
			names[f.Name]++
		}
	}
	if names["success"] != 1 || names["success-more"] != 1 {
		t.Errorf("%v", names)
	}
	for name, n := range names {
		if n > 1 {
			t.Errorf("both plans draw %s", name)
		}
	}
}

// TestKeeps: of the runs whose guard acted, four of five must end no lower than at their
// best healthy checkpoint.
func TestKeeps(t *testing.T) {
	p := must[*Plan](t)(read(t, head+"  - {name: a, method: grpo}\n  - {name: b, method: grpo}\nclaims:\n  - {says: 1, keeps: a}\n  - {says: 2, keeps: b}\n"))
	dir := t.TempDir()
	for row, kept := range map[string]int{"a": 4, "b": 3} {
		for seed := 1; seed <= 5; seed++ {
			log := must[*runlog.Run](t)(runlog.Create(sweep.Seed(filepath.Join(dir, row), seed), fmt.Appendf(nil, "method: grpo\nseed: %d\n", seed)))
			must[runlog.Checkpoint](t)(log.Checkpoint(0, nil, func(string) error { return nil }))
			for u := 1; u <= 40; u++ {
				reward := 0.1
				if u > 20 && seed > kept {
					reward = 0.05
				}
				must[int](t)(0, log.Update(ballast.Update{Index: u, Phase: "rl", Metrics: map[string]float64{monitor.RewardMean: reward}}))
				if u == 20 {
					must[int](t)(0, log.Event(runlog.Event{Update: u, What: runlog.Alarm{Began: 15}}))
					must[int](t)(0, log.Event(runlog.Event{Update: u, What: runlog.Acted{Do: runlog.DoRollback, Checkpoint: new(0)}}))
				}
			}
			must[int](t)(0, log.Event(runlog.Event{Update: 40, What: runlog.Done{}}))
			must[int](t)(0, log.Close())
		}
	}
	groups := must[[]compare.Group](t)(p.Groups(dir))
	for i, want := range []string{"4 of 5 keep it agrees", "3 of 5 keep it disagrees"} {
		if here, verdict := p.Claims[i].judge(groups); here.Text+" "+verdict != want {
			t.Errorf("%s %s, want %s", here.Text, verdict, want)
		}
	}
}

// TestBefore: a run that is at nothing from its first evaluation on has fallen from
// where the vanilla run of its seed stands.
func TestBefore(t *testing.T) {
	p := must[*Plan](t)(read(t, head+"  - {name: a, method: grpo}\n  - {name: v, method: vanilla}"))
	dir := t.TempDir()
	run(t, sweep.Seed(filepath.Join(dir, "a"), 1), 0, 0, 0)
	run(t, sweep.Seed(filepath.Join(dir, "v"), 1), 0, 8, 8)
	groups := must[[]compare.Group](t)(p.Groups(dir))
	if yes, known, since := groups[0].Runs[0].Collapsed(); !yes || !known || since != 1 {
		t.Errorf("collapsed %v %v since %d", yes, known, since)
	}
	// Another level is another test: nothing is known of before, and there is no difference.
	other := groups[0].Runs[0]
	other.Recipe["tasks"] = map[string]any{"level": map[string]any{"max_turns": 5}}
	for _, tasks := range []map[string]any{{"words": "both"}, {"level": map[string]any{"max_turns": 5}}} { // and so are other words
		other.Recipe["tasks"], other.Before = tasks, 0
		p.before(groups)
		if _, known, _ := other.Collapsed(); known || other.Before != 0 {
			t.Errorf("%v: before %v", tasks, other.Before)
		}
	}
	if d := compare.Difference(&groups[0], &groups[1], compare.Success("id", compare.Last)); d.N != 0 {
		t.Errorf("a difference of runs that were tested on different tasks: %+v", d)
	}
}

func TestDocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "study.md")
	text := "a\n<!-- table: x -->\nold\n<!-- end -->\n<!-- table: y -->\nkept\n<!-- end -->\n![f](pics/f.svg) ![g](pics/g.svg)\n"
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	tab := table.Table{Name: "x", Head: []string{"h"}, Rows: [][]table.Cell{{{Text: "new"}}}}
	for range 2 { // again gives the same
		left := must[[]string](t)(Document(path, []table.Table{tab}, []compare.Figure{{Name: "f", SVG: "<svg/>"}}))
		if !slices.Equal(left, []string{"table y", "figure g"}) {
			t.Errorf("left %q", left)
		}
		want := "a\n<!-- table: x -->\n\n| h |\n| --- |\n| new |\n\n<!-- end -->\n<!-- table: y -->\nkept\n<!-- end -->\n![f](pics/f.svg) ![g](pics/g.svg)\n"
		if got := string(must[[]byte](t)(os.ReadFile(path))); got != want {
			t.Errorf("%s", got)
		}
	}
	if got := string(must[[]byte](t)(os.ReadFile(filepath.Join(filepath.Dir(path), "pics", "f.svg")))); got != "<svg/>" {
		t.Errorf("figure %s", got)
	}
}

// TestQuickPlans: what a study keeps of its plan in its folder is a plan, of the quick
// version too: evaluations read it.
func TestQuickPlans(t *testing.T) {
	paths := must[[]string](t)(filepath.Glob("../recipes/study*.yaml"))
	if len(paths) == 0 {
		t.Fatal("no plans in recipes")
	}
	for _, path := range paths {
		p, dir := must[*Plan](t)(Read(path)), t.TempDir()
		p.Small()
		if err := p.Open(dir); err != nil {
			t.Fatal(err)
		}
		if again, err := Read(filepath.Join(dir, p.file())); err != nil || len(again.Rows) != len(p.Rows) || len(again.Rows) == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestNamesStay: no name of a plan leaves the study's folder, and two rows have two folders.
func TestNamesStay(t *testing.T) {
	for _, bad := range []string{"/../../x", "../x", "a/b", ".x", "-x", "a b", `a\\b`, "a:b", ""} {
		for _, plan := range []string{
			fmt.Sprintf("title: t\nseeds: 1\nrows:\n  - {name: %q, method: sft}\n", bad),
			fmt.Sprintf("title: t\nname: %q\nseeds: 1\nrows:\n  - {name: a, method: sft}\n", bad),
			fmt.Sprintf("title: t\nseeds: 1\nrows:\n  - {name: a, method: sft}\nsections:\n  - {name: %q, rows: [a]}\n", bad),
		} {
			if _, err := read(t, plan); bad != "" && (err == nil || !strings.Contains(err.Error(), "letters, digits")) {
				t.Errorf("%q: %v\n%s", bad, err, plan)
			}
		}
	}
	p := must[*Plan](t)(read(t, "title: t\nseeds: 1\nrows:\n  - {name: zeile-ü, method: sft, vary: [\"chat.system=a b,a_b\"]}\n"))
	first, _ := p.Jobs("out")
	if len(first) != 2 || first[0].Dir == first[1].Dir || filepath.Dir(filepath.Dir(first[0].Dir)) != "out" {
		t.Errorf("%+v", first)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "zeile-ü,chat.system=a_b"), 0o777); err != nil {
		t.Fatal(err)
	}
	must[int](t)(0, p.Open(dir)) // it is the second row's own
	p = must[*Plan](t)(read(t, "title: t\nseeds: 1\nrows:\n  - {name: zeile-ü, method: sft, vary: [\"chat.system=a b\"]}\n"))
	dir = t.TempDir()
	must[int](t)(0, os.MkdirAll(filepath.Join(dir, "zeile-ü,chat.system=a_b"), 0o777))
	if err := p.Open(dir); err == nil || !strings.Contains(err.Error(), "rename") {
		t.Errorf("a folder of the version before is passed over: %v", err)
	}
}
