package bfcl

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"ballast/bounded"
)

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// replay fails the test on every difference.
func replay(t *testing.T, f *os.File, opts ReplayOptions) Report {
	t.Helper()
	r, err := Replay(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Differences {
		t.Errorf("%s %s %d turn %d: %s\n got %s\nwant %s", d.ID, d.Kind, d.Variant, d.Turn, d.What, d.Got, d.Want)
	}
	if !r.OK() && len(r.Differences) == 0 {
		t.Error("the report is not OK, but lists no difference")
	}
	return r
}

// TestSample replays the sample of the golden corpus that the repository holds.
// scripts/peer-bfcl replays all of it.
func TestSample(t *testing.T) {
	r := replay(t, open(t, "testdata/golden.jsonl.gz"), ReplayOptions{})
	if r.Trajectories < 200 || len(r.Methods) < 120 || r.Calls["L"].Equal < 2000 || r.Verdicts.Equal < 100 {
		t.Errorf("the sample is thin: %d trajectories, %d methods, %+v", r.Trajectories, len(r.Methods), r.Verdicts)
	}
}

// A wrong corpus is noticed: a changed answer, a changed state, broken lines.
func TestReplayFinds(t *testing.T) {
	const traj = `{"type": "traj", "id": "x", "kind": "gt", "variant": 0, "long_context": false, "classes": ["MathAPI"], "initial_config": {},
"init": {"MathAPI": {"h": "44136fa355b3678a"}}, "turns": [{"steps": [["add(a=1, b=2)"]], "results": [["{\"result\": 3}"]], "kinds": ["L"], "h": {"MathAPI": "44136fa355b3678a"}}], "verdict": {"valid": true}}`
	line := strings.ReplaceAll(traj, "\n", " ")
	for _, c := range []struct {
		name, old, new, err string
		calls, states       int
		verdict             bool
	}{
		{"same", "", "", "", 0, 0, false},
		{"answer", `\"result\": 3`, `\"result\": 4`, "", 1, 0, false},
		{"state", `"h": {"MathAPI": "44136fa355b3678a"}`, `"h": {"MathAPI": "0"}`, "", 0, 1, false},
		{"verdict", `{"valid": true}`, `{"valid": false, "error_type": "multi_turn:empty_turn_model_response", "turn": 0}`, "", 0, 0, true},
		{"json", `"kind"`, `kind`, "line 1: json:", 0, 0, false},
		{"type", `"traj"`, `"x"`, "unknown type", 0, 0, false},
		{"field", `"id": "x"`, `"id": 5`, `field "id"`, 0, 0, false},
		{"class", `["MathAPI"]`, `["X"]`, `no class is named "X"`, 0, 0, false},
		{"order", `"initial_config": {},`, ``, "comes before its gold answer", 0, 0, false},
	} {
		text := line
		if c.old != "" {
			text = strings.Replace(line, c.old, c.new, 1)
		}
		r, err := Replay(bytes.NewReader([]byte(text)), ReplayOptions{})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %s", c.name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if r.Calls["L"].Failed() != c.calls || r.States["MathAPI"].Failed() != c.states || (r.Verdicts.Failed() > 0) != c.verdict {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}

// FuzzReplay: a corpus that is broken, or packed by an enemy, is an error or a report.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(`{"type": "meta"}`))
	f.Add([]byte(`{"type": "traj", "id": "x", "kind": "gt", "variant": 0, "long_context": false, "classes": ["MathAPI"], "initial_config": {}, "init": {"MathAPI": {"h": "44136fa355b3678a"}}, "turns": [{"steps": [["add(a=1, b=2)"]], "results": [["{\"result\": 3}"]], "kinds": ["L"], "h": {"MathAPI": "44136fa355b3678a"}}], "verdict": {"valid": true}}`))
	f.Add([]byte(`{"type": "traj", "id": "0", "kind": "", "classes": [{}]}`))
	f.Add([]byte(`{"type": "traj", "id": "x", "kind": "gt", "classes": ["MathAPI"], "initial_config": {}, "nondet": [[]], "init_h": {}, "turns": [{"steps": [["add(a=1)"]], "kinds": [], "results": []}, 1]}`))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, data []byte) { Replay(bytes.NewReader(data), ReplayOptions{}) })
}

// TestCorpusIsBounded: one line without end, plain or packed, is an error in little
// memory.
func TestCorpusIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	zeros := bytes.Repeat([]byte(" "), 1<<20)
	for range 200 {
		z.Write(zeros)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Replay(&packed, ReplayOptions{})
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, bounded.ErrTooLarge) || !strings.Contains(err.Error(), "line 1") || n > 600<<20 {
		t.Errorf("%v, %d MB", err, n>>20)
	}
}
