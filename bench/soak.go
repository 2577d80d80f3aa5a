package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"ballast/bounded"
	"ballast/safetext"
)

// Soak kills a training run of a method at random moments, resumes it every time, and
// compares weights and optimiser of its last checkpoint with those of a run that was left
// alone; other bits are an error. program is the executable; what happens is told to out.
func Soak(out io.Writer, program, method string, kills int, seed uint64, set []string) error {
	dir, err := os.MkdirTemp("", "ballast-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	calm, wild := filepath.Join(dir, "calm"), filepath.Join(dir, "wild")
	args := func(run string) []string {
		a := []string{"train", method, "--out", run}
		for _, s := range set {
			a = append(a, "--set", s)
		}
		return a
	}
	start := time.Now()
	if text, err := exec.Command(program, args(calm)...).CombinedOutput(); err != nil {
		return fmt.Errorf("the undisturbed run: %w\n%s", err, text)
	}
	whole := time.Since(start)
	safetext.Say(out, "%s, undisturbed run: %.1f s\n", method, whole.Seconds())
	rng := rand.New(rand.NewPCG(seed, 0))
	next := args(wild)
	for done := 0; ; {
		cmd := exec.Command(program, next...)
		var text bytes.Buffer
		cmd.Stdout, cmd.Stderr = &text, &text
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
				return fmt.Errorf("after %d kills: %w\n%s", done, err, text.Bytes())
			}
			return compareRuns(out, calm, wild, done)
		case <-time.After(wait):
			cmd.Process.Kill()
			<-ended
			done++
			safetext.Say(out, "kill %d after %.2f s, %d updates recorded\n", done, wait.Seconds(), countLines(filepath.Join(wild, "updates.jsonl")))
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
func compareRuns(out io.Writer, a, b string, kills int) error {
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
	safetext.Say(out, "%d kills, %d files of the final checkpoint bit-identical\n", kills, compared)
	return nil
}
