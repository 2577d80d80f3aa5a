package study

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readText(t testing.TB, text string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := Read(path)
	return err
}

// TestPlansAreBounded: numbers and grids out of all reason are errors that say so.
func TestPlansAreBounded(t *testing.T) {
	const rows = "\nrows: [{name: a, method: grpo}]\n"
	var vary []string
	for range 20 {
		vary = append(vary, "'rl.kl=1,2'")
	}
	for text, want := range map[string]string{
		"seeds: 9223372036854775807" + rows:                                                   "seeds",
		"seeds: -1" + rows:                                                                    "seeds",
		"seeds: 2\nquick: {seeds: 1000000000}" + rows:                                         "quick.seeds",
		"seeds: 2\nclaims: [{says: x, margin: .inf}]" + rows:                                  "margin",
		"seeds: 2\nsuites: [{name: id, count: -4}]" + rows:                                    "suites[0].count",
		"seeds: 2\nrows: [{name: a, method: grpo, probe: 1000000000000}]":                     "probe",
		"seeds: 2\nrows: [{name: a, method: grpo, vary: [" + strings.Join(vary, ", ") + "]}]": "more than",
		"seeds: 2\nseeds: " + strings.Repeat("[", 100_000):                                    "line 2",
		"": "empty",
	} {
		if err := readText(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %.300v, want %s", text, err, want)
		}
	}
}

// FuzzPlan: a plan of any text is an error or a plan.
func FuzzPlan(f *testing.F) {
	f.Add("title: t\nseeds: 2\nsettings: {rl: {kl: 0}}\nrows: [{name: a, method: grpo, vary: ['rl.kl=1,2']}]\nsections: [{name: s, rows: [a]}]\nbase: 'a,rl.kl=1'\n")
	f.Add("seeds: 1\nrows: [{name: a, method: sft}, {name: b, method: sft, match: a}]\nclaims: [{says: x, more: a, less: b, margin: 0.1}]")
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.Contains(text, "like") {
			readText(t, text)
		}
	})
}
