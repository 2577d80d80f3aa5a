package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/remote"
)

// holding is a server that tells of each request and answers when it is let.
func holding() (s *httptest.Server, arrived, release chan struct{}) {
	arrived, release = make(chan struct{}, 100), make(chan struct{})
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		fmt.Fprint(w, `{"choices": [{"finish_reason": "stop", "message": {"content": "Hello."}}]}`)
	})), arrived, release
}

// TestSay: however many messages are asked for, no more are under way than the options allow. Who waits ends with its context, and
// has sent nothing. What the journal has does not wait.
func TestSay(t *testing.T) {
	s, arrived, release := holding()
	defer s.Close()
	var once sync.Once
	open := func() { once.Do(func() { close(release) }) }
	defer open() // before the server, which waits for its handlers
	c, err := remote.NewClient(remote.Options{URL: s.URL, Model: "m", Concurrency: 2, Retries: -1, Journal: filepath.Join(t.TempDir(), "said.jsonl")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func(ctx context.Context, scope string) error {
		text, err := c.Say(ctx, scope, []ballast.Message{{Role: "user", Text: "Who are you?"}}, 10, ballast.Sampling{})
		if err == nil && text != "Hello." {
			err = fmt.Errorf("says %q", text)
		}
		return err
	}
	errs := make(chan error)
	for i := range 2 {
		go func() { errs <- say(t.Context(), fmt.Sprint(i)) }()
	}
	<-arrived
	<-arrived
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := say(short, "2"); !errors.Is(err, context.DeadlineExceeded) || len(arrived) != 0 {
		t.Errorf("a third beside two: %v, %d sent", err, len(arrived))
	}
	for i := range 3 {
		go func() { errs <- say(t.Context(), fmt.Sprint(3+i)) }()
	}
	open()
	for range 5 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := say(t.Context(), "4"); err != nil || len(arrived) != 3 {
		t.Errorf("what the journal has: %v, %d sent", err, len(arrived))
	}
}

// TestSayIsKept: a reply that comes after its caller was stopped and has gone is in the journal all the same.
func TestSayIsKept(t *testing.T) {
	s, arrived, release := holding()
	defer s.Close()
	o := remote.Options{URL: s.URL, Model: "m", Retries: -1, Grace: time.Hour, Journal: filepath.Join(t.TempDir(), "said.jsonl")}
	for i := range 2 {
		c, err := remote.NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		said := make(chan error, 1)
		go func() {
			_, err := c.Say(ctx, "0", []ballast.Message{{Role: "user", Text: "Who are you?"}}, 10, ballast.Sampling{})
			said <- err
		}()
		select {
		case <-arrived:
			if i == 1 {
				t.Fatal("a reply that came is asked for again")
			}
			stop()
			time.AfterFunc(20*time.Millisecond, func() { close(release) })
		case err := <-said: // it was kept
			said <- err
		}
		if err := errors.Join(c.Close(), <-said); err != nil {
			t.Error(err)
		}
		stop()
	}
}
