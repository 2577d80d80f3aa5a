package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ballast/model/kernel"
	"ballast/provenance"
	"ballast/recipe/record"
	"ballast/runlog"
	"ballast/task"
)

// tiny are settings of a run whose updates take milliseconds.
var tiny = []string{"--model", "init", "--set", "init={vocab: 420, hidden: 8, layers: 1, heads: 1, kv: 1, ffn: 8}", "--set", "tasks.count=4",
	"--set", "tasks.test=2", "--set", "tasks.level={max_turns: 2, calls: 3}", "--set", "rl.prompts=1", "--set", "rl.rollouts=2",
	"--set", "rl.patience=0", "--set", "rl.lr=1e-3", "--set", "adam.decay=0.1", "--set", "keep.checkpoint=1", "--set", "keep.checkpoints=0"}

// said runs the command and returns what it said.
func said(env []string, args ...string) (string, error) {
	c := exec.Command("ballast", args...)
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// trained makes a run with these settings over those of tiny.
func trained(t *testing.T, method string, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	var settings []string // that the run reads
	for i := 0; i < len(tiny); i += 2 {
		own := tiny[i] == "--model" || strings.HasPrefix(tiny[i+1], "init=")
		if !(method == "sft" && strings.HasPrefix(tiny[i+1], "rl.")) && !(own && slices.Contains(args, "--model")) {
			settings = append(settings, tiny[i], tiny[i+1])
		}
	}
	if out, err := said(nil, append(append([]string{"train", method, "--out", dir}, settings...), args...)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func copied(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// back takes a run back to the checkpoint of an update, as a kill after it does.
func back(t *testing.T, dir string, update int) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "checkpoints", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if filepath.Base(c) > fmt.Sprintf("%06d", update) {
			if err := os.RemoveAll(c); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// weights is the hash of what a checkpoint has of the learner.
func weights(t *testing.T, dir string, update int) string {
	t.Helper()
	h := sha256.New()
	for _, name := range []string{"model.safetensors", "learner.bin"} {
		data, err := os.ReadFile(filepath.Join(dir, "checkpoints", fmt.Sprintf("%06d", update), name))
		if err != nil {
			t.Fatal(err)
		}
		h.Write(data)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// snapshot is every file of a run with its content.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "lock" {
			sums[path], _, err = provenance.File(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(sums)
}

// TestResumeRefuses: what would end with other weights is refused in a sentence, by
// every command that plays a run, and the directory stays as it is.
func TestResumeRefuses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with a race detector")
	}
	files := t.TempDir()
	base, talks, hints := filepath.Join(files, "model"), filepath.Join(files, "talks.jsonl"), filepath.Join(files, "hints.jsonl")
	tools := filepath.Join(files, "tools.json")
	if err := writeModel(base); err != nil {
		t.Fatal(err)
	}
	talk := `{"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"good day"}]}` + "\n"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(talks, []byte(talk+talk), 0o666))
	must(os.WriteFile(tools, []byte(`[{"name": "wx", "description": "Weather", "parameters": {"type": "object", "properties": {}}}]`), 0o666))
	tasks, err := task.Load(task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 4, Level: map[string]int{"max_turns": 2, "calls": 3}})
	must(err)
	text := ""
	for _, x := range tasks {
		text += fmt.Sprintf("{\"hint\":\"look first\",\"task\":%q}\n", x.ID)
	}
	must(os.WriteFile(hints, []byte(text), 0o666))
	whole := trained(t, "grpo", "--model", base, "--set", "sft.file="+talks, "--set", "sft.tools="+tools, "--set", "sft.batch=1",
		"--set", "rl.signals={hint: {n: 1, from: file, file: "+hints+"}}", "--set", "phases=[{sft: file}, {rl: 2}]", "--set", "sft.epochs=1")
	want := weights(t, whole, 4)
	change := func(path string, at int, by string) func(string) {
		return func(dir string) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			data, err := os.ReadFile(path)
			must(err)
			must(os.WriteFile(path, append(append(append([]byte(nil), data[:at]...), by...), data[at+len(by):]...), 0o666))
		}
	}
	for _, row := range []struct {
		name string
		do   func(dir string)
		want []string
	}{
		{"weights", change("checkpoints/000003/model.safetensors", 4000, "\x01"), []string{"model.safetensors was changed", "delete the folder"}},
		{"moments", change("checkpoints/000003/learner.bin", 4000, "\x01"), []string{"learner.bin was changed"}},
		{"cursor", change("checkpoints/000003/checkpoint.json", 30, "7"), []string{"checkpoint.json", "checksum"}},
		{"recipe", func(dir string) {
			path := filepath.Join(dir, "recipe.yaml")
			text, err := os.ReadFile(path)
			must(err)
			must(os.WriteFile(path, []byte(strings.Replace(string(text), "- rl: 2", "- rl: 3", 1)), 0o666))
		}, []string{"recipe.yaml was changed", "--extend"}},
		{"run.json", change("run.json", 60, "X"), []string{"run.json", "checksum"}},
		{"base model", change(filepath.Join(base, "model.safetensors"), 400_000, "\x01"), []string{"model.safetensors has changed"}},
		{"base model's tokenizer", func(string) { must(os.WriteFile(filepath.Join(base, "special_tokens_map.json"), []byte("{}"), 0o666)) }, []string{"special_tokens_map.json is new"}},
		{"dialogues", change(talks, 40, "J"), []string{talks + " has changed"}},
		{"tools", change(tools, 34, "w"), []string{tools + " has changed"}},
		{"tools gone", func(string) { must(os.Remove(tools)) }, []string{"tools.json", "from the folder in which the run began, /"}},
		{"hints", change(hints, 11, "J"), []string{hints + " has changed"}},
		{"dialogues gone", func(string) { must(os.Remove(talks)) }, []string{"talks.jsonl", "from the folder in which the run began, /"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			saved := map[string][]byte{}
			for _, path := range []string{talks, tools, hints, filepath.Join(base, "model.safetensors")} {
				data, err := os.ReadFile(path)
				must(err)
				saved[path] = data
			}
			dir := copied(t, whole)
			back(t, dir, 3)
			row.do(dir)
			before := snapshot(t, dir)
			out, err := said(nil, "train", "--resume", dir)
			if err == nil || strings.Contains(out, "panic") {
				t.Errorf("%v: %s", err, out)
			}
			for _, w := range row.want {
				if !strings.Contains(out, w) {
					t.Errorf("%q is not in: %s", w, out)
				}
			}
			if after := snapshot(t, dir); after != before {
				t.Error("a run that was refused has changed")
			}
			for path, data := range saved {
				must(os.WriteFile(path, data, 0o666))
			}
			os.Remove(filepath.Join(base, "special_tokens_map.json"))
		})
	}
	dir := copied(t, whole)
	back(t, dir, 3)
	if out, err := said(nil, "train", "--resume", dir); err != nil || weights(t, dir, 4) != want {
		t.Errorf("unchanged: %v\n%s", err, out)
	}
	change("checkpoints/000004/model.safetensors", 4000, "\x01")(dir)
	for _, args := range [][]string{{"eval", "--model", filepath.Join(dir, "checkpoints", "000004"), "--count", "1"}, {"train", "sft", "--model", filepath.Join(dir, "checkpoints", "000004"), "--out", dir + "2"}} {
		if out, err := said(nil, args...); err == nil || !strings.Contains(out, "model.safetensors was changed") {
			t.Errorf("%s: %v\n%s", args[0], err, out)
		}
	}
}

// TestResumeRefusesEpisodes: a later phase trains on episodes of earlier updates; where
// they were changed, the run is refused before anything after the checkpoint is cut.
func TestResumeRefusesEpisodes(t *testing.T) {
	dir := trained(t, "ets", "--set", "phases=[{rl: 2}, {sft: failed}, {rl: 1}]", "--set", "sft.updates=1")
	back(t, dir, 3)
	path := filepath.Join(dir, "episodes", "000001.jsonl.zst")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	out, err := said(nil, "train", "--resume", dir)
	if err == nil || !strings.Contains(out, "000001.jsonl.zst was changed") {
		t.Errorf("%v: %s", err, out)
	}
	if snapshot(t, dir) != before {
		t.Error("a run that was refused has changed")
	}
}

// TestResumeAdapter: a run of an adapter that was killed after any update has the weights,
// moments and adapter of one that was not; another base or another adapter to start with is
// refused.
func TestResumeAdapter(t *testing.T) {
	base := filepath.Join(t.TempDir(), "model")
	if err := writeModel(base); err != nil {
		t.Fatal(err)
	}
	whole := trained(t, "grpo", "--model", base, "--set", "phases=[{sft: gold}, {rl: 2}]", "--set", "sft.epochs=1", "--set", "sft.batch=2",
		"--set", "lora={rank: 2, targets: [q_proj, down_proj]}", "--set", "rl.kl=0.1")
	adapter := func(dir string) string {
		sum, _, err := provenance.File(filepath.Join(dir, "checkpoints", "000004", "adapter", "adapter_model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	for update := range 4 {
		dir := copied(t, whole)
		back(t, dir, update)
		if out, err := said(nil, "train", "--resume", dir); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if weights(t, dir, 4) != weights(t, whole, 4) || adapter(dir) != adapter(whole) {
			t.Errorf("killed after update %d it ends with other weights", update)
		}
	}
	dir := copied(t, whole)
	back(t, dir, 2)
	path := filepath.Join(base, "model.safetensors")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-2] ^= 1
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := said(nil, "train", "--resume", dir); err == nil || !strings.Contains(out, "what it is made of is not what it was") {
		t.Errorf("with another base: %v: %s", err, out)
	}
}

// TestResumeElsewhere: on a processor with other instructions a run goes on, says that
// the last bits may differ, and records it; a program that was built without vector
// code is refused.
func TestResumeElsewhere(t *testing.T) {
	if !kernel.SIMD || runtime.GOARCH != "amd64" || kernel.Best().Name == kernel.Portable().Name {
		t.Skip("there is one instruction set here")
	}
	dir := trained(t, "grpo", "--set", "phases=[{rl: 3}]")
	back(t, dir, 2)
	out, err := said([]string{"GODEBUG=cpu.avx2=off"}, "train", "--resume", dir)
	if err != nil || !strings.Contains(out, "may differ in rounding from here on: instruction set portable, was "+kernel.Best().Name) {
		t.Errorf("%v: %s", err, out)
	}
	past, err := runlog.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for e, err := range past.Events() {
		if err != nil {
			t.Fatal(err)
		}
		what, ok := e.What.(runlog.Resumed)
		told = told || ok && strings.Contains(e.Text, "rounding") && what.Changed["kernels"] == "portable" && what.Notes != nil
	}
	if !told {
		t.Error("no event tells of it")
	}
	for want, change := range map[string]func(*provenance.Program){
		"without vector code":                                func(p *provenance.Program) { p.SIMD = false },
		"it ran on XLA: cuda, which its recipe does not say": func(p *provenance.Program) { p.Engine = "XLA: cuda" },
	} {
		h := past.Header
		change(&h.Program)
		data, err := provenance.Seal(h)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "run.json"), data, 0o666); err != nil {
			t.Fatal(err)
		}
		if out, err := said(nil, "train", "--resume", dir); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// TestResumeVersion1: a run directory of the version before is resumed, what could not
// be checked is said, and then it has checksums.
func TestResumeVersion1(t *testing.T) {
	dir := copied(t, "testdata/run-v1")
	out, err := said(nil, "train", "--resume", dir)
	if err != nil || !strings.Contains(out, "format version 1, without checksums") {
		t.Fatalf("%v: %s", err, out)
	}
	sum, _, err := provenance.File(filepath.Join(dir, "checkpoints", "000004", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	const made = "dce08f0bd4fb78dec95af5cbd7bc2561ee3b0e3df901cf7cb42ec91123ceb880" // by the version before, with AVX2
	if sum != made && kernel.Best().Name == "AVX2" {
		t.Errorf("other weights than those of the version before: %s", sum)
	}
	past, err := runlog.Read(dir)
	if err != nil || past.Header.Version != runlog.Version || past.Header.Adopted != 1 || len(past.Header.Inputs) < 3 {
		t.Errorf("%v: %+v", err, past.Header)
	}
	if out, err := said(nil, "train", "--resume", dir); err != nil || strings.Contains(out, "version 1") {
		t.Errorf("again: %v: %s", err, out)
	}
}

// TestExtend: a run that was extended, ended or not, killed in between or not, has the
// weights of one that was longer from the start.
func TestExtend(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with a race detector")
	}
	whole := trained(t, "grpo", "--set", "phases=[{sft: gold}, {rl: 6}]", "--set", "sft.epochs=1", "--set", "sft.batch=2")
	want := weights(t, whole, 8)
	short := trained(t, "grpo", "--set", "phases=[{sft: gold}, {rl: 3}]", "--set", "sft.epochs=1", "--set", "sft.batch=2")
	for _, row := range []struct {
		name string
		from int
		by   []string
	}{{"ended", 5, []string{"3"}}, {"not ended", 3, []string{"3"}}, {"from the start", 0, []string{"3"}}, {"in two steps", 5, []string{"1", "2"}}, {"twice before it goes on", 5, []string{"1+", "2"}}} {
		t.Run(row.name, func(t *testing.T) {
			dir := copied(t, short)
			back(t, dir, row.from)
			for _, n := range row.by {
				n, stay := strings.CutSuffix(n, "+")
				if out, err := said(nil, "train", "--resume", dir, "--extend", n); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				if stay {
					back(t, dir, row.from)
				}
			}
			if got := weights(t, dir, 8); got != want {
				t.Error("other weights than those of the longer run")
			}
			recipe, err := record.Recipe(dir)
			if err != nil || recipe.Phases[1].RL != 6 {
				t.Errorf("%v: %+v", err, recipe.Phases)
			}
			back(t, dir, 6) // killed after it was extended
			if out, err := said(nil, "train", "--resume", dir); err != nil || weights(t, dir, 8) != want {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	for args, want := range map[string]string{
		"--extend 3":                       "with --resume",
		"--extend 0 --resume " + short:     "must lie between 1 and 1000000",
		"--extend -1 --resume " + short:    "must lie between 1 and 1000000",
		"--extend 99999999999999999999999": "invalid argument",
	} {
		if out, err := said(nil, append([]string{"train"}, strings.Fields(args)...)...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v: %s", args, err, out)
		}
	}
	taught := trained(t, "sft", "--set", "sft.epochs=1", "--set", "sft.batch=2")
	if out, err := said(nil, "train", "--resume", taught, "--extend", "1"); err == nil || !strings.Contains(out, "start one from this with --model") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestSweepForeign: a sweep takes a run for its own if it would begin the same one, ended
// or not; another's stays as it is, and its first differing settings are named.
func TestSweepForeign(t *testing.T) {
	dir := t.TempDir()
	sweep := func(method string, args ...string) (string, error) {
		return said(nil, append(append([]string{"sweep", method, "--out", dir, "--parallel", "2", "--set", "phases=[{rl: 2}]"}, tiny...), args...)...)
	}
	out, err := sweep("grpo")
	if err != nil || !strings.Contains(out, "seed-1: done") {
		t.Fatalf("%v: %s", err, out)
	}
	run := filepath.Join(dir, "default", "seed-1")
	before := snapshot(t, run)
	if out, err := sweep("grpo"); err != nil || !strings.Contains(out, "seed-1: done before") {
		t.Errorf("%v: %s", err, out)
	}
	for i, row := range []struct {
		method string
		args   []string
		want   string
	}{
		{"grpo", []string{"--set", "rl.lr=0.002"}, "it holds a run of other settings: rl.lr is 0.001 and not 0.002;"},
		{"vanilla", nil, "method is grpo and not vanilla"},
		{"grpo", []string{"--set", "rl.lr=0.002", "--set", "rl.kl=0.5", "--set", "tasks.count=5", "--set", "rl.warmup=3"}, "and not 0.5, rl.lr is 0.001 and not 0.002, rl.warmup is 10 and not 3, 1 more;"},
	} {
		out, err := sweep(row.method, row.args...)
		if err == nil || !strings.Contains(out, row.want) || strings.Contains(out, "done before") {
			t.Errorf("%s %v: %v: %s", row.method, row.args, err, out)
		}
		if snapshot(t, run) != before {
			t.Errorf("%d: the other's run changed", i)
		}
		back(t, run, 1) // nor is a half-done one taken
		before = snapshot(t, run)
	}
	if out, err := sweep("grpo", "--seeds", "2"); err != nil || !strings.Contains(out, "seed-2: done") {
		t.Errorf("%v: %s", err, out)
	}
}
