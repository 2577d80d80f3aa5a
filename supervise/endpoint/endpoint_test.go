package endpoint

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ballast"
	"ballast/endpoint/endpointtest"
	"ballast/supervise"
)

// stub is an OpenAI-compatible endpoint that misbehaves on a schedule: of ten
// requests three fail, one is limited, one is garbage, one is malformed.
type stub struct {
	server   *httptest.Server
	requests atomic.Int64
	say      func(n int64, text string) (status int, body string)
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.requests.Add(1) - 1
	var req struct {
		Messages []struct{ Role, Content string }
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	status, body := s.say(n, req.Messages[1].Content)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func completion(text string) string {
	data, _ := json.Marshal(map[string]any{
		"id": "x", "object": "chat.completion", "created": 1, "model": "stub",
		"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": text}}},
		"usage":   map[string]any{"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
	})
	return string(data)
}

const analysis = "Root cause: a.\nEvidence:\n- b\nFix: c\nSimilar:\n- d\nCalls: e"

func unreliable(n int64, _ string) (int, string) {
	switch n % 10 {
	case 0, 3, 7:
		return 500, `{"error": {"message": "down"}}`
	case 1:
		return 429, `{"error": {"message": "slow"}}`
	case 4:
		return 200, `{"choices": [` // garbage
	case 8:
		return 200, completion("no sections here")
	}
	return 200, completion("<think>hm</think>" + analysis)
}

// queries are n different error analyses.
func queries(n int) []supervise.Query {
	out := make([]supervise.Query, n)
	for i := range out {
		out[i] = supervise.Query{Kind: supervise.KindError, Task: &ballast.Task{ID: fmt.Sprint("t", i)}, Text: fmt.Sprint("log ", i)}
	}
	return out
}

func dial(t *testing.T, s *stub, set supervise.Settings) (supervise.Judge, *httptest.Server) {
	t.Helper()
	return dialKept(t, s, set, "")
}

// whole is the settings with what every recipe has.
func whole(set supervise.Settings) supervise.Settings {
	set.Concurrency, set.Retries, set.Reply = cmp.Or(set.Concurrency, 8), cmp.Or(set.Retries, 6), cmp.Or(set.Reply, 1024)
	return set
}

func dialKept(t *testing.T, s *stub, set supervise.Settings, keep string) (supervise.Judge, *httptest.Server) {
	t.Helper()
	srv := s.server // the address is part of what the cache knows an answer by
	if srv == nil {
		srv = httptest.NewServer(s)
		s.server = srv
		t.Cleanup(srv.Close)
	}
	set.URL, set.Model = srv.URL, "stub"
	if set.Cache == "" {
		set.Cache = t.TempDir()
	}
	j, err := open(whole(set), time.Millisecond)
	if err == nil && keep != "" {
		err = Keep(j, keep)
	}
	if err != nil {
		t.Fatal(err)
	}
	return j, srv
}

func TestEndpointSurvivesFailures(t *testing.T) {
	s := &stub{say: unreliable}
	dir := t.TempDir()
	j, _ := dial(t, s, supervise.Settings{Cache: dir, Concurrency: 4, Retries: 20})
	as, stats, err := j.Answer(context.Background(), queries(40))
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range as {
		if a.Text != analysis {
			t.Errorf("query %d: %+v", i, a)
		}
	}
	for _, k := range []string{supervise.FailServer, supervise.FailRate, supervise.FailFormat} {
		if stats.Failures[k] == 0 {
			t.Errorf("no %s was counted: %s", k, stats)
		}
	}
	if stats.Answered != 40 || int64(stats.Asked) != s.requests.Load() || stats.Tokens == 0 {
		t.Errorf("%s; the endpoint saw %d", stats, s.requests.Load())
	}
	before := s.requests.Load()
	again, _ := dial(t, s, supervise.Settings{Cache: dir})
	if _, stats, err = again.Answer(context.Background(), queries(40)); err != nil || stats.Asked != 0 || s.requests.Load() != before {
		t.Errorf("the second run: %v, %s, %d more requests", err, stats, s.requests.Load()-before)
	}
}

func TestEndpointKeepsPartialResults(t *testing.T) {
	s := &stub{say: func(_ int64, text string) (int, string) {
		switch {
		case strings.HasSuffix(text, "1"):
			return 200, completion("I'm sorry, but I cannot help with that.")
		case strings.HasSuffix(text, "2"):
			return 200, completion("nonsense")
		case strings.HasSuffix(text, "3"):
			return 503, `{}`
		case strings.HasSuffix(text, "4"):
			return 400, `{"error": {"message": "too long"}}`
		}
		return 200, completion(analysis)
	}}
	dir := t.TempDir()
	j, _ := dial(t, s, supervise.Settings{Cache: dir, Retries: 2})
	as, stats, err := j.Answer(context.Background(), queries(6))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range as {
		got = append(got, a.Failure)
	}
	if want := "[ refusal format server rejected ]"; fmt.Sprint(got) != want || stats.Answered != 2 || stats.Lost != 4 {
		t.Errorf("failures %v, %s; want %s", got, stats, want)
	}
	// What was answered or refused is not asked again; what is malformed, or the network took, is.
	again, _ := dial(t, s, supervise.Settings{Cache: dir, Retries: 2})
	if _, stats, _ = again.Answer(context.Background(), queries(6)); stats.Cached != 3 {
		t.Errorf("%s", stats)
	}
}

func TestEndpointBudgets(t *testing.T) {
	ok := func(int64, string) (int, string) { return 200, completion(analysis) }
	for _, set := range []supervise.Settings{
		{Tokens: 1000, Reply: 100, Concurrency: 3},
		{Cost: 0.002, PriceIn: 1, PriceOut: 2, Reply: 100},
	} {
		s := &stub{say: ok}
		j, _ := dial(t, s, set)
		as, stats, err := j.Answer(context.Background(), queries(50))
		if err != nil {
			t.Fatal(err)
		}
		if stats.Answered == 0 || stats.Lost == 0 || len(as) != 50 {
			t.Errorf("%+v: %s", set, stats)
		}
		if set.Tokens > 0 && stats.Tokens > set.Tokens || set.Cost > 0 && stats.Cost > set.Cost {
			t.Errorf("over the budget: %s", stats)
		}
	}
}

func TestEndpointFatal(t *testing.T) {
	for _, c := range []struct {
		status int
		want   string
	}{{401, "judge.key"}, {404, "judge.model"}, {503, "answered none"}} {
		s := &stub{say: func(int64, string) (int, string) { return c.status, `{"error": {"message": "m"}}` }}
		j, _ := dial(t, s, supervise.Settings{Retries: 1})
		if _, _, err := j.Answer(context.Background(), queries(20)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("status %d: %v", c.status, err)
		}
		if c.status == 401 && s.requests.Load() > 16 {
			t.Errorf("%d requests after the key was refused", s.requests.Load())
		}
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		set  supervise.Settings
		want string
	}{
		{supervise.Settings{URL: "x"}, "judge.model"},
		{supervise.Settings{Model: "m"}, "judge.url"},
		{supervise.Settings{Closing: true}, "judge.closing"},
		{supervise.Settings{URL: "http://x", Model: "m", Cost: 1}, "price"},
		{supervise.Settings{URL: "http://x", Model: "m", Key: "BALLAST_NO_SUCH_KEY"}, "BALLAST_NO_SUCH_KEY"},
	} {
		if _, err := Open(c.set); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.set, err)
		}
	}
}

// TestBudgetIsTheRuns: a judge that is made again with the same ledger has what the
// first one left, and a line that a crash cut off costs nothing.
func TestBudgetIsTheRuns(t *testing.T) {
	s := &stub{say: func(int64, string) (int, string) { return 200, completion(analysis) }} // 150 tokens a request
	keep := filepath.Join(t.TempDir(), "judge.jsonl")
	for i, want := range []int{2, 1, 0} { // answers of three queries: two and a half, then one more fit
		if i == 1 {
			f, err := os.OpenFile(keep, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString(`{"tokens": 1000`)
			f.Close()
		}
		budget := []int{400, 550, 550}[i]
		j, _ := dialKept(t, s, supervise.Settings{Tokens: budget, Reply: 50, Concurrency: 1}, keep)
		as, stats, err := j.Answer(context.Background(), queries(3))
		answered := 0
		for _, a := range as {
			if a.Failure == "" {
				answered++
			}
		}
		if want == 0 {
			if err == nil || stats.Failures[supervise.FailBudget] != 3 ||
				!strings.Contains(err.Error(), "(judge.tokens 550) has no room for another query: 450 tokens were taken") {
				t.Errorf("process %d: %v, %s; the budget is spent", i, err, stats)
			}
		} else if err != nil || answered != want || stats.Failures[supervise.FailBudget] != 3-want {
			t.Errorf("process %d: %d answers, %s, %v", i, answered, stats, err)
		}
	}
	if n := s.requests.Load(); n != 3 {
		t.Errorf("%d requests in all", n)
	}
}

// TestRepliesThatFit: a judge whose context has no room for judge.reply is asked for what
// there is room for, and a thought that it sends apart is no part of the answer.
func TestRepliesThatFit(t *testing.T) {
	var asked []int
	b := endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) {
		var body struct {
			Max int `json:"max_completion_tokens"`
		}
		_ = json.Unmarshal(x.Body, &body)
		if asked = append(asked, body.Max); body.Max > 300 {
			x.Send(400, fmt.Sprintf(`{"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested %d tokens (3796 in the messages, %d in the completion).", "code": 400}`,
				3796+body.Max, body.Max))
			return
		}
		x.JSON(`{"choices": [{"finish_reason": "stop", "message": {"content": [{"type": "text", "text": "Turn 1: it is done."}], "reasoning_content": "hm"}}]}`)
	}}
	t.Setenv("BALLAST_TEST_JUDGE_KEY", endpointtest.Key)
	j, _ := asking(t, b, supervise.Settings{Cache: t.TempDir(), Retries: 1, Reply: 2000, Concurrency: 1})
	as, stats, err := j.Answer(context.Background(), dialogues(1))
	if err != nil || as[0].Text != "Turn 1: it is done." || fmt.Sprint(asked) != "[2000 300]" {
		t.Errorf("%+v, %s, %v, asked for %v", as, stats, err, asked)
	}
}
