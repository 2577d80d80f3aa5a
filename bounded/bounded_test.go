package bounded

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRegularFilesOnly(t *testing.T) {
	dir := t.TempDir()
	pipe, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "file")
	must(t, syscall.Mkfifo(pipe, 0o666))
	must(t, os.WriteFile(file, []byte("12345"), 0o666))
	for _, path := range []string{dir, pipe, "/dev/zero"} {
		if _, err := ReadFile(path, 10); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(file, link))
	for limit, ok := range map[int64]bool{4: false, 5: true, 6: true} {
		data, err := ReadFile(link, limit)
		if ok != (err == nil) || !ok && !errors.Is(err, ErrTooLarge) || ok && string(data) != "12345" {
			t.Errorf("limit %d: %q, %v", limit, data, err)
		}
	}
}

func TestUnpack(t *testing.T) {
	plain := bytes.Repeat([]byte("ballast "), 1000)
	var gz, zs bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write(plain)
	must(t, g.Close())
	z, err := zstd.NewWriter(&zs)
	must(t, err)
	z.Write(plain)
	must(t, z.Close())
	bz, err := base64.StdEncoding.DecodeString("QlpoOTFBWSZTWf6jAr8AB8+RgEAAMAQMACAAUGACaqGTakHqkGVIPVIOVIMqkG1IPi7kinChIf1GBX4=") // of the same text
	must(t, err)
	for how, data := range map[string][]byte{"": plain, "gzip": gz.Bytes(), "zstd": zs.Bytes(), "bzip2": bz, "zstd ": Pack(plain)} {
		how = strings.TrimSpace(how)
		for _, limit := range []int64{int64(len(plain)) - 1, int64(len(plain)), 1 << 40} {
			r, got, err := Unpack(bytes.NewReader(data), limit)
			must(t, err)
			text, err := io.ReadAll(r)
			if short := limit < int64(len(plain)); got != how || errors.Is(err, ErrTooLarge) != short || !short && !bytes.Equal(text, plain) {
				t.Errorf("%q limit %d: how %q, %d bytes, %v", how, limit, got, len(text), err)
			}
			must(t, r.Close())
		}
	}
	for _, head := range []string{"", "\x1f", "\x1f\x8b", "\x28\xb5\x2f\xfd", "ab", "BZh9", "BZh91AY&SY"} { // short and broken ones
		if r, _, err := Unpack(strings.NewReader(head), 100); err == nil {
			io.ReadAll(r)
			r.Close()
		}
	}
}

func TestLines(t *testing.T) {
	var got []string
	for l, err := range Lines(strings.NewReader("a\n\nbc\r\nlast"), 4) {
		must(t, err)
		got = append(got, string(l.Text))
		if l.Number != len(got) || l.Ended != (len(got) < 4) {
			t.Errorf("%+v", l)
		}
	}
	if strings.Join(got, "|") != "a||bc\r|last" {
		t.Errorf("%q", got)
	}
	for _, err := range Lines(strings.NewReader("ok\n"+strings.Repeat("x", 1<<20)), 1<<10) {
		if err != nil && (!errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "line 2")) {
			t.Error(err)
		}
	}
}

// TestDir: a folder as a file system gives regular files within a limit, links
// included, and waits for no pipe.
func TestDir(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("12345"), 0o666))
	must(t, os.Symlink("file", filepath.Join(dir, "link")))
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o666))
	fsys := Dir(dir)
	for name, want := range map[string]string{"file": "12345", "link": "12345", "pipe": "", "none": "", "../x": "", ".": ""} {
		data, err := ReadFS(fsys, name, 5)
		if (err == nil) != (want != "") || string(data) != want {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if _, err := ReadFS(fsys, "file", 4); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := ReadFS(fsys, "none", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if found, err := fs.Glob(fsys, "l*"); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
	if Regular(filepath.Join(dir, "file")) != nil || Regular(filepath.Join(dir, "pipe")) == nil {
		t.Error("Regular errs")
	}
}
