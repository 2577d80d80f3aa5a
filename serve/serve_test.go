package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/env"
	"ballast/task"
)

// desk are generated tasks.
func desk(t testing.TB, n int) []ballast.Task {
	t.Helper()
	tasks, err := task.Load(task.Spec{Name: "desk", Split: "test", Seed: 3, Count: n})
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

// serving is a server behind a test server; what change says is on top of desk tasks.
func serving(t testing.TB, change func(*Config)) (*Server, *httptest.Server) {
	t.Helper()
	c := Config{Tasks: desk(t, 8), Format: chat.Hermes, Rules: env.Rules{Malformed: env.MalformedAdvance, PerTurn: 20}, Grace: 5 * time.Second}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if n := s.registry.size(); n != 0 {
			t.Errorf("%d sessions are open after Close", n)
		}
	})
	return s, h
}

// script is what a policy that answers with gold writes, reply by reply.
func script(t testing.TB, x *ballast.Task) (out []string) {
	t.Helper()
	for _, turn := range x.Turns {
		for _, c := range turn.Gold {
			text, err := chat.Hermes.Write([]ballast.Call{c}, nil)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
		out = append(out, "That is done.")
	}
	return out
}

// seen is an answer as a client reads it.
type seen struct {
	Observations []map[string]any `json:"observations"`
	Dones        []bool           `json:"dones"`
	Valids       []bool           `json:"valids"`
	Milliseconds *float64         `json:"processing_time_ms"`
	Detail       any              `json:"detail"`
	code         int
}

// post sends a request to /get_observation as text or as a value.
func post(t testing.TB, h *httptest.Server, body any) (s seen) {
	t.Helper()
	text, isText := body.(string)
	if !isText {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(raw)
	}
	res, err := h.Client().Post(h.URL+"/get_observation", "application/json", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	s.code = res.StatusCode
	return s
}

// one is a request of one action.
func one(id, text string, extra map[string]any) map[string]any {
	q := map[string]any{"trajectory_ids": []string{id}, "actions": []string{text}, "finish": []bool{false}, "is_last_step": []bool{false}}
	if extra != nil {
		q["extra_fields"] = []any{extra}
	}
	return q
}

// finish is the request with which verl-tool's client closes a trajectory.
func finish(id string) map[string]any {
	return map[string]any{"trajectory_ids": []string{id}, "actions": []string{""}, "finish": []bool{true}, "is_last_step": []bool{true}}
}

// TestVerlToolGold: gold's replies earn 1, at the end and not before, and the observations are
// what the tools answer and the user says next.
func TestVerlToolGold(t *testing.T) {
	s, h := serving(t, nil)
	for i := range s.cfg.Tasks {
		x := &s.cfg.Tasks[i]
		id, turn := "t"+x.ID, 0
		extra := map[string]any{"ballast_task": x.ID, "index": 77, "split": "train"}
		if i%2 == 1 {
			extra["ballast_task"] = i
		}
		lines := script(t, x)
		for n, text := range lines {
			got := post(t, h, one(id, text, extra))
			if got.code != 200 || len(got.Observations) != 1 || !got.Valids[0] || got.Milliseconds == nil {
				t.Fatalf("%s: action %d: %+v", x.ID, n, got)
			}
			o, last := got.Observations[0], n == len(lines)-1
			if got.Dones[0] != last || (o["reward"] != nil) != last {
				t.Fatalf("%s: action %d of %d: %+v", x.ID, n, len(lines), got)
			}
			obs := o["obs"].(string)
			switch {
			case last:
				if o["reward"] != 1.0 || o["stop"] != "done" || obs != "" || o["score"].(map[string]any)["success"] != true {
					t.Errorf("%s: %v", x.ID, o)
				}
			case strings.HasPrefix(text, "<tool_call>"):
				if !strings.HasPrefix(obs, "<tool_response>\n") || !strings.HasSuffix(obs, "\n</tool_response>") {
					t.Errorf("%s: %q", x.ID, obs)
				}
			default:
				if turn++; !strings.HasSuffix(obs, x.Turns[turn].User) || obs == "" {
					t.Errorf("%s: turn %d: %q, want %q", x.ID, turn, obs, x.Turns[turn].User)
				}
			}
		}
		if n := s.registry.size(); n != 0 {
			t.Fatalf("%d sessions are open after the end", n)
		}
		if got := post(t, h, finish(id)); !got.Dones[0] || !got.Valids[0] || got.Observations[0]["obs"] != "" {
			t.Errorf("finish: %+v", got)
		}
		if got := post(t, h, one(id, "more", extra)); !got.Dones[0] || got.Valids[0] || got.Observations[0]["reward"] != nil ||
			!strings.Contains(got.Observations[0]["error"].(string), "is over") {
			t.Errorf("after the end: %+v", got)
		}
	}
}

// TestVerlToolBad: what a request gets wrong is said by field, and nothing is played.
func TestVerlToolBad(t *testing.T) {
	s, h := serving(t, func(c *Config) { c.Body = 1 << 16 })
	for _, c := range []struct {
		body, want string
		code       int
	}{
		{`{`, "JSON decode error", 422},
		{`[]`, "it is a array and should be a object", 422},
		{`{"trajectory_ids":["a"]}`, "[body actions]", 422},
		{`{"actions":["a"]}`, "[body trajectory_ids]", 422},
		{`{"trajectory_ids":[],"actions":[]}`, "give at least 1", 422},
		{`{"trajectory_ids":["a"],"actions":["x","y"]}`, "Length of actions must match trajectory_ids", 422},
		{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[]}`, "extra_fields", 422},
		{`{"trajectory_ids":["a","b"],"actions":["x","y"],"extra_fields":[{}]}`, "Length of extra_fields", 422},
		{`{"trajectory_ids":["a","b"],"actions":["x","y"],"finish":[true]}`, "Length of finish", 422},
		{`{"trajectory_ids":[1],"actions":["x"]}`, "it is a number and should be a string", 422},
		{`{"trajectory_ids":[null],"actions":["x"]}`, "not empty", 422},
		{`{"trajectory_ids":[""],"actions":["x"]}`, "not empty", 422},
		{`{"trajectory_ids":["a"],"actions":[null]}`, "an action is a text", 422},
		{`{"trajectory_ids":["a"],"actions":["x"]}`, "names its task", 422},
		{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[null]}`, "names its task", 422},
		{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"index":0}]}`, "names its task", 422},
		{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_task":"moon"}]}`, `no task has the id "moon"`, 422},
		{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_task":8}]}`, "has 8 tasks", 422},
		{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_task":-1}]}`, "index -1", 422},
		{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_task":1.5}]}`, "a whole number", 422},
		{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_task":0,"ballast_step":-1}]}`, "counts from 0", 422},
		{`{"trajectory_ids":["a","a"],"actions":["x","y"],"extra_fields":[{"ballast_task":0},{"ballast_task":1}]}`, "plays task", 422},
		{`{"trajectory_ids":["b","a"],"actions":["x","y"],"extra_fields":[{"ballast_task":0},{}]}`, "names its task", 422},
		{`{"trajectory_ids":["a"],"actions":["` + strings.Repeat("x", 1<<16) + `"]}`, "more than 65536 bytes", 413},
	} {
		got := post(t, h, c.body)
		if text := fmt.Sprint(got.Detail); got.code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%.80s: %d %s, want %d %s", c.body, got.code, text, c.code, c.want)
		}
	}
	if n := s.registry.size(); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
	res, err := h.Client().Get(h.URL + "/get_observation")
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%v %v", res, err)
	}
}

// plan is what one trajectory of the test of isolation does.
type plan struct {
	task  int
	lines []string
}

// plans are gold's replies with some left out, others written twice, broken or made up.
func plans(t testing.TB, tasks []ballast.Task, n int, rng *rand.Rand) []plan {
	out := make([]plan, n)
	for i := range out {
		p := plan{task: rng.IntN(len(tasks))}
		for _, line := range script(t, &tasks[p.task]) {
			switch rng.IntN(8) {
			case 0: // left out
			case 1:
				p.lines = append(p.lines, line, line)
			case 2:
				p.lines = append(p.lines, line[:rng.IntN(len(line))])
			case 3:
				p.lines = append(p.lines, `<tool_call>{"name": "moon", "arguments": {}}</tool_call>`)
			default:
				p.lines = append(p.lines, line)
			}
		}
		out[i] = p
	}
	return out
}

// alone plays a plan request by request, with nobody else in the server.
func alone(t testing.TB, s *Server, id string, p plan) (out []string) {
	for _, line := range p.lines {
		raw, err := json.Marshal(one(id, line, map[string]any{"ballast_task": p.task}))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/get_observation", bytes.NewReader(raw)))
		got := seen{code: w.Code}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		out = append(out, line+one1(t, got, 0))
	}
	return out
}

// one1 is one answer of several, as text.
func one1(t testing.TB, s seen, i int) string {
	if s.code != 200 {
		t.Errorf("%d %v", s.code, s.Detail)
		return ""
	}
	text, err := json.Marshal([]any{s.Observations[i], s.Dones[i], s.Valids[i]})
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// TestIsolation: 1,000 trajectories, interleaved at random in requests of several actions from
// several clients, are answered as each is when it is played alone in a process of its own.
func TestIsolation(t *testing.T) {
	const n = 1000
	tasks := desk(t, 40)
	all := plans(t, tasks, n, rand.New(rand.NewPCG(1, 2)))
	s, h := serving(t, func(c *Config) { c.Tasks = tasks })
	got := make([][]string, n)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 3))
			var mine []int
			for i := w; i < n; i += 8 {
				mine = append(mine, i)
			}
			for len(mine) > 0 {
				rng.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				some := mine[:min(len(mine), 1+rng.IntN(40))]
				var ids, actions []string
				var extra []any
				var who []int
				for _, i := range some {
					if k := len(got[i]); k < len(all[i].lines) {
						ids, actions, who = append(ids, fmt.Sprint("i", i)), append(actions, all[i].lines[k]), append(who, i)
						extra = append(extra, map[string]any{"ballast_task": all[i].task})
					}
				}
				if len(ids) > 0 {
					res := post(t, h, map[string]any{"trajectory_ids": ids, "actions": actions, "extra_fields": extra})
					for k, i := range who {
						got[i] = append(got[i], all[i].lines[len(got[i])]+one1(t, res, k))
					}
				}
				mine = slices.DeleteFunc(mine, func(i int) bool {
					over := len(got[i]) == len(all[i].lines)
					if over {
						post(t, h, finish(fmt.Sprint("i", i)))
					}
					return over
				})
			}
		})
	}
	group.Wait()
	if n := s.registry.size(); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
	lone, _ := serving(t, func(c *Config) { c.Tasks = tasks })
	for i, p := range all {
		if want := alone(t, lone, fmt.Sprint("a", i), p); !slices.Equal(got[i], want) {
			t.Fatalf("trajectory %d of task %d differs:\n%s\nalone:\n%s", i, p.task, strings.Join(got[i], "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestCapacity: one more than fit is refused with 503 and nothing of its request is played; a
// trajectory that ends makes room.
func TestCapacity(t *testing.T) {
	s, h := serving(t, func(c *Config) { c.Sessions = 2 })
	start := func(ids ...string) seen {
		q := map[string]any{"trajectory_ids": ids, "actions": slices.Repeat([]string{"x"}, len(ids))}
		q["extra_fields"] = slices.Repeat([]any{map[string]any{"ballast_task": 0}}, len(ids))
		return post(t, h, q)
	}
	if got := start("a", "b", "c"); got.code != 503 || !strings.Contains(fmt.Sprint(got.Detail), "Server at capacity: 0/2") || s.registry.size() != 0 {
		t.Errorf("%+v, %d open", got, s.registry.size())
	}
	if got := start("a", "b"); got.code != 200 {
		t.Errorf("%+v", got)
	}
	if got := start("c"); got.code != 503 {
		t.Errorf("%+v", got)
	}
	if got := start("a", "c"); got.code != 503 {
		t.Errorf("%+v", got)
	}
	if got := post(t, h, finish("never")); got.code != 200 || s.registry.size() != 2 {
		t.Errorf("%+v", got)
	}
	post(t, h, finish("b"))
	if got := start("c"); got.code != 200 {
		t.Errorf("%+v", got)
	}
	if text := scrape(t, h); !strings.Contains(text, "ballast_serve_sessions_open 2") || !strings.Contains(text, `ballast_serve_refused_total{protocol="verl-tool"} 3`) {
		t.Errorf("%s", text)
	}
}

// scrape reads /metrics.
func scrape(t testing.TB, h *httptest.Server) string {
	t.Helper()
	res, err := h.Client().Get(h.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLease: a trajectory that nobody uses is closed, and what comes for it later is an error.
func TestLease(t *testing.T) {
	s, h := serving(t, func(c *Config) { c.Lease = 60 * time.Millisecond })
	extra := map[string]any{"ballast_task": 0}
	post(t, h, one("a", "x", extra))
	until(t, func() bool { return s.registry.size() == 0 })
	got := post(t, h, one("a", "x", extra))
	if !got.Dones[0] || got.Valids[0] || got.Observations[0]["reward"] != nil || !strings.Contains(fmt.Sprint(got.Observations[0]["error"]), "lease") {
		t.Errorf("%+v", got)
	}
	if text := scrape(t, h); !strings.Contains(text, `ballast_serve_episodes_ended_total{how="expired",protocol="verl-tool"} 1`) {
		t.Errorf("%s", text)
	}
	until(t, func() bool { s.registry.mu.Lock(); defer s.registry.mu.Unlock(); return len(s.registry.gone) == 0 })
}

// until waits for something to hold.
func until(t testing.TB, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come to hold")
		}
	}
}

// TestToken: who has none learns nothing; probes need none; pages of other sites are refused.
func TestToken(t *testing.T) {
	_, h := serving(t, func(c *Config) { c.Token = "secret" })
	ask := func(path, header, origin string) int {
		q, err := http.NewRequestWithContext(context.Background(), "GET", h.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			q.Header.Set("Authorization", header)
		}
		if origin != "" {
			q.Header.Set("Origin", origin)
		}
		res, err := h.Client().Do(q)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, c := range []struct {
		path, header, origin string
		want                 int
	}{
		{"/tasks", "", "", 401}, {"/tasks", "Bearer no", "", 401}, {"/tasks?token=no", "", "", 401}, {"/metrics", "", "", 401},
		{"/tasks", "Bearer secret", "", 200}, {"/tasks?token=secret", "", "", 200}, {"/health", "", "", 200},
		{"/tasks", "Bearer secret", "http://evil.example", 403}, {"/tasks", "Bearer secret", h.URL, 200},
	} {
		if got := ask(c.path, c.header, c.origin); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// FuzzActions: no request breaks the server, and what is accepted is played whole.
func FuzzActions(f *testing.F) {
	f.Add([]byte(`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_task":0}],"finish":[false],"is_last_step":[true]}`))
	f.Add([]byte(`{"trajectory_ids":["a","a"],"actions":["x","y"],"extra_fields":[{"ballast_task":0,"ballast_step":0},null]}`))
	f.Add([]byte(`{"trajectory_ids":[1],"actions":{}}`))
	f.Add([]byte(`{"trajectory_ids":["a"],"actions":[""],"finish":[true]}`))
	f.Add([]byte(`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_task":"` + strings.Repeat("9", 100) + `"}]}`))
	s, err := New(Config{Tasks: desk(f, 4), Format: chat.Hermes, Rules: env.Rules{Malformed: env.MalformedAdvance}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/get_observation", bytes.NewReader(body)))
		var got seen
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		switch w.Code {
		case 200:
			if n := len(got.Dones); n == 0 || len(got.Observations) != n || len(got.Valids) != n {
				t.Errorf("%s", w.Body)
			}
		case 422:
			if got.Detail == nil {
				t.Errorf("%s", w.Body)
			}
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestOnlyNamed: what the table has and no task names neither bounds the sessions nor slows the rest.
func TestOnlyNamed(t *testing.T) {
	table := env.Builtin
	table.Worlds = append(slices.Clone(table.Worlds), env.WorldEntry{Name: "far", Room: make(chan struct{}, 3)})
	table.Graders = append(slices.Clone(table.Graders), env.GraderEntry{Name: "late"})
	for _, c := range []struct {
		world, grader string
		sessions      int
		slow          bool
	}{{"", "", 10, false}, {"sim", "late", 10, true}, {"far", "", 3, true}} {
		s, _ := serving(t, func(f *Config) {
			f.Env, f.Sessions = &table, 10
			f.Tasks[7].World, f.Tasks[7].Grader = c.world, cmp.Or(c.grader, f.Tasks[7].Grader)
		})
		if s.slow != c.slow || s.Sessions() != c.sessions {
			t.Errorf("%+v: slow %v, %d sessions", c, s.slow, s.Sessions())
		}
	}
}
