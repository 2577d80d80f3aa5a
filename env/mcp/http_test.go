package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"ballast"
	"ballast/env/envtest"
)

// web serves over HTTP. Where sessions are off it tells episodes apart by what key finds in a request.
func web(t *testing.T, sessions bool, key func(*http.Request) string) string {
	var mu sync.Mutex
	known := map[string]*sdk.Server{}
	h := sdk.NewStreamableHTTPHandler(func(r *http.Request) *sdk.Server {
		if sessions {
			return remembering("memory", nil)
		}
		mu.Lock()
		defer mu.Unlock()
		k := key(r)
		if known[k] == nil {
			known[k] = remembering("memory", nil)
		}
		return known[k]
	}, &sdk.StreamableHTTPOptions{Stateless: !sessions})
	server := httptest.NewUnstartedServer(h)
	server.Config.SetKeepAlivesEnabled(false) // a test that counts what stays open counts no idle connections
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// TestHTTP: episodes are apart where the server has sessions, or is told of them, in both eras.
func TestHTTP(t *testing.T) {
	header := func(r *http.Request) string { return r.Header.Get("X-Episode") }
	path := func(r *http.Request) string { return r.URL.Path }
	nobody := func(*http.Request) string { return "" }
	tools := []string{"remember", "recall"}
	for _, c := range []struct {
		name     string
		sessions bool
		key      func(*http.Request) string
		c        Config
		path     string
		version  string
		note     string
		leaks    bool
	}{
		{"sessions", true, nil, Config{}, "", withSessions, "Each episode gets a session of the server", false},
		{"a header", false, header, Config{Isolate: "header X-Episode"}, "", withSessions, "in the header X-Episode", false},
		{"a header, the newest", false, header, Config{Isolate: "header X-Episode", version: withoutSessions}, "", withoutSessions, "X-Episode", false},
		{"a path", false, path, Config{Isolate: "path"}, "/{session}/mcp", withSessions, "its own address", false},
		{"nothing", false, nobody, Config{}, "", withSessions, "EPISODES CAN SEE EACH OTHER", true},
		{"a reset", false, nobody, Config{Reset: `{"name":"forget"}`}, "", withSessions, "One episode runs at a time", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.c.URL, c.c.Tools = web(t, c.sessions, c.key)+c.path, tools
			s := connect(t, c.c)
			wait(t, "a full pool", s.warm)
			if notes := strings.Join(s.Notes(), "\n"); !strings.Contains(notes, c.note) || !strings.Contains(notes, "speaks "+c.version) {
				t.Errorf("%s\nhas no %q", notes, c.note)
			}
			one := *task(t, "recall(), remember(text='x'), recall()")
			found, err := s.Compare(t.Context(), []ballast.Task{one}, nothingShows)
			if err != nil || (len(found) > 0) != c.leaks {
				t.Errorf("%v, %v", found, err)
			}
			if !c.leaks && c.c.Reset == "" {
				envtest.Test(t, settled{s}, &one)
			}
		})
	}
}

// TestArgument: a server that wants the episode's name in every call gets it, and no prompt shows it.
func TestArgument(t *testing.T) {
	type in struct {
		Room string `json:"room"`
		Text string `json:"text,omitempty"`
	}
	var mu sync.Mutex
	rooms := map[string][]string{}
	h := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server {
		s := sdk.NewServer(&sdk.Implementation{Name: "rooms", Version: "1"}, nil)
		sdk.AddTool(s, &sdk.Tool{Name: "say"}, func(_ context.Context, _ *sdk.CallToolRequest, a in) (*sdk.CallToolResult, any, error) {
			mu.Lock()
			defer mu.Unlock()
			rooms[a.Room] = append(rooms[a.Room], a.Text)
			return texts(strings.Join(rooms[a.Room], ",")), nil, nil
		})
		return s
	}, &sdk.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	server := httptest.NewServer(h)
	defer server.Close()
	s := connect(t, Config{URL: server.URL, Isolate: "argument room"})
	if tool := s.tools[0]; len(tool.Params) != 1 || tool.Params[0].Name != "text" {
		t.Errorf("%+v", tool.Params)
	}
	a, b := open(t, s), open(t, s)
	for _, c := range []struct {
		e          ballast.Session
		call, want string
	}{{a, "say('1')", "1"}, {b, "say('2')", "2"}, {a, "say(text='3', room='other')", "1,3"}} {
		if got := ask(t, c.e, c.call); got != c.want {
			t.Errorf("%s: %q, want %q", c.call, got, c.want)
		}
	}
}

// TestOneState: where all connections have one state, or may have, an episode begins when it was put back, however long that takes,
// and does not begin where it cannot be.
func TestOneState(t *testing.T) {
	for _, c := range []struct {
		name  string
		o     sdk.StreamableHTTPOptions
		c     Config
		notes string
	}{
		{"no sessions", sdk.StreamableHTTPOptions{Stateless: true, JSONResponse: true}, Config{version: withoutSessions}, "mcp.isolate would let more run"},
		{"one session at a time", sdk.StreamableHTTPOptions{}, Config{Sessions: 1}, "One episode runs at a time (mcp.sessions), and forget is called"},
		{"one name at a time", sdk.StreamableHTTPOptions{Stateless: true}, Config{Sessions: 1, Isolate: "header X"}, "One episode runs at a time (mcp.s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := &oneMemory{takes: 20 * time.Millisecond}
			server := httptest.NewServer(sdk.NewStreamableHTTPHandler(memory.server, &c.o))
			defer server.Close()
			c.c.URL, c.c.Reset = server.URL, `{"name":"forget"}`
			s := connect(t, c.c)
			if notes := strings.Join(s.Notes(), "\n"); !strings.Contains(notes, c.notes) {
				t.Errorf("%s\nhas no %q", notes, c.notes)
			}
			for i := range 5 {
				e := open(t, s)
				if got := ask(t, e, "say()"); got != "x" {
					t.Fatalf("episode %d: %q", i, got)
				}
				time.Sleep(3 * memory.takes / 2) // a reset behind the one before would be over
				if got := ask(t, e, "say()"); got != "xx" {
					t.Fatalf("episode %d: %q", i, got)
				}
				e.Close()
			}
			memory.refuse(true)
			var failed *Error
			if _, err := s.Open(t.Context(), nil); !errors.As(err, &failed) || failed.Kind != KindReset || !strings.Contains(err.Error(), "not now") {
				t.Errorf("%v", err)
			}
			memory.refuse(false)
			if got := ask(t, open(t, s), "say()"); got != "x" {
				t.Errorf("after a reset that failed: %q", got)
			}
			if n := s.Counts(); n[KindReset] != 1 || n["sessions"] != 6 {
				t.Errorf("%v", n)
			}
		})
	}
}

// oneMemory is what all sessions of a server have in common.
type oneMemory struct {
	mu      sync.Mutex
	text    string
	refuses bool
	takes   time.Duration // a reset
}

func (m *oneMemory) refuse(is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuses = is
}

func (m *oneMemory) server(*http.Request) *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "one", Version: "1"}, nil)
	add := func(name string, do func() (string, error)) {
		sdk.AddTool(s, &sdk.Tool{Name: name}, func(context.Context, *sdk.CallToolRequest, nothing) (*sdk.CallToolResult, any, error) {
			text, err := do()
			return texts(text), nil, err
		})
	}
	add("say", func() (string, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.text += "x"
		return m.text, nil
	})
	add("forget", func() (string, error) {
		time.Sleep(m.takes)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.refuses {
			return "", errors.New("not now")
		}
		m.text = ""
		return "forgotten", nil
	})
	return s
}

// TestRefusals: what a server says of a call is its answer. That the call did not reach it is a failure of the machine, also where
// somebody before it says so in the protocol's words.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status, code int
		answers      bool
	}{
		{http.StatusOK, -32602, true}, {http.StatusOK, -32603, true}, {http.StatusOK, 7, true},
		{http.StatusBadRequest, -32602, true}, {http.StatusNotFound, -32601, true},
		{http.StatusUnauthorized, 401, false}, {http.StatusForbidden, -32603, false}, {http.StatusNotFound, -32600, false},
		{http.StatusNotFound, -32001, false}, {http.StatusBadRequest, -32000, false}, {http.StatusConflict, 0, false},
		{http.StatusBadGateway, -32603, false},
	} {
		gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			var m struct {
				ID     json.RawMessage
				Params struct{ Name string }
			}
			if json.Unmarshal(body, &m) != nil || m.Params.Name != "forget" {
				r.Body = io.NopCloser(bytes.NewReader(body))
				backend.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"it is not to be had"}}`, m.ID, c.code)
		}))
		t.Cleanup(gate.Close)
		s := connect(t, Config{URL: gate.URL, Ahead: -1})
		got, err := open(t, s).Call(t.Context(), parse(t, "forget()"))
		var failed *Error
		switch {
		case c.answers && (err != nil || got != "error: it is not to be had"):
			t.Errorf("HTTP %d, code %d: %q, %v", c.status, c.code, got, err)
		case !c.answers && (!errors.As(err, &failed) || failed.Kind != KindConnection || s.Counts()[KindConnection] != 1):
			t.Errorf("HTTP %d, code %d: %q, %v, %v", c.status, c.code, got, err, s.Counts())
		}
	}
}

// TestForgotten: a session that waited while the server was started again is not given to an episode, nor one that all share.
func TestForgotten(t *testing.T) {
	defer func(d time.Duration) { rests = d }(rests)
	rests = 0
	for _, tools := range [][]string{{"remember", "recall"}, {"recall"}} {
		var now atomic.Pointer[sdk.StreamableHTTPHandler]
		restart := func() {
			now.Store(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return remembering("memory", nil) }, nil))
		}
		restart()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().ServeHTTP(w, r) }))
		t.Cleanup(server.Close)
		s := connect(t, Config{URL: server.URL, Ahead: 2, Tools: tools})
		wait(t, "a full pool", s.warm)
		for range 2 {
			ask(t, open(t, s), "recall()")
		}
		if n := s.Counts()[KindConnection]; n != 0 {
			t.Errorf("%v: %d sessions that are there were given up", tools, n)
		}
		wait(t, "a full pool", s.warm)
		restart()
		e, err := s.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Call(t.Context(), parse(t, "recall()")); err != nil || got != "" {
			t.Errorf("%v: %q, %v", tools, got, err)
		}
		e.Close()
	}
}

// TestEndless: of an answer no more is read than a server may write for a call, whatever it is.
func TestEndless(t *testing.T) {
	for kind, status := range map[string]int{"text/plain": http.StatusBadRequest, "application/json": http.StatusOK, "text/event-stream": http.StatusOK} {
		var wrote atomic.Int64
		gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			if !bytes.Contains(body, []byte(`"forget"`)) {
				r.Body = io.NopCloser(bytes.NewReader(body))
				backend.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			for line := []byte(":" + strings.Repeat("x", 1<<16) + "\n"); wrote.Load() < 256<<20; {
				n, err := w.Write(line)
				if wrote.Add(int64(n)); err != nil {
					return
				}
			}
		}))
		t.Cleanup(gate.Close)
		s := connect(t, Config{URL: gate.URL, Ahead: -1, OutputMiB: 1})
		got, err := open(t, s).Call(t.Context(), parse(t, "forget()"))
		var failed *Error
		if !errors.As(err, &failed) || failed.Kind != KindOutput || !strings.Contains(err.Error(), "more than 1 MiB (mcp.output)") {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
		if n := wrote.Load(); n > 128<<20 {
			t.Errorf("%s: %d bytes were read", kind, n)
		}
	}
}

// TestToken: the server gets the token, and what goes wrong with it has a kind.
func TestToken(t *testing.T) {
	t.Setenv("MCP_TEST_TOKEN", "secret")
	inner := web(t, true, nil)
	broken := false
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case broken:
			w.WriteHeader(http.StatusBadGateway)
		case r.Header.Get("Authorization") != "Bearer secret":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			http.Redirect(w, r, inner, http.StatusTemporaryRedirect)
		}
	}))
	defer server.Close()
	for want, c := range map[string]Config{
		"Unauthorized":                       {URL: server.URL},
		"the server sends elsewhere (a redi": {URL: server.URL, Token: "MCP_TEST_TOKEN"},
	} {
		if _, err := Connect(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	forward := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		b := broken
		mu.Unlock()
		if b {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	defer forward.Close()
	s := connect(t, Config{URL: forward.URL, Ahead: -1})
	e := open(t, s)
	ask(t, e, "remember(text='x')")
	mu.Lock()
	broken = true
	mu.Unlock()
	var e1 *Error
	if _, err := e.Call(t.Context(), parse(t, "recall()")); !errors.As(err, &e1) || e1.Kind != KindConnection {
		t.Errorf("%v", err)
	}
	if n := s.Counts(); n[KindConnection] != 1 {
		t.Errorf("%v", n)
	}
}

// backend is a server with sessions.
var backend = sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return remembering("memory", nil) }, nil)
