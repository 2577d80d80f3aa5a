package bfcl

import (
	"testing"

	"ballast"
	simulator "ballast/world/bfcl"
)

// gold loads all tasks, or skips.
func gold(b *testing.B) []ballast.Task {
	b.Helper()
	tasks, err := Load("../../../shared/data/bfcl", Options{})
	if err != nil {
		b.Skip("the benchmark's data are not at ../shared/data/bfcl")
	}
	return tasks
}

// play plays the gold calls of a task and returns their number.
func play(b *testing.B, task *ballast.Task) (calls int) {
	var states [8]ballast.State
	var methods [8]map[string]bool
	for i, name := range task.Worlds {
		w, err := simulator.Get(name)
		if err != nil {
			b.Fatal(err)
		}
		if states[i], err = w.New(task.Init[name], task.Category == "long_context"); err != nil {
			b.Fatal(err)
		}
		methods[i] = names[name]
	}
	for _, turn := range task.Turns {
		for _, c := range turn.Gold {
			for i := range task.Worlds {
				if methods[i][c.Name] {
					states[i].Call(c)
					calls++
					break
				}
			}
		}
	}
	return calls
}

var names = func() map[string]map[string]bool {
	m := make(map[string]map[string]bool)
	for _, w := range simulator.All {
		m[w.Name()] = make(map[string]bool)
		for _, t := range w.Tools() {
			m[w.Name()][t.Name] = true
		}
	}
	return m
}()

// BenchmarkGold replays the gold answers of all tasks: calls per second, state
// creation included. Sub-benchmarks are the categories.
func BenchmarkGold(b *testing.B) {
	tasks := gold(b)
	run := func(category string) {
		b.Run(category, func(b *testing.B) {
			b.ReportAllocs()
			calls := 0
			for b.Loop() {
				for i := range tasks {
					if category == "all" || tasks[i].Category == category {
						calls += play(b, &tasks[i])
					}
				}
			}
			b.ReportMetric(float64(calls)/b.Elapsed().Seconds(), "calls/s")
			b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(calls), "ns/call")
		})
	}
	for _, c := range append([]string{"all"}, Categories...) {
		run(c)
	}
}
