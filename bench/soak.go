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

	"ballast/runlog"
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
		// Short enough on average that the run does not end before the last kill, and before the
		// first one even where the machine has become less busy.
		wait := min(whole/2, time.Duration(rng.Float64()*2*float64(whole)/float64(max(1, kills))))
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
			safetext.Say(out, "kill %d after %.2f s, %d updates recorded\n", done, wait.Seconds(), updates(wild))
		}
		if runlog.Dir(wild).IsRun() {
			next = []string{"train", "--resume", wild}
		}
	}
}

// updates is how many a run has recorded; what a killed process left counts for none.
func updates(run string) (n int) {
	log, err := runlog.Read(run)
	if err != nil {
		return 0
	}
	for _, err := range log.Updates() {
		if err == nil {
			n++
		}
	}
	return n
}

// compareRuns compares the weights and optimiser of the newest checkpoints.
func compareRuns(out io.Writer, a, b string, kills int) error {
	var last [2]runlog.Checkpoint
	for i, run := range []string{a, b} {
		log, err := runlog.Read(run)
		if err != nil {
			return err
		}
		list, err := log.Checkpoints()
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("%s has no checkpoint", run)
		}
		if err != nil {
			return err
		}
		last[i] = list[len(list)-1]
	}
	n, err := last[0].Equal(&last[1])
	if err != nil {
		return fmt.Errorf("after %d kills: %w", kills, err)
	}
	safetext.Say(out, "%d kills, %d files of the final checkpoint bit-identical\n", kills, n)
	return nil
}
