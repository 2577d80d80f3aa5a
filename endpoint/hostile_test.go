package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast/endpoint"
	"ballast/endpoint/endpointtest"
	"ballast/safetext"
)

// dial is a client of a server that behaves so.
func dial(t *testing.T, b endpointtest.Behaviour, o endpoint.Options) (*endpoint.Client, *endpointtest.Server) {
	t.Helper()
	s, err := endpointtest.Start(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	o.URL, o.Key = s.URL, endpointtest.Key
	c, err := endpoint.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

var background = context.Background()

func question() endpoint.Chat {
	return endpoint.Chat{Model: "m", Messages: []endpoint.Message{endpoint.User("hello")}}
}

// harmless fails for text that holds the key or could steer a terminal.
func harmless(t *testing.T, where, text string) {
	t.Helper()
	if strings.Contains(text, endpointtest.Key) || strings.Contains(text, endpointtest.Key[:12]) {
		t.Errorf("%s holds the key: %.400s", where, text)
	}
	if text != safetext.Line(text) {
		t.Errorf("%s holds control characters: %.400q", where, text)
	}
	if len(text) > 1000 {
		t.Errorf("%s has %d bytes", where, len(text))
	}
}

// TestHostile: every behaviour comes to what its table says, whole and in pieces, in
// time, and what is said of it is fit for a terminal.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and TestStop races the same")
	}
	all := endpointtest.All()
	if len(all) < 40 {
		t.Fatalf("%d behaviours", len(all))
	}
	seen := map[string]bool{}
	for _, b := range all {
		if seen[b.Name] {
			t.Errorf("two behaviours are named %s", b.Name)
		}
		seen[b.Name] = true
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %v", b.Name, stream), func(t *testing.T) {
				t.Parallel()
				limit := 20 * time.Second
				if b.Silent {
					limit = 300 * time.Millisecond
				}
				c, _ := dial(t, b, endpoint.Options{Timeout: limit})
				start := time.Now()
				rep, err := c.Chat(background, background, question(), stream)
				if took := time.Since(start); took > limit+5*time.Second {
					t.Errorf("it took %v", took)
				}
				var e *endpoint.Error
				switch {
				case err == nil && b.Kinds != nil:
					t.Errorf("it was taken for a reply: %.200q", rep.Content)
				case err == nil:
					if rep.Finish == "" || rep.Tokens < 0 || rep.In < 0 || rep.Out < 0 {
						t.Errorf("%+v", rep)
					}
					if strings.Contains(fmt.Sprint(rep), endpointtest.Key) {
						t.Error("the reply holds the key")
					}
				case !errors.As(err, &e) || !slices.Contains(b.Kinds, e.Kind):
					t.Errorf("it came to %v (%+v), want %v", err, e, b.Kinds)
				default:
					harmless(t, "the error", err.Error())
				}
			})
		}
	}
}

// TestStop: a stop is answered within two seconds whatever the server does, the end of
// the context at once; nothing is asked after either. Silent servers cost no processor:
// they are stopped all at once, and the others one by one.
func TestStop(t *testing.T) {
	var silent sync.WaitGroup
	var others []func()
	for _, b := range endpointtest.Hostile() {
		for _, hard := range []bool{false, true} {
			name := fmt.Sprintf("%s, hard %v", b.Name, hard)
			c, s := dial(t, b, endpoint.Options{Retries: 1000, Wait: 10 * time.Millisecond})
			if b.Silent {
				silent.Go(func() { stopped(t, name, c, s, hard, 150*time.Millisecond) })
			} else {
				others = append(others, func() { stopped(t, name, c, s, hard, 20*time.Millisecond) })
			}
		}
	}
	silent.Wait()
	for _, f := range others {
		f()
	}
}

// stopped asks until it is stopped.
func stopped(t *testing.T, name string, c *endpoint.Client, s *endpointtest.Server, hard bool, after time.Duration) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	stop, end := context.WithCancel(background)
	defer end()
	done := make(chan time.Time, 1)
	go func() {
		_ = c.Insist(ctx, stop, func(int) error {
			_, err := c.Chat(ctx, stop, question(), false)
			if err == nil { // a reply: it is asked for again
				return &endpoint.Error{Kind: endpoint.Server}
			}
			return err
		})
		done <- time.Now()
	}()
	time.Sleep(after)
	asked, limit := time.Now(), 2*time.Second
	if hard {
		cancel()
		limit = time.Second // of a busy machine: it is milliseconds
	} else {
		end()
	}
	if took := (<-done).Sub(asked); took > slowed*limit {
		t.Errorf("%s: it took %v", name, took)
	}
	n := s.Requests.Load()
	time.Sleep(after / 4)
	if s.Requests.Load() > n+1 { // one may have been on its way to the count
		t.Errorf("%s: requests after the end", name)
	}
}

// TestAReplyOnItsWayIsKept: what comes within the grace after a stop is a reply.
func TestAReplyOnItsWayIsKept(t *testing.T) {
	late := endpointtest.Behaviour{Name: "late", Serve: func(x *endpointtest.Exchange) {
		time.Sleep(400 * time.Millisecond)
		endpointtest.All()[0].Serve(x)
	}}
	c, _ := dial(t, late, endpoint.Options{})
	stop, end := context.WithCancel(background)
	time.AfterFunc(100*time.Millisecond, end)
	if rep, err := c.Chat(background, stop, question(), false); err != nil || rep.Content != endpointtest.Text {
		t.Errorf("%+v, %v", rep, err)
	}
	if _, err := c.Chat(background, stop, question(), false); !errors.Is(err, context.Canceled) {
		t.Errorf("after the stop: %v", err)
	}
}
