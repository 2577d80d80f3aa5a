package file

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"ballast/env/expect"
	"ballast/value/shape"
)

// TestDocs: the examples of docs/tasks-file.md are tasks, and its tables have the keys that there are.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/tasks-file.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range regexp.MustCompile("(?m)^\\{\"id\": .*$").FindAllString(string(text), -1) {
		lines = append(lines, m)
	}
	if f := read(t, strings.Join(lines, "\n")); len(f.Tasks) != 5 {
		t.Errorf("%d examples", len(f.Tasks))
	}
	said := string(text)
	var all func(s *shape.Shape)
	all = func(s *shape.Shape) {
		for _, f := range s.Fields {
			if !strings.Contains(said, "`"+f.Key+"`") && !strings.Contains(said, `"`+f.Key+`"`) {
				t.Errorf("%s is not documented", f.Key)
			}
			all(f.Of)
		}
		for _, w := range s.Words {
			if !strings.Contains(said, "`"+w+"`") {
				t.Errorf("%s is not documented", w)
			}
		}
		if s.Items != nil {
			all(s.Items)
		}
	}
	all(&Line)
	for _, r := range expect.Reasons {
		if r != expect.ReasonNoGold && !strings.Contains(said, "`"+r+"`") {
			t.Errorf("reason %s is not documented", r)
		}
	}
}
