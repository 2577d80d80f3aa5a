package main

import (
	"strings"
	"testing"
)

// TestMCPFlagsRefuse: a setting that the command would take no notice of is an error.
func TestMCPFlagsRefuse(t *testing.T) {
	for set, want := range map[string]string{
		"judge.url=http://localhost/v1": "only tasks of a file ask a judge",
		"mcp.seconds=5":                 "--set mcp.seconds=5: ",
		"mcp.server=orders":             "this command has the flag --mcp for that",
		"rl.lr=1":                       "this command takes mcp.* and judge.*",
	} {
		if _, err := (&mcpFlags{set: []string{set}}).open(t.Context(), "desk"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", set, err, want)
		}
	}
}
