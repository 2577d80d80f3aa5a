package task

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/task/compose"
	"ballast/task/drawn"
	"ballast/value"
	"ballast/world"
)

func load(t *testing.T, spec Spec) []ballast.Task {
	t.Helper()
	tasks, err := Load(spec)
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

func TestGoldIsRight(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and TestWords races the same")
	}
	for docs := drawn.Whole; docs <= drawn.None; docs++ {
		for _, level := range []map[string]int{nil, {"kinds": 4, "tools": 30}, {"max_turns": 2, "calls": 3}} {
			if err := Check(load(t, Spec{Name: docs.Set(), Seed: 3, Count: 20, Categories: compose.Categories, Level: level})); err != nil {
				t.Error(err)
			}
		}
	}
	for _, set := range []string{"desk", "desk-ood"} {
		for _, spec := range []Spec{
			{Name: set, Seed: 3, Count: 200, Categories: compose.Categories},
			{Name: set, Seed: 4, Count: 100, Level: map[string]int{"min_turns": 4, "max_turns": 4, "requests": 3, "calls": 12, "tools": 12, "mix": 3}},
			{Name: set, Seed: 5, Count: 100, Level: map[string]int{"max_turns": 2, "requests": 1, "calls": 2, "mix": 1}},
		} {
			if err := Check(load(t, spec)); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and TestWords races the same")
	}
	for _, c := range []struct {
		spec  Spec
		count int
		long  bool
	}{
		{Spec{Name: "desk", Split: "train"}, 400, false},
		{Spec{Name: "desk", Split: "test"}, 200, true},
		{Spec{Name: "desk"}, 600, true},
		{Spec{Name: "desk-ood", Split: "test", Count: 8}, 8, true},
		{Spec{Name: "desk", Split: "train", Count: 5, Categories: []string{"long_context"}}, 5, true},
		{Spec{Name: "worlds", Split: "train"}, 400, false},
		{Spec{Name: "worlds-renamed", Split: "train", Count: 3}, 3, false},
		{Spec{Name: "worlds-bare", Split: "test", Count: 4}, 4, true},
		{Spec{Name: "worlds-none", Split: "valid", Count: 3}, 3, false},
		{Spec{Name: "worlds", Split: "valid"}, 200, false},
		{Spec{Name: "worlds", Split: "test"}, 200, true},
		{Spec{Name: "worlds", Count: 9, Worlds: []string{"drawn"}}, 18, true},
	} {
		tasks := load(t, c.spec)
		long, ids := false, map[string]bool{}
		for _, x := range tasks {
			long = long || x.Category == "long_context"
			if ids[x.ID] || x.Set != c.spec.Name {
				t.Errorf("%+v: task %s twice or of set %s", c.spec, x.ID, x.Set)
			}
			ids[x.ID] = true
		}
		if len(tasks) != c.count || long != c.long {
			t.Errorf("%+v: %d tasks, long context %t", c.spec, len(tasks), long)
		}
	}
}

// TestCountIsAPrefix: asking for more tasks does not change the first ones.
func TestCountIsAPrefix(t *testing.T) {
	for _, set := range []string{"desk", "worlds"} {
		few, many := load(t, Spec{Name: set, Split: "train", Seed: 1, Count: 7}), load(t, Spec{Name: set, Split: "train", Seed: 1, Count: 30})
		if !reflect.DeepEqual(few, many[:7]) {
			t.Errorf("%s: the first 7 of 30 tasks are not the 7 tasks", set)
		}
	}
}

// TestHeld: generated sets hold out valid. Load says what is wrong with an unknown name.
func TestHeld(t *testing.T) {
	for set, want := range map[string]string{"desk": "valid", "desk-ood": "valid", "worlds": "valid", "worlds-none": "valid", "bfcl": "test", "dsk": "test"} {
		if got := Held(set); got != want {
			t.Errorf("%s: %s, want %s", set, got, want)
		}
	}
}

// TestLevelOfWorlds: every option does something, and an option at its default nothing.
func TestLevelOfWorlds(t *testing.T) {
	digest := func(level map[string]int) string {
		return Digest(load(t, Spec{Name: "worlds", Split: "train", Seed: 2, Count: 12, Level: level}))
	}
	seen := map[string]string{digest(nil): "none"}
	for _, name := range []string{"kinds 3", "min_turns 3", "max_turns 4", "calls 3", "min_tools 6", "tools 12"} {
		var option string
		var v int
		if _, err := fmt.Sscan(name, &option, &v); err != nil {
			t.Fatal(err)
		}
		d := digest(map[string]int{option: v})
		if other, ok := seen[d]; ok {
			t.Errorf("%s makes the tasks of %s", name, other)
		}
		seen[d] = name
	}
	defaults := map[string]int{"kinds": 2, "min_turns": 2, "max_turns": 3, "calls": 5, "min_tools": 4, "tools": 8}
	if seen[digest(defaults)] != "none" {
		t.Error("the defaults make other tasks than none")
	}
}

// benchmark is a folder of some BFCL data, the same six tasks of every category.
const benchmark = "bfcl/testdata"

func TestBFCL(t *testing.T) {
	worlds := []string{"GorillaFileSystem", "MathAPI"}
	tasks := load(t, Spec{Name: "bfcl", Data: benchmark, Worlds: worlds})
	if err := Check(tasks); err != nil {
		t.Error(err)
	}
	if len(tasks) != 8 {
		t.Errorf("%d tasks of these worlds, want 8", len(tasks))
	}
	some := load(t, Spec{Name: "bfcl", Data: benchmark, Worlds: worlds, Categories: []string{"base", "miss_func", "miss_param"}, Count: 6})
	for i, want := range []string{"base", "miss_func", "miss_param", "base", "miss_func", "miss_param"} {
		if some[i].Category != want {
			t.Errorf("task %d is of category %s, want %s", i, some[i].Category, want)
		}
	}
}

// TestFirstErrorWins: of several tasks that cannot be made the first is the error, however long each takes.
func TestFirstErrorWins(t *testing.T) {
	for range 50 {
		_, err := deal(Spec{Count: 40, Categories: []string{"good", "slow", "fast"}}, func(_, category string, i int) (*ballast.Task, error) {
			switch {
			case category == "slow" && i == 3:
				time.Sleep(2 * time.Millisecond)
				return nil, errors.New("slow")
			case category == "fast" && i >= 3:
				return nil, errors.New("fast")
			}
			return &ballast.Task{}, nil
		})
		if err == nil || err.Error() != "slow" {
			t.Fatalf("%v, want the error of the earlier task", err)
		}
	}
}

func TestWorldsFilter(t *testing.T) {
	for _, x := range load(t, Spec{Name: "desk", Split: "train", Count: 40, Worlds: []string{"files", "shop"}}) {
		for _, w := range x.APIs {
			if w != "files" && w != "shop" {
				t.Errorf("%s plays %s", x.ID, w)
			}
		}
	}
}

func TestLoadErrors(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Name: "dsk"}, "there are desk, desk-ood, worlds, worlds-renamed, worlds-bare, worlds-none, bfcl"},
		{Spec{Name: "bfcl"}, "tasks.data"},
		{Spec{Name: "bfcl", Data: "nowhere"}, "nowhere"},
		{Spec{Name: "bfcl", Data: "nowhere", Level: map[string]int{"calls": 3}}, "no level"},
		{Spec{Name: "desk", Split: "dev"}, "no split"},
		{Spec{Name: "desk", Categories: []string{"hard"}}, "no category"},
		{Spec{Name: "desk", Worlds: []string{"moon"}}, "no simulated API"},
		{Spec{Name: "desk", Worlds: []string{"lights"}}, "none of the worlds"},
		{Spec{Name: "desk", Count: -1}, "count is -1"},
		{Spec{Name: "desk", Level: map[string]int{"turns": 3}}, "no level option"},
		{Spec{Name: "desk", Level: map[string]int{"calls": 99}}, "calls is 99"},
		{Spec{Name: "worlds", Split: "dev"}, "no split"},
		{Spec{Name: "worlds", Categories: []string{"hard"}}, "no category"},
		{Spec{Name: "worlds", Worlds: []string{"files"}}, "has no world files: its worlds are all of the API drawn"},
		{Spec{Name: "worlds", Worlds: []string{"moon"}}, "no simulated API"},
		{Spec{Name: "worlds", Count: MaxCount + 1}, "count is 1000001"},
		{Spec{Name: "worlds", Level: map[string]int{"requests": 3}}, `"requests"; there are calls, kinds, max_turns, min_tools, min_turns, tools`},
		{Spec{Name: "worlds", Level: map[string]int{"docs": 2}}, "docs 2 is now worlds-bare"},
		{Spec{Name: "worlds-none", Level: map[string]int{"docs": 0}}, "docs 0 is now worlds"},
		{Spec{Name: "worlds", Level: map[string]int{"kinds": 5}}, "kinds is 5, want 1 to 4"},
		{Spec{Name: "worlds", Level: map[string]int{"kinds": -1}}, "kinds is -1"},
		{Spec{Name: "worlds", Level: map[string]int{"calls": 21}}, "calls is 21"},
		{Spec{Name: "worlds", Level: map[string]int{"min_turns": 7}}, "min_turns is 7"},
		{Spec{Name: "worlds", Level: map[string]int{"tools": 1}}, "tools is 1, want 2 to 30"},
		{Spec{Name: "worlds", Level: map[string]int{"min_tools": 9, "tools": 5}}, "more than tools 5"},
		{Spec{Name: "worlds", Level: map[string]int{"min_turns": 6, "max_turns": 6, "calls": 6, "tools": 2}}, "ask for more calls or tools"},
	} {
		if _, err := Load(c.spec); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.spec, err, c.want)
		}
	}
}

// TestCheckFindsBadGold breaks good tasks in every way that Check knows.
func TestCheckFindsBadGold(t *testing.T) {
	good := func() ballast.Task {
		return load(t, Spec{Name: "desk", Split: "train", Categories: []string{"miss_func"}, Count: 1, Seed: 2})[0]
	}
	for _, c := range []struct {
		want  string
		spoil func(x *ballast.Task)
	}{
		{"no turns", func(x *ballast.Task) { x.Turns = nil }},
		{"not among the tools", func(x *ballast.Task) { x.Tools = x.Tools[:0] }},
		{"reveals fly", func(x *ballast.Task) { x.Turns[0].Reveal = []string{"fly"} }},
		{"answers \"error: ", func(x *ballast.Task) {
			for i := range x.Turns {
				for j := range x.Turns[i].Gold {
					x.Turns[i].Gold[j].Args = []ballast.Arg{{Name: "none"}}
				}
			}
		}},
		{"no simulated API", func(x *ballast.Task) { x.APIs = []string{"moon"} }},
	} {
		x := good()
		c.spoil(&x)
		if err := Check([]ballast.Task{good(), x}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), x.ID) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	tasks, err := Load(Spec{Name: "desk", Count: 300, Categories: compose.Categories})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := Check(tasks); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(tasks))/b.Elapsed().Seconds(), "tasks/s")
}

// TestValidIsNeitherTrainNorTest: validation tasks have the categories and names of
// training, and none is a training task.
func TestValidIsNeitherTrainNorTest(t *testing.T) {
	said := func(x ballast.Task) string {
		text := ""
		for _, turn := range x.Turns {
			text += turn.User + "\n"
		}
		return text + value.Repr(x.Init[x.APIs[0]])
	}
	for seed := uint64(1); seed <= 3; seed++ {
		train := map[string]bool{}
		for _, x := range load(t, Spec{Name: "desk", Split: "train", Seed: seed}) {
			train[said(x)] = true
		}
		for _, x := range load(t, Spec{Name: "desk", Split: "valid", Seed: seed}) {
			if train[said(x)] {
				t.Errorf("%s is a training task", x.ID)
			}
			if x.Category == world.LongContext {
				t.Errorf("%s: training has no such category", x.ID)
			}
		}
	}
	if _, err := Load(Spec{Name: "bfcl", Split: "valid"}); err == nil || !strings.Contains(err.Error(), "no split valid") {
		t.Errorf("bfcl: %v", err)
	}
}

// TestDraw: tasks of a set that is read are drawn by a seed, in the order of the set; those of two formats are the same.
func TestDraw(t *testing.T) {
	ids := func(spec Spec) (out []string) {
		for _, x := range load(t, spec) {
			out = append(out, x.ID)
		}
		return out
	}
	spec := Spec{Name: "acebench", Data: "acebench/testdata"}
	all := ids(spec)
	spec.Count, spec.Draw = len(all)/2, 1
	one := ids(spec)
	spec.Draw = 2
	if two := ids(spec); len(one) != len(all)/2 || len(two) != len(one) || reflect.DeepEqual(one, two) {
		t.Errorf("of %d are drawn %v and %v", len(all), one, two)
	}
	at := 0
	for _, id := range all {
		if at < len(one) && one[at] == id {
			at++
		}
	}
	if at != len(one) {
		t.Errorf("%v are not in the order of %v", one, all)
	}
	own := spec
	own.Name = "acebench-own"
	if !reflect.DeepEqual(ids(own), ids(spec)) {
		t.Error("another format has other tasks")
	}
	whole := spec
	whole.Count = 0
	if _, err := Load(whole); err == nil || !strings.Contains(err.Error(), "--count") {
		t.Errorf("a draw of all tasks: %v", err)
	}
	if _, err := Load(Spec{Name: "desk", Split: "test", Count: 3, Draw: 1}); err == nil {
		t.Error("a set that is generated is drawn")
	}
}
