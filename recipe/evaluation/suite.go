package evaluation

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"ballast/chat"
	ace "ballast/env/acebench"
	"ballast/env/words"
	"ballast/eval"
	"ballast/recipe"
	"ballast/task/acebench"
)

// Suite is a list of what is played with one model, by name.
type Suite struct {
	Name, Doc string
	// against is the part that the others are compared with, given the recipe; the parts have it.
	against func(*recipe.Recipe) string
	// Parts are what is played, in order, under a recipe of the format that was trained; a suite with columns asks no recipe.
	Parts func(*recipe.Recipe) []Part
	// Columns are categories that have a column of their own; nil for a column of all.
	Columns []eval.Column
}

// Result is that of the suite under a recipe, without parts.
func (s *Suite) Result(r *recipe.Recipe) *eval.SuiteResult {
	return eval.NewSuite(s.Name, s.Doc, s.against(r), s.Columns)
}

// Part is one evaluation of a suite, as differences from what was asked for. What is empty is as that.
type Part struct {
	Name       string // of its row and its folder
	Set        string
	Format     string
	Words      string
	Categories []string
}

// The two halves of the paper's Table 2.
const (
	formatAndContent = "format-and-content"
	content          = "content"
)

// paperColumns are those of the paper's Table 2.
var paperColumns = []eval.Column{
	{Title: "Multi Step", Category: ace.MultiStep}, {Title: "Multi Turn", Category: ace.MultiTurn},
	{Title: "Single", Category: "normal_single_turn_single_function"},
}

// Suites is the table of the suites. A new one is one line.
var Suites = []Suite{
	{Name: "formats", Doc: "the tasks of --tasks in every format of calls, against the trained one",
		against: func(*recipe.Recipe) string { return trained }, Parts: everyFormat},
	{Name: "words", Doc: "the tasks of --tasks under other names and in other words, against their own",
		against: func(*recipe.Recipe) string { return words.None }, Parts: everyWording},
	{Name: "paper-ood", Doc: "the columns of the paper's Table 2 in both its halves: ACEBench in the paper's trained format (content) and " +
		"in its own",
		against: func(*recipe.Recipe) string { return content }, Parts: paperHalves, Columns: paperColumns},
}

// SuiteNames lists the suites.
func SuiteNames() (out []string) {
	for _, s := range Suites {
		out = append(out, s.Name)
	}
	return out
}

// SuiteByName returns the suite of that name.
func SuiteByName(name string) (*Suite, error) {
	i := slices.IndexFunc(Suites, func(s Suite) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("evaluation: no suite is named %q; there are %s", name, strings.Join(SuiteNames(), ", "))
	}
	return &Suites[i], nil
}

// Recipe is that of what was asked for, from which the parts follow.
func (s *Suite) Recipe(e *Evaluation) (recipe.Recipe, error) {
	asked := *e
	if s.Columns != nil { // the suite's own tasks
		asked = *e.Of(s.Parts(nil)[0])
	}
	r, _, err := asked.Recipe()
	if err == nil && s.Columns == nil && acebench.IsSet(r.Tasks.Set) { // each part would play the same
		err = fmt.Errorf("--suite %s: the items of %s bring their own prompts, in the format and the words of the benchmark; "+
			"give other --tasks, or --suite paper-ood, which is made of them", s.Name, r.Tasks.Set)
	}
	return r, err
}

// trained is the part in the format that was trained: the recipe's, or that of the model's own template.
const trained = "trained"

// everyFormat asks in the trained format, then in all others.
func everyFormat(r *recipe.Recipe) []Part {
	parts := []Part{{Name: trained}}
	for _, name := range slices.Sorted(maps.Keys(chat.Formats)) {
		if name != r.Chat.Format {
			parts = append(parts, Part{Name: name, Format: name})
		}
	}
	return parts
}

// everyWording asks in the tasks' own words, then in all others.
func everyWording(*recipe.Recipe) []Part {
	var parts []Part
	for _, name := range words.Choices() {
		parts = append(parts, Part{Name: name, Words: name})
	}
	return parts
}

// paperHalves asks ACEBench in the format of the paper's training, then in its own.
func paperHalves(*recipe.Recipe) []Part {
	var categories []string
	for _, c := range paperColumns {
		categories = append(categories, c.Category)
	}
	return []Part{{Name: content, Set: acebench.Set, Categories: categories},
		{Name: formatAndContent, Set: acebench.SetOwn, Categories: categories}}
}

// Unfit is why a model cannot play: it cannot write the format, or the prompts do not fit.
type Unfit struct{ err error }

// Error is the reason's text.
func (u *Unfit) Error() string { return u.err.Error() }

// Unwrap is the reason.
func (u *Unfit) Unwrap() error { return u.err }

// Check reports what does not go with a suite.
func (s *Suite) Check(e *Evaluation) error {
	own := s.Columns != nil
	for _, pair := range e.Set {
		switch key, _, _ := strings.Cut(pair, "="); {
		case own && (key == "tasks" || strings.HasPrefix(key, "tasks.")):
			return fmt.Errorf("--set %s: --suite %s has its own tasks; leave it out", pair, s.Name)
		case s.Name == "words" && key == "tasks.words":
			return fmt.Errorf("--set %s: --suite %s asks in all words, each in a part; leave it out", pair, s.Name)
		}
	}
	switch {
	case own && (e.Given("tasks") || e.Given("category")):
		return fmt.Errorf("--suite %s has its own tasks; leave --tasks and --category out", s.Name)
	case s.Name == "formats" && e.Endpoint.URL != "" && e.Endpoint.API == "chat":
		return fmt.Errorf("--suite %s: with --api chat the server writes the prompts, in its own format; give --api completion", s.Name)
	}
	return nil
}

// Of is the evaluation of one part.
func (e *Evaluation) Of(p Part) *Evaluation {
	out, forced := *e, map[string]bool{}
	out.part = &p
	out.Set = slices.Clone(e.Set)
	if p.Set != "" {
		out.Tasks, out.Categories = p.Set, p.Categories
		forced["tasks"], forced["category"] = true, true
		out.Set = slices.DeleteFunc(out.Set, func(pair string) bool { return strings.HasPrefix(pair, "tasks.") })
	}
	if p.Format != "" {
		out.Set = append(out.Set, "chat.format="+p.Format)
	}
	if p.Words != "" {
		out.Set = append(out.Set, "tasks.words="+p.Words)
	}
	if e.Out != "" {
		out.Out = filepath.Join(e.Out, p.Name)
	}
	out.Given = func(flag string) bool { return forced[flag] || e.Given(flag) }
	return &out
}
