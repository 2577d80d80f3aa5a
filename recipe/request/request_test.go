package request

import (
	"os"
	"path/filepath"
	"testing"
)

// TestResolved: the recipe of a training command that a sweep gives is that of the flags.
func TestResolved(t *testing.T) {
	dir := t.TempDir()
	talks, config := filepath.Join(dir, "talks.jsonl"), filepath.Join(dir, "config.yaml")
	for path, text := range map[string]string{config: "seed: 9\n",
		talks: `{"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"good day"}]}` + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	f := Request{Model: "init", Dialogues: talks, Config: config, Set: []string{"sft.lr=0.5", "sft.batch=3"}}
	want, err := f.Recipe("sft")
	if err != nil {
		t.Fatal(err)
	}
	got, err := resolved(append([]string{"train", "sft", "--out", "x"}, f.Args()...))
	if err != nil {
		t.Fatal(err)
	}
	if d := want.Differs(&got); len(d) > 0 || got.SFT.File != talks || got.Seed != 9 || got.SFT.Batch != 3 {
		t.Errorf("%q: %s", d, got.YAML())
	}
	if _, err := resolved([]string{"train", "sft", "--what", "x"}); err == nil {
		t.Error("an unknown flag was passed over")
	}
}
