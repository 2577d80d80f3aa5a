package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// status FILE COMMAND runs a command whose output goes to a file, hands SIGTERM and SIGINT on to it, and says
// with which status it ended: a script can wait for a command behind it, but not ask for its status.
// A script that fails interrupts what runs behind it, so that no server outlives one.
func status() {
	out, err := os.Create(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, os.Interrupt)
	c := exec.Command(os.Args[2], os.Args[3:]...)
	c.Stdout, c.Stderr = out, os.Stderr
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	go func() { c.Process.Signal(<-told) }()
	c.Wait()
	fmt.Println("status", c.ProcessState.ExitCode())
}

// address waits until the file with a server's output says where it is.
func address(ts *testscript.TestScript, file string) string {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(file))
		if url := regexp.MustCompile(`http://\S+`).Find(text); err == nil && url != nil && bytes.HasSuffix(text, []byte("\n")) {
			return string(url)
		}
	}
	ts.Fatalf("%s names no address after a minute", file)
	return ""
}

// play FILE TASK ANSWERS plays one trajectory of a task over verl-tool's protocol, with the replies that stand
// in a file, one a line. Its standard output is what is observed, and at the end the reward.
func play(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("play FILE TASK ANSWERS")
	}
	url := address(ts, args[0])
	var task any = args[1]
	if n, err := strconv.Atoi(args[1]); err == nil { // an index
		task = n
	}
	for i, text := range strings.Split(strings.TrimSpace(ts.ReadFile(args[2])), "\n") {
		body, err := json.Marshal(map[string]any{"trajectory_ids": []string{"t-" + args[1]}, "actions": []string{text},
			"extra_fields": []any{map[string]any{"ballast_task": task, "ballast_step": i}}})
		ts.Check(err)
		res, err := http.Post(url+"/get_observation", "application/json", bytes.NewReader(body))
		ts.Check(err)
		answer, err := io.ReadAll(res.Body)
		res.Body.Close()
		ts.Check(err)
		var seen struct {
			Observations []struct {
				Obs    string
				Reward *float64
				Error  string
			}
			Dones, Valids []bool
		}
		if err := json.Unmarshal(answer, &seen); err != nil || res.StatusCode != http.StatusOK || len(seen.Observations) != 1 {
			ts.Fatalf("%s: %s", res.Status, answer)
		}
		o := seen.Observations[0]
		fmt.Fprintf(ts.Stdout(), "%s valid=%v done=%v error=%q\n", strings.ReplaceAll(o.Obs, "\n", " "), seen.Valids[0], seen.Dones[0], o.Error)
		if o.Reward != nil {
			fmt.Fprintf(ts.Stdout(), "reward %v\n", *o.Reward)
		}
	}
}

// terminate sends SIGTERM to what runs behind a script.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// gone FOLDER: there were processes that left their numbers in a folder, and none is left.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	list, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*"))
	ts.Check(err)
	if len(list) == 0 {
		ts.Fatalf("%s names no process", args[0])
	}
	for _, path := range list {
		pid, err := strconv.Atoi(filepath.Base(path))
		ts.Check(err)
		p, err := os.FindProcess(pid)
		ts.Check(err)
		if err := p.Signal(syscall.Signal(0)); !errors.Is(err, os.ErrProcessDone) {
			ts.Fatalf("process %d is still there (%v)", pid, err)
		}
	}
}
