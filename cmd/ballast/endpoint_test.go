package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"ballast/endpoint/endpointtest"
)

// refusing is a chat endpoint whose model never calls anything. It wants a key.
func refusing() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, `{"error": {"message": "no key"}}`, http.StatusUnauthorized)
			return
		}
		message := map[string]any{"role": "assistant", "content": "No."}
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": message, "finish_reason": "stop"}}})
	}))
}

// lacking is a chat endpoint without parsers: its model's calls and thoughts come as text.
// It refuses one conversation of many, once an error of SGLang's kind, and its model's
// context holds one reply.
func lacking() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Messages []struct{ Role, Content string }
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		switch n := len(body.Messages); {
		case n > 1:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"object": "error", "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).", "code": 400}`)
		case strings.Contains(body.Messages[0].Content, "cart"):
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"object": "error", "message": "no \u001b[31mcart here", "code": 400}`)
		default:
			fmt.Fprint(w, `{"choices": [{"message": {"content": "hm</think><tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>"}}]}`)
		}
	}))
}

// TestInterruptAtASilentServer: an evaluation and a training whose judge is asked answer
// an interrupt within two seconds (a training also writes its checkpoint and report),
// also where the shell that began them ignores interrupts; a second writer is refused
// meanwhile.
func TestInterruptAtASilentServer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("signals of Unix")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	silence := endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) { x.Wait() }}
	for _, c := range []struct {
		name, command, want string
		most                time.Duration
	}{
		{"eval", "eval --endpoint $URL --model m --count 8 --out out", "waiting at most 1s", 2 * time.Second},
		{"train", "train hbg --out out --set tasks.count=4 --set tasks.test=2 --set rl.signals.hint.from=judge --set judge.url=$URL --set judge.model=m --set judge.cache=cache",
			"interrupted after update 0; continue with: ballast train --resume out", 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := endpointtest.Start(silence)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			run := func(first string) (*exec.Cmd, *bytes.Buffer) {
				cmd := exec.Command("sh", "-c", first+"exec ./ballast "+c.command)
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr, cmd.Env = &out, &out, append(os.Environ(), "URL="+s.URL)
				return cmd, &out
			}
			dir := t.TempDir()
			if err := os.Symlink(exe, filepath.Join(dir, "ballast")); err != nil {
				t.Fatal(err)
			}
			cmd, out := run("trap '' INT; ")
			cmd.Dir = dir
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for i := 0; s.Requests.Load() == 0; i++ {
				if time.Sleep(20 * time.Millisecond); i > 3000 {
					_ = cmd.Process.Kill()
					t.Fatalf("it asks nothing: %v, %s", cmd.Wait(), out)
				}
			}
			second, said := run("")
			second.Dir = dir
			if err := second.Run(); err == nil || !strings.Contains(said.String(), "out") || strings.Contains(said.String(), "panic") {
				t.Errorf("a second writer: %v, %s", err, said)
			}
			asked := time.Now()
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
			if took := time.Since(asked); cmd.ProcessState.ExitCode() != 130 || took > c.most || !strings.Contains(out.String(), c.want) {
				t.Errorf("%v after %v: %s", err, took, out)
			}
		})
	}
}
