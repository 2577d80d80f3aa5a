//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package mcp

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// noneLeft fails if a server of this test binary is left. Where there is no /proc nobody looks.
func noneLeft(t testing.TB) {
	t.Helper()
	var left []string
	for range 300 {
		left = nil
		all, _ := os.ReadDir("/proc")
		for _, e := range all {
			line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
			args := bytes.Split(line, []byte{0})
			if err == nil && len(args) > 1 && string(args[0]) == thisFile() && strings.HasPrefix(string(args[1]), serveFlag) {
				left = append(left, fmt.Sprintf("%s: %q", e.Name(), args))
			}
		}
		if left == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("processes are left: %v", left)
}
