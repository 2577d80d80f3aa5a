package sim

import (
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

// A name with blanks around it, as JSON may have it, runs in BFCL's world and nowhere else; a forbidden one is not defined then.
func TestNamesWithBlanks(t *testing.T) {
	root := value.NewDict("root", value.NewDict("workspace", value.NewDict("type", "directory", "contents", value.NewDict("a.txt", value.NewDict(
		"type", "file", "content", "x")))))
	s, err := NewSession(&ballast.Task{ID: "t", APIs: []string{"GorillaFileSystem"}, Init: map[string]any{"GorillaFileSystem": root}})
	if err != nil {
		t.Fatal(err)
	}
	want := s.Run(ballast.Call{Name: "ls"})
	if !strings.Contains(want, "a.txt") {
		t.Fatal(want)
	}
	for _, name := range []string{" ls", "ls ", "\tls\n", "\nls"} {
		if got := s.Run(ballast.Call{Name: name}); got != want {
			t.Errorf("%q: %s", name, got)
		}
	}
	s.Run(ballast.Call{Name: " touch ", Args: []ballast.Arg{{Name: "file_name", Value: "b.txt"}}})
	if got := s.Run(ballast.Call{Name: "ls"}); !strings.Contains(got, "b.txt") {
		t.Errorf("the state does not go on: %s", got)
	}
	for name, want := range map[string]string{" run": "name 'run' is not defined", "run": "Function call run is not allowed.", "\n ls": "name 'ls' is not defined"} {
		if got := s.Run(ballast.Call{Name: name}); !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	if got := session(t).Run(ballast.Call{Name: " ls"}); got != "error: no tool  ls" {
		t.Errorf("another world: %q", got)
	}
}
