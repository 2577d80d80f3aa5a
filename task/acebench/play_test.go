package acebench

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/env"
	ace "ballast/env/acebench"
)

// unreachable are the items of testdata that the original gives not even gold (docs/acebench.md has all).
var unreachable = []string{"normal_single_turn_parallel_function_42", "normal_preference_40", "normal_multi_turn_user_adjust_3_0",
	"normal_multi_turn_user_switch_6_0"}

// play plays tasks with a player of one reply, and gives those that pass under official and under strict.
func play(t testing.TB, tasks []ballast.Task, player func(*ballast.Task) string) (official, strict []string) {
	t.Helper()
	for i := range tasks {
		task := &tasks[i]
		p, err := env.Prepare(t.Context(), task)
		if err != nil {
			t.Fatal(err)
		}
		e := p.New(env.Rules{Steps: 2})
		e.Start(t.Context())
		text := player(task)
		f, err := chat.FormatByName(task.Format)
		if err != nil {
			t.Fatal(err)
		}
		e.Reply(f.Parse(text, e), ballast.Step{Text: text})
		e.Answer(t.Context())
		if e.Episode.Stop != ballast.StopDone || len(e.Episode.Turns) != 1 || e.Episode.Turns[0].Steps[0].Results != nil {
			t.Fatalf("%s: stop %s %s", task.ID, e.Episode.Stop, e.Episode.Error)
		}
		if e.Episode.Turns[0].Check.Passed {
			official = append(official, task.ID)
		}
		if f := env.Builtin.Findings(task, &e.Episode)[0]; f.Name == ace.FindingStrict && f.Share == 1 {
			strict = append(strict, task.ID)
		}
		e.Close()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return official, strict
}

func loaded(t testing.TB, format string) []ballast.Task {
	t.Helper()
	tasks, err := Load(benchmark, Options{Format: format, Categories: ace.Single})
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

// Who answers gold is right wherever the original gives it that, and everywhere under strict.
func TestGoldPlayer(t *testing.T) {
	for _, format := range ace.Formats {
		tasks := loaded(t, format)
		official, strict := play(t, tasks, func(task *ballast.Task) string { return task.Turns[0].Reply })
		if len(tasks) != 30 || len(strict) != 30 {
			t.Errorf("%s: strict passes %d of %d", format, len(strict), len(tasks))
		}
		for i := range tasks {
			if id := tasks[i].ID; slices.Contains(official, id) == slices.Contains(unreachable, id) {
				t.Errorf("%s: gold of %s passes: %v", format, id, slices.Contains(official, id))
			}
		}
	}
}

// Who never calls gets what the original gives: nothing, but for the sentence that it looks for.
func TestSilentPlayers(t *testing.T) {
	for reply, want := range map[string]int{
		"":                                0,
		"I am sorry, I would rather not.": 0,
		"Due to the limitations of the function, I cannot solve this problem.": 2, // special_irrelevant
	} {
		for _, format := range ace.Formats {
			official, strict := play(t, loaded(t, format), func(*ballast.Task) string { return reply })
			if len(official) != want || len(strict) != want || strings.Contains(strings.Join(official, " "), "normal") {
				t.Errorf("%s, %q: %v, strict %v", format, reply, official, strict)
			}
		}
	}
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Format: "xml"}, "no format is named"},
		{Options{Format: ace.Tool, Categories: []string{"hard"}}, "no category is named"},
	} {
		if _, err := Load(benchmark, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
	for _, task := range loaded(t, ace.AST) {
		if task.Set != SetOwn || task.Format != "pythonic" || len(task.Prompt) != 2 || len(task.Turns) != 1 || len(task.Tools) == 0 {
			t.Errorf("%+v", task)
		}
	}
}

// Decoded calls, verdicts, kinds and words of errors, rounding and the table are those of the original.
func TestChecker(t *testing.T) {
	r := replayed(t, "golden_checker.jsonl.gz")
	if r.Failed() != 0 || r.Counts["rows of the table"].Total != 32 || r.Counts["verdicts, single, format tool"].Total < 400 ||
		r.Mends["strict"] == nil {
		t.Errorf("%+v", r)
	}
}

// BenchmarkCheck judges the recorded replies of testdata.
func BenchmarkCheck(b *testing.B) {
	data, err := os.ReadFile(filepath.Join(benchmark, "golden_checker.jsonl.gz"))
	if err != nil {
		b.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	items := map[string]*ace.Item{}
	for _, category := range ace.Single {
		list, err := Read(benchmark, category)
		if err != nil {
			b.Fatal(err)
		}
		for i := range list {
			items[list[i].ID] = &list[i]
		}
	}
	type line struct{ Type, Item, Mode, Reply string }
	by := map[string][]line{}
	for d := json.NewDecoder(z); d.More(); {
		var l line
		if err := d.Decode(&l); err != nil {
			b.Fatal(err)
		}
		if l.Type == "reply" {
			by[l.Mode] = append(by[l.Mode], l)
		}
	}
	for _, mode := range []string{ace.AST, ace.Tool, "text"} {
		for name, m := range map[string]ace.Mend{"official": ace.Official, "strict": ace.Strict} {
			b.Run(mode+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					for _, l := range by[mode] {
						ace.Check(items[l.Item], l.Mode, l.Reply, m)
						n++
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "checks/s")
			})
		}
	}
	b.Run("tool/encoding-json", func(b *testing.B) { // the floor: the calls' JSON is read, and nothing is compared
		n := 0
		for b.Loop() {
			for _, l := range by[ace.Tool] {
				for call := range strings.SplitSeq(l.Reply, "<tool_call>") {
					var v any
					text, _, _ := strings.Cut(call, "</tool_call>")
					_ = json.Unmarshal([]byte(text), &v) // some replies are broken
				}
				n++
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "replies/s")
	})
}
