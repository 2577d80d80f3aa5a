package study

import (
	"fmt"

	"ballast/chat"
	"ballast/recipe"
	"ballast/task"
)

// Suite is test tasks and the format in which they are asked for, as differences
// from what a run trains on. What is empty is as in the run.
type Suite struct {
	Name   string         `yaml:"name"`
	Set    string         `yaml:"set,omitempty"`    // a task set; one other than the run's brings its own worlds
	Worlds []string       `yaml:"worlds,omitempty"` // only tasks in these
	Level  map[string]int `yaml:"level,omitempty"`
	Format string         `yaml:"format,omitempty"` // a format of calls; other = pythonic, or hermes where the run trains pythonic
	Count  int            `yaml:"count,omitempty"`  // test tasks; 0 = the set's own number
}

// Suites are the test tasks in distribution, and out of it in format, in content
// and in both (paper, table 2): the set that is known to all is set desk.
var Suites = []Suite{
	{Name: "id"},
	{Name: "format", Format: "other"},
	{Name: "content", Set: "desk-ood"},
	{Name: "both", Set: "desk-ood", Format: "other"},
}

// Of returns what is played: the recipe with the suite's set and format, and which
// tasks. Worlds and categories of
// the run restrict the run's own set only.
func (s *Suite) Of(r recipe.Recipe) (recipe.Recipe, task.Spec, error) {
	if s.Set != "" && s.Set != r.Tasks.Set {
		r.Tasks.Set, r.Tasks.Worlds, r.Tasks.Categories = s.Set, nil, nil
	}
	if len(s.Worlds) > 0 {
		r.Tasks.Worlds = s.Worlds
	}
	if s.Level != nil {
		r.Tasks.Level = s.Level
	}
	switch {
	case s.Format == "other" && r.Chat.Format == "pythonic":
		r.Chat.Format = "hermes"
	case s.Format == "other":
		r.Chat.Format = "pythonic"
	case s.Format != "":
		r.Chat.Format = s.Format
	}
	if _, err := chat.FormatByName(r.Chat.Format); err != nil {
		return r, task.Spec{}, fmt.Errorf("suite %s: %w", s.Name, err)
	}
	return r, task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Split: "test", Worlds: r.Tasks.Worlds, Categories: r.Tasks.Categories,
		Level: r.Tasks.Level, Seed: r.Seed, Count: s.Count}, nil
}
