package main

import (
	"context"
	"os"
	"testing"

	"ballast/model"
	"ballast/recipe"
)

// TestMonitoringCost: monitoring adds at most 3% to an update of the embedded
// model (BALLAST_SLOW=1; the figures are processor time).
func TestMonitoringCost(t *testing.T) {
	if os.Getenv("BALLAST_SLOW") == "" {
		t.Skip("set BALLAST_SLOW=1 to measure the cost of monitoring")
	}
	if cpuSeconds() == 0 {
		t.Skip("this system does not tell processor time")
	}
	r, err := recipe.New("grpo")
	if err != nil {
		t.Fatal(err)
	}
	run, err := prepare(&r)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Engine.Learner.Freeze(); err != nil {
		t.Fatal(err)
	}
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	c, err := measureWatching(context.Background(), run, m, 12)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("sampling %.3f s, watched %.3f s, metrics and verdict %.4f s, training %.3f s: %.2f%%", c.Plain, c.Watched, c.Inspect, c.Train, 100*c.share())
	if c.share() > 0.03 {
		t.Errorf("monitoring costs %.1f%% of an update, want at most 3%%", 100*c.share())
	}
}
