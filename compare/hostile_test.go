package compare

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/compare/table"
	"ballast/monitor"
	"ballast/runlog"
	"ballast/safetext/hostile"
)

// kinds are what the files of Write are.
var kinds = map[string]hostile.Kind{".json": hostile.JSON, ".csv": hostile.CSV, ".md": hostile.Markdown, ".svg": hostile.SVG, ".txt": hostile.Terminal}

// TestHostileNames: names of folders, settings, metrics and categories leave no cell.
func TestHostileNames(t *testing.T) {
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "new", "folder")
	for i, name := range hostile.Names() {
		run := filepath.Join(dir, name, "seed-1")
		valid := strings.ToValidUTF8(name, "?")
		r, err := runlog.Create(run, fmt.Appendf(nil, `{"method": %s, "seed": 1, "chat": {"format": %s}, "extra": %s}`, quote(t, valid), quote(t, valid), quote(t, valid)))
		must(t, err)
		for u := 1; u <= 4; u++ {
			must(t, r.Update(ballast.Update{Index: u, Phase: valid, Metrics: map[string]float64{monitor.RewardMean: 0.5, valid: 1,
				monitor.WatchPrefix + valid + "/start": 0.5, monitor.ReasonFor + valid: 0.5, monitor.KindPrefix + "call": 0.5}}))
		}
		must(t, r.Event(runlog.Event{Update: 4, Text: valid, What: runlog.SuiteTested{Suite: []string{"id", cmp.Or(valid, "?")}[i%2],
			Score: runlog.Score{OK: 1, All: 2, Rates: map[string]float64{valid: 0.5}}}}))
		_, err = r.Checkpoint(4, nil, func(string) error { return nil })
		must(t, err)
		must(t, r.Event(runlog.Event{Update: 4, What: runlog.Alarm{}, Text: valid}))
		must(t, r.Close())
	}
	groups, err := Read([]string{dir}, nil)
	must(t, err)
	tables := append(Tables(groups), Differences(groups, &groups[0]))
	for i := range tables {
		tables[i].Title += "<script>evil()</script>\x1b"
		tables[i].Notes = append(tables[i].Notes, hostile.Texts...)
	}
	must(t, Write(out, tables, Figures(groups)))
	entries, err := os.ReadDir(out)
	must(t, err)
	seen := map[string]int{}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		kind, ok := kinds[ext]
		data, err := os.ReadFile(filepath.Join(out, e.Name()))
		if err != nil || !ok {
			t.Fatalf("%q: %v", e.Name(), err)
		}
		seen[ext]++
		if f := append(hostile.Faults(kind, string(data)), hostile.Faults(hostile.Terminal, e.Name())...); f != nil {
			t.Errorf("%s: %q", e.Name(), f)
		}
	}
	if seen[".csv"] != len(tables) || seen[".svg"] < len(groups) {
		t.Errorf("files: %v for %d tables, %d groups", seen, len(tables), len(groups))
	}
}

// TestFiguresOfLikeNames: labels that make one file's name make two files.
func TestFiguresOfLikeNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b", "a_b", "a:b"} {
		write(t, filepath.Join(dir, name, "seed-1"), script{method: "grpo", seed: 1})
	}
	groups, err := Read([]string{dir}, nil)
	must(t, err)
	seen := map[string]int{}
	for _, f := range Figures(groups) {
		seen[f.Name]++
	}
	for name, n := range seen {
		if n > 1 {
			t.Errorf("%d figures are %s", n, name)
		}
	}
	if seen["kinds-a_b"]+seen["kinds-a_b-2"]+seen["kinds-a_b-3"] != 3 {
		t.Errorf("%v", seen)
	}
}

// TestWriteTakesNothing: what Write did not make stays, and is said; what it made it makes anew.
func TestWriteTakesNothing(t *testing.T) {
	tables := []table.Table{{Name: "methods", Title: "T", Head: []string{"method"}, Rows: [][]table.Cell{{table.Textf("a")}}}}
	figures := []Figure{{"reward", "<svg/>"}}
	names := []string{"tables.txt", "tables.md", "tables.json", "methods.csv", "reward.svg"}
	for _, name := range names {
		for _, link := range []bool{false, true} {
			dir, far := t.TempDir(), filepath.Join(t.TempDir(), "far")
			path := filepath.Join(dir, name)
			must(t, os.WriteFile(far, []byte("mine"), 0o666))
			if link {
				must(t, os.Symlink(far, path))
			} else {
				must(t, os.WriteFile(path, []byte("mine"), 0o666))
			}
			err := Write(dir, tables, figures)
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "name another place") {
				t.Errorf("%s: %v", name, err)
			}
			if data, err := os.ReadFile(path); string(data) != "mine" {
				t.Errorf("%s holds %q, %v", name, data, err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("%s: %v", name, entries)
			}
		}
	}
	dir := t.TempDir()
	must(t, Writable(dir))
	for range 2 {
		must(t, Write(dir, tables, figures))
	}
	must(t, Writable(dir))
	must(t, Write(dir, nil, nil))
	must(t, Write(dir, tables, figures))
	if entries, _ := os.ReadDir(dir); len(entries) != len(names) {
		t.Errorf("%v", entries)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func quote(t *testing.T, text string) []byte {
	t.Helper()
	data, err := json.Marshal(text)
	must(t, err)
	return data
}
