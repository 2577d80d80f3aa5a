//go:build unix

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ballast/hub/hubtest"
)

// TestHubInterrupted: a signal ends a download at once, with its exit code, and the same
// command goes on where it was. Two commands at the same time download it once.
func TestHubInterrupted(t *testing.T) {
	dir := t.TempDir()
	if err := writeModel(filepath.Join(dir, "m")); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range []string{"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "model.safetensors"} {
		data, err := os.ReadFile(filepath.Join(dir, "m", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	h := hubtest.New()
	t.Cleanup(h.Close)
	h.Commit("Org/tiny", files)
	begin := func(args ...string) *child {
		c := command(t, "ballast", args...)
		c.cmd.Dir, c.cmd.Env = dir, append(c.cmd.Environ(), "HF_ENDPOINT="+h.URL, "HF_HUB_CACHE="+filepath.Join(dir, "hub"), "HF_HUB_OFFLINE=", "HF_TOKEN=")
		return c.begin()
	}
	for _, args := range [][]string{{"eval", "--model", "Org/tiny", "--count", "1"}, {"train", "grpo", "--model", "Org/tiny"}, {"model", "convert", "Org/tiny", "out"}} {
		h.Fault("model.safetensors", hubtest.Fault{Pause: 20 * time.Millisecond})
		before := size(dir)
		c := begin(args...)
		c.until(func() bool { return size(dir) > before })
		if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code := c.code(); code != 130 || !strings.Contains(c.stderr.String(), "the same command goes on") {
			t.Errorf("%q: exit code %d: %s", args, code, &c.stderr)
		}
	}
	h.Requests()
	a, b := begin("model", "inspect", "Org/tiny"), begin("model", "convert", "Org/tiny", "out")
	for _, c := range []*child{a, b} {
		if code := c.code(); code != 0 {
			t.Errorf("exit code %d: %s", code, &c.stderr)
		}
	}
	weights := slices.DeleteFunc(h.Requests(), func(r hubtest.Request) bool {
		return !strings.HasSuffix(r.Path, ".safetensors") || strings.HasSuffix(h.URL, r.Host)
	})
	if len(weights) != 1 || !strings.HasPrefix(weights[0].Range, "bytes=") {
		t.Errorf("%+v", weights)
	}
}

// size is how many bytes came of the weights that are not there whole.
func size(dir string) (n int64) {
	list, _ := filepath.Glob(filepath.Join(dir, "hub", "*", "blobs", "*.incomplete"))
	for _, path := range list {
		if info, err := os.Stat(path); err == nil {
			n += info.Size()
		}
	}
	return n
}
