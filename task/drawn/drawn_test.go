package drawn

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"ballast"
	"ballast/task/compose"
	"ballast/value"
)

// several generates n tasks of a split, categories in turn; a fifth in a short test.
func several(t *testing.T, split string, n int, o Options) (tasks []*ballast.Task, goals [][]string) {
	t.Helper()
	if testing.Short() {
		n = max(n/5, 4)
	}
	for i := range n {
		task, goal, err := generate(1, split, compose.Categories[i%4], i/4, o)
		if err != nil {
			t.Fatal(err)
		}
		tasks, goals = append(tasks, task), append(goals, goal)
	}
	return tasks, goals
}

func TestSameTaskAgain(t *testing.T) {
	a, _ := several(t, compose.Train, 20, Options{})
	b, _ := several(t, compose.Train, 20, Options{})
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gives other tasks")
	}
}

var capital = regexp.MustCompile("[A-Z]")

// said are the words of a task: of its documentation, its world, its texts and calls.
func said(t *ballast.Task) map[string]bool {
	words := map[string]bool{}
	add := func(text string) {
		for _, w := range strings.FieldsFunc(capital.ReplaceAllString(text, " $0"), func(r rune) bool { return !unicode.IsLetter(r) }) {
			words[strings.ToLower(w)] = true
		}
	}
	add(value.Repr(t.Init["drawn"]))
	for _, turn := range t.Turns {
		add(turn.User + " " + turn.Reply)
		for _, c := range turn.Gold {
			add(value.FormatCall(c))
		}
	}
	for _, tool := range t.Tools {
		add(tool.Name + " " + tool.Doc)
		for _, p := range tool.Params {
			add(p.Name + " " + p.Doc)
		}
	}
	return words
}

// TestSplitsShareNothing: a word is one of the grammar or belongs to the split, and no goal of
// two requests is in two splits.
func TestSplitsShareNothing(t *testing.T) {
	goals := map[string]string{}
	for _, split := range []string{compose.Train, compose.Valid, compose.Test} {
		tasks, all := several(t, split, 400, Options{})
		for i, task := range tasks {
			for w := range said(task) {
				if !grammar[w] && splitOf(w) != split {
					t.Errorf("%q is a word of %s and in %s", w, splitOf(w), task.ID)
				}
			}
			goal := strings.Join(all[i], " ")
			if in := goals[goal]; in != "" && in != split && len(all[i]) > 2 {
				t.Errorf("goal %s is in %s and %s", goal, in, split)
			}
			goals[goal] = split
		}
	}
}

// TestMeaningBelongsToOneSplit: the words of the grammar are in none of the lists.
func TestMeaningBelongsToOneSplit(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range slices.Concat(nouns, amounts, choices, terms) {
		if seen[w] {
			t.Errorf("%q is listed twice", w)
		}
		seen[w] = true
	}
	for operation, w := range wordings {
		for _, text := range append(w.docs, w.call) {
			for _, word := range strings.Fields(text) {
				if seen[word] {
					t.Errorf("%q has a meaning and is a word of %s", word, operation)
				}
			}
		}
	}
}

// TestGold: every task was verified; here by others than who wrote it.
func TestGold(t *testing.T) {
	for _, o := range []Options{{}, {Kinds: 1, MaxTurns: 2, Tools: 4}, {Kinds: 3, MinTurns: 3, MaxTurns: 5, Calls: 9, Tools: 14}, {Docs: Renamed}} {
		for _, split := range []string{compose.Train, compose.Test} {
			tasks, _ := several(t, split, 60, o)
			for _, task := range tasks {
				d, err := o.withDefaults()
				if err != nil {
					t.Fatal(err)
				}
				check(t, task, d)
			}
		}
	}
}

func check(t *testing.T, task *ballast.Task, o Options) {
	t.Helper()
	if !verify(task, o.Calls) {
		t.Errorf("%s: gold fails", task.ID)
	}
	if n := len(task.Turns); n < o.MinTurns || n > o.MaxTurns+1 {
		t.Errorf("%s has %d turns", task.ID, n)
	}
	if n := len(task.Tools); n > o.Tools {
		t.Errorf("%s has %d tools", task.ID, n)
	}
	offered := map[string]bool{}
	for _, tool := range task.Tools {
		if offered[tool.Name] {
			t.Errorf("%s: two tools are named %s", task.ID, tool.Name)
		}
		offered[tool.Name] = true
	}
	revealed := map[string]bool{}
	for _, turn := range slices.Backward(task.Turns) {
		for _, c := range turn.Gold {
			if !offered[c.Name] || revealed[c.Name] {
				t.Errorf("%s: gold calls %s, which is not offered then", task.ID, c.Name)
			}
		}
		for _, r := range turn.Reveal {
			revealed[r] = true
		}
	}
}

// TestSets: the sets have the same tasks, and differ in what they tell of tools alone. Gold passes in each.
func TestSets(t *testing.T) {
	whole, _ := several(t, compose.Test, 40, Options{})
	for _, docs := range []Docs{Renamed, Bare, None} {
		tasks, _ := several(t, compose.Test, 40, Options{Docs: docs})
		for i, a := range whole {
			b := tasks[i]
			if b.Set != docs.Set() || b.ID != strings.Replace(a.ID, a.Set, b.Set, 1) || b.Category != a.Category || len(b.Turns) != len(a.Turns) {
				t.Fatalf("%s and %s", a.ID, b.ID)
			}
			if same := reflect.DeepEqual(a.Init, b.Init); same == (docs == Renamed) {
				t.Errorf("%s: the same world: %t", b.ID, same)
			}
			for k := range a.Turns {
				x, y := a.Turns[k], b.Turns[k]
				if x.User != y.User || x.Reply != y.Reply || docs != Renamed && !reflect.DeepEqual(x.Gold, y.Gold) {
					t.Errorf("%s: turn %d is %+v and %+v", b.ID, k, x, y)
				}
			}
			if docs != None {
				sameTools(t, a, b, docs)
			}
			if !verify(b, 20) {
				t.Errorf("%s: gold fails", b.ID)
			}
		}
	}
}

// sameTools: the documentation says what a tool does, whatever it is called.
func sameTools(t *testing.T, a, b *ballast.Task, docs Docs) {
	t.Helper()
	for k := range a.Tools {
		x, y := a.Tools[k], b.Tools[k]
		if docs == Renamed && (x.Doc != y.Doc || x.Name == y.Name) || docs == Bare && (y.Doc != "" || x.Name != y.Name) {
			t.Errorf("%s: tool %d is %s (%s) and %s (%s)", b.ID, k, x.Name, x.Doc, y.Name, y.Doc)
		}
		if text := value.Repr(y.Schema); docs == Bare && (y.Params != nil && y.Params[0].Doc != "" || strings.Contains(text, "what it is like")) {
			t.Errorf("%s: %s is documented", b.ID, y.Name)
		}
	}
}

// TestNoneShowsOneTool: one that gold does not call, so that prompts say how calls are written.
func TestNoneShowsOneTool(t *testing.T) {
	tasks, _ := several(t, compose.Test, 100, Options{Docs: None})
	for _, task := range tasks {
		if len(task.Tools) != 1 {
			t.Errorf("%s shows %d tools", task.ID, len(task.Tools))
		}
		for _, turn := range task.Turns {
			if slices.ContainsFunc(turn.Gold, func(c ballast.Call) bool { return c.Name == task.Tools[0].Name }) || turn.Reveal != nil {
				t.Errorf("%s shows %s, which gold calls or a turn reveals", task.ID, task.Tools[0].Name)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		split, category string
		o               Options
		want            string
	}{
		{"tset", "base", Options{}, "no split"},
		{compose.Test, "bass", Options{}, "no category"},
		{compose.Test, "base", Options{Kinds: 9}, "kinds is 9, want 1 to 4"},
		{compose.Test, "base", Options{MinTurns: 4, MaxTurns: 3}, "more than max_turns"},
		{compose.Test, "base", Options{Calls: 2}, "fewer than max_turns"},
		{compose.Test, "base", Options{MinTools: 9, Tools: 5}, "more than tools"},
		{compose.Test, "base", Options{Docs: 7}, "no documentation 7"},
	} {
		if _, err := Generate(1, c.split, c.category, 0, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c, err, c.want)
		}
	}
}
