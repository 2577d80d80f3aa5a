package remote

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"ballast/loss"
	"ballast/tinker/tinkertest"
)

// TestPull: what the server keeps for sampling comes here file by file; a folder that is there
// is not written over.
func TestPull(t *testing.T) {
	b := start(t, tinkertest.SkyRL(), Options{Reduction: Mean})
	if _, err := b.Update(t.Context(), b.samples(t, 1, loss.TermCrossEntropy), 0.01); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() + "/checkpoint"
	if err := b.Save(dir); err != nil {
		t.Fatal(err)
	}
	m, err := ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir() + "/adapter"
	names, err := Pull(t.Context(), b.client, &m, out)
	if err != nil || len(names) == 0 {
		t.Fatalf("%q, %v", names, err)
	}
	entries, err := os.ReadDir(out)
	if err != nil || len(entries) != len(names) {
		t.Errorf("%v, %v, want %q", entries, err, names)
	}
	if _, err := Pull(t.Context(), b.client, &m, out); err == nil {
		t.Error("a folder was written over")
	}
	m.Sampler = "tinker://nobody/nothing"
	if _, err := Pull(t.Context(), b.client, &m, t.TempDir()+"/x"); err == nil {
		t.Error("weights that the server does not know came")
	}
}

// FuzzUnpack: an archive of a stranger writes plain files into its folder alone, or is an error.
func FuzzUnpack(f *testing.F) {
	add := func(headers ...tar.Header) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			if err := w.WriteHeader(&h); err != nil {
				f.Fatal(err)
			}
			if _, err := w.Write(make([]byte, h.Size)); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	add(tar.Header{Name: "a/adapter_config.json", Typeflag: tar.TypeReg, Size: 3, Mode: 0o644})
	add(tar.Header{Name: "../../escape", Typeflag: tar.TypeReg, Size: 1},
		tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc"})
	add(tar.Header{Name: "d/", Typeflag: tar.TypeDir}, tar.Header{Name: ".archive", Typeflag: tar.TypeReg})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := filepath.Join(t.TempDir(), "in")
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		names, err := unpack(bytes.NewReader(data), dir)
		if beside, _ := os.ReadDir(filepath.Dir(dir)); len(beside) != 1 {
			t.Fatalf("%v", beside)
		}
		entries, _ := os.ReadDir(dir)
		if err == nil && len(entries) != len(names) {
			t.Fatalf("%q, and there are %v", names, entries)
		}
		for _, e := range entries {
			if !e.Type().IsRegular() {
				t.Fatalf("%v is no plain file", e)
			}
		}
	})
}
