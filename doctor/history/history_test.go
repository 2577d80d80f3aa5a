package history

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"ballast/doctor/rollouts"
)

// tree writes files and returns their folder.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// span of steps as records, two a step, with a reward of r.
func steps(from, to int, r float64) string {
	var b strings.Builder
	for s := from; s <= to; s++ {
		fmt.Fprintf(&b, "{\"output\": \"a\", \"score\": %g, \"step\": %d}\n{\"output\": \"b\", \"score\": %g, \"step\": %d}\n", r, s, r, s)
	}
	return b.String()
}

// bare are n records without a step.
func bare(n int) string { return strings.Repeat("{\"output\": \"a\", \"score\": 1}\n", n) }

// course is what a run's updates are: runs of steps as FROM-TO:RECORDS.
func course(r *Run) (string, []string) {
	var at, n []int
	notes := r.Each(func(x Rollout) {
		if len(at) == 0 || at[len(at)-1] != x.Index {
			at, n = append(at, x.Index), append(n, 0)
		}
		n[len(n)-1]++
	})
	var out []string
	for i := 0; i < len(at); {
		j := i
		for j+1 < len(at) && at[j+1] == at[j]+1 && n[j+1] == n[i] {
			j++
		}
		out = append(out, fmt.Sprintf("%d-%d:%d", at[i], at[j], n[i]))
		i = j + 1
	}
	return strings.Join(out, " "), notes
}

func worker(n int) string {
	return strings.ReplaceAll(steps(1, 20, 1), `"a"`, fmt.Sprintf(`"w%d"`, n))
}

// TestCourses: which records belong to which run, at which of the trainer's steps.
func TestCourses(t *testing.T) {
	mixed := func(w int) string { // two processes write side by side
		var b strings.Builder
		for s := 1; s <= 20; s++ {
			b.WriteString(steps(s, s, 1) + steps(max(1, s-w), max(1, s-w), 1))
		}
		return b.String()
	}
	turns := strings.Repeat(strings.Join(strings.SplitAfter(bare(3), "\n"), ""), 1)
	for i := range 12 {
		for k := range 4 {
			turns += fmt.Sprintf("{\"output\": \"%d\", \"score\": 1, \"step\": %d}\n", i, k)
		}
	}
	for _, c := range []struct {
		name    string
		files   map[string]string
		courses string // of all runs, joined by |
		steps   string // where they are from
		says    string // in what was decided or left out
	}{
		{"a file", map[string]string{"a.jsonl": steps(1, 20, 1)}, "1-20:2", `the field "step"`, ""},
		{"zero-based", map[string]string{"a.jsonl": steps(0, 19, 1)}, "0-19:2", `the field "step"`, ""},
		{"every tenth", map[string]string{"a.jsonl": steps(10, 10, 1) + steps(20, 20, 1)}, "10-10:2 20-20:2", "", ""},
		{"verl's names", map[string]string{"1.jsonl": bare(3), "2.jsonl": bare(3), "10.jsonl": bare(3)}, "1-2:3 10-10:3", "the numbers in file names", ""},
		{"fields before names", map[string]string{"101.jsonl": steps(1, 5, 1), "102.jsonl": steps(6, 9, 1)}, "1-9:2", `the field "step"`, ""},
		{"folders", map[string]string{"step_1/x.jsonl": bare(3), "step_2/x.jsonl": bare(3), "step_10/x.jsonl": bare(3)}, "1-2:3 10-10:3", "the numbers in folders", ""},
		{"folders before names", map[string]string{"global_step_3/7.jsonl": bare(2), "global_step_4/8.jsonl": bare(2)}, "3-4:2", "the numbers in folders", ""},
		{"bare folders", map[string]string{"0/x.jsonl": bare(2), "1/x.jsonl": bare(2), "2/x.jsonl": bare(2)}, "0-2:2", "the numbers in folders", ""},
		{"deep folders", map[string]string{"step_1/train/effective/t.jsonl": bare(2), "step_2/train/effective/t.jsonl": bare(2)}, "1-2:2", "the numbers in folders", ""},
		{"step and epoch", map[string]string{"train_step_1_epoch_0/a.jsonl": bare(1), "train_step_2_epoch_1/b.jsonl": bare(1)}, "1-2:1", "the numbers in folders", ""},
		{"ranks in folders of steps", map[string]string{"step_1/rank_0.jsonl": bare(2), "step_1/rank_1.jsonl": bare(2), "step_2/rank_0.jsonl": bare(2), "step_2/rank_1.jsonl": bare(2)}, "1-2:4", "the numbers in folders", "2 workers"},
		{"step and worker in the name", map[string]string{"step1_worker0.jsonl": bare(2), "step1_worker1.jsonl": bare(2), "step2_worker0.jsonl": bare(2), "step2_worker1.jsonl": bare(2)}, "1-2:4", "the numbers in file names", "2 workers"},
		{"worker, then step", map[string]string{"rank0_12.jsonl": bare(2), "rank0_13.jsonl": bare(2), "rank1_12.jsonl": bare(2), "rank1_13.jsonl": bare(2)}, "12-13:4", "the numbers in file names", "2 workers"},
		{"two numbers", map[string]string{"5_0.jsonl": bare(1), "5_1.jsonl": bare(1), "6_0.jsonl": bare(1), "6_1.jsonl": bare(1), "7_0.jsonl": bare(1), "7_1.jsonl": bare(1)}, "5-7:2", "the numbers in file names", ""},
		{"TRL's names", map[string]string{"completions_00010.jsonl": bare(2), "completions_00020.jsonl": bare(2)}, "10-10:2 20-20:2", "the numbers in file names", ""},
		{"dates and models in names", map[string]string{"qwen7b_2026-11-03_step5.jsonl": bare(2), "qwen7b_2026-11-04_step6.jsonl": bare(2)}, "5-6:2", "the numbers in file names", ""},
		{"a model's size is no step", map[string]string{"qwen-7b-1.jsonl": bare(2), "qwen-7b-2.jsonl": bare(2)}, "1-2:2", "the numbers in file names", ""},
		{"ids are no steps", map[string]string{"ep-81237.jsonl": bare(2), "ep-9912345.jsonl": bare(2)}, "-1--1:4", "", ""},
		{"shards are no steps", map[string]string{"part-00000-of-00002.jsonl": bare(2), "part-00001-of-00002.jsonl": bare(2)}, "-1--1:4", "", ""},
		{"one number is no count", map[string]string{"run7.jsonl": bare(3)}, "-1--1:3", "", ""},
		{"compressed names", map[string]string{"3.jsonl": bare(2), "4.ndjson": bare(2)}, "3-4:2", "", ""},

		{"epochs that count anew", map[string]string{"epoch_0/step_0.jsonl": bare(1), "epoch_0/step_1.jsonl": bare(1), "epoch_1/step_0.jsonl": bare(2), "epoch_1/step_1.jsonl": bare(2)}, "0-1:1 2-3:2", "", "\"0 of part 2\""},
		{"epochs that go on", map[string]string{"epoch_0/step_0.jsonl": bare(1), "epoch_0/step_1.jsonl": bare(1), "epoch_1/step_2.jsonl": bare(1)}, "0-2:1", "", ""},
		{"epochs in names", map[string]string{"e_epoch0_step1.jsonl": bare(1), "e_epoch1_step1.jsonl": bare(1), "e_epoch2_step1.jsonl": bare(1)}, "1-3:1", "", ""},
		{"workers with ids", map[string]string{"worker-3f2a.jsonl": worker(0), "worker-3bc1.jsonl": worker(1)}, "1-20:4", "", "2 workers"},
		{"restart at 0", map[string]string{"a.jsonl": steps(1, 20, 1) + steps(0, 10, 1)}, "1-31:2", "", "begin again at 0 after 20"},
		{"restart at 1", map[string]string{"a.jsonl": steps(1, 20, 1) + steps(1, 10, 1)}, "1-30:2", "", "\"1 of part 2\""},
		{"two restarts at 0", map[string]string{"a.jsonl": steps(0, 9, 1) + steps(0, 9, 1) + steps(0, 9, 1)}, "0-29:2", "", "of part 3"},
		{"overlap", map[string]string{"a.jsonl": steps(1, 20, 1) + steps(11, 30, 0)}, "1-30:2", "", "go back from 20 to 11"},
		{"overlap of one", map[string]string{"a.jsonl": steps(1, 20, 1) + steps(20, 30, 0)}, "1-19:2 20-20:4 21-30:2", "", ""},
		{"overlap of two", map[string]string{"a.jsonl": steps(1, 20, 1) + steps(19, 30, 0)}, "1-30:2", "", "go back from 20 to 19"},
		{"overlaps twice", map[string]string{"a.jsonl": steps(1, 20, 1) + steps(15, 25, 0) + steps(10, 30, 0)}, "1-30:2", "", "go back from 25 to 10"},
		{"a restart that ends early", map[string]string{"a.jsonl": steps(1, 20, 1) + steps(11, 15, 0)}, "1-15:2", "", "go back from 20 to 11"},
		{"a gap", map[string]string{"a.jsonl": steps(1, 20, 1) + steps(31, 40, 0)}, "1-20:2 31-40:2", "", ""},
		{"overlap over files", map[string]string{"a.jsonl": steps(1, 20, 1), "b.jsonl": steps(11, 30, 0)}, "1-30:2", "", "b.jsonl: the steps go back from 20 to 11"},
		{"files that go on", map[string]string{"z.jsonl": steps(1, 20, 1), "a.jsonl": steps(21, 30, 0)}, "1-30:2", "", ""},
		{"rotation within a step", map[string]string{"log.1.jsonl": steps(1, 5, 1), "log.2.jsonl": steps(5, 9, 1)}, "1-4:2 5-5:4 6-9:2", "", ""},
		{"folders that go on", map[string]string{"run1/a.jsonl": steps(1, 20, 1), "run2/a.jsonl": steps(21, 30, 0)}, "1-30:2", "", "continues"},
		{"folders that overlap", map[string]string{"job_a/a.jsonl": steps(1, 20, 1), "job_b/a.jsonl": steps(11, 30, 0)}, "1-30:2", "", "continues"},
		{"overlap over names", map[string]string{"x/1.jsonl": bare(2), "x/2.jsonl": bare(2), "x/3.jsonl": bare(2), "y/3.jsonl": bare(1), "y/4.jsonl": bare(1)}, "1-2:2 3-4:1", "", ""},

		{"two runs in folders", map[string]string{"run1/a.jsonl": steps(1, 20, 1), "run2/a.jsonl": steps(1, 20, 0)}, "1-20:2|1-20:2", "", "2 runs, each examined apart: run1 (steps 1 to 20), run2"},
		{"two runs of other lengths", map[string]string{"a/a.jsonl": steps(1, 20, 1), "b/a.jsonl": steps(0, 40, 0)}, "1-20:2|0-40:2", "", "2 runs"},
		{"seeds", map[string]string{"seed1/a.jsonl": steps(1, 20, 1), "seed2/a.jsonl": steps(11, 30, 0)}, "1-20:2|11-30:2", "", "2 runs"},
		{"two runs in files", map[string]string{"a.jsonl": steps(1, 20, 1), "b.jsonl": steps(1, 20, 0)}, "1-20:2|1-20:2", "", "no name says that they are workers"},
		{"two runs by a field", map[string]string{"a.jsonl": strings.ReplaceAll(steps(1, 9, 1), "{", `{"run_id": "x", `) + strings.ReplaceAll(steps(1, 5, 1), "{", `{"run_id": "y", `)}, "1-9:2|1-5:2", "", "2 runs"},
		{"an id for every record", map[string]string{"a.jsonl": unique(steps(1, 20, 1))}, "1-20:2", "", "not taken for runs"},
		{"runs without steps", map[string]string{"run1/a.jsonl": bare(3), "run2/a.jsonl": bare(4)}, "-1--1:3|-1--1:4", "", "2 runs"},
		{"trials without steps", map[string]string{"task__0/agent/t.jsonl": bare(1), "task__1/agent/t.jsonl": bare(1)}, "-1--1:2", "", ""},
		{"workers with steps", map[string]string{"worker_0.jsonl": worker(0), "worker_1.jsonl": worker(1), "worker_2.jsonl": worker(2)}, "1-20:6", `the field "step"`, "3 workers"},
		{"workers in folders", map[string]string{"node0/a.jsonl": worker(0), "node1/a.jsonl": worker(1)}, "1-20:4", "", "2 workers"},
		{"workers that restart", map[string]string{"rank0.jsonl": worker(0) + steps(11, 30, 1), "rank1.jsonl": worker(1) + steps(11, 30, 1)}, "1-30:4", "", "2 workers"},
		{"many files of one name", map[string]string{"out_1.jsonl": worker(1), "out_2.jsonl": worker(2), "out_3.jsonl": worker(3), "out_4.jsonl": worker(4), "out_5.jsonl": worker(5)}, "1-20:10", "", "5 workers"},

		{"validation by name", map[string]string{"train_1.jsonl": bare(2), "train_2.jsonl": bare(2), "val_1.jsonl": bare(9)}, "1-2:2", "", "9 records of validation in 1 files"},
		{"validation by folder", map[string]string{"rollout/1.jsonl": bare(2), "rollout/2.jsonl": bare(2), "validation/1.jsonl": bare(9), "validation/2.jsonl": bare(9)}, "1-2:2", "", "18 records of validation in 2 files"},
		{"validation by field", map[string]string{"a.jsonl": steps(1, 5, 1) + strings.ReplaceAll(steps(5, 5, 1), "{", `{"split": "val", `) + steps(6, 9, 1)}, "1-9:2", "", "2 records of validation"},
		{"validation by flag", map[string]string{"a.jsonl": steps(1, 5, 1) + strings.ReplaceAll(steps(1, 5, 1), "{", `{"validate": true, `)}, "1-5:2", "", "10 records of validation"},
		{"validation alone", map[string]string{"eval_1.jsonl": bare(2), "eval_2.jsonl": bare(2)}, "1-2:2", "", "all records are of validation"},
		{"words with val in them", map[string]string{"retrieval_1.jsonl": bare(2), "retrieval_2.jsonl": bare(2)}, "1-2:2", "", ""},

		{"mixed neighbours", map[string]string{"a.jsonl": mixed(1)}, "1-1:6 2-19:4 20-20:2", "", "sorted by step"},
		{"mixed over two", map[string]string{"a.jsonl": mixed(2)}, "1-1:8 2-18:4 19-20:2", "", "sorted by step"},
		{"no order", map[string]string{"a.jsonl": shuffled()}, "1-20:6", "", "in no order"},
		{"turns", map[string]string{"5.jsonl": turns, "6.jsonl": turns}, "5-6:51", "the numbers in file names", "counts the turns"},
		{"some records without a step", map[string]string{"a.jsonl": bare(1) + steps(1, 5, 1) + bare(2) + steps(6, 9, 1)}, "1-1:3 2-4:2 5-5:4 6-9:2", "", "3 records without a step"},
		{"files without steps beside", map[string]string{"a.jsonl": steps(1, 5, 1), "other.jsonl": bare(3)}, "1-5:2|-1--1:3", "", "1 files hold no step numbers"},
	} {
		dir := tree(t, c.files)
		runs, err := Open(dir, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got, said []string
		for _, r := range runs {
			s, notes := course(r)
			got = append(got, s)
			said = append(append(said, notes...), r.Reading.Decided...)
			for _, l := range r.Reading.LeftOut {
				said = append(said, l.Path+": "+l.Why)
			}
		}
		if strings.Join(got, "|") != c.courses {
			t.Errorf("%s: %s, want %s; %q", c.name, strings.Join(got, "|"), c.courses, said)
		}
		if c.steps != "" && runs[0].Reading.Steps != c.steps {
			t.Errorf("%s: steps from %q, want %q", c.name, runs[0].Reading.Steps, c.steps)
		}
		if c.says != "" && !strings.Contains(strings.Join(said, "\n"), c.says) {
			t.Errorf("%s: nothing says %q: %q", c.name, c.says, said)
		}
	}
}

func unique(s string) string {
	i := 0
	return strings.Join(slices.Collect(func(yield func(string) bool) {
		for line := range strings.Lines(s) {
			i++
			if !yield(strings.Replace(line, "{", fmt.Sprintf(`{"run_id": "r%d", `, i), 1)) {
				return
			}
		}
	}), "")
}

// shuffled are three passes over 20 steps in no order.
func shuffled() string {
	var b strings.Builder
	for i := range 60 {
		b.WriteString(steps(1+i*37%20, 1+i*37%20, 1))
	}
	return b.String()
}

// TestSuperseded: what was run again counts, and not what was there before it.
func TestSuperseded(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"one file": {"a.jsonl": steps(1, 20, 1) + steps(11, 30, 0.5)},
		"folders":  {"a/x.jsonl": steps(1, 20, 1), "b/x.jsonl": steps(11, 30, 0.5)},
	} {
		runs, err := Open(tree(t, files), Options{})
		if err != nil || len(runs) != 1 {
			t.Fatalf("%s: %d runs, %v", name, len(runs), err)
		}
		runs[0].Each(func(x Rollout) {
			if want := map[bool]float64{true: 1, false: 0.5}[x.Index <= 10]; x.Reward.Num != want {
				t.Errorf("%s: step %d has the reward %v", name, x.Index, x.Reward.Num)
			}
		})
		s := runs[0].Reading.Segments
		if len(s) != 2 || s[0].Superseded != 10 || s[1].From != 11 || s[1].To != 30 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	runs, err := Open(tree(t, map[string]string{"a.jsonl": steps(1, 20, 1) + steps(0, 9, 1)}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for index, want := range map[int]string{1: "1", 20: "20", 21: "0 of part 2", 30: "9 of part 2"} {
		if got := runs[0].Reading.Step(index); got != want {
			t.Errorf("update %d is step %q, want %q", index, got, want)
		}
	}
}

// TestRewards: which key the reward is read from, and how many records have one.
func TestRewards(t *testing.T) {
	line := func(s string, n int) string {
		return strings.Repeat(`{"output": "a", "step": 1, `+s+"}\n", n)
	}
	for _, c := range []struct {
		name, content, key            string
		present, missing, bad, absent int
		unread                        string
	}{
		{"score", line(`"score": 1`, 3), "score", 3, 0, 0, 0, ""},
		{"nested", line(`"score": {"accuracy": 0.0, "score": 0.0}`, 3), "score.score", 3, 0, 0, 0, ""},
		{"dict", line(`"rewards": {"correct": 1, "format": 0.1}`, 3), "rewards (sum of correct, format)", 3, 0, 0, 0, ""},
		{"functions", line(`"format_reward": 1, "correct_reward": 0, "advantage": 2`, 3), "sum of correct_reward, format_reward", 3, 0, 0, 0, ""},
		{"a function with nulls", line(`"format_reward": 1, "correct_reward": null`, 3), "sum of correct_reward, format_reward", 3, 0, 0, 0, ""},
		{"functions without a value", line(`"format_reward": null, "correct_reward": NaN`, 3), "sum of correct_reward, format_reward", 0, 3, 0, 0, ""},
		{"whole before parts", line(`"reward": 1.5, "format_reward": 1`, 3), "reward", 3, 0, 0, 0, ""},
		{"an empty whole", line(`"reward": null, "format_reward": 1`, 3), "format_reward", 3, 0, 0, 0, ""},
		{"success alone", line(`"acc": "True"`, 3), "acc", 3, 0, 0, 0, ""},
		{"half NaN", line(`"score": NaN`, 3) + line(`"score": 1`, 3), "score", 3, 3, 0, 0, ""},
		{"all NaN", line(`"score": NaN`, 3), "score", 0, 3, 0, 0, ""},
		{"some without", line(`"score": 1`, 3) + line(`"x": 1`, 2), "score", 3, 0, 0, 2, ""},
		{"none", line(`"x": 1`, 3), "", 0, 0, 0, 3, ""},
		{"ambiguous", line(`"score": {"a": 1, "b": 2}`, 3), "score", 0, 0, 3, 0, "a.jsonl:1 score"},
		{"ambiguous beside success", line(`"score": {"a": 1, "b": 2}, "acc": 1`, 3), "score", 0, 0, 3, 0, "a.jsonl:1 score"},
		{"some ambiguous", line(`"score": 1`, 2) + line(`"score": "good"`, 3), "score", 2, 0, 3, 0, "a.jsonl:3 score"},
		{"an unknown key", line(`"judge_score": 1`, 3), "", 0, 0, 0, 3, "a.jsonl:0 judge_score"},
		{"an unknown key beside", line(`"judge_score": 1, "score": 1`, 3), "score", 3, 0, 0, 0, ""},
		{"inside of metadata", line(`"metadata": {"reward": 1, "x": {"y": 2}}`, 3), "metadata.reward", 3, 0, 0, 0, ""},
		{"outside before inside", line(`"metadata": {"reward": 0.5}, "score": 1`, 3), "score", 3, 0, 0, 0, ""},
		{"metrics inside", line(`"metrics": {"correct": 1}`, 3), "metrics.correct", 3, 0, 0, 0, ""},
		{"two keys", line(`"reward": 1`, 2) + line(`"score": 1`, 3), "score", 3, 0, 0, 2, ""},
		{"a bad step", strings.Replace(line(`"score": 1`, 3), `"step": 1`, `"step": "one"`, 2), "score", 3, 0, 0, 0, "a.jsonl:1 step"},
	} {
		runs, err := Open(filepath.Join(tree(t, map[string]string{"a.jsonl": c.content}), "a.jsonl"), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		r := runs[0]
		course(r)
		want := rollouts.Column{Key: c.key, Present: c.present, Missing: c.missing, Unreadable: c.bad, Absent: c.absent}
		if r.Reading.Reward != want {
			t.Errorf("%s: %+v, want %+v", c.name, r.Reading.Reward, want)
		}
		var got []string
		for _, u := range r.Reading.Unread {
			got = append(got, fmt.Sprintf("%s:%d %s", u.File, u.Line, u.Key))
		}
		if strings.Join(got, ", ") != c.unread {
			t.Errorf("%s: not understood %q, want %q", c.name, got, c.unread)
		}
	}
	path := filepath.Join(tree(t, map[string]string{"a.jsonl": line(`"quality": 0.5, "score": 1`, 3)}), "a.jsonl")
	runs, err := Open(path, Options{Reward: "quality"})
	if err != nil || runs[0].Reading.Reward.Key != "quality" {
		t.Fatalf("%+v, %v", runs, err)
	}
	if _, err := Open(path, Options{Reward: "qualty"}); err == nil || !strings.Contains(err.Error(), `"qualty"`) {
		t.Errorf("a key that is not there: %v", err)
	}
}

// TestLeftOut: what is not read is named, with the reason, and the rest is read.
func TestLeftOut(t *testing.T) {
	dir := tree(t, map[string]string{"1.jsonl": bare(2), "2.jsonl": bare(2), "metrics.jsonl": "{\"step\": 1, \"loss\": 2}\n", "requirements.txt": "torch\n",
		"model.safetensors": "x", ".hidden/3.jsonl": bare(2), "diagnosis.json": "{}", "bad.parquet": "PAR1 and no more", "empty.jsonl": ""})
	outside := tree(t, map[string]string{"3.jsonl": bare(50)})
	for _, err := range []error{os.Symlink(outside, filepath.Join(dir, "link")), os.Symlink(filepath.Join(outside, "3.jsonl"), filepath.Join(dir, "3.jsonl")),
		syscall.Mkfifo(filepath.Join(dir, "4.jsonl"), 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	runs, err := Open(dir, Options{})
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	if got, _ := course(runs[0]); got != "1-2:2" {
		t.Errorf("read %s", got)
	}
	var left []string
	for _, l := range runs[0].Reading.LeftOut {
		left = append(left, fmt.Sprintf("%s (%d): %s", l.Path, l.Count, l.Why))
	}
	for _, want := range []string{"link", "(2): a link; links are not followed", "4.jsonl (1): a pipe", "metrics.jsonl (1): line 1: no reply in it", "requirements.txt (1): plain text",
		"model.safetensors (1): not a file of rollouts", ".hidden (1): hidden", "diagnosis.json (1): of an earlier", "bad.parquet (1): broken parquet", "empty.jsonl (1): the file is empty"} {
		if !strings.Contains(strings.Join(left, "\n"), want) {
			t.Errorf("nothing says %q: %q", want, left)
		}
	}
	if _, err := Open(tree(t, map[string]string{"a.csv": "1"}), Options{}); err == nil || !strings.Contains(err.Error(), "a.csv: not a file of rollouts") {
		t.Errorf("a folder with nothing to read: %v", err)
	}
}

// closed is a file system with a folder that must not be read.
type closed struct{ fstest.MapFS }

func (c closed) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == "b" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return c.MapFS.ReadDir(name)
}

// TestClosedFolder: one folder that cannot be read is named, and the others are read.
func TestClosedFolder(t *testing.T) {
	var left account
	files, err := list(closed{fstest.MapFS{"a/1.jsonl": {}, "b/2.jsonl": {}, "c/3.jsonl": {}}}, "root", &left)
	if err != nil || len(files) != 2 || len(left.list) != 1 || left.list[0].Path != "b" || !strings.Contains(left.list[0].Why, "permission") {
		t.Errorf("%+v, %+v, %v", files, left.list, err)
	}
}

// FuzzOpen: whatever steps, runs and names a folder has, every record is given once,
// or named, and updates only rise.
func FuzzOpen(f *testing.F) {
	f.Add("1.jsonl", "run/2.jsonl", []byte{1, 2, 3, 1, 2})
	f.Add("step_1/rank_0.json", "val/x.txt", []byte{0, 0, 9, 200, 9, 8, 9, 8, 9, 8})
	f.Fuzz(func(t *testing.T, a, b string, seq []byte) {
		var s strings.Builder
		for i, k := range seq {
			fmt.Fprintf(&s, "{\"output\": \"a\", \"step\": %d, \"run\": \"%d\", \"score\": %d}\n", k, int(k)/200, i)
		}
		files := map[string]string{}
		for _, name := range []string{a, b} {
			if !fs.ValidPath(name) || strings.ContainsAny(name, "\x00\\") || len(name) > 60 || name == "." {
				return
			}
			files[name] = s.String()
		}
		if strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/") {
			return
		}
		runs, err := Open(tree(t, files), Options{})
		if err != nil {
			return
		}
		for _, r := range runs {
			last := -1
			r.Each(func(x Rollout) {
				if x.Index < last {
					t.Errorf("%s: update %d after %d", r.Name, x.Index, last)
				}
				last = x.Index
			})
		}
	})
}
