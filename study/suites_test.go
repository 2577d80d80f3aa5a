package study

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast/chat"
	"ballast/recipe"
	"ballast/runlog"
)

func TestSuites(t *testing.T) {
	r := must[recipe.Recipe](t)(recipe.New("grpo"))
	r.Tasks.Worlds, r.Seed = []string{"files"}, 7
	var got []string
	for _, s := range append(Suites, Suite{Name: "held", Worlds: []string{"shop"}, Count: 9}) {
		set, spec, err := s.Of(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(s.Name, set.Chat.Format, spec.Name, spec.Worlds, spec.Split, spec.Seed, spec.Count))
	}
	want := []string{"id hermes desk [files] test 7 0", "format pythonic desk [files] test 7 0", "content hermes desk-ood [] test 7 0", "both pythonic desk-ood [] test 7 0", "held hermes desk [shop] test 7 9"}
	for i := range want {
		if strings.ReplaceAll(got[i], " ", "") != strings.ReplaceAll(want[i], " ", "") {
			t.Errorf("%s, want %s", got[i], want[i])
		}
	}
	bad := Suite{Name: "x", Format: "morse"}
	if _, _, err := bad.Of(r); err == nil {
		t.Error("a format that there is not")
	}
}

// TestSuiteLike: a suite that is like a named one is its parts, and they say what is played.
func TestSuiteLike(t *testing.T) {
	got := must[[]Suite](t)(expand([]Suite{{Name: "id", Count: 3}, {Like: "words", Count: 5}, {Name: "f", Like: "formats"},
		{Name: "ace", Like: "paper-ood", Data: "d", Draw: 7, Count: 9}}))
	r := must[recipe.Recipe](t)(recipe.New("grpo"))
	r.Tasks.Words, r.Tasks.Level = "both", map[string]int{"mix": 1}
	var all []string
	for i := range got {
		set, spec, err := got[i].Of(r)
		if err != nil || got[i].Like != "" {
			t.Fatalf("%+v: %v", got[i], err)
		}
		all = append(all, fmt.Sprint(got[i].Name, " ", spec.Name, " ", set.Chat.Format, " ", spec.Words, " ", spec.Count, " ", spec.Data, " ", spec.Draw, len(spec.Level), len(spec.Categories)))
	}
	for _, want := range []string{"id desk hermes both 3  0 1 0", "words-own desk hermes own 5  0 1 0", "words-renamed desk hermes renamed 5  0 1 0",
		"f-trained desk hermes both 0  0 1 0", "f-hermes desk hermes both 0  0 1 0", "f-xml desk xml both 0  0 1 0", "ace-content acebench hermes  9 d 7 0 3",
		"ace-format-and-content acebench-own hermes  9 d 7 0 3"} {
		if !slices.Contains(all, want) {
			t.Errorf("%q is not among\n%s", want, strings.Join(all, "\n"))
		}
	}
	if n := 1 + 4 + 1 + len(chat.Formats) + 2; len(got) != n {
		t.Errorf("%d suites, want %d", len(got), n)
	}
	if _, err := expand([]Suite{{Like: "formats"}, {Name: "x", Count: -6}}); err == nil || !strings.Contains(err.Error(), "suites[1].count") {
		t.Errorf("the place in the plan: %v", err)
	}
	if _, err := expand([]Suite{{Name: "x", Like: "none"}}); err == nil || !strings.Contains(err.Error(), "suites[0].like") {
		t.Error(err)
	}
	if _, _, err := (&Suite{Name: "x", Words: "french"}).Of(r); err == nil || !strings.Contains(err.Error(), "own, renamed, reworded, both") {
		t.Error(err)
	}
}

// TestSuitesRefused: what no run could play, or what would be taken for another suite, is an error before any run begins. It
// names the suite and the key.
func TestSuitesRefused(t *testing.T) {
	r := must[recipe.Recipe](t)(recipe.New("grpo"))
	for text, want := range map[string]string{
		"{name: id}, {name: id, set: desk-ood}":          "two suites are named id",
		"{like: words}, {like: words}":                   "two suites are named words-own",
		"{name: words-own}, {like: words}":               "two suites are named words-own",
		"{count: 3}":                                     "suites[0]: it has no name",
		"{name: id}, {like: word}":                       "suites[1].like",
		"{name: x, set: deks}":                           `suite x: set: task: no set of tasks is named "deks"`,
		"{name: x, set: acebench}":                       "suite x: task: set acebench needs the folder",
		"{like: paper-ood, data: no-such}":               "suite paper-ood-content: task: acebench: no folder",
		"{name: x, categories: [odd]}":                   `suite x: task: desk: no category "odd"`,
		"{name: x, level: {hard: 1}}":                    `suite x: task: set desk has no level option "hard"`,
		"{name: x, worlds: [odd]}":                       "suite x: ",
		"{name: x, draw: 3}":                             "suite x: task: set desk is generated",
		"{name: x, data: somewhere}":                     "suite x: data: set desk is generated",
		"{name: x, set: acebench, format: xml, data: d}": "suite x: format: the items of acebench bring their own prompts",
		"{name: id}, {like: formats}, {like: words}":     "",
	} {
		p, err := read(t, head+"  - {name: a, method: grpo}\nsuites: ["+text+"]")
		if err == nil {
			err = p.CheckTasks(r, map[string]bool{})
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestSuiteOtherwise: what is recorded of a suite is not taken for another one of its name. A folder that moved, and own words that are
// named or not, make no other suite.
func TestSuiteOtherwise(t *testing.T) {
	r := must[recipe.Recipe](t)(recipe.New("grpo"))
	dir := filepath.Join(t.TempDir(), "run")
	run(t, dir, 0, 1, 2)
	id := Suite{Name: "id", Count: 4, Set: "bfcl", Data: "here"}
	of := must[string](t)(id.mark(r))
	log := must[*runlog.Run](t)(runlog.Open(dir))
	must[int](t)(0, log.Event(runlog.Event{Update: 1, What: runlog.SuiteTested{Suite: "id", Score: runlog.Score{OK: 1, All: 4}, Of: of}}))
	must[int](t)(0, log.Close())
	for _, c := range []struct {
		suite Suite
		same  bool
	}{
		{id, true}, {Suite{Name: "id", Count: 4, Set: "bfcl", Data: "there", Words: "own"}, true}, {Suite{Name: "other"}, true},
		{Suite{Name: "id", Count: 4}, false}, {Suite{Name: "id", Count: 8, Set: "bfcl"}, false},
		{Suite{Name: "id", Count: 4, Set: "bfcl", Format: "xml"}, false}, {Suite{Name: "id", Count: 4, Set: "bfcl", Words: "both"}, false},
		{Suite{Name: "id", Count: 4, Set: "bfcl", Draw: 2}, false}, {Suite{Name: "id", Count: 4, Set: "bfcl", Worlds: []string{"MathAPI"}}, false},
	} {
		err := otherwise(must[*runlog.Log](t)(runlog.Read(dir)), r, []Suite{c.suite})
		if (err == nil) != c.same || err != nil && !strings.Contains(err.Error(), "give this one another name") {
			t.Errorf("%+v: %v", c.suite, err)
		}
	}
}
