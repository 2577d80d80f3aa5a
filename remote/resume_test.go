package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/eval"
	"ballast/remote"
)

// misbehaving serves gold, but of every seven tasks one is never answered, one fills the
// context, one gets nothing, one what cannot be read, one a thought, and one is broken at
// its first try.
func misbehaving(t *testing.T, tasks []ballast.Task, told func()) *httptest.Server {
	good := newStub(t, tasks, perfect)
	var mu sync.Mutex
	tried := map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		var body struct {
			Messages []struct{ Role, Content string }
		}
		if err = errors.Join(err, json.Unmarshal(data, &body)); err != nil {
			t.Error(err)
		}
		h := fnv.New32a()
		io.WriteString(h, body.Messages[0].Content)
		refuse := func(status int, text string) { w.WriteHeader(status); io.WriteString(w, text) }
		say := func(text string) {
			fmt.Fprintf(w, `{"choices": [{"message": {"content": %q}, "finish_reason": null}], "usage": {"total_tokens": %d}}`, text, len(data))
		}
		defer told()
		switch kind := h.Sum32() % 7; {
		case kind == 0:
			refuse(400, `{"object": "error", "message": "this one I do not take", "code": 400}`)
			return
		case kind == 1 && len(body.Messages) > 1:
			refuse(400, `{"object": "error", "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).", "code": 400}`)
			return
		case kind == 2:
			say("")
			return
		case kind == 3:
			say(`<tool_call>{"name": `)
			return
		case kind == 4:
			say("I would rather not.</think>No.")
			return
		case kind == 5:
			mu.Lock()
			first := !tried[string(data)]
			tried[string(data)] = true
			mu.Unlock()
			if first {
				refuse(200, "upstream is busy")
				return
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(data))
		good.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestResumeOfMisbehaviour interrupts evaluations by a server that misbehaves, again and
// again and at other places each time: the table is byte for byte the one of an
// evaluation that ran through, what was left out and the hints too.
func TestResumeOfMisbehaviour(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 28)
	var mu sync.Mutex
	after := -1 // requests until the interrupt; negative = none
	cut := func() {}
	s := misbehaving(t, tasks, func() {
		mu.Lock()
		defer mu.Unlock()
		if after--; after == 0 {
			cut()
		}
	})
	run := func(dir string, n int, hard bool) (eval.Result, error) {
		ctx, cancel := context.WithCancel(context.Background())
		halt, second := context.WithCancel(context.Background())
		defer second()
		defer cancel()
		mu.Lock()
		after, cut = n, cancel
		if hard {
			cut = func() { cancel(); second() }
		}
		mu.Unlock()
		return evaluate(ctx, s.URL+"/v1", dir, tasks, remote.Options{Halt: halt, Concurrency: 3, Wait: time.Millisecond})
	}
	shown := func(r eval.Result) string {
		r.Notes = remote.Hints(r.Episodes)
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return r.Table() + string(data)
	}
	whole, err := run(t.TempDir(), -1, false)
	if err != nil {
		t.Fatal(err)
	}
	want := shown(whole)
	if whole.Infra == 0 || whole.Stops[ballast.StopTokens] == 0 || whole.Silent.Unreadable == 0 || whole.Silent.Prose == 0 || whole.Total.OK == 0 {
		t.Fatalf("not every kind is there:\n%s", want)
	}
	for _, step := range []int{1, 4, 11, 40} {
		dir := t.TempDir()
		for k := 0; ; k++ {
			if k > 400 {
				t.Fatal("it never ends")
			}
			res, err := run(dir, step+k%5+k/8, k%2 == 1) // what broke is settled by what goes well after it
			if err == nil {
				if got := shown(res); got != want {
					t.Errorf("interrupted every %d requests, %d times:\n%s\nat once:\n%s", step, k, got, want)
				}
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			tear(t, filepath.Join(dir, "replies.jsonl"))
			tear(t, filepath.Join(dir, "episodes.jsonl"))
		}
	}
}

// TestLeftOutDoesNotAddUp: tasks that a server never takes, each between two that it
// does, end no evaluation, and no resumed one either, in which they come one after the
// other.
func TestLeftOutDoesNotAddUp(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 60)
	refused := map[string]bool{}
	for i := range tasks {
		if i%2 == 0 {
			refused[tasks[i].Turns[0].User] = true
		}
	}
	good := newStub(t, tasks, never)
	var mu sync.Mutex
	after, cut := -1, func() {}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		var body struct{ Messages []struct{ Content string } }
		_ = json.Unmarshal(data, &body)
		mu.Lock()
		if after--; after == 0 {
			cut()
		}
		mu.Unlock()
		if refused[body.Messages[0].Content] {
			w.WriteHeader(422)
			io.WriteString(w, `{"detail": [{"loc": ["body", "messages"], "msg": "not this one"}]}`)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(data))
		good.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	run := func(dir string, n int) (eval.Result, error) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		mu.Lock()
		after, cut = n, cancel
		mu.Unlock()
		return evaluate(ctx, s.URL+"/v1", dir, tasks, remote.Options{Concurrency: 1, Retries: -1})
	}
	whole, err := run(t.TempDir(), -1)
	if err != nil || whole.Infra < 25 {
		t.Fatalf("%v\n%s", err, whole.Table())
	}
	dir := t.TempDir()
	for k := 0; ; k++ {
		res, err := run(dir, 90)
		if err == nil {
			if k == 0 || res.Table() != whole.Table() {
				t.Errorf("after %d interrupts:\n%s\nat once:\n%s", k, res.Table(), whole.Table())
			}
			break
		}
		if !errors.Is(err, context.Canceled) || k > 50 {
			t.Fatal(err)
		}
	}
}
