package report

import (
	"os"
	"testing"
)

// TestRun writes the page and the summary of the run named by BALLAST_RUN.
func TestRun(t *testing.T) {
	dir := os.Getenv("BALLAST_RUN")
	if dir == "" {
		t.Skip("BALLAST_RUN names no run directory to report on")
	}
	path, err := Write(dir)
	must(t, err)
	text, err := Summary(dir)
	must(t, err)
	t.Logf("%s\n%s", path, text)
}
