package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

const askTasks = `{"id": "a", "split": "train", "turns": [{"user": "Set the pears to 7.", "reply": "Done.",` +
	` "gold": [{"name": "set_stock", "arguments": {"item": "pears", "count": 7}}], "expect": {"judge": {"question": "Are there 7 pears?"}}}]}` + "\n" +
	`{"id": "b", "split": "test", "turns": [{"user": "How many apples?", "reply": "There are 3.",` +
	` "gold": [{"name": "get_stock", "arguments": {"item": "apples"}}], "expect": {"judge": {"question": "Is it 3?"}}}]}` + "\n"

const askRecipe = `model: embedded-reader
chat: {format: pythonic, malformed: advance}
budget: {prompt: 512, episode: 512, reply: 32, result: 64, steps: 3}
rl: {prompts: 1, rollouts: 2, minibatches: 1, warmup: 0, patience: 0}
sft: {epochs: 1, batch: 1}
keep: {checkpoint: 1, checkpoints: 0, eval: 0}
phases: [{rl: 1}, {sft: [failed, reflections]}, {rl: 1}]
`

// TestOneJudgeBudget: what a judge's endpoint took is in the run's file to the token, whoever asked: the check of
// gold before there is a run, graders, reflections, evaluations, and a process that goes on. So all of it counts against the budget.
func TestOneJudgeBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("trains")
	}
	const each = 150
	var verdicts, lessons atomic.Int64 // requests, of all processes
	judge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		text := "Turn 1 failed.\nRoot cause: a.\nEvidence: b.\nFix: c.\nSimilar: d.\nCalls: e."
		if strings.Contains(string(body), "The question:") {
			if text = "no\nIt was not."; verdicts.Add(1) == 1 { // of gold
				text = "yes"
			}
		} else {
			lessons.Add(1)
		}
		fmt.Fprintf(w, `{"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": {"prompt_tokens": %d, "completion_tokens": 50, "total_tokens": %d},
"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": %q}}]}`, each-50, each, text)
	}))
	defer judge.Close()
	files := t.TempDir()
	tasks, config, dir := filepath.Join(files, "tasks.jsonl"), filepath.Join(files, "small.yaml"), filepath.Join(files, "run")
	for path, text := range map[string]string{tasks: askTasks, config: askRecipe} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set := []string{"--mcp", "shop", "--tasks", tasks, "--config", config, "--set", "judge.url=" + judge.URL, "--set", "judge.model=m",
		"--set", "judge.cache=" + filepath.Join(files, "answers"), "--set", "judge.tokens=100000"}
	for i, args := range [][]string{append([]string{"train", "prs", "--out", dir}, set...), {"train", "--resume", dir, "--extend", "1"}} {
		out, err := said(nil, args...)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if i == 0 && !strings.Contains(out, "gets the tools' documentation, and for verdicts the episodes of tasks with a question") {
			t.Errorf("it does not say what the judge gets:\n%s", out)
		}
		if kept := spent(t, filepath.Join(dir, "judge.jsonl")); kept != each*(verdicts.Load()+lessons.Load()) || verdicts.Load() < 2 || lessons.Load() == 0 {
			t.Errorf("process %d: %d tokens are kept of %d verdicts and %d lessons", i, kept, verdicts.Load(), lessons.Load())
		}
		if err := os.RemoveAll(filepath.Join(files, "answers")); err != nil { // so that the next process asks
			t.Fatal(err)
		}
	}
	// A budget that is spent ends what wants more, and more can be given.
	again := []string{"train", "--resume", dir, "--extend", "1", "--set", "judge.tokens=1000"}
	if out, err := said(nil, again...); err == nil || !strings.Contains(out, "its budget (judge.tokens 1000) has no room for another query") {
		t.Errorf("%v\n%s", err, out)
	}
	again[len(again)-1] = "judge.tokens=200000"
	if out, err := said(nil, again...); err != nil || !strings.Contains(out, "the budget of the judge is judge.tokens=200000") {
		t.Errorf("%v\n%s", err, out)
	}
	again[len(again)-1] = "rl.lr=1"
	if out, err := said(nil, again...); err == nil || !strings.Contains(out, "everything from the run but the budgets of its judge") {
		t.Errorf("%v\n%s", err, out)
	}
}

// spent adds a ledger up.
func spent(t *testing.T, path string) (sum int64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e struct{ Tokens int64 }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		sum += e.Tokens
	}
	return sum
}
