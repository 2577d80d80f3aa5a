package runlog_test

import (
	"fmt"
	"os"
	"path/filepath"

	"ballast"
	"ballast/monitor"
	"ballast/runlog"
)

// A run directory is written update by update and read by whatever looks at a run.
func ExampleRead() {
	temp, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(temp)
	dir := filepath.Join(temp, "run")
	run, err := runlog.Create(dir, []byte("method: grpo\n"))
	if err != nil {
		panic(err)
	}
	for i := range 2 {
		u := ballast.Update{Index: i + 1, Phase: "rl", Metrics: map[string]float64{monitor.RewardMean: float64(i) / 2}}
		if err := run.Update(u); err != nil {
			panic(err)
		}
	}
	if err := run.Close(); err != nil {
		panic(err)
	}
	log, err := runlog.Read(dir)
	if err != nil {
		panic(err)
	}
	for u, err := range log.Updates() {
		if err != nil {
			panic(err)
		}
		fmt.Println(u.Index, u.Phase, u.Metrics[monitor.RewardMean])
	}
	// Output:
	// 1 rl 0
	// 2 rl 0.5
}
