package runlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast"
)

// killUpdates is how long train runs, checkpointEvery how often it saves.
const killUpdates, checkpointEvery = 40, 4

// train writes the same files in any number of attempts.
func train(dir string, updates int) error {
	r, err := Open(dir)
	if err != nil {
		if r, err = Create(dir, []byte("method: grpo\n")); err != nil {
			return err
		}
	}
	defer r.Close()
	c, err := r.Latest()
	if err == nil {
		err = r.Resume(c, nil)
	}
	if err != nil {
		return err
	}
	if err := r.Prune(2, ""); err != nil { // it may have been killed after its last checkpoint
		return err
	}
	for u := c.Update + 1; u <= updates; u++ {
		if err := r.Episodes(u, []ballast.Episode{episode(u, 0), episode(u, 1)}); err != nil {
			return err
		}
		if err := r.Update(ballast.Update{Index: u, Phase: "rl", Metrics: map[string]float64{"x": 1 / float64(u)}}); err != nil {
			return err
		}
		if u%5 == 0 {
			if err := r.Event(Event{Update: u, What: PhaseBegun{"rl", 5}, Text: "next"}); err != nil {
				return err
			}
		}
		if u%checkpointEvery == 0 {
			if _, err := r.Checkpoint(u, u, saveText(fmt.Sprint("weights ", u))); err != nil {
				return err
			}
			if err := r.Prune(2, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// tree returns all files below dir by name.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[rel] = string(data)
		return err
	}))
	return files
}

// sameTree fails unless two directories hold the same files.
func sameTree(t *testing.T, got, want string) {
	t.Helper()
	g, w := tree(t, got), tree(t, want)
	for name := range w {
		if g[name] != w[name] {
			t.Errorf("%s differs:\n%.200q\nwant\n%.200q", name, g[name], w[name])
		}
	}
	for name := range g {
		if _, ok := w[name]; !ok {
			t.Errorf("%s is left", name)
		}
	}
}

// TestResume: stopped after any update, with a mess left behind, a resumed run's
// files equal those of a run that never stopped.
func TestResume(t *testing.T) {
	const updates = 12
	want := filepath.Join(t.TempDir(), "whole")
	must(t, train(want, updates))
	for stop := 0; stop <= updates; stop++ {
		dir := filepath.Join(t.TempDir(), "run")
		must(t, train(dir, stop))
		for _, mess := range []string{"episodes/.000099.jsonl.zst", "checkpoints/.000099"} {
			must(t, os.WriteFile(filepath.Join(dir, mess), []byte("half"), 0o666))
		}
		f, err := os.OpenFile(filepath.Join(dir, "events.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		f.WriteString("{torn")
		must(t, f.Close())
		must(t, train(dir, updates))
		sameTree(t, dir, want)
	}
}

// TestResumeOlder goes back past a checkpoint.
func TestResumeOlder(t *testing.T) {
	dir, want := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "whole")
	must(t, train(dir, 11))
	must(t, train(want, 4))
	r, err := Open(dir)
	must(t, err)
	defer r.Close()
	all, err := checkpoints(dir)
	must(t, err)
	must(t, r.Resume(all[0], nil))
	sameTree(t, dir, want)
	wantErr(t, r.Resume(Checkpoint{Update: 4, Dir: "elsewhere/000004"}, nil), "not a checkpoint of")
	wantErr(t, r.Resume(Checkpoint{Update: 4, Dir: all[0].Dir, updates: 1 << 30}, nil), "changed or lost")
	wantErr(t, r.Resume(Checkpoint{Update: 4, Dir: all[0].Dir, updates: all[0].updates - 1}, nil), "inside a line")
}

// TestResumeKeeps: events that are picked stay, in their order, behind what the
// checkpoint counts on, however often it is resumed, and the run appends to them.
func TestResumeKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, train(dir, 10))
	r, err := Open(dir)
	must(t, err)
	for i := range 3 {
		must(t, r.Event(Event{Update: 8, What: SuiteTested{Suite: "id"}, Text: fmt.Sprint(i)}))
		must(t, r.Event(Event{Update: 9, What: Warned{}, Text: fmt.Sprint(i)}))
	}
	c, err := r.Latest()
	must(t, err)
	for i := range 3 {
		must(t, r.Event(Event{Update: 9, What: Warned{}, Text: "more"}))
		must(t, r.Resume(c, func(e Event) bool { return e.Kind() == KindSuite }))
		must(t, r.Event(Event{Update: 8, What: Resumed{}}))
		must(t, r.Close())
		r, err = Open(dir)
		must(t, err)
		log, err := Read(dir)
		must(t, err)
		var got []string
		for e, err := range log.Events() {
			must(t, err)
			got = append(got, string(e.Kind())+e.Text)
		}
		if text := strings.Join(got, " "); text != "checkpointcheckpoints/000004 phasenext suite0 suite1 suite2 checkpointcheckpoints/000008 resume" {
			t.Errorf("resumed %d times: %s", i+1, text)
		}
	}
	must(t, r.Resume(c, nil))
	if data, err := os.ReadFile(filepath.Join(dir, "events.jsonl")); err != nil || strings.Contains(string(data), "suite") {
		t.Errorf("%v %s", err, data)
	}
	must(t, r.Close())
}

// TestKill kills a writing process at many moments.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	want := filepath.Join(t.TempDir(), "whole")
	must(t, train(want, killUpdates))
	dir := filepath.Join(t.TempDir(), "run")
	kills := 0
	for ; kills < 200; kills++ {
		cmd := exec.Command(os.Args[0], "-train="+dir)
		cmd.Stderr = os.Stderr
		must(t, cmd.Start())
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		if err := waitThenKill(cmd.Process, done, dir, kills); err == nil {
			break // ended by itself
		}
	}
	if kills < 3 {
		t.Errorf("only %d kills: the test does not test", kills)
	}
	t.Logf("%d kills", kills)
	sameTree(t, dir, want)
}

// waitThenKill waits until the process has changed the line files of dir, and a
// moment that grows with the attempt, and kills it. It returns nil if the process
// ended well before, its error otherwise.
func waitThenKill(p *os.Process, done <-chan error, dir string, attempt int) error {
	before := lineBytes(dir)
	changed := false
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && !changed; changed = lineBytes(dir) != before {
		select {
		case err := <-done:
			return err
		case <-time.After(time.Millisecond):
		}
	}
	select {
	case err := <-done:
		return err
	case <-time.After(time.Duration(attempt) * 2300 * time.Microsecond):
		p.Kill()
		return <-done
	}
}

// lineBytes is the length of updates.jsonl, 0 if there is none.
func lineBytes(dir string) int64 {
	info, err := os.Stat(filepath.Join(dir, updatesFile))
	if err != nil {
		return 0
	}
	return info.Size()
}

// TestOpenTouchesItsOwnAlone: what others keep in a run directory under names with a
// dot stays, and what a writer that died left is cleared away.
func TestOpenTouchesItsOwnAlone(t *testing.T) {
	r := create(t)
	must(t, r.Close())
	theirs := []string{".git/HEAD", ".dvc/config", ".notes.md", ".gitignore", "episodes/.gitkeep", "episodes/.000001.txt",
		"checkpoints/.gitignore", "checkpoints/.old", "checkpoints/.12/x", "checkpoints/.000001.txt", ".report.html", ".run.json.swp"}
	ours := []string{".recipe.yaml", ".run.json", ".events.jsonl", ".report-12345", "episodes/.000001.jsonl.zst",
		"checkpoints/.000003/model.safetensors", "checkpoints/.gone-000002/model.safetensors",
		".recipe.yaml.ballast-ABCDEFGH", ".run.json.ballast-CREATING", "episodes/.000002.jsonl.zst.ballast-ABCDEFGH",
		"checkpoints/..000003.ballast-ABCDEFGH/config.json", "checkpoints/..000003.tmp-ABCDEFGH/config.json"}
	for _, rel := range append(slices.Clone(theirs), ours...) {
		path := filepath.Join(r.Dir(), rel)
		must(t, os.MkdirAll(filepath.Dir(path), 0o777))
		must(t, os.WriteFile(path, []byte("mine"), 0o666))
	}
	again, err := Open(r.Dir())
	must(t, err)
	must(t, again.Close())
	for _, rel := range theirs {
		if text, err := os.ReadFile(filepath.Join(r.Dir(), rel)); err != nil || string(text) != "mine" {
			t.Errorf("%s: %q, %v", rel, text, err)
		}
	}
	for _, rel := range ours {
		if _, err := os.Stat(filepath.Join(r.Dir(), rel)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", rel, err)
		}
	}
}
