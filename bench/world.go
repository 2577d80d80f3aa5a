package bench

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"ballast"
	"ballast/env/sim"
	"ballast/provenance"
)

// Rates of the original (CPython 3.11, one process on a machine of this kind; see
// docs/bfcl.md), which the ratios are taken against.
const (
	originalCalls   = 15336 // gold calls per second, one execute per turn, 20 passes
	originalChecked = 1273  // trajectories per second, model and gold played and compared
)

// CollectAt lets the heap grow fivefold before a collection, to some 60 MB: beside
// a model it may be as large, and the tasks' 10 MB are not marked all the time.
const CollectAt = 400

// Rate is one measurement.
type Rate struct {
	Goroutines    int     `json:"goroutines"`
	Calls         int64   `json:"calls"`
	Trajectories  int64   `json:"trajectories"`
	Seconds       float64 `json:"seconds"`
	CPUSeconds    float64 `json:"cpu_seconds"` // of all goroutines and the collector, user and system
	CallsPerSec   float64 `json:"calls_per_second"`
	PerSec        float64 `json:"trajectories_per_second"`
	AllocsPerCall float64 `json:"allocations_per_call"`
	BytesPerCall  float64 `json:"bytes_per_call"`
	Ratio         float64 `json:"ratio_to_original"`
	BestRatio     float64 `json:"best_ratio_to_original"` // of the fastest tenth
	// HeapMB is the live heap after each tenth of the passes.
	HeapMB []float64 `json:"heap_mb"`
}

// Worlds is what World measures.
type Worlds struct {
	Machine  string     `json:"machine"`
	Cores    int        `json:"cores"`
	Tasks    int        `json:"tasks"`
	Passes   int        `json:"passes"`
	Calls    []Rate     `json:"replay"`
	Checker  []Rate     `json:"checker"`
	Alone    []Rate     `json:"alone"`
	Original [2]float64 `json:"original_calls_and_trajectories_per_second"`
}

// World plays the gold answers of tasks of the benchmark so many times, with and without
// the checker, in one goroutine and in one a core. A gold answer that fails is an error.
func World(tasks []ballast.Task, passes int) (*Worlds, error) {
	cores := runtime.GOMAXPROCS(0)
	res := &Worlds{Machine: machine(), Cores: cores, Tasks: len(tasks), Passes: passes, Original: [2]float64{originalCalls, originalChecked}}
	counts := []int{1}
	if cores > 1 {
		counts = append(counts, cores)
	}
	prepared := make([]*sim.Prepared, len(tasks))
	for i := range tasks {
		var err error
		if prepared[i], err = sim.Prepare(&tasks[i]); err != nil {
			return nil, err
		}
	}
	measure := func(into *[]Rate, play func(i int) (int, error)) error {
		for _, n := range counts {
			r, err := measureWorld(len(tasks), passes, n, play)
			if err != nil {
				return err
			}
			if into == &res.Calls {
				r.Ratio, r.BestRatio = r.CallsPerSec/originalCalls, r.BestRatio/originalCalls
			} else {
				share := float64(r.Trajectories) / float64(r.Calls)
				r.Ratio, r.BestRatio = r.PerSec/originalChecked, r.BestRatio*share/originalChecked
			}
			*into = append(*into, r)
		}
		return nil
	}
	return res, errors.Join(
		measure(&res.Calls, func(i int) (int, error) { return replayGold(&tasks[i], prepared[i].Session()) }),
		measure(&res.Checker, func(i int) (int, error) { return checkGold(&tasks[i], prepared[i].Session()) }),
		measure(&res.Alone, func(i int) (int, error) {
			s, err := sim.NewSession(&tasks[i])
			if err != nil {
				return 0, err
			}
			return checkGold(&tasks[i], s)
		}))
}

// replayGold plays a task's gold answer as a policy would.
func replayGold(t *ballast.Task, s *sim.Session) (calls int, err error) {
	for i := range t.Turns {
		for _, c := range t.Turns[i].Gold {
			s.Run(c)
			calls++
		}
	}
	return calls, s.Err()
}

// checkGold plays a task's gold answer as a policy would and checks it.
func checkGold(t *ballast.Task, s *sim.Session) (calls int, err error) {
	for i := range t.Turns {
		for _, c := range t.Turns[i].Gold {
			s.Run(c)
			calls++
		}
		if v := s.CloseTurn(); !v.Check().Passed {
			return 0, fmt.Errorf("%s: the gold answer fails at turn %d: %+v, %v", t.ID, i+1, v, s.Err())
		}
	}
	return calls, nil
}

// measureWorld plays all tasks so many times in n goroutines and adds up. Best is
// left in BestRatio as calls per second of the fastest tenth.
func measureWorld(tasks, passes, n int, play func(i int) (int, error)) (Rate, error) {
	if _, err := playTasks(tasks, 1, n, play); err != nil { // warm up
		return Rate{}, err
	}
	r := Rate{Goroutines: n}
	var before, after runtime.MemStats
	var allocs, bytes uint64
	for part := range 10 {
		some := passes*(part+1)/10 - passes*part/10
		if some == 0 {
			continue
		}
		runtime.GC()
		runtime.ReadMemStats(&before)
		start, used := time.Now(), CPUSeconds()
		calls, err := playTasks(tasks, some, n, play)
		if err != nil {
			return r, err
		}
		secs := time.Since(start).Seconds()
		r.CPUSeconds += CPUSeconds() - used
		runtime.ReadMemStats(&after)
		allocs += after.Mallocs - before.Mallocs
		bytes += after.TotalAlloc - before.TotalAlloc
		runtime.GC()
		runtime.ReadMemStats(&after)
		r.HeapMB = append(r.HeapMB, math.Round(float64(after.HeapAlloc)/1e4)/100)
		r.Seconds += secs
		r.Calls += calls
		r.Trajectories += int64(some * tasks)
		r.BestRatio = max(r.BestRatio, float64(calls)/secs)
	}
	r.CallsPerSec, r.PerSec = float64(r.Calls)/r.Seconds, float64(r.Trajectories)/r.Seconds
	r.AllocsPerCall, r.BytesPerCall = float64(allocs)/float64(r.Calls), float64(bytes)/float64(r.Calls)
	return r, nil
}

// playTasks plays passes over the tasks in n goroutines, which take tasks in turn.
func playTasks(tasks, passes, n int, play func(i int) (int, error)) (calls int64, err error) {
	var next, sum atomic.Int64
	var group sync.WaitGroup
	var once sync.Once
	total := int64(passes * tasks)
	for range n {
		group.Go(func() {
			var mine int64
			defer func() { sum.Add(mine) }()
			for {
				i := next.Add(1) - 1
				if i >= total {
					return
				}
				k, e := play(int(i) % tasks)
				if e != nil {
					once.Do(func() { err = e })
					return
				}
				mine += int64(k)
			}
		})
	}
	group.Wait()
	return sum.Load(), err
}

// Print writes the measurements for people.
func (res *Worlds) Print(out io.Writer) {
	fmt.Fprintf(out, "%s, %d cores; %d tasks, %d passes each\n", res.Machine, res.Cores, res.Tasks, res.Passes)
	for _, r := range res.Calls {
		fmt.Fprintf(out, "replay   %d goroutines %10.0f calls/s        %5.1f x the original (best tenth %5.1f)", r.Goroutines, r.CallsPerSec,
			r.Ratio, r.BestRatio)
		r.memory(out)
	}
	for i, r := range append(res.Checker, res.Alone...) {
		name := "checker"
		if i >= len(res.Checker) {
			name = "alone"
		}
		fmt.Fprintf(out, "%-8s %d goroutines %10.0f trajectories/s %5.1f x the original (best tenth %5.1f)", name, r.Goroutines, r.PerSec,
			r.Ratio, r.BestRatio)
		r.memory(out)
	}
}

func (r *Rate) memory(out io.Writer) {
	if r.CPUSeconds > 0 { // on a busy machine the processor's time tells more than the clock's
		fmt.Fprintf(out, ", %.0f calls and %.0f trajectories per second of processor", float64(r.Calls)/r.CPUSeconds,
			float64(r.Trajectories)/r.CPUSeconds)
	}
	fmt.Fprintf(out, ", %.1f allocations and %.0f bytes a call, live heap %.1f to %.1f MB\n", r.AllocsPerCall, r.BytesPerCall,
		r.HeapMB[0], r.HeapMB[len(r.HeapMB)-1])
}

// machine names the processor, where the system tells.
func machine() string {
	return cmp.Or(provenance.Processor(), runtime.GOOS+"/"+runtime.GOARCH)
}
