package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
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
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	r, err := recipe.New("grpo")
	if err != nil {
		t.Fatal(err)
	}
	r.Model, r.Tasks.Test, r.Chat.Format = "embedded", 6, "pythonic"
	dir := filepath.Join(t.TempDir(), "run")
	log, err := runlog.Create(dir, r.YAML())
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Update(ballast.Update{Index: 3, Phase: "rl", Metrics: map[string]float64{"reward/mean": 0.5}}); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Checkpoint(3, nil, func(to string) error { return m.Save(to, model.F32) }); err != nil {
		t.Fatal(err)
	}
	log.Close()
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
