package rollouts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// read reads a file of its own.
func read(t testing.TB, name, content string, o Options) ([]Record, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	var list []Record
	err := Read(path, o, func(r Record) { list = append(list, r) })
	return list, err
}

// TestEvaluate: what has one meaning is read, what has none says why, and what is
// not there is missing and no 0.
func TestEvaluate(t *testing.T) {
	for _, c := range []struct {
		key, raw, path string
		num            float64
		state          State
	}{
		{"score", `1.0`, "score", 1, Present},
		{"score", `-1`, "score", -1, Present},
		{"score", `1e-3`, "score", 1e-3, Present},
		{"score", `100`, "score", 100, Present},
		{"score", `1.7e308`, "score", 1.7e308, Present},
		{"score", `5e-324`, "score", 5e-324, Present},
		{"score", `true`, "score", 1, Present},
		{"score", `False`, "score", 0, Present},
		{"score", `"0.0"`, "score", 0, Present},
		{"score", `" 1.0 "`, "score", 1, Present},
		{"score", `"-0.5"`, "score", -0.5, Present},
		{"acc", `"True"`, "acc", 1, Present},
		{"acc", `"false"`, "acc", 0, Present},
		{"score", `"tensor(0.5, device='cuda:0')"`, "score", 0.5, Present},
		{"score", `"np.float64(0.25)"`, "score", 0.25, Present},
		{"score", `[0.5]`, "score", 0.5, Present},
		{"score", `["1.0"]`, "score", 1, Present},
		{"score", `[0.0, 0.0, 1.0]`, "score (sum of the list)", 1, Present},
		{"score", `{"accuracy": 0.0, "score": 0.25}`, "score.score", 0.25, Present},
		{"score", `{"is_format_correct": 1, "accuracy": 1.0, "score": "0.5"}`, "score.score", 0.5, Present},
		{"reward", `{"total": 2, "format": 1, "correct": 1}`, "reward.total", 2, Present},
		{"reward", `{"overall": 0.75, "format": 1}`, "reward.overall", 0.75, Present},
		{"reward", `{"value": 0.75}`, "reward.value", 0.75, Present},
		{"reward", `{"correctness": 0.75}`, "reward.correctness", 0.75, Present},
		{"rewards", `{"correct": 1.0, "format": 0.1}`, "rewards (sum of correct, format)", 1.1, Present},
		{"rewards", `{"correct": {"score": 1.0, "weight": 0.5}, "format": {"score": 1.0, "weight": 0.25}}`, "rewards (sum of correct, format)", 0.75, Present},
		{"reward", `{"a": {"score": 1.0, "weight": 0.5}, "b": {"score": 1.0, "weight": 0.25}}`, "reward (sum of a, b)", 0.75, Present},
		{"score", `"{\"score\": 0.5, \"acc\": 1}"`, "score.score", 0.5, Present},
		{"score", `{"reward": {"score": [1]}}`, "score.reward.score", 1, Present},

		{"score", `null`, "score", 0, Missing},
		{"score", `None`, "score", 0, Missing},
		{"score", `NaN`, "score", 0, Missing},
		{"score", `Infinity`, "score", 0, Missing},
		{"score", `-Infinity`, "score", 0, Missing},
		{"score", `1e999`, "score", 0, Missing},
		{"score", `""`, "score", 0, Missing},
		{"score", `"nan"`, "score", 0, Missing},
		{"score", `"None"`, "score", 0, Missing},
		{"score", `"N/A"`, "score", 0, Missing},
		{"score", `[]`, "score", 0, Missing},
		{"score", `{}`, "score", 0, Missing},
		{"score", `[1.0, null]`, "score", 0, Missing},
		{"score", `[1.0, NaN]`, "score", 0, Missing},
		{"score", `{"score": null, "accuracy": 1.0}`, "score.score", 0, Missing},
		{"rewards", `{"correct": null, "format": 0.1}`, "rewards (sum of correct, format)", 0, Missing},
		{"scores", `[1.7e308, 1.7e308]`, "scores (sum of the list)", 0, Missing},

		{"score", `"good"`, "score", 0, Unreadable},
		{"score", `"0,5"`, "score", 0, Unreadable},
		{"score", `"3/4"`, "score", 0, Unreadable},
		{"score", `"1_0"`, "score", 0, Unreadable},
		{"score", `"0x10"`, "score", 0, Unreadable},
		{"score", `1_0`, "score", 0, Unreadable},
		{"score", `{"accuracy": 1.0, "format": 0.5}`, "score", 0, Unreadable},
		{"reward", `{"a": 1, "b": 2, "c": 3}`, "reward", 0, Unreadable},
		{"rewards", `{"correct": "yes", "format": 0.1}`, "rewards.correct", 0, Unreadable},
		{"score", `[[1, 2], [3, 4]]`, "score", 0, Unreadable},
		{"score", `[true, false]`, "score", 0, Unreadable},
		{"score", `[{"a": 1}, {"a": 2}]`, "score", 0, Unreadable},
		{"score", strings.Repeat("[", 50) + strings.Repeat("]", 50), "score", 0, Unreadable},
		{"score", strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50), "score", 0, Unreadable},
	} {
		v := evaluate(c.key, []byte(c.raw))
		if v.State != c.state || v.Key != c.path || v.State == Present && v.Num != c.num {
			t.Errorf("%s %.60s: %+v, want %s %v, state %d", c.key, c.raw, v, c.path, c.num, c.state)
		}
		if v.State != Present && v.Num != 0 && v.State == Unreadable || v.State == Unreadable && (v.Why == "" || v.Raw == "") {
			t.Errorf("%s %.60s: %+v does not say why", c.key, c.raw, v)
		}
	}
}

// TestSteps: whole numbers are steps, however they are written.
func TestSteps(t *testing.T) {
	for raw, want := range map[string]int{"0": 0, "13": 13, `"13"`: 13, "13.0": 13, `"7.0"`: 7, "2147483647": 1<<31 - 1, "-1": -1, "1.5": -1, "null": -1,
		`"step 3"`: -1, "NaN": -1, "[3]": -1, `{"step": 3}`: -1, "2147483648": -1, "1e300": -1} {
		got, ok := whole([]byte(raw))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%s: %d, want %d", raw, got, want)
		}
	}
	for _, key := range []string{"step", "global_step", "global_steps", "training_step", "train_step", "trainer_step", "update", "iteration", "rollout_id"} {
		list, err := read(t, "a.jsonl", `{"output": "x", "`+key+`": 7}`, Options{})
		if err != nil || len(list) != 1 || list[0].Step != 7 || list[0].StepKey != key {
			t.Errorf("%s: %+v, %v", key, list, err)
		}
	}
	for record, want := range map[string]string{
		`{"output": "x", "step": 3, "global_step": 70}`:              "global_step 70",
		`{"output": "x", "global_step": 70, "step": 3}`:              "global_step 70",
		`{"output": "x", "iteration": 2, "step": 3}`:                 "step 3",
		`{"output": "x", "metadata": {"step": 4}}`:                   "metadata.step 4",
		`{"output": "x", "metadata": {"step": 4}, "step": 5}`:        "step 5",
		`{"output": "x", "step": 5, "metadata": {"global_step": 4}}`: "step 5",
	} {
		list, err := read(t, "a.jsonl", record, Options{})
		if err != nil || fmt.Sprint(list[0].StepKey, " ", list[0].Step) != want {
			t.Errorf("%s: %+v, %v, want %s", record, list, err, want)
		}
	}
	list, err := read(t, "a.jsonl", `{"output": "x", "step": "seven"}`, Options{})
	if err != nil || list[0].Step != -1 || list[0].Values[0].State != Unreadable || list[0].Values[0].Top != "step" {
		t.Errorf("an unreadable step: %+v, %v", list, err)
	}
}

// TestRewardKeys: what records say under which keys; key order means nothing.
func TestRewardKeys(t *testing.T) {
	for _, c := range []struct {
		record string
		tops   string // of the values, with their states
	}{
		{`{"output": "x", "score": 1}`, "score:1"},
		{`{"score": 1, "output": "x"}`, "score:1"},
		{`{"output": "x", "total_reward": 1, "advantage": 7, "kl": 0.1}`, "total_reward:1"},
		{`{"completion": "x", "format_reward": 1, "correct_reward": null}`, "format_reward:1 correct_reward:2"},
		{`{"completion": "x", "rewards/format": 1, "rewards/correct": 0}`, "rewards/format:1 rewards/correct:1"},
		{`{"completion": "x", "judge_score": 1}`, "judge_score:1"},
		{`{"output": "x", "acc": true, "score": {"a": 1, "b": 2}}`, "acc:1 score:3"},
		{`{"output": "x", "is_correct": "True"}`, "is_correct:1"},
		{`{"output": "x", "score": 1, "score": 0}`, "score:3"},
		{`{"output": "x", "score": 1, "score": 1}`, "score:1 score:1"},
		{`{"output": "x", "sc\u006fre": 1}`, "score:1"},
		{`{"output": "x", "latency": 3.5}`, ""},
	} {
		list, err := read(t, "a.jsonl", c.record, Options{})
		if err != nil || len(list) != 1 {
			t.Errorf("%s: %d records, %v", c.record, len(list), err)
			continue
		}
		var got []string
		for _, v := range list[0].Values {
			got = append(got, v.Top+":"+string(rune('0'+v.State)))
		}
		if strings.Join(got, " ") != c.tops {
			t.Errorf("%s: %q, want %q", c.record, got, c.tops)
		}
	}
	list, err := read(t, "a.jsonl", `{"output": "x", "quality": 0.5, "score": 1}`, Options{Also: "quality"})
	if err != nil || len(list[0].Values) != 2 || list[0].Values[0].Num != 0.5 {
		t.Errorf("a key that is asked for: %+v, %v", list, err)
	}
	for key, part := range map[string]bool{"format_reward": true, "reward_len": true, "rewards/acc": true, "reward": false, "reward_std": false,
		"reward_mean": false, "reward_model": false, "reward_weights": false, "score": false, "advantage": false, "xml_reward_func": true} {
		if Part(key) != part {
			t.Errorf("Part(%q) = %v", key, !part)
		}
	}
}

// TestGroups: responses of one prompt in one record are records with their own rewards.
func TestGroups(t *testing.T) {
	for _, c := range []struct {
		record string
		nums   []float64 // -1: unreadable
	}{
		{`{"prompt": "p", "completions": ["a", "b", "c"], "rewards": [1, 0, 0.5]}`, []float64{1, 0, 0.5}},
		{`{"prompt": "p", "completions": ["a", "b"], "rewards": ["1.0", true]}`, []float64{1, 1}},
		{`{"prompt": "p", "responses": [[{"role": "assistant", "content": "a"}], [{"role": "assistant", "content": "b"}]], "rewards": [1, 0]}`, []float64{1, 0}},
		{`{"prompt": "p", "completions": ["a", "b"], "reward": 1}`, []float64{-1, -1}},
		{`{"prompt": "p", "completions": ["a", "b"], "rewards": [1, 0, 0]}`, []float64{-1, -1}},
		{`{"prompt": "p", "completions": ["a"], "reward": 1}`, []float64{1}},
	} {
		list, err := read(t, "a.jsonl", c.record, Options{})
		if err != nil || len(list) != len(c.nums) {
			t.Errorf("%s: %d records, %v", c.record, len(list), err)
			continue
		}
		for i, r := range list {
			v := r.Values[0]
			if want := c.nums[i]; want < 0 && v.State != Unreadable || want >= 0 && (v.State != Present || v.Num != want) || len(r.Replies) != 1 {
				t.Errorf("%s: %d: %+v %q", c.record, i, v, r.Replies)
			}
		}
	}
}

func FuzzEvaluate(f *testing.F) {
	for _, s := range []string{`1`, `"tensor(1)"`, `{"score": [1, {"a": NaN}]}`, `[[[[`, `{"a": {"weight": 1}}`, `"[1, 2]"`, `"`} {
		f.Add("rewards", s)
	}
	f.Fuzz(func(t *testing.T, key, raw string) {
		v := evaluate(key, []byte(raw))
		if d := v.Num - v.Num; v.State == Present && d != 0 || v.State == Absent {
			t.Errorf("%+v", v)
		}
	})
}
