package doctor

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"ballast"
	"ballast/chat/format"
	"ballast/doctor/rollouts"
	"ballast/model"
	"ballast/monitor"
	"ballast/monitor/verdict"
)

// examine fails the test where nothing can be read.
func examine(t *testing.T, path string) *Report {
	t.Helper()
	r, err := Examine(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if s := page.String(); !strings.Contains(s, "</html>") || strings.Contains(s, "src=") || strings.Contains(s, "ZgotmplZ") {
		t.Errorf("%s: the page is not whole or not self-contained", path)
	}
	var data bytes.Buffer
	if err := r.JSON(&data); err != nil || !json.Valid(data.Bytes()) {
		t.Errorf("%s: diagnosis.json: %v", path, err)
	}
	return r
}

func share(r *Report, update int, metric string) float64 {
	for _, u := range r.updates {
		if u.Index == update {
			return u.Metrics[metric]
		}
	}
	return -1
}

func TestForeign(t *testing.T) {
	for _, c := range []struct {
		path, kind, format        string
		records, replies, updates int
		at                        int
		metric                    string
		want                      float64
	}{
		{"verl.jsonl", rollouts.KindVerl, "hermes", 112, 64*2 + 48, 14, 1, "reply/call", 0.5},
		{"verl.jsonl", rollouts.KindVerl, "hermes", 112, 64*2 + 48, 14, 12, "reply/collapsed", 1},
		{"verl.jsonl", rollouts.KindVerl, "hermes", 112, 64*2 + 48, 14, 10, "reply/polluted", 1},
		{"verltool", rollouts.KindVerlTool, "hermes", 12, 8*2 + 4, 3, 10, "reply/collapsed", 1},
		{"verltool", rollouts.KindVerlTool, "hermes", 12, 8*2 + 4, 3, 2, "reward/mean", 0.5},
		{"chat.jsonl", rollouts.KindChat, "hermes", 70, 140, 2, 0, "reason/bad_json", 13.0 / 128},
		{"replies.txt", rollouts.KindText, "hermes", 20, 20, 1, 0, "reply/call", 0.25},
		{"pythonic.txt", rollouts.KindText, "pythonic", 4, 4, 1, 0, "reply/call", 0.5},
	} {
		r := examine(t, filepath.Join("testdata", c.path))
		got := share(r, c.at, c.metric)
		if r.Kind != c.kind || r.Format != c.format || r.Records != c.records || r.Replies != c.replies || len(r.updates) != c.updates || got != c.want || len(r.Notes) > 0 {
			t.Errorf("%s: %s, %s, %d records, %d replies, %d updates, %s %v; notes %q; want %+v", c.path, r.Kind, r.Format, r.Records, r.Replies, len(r.updates), c.metric, got, r.Notes, c)
		}
	}
	d := examine(t, "testdata/verl.jsonl").Diagnosis
	if d.Verdict != verdict.Collapsed || d.Onset < 8 || d.Onset > 10 {
		t.Errorf("verl.jsonl: %s since %d, want collapsed since 9", d.Verdict, d.Onset)
	}
}

// trlRow is a row as TRL logs completions with two reward functions.
type trlRow struct {
	Step       int64   `parquet:"step"`
	Prompt     string  `parquet:"prompt"`
	Completion string  `parquet:"completion"`
	Format     float64 `parquet:"format_reward"`
	Correct    float64 `parquet:"correct_reward"`
	Advantage  float64 `parquet:"advantage"`
}

// trlChat is the same with conversational completions.
type trlChat struct {
	Step       int64  `parquet:"step"`
	Prompt     string `parquet:"prompt"`
	Completion []struct {
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
	} `parquet:"completion,list"`
	Reward float64 `parquet:"reward"`
}

const goodCall = "<tool_call>\n{\"name\": \"ls\", \"arguments\": {}}\n</tool_call>"

// trl writes completions of n steps.
func trl(t *testing.T, n int) string {
	t.Helper()
	var rows []trlRow
	for i := range 8 * n {
		row := trlRow{Step: int64(i / 8), Prompt: "p" + string(rune('0'+i/4%2)), Completion: goodCall, Format: 0.5, Correct: float64(i % 2), Advantage: 7}
		if i/8 >= n/2 {
			row.Completion, row.Format, row.Correct = "<tool_call>", 0, 0
		}
		rows = append(rows, row)
	}
	path := filepath.Join(t.TempDir(), "completions_00001.parquet")
	if err := parquet.WriteFile(path, rows); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParquet(t *testing.T) {
	r := examine(t, trl(t, 20))
	if r.Kind != rollouts.KindTRL || r.Records != 160 || len(r.updates) != 20 || share(r, 1, monitor.RewardMean) != 1 || r.Diagnosis.Verdict != verdict.Collapsed {
		t.Errorf("%s, %d records, %d updates, reward %v, %s", r.Kind, r.Records, len(r.updates), share(r, 1, monitor.RewardMean), r.Diagnosis.Verdict)
	}
	if got := share(r, 12, monitor.ZeroSpread); got != 1 {
		t.Errorf("zero spread %v", got)
	}
	var row trlChat
	row.Completion = append(row.Completion, struct {
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
	}{"assistant", goodCall}, struct {
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
	}{"tool", "ok"})
	row.Reward = 0.25
	path := filepath.Join(t.TempDir(), "c.parquet")
	if err := parquet.WriteFile(path, []trlChat{row, row}); err != nil {
		t.Fatal(err)
	}
	r = examine(t, path)
	if r.Replies != 2 || share(r, 0, monitor.RewardMean) != 0.25 || share(r, 0, "reply/call") != 1 {
		t.Errorf("%d replies, reward %v, calls %v", r.Replies, share(r, 0, monitor.RewardMean), share(r, 0, "reply/call"))
	}
}

// put writes a file and returns its path.
func put(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBroken cuts and breaks files: a partial diagnosis with a note, or an error
// that says what is wrong.
func TestBroken(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	verl, list := read("verl.jsonl"), read("verltool/fcl_eval-step-1.json")
	for _, c := range []struct {
		name, content string
		records       int
		note          string
	}{
		{"a.jsonl", verl[:len(verl)-30], 111, "line 112"},
		{"a.jsonl", "{broken\n" + verl, 112, "line 1"},
		{"a.jsonl", strings.Replace(verl, `"output"`, `"outptu"`, 1), 111, "line 1: no reply in it"},
		{"a.json", list[:len(list)-100], 3, "ends in the middle"},
		{"a.json", list[:len(list)/2], 2, "ends in the middle"},
		{"empty.jsonl", "", -1, "empty"},
		{"a.json", "[]", -1, "no record"},
		{"a.jsonl", strings.Repeat("{\"x\": 1}\n", 300), -1, "no reply in it"},
		{"a.json", "[{\"id\": 1}, {\"id\": 2}]", -1, "no reply in it"},
		{"a.parquet", "PAR1 and then nothing of the kind", -1, "broken parquet"},
		{"a.bin", strings.Repeat("\x00\x01\xff", 100), -1, "neither JSON"},
		{"a.jsonl", `{"messages": {"role": "assistant"}}`, -1, "not a list of messages"},
	} {
		r, err := Examine(put(t, c.name, c.content), Options{})
		switch {
		case c.records < 0 && (err == nil || !strings.Contains(err.Error(), c.note)):
			t.Errorf("%s %.30q: error %v, want one with %q", c.name, c.content, err, c.note)
		case c.records >= 0 && (err != nil || r.Records != c.records || !strings.Contains(strings.Join(r.Notes, ";"), c.note)):
			t.Errorf("%s %.30q: %v %+v, want %d records and %q", c.name, c.content, err, r, c.records, c.note)
		}
	}
	data, err := os.ReadFile(trl(t, 40))
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(data); cut += 1 + len(data)/60 {
		for _, bad := range []string{string(data[:cut]), string(data[:cut]) + "\xff\x00\xff" + string(data[min(len(data), cut+3):])} {
			if r, err := Examine(put(t, "a.parquet", bad), Options{}); err == nil && r.Records == 0 {
				t.Errorf("cut at %d: neither a record nor an error", cut)
			}
		}
	}
}

// TestRunDirectory reads a scripted collapse from disk and finds what the live
// detector found.
func TestRunDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	s := New(Spike, 3)
	if err := s.Write(dir, 20); err != nil {
		t.Fatal(err)
	}
	r := examine(t, dir)
	live, again := verdict.New(), New(Spike, 3)
	for u := 1; u <= Updates; u++ {
		live.Add(again.Update(u, again.Episodes(u)))
	}
	if d := live.Diagnosis(); d.Verdict != r.Diagnosis.Verdict || d.Onset != r.Diagnosis.Onset || d.Alarm != r.Diagnosis.Alarm || d.Verdict != verdict.Collapsed {
		t.Errorf("live %s at %d (%d), from disk %s at %d (%d)", d.Verdict, d.Onset, d.Alarm, r.Diagnosis.Verdict, r.Diagnosis.Onset, r.Diagnosis.Alarm)
	}
	if len(r.shown) == 0 || !strings.Contains(strings.Join(r.Summary, " "), "tool_call") {
		t.Errorf("%d episodes shown; summary %q", len(r.shown), r.Summary)
	}
	// A torn line in the middle of the updates leaves what is before it.
	path := filepath.Join(dir, "updates.jsonl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data[:len(data)/2], "\n{\n"...), 0o666); err != nil {
		t.Fatal(err)
	}
	if r := examine(t, dir); len(r.updates) < 40 || len(r.Notes) == 0 {
		t.Errorf("%d updates, notes %q", len(r.updates), r.Notes)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := examine(t, dir); len(r.updates) != 5 {
		t.Errorf("%d updates from 5 files of episodes", len(r.updates))
	}
}

// TestSampledTokens: a reply with recorded probabilities is shown token by token,
// control tokens by legality where they stand.
func TestSampledTokens(t *testing.T) {
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	text := "Caf\u00e9 <tool_call><tool_call>"
	ids := append([]int32{5}, m.Tokenizer.Encode(text)...)
	ep := ballast.Episode{Tokens: ids, LogProb: make([]float32, len(ids))}
	ep.LogProb[len(ids)-1] = -3
	list := sampled(&ep, ballast.Step{Start: 1, End: len(ids)}, format.Hermes, m.Tokenizer)
	var back strings.Builder
	for _, x := range list {
		back.WriteString(x.Text)
	}
	n := len(list)
	if n < 3 || back.String() != text {
		t.Fatalf("%d pieces, %q", n, back.String())
	}
	if x := list[0]; x.Class != "o-policy p0" || x.Title != "p 1" {
		t.Errorf("first piece %+v", x)
	}
	if x, y := list[n-2], list[n-1]; x.Class != legal || y.Class != forbidden || y.Title != "p 0.0498, forbidden here: open" {
		t.Errorf("last pieces %+v %+v", x, y)
	}
	ep.LogProb = nil
	if sampled(&ep, ballast.Step{Start: 1, End: len(ids)}, format.Hermes, m.Tokenizer) != nil {
		t.Error("tokens without probabilities")
	}
}

// TestNamedFormat: a format that --format names and no reply is in is said, with that of the replies; a right one is not.
func TestNamedFormat(t *testing.T) {
	call := "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>\n---\n"
	for _, c := range []struct {
		format, text string
		said         bool
	}{
		{"hermes", strings.Repeat(call, 30), true}, {"mistral", strings.Repeat(call, 30), true}, {"glm", strings.Repeat(call, 30), false},
		{"", strings.Repeat(call, 30), false}, {"hermes", strings.Repeat("Done.\n---\n", 30), false},
	} {
		r, err := Examine(put(t, "replies.txt", c.text), Options{Format: c.format})
		if err != nil {
			t.Fatal(err)
		}
		if notes := strings.Join(r.Notes, ";"); strings.Contains(notes, "30 in format glm") != c.said {
			t.Errorf("--format %q: notes %q", c.format, notes)
		}
	}
}

// BenchmarkExamine reads a large file (BALLAST_SLOW=1: 1 GB).
func BenchmarkExamine(b *testing.B) {
	size := 4 << 20
	if os.Getenv("BALLAST_SLOW") != "" {
		size = 1 << 30
	}
	path := filepath.Join(b.TempDir(), "big.jsonl")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bytes.Buffer{}
	n, e := 0, json.NewEncoder(&w)
	rng := rand.New(rand.NewPCG(1, 1))
	total := 0
	for ; total < size; n++ {
		before := w.Len()
		if err := e.Encode(rollout(rng, n)); err != nil {
			b.Fatal(err)
		}
		total += w.Len() - before
		if w.Len() > 1<<20 {
			if _, err := w.WriteTo(f); err != nil {
				b.Fatal(err)
			}
			w.Reset()
		}
	}
	if _, err := w.WriteTo(f); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(total))
	for b.Loop() {
		if r, err := Examine(path, Options{}); err != nil || r.Records != n {
			b.Fatalf("%d of %d records: %v", r.Records, n, err)
		}
	}
	b.Logf("peak memory %s", peak())
}

// rollout is record n as verl dumps it: a long prompt, a transcript of some turns
// with replies of every form, a score.
func rollout(r *rand.Rand, n int) map[string]any {
	words := func(n int) string {
		list := []string{"the ", "folder ", "holds ", "reports, ", "three ", "of ", "them ", "were ", "moved. ", "and ", "\u00e9tage ", "\"quoted\" "}
		var b strings.Builder
		for range n {
			b.WriteString(list[r.IntN(len(list))])
		}
		return b.String()
	}
	var out strings.Builder
	for range 1 + r.IntN(4) {
		out.WriteString(words(r.IntN(20)))
		switch r.IntN(8) {
		case 0:
			out.WriteString("<tool_call>\n{\"name\": \"ls\"")
		case 1:
			out.WriteString("</tool_call>")
		case 2:
		default:
			out.WriteString(goodCall)
		}
		out.WriteString("\nuser\n<tool_response>\n" + words(60) + "\n</tool_response>\nassistant\n")
	}
	out.WriteString(words(40))
	return map[string]any{"input": words(700), "output": out.String(), "gts": "x", "score": float64(r.IntN(2)), "step": 1 + n/480}
}

// peak is the process's largest resident memory so far, where the system says.
func peak() string {
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown"
}

// FuzzExamine: no file crashes the reader.
func FuzzExamine(f *testing.F) {
	for _, s := range []string{"[{\"response\": \"a\"}]", "{\"output\": \"<tool_call>\", \"step\": 3}\n{", "PAR1", "\x00a\x00b", "[{\"messages\": [", "{\"completion\": [{\"role\": \"assistant\", \"content\": [{\"text\": \"\\ud800\"}]}]}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := Examine(put(t, "x.jsonl", s), Options{}); err == nil && r.Records == 0 {
			t.Error("neither a record nor an error")
		}
	})
}

// TestFormatOfABrokenRecipe: a recipe that cannot be read is said; the format is not
// taken for another silently.
func TestFormatOfABrokenRecipe(t *testing.T) {
	for recipe, ok := range map[string]bool{"": true, "seed: 1": true, "chat: {format: pythonic}": true, "chat: {format: x}": false, "a: " + strings.Repeat("[", 1000): false} {
		if f, err := formatOf([]byte(recipe)); f == nil || (err == nil) != ok {
			t.Errorf("%.30q: %v, %v", recipe, f, err)
		}
	}
}
