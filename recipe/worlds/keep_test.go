package worlds

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"ballast"
	"ballast/env"
	"ballast/env/expect"
	"ballast/recipe"
	"ballast/supervise"
	"ballast/value"
)

// TestOneBudget: graders and who writes ask one client, and what both took is the run's; a process that goes on has what is left.
func TestOneBudget(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		text := "Look again."
		if bytes.Contains(body, []byte("The question:")) {
			text = "yes"
		}
		fmt.Fprintf(w, `{"choices": [{"finish_reason": "stop", "message": {"content": %q}}], "usage": {"prompt_tokens": 900, "completion_tokens": 100}}`, text)
	}))
	defer s.Close()
	r := &recipe.Recipe{Judge: supervise.Settings{URL: s.URL, Model: "m", Concurrency: 2, Reply: 100, Tokens: 6000, Cache: t.TempDir()}}
	keep := filepath.Join(t.TempDir(), "judge.jsonl")
	grade := func(w *Worlds, reply string) error {
		task := ballast.Task{ID: "t", Turns: []ballast.TaskTurn{{User: "u", Want: value.NewDict("judge", value.NewDict("question", "Was it?"))}}}
		i := slices.IndexFunc(w.Table().Graders, func(e env.GraderEntry) bool { return e.Name == expect.Name })
		g, err := w.Table().Graders[i].New(t.Context(), &task, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.Grade(t.Context(), &ballast.Episode{Turns: []ballast.Turn{{Steps: []ballast.Step{{Said: reply}}}}}, 0)
		return err
	}
	write := func(w *Worlds, text string) error {
		_, _, err := w.Judge().Answer(t.Context(), []supervise.Query{{Kind: supervise.KindHint, Task: &ballast.Task{}, Text: text}})
		return err
	}
	open := func() *Worlds {
		w, err := Open(t.Context(), r, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := open()
	if err := grade(w, "before there is a run"); err != nil {
		t.Fatal(err)
	}
	if err := w.Keep(Files{Judge: keep}); err != nil {
		t.Fatal(err)
	}
	var spent error
	for i := 0; spent == nil && i < 20; i++ {
		ask := []func(*Worlds, string) error{grade, write}[i%2]
		spent = ask(w, fmt.Sprint(i))
	}
	const most = 6
	if n := asked.Load(); n < 3 || n > most || spent == nil || !strings.Contains(spent.Error(), "has no room for another query") {
		t.Errorf("%d requests, %v", n, spent)
	}
	text, err := os.ReadFile(keep)
	if err != nil || strings.Count(string(text), `"tokens":1000`) != int(asked.Load()) {
		t.Errorf("%d requests are kept as\n%s, %v", asked.Load(), text, err)
	}
	before := asked.Load()
	w = open()
	if err := w.Keep(Files{Judge: keep}); err != nil {
		t.Fatal(err)
	}
	for i, ask := range []func(*Worlds, string) error{grade, write} {
		if err := ask(w, fmt.Sprint("later ", i)); err == nil {
			t.Error("a budget that is spent was given again")
		}
	}
	if asked.Load() != before {
		t.Error("the endpoint was asked")
	}
	// Nobody is asked, and nothing is kept, without an endpoint.
	if err := (*Worlds)(nil).Keep(Files{Judge: keep, Server: keep}); err != nil || (*Worlds)(nil).Judge() != (supervise.Oracle{}) {
		t.Error("worlds that are not open have a judge")
	}
}
