package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/recipe/evaluation"
)

// TestSuiteFolder: a folder that has something else is not taken for the suite's, and its own folder is.
func TestSuiteFolder(t *testing.T) {
	parts := []evaluation.Part{{Name: "own"}, {Name: "both"}}
	for _, c := range []struct{ has, want string }{
		{"own", ""}, {"both", ""}, {".git", ""}, {"run.json", "run.json"}, {"renamed", "a folder of its own"},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, c.has), 0o777); err != nil {
			t.Fatal(err)
		}
		err := onlyParts(dir, "words", parts)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.has, err)
		}
	}
	if err := onlyParts(filepath.Join(t.TempDir(), "new"), "words", parts); err != nil {
		t.Error(err)
	}
}
