package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ballast"
	"ballast/doctor/probe"
	"ballast/model"
	"ballast/recipe"
	"ballast/runlog"
)

// TestProbeOfARun: a run's checkpoint is played under the run's own settings, the
// result lies in the run's directory, and the run's page shows it.
func TestProbeOfARun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with a race detector")
	}
	r, err := recipe.New("grpo")
	if err != nil {
		t.Fatal(err)
	}
	r.Tasks.Test, r.Chat.Format = 6, "pythonic"
	dir := fakeRun(t, r, 0)
	for _, checkpoint := range []string{dir, filepath.Join(dir, "checkpoints", "000003")} {
		var out bytes.Buffer
		to := t.TempDir()
		c := newRoot()
		c.SetOut(&out)
		c.SetArgs([]string{"doctor", "--probe", checkpoint, dir, "--out", to})
		if err := c.ExecuteContext(context.Background()); err != nil {
			t.Fatal(err)
		}
		list, err := probe.Load(dir)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d probes, %v", len(list), err)
		}
		var names []string
		for _, o := range list[0].Outcomes {
			names = append(names, o.Variant+":"+o.Format)
		}
		if got := strings.Join(names, " "); got != "plain:pythonic control:pythonic hermes:hermes" || list[0].Update != 3 || list[0].Count != 6 {
			t.Errorf("update %d, %d tasks, %s", list[0].Update, list[0].Count, got)
		}
		page, err := os.ReadFile(filepath.Join(to, "diagnosis.html"))
		if err != nil || !strings.Contains(string(page), "Capability hidden by format") || !strings.Contains(string(page), "update 3") {
			t.Errorf("the page lacks the probe: %v", err)
		}
	}
}

// fakeRun is a run directory whose one checkpoint, of update 3, is the embedded model,
// with so many evaluations.
func fakeRun(t *testing.T, r recipe.Recipe, evals int) string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m, err := model.Embedded()
	must(err)
	dir := filepath.Join(t.TempDir(), "run")
	log, err := runlog.Create(dir, r.YAML())
	must(err)
	must(log.Update(ballast.Update{Index: 3, Phase: "rl", Metrics: map[string]float64{"reward/mean": 0.5, "eval/success": 0.5}}))
	for range evals {
		must(log.Event(runlog.Event{Update: 3, What: runlog.Evaluated{Score: runlog.Score{OK: 1, All: 2}}}))
	}
	_, err = log.Checkpoint(3, nil, func(to string) error { return m.Save(to, model.F32) })
	must(err)
	must(log.Close())
	return dir
}

// TestEvalOfARun: eval of a run, or of its checkpoint's path, plays what the run plays
// and says so; a flag says otherwise; tasks that chose the checkpoint are named biased.
func TestEvalOfARun(t *testing.T) {
	r, err := recipe.New("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	r.Tasks.Test, r.Chat.Format, r.Budget.Steps, r.Seed = 4, "pythonic", 7, 9
	dir, once := fakeRun(t, r, 2), fakeRun(t, r, 1)
	const own = "tasks desk, calls 3, max_turns 2, 4 tasks, seed 9, format pythonic, malformed stop, budget 64 tokens a reply, 512 an episode, 96 a result, 7 steps"
	for _, c := range []struct {
		model string
		flags []string
		want  string
		bias  bool
	}{
		{dir, nil, own + "\n", false},
		{dir, []string{"--split", "valid"}, own + "; given --split\n", true},
		{filepath.Join(dir, "checkpoints", "000003"), []string{"--split", "valid"}, own + "; given --split\n", true},
		{once, []string{"--split", "valid"}, own + "; given --split\n", false},
		{dir, []string{"--seed", "2", "--count", "2", "--set", "chat.format=hermes"}, "2 tasks, seed 2, format hermes, malformed stop, budget 64 tokens a reply, 512 an episode, 96 a result, 7 steps; given --count --seed --set\n", false},
		{dir, []string{"--tasks", "desk-ood", "--count", "2"}, "tasks desk-ood, 2 tasks, seed 9", false},
		{dir, []string{"--protocol", "official", "--split", "valid"}, "budget and malformed of protocol official; given --protocol --split", true},
	} {
		var out, errs bytes.Buffer
		transcript := filepath.Join(t.TempDir(), "t")
		root := newRoot()
		root.SetOut(&out)
		root.SetErr(&errs)
		root.SetArgs(append([]string{"eval", "--model", c.model, "--transcript", transcript}, c.flags...))
		if err := root.ExecuteContext(context.Background()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "update 3: ") || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: want %q in\n%s", c.flags, c.want, &out)
		}
		if got := strings.Contains(errs.String(), "biased upwards"); got != c.bias {
			t.Errorf("%v: warned %v: %s", c.flags, got, &errs)
		}
		played, err := os.ReadFile(transcript)
		if n := strings.Count(string(played), "=== "); err != nil || len(c.flags) == 0 && (n != 4 || !strings.Contains(string(played), "/9/")) {
			t.Errorf("%v: %d episodes, %v\n%.200s", c.flags, n, err, played)
		}
	}
}

// TestEvalOfChangedModel: the folder of an evaluation that was interrupted takes no
// episodes of weights that have changed since, and no tasks that have.
func TestEvalOfChangedModel(t *testing.T) {
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	must(t, writeModel(dir))
	play := func(flags ...string) error {
		root := newRoot()
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(append([]string{"eval", "--model", dir, "--count", "1", "--out", out}, flags...))
		return root.ExecuteContext(t.Context())
	}
	must(t, play())
	must(t, play())
	path := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)-1] ^= 1
	must(t, os.WriteFile(path, data, 0o666))
	if err := play(); err == nil || !strings.Contains(err.Error(), "model's files") || !strings.Contains(err.Error(), "another folder") {
		t.Errorf("changed weights: %v", err)
	}
	// A folder of the version before knows no hashes.
	must(t, os.WriteFile(filepath.Join(out, "settings.json"), []byte(regexp.MustCompile(`\n.*sha256.*`).ReplaceAllString(read(t, filepath.Join(out, "settings.json")), "")), 0o666))
	must(t, play())
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}
