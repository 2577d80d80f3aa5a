package worlds

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"ballast"
	"ballast/chat"
	"ballast/env"
	"ballast/recipe"
	"ballast/task"
	"ballast/value"
)

// notebook is a server that remembers what it is told, and counts calls.
type notebook struct {
	mu    sync.Mutex
	notes []string
	calls map[string]int
}

func (n *notebook) server() *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "notebook", Version: "1"}, nil)
	type in struct {
		Text string `json:"text,omitempty"`
	}
	add := func(name string, reads bool, do func(string) string) {
		sdk.AddTool(s, &sdk.Tool{Name: name, Annotations: &sdk.ToolAnnotations{ReadOnlyHint: reads}},
			func(_ context.Context, _ *sdk.CallToolRequest, in in) (*sdk.CallToolResult, any, error) {
				n.mu.Lock()
				defer n.mu.Unlock()
				if n.calls == nil {
					n.calls = map[string]int{}
				}
				n.calls[name]++
				return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: do(in.Text)}}}, nil, nil
			})
	}
	add("recall", true, func(string) string { return strings.Join(n.notes, ",") })
	add("remember", false, func(text string) string { n.notes = append(n.notes, text); return "noted" })
	add("forget", false, func(string) string { n.notes = nil; return "forgotten" })
	return s
}

// serve is an address of notebooks: one, or one for each session.
func serve(t *testing.T, one *notebook) string {
	t.Helper()
	s := httptest.NewServer(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server {
		if one != nil {
			return one.server()
		}
		return (&notebook{}).server()
	}, &sdk.StreamableHTTPOptions{Stateless: one != nil}))
	t.Cleanup(s.Close)
	return s.URL
}

// start opens the worlds of a recipe, and writes tasks.
func start(t *testing.T, m recipe.MCP, lines ...string) (w *Worlds, spec task.Spec, notes *bytes.Buffer) {
	t.Helper()
	notes = &bytes.Buffer{}
	w, err := Open(t.Context(), &recipe.Recipe{MCP: m}, notes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(t.TempDir(), "tasks.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return w, task.Spec{Name: path}, notes
}

const (
	looks   = `{"id":"looks","turns":[{"user":"u","gold":[{"name":"recall","arguments":{}}],"reply":"r"}]}`
	changes = `{"id":"changes","turns":[{"user":"u","gold":[{"name":"recall","arguments":{}},` +
		`{"name":"remember","arguments":{"text":"x"}}],"reply":"r"}]}`
	blind = `{"id":"blind","turns":[{"user":"u","gold":[{"name":"remember","arguments":{"text":"x"}}],"reply":"r"}]}`
	seen  = `{"id":"seen","turns":[{"user":"u","gold":[{"name":"remember","arguments":{"text":"x"}}],"reply":"r",` +
		`"expect":{"state":[{"call":{"name":"recall","arguments":{}},"returns":"x"}]}}]}`
	holds = `{"id":"holds","hold":["remember"],"tools":["recall"],"turns":[{"user":"u","gold":[{"name":"recall","arguments":{}}],` +
		`"reply":"r"},{"user":"v","reveal":["remember"],"gold":[{"name":"remember","arguments":{"text":"x"}}],"reply":"r"}]}`
)

// TestApart: what tasks show of a server is said once, in a sentence that says what to do.
func TestApart(t *testing.T) {
	const none, warning = "none saw the other", "WARNING: task changes: recall() answers \"\", and \"x\" after gold was played in a session beside it."
	for _, c := range []struct {
		name  string
		one   *notebook // nil: one for each session
		m     recipe.MCP
		tasks []string
		want  string
	}{
		{"sessions", nil, recipe.MCP{}, []string{looks, changes}, "in two episodes (tasks: changes), and " + none},
		{"one for all", &notebook{}, recipe.MCP{}, []string{looks, changes}, warning},
		{"one that is said to read", nil, recipe.MCP{Reads: true}, []string{changes}, warning},
		{"a reset", &notebook{}, recipe.MCP{Reset: `{"name":"forget"}`}, []string{changes}, none},
		{"answers that are alike", &notebook{}, recipe.MCP{}, []string{blind}, "(tasks: blind), and both were answered alike. These tasks make"},
		{"a look beside them", &notebook{}, recipe.MCP{}, []string{seen},
			"WARNING: task seen: recall() answers \"\", and \"x\" after gold was played in a session beside it."},
		{"a look in sessions", nil, recipe.MCP{}, []string{seen}, none},
		{"nothing changes", &notebook{}, recipe.MCP{}, []string{looks}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.m.Server = serve(t, c.one)
			w, spec, notes := start(t, c.m, c.tasks...)
			for range 2 {
				before := notes.Len()
				if _, err := w.Load(t.Context(), spec); err != nil {
					t.Fatal(err)
				}
				got := notes.String()[before:]
				if got == "" != (c.want == "") || !strings.Contains(got, c.want) || strings.Count(got, "\n") > 1 ||
					strings.Contains(c.want, "WARNING") && !strings.Contains(got, "mcp.reset") {
					t.Errorf("%q, want %q", got, c.want)
				}
				c.want = "" // it was said
			}
		})
	}
}

// TestHeldBack: a tool that is held back does not reach the server before it was shown, and does then.
func TestHeldBack(t *testing.T) {
	book := &notebook{}
	w, spec, _ := start(t, recipe.MCP{Server: serve(t, book)}, holds)
	w.compared.Store(true) // that plays gold
	tasks, err := w.Load(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Table().Prepare(t.Context(), &tasks[0])
	if err != nil {
		t.Fatal(err)
	}
	e := p.New(env.Rules{Steps: 9})
	defer e.Close()
	e.Start(t.Context())
	for _, c := range []struct {
		reply, want string
		reached     int
	}{
		{"remember('a')", `error: no tool is named "remember"`, 0},
		{"forget()", `error: no tool is named "forget"`, 0},
		{"recall()", "", 0},
		{"", "", 0}, // ends the turn, and the user shows it
		{"remember('b')", "noted", 1},
	} {
		said := chat.Parsed{Kind: ballast.KindResponse}
		if c.reply != "" {
			call, err := value.ParseCall(c.reply)
			if err != nil {
				t.Fatal(err)
			}
			said = chat.Parsed{Kind: ballast.KindCall, Calls: []ballast.Call{call}}
		}
		e.Reply(said, ballast.Step{Text: c.reply})
		got := e.Answer(t.Context())
		if c.reply != "" && (len(got.Results) != 1 || got.Results[0] != c.want) {
			t.Errorf("%s: %q, want %q", c.reply, got.Results, c.want)
		}
		book.mu.Lock()
		if n := book.calls["remember"]; n != c.reached || book.calls["forget"] > 0 {
			t.Errorf("after %s the server has got %v", c.reply, book.calls)
		}
		book.mu.Unlock()
	}
}

// TestTasksBeforeTheServer: a file that is not there, or cannot be read, is told before the server is started.
func TestTasksBeforeTheServer(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "tasks.jsonl")
	if err := os.WriteFile(broken, []byte("{\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{filepath.Join(t.TempDir(), "none.jsonl"): "ballast task list", broken: broken + ":1"} {
		w, err := Open(t.Context(), &recipe.Recipe{MCP: recipe.MCP{Server: "/no/such/program"}, Tasks: recipe.Tasks{Set: path}}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || w != nil {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
