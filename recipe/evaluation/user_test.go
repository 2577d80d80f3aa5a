package evaluation

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ballast"
	ace "ballast/env/acebench"
	"ballast/eval"
	"ballast/recipe/models"
	"ballast/recipe/worlds"
)

// chatServer answers chats by what a function says of their messages.
func chatServer(t *testing.T, say func(w http.ResponseWriter, body map[string]any, messages [][2]string) string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		var messages [][2]string
		for _, m := range body["messages"].([]any) {
			d := m.(map[string]any)
			messages = append(messages, [2]string{d["role"].(string), d["content"].(string)})
		}
		if text := say(w, body, messages); text != "" {
			fmt.Fprintf(w, `{"choices": [{"finish_reason": "stop", "message": {"content": %q}}], "usage": {"prompt_tokens": 900, "completion_tokens": 1}}`, text)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestUser: a model behind an endpoint speaks as the user, with the original's prompts and settings. What it said is kept and not
// asked for again. A user that fails is infrastructure and no score.
func TestUser(t *testing.T) {
	var mu sync.Mutex
	asked, broken := 0, 0
	var under atomic.Int32
	user := chatServer(t, func(w http.ResponseWriter, body map[string]any, m [][2]string) string {
		defer under.Add(-1)
		if under.Add(1) > 1 {
			t.Error("two requests are under way, though one may be")
		}
		time.Sleep(2 * time.Millisecond) // the other dialogue would ask meanwhile
		mu.Lock()
		defer mu.Unlock()
		asked++
		if broken == http.StatusOK { // it thought for too long
			fmt.Fprint(w, `{"choices": [{"finish_reason": "length", "message": {"role": "assistant", "content": ""}}]}`)
			return ""
		}
		if broken != 0 {
			http.Error(w, "{}", broken)
			return ""
		}
		if body["temperature"] != 0.001 || body["max_tokens"] != 1000.0 || body["model"] != "somebody" || !strings.HasPrefix(m[0][1], "You are a user interacting") {
			t.Errorf("%v", body)
		}
		if len(m) == 2 {
			return "Log me in."
		}
		if last := m[len(m)-2:]; m[2] != [2]string{"system", "Log me in."} || last[0][0] != "system" || last[1] != [2]string{"user", "Which device?"} {
			t.Errorf("%v", last)
		}
		if len(m) == 4 {
			return "The phone."
		}
		return "finish conversation"
	})
	agent := chatServer(t, func(http.ResponseWriter, map[string]any, [][2]string) string { return "Which device?" })
	play := func(out string) (eval.Result, *Evaluation) {
		e := &Evaluation{Model: "m", Tasks: "acebench", Data: "../../task/acebench/testdata", Split: "test", Categories: []string{ace.MultiTurn}, Seed: 1,
			Out: out, Endpoint: Endpoint{URL: agent, API: "chat", Concurrency: 1}, User: User{URL: user, Model: "somebody"},
			Given: func(string) bool { return false }}
		r, p, err := e.Recipe()
		if err != nil {
			t.Fatal(err)
		}
		if e.Worlds, err = worlds.Open(t.Context(), &r, io.Discard); err != nil {
			t.Fatal(err)
		}
		defer e.Worlds.Close()
		tasks, err := e.Played(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		settings, err := e.Settings(t.Context(), &models.Finder{}, &r, &p, tasks)
		if err != nil || out != "" && settings["user"] != "somebody at "+user {
			t.Fatal(settings, err)
		}
		_, player, done, err := e.Player(t.Context(), &models.Finder{}, io.Discard, nil, &r, p, tasks)
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		res, err := eval.RunStored(t.Context(), nil, tasks, player)
		if err != nil {
			t.Fatal(err)
		}
		if note := e.Simulated(tasks); !strings.Contains(note, "of 2 tasks: somebody at "+user) {
			t.Error(note)
		}
		return res, e
	}
	dir := t.TempDir()
	res, _ := play(dir)
	if res.Total != (eval.Count{OK: 0, All: 2}) || res.Infra != 0 || asked != 6 {
		t.Errorf("%d asked\n%s", asked, res.Table())
	}
	for _, ep := range res.Episodes {
		if len(ep.Turns) != 3 || ep.Turns[0].User != "Log me in." || ep.Turns[2].User != "finish conversation" || ep.Stop != ballast.StopDone {
			t.Errorf("%+v", ep)
		}
	}
	if res, _ = play(dir); res.Total.All != 2 || asked != 6 {
		t.Errorf("what was said is asked for again: %d", asked)
	}
	for status, says := range map[int]string{http.StatusServiceUnavailable: "503", http.StatusUnauthorized: "--user-key-env",
		http.StatusOK: `says nothing in at most 1000 tokens (finish_reason "length")`} {
		broken = status
		if res, _ = play(""); res.Total.All != 0 || res.Infra != 2 || !strings.Contains(res.Broken, says) {
			t.Errorf("a user that fails, want %s:\n%s", says, res.Table())
		}
	}
}

// TestUserCheck: flags that do nothing, or that no task has use for, are errors.
func TestUserCheck(t *testing.T) {
	for want, u := range map[string]User{
		"one of them":                 {URL: "http://localhost/v1", Model: "m", Lines: "x"},
		"give --user-endpoint too":    {Model: "m"},
		"--user-model NAME":           {URL: "http://localhost/v1"},
		"BALLAST_NO_SUCH_VARIABLE is": {URL: "http://localhost/v1", Model: "m", KeyEnv: "BALLAST_NO_SUCH_VARIABLE"},
	} {
		if err := u.Check(); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "VARIABLE: that variable is", "VARIABLE is"), want) {
			t.Errorf("%+v: %v, want %q", u, err, want)
		}
	}
	u := User{Lines: "x"}
	if err := u.choose([]ballast.Task{{}}, "desk"); err == nil {
		t.Error("tasks without a user take one")
	}
	tasks := []ballast.Task{{User: ace.RulesName}, {}}
	if err := u.choose(tasks, "acebench"); err != nil || tasks[0].User != ace.LinesName || tasks[1].User != "" {
		t.Errorf("%+v %v", tasks, err)
	}
	if (&Evaluation{}).Simulated(tasks[1:]) != "" {
		t.Error("a user is told of who does not speak")
	}
}
