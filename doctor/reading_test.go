package doctor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"ballast/monitor"
	"ballast/monitor/verdict"
)

// course writes a run of so many steps as one file of JSON lines: 16 rollouts a
// step, of which three quarters earn a reward before the step `fall` and one in twenty
// after it. record makes a record of a step and a success.
func course(steps, fall int, record func(step int, ok bool) string) string {
	rng := rand.New(rand.NewPCG(7, 7))
	var b strings.Builder
	for s := 1; s <= steps; s++ {
		for range 16 {
			share := 0.75
			if s >= fall {
				share = 0.05
			}
			b.WriteString(record(s, rng.Float64() < share))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

const reply = `"output": "<tool_call>\n{\"name\": \"ls\", \"arguments\": {}}\n</tool_call>"`

// with is a record whose reward stands in a text of its own.
func with(good, bad string) func(int, bool) string {
	return func(step int, ok bool) string {
		s := bad
		if ok {
			s = good
		}
		return fmt.Sprintf(`{%s, "step": %d, %s}`, reply, step, s)
	}
}

// TestFallIsSeen: however a trainer writes its rewards, a run that lost them is not
// called healthy, and the fall is dated by the trainer's steps.
func TestFallIsSeen(t *testing.T) {
	for _, c := range []struct{ name, good, bad, key string }{
		{"numbers", `"score": 1.0`, `"score": 0.0`, "score"},
		{"strings", `"score": "1.0"`, `"score": "0.0"`, "score"},
		{"Python's truth", `"score": "True"`, `"score": "False"`, "score"},
		{"truth", `"reward": true`, `"reward": false`, "reward"},
		{"tensors", `"reward": "tensor(1.)"`, `"reward": "tensor(0.)"`, "reward"},
		{"lists of one", `"reward": [1]`, `"reward": [0]`, "reward"},
		{"a reward a token", `"score": [0, 0, 1.0]`, `"score": [0, 0, 0.0]`, "score (sum of the list)"},
		{"score and accuracy", `"score": {"accuracy": 1.0, "score": 1.0}`, `"score": {"accuracy": 0.0, "score": 0.0}`, "score.score"},
		{"a total", `"reward": {"format": 1, "overall": 1.0}`, `"reward": {"format": 1, "overall": 0.0}`, "reward.overall"},
		{"parts", `"rewards": {"correct": 1.0, "format": 0.1}`, `"rewards": {"correct": 0.0, "format": 0.1}`, "rewards (sum of correct, format)"},
		{"weights", `"rewards": {"a": {"score": 1, "weight": 1}, "b": {"score": 1, "weight": 0}}`, `"rewards": {"a": {"score": 0, "weight": 1}, "b": {"score": 1, "weight": 0}}`, "rewards (sum of a, b)"},
		{"functions", `"correct_reward": 1.0, "format_reward": 0.1`, `"correct_reward": 0.0, "format_reward": 0.1`, "sum of correct_reward, format_reward"},
		{"success alone", `"acc": true`, `"acc": false`, "acc"},
		{"success in Python's words", `"is_correct": "True"`, `"is_correct": "False"`, "is_correct"},
		{"beside other numbers", `"advantage": 0.1, "latency": 3.5, "score": 1`, `"advantage": 0.1, "latency": 9.5, "score": 0`, "score"},
		{"a reward that is null", `"reward": null, "score": 1`, `"reward": null, "score": 0`, "score"},
	} {
		r := examine(t, put(t, "a.jsonl", course(40, 20, with(c.good, c.bad))))
		d := r.Diagnosis
		if d.Verdict == verdict.Healthy || d.Verdict == verdict.Plateau || d.Onset < 15 || d.Onset > 25 {
			t.Errorf("%s: %s since %d, want a fall at 20", c.name, d.Verdict, d.Onset)
		}
		if r.Reading.Reward.Key != c.key || r.Reading.Reward.Share() != 1 {
			t.Errorf("%s: the reward is from %q in %v of the records, want %q in all", c.name, r.Reading.Reward.Key, r.Reading.Reward.Share(), c.key)
		}
	}
}

// TestUnreadIsNoHealth: rewards that mean nothing to us are named with their place and
// are no numbers.
func TestUnreadIsNoHealth(t *testing.T) {
	for _, c := range []struct{ name, good, bad, key string }{
		{"several numbers", `"score": {"a": 1, "b": 2}`, `"score": {"a": 0, "b": 0}`, "score"},
		{"words", `"score": "good"`, `"score": "bad"`, "score"},
		{"fractions", `"score": "3/4"`, `"score": "0/4"`, "score"},
		{"commas", `"score": "1,0"`, `"score": "0,0"`, "score"},
		{"another name", `"judge_score": 1`, `"judge_score": 0`, "judge_score"},
		{"lists of truth", `"score": [true, true]`, `"score": [false, true]`, "score"},
		{"lists of lists", `"score": [[1, 1], [1, 1]]`, `"score": [[0, 0], [1, 1]]`, "score"},
		{"twice", `"score": 1, "score": 0`, `"score": 0, "score": 1`, "score"},
		{"a part in words", `"rewards": {"correct": "yes", "format": 1}`, `"rewards": {"correct": "no", "format": 1}`, "rewards.correct"},
		{"nested deeply", `"score": [[[[[[[[[[[[1, 2]]]]]]]]]]]]`, `"score": [[[[[[[[[[[[0, 2]]]]]]]]]]]]`, "score"},
	} {
		path := put(t, "a.jsonl", course(40, 20, with(c.good, c.bad)))
		r := examine(t, path)
		u := r.Reading.Unread
		if len(u) != 1 || u[0].Key != c.key || u[0].Count != 640 || u[0].File != "a.jsonl" || u[0].Why == "" {
			t.Errorf("%s: %+v", c.name, u)
		}
		if r.Reading.Reward.Present != 0 || len(slices.DeleteFunc(r.values(monitor.RewardMean), math.IsNaN)) != 0 {
			t.Errorf("%s: rewards out of nothing: %+v", c.name, r.Reading.Reward)
		}
	}
}

// TestMissingIsNoZero: the mean is over the rewards that are there, whatever stands
// in the place of the others.
func TestMissingIsNoZero(t *testing.T) {
	for _, hole := range []string{"null", "NaN", "Infinity", "-Infinity", `""`, `"nan"`, `"None"`, "1e999", "[]", "{}", `[null]`, `{"score": null}`} {
		n := 0
		r := examine(t, put(t, "a.jsonl", course(12, 100, func(step int, _ bool) string {
			n++
			if n%2 == 0 {
				return fmt.Sprintf(`{%s, "step": %d, "score": %s}`, reply, step, hole)
			}
			return fmt.Sprintf(`{%s, "step": %d, "score": 0.5}`, reply, step)
		})))
		c := r.Reading.Reward
		if got := share(r, 3, monitor.RewardMean); got != 0.5 || c.Present != 96 || c.Missing != 96 || c.Share() != 0.5 {
			t.Errorf("%s: mean %v, %+v", hole, got, c)
		}
		for _, u := range r.updates {
			if std := u.Metrics[monitor.RewardStd]; std != 0 {
				t.Errorf("%s: update %d: spread %v of equal rewards", hole, u.Index, std)
			}
		}
	}
}

type nullRow struct {
	Step       int64    `parquet:"step"`
	Completion string   `parquet:"completion"`
	Reward     *float64 `parquet:"reward,optional"`
	Latency    float64  `parquet:"latency_s"`
}

// TestParquetRewards: nulls and NaN of a column are missing, and a column of other
// numbers is added to nothing.
func TestParquetRewards(t *testing.T) {
	nan := math.NaN()
	write := func(reward func(step int, ok bool) *float64) string {
		var rows []nullRow
		course(40, 20, func(step int, ok bool) string {
			rows = append(rows, nullRow{int64(step), goodCall, reward(step, ok), 3 + float64(step)})
			return ""
		})
		path := filepath.Join(t.TempDir(), "completions_00001.parquet")
		if err := parquet.WriteFile(path, rows); err != nil {
			t.Fatal(err)
		}
		return path
	}
	number := func(ok bool) *float64 { return new(float64(b2i(ok))) }
	for _, c := range []struct {
		name             string
		reward           func(int, bool) *float64
		present, missing int
		fell             bool
	}{
		{"numbers", func(_ int, ok bool) *float64 { return number(ok) }, 640, 0, true},
		{"all NaN", func(int, bool) *float64 { return &nan }, 0, 640, false},
		{"all null", func(int, bool) *float64 { return nil }, 0, 640, false},
		{"null where it failed", func(step int, ok bool) *float64 {
			if step%2 == 0 {
				return nil
			}
			return number(ok)
		}, 320, 320, true},
	} {
		r := examine(t, write(c.reward))
		x := r.Reading.Reward
		if x.Present != c.present || x.Missing != c.missing || x.Key != "reward" {
			t.Errorf("%s: %+v", c.name, x)
		}
		if d := r.Diagnosis; c.fell && (d.Verdict == verdict.Healthy || d.Onset < 15 || d.Onset > 25) {
			t.Errorf("%s: %s since %d", c.name, d.Verdict, d.Onset)
		}
		if got := share(r, 3, monitor.RewardMean); c.present > 0 && got > 1 || c.present == 0 && got != 0 {
			t.Errorf("%s: mean reward %v", c.name, got)
		}
		if l := r.Reading.LeftOut; len(l) != 1 || !strings.Contains(l[0].Path, "latency_s") {
			t.Errorf("%s: left out %+v", c.name, l)
		}
	}
}

// TestOverflow: numbers at the ends of what a float64 holds give a page.
func TestOverflow(t *testing.T) {
	for _, scores := range [][2]string{{"1.7e308", "1.7e308"}, {"-1.7976931348623157e308", "1.7976931348623157e308"}, {"5e-324", "0"}, {"5e-324", "5e-324"},
		{"1e300", "-1e-300"}, {"0", "0"}, {"-1", "-1"}, {"1e15", "1e15"}, {"1e999", "1"}, {"NaN", "NaN"}, {"2.2250738585072014e-308", "-5e-324"}} {
		for _, steps := range []int{1, 30} {
			var b strings.Builder
			for s := range steps {
				for _, v := range scores {
					fmt.Fprintf(&b, "{%s, \"step\": %d, \"score\": %s}\n", reply, s, v)
				}
			}
			r := examine(t, put(t, "a.jsonl", b.String()))
			if r.Records != 2*steps || len(r.Text()) == 0 {
				t.Errorf("%v: %d records", scores, r.Records)
			}
		}
	}
}

// TestRunsApart: a second run in the folder is examined alone and changes nothing of
// the first.
func TestRunsApart(t *testing.T) {
	dir := t.TempDir()
	for name, fall := range map[string]int{"run1": 100, "run2": 20} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "log.jsonl"), []byte(course(40, fall, with(`"score": 1`, `"score": 0`))), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r := examine(t, dir)
	if len(r.Others) != 1 {
		t.Fatalf("%d other runs", len(r.Others))
	}
	if o := r.Others[0]; r.Reading.Run != "run1" || o.Reading.Run != "run2" || r.Diagnosis.Verdict.Sick() || o.Diagnosis.Onset < 15 || o.Diagnosis.Onset > 25 {
		t.Errorf("%s: %s; %s: %s since %d", r.Reading.Run, r.Diagnosis.Verdict, o.Reading.Run, o.Diagnosis.Verdict, o.Diagnosis.Onset)
	}
}

// TestLongReplies: what waits for the choice of a format, and one update, are bounded
// in bytes.
func TestLongReplies(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "{\"output\": \"%s\", \"step\": %d}\n", strings.Repeat("word ", 1<<20), i/25)
	}
	r := examine(t, put(t, "a.jsonl", b.String()))
	if r.Records != 50 || !strings.Contains(strings.Join(r.Notes, "\n"), "counted but not measured") {
		t.Errorf("%d records, %q", r.Records, r.Notes)
	}
}

// TestFailuresWithoutReward: where failures have no reward, or the key of the reward got
// another name in the middle, the mean of those that have one is no health.
func TestFailuresWithoutReward(t *testing.T) {
	for _, bad := range []string{`"score": null`, `"score": NaN`, `"score": -Infinity`, `"score": ""`, `"other": 1`} {
		r := examine(t, put(t, "a.jsonl", course(40, 20, with(`"score": 1.0`, bad))))
		if v := r.Diagnosis.Verdict; v != verdict.WellFormed && !v.Sick() {
			t.Errorf("%s for a failure: %s", bad, v)
		}
		if !strings.Contains(r.Summary[1], "of the records") {
			t.Errorf("%s for a failure: %q does not say how many have one", bad, r.Summary[1])
		}
	}
	renamed := course(40, 20, func(step int, ok bool) string {
		key := "score"
		if step >= 20 {
			key = "reward"
		}
		return with(fmt.Sprintf(`"%s": 1`, key), fmt.Sprintf(`"%s": 0`, key))(step, ok)
	})
	if r := examine(t, put(t, "b.jsonl", renamed)); r.Diagnosis.Verdict != verdict.WellFormed && !r.Diagnosis.Verdict.Sick() {
		t.Errorf("a renamed key: %s", r.Diagnosis.Verdict)
	}
	// A few that timed out are no reason for doubt.
	n := 0
	few := course(40, 99, func(step int, ok bool) string {
		if n++; n%10 == 0 {
			return with(`"score": null`, `"score": null`)(step, ok)
		}
		return with(`"score": 1`, `"score": 0`)(step, ok)
	})
	if r := examine(t, put(t, "c.jsonl", few)); r.Diagnosis.Verdict != verdict.Healthy && r.Diagnosis.Verdict != verdict.Plateau {
		t.Errorf("a tenth without a reward: %s", r.Diagnosis.Verdict)
	}
}
