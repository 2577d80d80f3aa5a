package acebench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func replayed(t *testing.T, corpus string) Report {
	t.Helper()
	f, err := os.Open(filepath.Join(benchmark, corpus))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Replay(f, ReplayOptions{Data: benchmark, Differences: 60})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Differences {
		t.Errorf("%s: %s: got %.300s, want %.300s", d.ID, d.What, d.Got, d.Want)
	}
	return r
}

// The messages of every item in both formats are those of the original.
func TestPrompts(t *testing.T) {
	r := replayed(t, "golden_prompts.jsonl.gz")
	if r.Lines != 66 || r.Failed() != 0 || len(r.Counts) != 17 {
		t.Errorf("%+v", r)
	}
}

func TestReplayTells(t *testing.T) {
	const line = `{"type": "prompt", "id": "x", "category": "special_irrelevant", "item": "special_irrelevant_37", "mode": "ast", "messages": []}`
	r, err := Replay(strings.NewReader("{\"type\": \"meta\"}\n"+line+"\n"+line), ReplayOptions{Data: benchmark, Every: 2})
	if err != nil || r.Lines != 1 || r.Failed() != 1 || len(r.Differences) != 1 || r.Differences[0].Want != "[]" {
		t.Errorf("%+v %v", r, err)
	}
	for text, want := range map[string]string{
		"{":                    `line 1: json: `,
		"[]":                   "line 1: is list",
		`{"type": "dialogue"}`: `line 1: type is "dialogue"`,
		`{"type": "meta"}` + "\n" + strings.Replace(line, "_37", "_x", 1): "line 2: item \"special_irrelevant_x\" is not among those",
		strings.Replace(line, `"special_irrelevant"`, `"special"`, 1):     `line 1: acebench: no category is named "special"`,
	} {
		if _, err := Replay(strings.NewReader(text), ReplayOptions{Data: benchmark}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
