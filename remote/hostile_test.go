package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/endpoint"
	"ballast/endpoint/endpointtest"
	"ballast/eval"
	"ballast/remote"
	"ballast/safetext"
)

// serve starts a server of a behaviour.
func serve(t *testing.T, b endpointtest.Behaviour) *endpointtest.Server {
	t.Helper()
	s, err := endpointtest.Start(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// evaluate plays tasks against an address into a folder.
func evaluate(ctx context.Context, url, dir string, tasks []ballast.Task, o remote.Options) (res eval.Result, err error) {
	store, err := eval.OpenStore(dir, map[string]string{"endpoint": url})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	o.URL, o.Key, o.Model, o.Journal = url, endpointtest.Key, "m", filepath.Join(dir, "replies.jsonl")
	c, err := remote.NewClient(o)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return eval.RunStored(ctx, store, tasks, player(c))
}

// clean fails for a folder that holds the key, and returns its replies.
func clean(t *testing.T, dir string) (replies int) {
	t.Helper()
	for _, name := range []string{"settings.json", "episodes.jsonl", "replies.jsonl"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		if bytes.Contains(data, []byte(endpointtest.Key)) {
			t.Errorf("%s holds the key", name)
		}
		if i := bytes.IndexFunc(data, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }); i >= 0 {
			t.Errorf("%s holds a control character at %d", name, i)
		}
		if name == "replies.jsonl" {
			replies = bytes.Count(data, []byte("\n"))
		}
	}
	return replies
}

// TestHostile plays against every behaviour: what is no reply is neither scored nor
// journalled, and nothing of the key or of escapes comes out.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and TestInterrupt races the same")
	}
	tasks := deskTasks(t, 2)
	for _, b := range endpointtest.All() {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, b)
			o := remote.Options{Retries: -1, Concurrency: 2, Timeout: time.Minute, Wait: time.Millisecond}
			if b.Silent {
				o.Timeout = 200 * time.Millisecond
			}
			dir := t.TempDir()
			res, err := evaluate(context.Background(), s.URL, dir, tasks, o)
			said := res.Broken
			if err != nil {
				said = err.Error()
			}
			if strings.Contains(said, endpointtest.Key) || said != safetext.Line(said) {
				t.Errorf("it says %q", said)
			}
			switch replies := clean(t, dir); {
			case b.Kinds == nil && (err != nil || res.Total.All != len(tasks) || replies == 0):
				t.Errorf("%v, %d replies, %s", err, replies, res)
			case b.Kinds != nil && replies > 0:
				t.Errorf("%d replies are journalled", replies)
			case slices.Contains(b.Kinds, endpoint.Full):
				if res.Stops[ballast.StopTokens] != len(tasks) {
					t.Errorf("%s", res.Table())
				}
			case b.Kinds != nil && err == nil && res.Infra != len(tasks):
				t.Errorf("it was scored: %s", res.Table())
			}
		})
	}
}

// TestInterrupt: an evaluation by a silent server ends with the grace after an interrupt, which is a second, and with the second
// interrupt if the grace is an hour. None takes the processor: all run at once.
func TestInterrupt(t *testing.T) {
	tasks := deskTasks(t, 20)
	var all sync.WaitGroup
	for _, b := range endpointtest.Hostile() {
		if !b.Silent {
			continue
		}
		for _, twice := range []bool{false, true} {
			s, dir := serve(t, b), t.TempDir()
			all.Go(func() { interrupted(t, fmt.Sprintf("%s, twice %v", b.Name, twice), s, dir, tasks, twice) })
		}
	}
	all.Wait()
}

// interrupted interrupts an evaluation once, or twice.
func interrupted(t *testing.T, name string, s *endpointtest.Server, dir string, tasks []ballast.Task, twice bool) {
	ctx, first := context.WithCancel(context.Background())
	halt, second := context.WithCancel(context.Background())
	defer second()
	o, limit, at := remote.Options{Halt: halt}, 20*time.Second, make(chan time.Time, 1) // far from what a loaded machine needs
	if twice {
		o.Grace = time.Hour // the second one ends it
		time.AfterFunc(350*time.Millisecond, second)
	}
	time.AfterFunc(300*time.Millisecond, func() { at <- time.Now(); first() })
	_, err := evaluate(ctx, s.URL, dir, tasks, o)
	if took := time.Since(<-at); !errors.Is(err, context.Canceled) || took > limit {
		t.Errorf("%s: %v after %v", name, err, took)
	}
	if n := s.Requests.Load(); n > 8 {
		t.Errorf("%s: %d requests", name, n)
	}
}

// TestMemory plays against every behaviour in a process of its own, eight requests at
// once, and looks at the most memory that it ever had.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/proc/self/status is Linux's")
	}
	if list := os.Getenv("BALLAST_HOSTILE"); list != "" {
		starve(t, list)
		return
	}
	if testing.Short() {
		t.Skip("plays for a while")
	}
	var urls []string
	var servers []*endpointtest.Server
	for _, b := range endpointtest.Hostile() {
		if !b.Silent {
			s := serve(t, b)
			servers, urls = append(servers, s), append(urls, s.URL)
		}
	}
	list, err := json.Marshal(urls)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestMemory$", "-test.v")
	cmd.Env = append(os.Environ(), "BALLAST_HOSTILE="+string(list))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, after, _ := strings.Cut(string(out), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		t.Fatalf("%s", out)
	}
	kb, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("at most %d MB", kb>>10)
	for i, s := range servers {
		if s.Requests.Load() == 0 {
			t.Errorf("server %d was not asked", i)
		}
	}
	if kb > 300_000 {
		t.Errorf("%d MB", kb>>10)
	}
}

// starve is the child of TestMemory.
func starve(t *testing.T, list string) {
	var urls []string
	if err := json.Unmarshal([]byte(list), &urls); err != nil {
		t.Fatal(err)
	}
	tasks := deskTasks(t, 8)
	for i := range tasks { // more turns are more time and no more memory
		tasks[i].Turns = tasks[i].Turns[:1]
	}
	for _, url := range urls {
		o := remote.Options{Retries: -1, Timeout: 20 * time.Second, Wait: time.Millisecond}
		_, _ = evaluate(context.Background(), url, t.TempDir(), tasks, o) // TestHostile looks at that
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM:") {
			fmt.Println(line)
		}
	}
}
