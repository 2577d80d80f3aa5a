package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast/loss"
	"ballast/tinker/tinkertest"
)

// named is what the manifests of checkpoints name, in order.
func manifests(t *testing.T, dirs ...string) (paths []string) {
	t.Helper()
	for _, dir := range dirs {
		m, err := ReadManifest(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range m.paths() {
			if !slices.Contains(paths, p) {
				paths = append(paths, p)
			}
		}
	}
	slices.Sort(paths)
	return paths
}

// TestTidy: the server keeps exactly what the manifests in the run's directory name, over a reset, a
// new reference, checkpoints that are dropped, and a process that goes on; what another process
// keeps there stays.
func TestTidy(t *testing.T) {
	for _, srv := range servers {
		b := start(t, srv.habits, Options{Reduction: srv.reduction})
		other := on(t, b.server, Options{Reduction: srv.reduction})
		theirs := filepath.Join(t.TempDir(), "theirs")
		run := t.TempDir()
		at := func(n int) string { return filepath.Join(run, "checkpoints", fmt.Sprint(n)) }
		must := func(errs ...error) {
			t.Helper()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		}
		check := func(what string, dirs ...string) {
			t.Helper()
			if got, want := b.server.Saved(), manifests(t, append(dirs, theirs)...); !slices.Equal(got, want) {
				t.Errorf("%s, %s: the server keeps\n%q, want\n%q", srv.name, what, got, want)
			}
		}
		must(other.Save(theirs), b.ResetOptimizer(), b.Freeze(), b.Save(at(1)))
		check("a checkpoint", at(1))
		b.Tidy(run)
		check("nothing was dropped", at(1))
		must(b.Freeze(), b.Freeze(), b.Save(at(2))) // the reference of 1 is in its manifest, the one after it in none
		b.Tidy(run)
		check("two checkpoints", at(1), at(2))
		must(os.RemoveAll(at(1)))
		b.Tidy(run)
		check("the first was dropped", at(2))

		again := on(t, b.server, Options{Reduction: srv.reduction})
		again.Tidy(run)
		must(again.Load(at(2)), again.Save(at(3)))
		must(os.RemoveAll(at(2)))
		again.Tidy(run)
		check("in a new process", at(3))
		if _, err := again.Update(t.Context(), again.samples(t, 2, loss.TermReference), 0.01); err != nil {
			t.Errorf("%s: the reference: %v", srv.name, err)
		}
		late := on(t, b.server, Options{Reduction: srv.reduction})
		must(late.Load(at(3)))
	}
}

// TestTidySpares: nothing is deleted where a manifest cannot be read, nor what one names that lies
// behind a link or was written when the server had another address.
func TestTidySpares(t *testing.T) {
	var said []string
	b := start(t, tinkertest.SkyRL(), Options{Reduction: Mean, Say: func(text string) { said = append(said, text) }})
	run, aside := t.TempDir(), filepath.Join(t.TempDir(), "aside")
	first, second := filepath.Join(run, "1"), filepath.Join(run, "2")
	for _, dir := range []string{first, second} {
		if err := b.Save(dir); err != nil {
			t.Fatal(err)
		}
	}
	all := b.server.Saved()
	same := func(what string) {
		t.Helper()
		if got := b.server.Saved(); !slices.Equal(got, all) {
			t.Errorf("%s: the server keeps %q, want %q", what, got, all)
		}
	}
	b.Tidy(run)
	if err := errors.Join(os.Rename(first, aside), os.Symlink(aside, first), os.Symlink("nowhere", filepath.Join(run, "3")),
		os.Symlink(filepath.Join(aside, ManifestFile), filepath.Join(run, "4"))); err != nil {
		t.Fatal(err)
	}
	b.Tidy(run)
	same("behind a link")
	text, err := os.ReadFile(filepath.Join(second, ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.Replace(string(text), b.client.Address(), "http://elsewhere:1", 1)
	if err := os.WriteFile(filepath.Join(second, ManifestFile), []byte(moved), 0o666); err != nil {
		t.Fatal(err)
	}
	b.Tidy(run)
	same("another address")
	if err := errors.Join(os.WriteFile(filepath.Join(second, ManifestFile), []byte("{"), 0o666), os.Remove(first)); err != nil {
		t.Fatal(err)
	}
	b.Tidy(run)
	same("no manifest")
	b.Tidy(filepath.Join(run, "none"))
	same("no directory")
	if len(said) != 1 || !strings.Contains(said[0], "old checkpoints stay") {
		t.Errorf("%q", said)
	}
}

// TestNothingIsLeft: what fails, or is interrupted, on the way to a checkpoint, a reset or another reference leaves nothing on the
// server that no manifest names. Nor does an answer that is lost.
func TestNothingIsLeft(t *testing.T) {
	fails := func(on string) tinkertest.Fault {
		return tinkertest.Fault{On: on, Times: -1, Do: tinkertest.Fails(tinkertest.Detail400, "no room")}
	}
	save := func(b *bench, dir string) error { return b.Save(dir) }
	for _, c := range []struct {
		what  string
		fault tinkertest.Fault
		do    func(b *bench, dir string) error
		fails bool
	}{
		{"half of a checkpoint", fails("save_weights_for_sampler"), save, true},
		{"a folder that cannot be", tinkertest.Fault{}, func(b *bench, dir string) error {
			return errors.Join(os.WriteFile(dir, nil, 0o666), b.Save(filepath.Join(dir, "c")))
		}, true},
		{"an interrupt", tinkertest.Fault{On: "save_weights_for_sampler", Do: tinkertest.Hang}, func(b *bench, dir string) error {
			ctx, cancel := context.WithCancel(t.Context())
			b.Within(ctx)
			go func() {
				for b.server.Ledger().Faults[tinkertest.Hang.String()] == 0 && t.Context().Err() == nil {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			return b.Save(dir)
		}, true},
		{"a reset", fails("load_weights"), func(b *bench, _ string) error { return b.ResetOptimizer() }, true},
		{"a reference at the end", tinkertest.Fault{}, func(b *bench, _ string) error {
			return errors.Join(b.Freeze(), b.Close(t.Context()))
		}, false},
		{"a reference before a checkpoint is loaded", tinkertest.Fault{}, func(b *bench, dir string) error {
			return errors.Join(b.Save(dir), b.Freeze(), b.Load(dir))
		}, false},
		{"lost answers", tinkertest.Fault{On: "save_weights", Do: tinkertest.CutAfter}, save, false},
		{"lost answers of a sampler's", tinkertest.Fault{On: "save_weights_for_sampler", Do: tinkertest.CutAfter}, save, false},
	} {
		for _, srv := range servers {
			b := start(t, srv.habits, Options{Reduction: srv.reduction})
			if c.fault.On != "" {
				b.server.Script(c.fault)
			}
			dir := filepath.Join(t.TempDir(), "c")
			if err := c.do(b, dir); (err != nil) != c.fails {
				t.Errorf("%s, %s: %v", srv.name, c.what, err)
			}
			var want []string
			if !c.fails && !strings.HasSuffix(c.what, "end") {
				want = manifests(t, dir)
			}
			if got := b.server.Saved(); !slices.Equal(got, want) {
				t.Errorf("%s, %s: the server keeps %q, want %q", srv.name, c.what, got, want)
			}
		}
	}
}

// TestWithin: what has no context of its own ends with the one that it was given, however long the
// server would take.
func TestWithin(t *testing.T) {
	for _, op := range []string{"save_weights", "save_weights_for_sampler", "load_weights", "create_model"} {
		b := start(t, tinkertest.SkyRL(), Options{Reduction: Mean})
		dir := filepath.Join(t.TempDir(), "c")
		if err := b.Save(dir); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.Within(ctx)
		b.server.Script(tinkertest.Fault{On: op, Do: tinkertest.HangAfter})
		go func() {
			for ctx.Err() == nil && b.server.Ledger().Faults[tinkertest.HangAfter.String()] == 0 {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		var err error
		switch op {
		case "save_weights":
			err = b.Freeze()
		case "save_weights_for_sampler":
			err = b.Save(filepath.Join(t.TempDir(), "d"))
		case "load_weights":
			err = b.Load(dir)
		case "create_model":
			err = b.ResetOptimizer()
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", op, err)
		}
		cancel()
	}
}
