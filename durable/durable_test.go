package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	for _, text := range []string{"one", "two, longer", ""} {
		must(t, ReplaceBytes(path, []byte(text)))
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
	}
	must(t, ReplaceBytes(path, []byte("good")))
	broken := errors.New("broken")
	if err := Replace(path, func(w io.Writer) error { w.Write([]byte("half")); return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	full := func(*os.File, []byte) (int, error) { return 0, syscall.ENOSPC }
	if err := ReplaceWith(full, path, func(w io.Writer) error { _, err := w.Write([]byte("x")); return err }); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "good" {
		t.Errorf("after failures: %q", got)
	}
	if got := names(t, dir); got != "a.json" {
		t.Errorf("left: %s", got)
	}
	if err := ReplaceBytes(filepath.Join(dir, "none", "x"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o777))
	if err := ReplaceBytes(filepath.Join(dir, "folder"), nil); err == nil {
		t.Error("a folder was replaced")
	}
}

// TestNoLinkIsFollowed: a link's place is taken, a log and a lock refuse one.
func TestNoLinkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	far := filepath.Join(t.TempDir(), "far")
	must(t, os.WriteFile(far, []byte("theirs"), 0o666))
	link := filepath.Join(dir, "link")
	for _, target := range []string{far, filepath.Join(dir, "nowhere")} {
		os.Remove(link)
		must(t, os.Symlink(target, link))
		if _, err := OpenLog(link, nil); err == nil || !strings.Contains(err.Error(), "link") {
			t.Errorf("log: %v", err)
		}
		if _, err := Lock(link); err == nil || !strings.Contains(err.Error(), "link") {
			t.Errorf("lock: %v", err)
		}
		must(t, ReplaceBytes(link, []byte("ours")))
		if info, err := os.Lstat(link); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	if got, _ := os.ReadFile(far); string(got) != "theirs" {
		t.Errorf("the link's target holds %q", got)
	}
	if got := names(t, dir); got != "link" {
		t.Errorf("left: %s", got)
	}
	hard := filepath.Join(dir, "hard")
	must(t, os.Link(far, hard))
	if _, err := OpenLog(hard, nil); err == nil || !strings.Contains(err.Error(), "hard link") {
		t.Errorf("log: %v", err)
	}
	must(t, ReplaceBytes(hard, []byte("ours")))
	if got, _ := os.ReadFile(far); string(got) != "theirs" {
		t.Errorf("the other name holds %q", got)
	}
	must(t, os.Remove(hard))
	pipe := filepath.Join(dir, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o666))
	if _, err := OpenLog(pipe, nil); err == nil {
		t.Error("a pipe was opened")
	}
}

// TestFree: what ballast did not write is not taken, whatever it is.
func TestFree(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(at("ours"), []byte("=== one"), 0o666))
	must(t, os.WriteFile(at("theirs"), []byte("notes"), 0o666))
	must(t, os.WriteFile(at("empty"), nil, 0o666))
	must(t, os.Mkdir(at("folder"), 0o777))
	must(t, os.Symlink(at("ours"), at("link")))
	must(t, syscall.Mkfifo(at("pipe"), 0o666))
	for name, free := range map[string]bool{"none": true, "ours": true, "empty": true, "theirs": false, "folder": false, "link": false, "pipe": false} {
		err := Free(at(name), func(head []byte) bool { return strings.HasPrefix(string(head), "=== ") })
		if free != (err == nil) || !free && !strings.Contains(err.Error(), "another place") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEdit: a user's file is changed where it lies, and keeps who may read it.
func TestEdit(t *testing.T) {
	dir := t.TempDir()
	far, link := filepath.Join(t.TempDir(), "far"), filepath.Join(dir, "link")
	must(t, os.WriteFile(far, []byte("old"), 0o600))
	must(t, os.Symlink(far, link))
	must(t, Edit(link, []byte("new")))
	info, err := os.Lstat(link)
	must(t, err)
	if got, _ := os.ReadFile(far); string(got) != "new" || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("%q, the link is %v", got, info.Mode())
	}
	if info, _ := os.Stat(far); info.Mode().Perm() != 0o600 {
		t.Errorf("permissions %v", info.Mode())
	}
	if err := Edit(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestSubfolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "in")
	for range 2 {
		must(t, Subfolder(path))
	}
	must(t, os.Symlink(t.TempDir(), filepath.Join(dir, "link")))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o666))
	for _, name := range []string{"link", "file"} {
		if err := Subfolder(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReplaceSparesDevices: a link to a device, as /dev/stdout is one, is no place for a file.
func TestReplaceSparesDevices(t *testing.T) {
	link := filepath.Join(t.TempDir(), "stdout")
	must(t, os.Symlink("/dev/null", link))
	if err := ReplaceBytes(link, []byte("x")); err == nil || !strings.Contains(err.Error(), "no file") {
		t.Error(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestUmask(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	dir := t.TempDir()
	must(t, ReplaceBytes(filepath.Join(dir, "a"), nil))
	l, err := OpenLog(filepath.Join(dir, "b"), nil)
	must(t, err)
	must(t, l.Close())
	for _, name := range []string{"a", "b"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// TestLeftovers: what a dead process left goes, what a living one writes and what
// others made stays.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	dead := aside(path)
	must(t, os.WriteFile(dead, []byte("half"), 0o666))
	for _, name := range []string{".a.ballast-short", ".a", "a.ballast-ABCDEFGH", ".b.ballast-ABCDEFGH"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o666))
	}
	must(t, Replace(path, func(w io.Writer) error { // another writer of the same file meanwhile
		return ReplaceBytes(path, []byte("inner"))
	}))
	if got, want := names(t, dir), ".a .a.ballast-short .b.ballast-ABCDEFGH a a.ballast-ABCDEFGH"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	dead := aside(path)
	must(t, os.Mkdir(dead, 0o777))
	must(t, os.WriteFile(filepath.Join(dead, "half"), nil, 0o666))
	must(t, os.Mkdir(path, 0o777)) // empty: may be replaced
	must(t, Folder(path, func(d string) error {
		if err := Sweep(dir, func(string) bool { return true }); err != nil { // of another process meanwhile
			return err
		}
		return os.WriteFile(filepath.Join(d, "a"), []byte("x"), 0o666)
	}))
	if got, in := names(t, dir), names(t, path); got != "out" || in != "a" {
		t.Errorf("%s holds %s", got, in)
	}
	broken := errors.New("broken")
	other := filepath.Join(dir, "other")
	for target, fill := range map[string]func(string) error{
		path:  func(string) error { return nil }, // it is not empty
		other: func(d string) error { os.WriteFile(filepath.Join(d, "a"), nil, 0o666); return broken },
	} {
		if err := Folder(target, fill); err == nil || target == other && !errors.Is(err, broken) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if got, in := names(t, dir), names(t, path); got != "out" || in != "a" {
		t.Errorf("%s holds %s", got, in)
	}
}

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for range 2 {
		f, err := Append(path)
		must(t, err)
		f.WriteString("x\n")
		must(t, f.Close())
	}
	if got, _ := os.ReadFile(path); string(got) != "x\nx\n" {
		t.Errorf("%q", got)
	}
	link := path + ".link"
	must(t, os.Symlink(path, link))
	if _, err := Append(link); err == nil {
		t.Error("a link was followed")
	}
}

func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				if err := ReplaceBytes(path, []byte(strings.Repeat(string(rune('a'+i)), 10000))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(path)
	must(t, err)
	if len(got) != 10000 || strings.Count(string(got), string(got[0])) != 10000 {
		t.Error("the file is a mixture")
	}
	if left := names(t, dir); left != "a" {
		t.Errorf("left: %s", left)
	}
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	must(t, os.WriteFile(path, []byte("one\ntwo\nhal"), 0o666))
	l, err := OpenLog(path, nil)
	must(t, err)
	if l.Size() != 8 {
		t.Errorf("size %d", l.Size())
	}
	if _, err := OpenLog(path, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("second writer: %v", err)
	}
	must(t, l.Append([]byte("three\n")))
	for at, want := range map[int64]bool{0: true, 4: true, 5: false, 8: true, 14: true} {
		if got, err := l.Boundary(at); err != nil || got != want {
			t.Errorf("boundary %d: %v, %v", at, got, err)
		}
	}
	must(t, l.Cut(4))
	must(t, l.Append([]byte("zwei\n")))
	must(t, l.Close())
	if got, _ := os.ReadFile(path); string(got) != "one\nzwei\n" {
		t.Errorf("%q", got)
	}
}

func TestLogOnABadDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	fail := false
	l, err := OpenLog(path, func(f *os.File, p []byte) (int, error) {
		if fail {
			n, _ := f.Write(p[:2])
			return n, syscall.ENOSPC
		}
		return f.Write(p)
	})
	must(t, err)
	must(t, l.Append([]byte("first\n")))
	fail = true
	if err := l.Append([]byte("second\n")); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	fail = false
	must(t, l.Append([]byte("third\n")))
	if got, _ := os.ReadFile(path); string(got) != "first\nthird\n" {
		t.Errorf("%q", got)
	}
	must(t, l.file.Close())
	if err := l.Append([]byte("x\n")); err == nil || l.Broken() == nil {
		t.Errorf("a log that cannot be mended goes on: %v", err)
	}
}

// TestLockEndsWithTheProcess also shows that the lock holds across processes.
func TestLockEndsWithTheProcess(t *testing.T) {
	if path := os.Getenv("DURABLE_LOCK"); path != "" {
		if _, err := Lock(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("locked")
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	path := filepath.Join(t.TempDir(), "lock")
	exe, err := os.Executable()
	must(t, err)
	child := exec.Command(exe, "-test.run", "TestLockEndsWithTheProcess")
	child.Env = append(os.Environ(), "DURABLE_LOCK="+path)
	in, err := child.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	if _, err := io.ReadFull(out, make([]byte, 7)); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second holder: %v", err)
	}
	must(t, child.Process.Kill())
	child.Wait()
	unlock, err := Lock(path)
	must(t, err)
	must(t, unlock())
}

func TestName(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{"", ".", "..", "/../../x", "a b", "a_b", "a%20b", "a/b", `a\b`, "rl.lr=1e-6", "phases=[{rl: 2}]", "-x", ".git", "é", "a\x00b",
		strings.Repeat("x", 300), strings.Repeat("x", 301), strings.Repeat("/", 100), "%", "CON", "a:b", "a*b", "\n"} {
		name := Name(text)
		if other, twice := seen[name]; twice {
			t.Errorf("%q and %q are both %s", text, other, name)
		}
		seen[name] = text
		if filepath.Base(name) != name || name == "." || name == ".." || len(name) > maxName || name[0] == '.' || strings.ContainsAny(name, "/\\\x00 ") {
			t.Errorf("%q: %q", text, name)
		}
	}
	if got := Name("rl.lr=1e-6,seed=1"); got != "rl.lr=1e-6,seed=1" {
		t.Error(got)
	}
}

func FuzzName(f *testing.F) {
	f.Add("a b", "a_b")
	f.Fuzz(func(t *testing.T, a, b string) {
		if x, y := Name(a), Name(b); (x == y) != (a == b) || filepath.Base(x) != x {
			t.Errorf("%q %q: %q %q", a, b, x, y)
		}
	})
}
