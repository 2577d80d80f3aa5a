package lora

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestComplete: a configuration without modules gets those of the tensors, and keeps the rest; one
// that names some stays as it is.
func TestComplete(t *testing.T) {
	for _, was := range []string{"none", "null", "named"} {
		dir := filepath.Join(t.TempDir(), "a")
		a := moved(t, shape(), 2, "q_proj", "down_proj")
		must(t, os.Mkdir(dir, 0o777))
		must(t, a.Save(dir))
		path := Files(dir)[0]
		read := func() (config map[string]any) {
			text, err := os.ReadFile(path)
			must(t, err)
			must(t, json.Unmarshal(text, &config))
			return config
		}
		config := read()
		want := read()
		want["target_modules"] = []any{"down_proj", "q_proj"}
		switch was {
		case "none":
			delete(config, "target_modules")
		case "null":
			config["target_modules"] = nil
		case "named":
			config["target_modules"] = "all-linear"
			want["target_modules"] = "all-linear"
		}
		text, err := json.Marshal(config)
		must(t, err)
		must(t, os.WriteFile(path, text, 0o666))
		must(t, Complete(dir))
		if got := read(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", was, got, want)
		}
		if was == "named" {
			continue
		}
		if _, err := Read(dir, shape()); err != nil {
			t.Errorf("%s: %v", was, err)
		}
		must(t, os.WriteFile(path, []byte(`{"peft_type":"LORA"}`), 0o666))
		for _, broken := range []string{"", "not tensors", "\x02\x00\x00\x00\x00\x00\x00\x00{}"} {
			must(t, os.WriteFile(Files(dir)[1], []byte(broken), 0o666))
			if err := Complete(dir); err == nil || !strings.Contains(err.Error(), Files(dir)[1]) {
				t.Errorf("%q: %v", broken, err)
			}
		}
		for _, broken := range []string{"", "[]", "{"} {
			must(t, os.WriteFile(path, []byte(broken), 0o666))
			if err := Complete(dir); err == nil {
				t.Errorf("%q is a configuration", broken)
			}
		}
	}
}
