package main

import (
	"strings"
	"testing"
)

// A flag that is misspelt is answered with the one that is meant, or with where they are listed.
func TestUnknownFlag(t *testing.T) {
	for _, c := range []struct{ flag, want string }{
		{"--modle", "unknown flag: --modle; perhaps --model is meant"},
		{"--zzzzzz", "unknown flag: --zzzzzz; ballast train --help lists them"},
	} {
		root := newRoot()
		root.SetArgs([]string{"train", "grpo", c.flag})
		if err := root.Execute(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.flag, err, c.want)
		}
	}
}
