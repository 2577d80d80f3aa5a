package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ballast/bounded"
)

// soakCommand kills a training run at random moments, resumes it every time, and
// compares the final weights with those of a run that was left alone.
func soakCommand() *cobra.Command {
	var kills int
	var seed uint64
	var set []string
	c := &cobra.Command{
		Use: "soak [METHOD]...", Args: cobra.ArbitraryArgs,
		Short: "kill -9 runs at random moments; resumed, they must end with the same bits",
		Long: "Kills a run of every method that is named (default grpo) at random moments, resumes it each time, and compares weights\n" +
			"and optimiser of its last checkpoint with those of a run that was left alone.",
		RunE: func(_ *cobra.Command, methods []string) error {
			if len(methods) == 0 {
				methods = []string{"grpo"}
			}
			for i, m := range methods {
				if err := soak(m, kills, seed+uint64(i), set); err != nil {
					return fmt.Errorf("%s: %w", m, err)
				}
			}
			return nil
		},
	}
	c.Flags().IntVar(&kills, "kills", 20, "number of kills of each")
	c.Flags().Uint64Var(&seed, "seed", 1, "seed of the moments")
	c.Flags().StringArrayVar(&set, "set", []string{"phases=[{sft: gold}, {rl: 12}]", "tasks.count=64", "tasks.test=8", "sft.epochs=1",
		"rl.prompts=4", "keep.checkpoint=2", "keep.eval=5"}, "settings of the run")
	return c
}

func soak(method string, kills int, seed uint64, set []string) error {
	self, err := exec.LookPath(os.Args[0])
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ballast-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	calm, wild := filepath.Join(dir, "calm"), filepath.Join(dir, "wild")
	args := func(out string) []string {
		a := []string{"train", method, "--out", out}
		for _, s := range set {
			a = append(a, "--set", s)
		}
		return a
	}
	start := time.Now()
	if out, err := exec.Command(self, args(calm)...).CombinedOutput(); err != nil {
		return fmt.Errorf("the undisturbed run: %w\n%s", err, out)
	}
	whole := time.Since(start)
	say(stdout, "%s, undisturbed run: %.1f s\n", method, whole.Seconds())
	rng := rand.New(rand.NewPCG(seed, 0))
	next := args(wild)
	for done := 0; ; {
		cmd := exec.Command(self, next...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		// Short enough on average that the run does not end before the last kill.
		wait := time.Duration(rng.Float64() * 2 * float64(whole) / float64(max(1, kills)))
		if done >= kills {
			wait = 100 * whole
		}
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("after %d kills: %w\n%s", done, err, out.Bytes())
			}
			return compareRuns(calm, wild, done)
		case <-time.After(wait):
			cmd.Process.Kill()
			<-ended
			done++
			say(stdout, "kill %d after %.2f s, %d updates recorded\n", done, wait.Seconds(), countLines(filepath.Join(wild, "updates.jsonl")))
		}
		if _, err := os.Stat(filepath.Join(wild, "run.json")); err == nil {
			next = []string{"train", "--resume", wild}
		}
	}
}

func countLines(path string) int {
	data, err := bounded.ReadFile(path, bounded.GiB)
	if err != nil {
		return 0
	}
	return bytes.Count(data, []byte("\n"))
}

// compareRuns compares the weights and optimiser of the newest checkpoints.
func compareRuns(a, b string, kills int) error {
	newest := func(run string) (string, error) {
		list, err := filepath.Glob(filepath.Join(run, "checkpoints", "*"))
		if err != nil || len(list) == 0 {
			return "", fmt.Errorf("%s has no checkpoint", run)
		}
		return list[len(list)-1], nil
	}
	ca, err := newest(a)
	if err != nil {
		return err
	}
	cb, err := newest(b)
	if err != nil {
		return err
	}
	files, err := os.ReadDir(ca)
	if err != nil {
		return err
	}
	if filepath.Base(ca) != filepath.Base(cb) {
		return fmt.Errorf("after %d kills the last checkpoint is %s, and that of the run that was left alone %s", kills, cb, ca)
	}
	compared := 0
	for _, f := range files {
		if f.Name() == "checkpoint.json" { // holds lengths of files with timings
			continue
		}
		x, err := bounded.ReadFile(filepath.Join(ca, f.Name()), bounded.GiB)
		if err != nil {
			return err
		}
		y, err := bounded.ReadFile(filepath.Join(cb, f.Name()), bounded.GiB)
		if err != nil {
			return err
		}
		if !bytes.Equal(x, y) {
			return fmt.Errorf("after %d kills %s differs between %s and %s", kills, f.Name(), ca, cb)
		}
		compared++
	}
	say(stdout, "%d kills, %d files of the final checkpoint bit-identical\n", kills, compared)
	return nil
}
