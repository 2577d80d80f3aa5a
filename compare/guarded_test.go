package compare

import (
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/runlog"
)

// guardedRun writes a run that is sick from update 13 on, at update 20 its guard acts;
// what follows has the given rewards.
func guardedRun(t *testing.T, dir, seed string, did runlog.Acted, after []float64, done bool) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log, err := runlog.Create(dir, []byte("method: grpo\nseed: "+seed+"\n"))
	must(err)
	defer func() { must(log.Close()) }()
	checkpoint := func(u int) {
		_, err := log.Checkpoint(u, nil, func(string) error { return nil })
		must(err)
	}
	update := func(u int, reward float64) {
		must(log.Update(ballast.Update{Index: u, Phase: "rl", Metrics: map[string]float64{monitor.RewardMean: reward}}))
	}
	checkpoint(0)
	for u := 1; u <= 20; u++ {
		reward := 0.3
		if u >= 13 {
			reward = 0.01
		} else if u <= 5 {
			reward = 0.1
		}
		update(u, reward)
		if u%10 == 0 {
			checkpoint(u)
		}
	}
	must(log.Event(runlog.Event{Update: 20, What: runlog.Alarm{Sign: verdict.Drifting, Began: 13}}))
	must(log.Event(runlog.Event{Update: 20, What: did, Text: "a text that says stop: nothing reads it"}))
	for i, v := range after {
		update(21+i, v)
	}
	if done {
		checkpoint(20 + len(after))
		must(log.Event(runlog.Event{Update: 20 + len(after), What: runlog.Done{}}))
	}
}

// TestGuards: a stop ends at the checkpoint that it names, a rollback at its last updates;
// what a sick stretch covers is no healthy checkpoint.
func TestGuards(t *testing.T) {
	dir := t.TempDir()
	stop, back := runlog.Acted{Do: runlog.DoStop, Checkpoint: new(10)}, runlog.Acted{Do: runlog.DoRollback, Checkpoint: new(10)}
	flat := func(v float64) []float64 {
		y := make([]float64, 20)
		for i := range y {
			y[i] = v
		}
		return y
	}
	guardedRun(t, filepath.Join(dir, "stop", "seed-1"), "1", stop, nil, false)
	guardedRun(t, filepath.Join(dir, "rollback", "seed-1"), "1", back, flat(0.4), true)
	guardedRun(t, filepath.Join(dir, "rollback", "seed-2"), "2", back, flat(0.2), true)
	groups, err := Read([]string{filepath.Join(dir, "rollback"), filepath.Join(dir, "stop")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := groups[1].Runs[0]
	if v, ok := r.Healthy(); !ok || v < 0.299 || v > 0.301 || r.Final != 10 || r.Best != 10 || r.Ending != Stopped {
		t.Errorf("healthy %g, final %d, best %d, %s", v, r.Final, r.Best, r.Ending)
	}
	table := guards(groups)
	for i, want := range []string{"2 2 1.000 0 1/2 0.300 > 0.400, 0.300 > 0.200", "1 1 1.000 1 1/1 0.300 > 0.300"} {
		row := table.Rows[i]
		got := strings.Join([]string{row[1].String(), row[2].String(), strings.Fields(row[3].String())[0], row[4].String(), row[7].String(), row[8].String()}, " ")
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if tables := Tables(groups); tables[len(tables)-1].Name != "guards" || len(Tables(groups[:0])) != 4 {
		t.Error("the table of guards stands where none acted, or not where one did")
	}
}
