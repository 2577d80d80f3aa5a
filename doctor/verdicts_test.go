package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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
	runs, verdict, both, alarms int
	lead                        []int
	wrong                       []string
}

// judge writes n runs of every kind to disk and lets the doctor read them.
func judge(t *testing.T, from uint64, n int) map[Kind]*tally {
	out := map[Kind]*tally{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	gate := make(chan bool, runtime.GOMAXPROCS(0))
	dir := t.TempDir()
	for _, kind := range Kinds {
		sum := &tally{}
		out[kind] = sum
		plays := n
		if kind == Healthy && n >= 20 {
			plays *= 5 // false alarms are rare: 20 runs cannot show 2%
		}
		for i := range plays {
			wg.Go(func() {
				gate <- true
				defer func() { <-gate }()
				s := New(kind, from+uint64(i))
				path := filepath.Join(dir, fmt.Sprintf("%s-%d", kind, i))
				defer os.RemoveAll(path)
				if err := s.Write(path, 25); err != nil {
					t.Error(err)
					return
				}
				r, err := Examine(path, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				sum.count(s, r.Diagnosis)
			})
		}
	}
	wg.Wait()
	return out
}

func (t *tally) count(s *Run, x verdict.Diagnosis) {
	t.runs++
	right := x.Verdict == wanted[s.Kind]
	near := !x.Verdict.Sick() || max(x.Onset-s.Onset, s.Onset-x.Onset) <= tolerance
	if right {
		t.verdict++
	}
	if right && near {
		t.both++
	} else {
		t.wrong = append(t.wrong, fmt.Sprintf("seed %d: %s since %d (alarm %d), want %s since %d, ramp %.0f; %v %+v",
			s.Seed, x.Verdict, x.Onset, x.Alarm, wanted[s.Kind], s.Onset, s.ramp, x.Spells, x.Moved))
	}
	early := slices.ContainsFunc(x.Spells, func(sp verdict.Spell) bool {
		return sp.State.Sick() && (s.Onset == 0 || s.Kind == Plateau || sp.From < s.Onset)
	})
	if early {
		t.alarms++
	}
	if x.Halved > 0 && x.Alarm > 0 {
		t.lead = append(t.lead, x.Halved-x.Alarm)
	}
}

// TestVerdicts prints the table of docs/doctor.md and holds its promises. Seeds
// from 1 are the tuning set, those from 3001 the reporting set. BALLAST_SLOW=1
// plays 20 of each kind; BALLAST_TUNE=n plays n of the tuning set.
func TestVerdicts(t *testing.T) {
	from, n := uint64(3001), 2
	if testing.Short() {
		n = 1
	}
	if os.Getenv("BALLAST_SLOW") != "" {
		n = 20
	}
	if s := os.Getenv("BALLAST_TUNE"); s != "" {
		from = 1
		fmt.Sscan(s, &n)
	}
	runs, both, alarms := 0, 0, 0
	table := judge(t, from, n)
	for _, kind := range Kinds {
		x := table[kind]
		lead := "-"
		if k := len(x.lead); k > 0 && wanted[kind].Dead() {
			slices.Sort(x.lead)
			lead = fmt.Sprintf("%+d (%+d to %+d)", x.lead[k/2], x.lead[0], x.lead[k-1])
		}
		t.Logf("| %s | %s | %d | %d | %d | %d | %s |", kind, wanted[kind], x.runs, x.verdict, x.both, x.alarms, lead)
		runs, both, alarms = runs+x.runs, both+x.both, alarms+x.alarms
		for _, w := range x.wrong {
			t.Log(w[:min(len(w), 700)])
		}
	}
	t.Logf("right %d of %d, false alarms %d", both, runs, alarms)
	// A few runs cannot show 95%: one may be wrong among any number.
	if runs-both > max(1, runs/20) {
		t.Errorf("verdict and onset right in %d of %d runs, want 95%%, or all but one", both, runs)
	}
	if alarms > runs/50 {
		t.Errorf("%d false alarms in %d runs, want at most 2%%", alarms, runs)
	}
}
