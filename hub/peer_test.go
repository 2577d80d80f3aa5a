package hub_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ballast/hub"
	"ballast/hub/hubtest"
)

// TestPeer compares caches with huggingface_hub: scripts/peer-hub runs it. Without a
// Python that has it there is nothing to compare with, and nothing is claimed.
func TestPeer(t *testing.T) {
	python := os.Getenv("BALLAST_HF_PYTHON")
	if python == "" {
		t.Log("BALLAST_HF_PYTHON is not set: see scripts/peer-hub")
		return
	}
	p := setup(t, tiny())
	peer := func(cache string, env ...string) string {
		t.Helper()
		cmd := exec.Command(python, append([]string{filepath.Join("..", "scripts", "peer_hub.py"), id}, wanted...)...)
		cmd.Env = append(os.Environ(), append(env, "HF_HUB_CACHE="+cache, "HF_HOME="+t.TempDir(), "HF_ENDPOINT="+p.URL, "HF_HUB_DISABLE_TELEMETRY=1")...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	check := func(out string) {
		t.Helper()
		t.Logf("%s", out)
		if !strings.Contains(out, "snapshot "+p.commit+"\n") {
			t.Error("another commit")
		}
		for _, n := range wanted {
			if want := fmt.Sprintf("file %s %s\n", n, hubtest.SHA256(tiny()[n])); !strings.Contains(out, want) {
				t.Errorf("%s differs", n)
			}
		}
	}
	p.find(p.client(), id)
	check(peer(p.cache, "HF_HUB_OFFLINE=1"))

	ours := p.cache
	p.cache = filepath.Join(t.TempDir(), "theirs")
	check(peer(p.cache))
	f := p.find(p.client(func(o *hub.Options) { o.Offline = true }), id)
	p.holds(f, wanted...)
	if len(f.Notes) > 0 {
		t.Errorf("%q", f.Notes)
	}
	// Both at the same time, into one cache.
	theirs := p.cache
	p.cache = filepath.Join(t.TempDir(), "both")
	for range 4 {
		p.Fault("model.safetensors", hubtest.Fault{Pause: 100 * time.Millisecond})
	}
	done := make(chan error)
	go func() {
		time.Sleep(500 * time.Millisecond) // a Python begins slowly
		_, err := p.client().Find(context.Background(), name(t, id))
		done <- err
	}()
	check(peer(p.cache))
	if err := <-done; err != nil {
		t.Error(err)
	}
	p.holds(p.find(p.client(func(o *hub.Options) { o.Offline = true }), id), wanted...)
	t.Logf("said %q", p.said)
	p.cache = theirs
	// The same layout: names of contents, links and refs.
	for _, glob := range []string{"blobs/*", "refs/*", "snapshots/*/*"} {
		list := func(cache string) (out []string) {
			dir := filepath.Join(cache, "models--Org--tiny-model")
			paths, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(glob)))
			for _, path := range paths {
				rel, _ := filepath.Rel(dir, path)
				to, _ := os.Readlink(path)
				out = append(out, rel+" "+to)
			}
			return out
		}
		if a, b := strings.Join(list(ours), "\n"), strings.Join(list(p.cache), "\n"); a != b {
			t.Errorf("%s\nours\n%s\ntheirs\n%s", glob, a, b)
		}
	}
}
