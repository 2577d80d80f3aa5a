package confined

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// markBase is above every value that a program would give RLIMIT_LOCKS, which Linux has not
// enforced since 2.4. A process inherits it, whatever it does to its environment, session and parents.
const markBase = 1 << 40

// adopt makes this process the parent of orphans below it.
func adopt() error {
	// Best effort: no core files of strangers.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// attributes: a session of its own, without a terminal, and an end with the supervisor's.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// marked runs a fork whose child has the mark of a program. Nothing else forks meanwhile.
func marked(id uint64, fork func() error) error {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_LOCKS, &old); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_LOCKS, &unix.Rlimit{Cur: markBase + id, Max: old.Max}); err != nil {
		return err
	}
	defer unix.Setrlimit(unix.RLIMIT_LOCKS, &old)
	return fork()
}

// mark is the program that a process belongs to, 0 if nobody knows.
func mark(pid int) uint64 {
	var l unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &l); err != nil || l.Cur < markBase || l.Cur > 2*markBase {
		return 0
	}
	return l.Cur - markBase
}

// below lists the living processes below one. roots are those of programs: what has no mark
// belongs to the root above it.
func below(top int, roots map[int]uint64) (out []member) {
	all, parent := processes()
	page := int64(os.Getpagesize())
	for _, p := range all {
		under, root := false, uint64(0)
		for at, steps := p.pid, 0; at > 1 && steps <= len(all); at, steps = parent[at], steps+1 {
			if root == 0 {
				root = roots[at]
			}
			if parent[at] == top {
				under = true
				break
			}
		}
		if !under || p.dead {
			continue
		}
		tree := mark(p.pid)
		if tree == 0 {
			tree = root
		}
		out = append(out, member{p.pid, tree, p.pages * page})
	}
	return out
}

// stat is what /proc says of a process.
type stat struct {
	pid   int
	dead  bool
	pages int64
}

// processes lists all processes, and the parent of each.
func processes() (all []stat, parent map[int]int) {
	parent = map[int]int{}
	names, _ := os.ReadDir("/proc") // without it, process groups are all that can be ended
	buf := make([]byte, 1024)
	for _, e := range names {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// pid (comm) state ppid ...; comm may hold anything
		text := readInto("/proc/"+e.Name()+"/stat", buf)
		at := bytes.LastIndexByte(text, ')')
		if at < 0 {
			continue
		}
		f := bytes.Fields(text[at+1:])
		if len(f) < 22 {
			continue
		}
		ppid, _ := strconv.Atoi(string(f[1]))
		pages, _ := strconv.ParseInt(string(f[21]), 10, 64)
		parent[pid] = ppid
		all = append(all, stat{pid, f[0][0] == 'Z' || f[0][0] == 'X', pages})
	}
	return all, parent
}

// readInto reads a small file of /proc.
func readInto(path string, buf []byte) []byte {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	n, err := syscall.Read(fd, buf)
	if err != nil || n <= 0 {
		return nil
	}
	return buf[:n]
}
