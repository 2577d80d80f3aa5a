//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ballast/model"
	"ballast/recipe/request"
)

// fuzzVar is the number of cases of TestRunDirectories; the acceptance wants 2,000.
const (
	fuzzVar   = "BALLAST_FUZZ_RUNS"
	fuzzCases = 200
	fuzzSeed  = 1
)

// TestRunDirectories changes run directories, as they are after a kill at any update, in
// every way that disks and people do. Each is resumed to the bits of the run that was left
// alone, or refused with a sentence that names the place; what was refused goes on to the
// same bits when it is put back. Files that ballast did not make are never touched.
func TestRunDirectories(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with a race detector")
	}
	cases, seed := envNumber(t, fuzzVar, fuzzCases), uint64(envNumber(t, fuzzVar+"_SEED", fuzzSeed))
	states := killedRuns(t)
	want := bits(t, states[len(states)-1])
	outcomes, failed := map[string]int{}, 0
	for n := range cases {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		c := &tampered{t: t, Rand: r, base: states[r.IntN(len(states))], root: t.TempDir()}
		outcomes[c.play(n, want)]++
		if c.failed {
			t.Logf("that was case %d of seed %d", n, seed)
			if failed++; failed == 5 {
				t.FailNow()
			}
		}
		must(t, os.RemoveAll(c.root))
	}
	t.Logf("%d cases: %v", cases, outcomes)
	if outcomes["refused"] < cases/8 || outcomes["resumed"] < cases/8 {
		t.Errorf("one-sided: %v", outcomes)
	}
}

func envNumber(t *testing.T, name string, n int) int {
	t.Helper()
	if text := os.Getenv(name); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		must(t, err)
	}
	return n
}

// shape is that of a model that takes no time.
const shape = "init={layers: 1, hidden: 16, heads: 2, kv: 1, ffn: 16, vocab: 320}"

// small are settings of a run that takes no time: 4 supervised updates, 3 of RL.
var small = []string{"phases=[{sft: gold}, {rl: 3}]", "tasks.count=4", "tasks.test=2",
	"tasks.level={min_turns: 1, max_turns: 1, calls: 1}", "tasks.categories=[base]", "rl.prompts=1", "rl.rollouts=2", "rl.patience=0", "budget.reply=100",
	"sft.batch=2", "keep.checkpoint=2", "keep.checkpoints=2", "keep.eval=3"}

// killedRuns are copies of one run at its beginning, after each update, and at its end:
// what a kill there leaves.
func killedRuns(t *testing.T) (states []string) {
	root := t.TempDir()
	run := filepath.Join(root, "run")
	copied := func() {
		to := filepath.Join(root, fmt.Sprintf("state-%d", len(states)), "run")
		must(t, os.MkdirAll(to, 0o777))
		must(t, os.CopyFS(to, os.DirFS(run)))
		states = append(states, to)
	}
	out := watch(func(line string) {
		if strings.Contains(line, " -> ") || strings.HasPrefix(line, "update ") {
			copied()
		}
	})
	tiny := filepath.Join(root, "model") // made once: its tokenizer takes most of a run's time
	r, err := (&request.Request{Model: "init", Set: append(small, shape)}).Recipe("ets")
	must(t, err)
	m, err := finder.Load(t.Context(), &r)
	must(t, err)
	must(t, m.Save(tiny, model.F32))
	f := trainFlags{Request: request.Request{Model: tiny, Set: small}, out: run}
	if err := quietly(out, func() error { return f.run(context.Background(), []string{"ets"}) }); err != nil {
		t.Fatal(err)
	}
	copied()
	if len(states) != 9 {
		t.Fatalf("%d states of a run of 7 updates", len(states))
	}
	return states
}

// watch hears of what is printed.
type watch func(line string)

func (w watch) Write(p []byte) (int, error) { w(string(p)); return len(p), nil }

// quietly runs a command in this process, which prints to out; a panic is an error.
func quietly(out io.Writer, command func() error) (err error) {
	o, e := stdout, stderr
	stdout, stderr = out, io.Discard
	defer func() { stdout, stderr = o, e }()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return command()
}

// bits are the files of a run's last checkpoint, without lengths of files with times.
func bits(t *testing.T, run string) map[string]string {
	t.Helper()
	out := map[string]string{}
	dir := filepath.Join(run, "checkpoints", "000007")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		if e.Name() != "checkpoint.json" && e.Name() != "mine.txt" {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			must(t, err)
			out[e.Name()] = string(data)
		}
	}
	if len(out["model.safetensors"]) == 0 {
		t.Errorf("%s: no weights", run)
	}
	return out
}

// tampered is a run directory in which something is changed.
type tampered struct {
	*rand.Rand
	t                    *testing.T
	root, base, run, far string
	did                  []string // in words
	changed              []string // paths in the run
	failed               bool
}

// play makes a case, resumes it and says what came of it.
func (c *tampered) play(n int, want map[string]string) string {
	t := c.t
	c.run, c.far = filepath.Join(c.root, "run"), filepath.Join(c.root, "far")
	must(t, os.CopyFS(c.run, os.DirFS(c.base)))
	must(t, os.CopyFS(c.far, os.DirFS(c.base)))
	for _, theirs := range []string{".git/HEAD", ".dvc/config", "notes.txt", ".env", ".run.json.swp", "checkpoints/.keep", "checkpoints/mine/weights.bin", "episodes/.old.jsonl", "checkpoints/.000001x"} {
		path := filepath.Join(c.run, theirs)
		must(t, os.MkdirAll(filepath.Dir(path), 0o777))
		must(t, os.WriteFile(path, []byte("theirs"), 0o600))
	}
	checkpoints, err := filepath.Glob(filepath.Join(c.run, "checkpoints", "0*"))
	must(t, err)
	for _, dir := range checkpoints {
		must(t, os.WriteFile(filepath.Join(dir, "mine.txt"), nil, 0o600))
	}
	notes := func() int {
		list, err := filepath.Glob(filepath.Join(c.run, "checkpoints", "0*", "mine.txt"))
		must(t, err)
		return len(list)
	}
	for range 1 + c.IntN(2)*c.IntN(2) {
		c.change()
	}
	far := content(t, c.far, nil)
	noted := notes()
	theirs := content(t, c.run, func(rel string) bool {
		_, err := os.Lstat(filepath.Join(c.base, rel))
		return err != nil && filepath.Base(rel) != "mine.txt" // which goes along with its folder
	})
	say := func(format string, args ...any) {
		c.failed = true
		t.Errorf("%s, %s: %s", filepath.Base(filepath.Dir(c.base)), strings.Join(c.did, ", "), fmt.Sprintf(format, args...))
	}
	result := c.resume(say)
	untouched := func() {
		if now := content(t, c.far, nil); !maps.Equal(now, far) {
			say("files elsewhere were touched: %v", differing(far, now))
		}
		now := content(t, c.run, func(rel string) bool { _, ok := theirs[rel]; return ok })
		if !maps.Equal(now, theirs) {
			say("the user's files were touched: %v", differing(theirs, now))
		}
		if n := notes(); n != noted {
			say("%d of the user's files in checkpoints are left of %d", n, noted)
		}
	}
	untouched()
	outcome := "resumed"
	if result != nil {
		outcome = "refused"
		text := result.Error()
		for _, bad := range []string{"panic", "runtime error", "nil pointer", "out of range"} {
			if strings.Contains(text, bad) {
				say("%s", text)
			}
		}
		if !strings.Contains(text, c.run) || len(text) > 1500 {
			say("no sentence that names the place: %s", text)
		}
		c.mend()
		if err := c.resume(say); err != nil {
			say("refused with %v, put back, and refused again with %v", result, err)
			return outcome
		}
		untouched()
	}
	if got := bits(t, c.run); !maps.Equal(got, want) {
		say("%s to other bits: %v", outcome, differing(want, got))
	}
	return outcome
}

// resume resumes the run, in a minute at most.
func (c *tampered) resume(say func(string, ...any)) error {
	done := make(chan error, 1)
	f := trainFlags{resume: c.run}
	go func() { done <- quietly(io.Discard, func() error { return f.run(context.Background(), nil) }) }()
	select {
	case err := <-done:
		return err
	case <-time.After(2 * time.Minute):
		say("it hangs")
		c.t.FailNow()
		return nil
	}
}

// mend puts back what was changed.
func (c *tampered) mend() {
	slices.Sort(c.changed)
	for _, rel := range slices.Compact(c.changed) {
		from, to := filepath.Join(c.base, rel), filepath.Join(c.run, rel)
		info, err := os.Lstat(from)
		must(c.t, err)
		if info.IsDir() {
			if now, err := os.Lstat(to); err == nil && !now.IsDir() {
				must(c.t, os.Remove(to))
			}
			must(c.t, os.MkdirAll(to, 0o777))
			for _, path := range filesBelow(c.t, from) {
				part, err := filepath.Rel(c.base, path)
				must(c.t, err)
				c.restore(part)
			}
			continue
		}
		c.restore(rel)
	}
}

// restore puts one file back.
func (c *tampered) restore(rel string) {
	data, err := os.ReadFile(filepath.Join(c.base, rel))
	must(c.t, err)
	to := filepath.Join(c.run, rel)
	must(c.t, os.RemoveAll(to))
	must(c.t, os.MkdirAll(filepath.Dir(to), 0o777))
	must(c.t, os.WriteFile(to, data, 0o666))
}

// content is what files hold, what links say, and what is a folder or a pipe.
func content(t *testing.T, dir string, pick func(rel string) bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err != nil || pick != nil && !pick(rel) {
			return err
		}
		out[rel] = info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			out[rel] += string(data)
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			out[rel] += to
			return err
		}
		return nil
	}))
	return out
}

func differing(a, b map[string]string) (names []string) {
	for _, m := range []map[string]string{a, b} {
		for k := range m {
			if a[k] != b[k] && !slices.Contains(names, k) {
				names = append(names, k)
			}
		}
	}
	slices.Sort(names)
	return names
}

// filesBelow lists the files under a folder.
func filesBelow(t *testing.T, dir string) (paths []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	}))
	return paths
}

// change does one thing to a file or folder that the run made.
func (c *tampered) change() {
	t := c.t
	var files, folders []string
	must(t, filepath.WalkDir(c.base, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(c.base, path)
		switch {
		case err != nil || rel == ".":
		case d.IsDir():
			folders = append(folders, rel)
		default:
			files = append(files, rel)
		}
		return err
	}))
	rel := files[c.IntN(len(files))]
	if c.IntN(6) == 0 {
		rel = folders[c.IntN(len(folders))]
	}
	at, far := filepath.Join(c.run, rel), filepath.Join(c.far, rel)
	info, err := os.Lstat(at)
	if err != nil {
		return // an earlier change took it
	}
	c.changed = append(c.changed, rel)
	ways := []string{"remove", "symlink", "symlink to nothing", "pipe", "file", "folder"}
	if info.Mode().IsRegular() {
		ways = append(ways, "truncate", "truncate", "flip", "flip", "flip", "zero", "append", "swap", "swap", "hard link", "hard link of another", "symlink to another", "empty", "touch")
	}
	way := ways[c.IntN(len(ways))]
	c.did = append(c.did, way+" "+rel)
	var data []byte
	if info.Mode().IsRegular() {
		data, err = os.ReadFile(at)
		must(t, err)
	}
	another := files[c.IntN(len(files))]
	if slices.Contains([]string{"remove", "symlink", "symlink to nothing", "pipe", "file", "folder", "hard link", "hard link of another", "symlink to another"}, way) {
		must(t, os.RemoveAll(at))
	}
	switch way {
	case "symlink":
		must(t, os.Symlink(far, at))
	case "symlink to nothing":
		must(t, os.Symlink(filepath.Join(c.far, "nothing"), at))
	case "symlink to another":
		must(t, os.Symlink(filepath.Join(c.far, another), at))
	case "hard link":
		must(t, os.Link(far, at))
	case "hard link of another":
		must(t, os.Link(filepath.Join(c.far, another), at))
	case "pipe":
		must(t, syscall.Mkfifo(at, 0o666))
	case "folder":
		must(t, os.Mkdir(at, 0o777))
	case "file":
		must(t, os.WriteFile(at, []byte("x"), 0o666))
	case "empty":
		must(t, os.WriteFile(at, nil, 0o666))
	case "truncate":
		must(t, os.WriteFile(at, data[:c.IntN(len(data)+1)], 0o666))
	case "append":
		must(t, os.WriteFile(at, append(data, bytes.Repeat([]byte{byte(c.IntN(256))}, 1+c.IntN(100))...), 0o666))
	case "flip", "zero":
		if len(data) > 0 {
			i := c.IntN(len(data))
			if data[i] ^= 1 << c.IntN(8); way == "zero" {
				clear(data[i:min(len(data), i+512)])
			}
			must(t, os.WriteFile(at, data, 0o666))
		}
	case "swap":
		other := filepath.Join(c.run, another)
		if info, err := os.Lstat(other); err == nil && info.Mode().IsRegular() {
			theirs, err := os.ReadFile(other)
			must(t, err)
			c.changed = append(c.changed, another)
			must(t, os.WriteFile(at, theirs, 0o666))
			must(t, os.WriteFile(other, data, 0o666))
		}
	case "touch":
		must(t, os.Chtimes(at, time.Unix(0, 0), time.Unix(0, 0)))
	}
}
