//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package confined

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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

// actor makes this test binary a program that misbehaves: its first argument is what it does.
const actor = "-act="

func TestMain(m *testing.M) {
	Main()
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], actor) {
		act(strings.TrimPrefix(os.Args[1], actor), os.Args[2:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// act is the program.
func act(what string, args []string) {
	switch what {
	case "echo":
		_, _ = io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stderr, "all was echoed")
	case "exit":
		fmt.Fprintln(os.Stderr, "no good")
		os.Exit(7)
	case "env":
		dir, _ := os.Getwd()
		fmt.Println("DIR=" + dir)
		for _, v := range os.Environ() {
			fmt.Println(v)
		}
	case "args":
		fmt.Println(strings.Join(args, "\n"))
		_ = os.WriteFile("left-behind", nil, 0o600)
	case "hang":
		time.Sleep(time.Hour)
	case "flood":
		for {
			fmt.Println(strings.Repeat("x", 1000))
		}
	case "noise":
		for i := range 5000 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
	case "grow":
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 1 << 10 { // some of every page
				b[i] = 1
			}
			all = append(all, b)
			time.Sleep(time.Millisecond)
		}
	case "answer": // one line of the length that is asked for
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			n, _ := strconv.Atoi(in.Text())
			fmt.Println(strings.Repeat("x", n))
		}
	case "tree": // args: how a grandchild escapes, and the file in which all note their numbers
		family(args[0], args[1])
	case "sit":
		note(args[0])
		time.Sleep(time.Hour)
	case "trainer":
		p, err := Start(context.Background(), me("tree", "session", args[0]))
		if err != nil {
			fmt.Println(err)
		}
		<-p.Done()
	}
}

// family starts processes that escape, each in its way, and stays.
func family(how, file string) {
	note(file)
	start := func(session bool, what ...string) {
		c := exec.Command(thisFile(), append([]string{actor + what[0]}, what[1:]...)...)
		c.SysProcAttr = newSession(session)
		if how == "bare" {
			c.Env = []string{"BARE=1"}
		}
		if err := c.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	switch how {
	case "session", "bare":
		start(false, "sit", file)
		start(true, "sit", file)
		start(true, "tree", "orphans", file)
		time.Sleep(time.Hour)
	case "orphans": // leaves children of its own and is gone
		start(true, "sit", file)
		start(false, "sit", file)
	case "ends":
		start(true, "sit", file)
		for !strings.Contains(read(file), " ") {
			time.Sleep(time.Millisecond)
		}
	}
}

// thisFile is the file of this program.
func thisFile() string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exe
}

// note adds the number of this process to a file, with a space behind it where another stands there.
func note(file string) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	sep := ""
	if info, _ := f.Stat(); info.Size() > 0 {
		sep = " "
	}
	fmt.Fprintf(f, "%s%d", sep, os.Getpid())
	f.Close()
}

func read(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

// me is this binary as a program.
func me(what string, args ...string) Command {
	return Command{Argv: append([]string{thisFile(), actor + what}, args...)}
}

func run(t *testing.T, c Command, stdin string) Result {
	t.Helper()
	r, err := Run(t.Context(), c, []byte(stdin))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRun(t *testing.T) {
	big := strings.Repeat("0123456789", 100_000)
	r := run(t, me("echo"), big)
	if r.Err() != nil || string(r.Stdout) != big || r.Stderr != "all was echoed\n" {
		t.Errorf("%+v with %d bytes", r.Exit, len(r.Stdout))
	}
	r = run(t, me("exit"), big) // reads nothing
	if r.Code != 7 || r.Err() == nil || r.Err().Error() != "exit status 7" || r.Stderr != "no good\n" {
		t.Errorf("%+v", r)
	}
}

// TestEnvironment: no key of this process reaches a program.
func TestEnvironment(t *testing.T) {
	t.Setenv("SOME_API_KEY", "secret")
	t.Setenv("WANTED", "yes=1")
	c := me("env")
	c.Env = []string{"WANTED"}
	r := run(t, c, "")
	have := map[string]string{}
	for line := range strings.Lines(string(r.Stdout)) {
		name, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		have[name] = v
	}
	home, _ := os.UserHomeDir()
	for name, ok := range map[string]bool{
		"PATH": have["PATH"] == os.Getenv("PATH"), "HOME": have["HOME"] != home && have["HOME"] != "", "LANG": have["LANG"] != "",
		"TMPDIR": runtime.GOOS == "windows" || strings.Contains(have["TMPDIR"], "ballast-confined-"), "WANTED": have["WANTED"] == "yes=1",
		"DIR": strings.Contains(have["DIR"], "ballast-confined-"),
	} {
		if !ok {
			t.Errorf("%s is %q", name, have[name])
		}
	}
	if strings.Contains(string(r.Stdout), "secret") || runtime.GOOS == "linux" && len(have) != 6 {
		t.Errorf("the program got\n%s", r.Stdout)
	}
	if _, err := os.Stat(have["DIR"]); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
	c.Env = []string{"NOT_SET_AT_ALL"}
	if _, err := Run(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "NOT_SET_AT_ALL, which the program is to get, is not set") {
		t.Error(err)
	}
}

// TestNames: files of our working directory are found from another one.
func TestNames(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	for _, f := range []string{"data.json", "word/x", "both"} {
		_ = os.MkdirAll(filepath.Dir(f), 0o700)
		_ = os.WriteFile(f, nil, 0o600)
	}
	other := t.TempDir()
	_ = os.WriteFile(filepath.Join(other, "both"), nil, 0o600)
	abs := func(name string) string { return filepath.Join(here, name) }
	for _, c := range []struct{ arg, fresh, in string }{
		{"data.json", abs("data.json"), abs("data.json")},
		{"none.json", "none.json", "none.json"},
		{"word", "word", "word"},
		{"./word", abs("word"), abs("word")},
		{"word/x", abs("word/x"), abs("word/x")},
		{"--db=data.json", "--db=" + abs("data.json"), "--db=" + abs("data.json")},
		{"-x", "-x", "-x"},
		{"", "", ""},
		{"both", abs("both"), "both"},
		{"/etc", "/etc", "/etc"},
	} {
		for dir, want := range map[string]string{"": c.fresh, other: c.in} {
			cmd := me("args", c.arg)
			cmd.Dir = dir
			r, err := cmd.resolve()
			if err != nil || r.Argv[2] != want {
				t.Errorf("%q in %q: %q, %v, want %q", c.arg, dir, r.Argv[2:], err, want)
			}
		}
	}
	cmd := me("args", "both")
	cmd.Dir = other
	if r := run(t, cmd, ""); string(r.Stdout) != "both\n" {
		t.Errorf("%q", r.Stdout)
	}
	if _, err := os.Stat(filepath.Join(other, "left-behind")); err != nil {
		t.Error("a folder that was given stays, with what was written to it")
	}
	for _, c := range []struct {
		cmd  Command
		want string
	}{
		{Command{}, "no program to run"},
		{Command{Argv: []string{"surely-no-such-program"}}, "surely-no-such-program"},
		{Command{Argv: []string{thisFile()}, Dir: "nowhere"}, "nowhere is no folder"},
		{Command{Argv: []string{thisFile()}, Env: []string{"A=b"}}, "give the name alone"},
		{Command{Argv: []string{abs("data.json")}}, "data.json"},
	} {
		if _, err := Run(t.Context(), c.cmd, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.cmd.Argv, err, c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		what   string
		limits Limits
		want   string
	}{
		{"hang", Limits{Time: 300 * time.Millisecond}, "the limit on time (300ms)"},
		{"flood", Limits{Output: 100_000}, "the limit on output (97.66 KiB)"},
		{"grow", Limits{Memory: 64 << 20}, "the limit on memory (64 MiB)"},
	} {
		t.Run(c.what, func(t *testing.T) {
			if runtime.GOOS != "linux" && c.what == "grow" {
				t.Skip("nobody watches memory there")
			}
			cmd := me(c.what)
			cmd.Limits = c.limits
			r := run(t, cmd, "")
			var limit *LimitError
			if !errors.As(r.Err(), &limit) || limit.Limit != r.Limit || !strings.Contains(r.Err().Error(), c.want) {
				t.Errorf("%v, want %s", r.Err(), c.want)
			}
			if n := int64(len(r.Stdout)); n > 0 && n != c.limits.Output {
				t.Errorf("%d bytes of output", n)
			}
		})
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("enough"))
	defer cancel()
	if _, err := Run(ctx, me("hang"), nil); err == nil || err.Error() != "enough" {
		t.Error(err)
	}
}

// lines is a log.
type lines struct{ strings.Builder }

func TestStderr(t *testing.T) {
	cmd, log := me("noise"), &lines{}
	cmd.Log = log
	r := run(t, cmd, "")
	if len(r.Stderr) != StderrTail || !strings.HasSuffix(r.Stderr, "line 4999\n") {
		t.Errorf("%d bytes that end in %q", len(r.Stderr), r.Stderr[max(0, len(r.Stderr)-20):])
	}
	if n := strings.Count(log.String(), "\n"); n != 5000 {
		t.Errorf("%d lines were logged", n)
	}
}

// TestDialogue: the limit on output counts from the last input on.
func TestDialogue(t *testing.T) {
	cmd := me("answer")
	cmd.Limits.Output = 1000
	p, err := Start(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(0)
	out := bufio.NewReader(p.Stdout)
	for range 20 {
		fmt.Fprintln(p.Stdin, 900)
		if line, err := out.ReadString('\n'); err != nil || len(line) != 901 {
			t.Fatalf("%d bytes, %v", len(line), err)
		}
	}
	if n, err := p.Memory(t.Context()); err != nil || runtime.GOOS == "linux" && (n < 1<<20 || n > 1<<30) {
		t.Errorf("%d bytes resident, %v", n, err)
	}
	fmt.Fprintln(p.Stdin, 5000)
	var limit *LimitError
	if _, err := io.ReadAll(out); !errors.As(err, &limit) || limit.Limit != LimitOutput {
		t.Error(err)
	}
	if e := p.Wait(); e.Limit != LimitOutput {
		t.Errorf("%+v", e)
	}
	if _, err := fmt.Fprintln(p.Stdin, 1); err == nil {
		t.Error("it can be written to")
	}
	if n, err := p.Memory(t.Context()); err == nil { // and it does not wait for an answer that never comes
		t.Errorf("%d bytes resident of a program that is gone", n)
	}
}

// TestGrace: a program may end by itself when its input ends.
func TestGrace(t *testing.T) {
	for what, want := range map[string]string{"answer": "", "hang": "it was ended"} {
		p, err := Start(t.Context(), me(what))
		if err != nil {
			t.Fatal(err)
		}
		grace := 10 * time.Second
		if what == "hang" {
			grace = 50 * time.Millisecond
		}
		p.Close(grace)
		p.Close(grace)
		if got := fmt.Sprint(p.Wait().Err()); got != want && !(want == "" && got == "<nil>") {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// alive reports whether a process runs.
func alive(pid int) bool {
	text := read(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(text, ") ")
	return rest != "" && rest[0] != 'Z' && syscall.Kill(pid, 0) == nil
}
