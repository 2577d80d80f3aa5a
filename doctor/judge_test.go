package doctor

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/monitor/verdict"
)

// lines writes records as JSON lines and returns the file's path.
func lines(t *testing.T, name string, records []map[string]any) string {
	t.Helper()
	var b strings.Builder
	for _, r := range records {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(data, '\n'))
	}
	return put(t, name, b.String())
}

// pile is records of replies without steps, mixed.
func pile(replies map[string]int) []map[string]any {
	var out []map[string]any
	for _, text := range sortedKeys(replies) {
		for range replies[text] {
			out = append(out, map[string]any{"messages": []map[string]any{{"role": "user", "content": "w"}, {"role": "assistant", "content": text}}})
		}
	}
	rand.New(rand.NewPCG(5, 5)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func sortedKeys(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	for i := range out {
		for j := range i {
			if out[i] < out[j] {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out
}

// TestTranscripts: a pile of one checkpoint's transcripts has its shares with intervals and
// a verdict, in the format that the replies speak for.
func TestTranscripts(t *testing.T) {
	const python, xml = "[ls(a=1)]", "<tool_call>\n<function=ls>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>"
	for _, c := range []struct {
		name    string
		replies map[string]int
		want    verdict.State
		format  string
		says    []string
	}{
		{"open tags and a little prose", map[string]int{"<tool_call>": 297, "Fine.": 40}, verdict.Collapsed, "hermes",
			[]string{"The 337 replies:", "collapsed 88% [84%, 91.2%]", "Verdict: collapsed", "only_control 88%"}},
		{"open tags and three Python lists", map[string]int{"<tool_call>": 297, python: 3, "It is f(x).": 37}, verdict.Collapsed, "hermes", []string{"collapsed 88%"}},
		{"open tags and some calls", map[string]int{"<tool_call>": 297, goodCall: 40}, verdict.Collapsed, "hermes", []string{"40 healthy calls and 297 other replies"}},
		{"end tokens alone", map[string]int{"<|im_end|>": 100, goodCall: 20}, verdict.Collapsed, "hermes", nil},
		{"empty replies", map[string]int{"": 60, " ": 30, goodCall: 10}, verdict.Collapsed, "hermes", nil},
		{"broken calls", map[string]int{"<tool_call>\n{\"name\": \"ls\"": 80, goodCall: 40}, verdict.Polluted, "hermes", []string{"polluted 67%"}},
		{"calls in two syntaxes, one of them not the format's", map[string]int{goodCall: 120, python: 110}, verdict.Polluted, "hermes", []string{"other_syntax 48%"}},
		{"healthy", map[string]int{goodCall: 200, "It is done.": 137}, verdict.WellFormed, "hermes", []string{"reward not read (no key", "no steps"}},
		{"healthy Python", map[string]int{python: 90, "It is done.": 40}, verdict.WellFormed, "pythonic", []string{"90 healthy calls"}},
		{"healthy XML", map[string]int{xml: 90, "It is done.": 40}, verdict.WellFormed, "xml", nil},
		{"healthy calls of Mistral", map[string]int{"[TOOL_CALLS] [{\"name\": \"ls\", \"arguments\": {}}]": 90, "done.": 40}, verdict.WellFormed, "mistral", []string{"90 healthy calls"}},
		{"newer calls of Mistral", map[string]int{"[TOOL_CALLS]ls[ARGS]{}": 90, "done.": 40}, verdict.WellFormed, "mistral-v11", nil},
		{"calls of DeepSeek V3.1", map[string]int{"<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>ls<\uff5ctool\u2581sep\uff5c>{}<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>": 90, "done.": 40}, verdict.WellFormed, "deepseek-v3.1", nil},
		{"calls of DeepSeek V3", map[string]int{"<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>ls\n```json\n{}\n```<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>": 90, "done.": 40}, verdict.WellFormed, "deepseek-v3", nil},
		{"calls of GLM", map[string]int{"<tool_call>ls\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>": 90, "done.": 40}, verdict.WellFormed, "glm", nil},
		{"calls of gpt-oss", map[string]int{"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.ls <|constrain|>json<|message|>{}<|call|>": 90, "<|channel|>final<|message|>Done.<|return|>": 40}, verdict.WellFormed, "harmony", nil},
		{"lists of JSON", map[string]int{"[{\"name\": \"ls\", \"arguments\": {}}]": 90, "done.": 40}, verdict.WellFormed, "xlam", nil},
		{"a syntax that is not read", map[string]int{"<start_function_call>call:ls{}<end_function_call>": 200, "done.": 100}, verdict.NotJudged, "hermes", []string{"67% of them hold a tool call in a syntax that is not read"}},
		{"XML calls after half a thought", map[string]int{"Hm.\n</think>\n" + xml: 90, "It is done.": 40}, verdict.Polluted, "xml", []string{"0 healthy calls and 90 other"}},
		{"five replies", map[string]int{goodCall: 3, "done.": 2}, verdict.TooShort, "hermes", []string{"too few replies", "polluted 0% [0%, 43%]"}},
		{"neither here nor there", map[string]int{"<tool_call>\n{\"name\": \"ls\"": 33, goodCall: 47}, verdict.TooShort, "hermes", []string{"polluted 41% [31%, 52%]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := examine(t, lines(t, "chats.jsonl", pile(c.replies)))
			text := r.Text()
			if r.Diagnosis.Verdict != c.want || r.Format != c.format {
				t.Errorf("%s in %s, want %s in %s\n%s", r.Diagnosis.Verdict, r.Format, c.want, c.format, text)
			}
			for _, s := range append(c.says, "reward not read") {
				if !strings.Contains(text, s) {
					t.Errorf("no %q in\n%s", s, text)
				}
			}
			for _, s := range []string{"No sign of a collapse.", "Healthy", "Verdict: healthy", "too short"} {
				if strings.Contains(text, s) {
					t.Errorf("%q in\n%s", s, text)
				}
			}
		})
	}
	// A long pile that changes along the file: the course is told, with its condition.
	var list []map[string]any
	for i := range 40 * 64 {
		text := goodCall
		if i >= 25*64 {
			text = "<tool_call>"
		}
		list = append(list, map[string]any{"messages": []map[string]any{{"role": "assistant", "content": text}}})
	}
	if r := examine(t, lines(t, "log.jsonl", list)); r.Diagnosis.Verdict != verdict.Collapsed || !strings.Contains(r.Text(), "if the order of the file is that of the training") {
		t.Errorf("%s", r.Text())
	}
}

// dump writes verl records of n steps of 32 and returns the file's path. fill sets what
// is not the same in all.
func dump(t *testing.T, n int, fill func(step, i int, r map[string]any)) string {
	t.Helper()
	var list []map[string]any
	for step := 1; step <= n; step++ {
		for i := range 32 {
			r := map[string]any{"input": fmt.Sprint("q", i/8), "output": goodCall, "step": step}
			fill(step, i, r)
			list = append(list, r)
		}
	}
	return lines(t, "rollouts.jsonl", list)
}

// TestNothingUnreadIsHealth: a run whose reward was not read is not called healthy.
func TestNothingUnreadIsHealth(t *testing.T) {
	half := func(i int) float64 { return float64(i % 2) }
	for _, c := range []struct {
		name string
		fill func(step, i int, r map[string]any)
		want verdict.State
		says string
	}{
		{"no key", func(_, _ int, r map[string]any) {}, verdict.WellFormed, "reward not read (no key for one)"},
		{"null", func(_, _ int, r map[string]any) { r["score"] = nil }, verdict.WellFormed, "reward not read ("},
		{"a word", func(_, _ int, r map[string]any) { r["score"] = "good" }, verdict.WellFormed, "reward not read ("},
		{"an object of several numbers", func(_, _ int, r map[string]any) { r["my_reward"] = map[string]any{"a": 1, "b": 2} }, verdict.WellFormed, "reward not read (key my_reward: "},
		{"no key, broken replies from 20", func(step, _ int, r map[string]any) {
			if step >= 20 {
				r["output"] = "<tool_call>\n{\"name\""
			}
		}, verdict.Polluted, "reward not read ("},
		{"null from 20", func(step, i int, r map[string]any) {
			if r["score"] = half(i); step >= 20 {
				r["score"] = nil
			}
		}, verdict.WellFormed, "reward not read after update 19 ("},
		{"read", func(_, i int, r map[string]any) { r["score"] = half(i) }, verdict.Healthy, "No sign of a collapse."},
		{"six steps", func(step, i int, r map[string]any) {
			if r["score"] = half(i); step > 6 {
				r["step"] = 6
			}
		}, verdict.WellFormed, "too few updates for a course"},
		{"six steps, two thirds broken", func(step, i int, r map[string]any) {
			if r["score"] = half(i); step > 6 {
				r["step"] = 6
			}
			if i%3 > 0 {
				r["output"] = "<tool_call>\n{\"name\""
			}
		}, verdict.Polluted, "polluted 66%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := examine(t, dump(t, 36, c.fill))
			if text := r.Text(); r.Diagnosis.Verdict != c.want || !strings.Contains(text, c.says) || c.want != verdict.Healthy && strings.Contains(text, "No sign of a collapse.") {
				t.Errorf("%s, want %s and %q\n%s", r.Diagnosis.Verdict, c.want, c.says, text)
			}
		})
	}
}

// TestHistoryIsTold: the summary and the page tell every sick stretch, and the lead is that
// of the first.
func TestHistoryIsTold(t *testing.T) {
	r := examine(t, dump(t, 90, func(step, i int, r map[string]any) {
		score := float64(b2i((i+step)%4 != 0))
		if step >= 20 && step < 34 && i%2 == 0 || step >= 70 {
			r["output"] = "<tool_call>\n{\"name\""
			score = 0
		}
		r["score"] = score
	}))
	text := r.Text()
	d := r.Diagnosis
	if d.Verdict != verdict.Polluted || len(d.History) != 2 || d.Onset < 66 || d.Onset > 74 {
		t.Fatalf("%+v\n%s", d.History, text)
	}
	for _, s := range []string{"Sick from update 2", "Sick from update 7", "reply/bad (20)"} {
		if !strings.Contains(text, s) {
			t.Errorf("no %q in\n%s", s, text)
		}
	}
	dir := t.TempDir()
	if _, err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{pageFile: "Sick stretches", jsonFile: `"history"`} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: no %q (%v)", name, want, err)
		}
	}
}

// TestOtherRuns: a second run of a folder stands in the summary and on the page.
func TestOtherRuns(t *testing.T) {
	dir := t.TempDir()
	for _, run := range []string{"one", "two"} {
		from := dump(t, 12, func(_, i int, r map[string]any) { r["score"], r["run"] = float64(i%2), run })
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, run), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, run, "rollouts.jsonl"), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r := examine(t, dir)
	var page strings.Builder
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if len(r.Others) != 1 || strings.Count(r.Text(), "Verdict: healthy.") != 2 || !strings.Contains(page.String(), "Another run: "+r.Others[0].Name()) {
		t.Errorf("%d other runs\n%s", len(r.Others), r.Text())
	}
}
