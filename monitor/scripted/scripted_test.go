package scripted

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"ballast/monitor/verdict"
)

// wanted is the verdict on each kind.
var wanted = map[Kind]verdict.State{
	Spike: verdict.Collapsed, Pollution: verdict.Polluted, Abandonment: verdict.Abandoned, Length: verdict.Length,
	Hacking: verdict.Hacking, NoSignal: verdict.NoSignal, Mismatch: verdict.Mismatch, Plateau: verdict.Plateau, Healthy: verdict.Healthy,
}

// tolerance is how far an onset may be off, in updates.
const tolerance = 5

// tally is what a kind's runs gave.
type tally struct {
	runs, verdict, onset, alarms, lead, halved int
	off                                        []int
	wrong                                      []string
}

// judge runs the detector over n scripted runs of every kind.
func judge(from uint64, n int) map[Kind]*tally {
	out := map[Kind]*tally{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	gate := make(chan bool, runtime.GOMAXPROCS(0))
	for _, kind := range Kinds {
		out[kind] = &tally{}
		for i := range n {
			wg.Go(func() {
				gate <- true
				defer func() { <-gate }()
				s := New(kind, from+uint64(i))
				d := verdict.New()
				sick := false
				for u := 1; u <= Updates; u++ {
					d.Add(s.Update(u, s.Episodes(u)))
					sick = sick || d.Diagnosis().State.Sick()
				}
				x := d.Diagnosis()
				mu.Lock()
				defer mu.Unlock()
				t := out[kind]
				t.runs++
				right := x.Verdict == wanted[kind]
				near := kind == Healthy || kind == Plateau || abs(x.Onset-s.Onset) <= tolerance
				if right {
					t.verdict++
				}
				if right && near {
					t.onset++
				}
				if sick && (s.Onset == 0 || kind == Plateau) {
					t.alarms++
				}
				if x.Halved > 0 && x.Alarm > 0 {
					t.halved++
					t.lead += x.Halved - x.Alarm
				}
				if !right || !near {
					t.wrong = append(t.wrong, fmt.Sprintf("seed %d: %s at %d (alarm %d), wanted %s at %d ramp %.0f; spells %v moved %+v", s.Seed, x.Verdict, x.Onset, x.Alarm, wanted[kind], s.Onset, s.ramp, x.Spells, x.Moved))
				} else if sick && (kind == Healthy || kind == Plateau) {
					t.wrong = append(t.wrong, fmt.Sprintf("seed %d: alarm: %v %+v", s.Seed, x.Spells, x.Moved))
				}
			})
		}
	}
	wg.Wait()
	return out
}

func abs(x int) int { return max(x, -x) }

// TestTuning prints the table of the tuning seeds (BALLAST_TUNE=n runs of a kind).
func TestTuning(t *testing.T) {
	n := 4
	if s := os.Getenv("BALLAST_TUNE"); s != "" {
		fmt.Sscan(s, &n)
	}
	for kind, x := range judge(1, n) {
		t.Logf("%-12s runs %d verdict %d onset %d alarms %d lead %d/%d", kind, x.runs, x.verdict, x.onset, x.alarms, x.lead, x.halved)
		for i, w := range x.wrong {
			if i < 4 && len(w) > 0 {
				t.Log(w[:min(len(w), 1500)])
			}
		}
	}
}
