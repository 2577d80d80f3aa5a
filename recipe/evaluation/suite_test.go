package evaluation

import (
	"slices"
	"strings"
	"testing"

	"ballast/chat"
	"ballast/env/words"
)

// TestSuites: every suite has parts of names that make folders, the one that the others are compared with among them, and
// each resolves.
func TestSuites(t *testing.T) {
	for _, format := range []string{"hermes", "xml"} {
		for _, s := range Suites {
			e := Evaluation{Model: "embedded", Tasks: "desk", Split: "test", Seed: 3, Count: 2, Out: "out", Set: []string{"chat.format=" + format},
				Given: func(string) bool { return false }}
			if s.Columns != nil { // its items bring their own formats
				e.Set = nil
			}
			given := len(e.Set)
			asked := e
			r, _, err := asked.Recipe()
			if err != nil {
				t.Fatal(err)
			}
			total := s.Result(&r)
			var names []string
			for _, p := range s.Parts(&r) {
				if names = append(names, p.Name); strings.ContainsAny(p.Name, "/ ") || p.Name[0] == '.' {
					t.Errorf("%s: a part is named %q", s.Name, p.Name)
				}
				one := e.Of(p)
				if one.Out != "out/"+p.Name || e.Tasks != "desk" || len(e.Set) != given {
					t.Errorf("%s: %+v, %+v", p.Name, one, e)
				}
				played, by, err := one.Recipe()
				if err != nil {
					t.Fatalf("%s: %v", p.Name, err)
				}
				if p.Set != "" && (played.Tasks.Set != p.Set || by.Name != "acebench" || !slices.Equal(played.Tasks.Categories, p.Categories)) ||
					p.Set == "" && played.Tasks.Set != "desk" || p.Format != "" && played.Chat.Format != p.Format ||
					p.Format == "" && given > 0 && played.Chat.Format != format || played.Tasks.Words != p.Words {
					t.Errorf("%s: %+v, protocol %s", p.Name, played.Tasks, by.Name)
				}
			}
			if !slices.Contains(names, total.Against) || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
				t.Errorf("%s: parts %v, against %s", s.Name, names, total.Against)
			}
			if want := map[string]int{"formats": len(chat.Formats), "words": len(words.Choices()), "paper-ood": 2}[s.Name]; len(names) != want {
				t.Errorf("%s: %v", s.Name, names)
			}
			if s.Name == "formats" && (names[0] != total.Against || slices.Contains(names, format)) {
				t.Errorf("the trained format is not the first of %v, or is there twice", names)
			}
		}
	}
}

// TestSuiteRefused: what a suite would take no notice of is an error.
func TestSuiteRefused(t *testing.T) {
	if _, err := SuiteByName("none"); err == nil || !strings.Contains(err.Error(), "formats, words, paper-ood") {
		t.Error(err)
	}
	for name, given := range map[string][]string{"paper-ood": {"tasks", "category"}, "formats": {""}, "words": nil} {
		s, err := SuiteByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Columns != nil {
			e := Evaluation{Model: "embedded", Tasks: "desk", Split: "test", Set: []string{"chat.format=glm"}, Given: func(string) bool { return false }}
			if _, err := s.Recipe(&e); err == nil || !strings.Contains(err.Error(), "chat.format=glm") {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, flag := range given {
			e := Evaluation{Given: func(f string) bool { return f == flag }, Endpoint: Endpoint{URL: "http://x", API: "chat"}}
			if s.Check(&e) == nil {
				t.Errorf("%s with --%s passes", name, flag)
			}
		}
		if err := s.Check(&Evaluation{Given: func(string) bool { return false }}); err != nil {
			t.Error(err)
		}
	}
	none := func(string) bool { return false }
	for _, c := range []struct{ suite, set, pair, says string }{
		{"words", "desk", "tasks.words=both", "leave it out"},
		{"paper-ood", "desk", "tasks.words=both", "has its own tasks"},
		{"paper-ood", "desk", "tasks.level.mix=1", "has its own tasks"},
		{"paper-ood", "desk", "tasks={level: {mix: 1}}", "has its own tasks"},
		{"formats", "acebench", "", "bring their own prompts"},
		{"words", "acebench-own", "", "bring their own prompts"},
		{"formats", "desk", "tasks.words=both", ""},
		{"words", "desk", "tasks.level.mix=1", ""},
	} {
		s, err := SuiteByName(c.suite)
		if err != nil {
			t.Fatal(err)
		}
		e := Evaluation{Model: "embedded", Tasks: c.set, Split: "test", Given: none}
		if c.pair != "" {
			e.Set = []string{c.pair}
		}
		if err = s.Check(&e); err == nil {
			_, err = s.Recipe(&e)
		}
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("--suite %s --tasks %s --set %s: %v, want %q", c.suite, c.set, c.pair, err, c.says)
		}
	}
	e := Evaluation{Given: none}
	if e.Of(Part{Words: "both"}).Set[0] != "tasks.words=both" {
		t.Error("words are not set")
	}
}
