package evaluation

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"ballast/eval"
	"ballast/recipe/models"
	"ballast/recipe/worlds"
)

// caller is an endpoint whose model calls look once and says that it is done.
func caller(t *testing.T) string {
	t.Helper()
	const call = `{\"name\": \"look\", \"arguments\": {\"text\": \"x\"}}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		done := strings.Contains(string(body), "it is there")
		switch {
		case strings.HasSuffix(r.URL.Path, "/chat/completions") && done:
			fmt.Fprint(w, `{"choices": [{"finish_reason": "stop", "message": {"content": "Done."}}]}`)
		case strings.HasSuffix(r.URL.Path, "/chat/completions"):
			fmt.Fprint(w, `{"choices": [{"finish_reason": "tool_calls", "message": {"content": "", "tool_calls": [{"id": "1", "type": "function",
				"function": {"name": "look", "arguments": "{\"text\": \"x\"}"}}]}}]}`)
		case done:
			fmt.Fprint(w, `{"choices": [{"finish_reason": "stop", "text": "Done."}]}`)
		default:
			fmt.Fprint(w, `{"choices": [{"finish_reason": "stop", "text": "<tool_call>\n`+call+`\n</tool_call>"}]}`)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestWorldFailsOnce: an episode whose world fails is played again, over either API of an endpoint.
func TestWorldFailsOnce(t *testing.T) {
	var fail atomic.Int64
	inner := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server {
		s := sdk.NewServer(&sdk.Implementation{Name: "looks", Version: "1"}, nil)
		type in struct {
			Text string `json:"text"`
		}
		sdk.AddTool(s, &sdk.Tool{Name: "look", Annotations: &sdk.ToolAnnotations{ReadOnlyHint: true}},
			func(context.Context, *sdk.CallToolRequest, in) (*sdk.CallToolResult, any, error) {
				return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "it is there"}}}, nil, nil
			})
		return s
	}, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && fail.Add(-1) >= 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "tasks.jsonl")
	const line = `{"id":"t","split":"test","turns":[{"user":"Look.","gold":[{"name":"look","arguments":{"text":"x"}}],"reply":"Done."}]}`
	if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []Endpoint{{API: "chat"}, {API: "completion", Tokenizer: "../../model/embedded-reader", Text: true}} {
		p.URL, p.Concurrency = caller(t), 1
		e := &Evaluation{Model: "m", Tasks: file, MCP: server.URL, Split: "test", Seed: 1, Endpoint: p, Given: func(string) bool { return false }}
		r, by, err := e.Recipe()
		if err != nil {
			t.Fatal(err)
		}
		if e.Worlds, err = worlds.Open(t.Context(), &r, io.Discard); err != nil {
			t.Fatal(err)
		}
		tasks, err := e.Played(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		_, play, done, err := e.Player(t.Context(), &models.Finder{Warn: func(string, []string) {}}, io.Discard, nil, &r, by, tasks)
		if err != nil {
			t.Fatal(err)
		}
		fail.Store(1)
		res, err := eval.RunStored(t.Context(), nil, tasks, play)
		if err != nil || res.Total.OK != 1 || res.Infra != 0 || fail.Load() >= 0 {
			t.Errorf("%s: %v, %s, %s", p.API, err, res, res.Broken)
		}
		if err := done(); err != nil {
			t.Error(err)
		}
		if err := e.Worlds.Close(); err != nil {
			t.Error(err)
		}
	}
}
