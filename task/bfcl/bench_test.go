package bfcl

import (
	"testing"

	"ballast/env/sim"
)

// BenchmarkGold replays the gold answers as `ballast bench world` does with the whole
// benchmark: a session each of worlds that were loaded before. Sub-benchmarks are the
// categories, and the checker over all.
func BenchmarkGold(b *testing.B) {
	tasks, err := Load(benchmark, Options{})
	if err != nil {
		b.Fatal(err)
	}
	prepared := make([]*sim.Prepared, len(tasks))
	for i := range tasks {
		if prepared[i], err = sim.Prepare(&tasks[i]); err != nil {
			b.Fatal(err)
		}
	}
	run := func(name, category string, check bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			calls := 0
			for b.Loop() {
				for i := range tasks {
					if category != "" && tasks[i].Category != category {
						continue
					}
					s := prepared[i].Session()
					for _, turn := range tasks[i].Turns {
						for _, c := range turn.Gold {
							s.Run(c)
							calls++
						}
						if check && !s.CloseTurn().Check().Passed {
							b.Fatal(tasks[i].ID)
						}
					}
				}
			}
			b.ReportMetric(float64(calls)/b.Elapsed().Seconds(), "calls/s")
			b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(calls), "ns/call")
		})
	}
	run("all", "", false)
	run("checker", "", true)
	for _, c := range Categories {
		run(c, c, false)
	}
}
