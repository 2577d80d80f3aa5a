package endpoint

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// served is a client of a handler.
func served(t *testing.T, o Options, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	o.URL = s.URL
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExchangeSendsAndReturnsBytes(t *testing.T) {
	c := served(t, Options{Key: "sk-0123456789"}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
	})
	for _, row := range []struct {
		x    Exchange
		want string
	}{
		{Exchange{Path: "/generate", Body: map[string]int{"n": 1}}, `POST /generate Bearer sk-0123456789 {"n":1}`},
		{Exchange{Method: http.MethodGet, Path: "/v1/models"}, `GET /v1/models Bearer sk-0123456789 `},
	} {
		got, err := c.Exchange(context.Background(), context.Background(), row.x)
		if err != nil || string(got) != row.want {
			t.Errorf("%q, %v; want %q", got, err, row.want)
		}
	}
}

func TestExchangeFailsByKind(t *testing.T) {
	answer := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	}
	for name, row := range map[string]struct {
		h    http.HandlerFunc
		kind Kind
	}{
		"dead engine": {answer(500, `{"error":{"message":"EngineCore encountered an issue."}}`), Server},
		"no route":    {answer(404, `{"detail":"Not Found"}`), Access},
		"too long":    {answer(400, `{"message":"This model's maximum context length is 16 tokens, your request has 20 input tokens"}`), Full},
		"odd":         {answer(400, `{"message":"no"}`), Rejected},
		"large":       {answer(200, strings.Repeat("x", 65)), Large},
		"cut":         {cut, Transport},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, Access},
	} {
		_, err := served(t, Options{}, row.h).Exchange(context.Background(), context.Background(), Exchange{Path: "/x", Most: 64})
		var e *Error
		if !errors.As(err, &e) || e.Kind != row.kind {
			t.Errorf("%s: %v; want %s", name, err, row.kind)
		}
	}
}

func TestErrorLeft(t *testing.T) {
	for text, want := range map[string]int{
		"This model's maximum context length is 16 tokens and your request has 10 input tokens":                           6,
		"This model's maximum context length is 16 tokens. However, your prompt contains at least 13 input tokens, so no": 4, // by the limit
		"the prompt is too long": 0,
	} {
		e := (&Client{}).complained(400, complaint{text: text}, 8, 0)
		if got := e.Left(12); e.Kind != Full || got != want {
			t.Errorf("%s: %s, %d left; want %d", text, e.Kind, got, want)
		}
	}
}

func TestWrongHidesSecrets(t *testing.T) {
	c := served(t, Options{Key: "sk-0123456789"}, nil)
	if e := c.Wrong("says %s\x1b[2J", "sk-0123456789"); strings.Contains(e.Text, "0123") || strings.Contains(e.Text, "\x1b") || e.Kind != Malformed {
		t.Errorf("%s %q", e.Kind, e.Text)
	}
}
