package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ballast/chat"
	"ballast/env"
)

// client is OpenEnv's client over a WebSocket.
type client struct {
	t    testing.TB
	conn *websocket.Conn
}

func dial(t testing.TB, h *httptest.Server, query string) *client {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.URL, "http")+"/ws"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 24)
	t.Cleanup(func() { conn.CloseNow() })
	return &client{t, conn}
}

// heard is a message from the server.
type heard struct {
	Type string `json:"type"`
	Data struct {
		Observation map[string]any `json:"observation"`
		Reward      *float64       `json:"reward"`
		Done        bool           `json:"done"`
		Metadata    map[string]any `json:"metadata"`
		Message     string         `json:"message"`
		Code        string         `json:"code"`
		Errors      []fault        `json:"errors"`
		Active      int            `json:"active_sessions"`
		Max         int            `json:"max_sessions"`
		Episode     string         `json:"episode_id"`
		Steps       int            `json:"step_count"`
		Task        string         `json:"task_id"`
		Result      map[string]any `json:"result"`
		Error       map[string]any `json:"error"`
	} `json:"data"`
}

// read is the next message; an error is one of the connection.
func (c *client) read() (m heard, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, text, err := c.conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	return m, err
}

// say sends a text and returns the answer.
func (c *client) say(text string) heard {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
	m, err := c.read()
	if err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
	return m
}

// send sends a message with data.
func (c *client) send(kind string, data any) heard {
	c.t.Helper()
	raw, err := json.Marshal(map[string]any{"type": kind, "data": data})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.say(string(raw))
}

// TestSocketGold: gold's replies earn 1 over a WebSocket, in episode after episode of a session.
func TestSocketGold(t *testing.T) {
	s, h := serving(t, nil)
	c := dial(t, h, "")
	for i := range s.cfg.Tasks {
		x := &s.cfg.Tasks[i]
		data := map[string]any{"ballast_task": x.ID, "episode_id": "e" + x.ID, "a_column": 3}
		switch i % 3 {
		case 1:
			data["ballast_task"] = i
		case 2:
			data = map[string]any{"seed": i + len(s.cfg.Tasks)}
		}
		m := c.send("reset", data)
		o := m.Data.Observation
		docs, _ := o["tool_docs"].([]any)
		if m.Type != "observation" || m.Data.Done || m.Data.Reward != nil || o["text"] != x.Turns[0].User || len(docs) == 0 ||
			m.Data.Metadata["task_id"] != x.ID {
			t.Fatalf("reset: %+v", m)
		}
		if doc := docs[0].(map[string]any); doc["name"] == "" || doc["input_schema"].(map[string]any)["type"] == nil {
			t.Errorf("%v", doc)
		}
		lines := script(t, x)
		for n, text := range lines {
			m = c.send("step", map[string]any{"text": text, "metadata": map[string]any{}})
			if last := n == len(lines)-1; m.Type != "observation" || m.Data.Done != last || (m.Data.Reward != nil) != last {
				t.Fatalf("%s: step %d: %+v", x.ID, n, m)
			}
		}
		if *m.Data.Reward != 1 || m.Data.Observation["stop"] != "done" {
			t.Errorf("%s: %+v", x.ID, m)
		}
		st := c.say(`{"type":"state"}`)
		if st.Type != "state" || st.Data.Steps != len(lines) || st.Data.Task != x.ID || st.Data.Episode == "" || !st.Data.Done {
			t.Errorf("%+v", st)
		}
		if m = c.send("step", map[string]any{"text": "x"}); m.Data.Code != codeFailed || !strings.Contains(m.Data.Message, "is over") {
			t.Errorf("%+v", m)
		}
	}
	if s.registry.size() != 1 {
		t.Errorf("%d sessions", s.registry.size())
	}
	if err := c.conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"close"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.read(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("%v", err)
	}
	until(t, func() bool { return s.registry.size() == 0 })
}

// TestSocketBad: every message that is wrong is answered with an error of the protocol, and the
// session goes on.
func TestSocketBad(t *testing.T) {
	_, h := serving(t, nil)
	c := dial(t, h, "")
	for _, x := range []struct{ say, code, want string }{
		{`{`, codeJSON, "Invalid JSON"},
		{`[]`, codeJSON, "Invalid JSON"},
		{`{}`, codeUnknown, "Unknown message type: "},
		{`{"type":"jump"}`, codeUnknown, "jump"},
		{`{"type":3}`, codeUnknown, ""},
		{`{"type":"state","more":1}`, codeInvalid, "more"},
		{`{"type":"step"}`, codeInvalid, "data"},
		{`{"type":"step","data":null}`, codeInvalid, "action"},
		{`{"type":"step","data":{"text":3}}`, codeInvalid, "text"},
		{`{"type":"step","data":{"text":"x","more":1}}`, codeInvalid, "more"},
		{`{"type":"step","data":{"type":"fly"}}`, codeInvalid, "list_tools"},
		{`{"type":"step","data":{"type":"call_tool"}}`, codeInvalid, "tool_name"},
		{`{"type":"step","data":{"type":"call_tool","tool_name":"a","arguments":[]}}`, codeInvalid, "arguments"},
		{`{"type":"step","data":{"text":"x"}}`, codeFailed, "reset it first"},
		{`{"type":"reset","data":{"seed":-1}}`, codeInvalid, "seed"},
		{`{"type":"reset","data":{"seed":"x"}}`, codeInvalid, "seed"},
		{`{"type":"reset","data":{"ballast_task":"moon"}}`, codeInvalid, "moon"},
		{`{"type":"reset","data":{"episode_id":"` + strings.Repeat("x", 256) + `"}}`, codeInvalid, "episode_id"},
	} {
		m := c.say(x.say)
		if text := fmt.Sprint(m.Data.Message, m.Data.Errors); m.Type != "error" || m.Data.Code != x.code || !strings.Contains(text, x.want) {
			t.Errorf("%s: %+v", x.say, m)
		}
	}
	if m := c.send("reset", map[string]any{}); m.Type != "observation" {
		t.Errorf("%+v", m)
	}
	if m := c.say(`{"type":"state"}`); m.Data.Steps != 0 {
		t.Errorf("%+v", m)
	}
}

// TestSocketCapacity: one session more is answered with the protocol's own error; a client that
// vanishes makes room.
func TestSocketCapacity(t *testing.T) {
	s, h := serving(t, func(c *Config) { c.Sessions = 1 })
	a := dial(t, h, "")
	a.send("reset", map[string]any{})
	b := dial(t, h, "")
	m, err := b.read()
	if err != nil || m.Type != "error" || m.Data.Code != codeCapacity || m.Data.Active != 1 || m.Data.Max != 1 ||
		m.Data.Message != "Server at capacity: 1/1 sessions active. Cannot accept new connections." {
		t.Errorf("%+v %v", m, err)
	}
	if _, err := b.read(); err == nil {
		t.Error("the connection stays open")
	}
	a.conn.CloseNow()
	until(t, func() bool { return s.registry.size() == 0 })
	if m := dial(t, h, "").send("reset", map[string]any{}); m.Type != "observation" {
		t.Errorf("%+v", m)
	}
	if text := scrape(t, h); !strings.Contains(text, `ballast_serve_episodes_ended_total{how="vanished",protocol="openenv"} 1`) {
		t.Errorf("%s", text)
	}
}

// TestSocketLease: a session whose client says nothing is closed.
func TestSocketLease(t *testing.T) {
	s, h := serving(t, func(c *Config) { c.Lease = 60 * time.Millisecond })
	c := dial(t, h, "")
	c.send("reset", map[string]any{})
	m, err := c.read()
	if err != nil || m.Data.Code != codeSession || !strings.Contains(m.Data.Message, "lease") {
		t.Errorf("%+v %v", m, err)
	}
	until(t, func() bool { return s.registry.size() == 0 })
}

// rpc asks POST /mcp.
func rpc(t testing.TB, h *httptest.Server, method string, params any) (out map[string]any) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": method, "params": params, "id": 7})
	if err != nil {
		t.Fatal(err)
	}
	code, text := ask(t, h, "POST", "/mcp", string(raw))
	if err := json.Unmarshal([]byte(text), &out); err != nil || code != 200 || out["jsonrpc"] != "2.0" || out["id"] != 7.0 {
		t.Fatalf("%d %s %v", code, text, err)
	}
	return out
}

// ask sends a request and returns status and body.
func ask(t testing.TB, h *httptest.Server, method, path, body string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestMCP: a session that is made over /mcp is reset over a WebSocket; its tools are listed and
// called over both, in one episode.
func TestMCP(t *testing.T) {
	s, h := serving(t, nil)
	id, _ := rpc(t, h, "openenv/session/create", map[string]any{})["result"].(map[string]any)["session_id"].(string)
	if id == "" || s.registry.size() != 1 {
		t.Fatalf("%q, %d sessions", id, s.registry.size())
	}
	if out := rpc(t, h, "tools/list", map[string]any{"session_id": id}); !strings.Contains(fmt.Sprint(out["error"]), "reset it first") {
		t.Errorf("%v", out)
	}
	c := dial(t, h, "?session_id="+id)
	c.say(`{"type":"state"}`) // it is attached
	if m, err := dial(t, h, "?session_id="+id).read(); err != nil || m.Data.Code != codeSession || !strings.Contains(m.Data.Message, "already has") {
		t.Errorf("%+v %v", m, err)
	}
	if m, err := dial(t, h, "?session_id=none").read(); err != nil || m.Data.Message != "Unknown session_id: none" {
		t.Errorf("%+v %v", m, err)
	}
	c.send("reset", map[string]any{"ballast_task": 0})
	tools, _ := rpc(t, h, "tools/list", map[string]any{"session_id": id})["result"].(map[string]any)["tools"].([]any)
	if len(tools) == 0 {
		t.Fatal("no tools")
	}
	gold := s.cfg.Tasks[0].Turns[0].Gold
	if len(gold) == 0 {
		t.Fatal("the first turn needs no call")
	}
	args := map[string]any{}
	for _, a := range gold[0].Args {
		args[a.Name] = a.Value
	}
	out, _ := rpc(t, h, "tools/call", map[string]any{"session_id": id, "name": gold[0].Name, "arguments": args})["result"].(map[string]any)
	if text, _ := out["data"].(string); text == "" || out["is_error"] != false {
		t.Errorf("%v", out)
	}
	m := c.send("step", map[string]any{"type": "call_tool", "tool_name": "moon", "arguments": map[string]any{}})
	if o := m.Data.Observation; o["tool_name"] != "moon" || o["valid"] != false || o["result"] == nil || m.Data.Done {
		t.Errorf("%+v", m)
	}
	if m := c.send("step", map[string]any{"type": "list_tools"}); len(m.Data.Observation["tools"].([]any)) != len(tools) {
		t.Errorf("%+v", m)
	}
	if m := c.send("mcp", map[string]any{"jsonrpc": "2.0", "method": "tools/list", "id": 1}); m.Type != "mcp" || len(m.Data.Result["tools"].([]any)) != len(tools) {
		t.Errorf("%+v", m)
	}
	if m := c.say(`{"type":"state"}`); m.Data.Steps != 2 {
		t.Errorf("%+v", m)
	}
	if out := rpc(t, h, "openenv/session/close", map[string]any{"session_id": id}); out["result"].(map[string]any)["closing"] != true {
		t.Errorf("%v", out)
	}
	c.conn.CloseNow()
	until(t, func() bool { return s.registry.size() == 0 })
	for _, x := range []struct {
		method string
		params any
		code   float64
	}{
		{"tools/list", map[string]any{}, rpcParams}, {"tools/list", map[string]any{"session_id": id}, rpcParams}, {"tools/list", 3, rpcParams},
		{"fly", nil, rpcMethod}, {"openenv/session/close", nil, rpcParams}, {"openenv/session/close", map[string]any{"session_id": id}, rpcParams},
	} {
		if out := rpc(t, h, x.method, x.params); out["error"].(map[string]any)["code"] != x.code {
			t.Errorf("%s %v: %v", x.method, x.params, out)
		}
	}
	for body, want := range map[string]string{"{": "-32700", "{}": "-32600", `{"jsonrpc":"2.0"}`: "-32600", `[]`: "-32600"} {
		if code, text := ask(t, h, "POST", "/mcp", body); code != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
}

// TestHTTP: an episode goes on over requests that name it, and what is asked about it is answered.
func TestHTTP(t *testing.T) {
	s, h := serving(t, func(c *Config) { c.Name, c.Sessions = "office", 2 })
	for _, x := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/health", "", 200, `"status":"healthy"`},
		{"POST", "/health", "", 200, `"tools":["office"]`},
		{"GET", "/metadata", "", 200, `"name":"office"`},
		{"GET", "/schema", "", 200, `"reset_observation"`},
		{"GET", "/openapi.json", "", 200, `"/get_observation"`},
		{"GET", "/list_environments", "", 200, `["office"]`},
		{"GET", "/office/splits", "", 200, `[{"name":"train","type":"train"}]`},
		{"GET", "/moon/splits", "", 404, "there is office"},
		{"POST", "/office/num_tasks", `{"split":"train"}`, 200, `"num_tasks":8`},
		{"POST", "/office/num_tasks", `{"split":"test"}`, 422, "train"},
		{"POST", "/office/task", `{"split":"train","index":1}`, 200, s.cfg.Tasks[1].ID},
		{"POST", "/office/task", `{"split":"train","index":8}`, 400, "Invalid task index"},
		{"POST", "/office/task_range", `{"split":"train","start":7}`, 200, s.cfg.Tasks[7].ID},
		{"POST", "/office/tasks", `{"split":"train"}`, 200, `"env_name":"office"`},
		{"GET", "/state", "", 200, `"step_count":0`},
		{"GET", "/state?episode_id=none", "", 404, "Unknown session_id: none"},
		{"POST", "/step", `{"action":{"text":"x"}}`, 422, "episode_id"},
		{"POST", "/step", `{"episode_id":"a"}`, 422, "action"},
		{"POST", "/step", `{"episode_id":"a","action":{}}`, 422, `["body","action","text"]`},
		{"POST", "/step", `{"episode_id":"a","action":{"text":"x"}}`, 404, "Unknown session_id: a"},
		{"POST", "/reset", `{"ballast_task":99}`, 422, "index 99"},
		{"POST", "/reset", `{"episode_id":"a","ballast_task":0}`, 200, `"episode_id":"a"`},
		{"POST", "/step", `{"episode_id":"a","action":{"text":"hello"}}`, 200, `"done":`},
		{"GET", "/state?episode_id=a", "", 200, `"step_count":1`},
		{"POST", "/reset", `{"episode_id":"a","ballast_task":1}`, 200, s.cfg.Tasks[1].ID},
		{"GET", "/state?episode_id=a", "", 200, `"step_count":0`},
		{"POST", "/reset", ``, 200, `"episode_id":`},
		{"POST", "/reset", `{}`, 503, "Server at capacity: 2/2"},
		{"GET", "/nothing", "", 404, ""},
	} {
		if code, text := ask(t, h, x.method, x.path, x.body); code != x.code || !strings.Contains(text, x.want) {
			t.Errorf("%s %s %s: %d %s", x.method, x.path, x.body, code, text)
		}
	}
}

// FuzzSocket: no message breaks a session, and each is answered with an object that has a type.
func FuzzSocket(f *testing.F) {
	for _, text := range []string{`{"type":"reset","data":{"seed":1,"episode_id":"e"}}`, `{"type":"step","data":{"text":"x"}}`,
		`{"type":"step","data":{"type":"call_tool","tool_name":"a","arguments":{"b":[1e400,null]}}}`, `{"type":"state"}`,
		`{"type":"mcp","data":{"jsonrpc":"2.0","method":"tools/call","params":{"name":"ls"}}}`, `{"type":"reset","data":{"ballast_task":1}}`, `{`, `null`} {
		f.Add([]byte(text))
	}
	s, err := New(Config{Tasks: desk(f, 4), Format: chat.Hermes, Rules: env.Rules{Malformed: env.MalformedAdvance}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &socket{s: s}
		var err error
		if c.id, c.x, err = s.openSession(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m, more := c.reply(t.Context(), text)
			raw, err := json.Marshal(m)
			if err != nil || more && !bytes.Contains(raw, []byte(`"type":`)) {
				t.Errorf("%s %v", raw, err)
			}
		}
		if s.registry.remove(c.x, endFinished) {
			s.shut(c.x, endFinished)
		}
		s.registry.leave(c.x)
	})
}
