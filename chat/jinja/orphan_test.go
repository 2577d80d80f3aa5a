package jinja

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"ballast/value"
)

// parentFlag makes this test binary a parent with a busy child.
const parentFlag = "jinja: a parent to be killed"

// busyParent runs in a process of its own: it renders until it is killed.
func busyParent() {
	slow := tight
	slow.Output, slow.Steps, slow.Time = 1<<30, 1<<40, time.Hour
	_, err := apart(context.Background(), endless, []*value.Dict{value.NewDict()}, slow)
	fmt.Fprintln(os.NewFile(1, "out"), err)
	os.Exit(1)
}

// TestOrphan: a child ends with its parent, even when that is killed while a template runs.
func TestOrphan(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are looked up in /proc")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(exe)
	parent.Args = []string{parentFlag}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	child := ""
	for range 500 {
		if child = childOf(parent.Process.Pid); child != "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	_ = parent.Process.Kill()
	_ = parent.Wait()
	if child == "" {
		t.Fatal("the parent has no child")
	}
	for range 500 {
		if line, err := os.ReadFile("/proc/" + child + "/cmdline"); err != nil || !strings.HasPrefix(string(line), childName) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("process %s goes on without its parent", child)
}

// childOf is the process number of a child of a process, or empty.
func childOf(pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err == nil {
		defer f.Close()
		s := bufio.NewScanner(f)
		s.Split(bufio.ScanWords)
		if s.Scan() {
			return s.Text()
		}
	}
	all, _ := os.ReadDir("/proc")
	for _, e := range all {
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == fmt.Sprint(pid) {
			return e.Name()
		}
	}
	return ""
}
