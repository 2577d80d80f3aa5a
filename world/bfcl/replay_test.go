package bfcl

import (
	"os"
	"path/filepath"
	"testing"
)

// benchmark opens a file of the benchmark's data, beside the repository.
func benchmark(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "bfcl", name))
	if err != nil {
		t.Skip("the benchmark's data are not at ../shared/data/bfcl")
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func replay(t *testing.T, f *os.File, opts ReplayOptions) Report {
	t.Helper()
	r, err := Replay(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Differences {
		t.Errorf("%s %s %d turn %d: %s\n got %s\nwant %s", d.ID, d.Kind, d.Variant, d.Turn, d.What, d.Got, d.Want)
	}
	return r
}

func TestGolden(t *testing.T) {
	opts := ReplayOptions{Every: 1, Differences: 40}
	r := replay(t, benchmark(t, "golden.jsonl.gz"), opts)
	for k, c := range r.Calls {
		t.Logf("calls %s: %+v", k, *c)
	}
	for k, c := range r.Classes {
		t.Logf("calls of %s: %+v", k, *c)
	}
	for k, c := range r.States {
		t.Logf("states of %s: %+v", k, *c)
	}
	t.Logf("%d trajectories; verdicts %+v", r.Trajectories, r.Verdicts)
}
