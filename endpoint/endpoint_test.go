package endpoint_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ballast/endpoint"
	"ballast/endpoint/endpointtest"
)

// recorder answers well and keeps the last request.
func recorder(t *testing.T) (url string, last *http.Request) {
	t.Helper()
	last = new(http.Request)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*last = *r
		_, _ = w.Write([]byte(`{"choices": [{"finish_reason": "stop", "message": {"content": "hi"}, "text": "hi"}]}`))
	}))
	t.Cleanup(s.Close)
	return s.URL, last
}

func client(t *testing.T, o endpoint.Options) *endpoint.Client {
	t.Helper()
	c, err := endpoint.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNothingFromTheEnvironment: a request has the headers that are its own, and goes
// to this machine without a proxy, whatever variables say.
func TestNothingFromTheEnvironment(t *testing.T) {
	for name, v := range map[string]string{"OPENAI_API_KEY": "env-key", "OPENAI_ORG_ID": "org", "OPENAI_PROJECT_ID": "proj", "OPENAI_BASE_URL": "http://127.0.0.1:1/",
		"OPENAI_CUSTOM_HEADERS": "X-Evil: 1\nCookie: a", "OPENAI_ADMIN_KEY": "admin", "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"} {
		t.Setenv(name, v)
	}
	url, last := recorder(t)
	for key, want := range map[string]string{"": "", "mine": "Bearer mine"} {
		c := client(t, endpoint.Options{URL: url + "/v1/", Key: key})
		if _, err := c.Chat(background, background, question(), true); err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range last.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		names = slices.DeleteFunc(names, func(s string) bool { return s == "Authorization" })
		if got := strings.Join(names, " "); got != "Accept Accept-Encoding Content-Length Content-Type User-Agent" || last.Header.Get("Authorization") != want {
			t.Errorf("headers %s, authorization %q", got, last.Header.Get("Authorization"))
		}
		if last.URL.Path != "/v1/chat/completions" {
			t.Errorf("path %s", last.URL.Path)
		}
	}
	for host, proxied := range map[string]bool{"localhost": false, "LOCALHOST.": false, "a.localhost": false, "127.9.9.9": false, "[::1]": false, "0.0.0.0": false, "example.com": true, "127.0.0.1.example.com": true} {
		if got := client(t, endpoint.Options{URL: "http://" + host + ":9/v1"}).Address(); strings.Contains(got, "proxy") != proxied {
			t.Errorf("%s: %s", host, got)
		}
	}
}

// TestAddresses: what is no address is refused, and no password is shown.
func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", "localhost:8000", "http://", "ftp://h/v1", "http://:80/v1", "http://h/v1#x", "http://h:port/", "http://u:hunter22@h:port/", "\x1b[31m"} {
		if _, err := endpoint.New(endpoint.Options{URL: bad}); err == nil || strings.Contains(err.Error(), "hunter22") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := endpoint.New(endpoint.Options{URL: "http://h", Key: "a\nb"}); err == nil || strings.Contains(err.Error(), "a\n") {
		t.Errorf("a key of two lines: %v", err)
	}
	url, last := recorder(t)
	c := client(t, endpoint.Options{URL: strings.Replace(url, "http://", "http://u:hunter22@", 1) + "/v1?version=1&api_key=hunter33"})
	if _, err := c.Complete(background, background, endpoint.Completion{Prompt: []int32{1}, Model: "m", MaxTokens: 1}, false); err != nil {
		t.Fatal(err)
	}
	if _, password, _ := last.BasicAuth(); password != "hunter22" || last.URL.Query().Get("api_key") != "hunter33" || last.URL.Path != "/v1/completions" {
		t.Errorf("%v, %q", last.URL, last.Header)
	}
	for _, shown := range []string{c.Address(), c.Base()} {
		if strings.Contains(shown, "hunter") || !strings.Contains(shown, "/v1") {
			t.Errorf("shown: %s", shown)
		}
	}
	down := client(t, endpoint.Options{URL: "http://u:hunter22@127.0.0.1:1/v1?api_key=hunter33"})
	if _, err := down.Chat(background, background, question(), false); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("no server: %v", err)
	}
}

// TestNoRedirectIsFollowed: neither the key nor the texts reach another address.
func TestNoRedirectIsFollowed(t *testing.T) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.RedirectHandler(thief.URL+"/v1", status))
		c := client(t, endpoint.Options{URL: s.URL, Key: endpointtest.Key})
		_, err := c.Chat(background, background, question(), false)
		var e *endpoint.Error
		if !errors.As(err, &e) || !e.Fatal() || !strings.Contains(err.Error(), thief.URL) {
			t.Errorf("%d: %v", status, err)
		}
		s.Close()
	}
	if stolen.Load() > 0 {
		t.Error("the redirect was followed")
	}
}

// TestWaits: a server's wait is kept where it is short; one of hours gets no further
// try, and the others get theirs.
func TestWaits(t *testing.T) {
	for _, c := range []struct {
		after string
		tries int64
		least time.Duration
		text  string
	}{
		{"0.2", 3, 400 * time.Millisecond, "given up after 3 tries"},
		{"", 3, 0, "given up after 3 tries"},
		{"7200.5", 1, 0, "wait for 2 hours"},
		{"1e300", 1, 0, "wait for years"},
		{"-1e300", 3, 0, "given up"},
		{"Inf", 1, 0, "years"},
		{time.Now().Add(72 * time.Hour).UTC().Format(http.TimeFormat), 1, 0, "3 days"},
		{time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), 3, 0, "given up"},
	} {
		b := endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) { x.Send(429, "slow", "Retry-After: "+c.after) }}
		var told []string
		cl, s := dial(t, b, endpoint.Options{Retries: 2, Wait: time.Millisecond, Again: func(text string) { told = append(told, text) }})
		start := time.Now()
		err := cl.Insist(background, background, func(int) error {
			_, err := cl.Chat(background, background, question(), false)
			return err
		})
		if took := time.Since(start); err == nil || !strings.Contains(err.Error(), c.text) || s.Requests.Load() != c.tries || took < c.least || took > 10*time.Second {
			t.Errorf("%q: %v after %d tries and %v", c.after, err, s.Requests.Load(), took)
		}
		if c.tries > 1 != (len(told) == 1) || len(told) == 1 && !strings.HasSuffix(told[0], "slow; asking again, 2 times at most") {
			t.Errorf("%q: told %q", c.after, told)
		}
	}
}

// TestRequestBytes: journals know requests by their bytes, which are those of the
// version before, so that its journals are read.
func TestRequestBytes(t *testing.T) {
	zero, heat, top, seed := 0.0, 0.001, 0.9, int64(77)
	calling := endpoint.Message{Role: "assistant", ToolCalls: []endpoint.MessageCall{endpoint.NewCall("call_0_0", "f", `{"a": 1}`), endpoint.NewCall("c2", "g", "{}")}}
	empty, x := "", "x"
	talk := []endpoint.Message{endpoint.System("be <b>\u2028 good\x01\xff"), endpoint.User("hi é"), calling, endpoint.Answer("res", "call_0_0"), endpoint.Answer("", "c2"),
		{Role: "assistant", Content: &empty}, {Role: "assistant", Content: &x, ToolCalls: []endpoint.MessageCall{endpoint.NewCall("call_0_0", "unknown", "{}")}}}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	tools := []endpoint.Tool{
		{Type: "function", Function: endpoint.Function{Name: "f", Description: "do <c>", Parameters: map[string]json.RawMessage{
			"type": raw(`"object"`), "required": raw(`["zz"]`), "properties": raw(`{"zz": {"type": "number", "description": "<&>"}, "aa": {"type": "string"}}`)}}},
		{Type: "function", Function: endpoint.Function{Name: "g", Parameters: map[string]json.RawMessage{"type": raw(`"object"`), "required": raw(`[]`), "properties": raw(`{}`)}}},
	}
	const messages = `{"messages":[{"content":"be \u003cb\u003e\u2028 good\u0001\ufffd","role":"system"},{"content":"hi é","role":"user"},` +
		`{"tool_calls":[{"id":"call_0_0","function":{"arguments":"{\"a\": 1}","name":"f"},"type":"function"},{"id":"c2","function":{"arguments":"{}","name":"g"},"type":"function"}],"role":"assistant"},` +
		`{"content":"res","tool_call_id":"call_0_0","role":"tool"},{"content":"","tool_call_id":"c2","role":"tool"},{"content":"","role":"assistant"},` +
		`{"content":"x","tool_calls":[{"id":"call_0_0","function":{"arguments":"{}","name":"unknown"},"type":"function"}],"role":"assistant"}],"model":"m\u003c1\u003e\u0026",`
	for _, c := range []struct {
		body any
		want string
	}{
		{endpoint.Chat{Model: "m<1>&", Messages: talk, Tools: tools, Temperature: &heat, TopP: &top, Seed: &seed, MaxTokens: 4096},
			messages + `"max_tokens":4096,"seed":77,"temperature":0.001,"top_p":0.9,"tools":[{"function":{"name":"f","description":"do \u003cc\u003e",` +
				`"parameters":{"properties":{"zz":{"type":"number","description":"\u003c\u0026\u003e"},"aa":{"type":"string"}},"required":["zz"],"type":"object"}},"type":"function"},` +
				`{"function":{"name":"g","description":"","parameters":{"properties":{},"required":[],"type":"object"}},"type":"function"}]}`},
		{endpoint.Chat{Model: "m<1>&", Messages: talk, Temperature: &zero, MaxCompletionTokens: 5}, messages + `"max_completion_tokens":5,"temperature":0}`},
		{endpoint.Completion{Prompt: []int32{1, 2}, Model: "m", MaxTokens: 7, Seed: &seed, Temperature: &heat, TopP: &top, Stop: []string{"<|x|>"}},
			`{"prompt":[1,2],"model":"m","max_tokens":7,"seed":77,"temperature":0.001,"top_p":0.9,"stop":["\u003c|x|\u003e"]}`},
		{endpoint.Completion{Prompt: "a<b", Model: "m", MaxTokens: 7}, `{"prompt":"a\u003cb","model":"m","max_tokens":7}`},
	} {
		if got, err := json.Marshal(c.body); err != nil || string(got) != c.want {
			t.Errorf("%v\n%s\nwant\n%s", err, got, c.want)
		}
	}
}

// TestReplies looks at what is made of the odd ones.
func TestReplies(t *testing.T) {
	want := map[string]func(endpoint.Reply) bool{
		"fine": func(r endpoint.Reply) bool {
			return r.Content == endpointtest.Text && r.Tokens == 5 && r.In == 3 && r.Out == 2
		},
		"a stream without DONE":                  func(r endpoint.Reply) bool { return r.Content == endpointtest.Text },
		"a stream called JSON":                   func(r endpoint.Reply) bool { return r.Content == endpointtest.Text },
		"a stream that stays open after its end": func(r endpoint.Reply) bool { return r.Content == endpointtest.Text },
		"negative usage":                         func(r endpoint.Reply) bool { return r.Tokens == 0 && r.In == 0 && r.Out == 0 },
		"the key in the reply":                   func(r endpoint.Reply) bool { return r.Content == "Turn 1: Bearer [secret]" },
		"escapes in the reply":                   func(r endpoint.Reply) bool { return strings.HasPrefix(r.Content, "\x1b[31mEVIL\x00") }, // it is data
		"arguments as an object": func(r endpoint.Reply) bool {
			return len(r.Calls) == 1 && r.Calls[0] == endpoint.Call{ID: "c", Name: "f", Arguments: `{"a": 1}`}
		},
		"a stream from index 2^62": func(r endpoint.Reply) bool { return len(r.Calls) == 1 && r.Calls[0].Arguments == "{}" },
	}
	for _, b := range endpointtest.All() {
		ok := want[b.Name]
		if ok == nil {
			continue
		}
		delete(want, b.Name)
		c, _ := dial(t, b, endpoint.Options{})
		if rep, err := c.Chat(background, background, question(), false); err != nil || !ok(rep) {
			t.Errorf("%s: %+v, %v", b.Name, rep, err)
		}
	}
	for name := range want {
		t.Errorf("no behaviour is named %s", name)
	}
}
