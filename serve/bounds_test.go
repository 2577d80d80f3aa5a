package serve

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast/chat"
	"ballast/env"
)

// TestRequests: whoever waits for a slot and gets none within the timeout is told so, on every route that works; a message
// of a WebSocket takes a slot as a request does.
func TestRequests(t *testing.T) {
	w := &counter{hang: make(chan struct{})}
	s, h := serving(t, func(c *Config) { counting(w)(c); c.Requests, c.Timeout, c.Name = 1, 20*time.Millisecond, "office" })
	c := dial(t, h, "")
	c.send("reset", map[string]any{})
	step := `{"type":"step","data":{"text":"` + strings.ReplaceAll(add, `"`, `\"`) + `"}}`
	if err := c.conn.Write(t.Context(), 1, []byte(step)); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return w.inside.Load() == 1 })
	free := []string{"GET /health", "POST /health", "GET /metrics", "GET /tasks", "GET /ws", "GET /metadata", "GET /schema",
		"GET /openapi.json", "GET /list_environments", "GET /{env}/splits"}
	for _, r := range s.paths() {
		method, path, _ := strings.Cut(strings.ReplaceAll(r.pattern, "{env}", "office"), " ")
		if code, text := ask(t, h, method, path, "{}"); (code == http.StatusRequestTimeout) == slices.Contains(free, r.pattern) {
			t.Errorf("%s: %d %s", r.pattern, code, text)
		}
	}
	close(w.hang)
	if m, err := c.read(); err != nil || m.Type != "observation" {
		t.Errorf("%+v %v", m, err)
	}
	until(t, func() bool { return len(s.slots) == 0 })
	if code, text := ask(t, h, "GET", "/state", ""); code != 200 {
		t.Errorf("%d %s", code, text)
	}
}

// TestClosed: after Close nothing begins, and nothing runs that nobody waits for.
func TestClosed(t *testing.T) {
	w := &counter{}
	s, _ := serving(t, counting(w))
	_, x, err := s.openSession()
	if err != nil {
		t.Fatal(err)
	}
	actions := []action{{id: "a", text: add}}
	in, ends, err := s.registry.enter([]want{{key{verlTool, "a"}, true}})
	if err != nil {
		t.Fatal(err)
	}
	in[0].name(1)
	if s.Drain(); s.join(&s.sockets) {
		t.Error("a WebSocket is waited for after Drain")
	}
	if !s.aside(func() {}) {
		t.Error("what was begun does not go on after Drain")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.aside(func() { t.Error("it runs") }) {
		t.Error("something outlives Close")
	}
	if _, err := s.reset(x, 0, ""); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("a session begins an episode after Close: %v", err)
	}
	var out played
	if s.playOne(t.Context(), &actions[0], in[0], ends[0], &out); !strings.Contains(out.answer.broken, "shutting down") {
		t.Errorf("%+v", out.answer)
	}
	if _, err := s.playActions(t.Context(), actions); err != nil { // the end of the trajectory is known
		t.Error(err)
	}
	if n := w.calls.Load() + w.open.Load(); n != 0 {
		t.Errorf("%d calls and worlds", n)
	}
}

// listening has a server Serve on this machine's own address until it is stopped; served has what Serve returned.
func listening(t *testing.T, c Config) (s *Server, url string, stop context.CancelFunc, served <-chan error) {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- s.Serve(ctx, l) }()
	return s, "http://" + l.Addr().String(), stop, over
}

// TestHost: on this machine's own address a request names this machine, unless it has the token.
func TestHost(t *testing.T) {
	for _, token := range []string{"", "secret"} {
		_, url, stop, served := listening(t, Config{Tasks: desk(t, 1), Format: chat.Hermes,
			Rules: env.Rules{Malformed: env.MalformedAdvance}, Token: token})
		for host, own := range map[string]bool{
			"localhost:5500": true, "LOCALHOST.": true, "127.0.0.1": true, "127.8.0.1:80": true, "[::1]:5500": true,
			"evil.example": false, "evil.example:5500": false, "localhost.evil.example": false, "10.0.0.1:5500": false,
			"127.0.0.1.evil.example": false,
		} {
			for _, path := range []string{"/tasks", "/health"} {
				q, err := http.NewRequestWithContext(t.Context(), "GET", url+path+"?token="+token, nil)
				if err != nil {
					t.Fatal(err)
				}
				q.Host = host
				q.Header.Set("Origin", "http://"+host) // as a page has it whose name is resolved to this machine
				res, err := http.DefaultClient.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(res.Body)
				res.Body.Close()
				want := http.StatusOK
				if !own && token == "" {
					want = http.StatusForbidden
				}
				if res.StatusCode != want {
					t.Errorf("%s%s, token %q: %d %s", host, path, token, res.StatusCode, text)
				}
			}
		}
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// TestEscaped: texts of verl-tool's answers read as encoding/json would have written them.
func TestEscaped(t *testing.T) {
	for _, text := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "<a href='x'>&amp;</a>",
		"naïve 世界 \u2028 \U0001F600", "\xff\xfea\xc3", "\xed\xa0\x80x",
		strings.Repeat("long \x01 é\xff", 50)} {
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var a, b string
		if err := json.Unmarshal(appendText(nil, "", text), &a); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if err := json.Unmarshal(want, &b); err != nil || a != b {
			t.Errorf("%q reads as %q, not %q", text, a, b)
		}
	}
}
