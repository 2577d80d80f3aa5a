package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ballast"
	"ballast/endpoint/endpointtest"
	"ballast/safetext"
	"ballast/supervise"
)

// asking is a judge at a server of a behaviour.
func asking(t *testing.T, b endpointtest.Behaviour, set supervise.Settings) (supervise.Judge, *endpointtest.Server) {
	t.Helper()
	s, err := endpointtest.Start(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	set.URL, set.Model, set.Key = s.URL, "m", "BALLAST_TEST_JUDGE_KEY"
	j, err := open(whole(set), time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return j, s
}

// dialogues are n queries that endpointtest.Text answers.
func dialogues(n int) []supervise.Query {
	out := make([]supervise.Query, n)
	for i := range out {
		out[i] = supervise.Query{Kind: supervise.KindDialogue, Task: &ballast.Task{ID: fmt.Sprint("t", i)}, Text: fmt.Sprint("log ", i)}
	}
	return out
}

// kept reads all files of a folder.
func kept(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files = append(files, string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestHostile asks a judge at every behaviour: nothing panics, a few queries that are
// lost are no error, what is kept is whole and without the key.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and TestStop races the same")
	}
	t.Setenv("BALLAST_TEST_JUDGE_KEY", endpointtest.Key)
	for _, b := range endpointtest.All() {
		if !b.Silent { // TestStop; nobody waits five minutes here
			t.Run(b.Name, func(t *testing.T) { hostile(t, b) })
		}
	}
}

func hostile(t *testing.T, b endpointtest.Behaviour) {
	dir := t.TempDir()
	ledger := filepath.Join(t.TempDir(), "judge.jsonl")
	j, _ := asking(t, b, supervise.Settings{Cache: dir, Retries: 1, Reply: 2000, Tokens: 1_000_000})
	if err := Keep(j, ledger); err != nil {
		t.Fatal(err)
	}
	as, stats, err := j.Answer(context.Background(), dialogues(2))
	said := fmt.Sprint(err, stats)
	if strings.Contains(said, endpointtest.Key) || said != safetext.Line(said) {
		t.Errorf("it says %q", said)
	}
	if stats.Tokens < 0 || stats.Cost < 0 {
		t.Errorf("%s", stats)
	}
	access := len(b.Kinds) > 0 && b.Kinds[0] == "access"
	if (err != nil) != access {
		t.Errorf("%v, %s", err, stats)
	}
	answered := 0
	for _, a := range as {
		if a.Failure == "" {
			answered++
		}
		if (a.Failure == "") != (a.Text != "") || strings.Contains(a.Text, endpointtest.Key) {
			t.Errorf("%+v", a)
		}
	}
	if b.Kinds != nil && answered > 0 || b.Name == "fine" && answered != 2 {
		t.Errorf("%d answers, %s", answered, stats)
	}
	refused := stats.Failures[supervise.FailRefusal]
	files := kept(t, dir)
	if len(files) != answered+refused {
		t.Errorf("%d files, %d answers and %d refusals", len(files), answered, refused)
	}
	for _, f := range append(files, kept(t, filepath.Dir(ledger))...) {
		if strings.Contains(f, endpointtest.Key) || strings.ContainsAny(f, "\x00\x07\x1b") {
			t.Errorf("kept: %q", f)
		}
	}
}

// TestStop: the run's stop ends what is asked of a silent judge within two seconds,
// the end of its context at once.
func TestStop(t *testing.T) {
	t.Setenv("BALLAST_TEST_JUDGE_KEY", endpointtest.Key)
	var all sync.WaitGroup
	for _, b := range endpointtest.Hostile() {
		if !b.Silent {
			continue
		}
		for _, hard := range []bool{false, true} {
			var run atomic.Bool
			j, s := asking(t, b, supervise.Settings{Cache: t.TempDir(), Concurrency: 3})
			j = Until(j, run.Load)
			all.Go(func() { stopped(t, fmt.Sprintf("%s, hard %v", b.Name, hard), j, s, hard, &run) })
		}
	}
	all.Wait()
}

// stopped stops a judge while it asks: by the run's stop, or hard by the context.
func stopped(t *testing.T, name string, j supervise.Judge, s *endpointtest.Server, hard bool, run *atomic.Bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	at := make(chan time.Time, 1)
	time.AfterFunc(150*time.Millisecond, func() {
		at <- time.Now()
		if hard {
			cancel()
		}
		run.Store(true)
	})
	_, _, err := j.Answer(ctx, dialogues(20))
	took := time.Since(<-at)
	if hard && (!errors.Is(err, context.Canceled) || took > 500*time.Millisecond) || !hard && !errors.Is(err, supervise.ErrStopped) || took > 2*time.Second {
		t.Errorf("%s: %v after %v", name, err, took)
	}
	if n := s.Requests.Load(); n > 3 {
		t.Errorf("%s: %d requests", name, n)
	}
}

// TestAStopKeepsWhatComes: answers that come while a stop waits are in the cache.
func TestAStopKeepsWhatComes(t *testing.T) {
	t.Setenv("BALLAST_TEST_JUDGE_KEY", endpointtest.Key)
	late := endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) {
		time.Sleep(400 * time.Millisecond)
		endpointtest.All()[0].Serve(x)
	}}
	var stopped atomic.Bool
	dir := t.TempDir()
	j, _ := asking(t, late, supervise.Settings{Cache: dir, Concurrency: 3})
	j = Until(j, stopped.Load)
	time.AfterFunc(100*time.Millisecond, func() { stopped.Store(true) })
	if _, _, err := j.Answer(context.Background(), dialogues(9)); !errors.Is(err, supervise.ErrStopped) {
		t.Errorf("%v", err)
	}
	if files := kept(t, dir); len(files) != 3 {
		t.Errorf("%d answers were kept of the three on their way", len(files))
	}
}

// TestLostQueriesAreNoError: a judge that fails now and then, one query at a time, does
// not end a training; one that answers nothing for long does.
func TestLostQueriesAreNoError(t *testing.T) {
	s := &stub{say: func(int64, string) (int, string) { return 200, "null" }}
	j, _ := dial(t, s, supervise.Settings{Retries: 1})
	for i := range desperate {
		as, stats, err := j.Answer(context.Background(), queries(desperate)[i:i+1])
		if i < desperate-1 && (err != nil || as[0].Failure != supervise.FailFormat || stats.Lost != 1) {
			t.Fatalf("query %d: %+v, %s, %v", i, as, stats, err)
		}
		if i == desperate-1 && (err == nil || !strings.Contains(err.Error(), "none of the last 8") || !strings.Contains(err.Error(), "no completion: null")) {
			t.Errorf("the last: %v", err)
		}
	}
}

// TestAnswersAreOneEndpoints: another address with the same model is asked anew, one
// that counts nothing does not get round a budget.
func TestAnswersAreOneEndpoints(t *testing.T) {
	const uncounted = `{"choices": [{"finish_reason": "stop", "message": {"content": "Turn 1"}}], "usage": {"prompt_tokens": -1000000, "total_tokens": -5}}`
	dir := t.TempDir()
	for range 2 {
		s := &stub{say: func(int64, string) (int, string) { return 200, uncounted }}
		j, _ := dial(t, s, supervise.Settings{Cache: dir})
		for range 2 {
			if _, _, err := j.Answer(context.Background(), dialogues(2)); err != nil || s.requests.Load() != 2 {
				t.Errorf("%v after %d requests", err, s.requests.Load())
			}
		}
	}
	s := &stub{say: func(int64, string) (int, string) { return 200, uncounted }}
	j, _ := dial(t, s, supervise.Settings{Tokens: 1000, Reply: 100, Concurrency: 1})
	if _, stats, err := j.Answer(context.Background(), dialogues(100)); err != nil || stats.Answered == 0 || stats.Failures[supervise.FailBudget] == 0 || stats.Tokens > 1000 {
		t.Errorf("%s, %v", stats, err)
	}
}
