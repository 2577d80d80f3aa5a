package mcp

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkOpen opens sessions from a warm pool, each after the pool is full again, with an episode in each. It
// reports the time of opening, and fails where an episode knows a word of another.
func BenchmarkOpen(b *testing.B) {
	s := connect(b, Config{Command: command("memory"), Ahead: 8})
	var took []time.Duration
	for i := range b.N {
		wait(b, "a full pool", s.warm)
		begun := time.Now()
		e, err := s.Open(b.Context(), nil)
		took = append(took, time.Since(begun))
		if err != nil {
			b.Fatal(err)
		}
		if got := ask(b, e, "recall()"); got != "" {
			b.Fatalf("episode %d knows %q", i, got)
		}
		ask(b, e, fmt.Sprintf("remember(text='%d')", i))
		e.Close()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e6, "ms-median")
	b.ReportMetric(float64(took[(len(took)*99)/100].Nanoseconds())/1e6, "ms-p99")
}

// BenchmarkTicks makes calls of a tool that takes 20 ms: b.N in all, by so many episodes side by side.
func BenchmarkTicks(b *testing.B) {
	for _, side := range []int{1, 64} {
		b.Run(fmt.Sprint(side), func(b *testing.B) {
			s := connect(b, Config{Command: command("memory"), Ahead: side, Sessions: side})
			wait(b, "a full pool", s.warm)
			b.ResetTimer()
			next := make(chan struct{}, b.N)
			for range b.N {
				next <- struct{}{}
			}
			close(next)
			var group sync.WaitGroup
			for range side {
				group.Go(func() {
					e, err := s.Open(b.Context(), nil)
					if err != nil {
						b.Error(err)
						return
					}
					defer e.Close()
					call := parse(b, "tick()")
					for range next {
						if got, err := e.Call(b.Context(), call); err != nil || got != "tock" {
							b.Errorf("%q, %v", got, err)
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
