//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package confined

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func newSession(yes bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: yes} }

// pids waits until a file has n numbers of processes.
func pids(t *testing.T, file string, n int) (out []int) {
	t.Helper()
	for range 2000 {
		if f := strings.Fields(read(file)); len(f) >= n {
			for _, s := range f {
				pid, _ := strconv.Atoi(s)
				out = append(out, pid)
			}
			return out
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the processes are %q, not %d", read(file), n)
	return nil
}

// gone waits until none of the processes is alive.
func gone(t *testing.T, pids []int) {
	t.Helper()
	left := pids
	for range 1000 {
		left = nil
		for _, pid := range pids {
			if alive(pid) {
				left = append(left, pid)
			}
		}
		if left == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	t.Errorf("of %v %v are alive", pids, left)
}

// TestTree: nothing that a program started is left, however it tried: by a session of its own, as an orphan, without the
// environment.
func TestTree(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("orphans are adopted on Linux only")
	}
	for how, n := range map[string]int{"session": 6, "bare": 6, "ends": 2} {
		t.Run(how, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pids")
			p, err := Start(t.Context(), me("tree", how, file))
			if err != nil {
				t.Fatal(err)
			}
			all := pids(t, file, n)
			if how == "ends" { // by itself, and leaves one
				if e := p.Wait(); e.Err() != nil {
					t.Error(e.Err(), p.Stderr())
				}
			}
			p.Close(0)
			for _, pid := range all { // Close has waited
				if alive(pid) {
					t.Errorf("process %d goes on", pid)
				}
			}
		})
	}
}

// TestNeighbours: one program's end is no other's.
func TestNeighbours(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("orphans are adopted on Linux only")
	}
	var files []string
	var all []*Process
	for i := range 4 {
		file := filepath.Join(t.TempDir(), fmt.Sprint(i))
		p, err := Start(t.Context(), me("tree", "session", file))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(0)
		files, all = append(files, file), append(all, p)
	}
	for i, p := range all {
		mine := pids(t, files[i], 6)
		p.Close(0)
		gone(t, mine)
		watched(t)
		for _, file := range files[i+1:] {
			for _, pid := range pids(t, file, 6)[:1] {
				if !alive(pid) {
					t.Errorf("process %d of another program is gone", pid)
				}
			}
		}
	}
}

// TestManyProcesses: the number of processes is a limit too.
func TestManyProcesses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nobody counts them there")
	}
	watched(t)
}

// watched waits until the supervisor has looked at all processes: a program that has too many is ended.
func watched(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pids")
	c := me("tree", "session", file)
	c.Limits.Processes = 2
	p, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(0)
	if e := p.Wait(); e.Limit != LimitProcesses {
		t.Errorf("%+v", e)
	}
}

// TestKilledTrainer: when this process is killed, so is all that it had started.
func TestKilledTrainer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("orphans are adopted on Linux only")
	}
	file := filepath.Join(t.TempDir(), "pids")
	trainer := exec.Command(thisFile(), actor+"trainer", file)
	trainer.Env = append(os.Environ(), "TMPDIR="+filepath.Dir(file))
	if err := trainer.Start(); err != nil {
		t.Fatal(err)
	}
	all := pids(t, file, 6)
	supervisor := parentOf(all[0])
	if !strings.HasPrefix(read(fmt.Sprintf("/proc/%d/cmdline", supervisor)), role) {
		t.Errorf("the parent of %d is %d", all[0], supervisor)
	}
	_ = trainer.Process.Kill()
	_ = trainer.Wait()
	gone(t, append(all, supervisor))
	left, _ := os.ReadDir(filepath.Dir(file))
	if len(left) != 1 {
		t.Errorf("folders are left: %v", left)
	}
}

// TestKilledSupervisor: what it held is known to be gone, and the next program has another.
func TestKilledSupervisor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are looked up in /proc")
	}
	p, err := Start(t.Context(), me("hang"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(0)
	_ = syscall.Kill(parentOf(p.Pid()), syscall.SIGKILL)
	if e := p.Wait(); !strings.Contains(fmt.Sprint(e.Err()), "the supervisor of programs is gone") {
		t.Errorf("%+v", e)
	}
	gone(t, []int{p.Pid()})
	if r := run(t, me("echo"), "again"); string(r.Stdout) != "again" {
		t.Errorf("%+v", r)
	}
}

// immortal is a program that the system does not end.
type immortal struct{ tree }

func (immortal) pid() int    { return 7 }
func (immortal) kill(string) {}

// TestImmortal: Close does not wait without end, and says why it gave up, each time.
func TestImmortal(t *testing.T) {
	defer func(d time.Duration) { closeTime = d }(closeTime)
	closeTime = time.Millisecond
	p := &Process{command: Command{Argv: []string{"stuck"}}, tree: immortal{}, done: make(chan struct{})}
	theirs, err := p.pipes()
	if err != nil {
		t.Fatal(err)
	}
	p.Stdin = p.files[0]
	for range 2 {
		if err := p.Close(0); err == nil || !strings.Contains(err.Error(), "stuck, process 7, was killed") {
			t.Error(err)
		}
	}
	for i, f := range theirs { // what the Process held is given back all the same
		if i > 0 {
			if _, err := f.Write([]byte("x")); err == nil {
				t.Errorf("file %d is still read", i)
			}
		}
		f.Close()
	}
}

func parentOf(pid int) int {
	_, rest, _ := strings.Cut(read(fmt.Sprintf("/proc/%d/stat", pid)), ") ")
	f := strings.Fields(rest)
	if len(f) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(f[1])
	return ppid
}

func TestWithoutMain(t *testing.T) {
	mainCalled.Store(false)
	defer mainCalled.Store(true)
	if _, err := Run(t.Context(), me("echo"), nil); err == nil || !strings.Contains(err.Error(), "call confined.Main()") {
		t.Error(err)
	}
}
