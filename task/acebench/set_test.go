package acebench

import "testing"

func TestIsSet(t *testing.T) {
	for name, want := range map[string]bool{"acebench": true, "acebench-own": true, "acebench.jsonl": false, "acebench-mine.jsonl": false, "": false} {
		if IsSet(name) != want {
			t.Errorf("IsSet(%q) is %t", name, !want)
		}
	}
}
