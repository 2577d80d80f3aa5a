package main

import (
	"context"
	"testing"

	"ballast/bench"
	"ballast/model"
	"ballast/recipe"
	"ballast/recipe/loop"
)

// BenchmarkMonitoring: monitoring adds at most 3% to an update of the embedded model. The
// figures are processor time.
func BenchmarkMonitoring(b *testing.B) {
	if bench.CPUSeconds() == 0 {
		b.Fatal("this system does not tell processor time")
	}
	r, err := recipe.New("grpo")
	if err != nil {
		b.Fatal(err)
	}
	p, err := newRun(b.Context(), &r, loop.State{}, "")
	if err != nil {
		b.Fatal(err)
	}
	defer p.close()
	run := p.run
	if err := run.Engine.Learner().Freeze(); err != nil {
		b.Fatal(err)
	}
	m, err := model.Embedded()
	if err != nil {
		b.Fatal(err)
	}
	worst := 0.0
	for b.Loop() {
		c, err := bench.Watch(context.Background(), run, m, 12)
		if err != nil {
			b.Fatal(err)
		}
		worst = max(worst, c.Share())
	}
	b.ReportMetric(100*worst, "%/update")
	if worst > 0.03 {
		b.Errorf("monitoring costs %.1f%% of an update, want at most 3%%", 100*worst)
	}
}
