package drawn

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"ballast"
	"ballast/value"
)

// several generates n tasks of a split, categories in turn; a fifth in a short test.
func several(t *testing.T, split string, n int, o Options) (tasks []*ballast.Task, goals [][]string) {
	t.Helper()
	if testing.Short() {
		n = max(n/5, 4)
	}
	for i := range n {
		task, goal, err := generate(1, split, Categories[i%4], i/4, o)
		if err != nil {
			t.Fatal(err)
		}
		tasks, goals = append(tasks, task), append(goals, goal)
	}
	return tasks, goals
}

func TestSameTaskAgain(t *testing.T) {
	a, _ := several(t, Train, 20, Options{})
	b, _ := several(t, Train, 20, Options{})
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
	for _, split := range []string{Train, Valid, Test} {
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
	for deed, w := range wordings {
		for _, text := range append(w.docs, w.call) {
			for _, word := range strings.Fields(text) {
				if seen[word] {
					t.Errorf("%q has a meaning and is a word of %s", word, deed)
				}
			}
		}
	}
}

// TestGold: every task was verified; here by others than who wrote it.
func TestGold(t *testing.T) {
	for _, o := range []Options{{}, {Kinds: 1, MaxTurns: 2, Tools: 4}, {Kinds: 3, MinTurns: 3, MaxTurns: 5, Calls: 9, Tools: 14}, {Docs: docsMisnamed}} {
		for _, split := range []string{Train, Test} {
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

// TestMisnamed: the documentation says what a tool does, whatever it is called.
func TestMisnamed(t *testing.T) {
	plain, _ := several(t, Test, 40, Options{})
	misnamed, _ := several(t, Test, 40, Options{Docs: docsMisnamed})
	for i, a := range plain {
		b := misnamed[i]
		for k := range a.Tools {
			if a.Tools[k].Doc != b.Tools[k].Doc || a.Tools[k].Name == b.Tools[k].Name {
				t.Errorf("%s: tool %d is %s (%s) and %s (%s)", a.ID, k, a.Tools[k].Name, a.Tools[k].Doc, b.Tools[k].Name, b.Tools[k].Doc)
			}
		}
		if !verify(b, 20) {
			t.Errorf("%s: gold fails", b.ID)
		}
	}
}

func TestDocsTaken(t *testing.T) {
	bare, _ := several(t, Test, 40, Options{Docs: docsBare})
	for _, task := range bare {
		for _, tool := range task.Tools {
			if text := value.Repr(tool.Schema); tool.Doc != "" || tool.Params != nil && tool.Params[0].Doc != "" || strings.Contains(text, "what it is like") {
				t.Errorf("%s: %s is documented", task.ID, tool.Name)
			}
		}
	}
	none, _ := several(t, Test, 40, Options{Docs: docsNone})
	for _, task := range none {
		if task.Tools == nil || len(task.Tools) > 0 {
			t.Errorf("%s shows tools", task.ID)
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
		{Test, "bass", Options{}, "no category"},
		{Test, "base", Options{Kinds: 9}, "kinds is 9, want 1 to 4"},
		{Test, "base", Options{MinTurns: 4, MaxTurns: 3}, "more than max_turns"},
		{Test, "base", Options{Calls: 2}, "fewer than max_turns"},
		{Test, "base", Options{MinTools: 9, Tools: 5}, "more than tools"},
		{Test, "base", Options{Docs: 7}, "docs is 7"},
	} {
		if _, err := Generate(1, c.split, c.category, 0, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c, err, c.want)
		}
	}
}
