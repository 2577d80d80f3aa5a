//go:build large

package mcp

import (
	"os"
	"strings"
	"testing"

	"ballast"
)

// TestPeer drives servers of other SDKs. BALLAST_MCP_PEERS names a file with one a line: name, command or URL, protocol,
// and calls with what their answers hold, separated by tabs. scripts/peer-mcp writes it.
func TestPeer(t *testing.T) {
	text, err := os.ReadFile(os.Getenv("BALLAST_MCP_PEERS"))
	if err != nil {
		t.Fatal("run scripts/peer-mcp: ", err)
	}
	t.Chdir("../..") // commands are relative to it
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		t.Run(f[0], func(t *testing.T) {
			c := Config{Command: f[1], version: f[2], Sessions: 4, Ahead: 2}
			if strings.HasPrefix(f[1], "http") {
				c.Command, c.URL = "", f[1]
			}
			s := connect(t, c)
			for _, note := range s.Notes() {
				t.Log(note)
			}
			for _, tool := range s.tools {
				t.Logf("%s, %d parameters, only reads: %t", tool.Name, len(tool.Params), tool.ReadOnly)
			}
			e := open(t, s)
			for _, want := range f[3:] {
				call, want, _ := strings.Cut(want, ")=")
				if got := ask(t, e, call+")"); !strings.HasPrefix(got, want) && !strings.Contains(got, want) {
					t.Errorf("%s): %q, want %q", call, got, want)
				}
			}
			if _, ok := s.byName["remember"]; ok && c.URL == "" {
				found, err := s.Compare(t.Context(), []ballast.Task{*task(t, "recall(), remember(text='x'), recall()")}, nothingShows)
				if err != nil || len(found) > 0 {
					t.Errorf("%v, %v", found, err)
				}
			}
			for kind, n := range s.Counts() {
				t.Logf("%s: %d", kind, n)
			}
		})
	}
}
