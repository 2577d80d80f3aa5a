package runlog

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"ballast"
	"ballast/monitor/verdict"
	"ballast/provenance"
	"ballast/value"
)

// helperDir makes the test binary play the part of a trainer in TestKill.
var helperDir = flag.String("train", "", "run directory to write to until killed")

func TestMain(m *testing.M) {
	flag.Parse()
	if *helperDir != "" {
		if err := train(*helperDir, killUpdates); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr fails unless err mentions all the words.
func wantErr(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Fatalf("error %v, want one that mentions %q", err, w)
		}
	}
}

// create makes a run in a fresh directory that is closed at the end.
func create(t *testing.T) *Run {
	t.Helper()
	r, err := Create(filepath.Join(t.TempDir(), "run"), []byte("method: grpo\n"))
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func collect[T any](t *testing.T, seq func(func(T, error) bool)) (list []T) {
	t.Helper()
	seq(func(v T, err error) bool {
		must(t, err)
		list = append(list, v)
		return true
	})
	return list
}

func episode(update, sample int) ballast.Episode {
	return ballast.Episode{
		Task: "desk/1", Group: 2, Sample: sample, Seed: 1<<63 + uint64(update), Prompt: 2,
		Tokens:  []int32{5, 6, 7, 8, 9, 10},
		Owners:  []ballast.Owner{0, 1, 3, 3, 2, 3},
		LogProb: []float32{0, 0, -0.5, -1.25, 0, -3e-7},
		Entropy: []float32{0, 0, 0.5, 0, 0, 2},
		Watch:   [][]float32{{0.5, 0}, {0.25, 1}, {1e-3, 0}},
		Turns: []ballast.Turn{
			{User: "move <it>", Steps: []ballast.Step{
				{Start: 2, End: 4, Text: "<tool_call>", Form: ballast.FormCall, Results: []string{"ok"}, Calls: []ballast.Call{
					{Name: "mv", Args: []ballast.Arg{{Value: "a"}, {Name: "n", Value: int64(3)}, {Name: "x", Value: 1.0}, {Name: "y", Value: math.Inf(1)},
						{Name: "l", Value: value.NewList(true, nil)}}}}},
				{Start: 5, End: 6, Form: ballast.FormPolluted, Reason: "open tag", Cut: true, Gold: true},
			}, Check: ballast.Check{Done: true, Reason: "response", Score: 0.25, Where: "Files.root"}},
			{User: ""},
		},
		Stop: ballast.StopCut, Hinted: true,
		Score: ballast.Score{Reward: float64(update) / 3, FailTurn: 1, Reason: "state", Progress: 0.5, Format: 1},
	}
}

func TestEpisodesRoundTrip(t *testing.T) {
	r := create(t)
	want := []ballast.Episode{episode(7, 0), episode(7, 1), {Task: "empty", Tokens: []int32{}, Owners: []ballast.Owner{}}}
	must(t, r.Episodes(7, want))
	l, err := Read(r.Dir())
	must(t, err)
	got := collect(t, l.Episodes(7))
	if len(got) != len(want) {
		t.Fatalf("%d episodes", len(got))
	}
	for i := range got {
		if !reflect.DeepEqual(*got[i], want[i]) {
			t.Errorf("episode %d:\n got %+v\nwant %+v", i, *got[i], want[i])
		}
	}
	if us, err := l.EpisodeUpdates(); err != nil || !reflect.DeepEqual(us, []int{7}) {
		t.Errorf("updates with episodes: %v, %v", us, err)
	}
}

func TestEpisodesThatDisagree(t *testing.T) {
	r := create(t)
	for _, breakIt := range []func(*ballast.Episode){
		func(e *ballast.Episode) { e.Owners = e.Owners[1:] },
		func(e *ballast.Episode) { e.LogProb = e.LogProb[1:] },
		func(e *ballast.Episode) { e.Entropy = e.Entropy[1:] },
		func(e *ballast.Episode) { e.Watch = e.Watch[1:] },
	} {
		e := episode(1, 0)
		breakIt(&e)
		wantErr(t, r.Episodes(1, []ballast.Episode{e}), "update 1", "desk/1")
	}
	if files, _ := os.ReadDir(filepath.Join(r.Dir(), "episodes")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestUpdatesAndEvents(t *testing.T) {
	r := create(t)
	u := ballast.Update{Index: 1, Phase: "rl", Seconds: 1.5, Metrics: map[string]float64{"a": 0.1, "inf": math.Inf(-1)}}
	must(t, r.Update(u))
	must(t, r.Update(ballast.Update{Index: 2, Metrics: map[string]float64{"nan": math.NaN()}}))
	e := Event{Update: 1, What: Alarm{Sign: verdict.Polluted, Began: 1}, Text: "<tool_call> spikes"}
	must(t, r.Event(e))
	l, err := Read(r.Dir())
	must(t, err)
	if string(l.Recipe) != "method: grpo\n" {
		t.Errorf("recipe %q", l.Recipe)
	}
	us := collect(t, l.Updates())
	if len(us) != 2 || !reflect.DeepEqual(us[0], u) || !math.IsNaN(us[1].Metrics["nan"]) {
		t.Errorf("updates %+v", us)
	}
	if es := collect(t, l.Events()); len(es) != 1 || !reflect.DeepEqual(es[0], e) {
		t.Errorf("events %+v", es)
	}
}

func TestCreateRefuses(t *testing.T) {
	r := create(t)
	_, err := Create(r.Dir(), nil)
	wantErr(t, err, "--resume")
	full := t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, "thesis.tex"), nil, 0o666))
	_, err = Create(full, nil)
	wantErr(t, err, "not empty", "thesis.tex")
	_, err = Open(full)
	wantErr(t, err, "not a run directory")
	_, err = Read(full)
	wantErr(t, err, "not a run directory")
	must(t, os.WriteFile(filepath.Join(r.Dir(), "run.json"), []byte(`{"format":"ballast-run","version":9}`), 0o666))
	_, err = Read(r.Dir())
	wantErr(t, err, "version 9")
}

// TestCreateTakesNothing: a user's file is never taken for what a killed creation left,
// with the marker of one beside it neither, and nothing in the directory changes.
func TestCreateTakesNothing(t *testing.T) {
	for _, file := range []string{"recipe.yaml", "events.jsonl", "updates.jsonl", "lock", "episodes/000001.jsonl.zst", "checkpoints/000001/x", ".recipe.yaml",
		".notes.yaml.ballast-ABCDEFGH", ".git/HEAD", "report.html"} {
		for _, marked := range []bool{false, true} {
			dir := t.TempDir()
			path := filepath.Join(dir, file)
			must(t, os.MkdirAll(filepath.Dir(path), 0o777))
			must(t, os.WriteFile(path, []byte("mine"), 0o666))
			if marked {
				must(t, os.WriteFile(filepath.Join(dir, makingFile), []byte(`{"format":"ballast-run","recipe":"`+provenance.Bytes([]byte("theirs"))+`"}`), 0o666))
			}
			before := tree(t, dir)
			_, err := Create(dir, []byte("theirs"))
			wantErr(t, err, "not empty", strings.Split(file, "/")[0])
			if after := tree(t, dir); !reflect.DeepEqual(after, before) {
				t.Errorf("%s: %v, was %v", file, after, before)
			}
		}
	}
}

// TestCreateKilled: whenever the creation is killed, another one makes the same run.
func TestCreateKilled(t *testing.T) {
	recipe := []byte("method: grpo\n")
	want := filepath.Join(t.TempDir(), "run")
	r, err := Create(want, recipe)
	must(t, err)
	must(t, r.Close())
	for stop := 1; ; stop++ {
		dir := filepath.Join(t.TempDir(), "run")
		steps := 0
		died := errors.New("killed")
		crash = func(string) error { // of the removal of what another left too
			if steps++; steps == stop {
				return died
			}
			return nil
		}
		_, err := Create(dir, recipe)
		crash = nil
		if err == nil {
			if stop < 8 {
				t.Errorf("only %d steps", stop)
			}
			break
		}
		if !errors.Is(err, died) {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil {
			t.Errorf("step %d: a half-made run opens", stop)
		}
		for inner := 1; ; inner++ { // the second creation is killed too
			steps, stop := 0, inner
			crash = func(string) error {
				if steps++; steps == stop {
					return died
				}
				return nil
			}
			r, err := Create(dir, []byte("method: other\n"))
			crash = nil
			if err == nil {
				must(t, r.Close())
				break
			}
			if !errors.Is(err, died) {
				t.Fatalf("step %d, %d: %v", stop, inner, err)
			}
		}
		if got := tree(t, dir)["recipe.yaml"]; got != "method: other\n" {
			t.Errorf("step %d: recipe %q", stop, got)
		}
		if len(tree(t, dir)) != len(tree(t, want)) {
			t.Errorf("step %d: left %v", stop, tree(t, dir))
		}
	}
}

// TestLinks: a run whose files stand for others elsewhere is not opened, and what they
// stand for stays as it is.
func TestLinks(t *testing.T) {
	for _, rel := range []string{"run.json", "recipe.yaml", "updates.jsonl", "events.jsonl", "lock", "episodes", "checkpoints"} {
		r := create(t)
		must(t, r.Update(ballast.Update{Index: 1}))
		must(t, r.Close())
		far := filepath.Join(t.TempDir(), "far")
		path := filepath.Join(r.Dir(), rel)
		must(t, os.Rename(path, far))
		must(t, os.Symlink(far, path))
		before := tree(t, filepath.Dir(far))
		_, err := Open(r.Dir())
		wantErr(t, err, rel+" is a link")
		if after := tree(t, filepath.Dir(far)); !reflect.DeepEqual(after, before) {
			t.Errorf("%s: %v, was %v", rel, after, before)
		}
	}
	dir := t.TempDir()
	must(t, os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(dir, "events.jsonl")))
	_, err := Create(dir, nil)
	wantErr(t, err, "not empty (events.jsonl)")
}

// TestUmask: files of a run are as open as the user wants them.
func TestUmask(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	r := create(t)
	must(t, r.Update(ballast.Update{Index: 1}))
	must(t, r.Episodes(1, []ballast.Episode{episode(1, 0)}))
	_, err := r.Checkpoint(1, nil, saveText("x"))
	must(t, err)
	must(t, filepath.WalkDir(r.Dir(), func(path string, d fs.DirEntry, err error) error {
		must(t, err)
		info, err := d.Info()
		must(t, err)
		if want := fs.FileMode(0o640); !d.IsDir() && info.Mode().Perm() != want || d.IsDir() && info.Mode().Perm() != 0o750 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return nil
	}))
}

func TestLock(t *testing.T) {
	r := create(t)
	_, err := Open(r.Dir())
	wantErr(t, err, "another process")
	must(t, r.Close())
	again, err := Open(r.Dir())
	must(t, err)
	must(t, again.Close())
}

func TestTornLine(t *testing.T) {
	r := create(t)
	must(t, r.Update(ballast.Update{Index: 1}))
	must(t, r.Close())
	path := filepath.Join(r.Dir(), "updates.jsonl")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	f.WriteString(`{"update":2,"pha` + strings.Repeat("x", 200<<10)) // more than one buffer
	must(t, f.Close())
	l, err := Read(r.Dir())
	must(t, err)
	if n := len(collect(t, l.Updates())); n != 1 {
		t.Errorf("a reader of the torn file sees %d updates", n)
	}
	r, err = Open(r.Dir())
	must(t, err)
	defer r.Close()
	must(t, r.Update(ballast.Update{Index: 2}))
	if us := collect(t, l.Updates()); len(us) != 2 || us[1].Index != 2 {
		t.Errorf("after reopening: %+v", us)
	}
}

func TestBadLine(t *testing.T) {
	r := create(t)
	must(t, os.WriteFile(filepath.Join(r.Dir(), "updates.jsonl"), []byte("{}\n{oops\n{}\n"), 0o666))
	l, err := Read(r.Dir())
	must(t, err)
	n := 0
	for _, err = range l.Updates() {
		n++
	}
	wantErr(t, err, "updates.jsonl:2: ")
	if n != 2 {
		t.Errorf("%d yields, want one update and one error", n)
	}
}

// saveText is the fill of a checkpoint that holds one text.
func saveText(text string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, "weights"), []byte(text), 0o666) }
}

func TestCheckpoint(t *testing.T) {
	r := create(t)
	if c, err := r.Latest(); err != nil || c.Dir != "" {
		t.Errorf("before the first: %+v, %v", c, err)
	}
	for u := 1; u <= 2; u++ {
		_, err := r.Checkpoint(u, map[string]int{"cursor": u}, saveText("old"))
		must(t, err)
	}
	_, err := r.Checkpoint(2, map[string]int{"cursor": 22}, saveText("new"))
	must(t, err)
	_, err = r.Checkpoint(3, nil, func(dir string) error {
		must(t, saveText("half")(dir))
		return errors.New("the learner broke")
	})
	wantErr(t, err, "update 3", "the learner broke")
	c, err := r.Latest()
	must(t, err)
	if c.Update != 2 || !strings.Contains(string(c.State), "22") {
		t.Errorf("latest: %d, %s", c.Update, c.State)
	}
	if data, _ := os.ReadFile(filepath.Join(c.Dir, "weights")); string(data) != "new" {
		t.Errorf("weights %q", data)
	}
	if files, _ := os.ReadDir(filepath.Join(r.Dir(), "checkpoints")); len(files) != 2 {
		t.Errorf("checkpoints/ holds %v", files)
	}
}

func TestPrune(t *testing.T) {
	left := func(last int, best string, spare ...int) (list []int) {
		r := create(t)
		for u, score := range []float64{0.1, 0.9, 0.2, 0.9, 0.3, 0.4} {
			must(t, r.Update(ballast.Update{Index: u + 1, Metrics: map[string]float64{"eval": score}}))
			_, err := r.Checkpoint(u+1, nil, saveText(""))
			must(t, err)
		}
		must(t, r.Prune(last, best, spare...))
		all, err := checkpoints(r.Dir())
		must(t, err)
		for _, c := range all {
			list = append(list, c.Update)
		}
		return list
	}
	for _, row := range []struct {
		last int
		best string
		want []int
	}{{2, "", []int{5, 6}}, {0, "", []int{6}}, {2, "eval", []int{4, 5, 6}}, {3, "eval", []int{4, 5, 6}}, {1, "no such", []int{6}}, {9, "", []int{1, 2, 3, 4, 5, 6}}} {
		if got := left(row.last, row.best); !reflect.DeepEqual(got, row.want) {
			t.Errorf("Prune(%d, %q) leaves %v, want %v", row.last, row.best, got, row.want)
		}
	}
	if got, want := left(2, "", 3, 9), []int{3, 5, 6}; !reflect.DeepEqual(got, want) {
		t.Errorf("Prune(2, sparing 3) leaves %v, want %v", got, want)
	}
}

// TestPruneKeepsWhereItWasMeasured: a checkpoint between two evaluations has the
// value of the one before by inheritance only.
func TestPruneKeepsWhereItWasMeasured(t *testing.T) {
	r := create(t)
	for u, metrics := range []map[string]float64{{"eval": 0.1}, {"eval": 0.9}, {}, {}, {"eval": 0.2}, {}} {
		must(t, r.Update(ballast.Update{Index: u + 1, Metrics: metrics}))
		_, err := r.Checkpoint(u+1, nil, saveText(""))
		must(t, err)
	}
	must(t, r.Prune(1, "eval"))
	all, err := checkpoints(r.Dir())
	must(t, err)
	if len(all) != 2 || all[0].Update != 2 {
		t.Errorf("left are %v, want those of updates 2 and 6", all)
	}
	log, err := Read(r.Dir())
	must(t, err)
	for metric, want := range map[string]int{"eval": 2, "no such": 6} {
		if c, err := log.Best(metric); err != nil || c.Update != want {
			t.Errorf("the best by %s is %v (%v), want that of update %d", metric, c, err, want)
		}
	}
}

// TestReplacedCheckpointComesBack: a kill between the two renames that replace a
// checkpoint costs nothing.
func TestReplacedCheckpointComesBack(t *testing.T) {
	r := create(t)
	_, err := r.Checkpoint(7, nil, saveText("x"))
	must(t, err)
	must(t, r.Close())
	must(t, os.Rename(filepath.Join(r.Dir(), "checkpoints", "000007"), filepath.Join(r.Dir(), "checkpoints", ".old-000007")))
	r, err = Open(r.Dir())
	must(t, err)
	defer r.Close()
	if c, err := r.Latest(); err != nil || c.Update != 7 {
		t.Errorf("the newest checkpoint is %v, %v", c, err)
	}
}

func TestFullDisk(t *testing.T) {
	r := create(t)
	must(t, r.Update(ballast.Update{Index: 1}))
	must(t, r.Episodes(1, []ballast.Episode{episode(1, 0)}))
	_, err := r.Checkpoint(1, nil, saveText("good"))
	must(t, err)
	before := tree(t, r.Dir())
	r.write = func(f *os.File, p []byte) (int, error) { // half of it fits
		n, _ := f.Write(p[:len(p)/2])
		return n, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	wantErr(t, r.Update(ballast.Update{Index: 2}), "updates.jsonl", "space", "--resume")
	wantErr(t, r.Event(Event{What: Done{}}), "events.jsonl", "space")
	wantErr(t, r.Episodes(1, []ballast.Episode{episode(1, 1)}), "episodes of update 1", "space")
	_, err = r.Checkpoint(2, nil, saveText("bad"))
	wantErr(t, err, "checkpoint of update 2", "space")
	if after := tree(t, r.Dir()); !reflect.DeepEqual(after, before) {
		t.Errorf("the files changed:\n%v\nwant\n%v", after, before)
	}
	r.write = nil
	must(t, r.Update(ballast.Update{Index: 2}))
	l, err := Read(r.Dir())
	must(t, err)
	if us := collect(t, l.Updates()); len(us) != 2 {
		t.Errorf("after space was freed: %+v", us)
	}
}

// TestBrokenLog: an append that failed and could not be taken back ends the writing.
func TestBrokenLog(t *testing.T) {
	r := create(t)
	r.write = func(f *os.File, p []byte) (int, error) {
		f.Close()
		return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	wantErr(t, r.Update(ballast.Update{Index: 1}), "space")
	r.write = nil
	wantErr(t, r.Update(ballast.Update{Index: 1}), "could not be taken back")
	_, err := r.Checkpoint(1, nil, saveText(""))
	wantErr(t, err, "checkpoint of update 1")
}

func TestTruncatedEpisodes(t *testing.T) {
	r := create(t)
	must(t, r.Episodes(1, []ballast.Episode{episode(1, 0), episode(1, 1)}))
	path := filepath.Join(r.Dir(), "episodes", "000001.jsonl.zst")
	data, err := os.ReadFile(path)
	must(t, err)
	l, err := Read(r.Dir())
	must(t, err)
	for _, n := range []int{1, len(data) / 2, len(data) - 1} {
		must(t, os.WriteFile(path, data[:n], 0o666))
		for _, err = range l.Episodes(1) {
		}
		wantErr(t, err, "000001.jsonl.zst")
	}
}

func FuzzEpisodes(f *testing.F) {
	line, err := encodeEpisode(new(episode(1, 0)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"tokens":[1],"owners":[3,1],"turns":[{"steps":[{"span":[0,1],"calls":[{"name":"f","args":[{"text":"NaN"}]}]}]}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := decodeEpisode(line)
		if err != nil {
			return
		}
		first, err := encodeEpisode(e)
		if err != nil {
			t.Fatalf("%+v does not encode: %v", e, err)
		}
		again, err := decodeEpisode(first)
		if err != nil {
			t.Fatalf("%s does not decode: %v", first, err)
		}
		if second, _ := encodeEpisode(again); !bytes.Equal(first, second) {
			t.Errorf("%s\nbecame\n%s", first, second)
		}
	})
}

func FuzzFiles(f *testing.F) {
	var buf bytes.Buffer
	if err := encodeEpisodes(&buf, []ballast.Episode{episode(1, 0)}); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add([]byte("{\"update\":1,\"metrics\":{\"a\":\"NaN\"}}\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, err := range decodeEpisodes(bytes.NewReader(data)) {
			_ = err
		}
		for line := range bytes.Lines(data) {
			decodeUpdate(line)
		}
	})
}
