package remote

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/endpoint"
)

// at opens a client with a journal in dir.
func at(t *testing.T, url, dir string) *Client {
	t.Helper()
	c, err := NewClient(Options{URL: url, Model: "m", Journal: filepath.Join(dir, "replies.jsonl")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asked asks for a reply under a scope and says whether it came from the journal.
func asked(t *testing.T, c *Client, api, scope string) (text string, journalled bool) {
	t.Helper()
	journalled = true
	m, err := c.ask(context.Background(), api, scope, endpoint.Chat{Model: "m"}, func() (endpoint.Reply, error) {
		journalled = false
		return endpoint.Reply{Content: "new", Finish: "stop"}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m.Content, journalled
}

// TestTheJournalKnowsTheEndpoint: a reply is another address's, another kind's or
// another episode's only where all three are the same.
func TestTheJournalKnowsTheEndpoint(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []struct {
		url, api, scope string
		want            bool
	}{
		{"http://a/v1", "chat", "1", false}, {"http://a/v1", "chat", "1", true}, {"http://a/v1/", "chat", "1", true}, {"http://u:pw@a/v1", "chat", "1", false},
		{"http://b/v1", "chat", "1", false}, {"http://a/v1", "completion", "1", false}, {"http://a/v1", "chat", "2", false}, {"http://a/v2", "chat", "1", false},
		{"https://a/v1", "chat", "1", false}, {"http://b/v1", "chat", "1", true},
	} {
		c := at(t, step.url, dir)
		if _, got := asked(t, c, step.api, step.scope); got != step.want {
			t.Errorf("%+v: from the journal: %v", step, got)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "replies.jsonl")); strings.Contains(string(data), "pw") {
		t.Error("the journal holds a password")
	}
}

// TestTheJournalBefore: lines of the version before are read; the key below is what it
// wrote for this request.
func TestTheJournalBefore(t *testing.T) {
	dir := t.TempDir()
	c := at(t, "http://a/v1", t.TempDir())
	keys, err := c.keys("chat", "chat desk 0", endpoint.Chat{Model: "m"})
	old := keys[1]
	if want := "0e708af88932cb40afa499ed2cd64a59"; err != nil || old != want {
		t.Errorf("%s, %v; the version before wrote %s", old, err, want)
	}
	line := `{"key":"` + old + `","reply":{"content":"old","finish":"stop","tokens":3}}` + "\n" + `{"key":"torn`
	if err := os.WriteFile(filepath.Join(dir, "replies.jsonl"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	c = at(t, "http://a/v1", dir)
	if text, journalled := asked(t, c, "chat", "chat desk 0"); text != "old" || !journalled || !c.Torn() {
		t.Errorf("%q, %v, torn %v", text, journalled, c.Torn())
	}
}

// TestJournalOfOne: a second process is refused; lines that are no replies are named.
func TestJournalOfOne(t *testing.T) {
	dir := t.TempDir()
	c := at(t, "http://a/v1", dir)
	if _, err := NewClient(c.opts); err == nil || !strings.Contains(err.Error(), "another process writes here") {
		t.Errorf("the second: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"{\"key\": \"a\", \"reply\": {\"finish\": \"stop\"}}\nnull\n": ":2: it has no key",
		"{\"key\": \"a\", \"reply\": {\"content\": \"x\"}}\n":         ":1: it has no key",
		"broken\n":                         ":1: ",
		strings.Repeat("x", 17<<20) + "\n": "16 MiB",
	} {
		if err := os.WriteFile(filepath.Join(dir, "replies.jsonl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewClient(c.opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}
