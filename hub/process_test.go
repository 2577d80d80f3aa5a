package hub_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast/durable"
	"ballast/hub"
	"ballast/hub/hubtest"
)

// TestInterrupted: a cancellation ends a download at once, and the next goes on where it was.
func TestInterrupted(t *testing.T) {
	p := setup(t, tiny())
	p.Fault("model.safetensors", hubtest.Fault{Pause: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	c := p.client(func(o *hub.Options) {
		o.Progress = func(done int64) {
			if done >= 12<<10 {
				cancel()
			}
		}
	})
	if _, err := c.Find(ctx, name(t, id)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	p.Requests()
	p.holds(p.find(p.client(), id), wanted...)
	if !slices.ContainsFunc(p.Requests(), func(r hubtest.Request) bool { return strings.HasPrefix(r.Range, "bytes=") && r.Range != "bytes=0-" }) {
		t.Error("it began anew")
	}
}

// TestTogether: several at the same time download everything once.
func TestTogether(t *testing.T) {
	p := setup(t, tiny())
	p.Fault("model.safetensors", hubtest.Fault{Pause: time.Millisecond})
	var wg sync.WaitGroup
	for range 5 {
		c := p.client()
		wg.Go(func() {
			if _, err := c.Find(context.Background(), name(t, id)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	p.holds(p.find(p.client(), id), wanted...)
	times := 0
	for _, r := range p.Requests() {
		if strings.HasSuffix(r.Path, "model.safetensors") && !strings.HasSuffix(p.URL, r.Host) {
			times++
		}
	}
	if times != 1 {
		t.Errorf("downloaded %d times", times)
	}
}

// TestMain stands in for a process that is killed.
func TestMain(m *testing.M) {
	if at := os.Getenv("HUB_TEST_CHILD"); at != "" {
		c, err := hub.New(hub.Options{Endpoint: at, Cache: os.Getenv("HUB_TEST_CACHE"), Progress: func(done int64) {
			if done >= 12<<10 {
				fmt.Println("there")
			}
		}})
		if err == nil {
			n, _ := hub.Parse(id)
			_, err = c.Find(context.Background(), n)
		}
		fmt.Println(err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestKilled: kill -9 in the middle leaves what the next process goes on from.
func TestKilled(t *testing.T) {
	p := setup(t, tiny())
	p.Fault("model.safetensors", hubtest.Fault{Pause: 100 * time.Millisecond})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HUB_TEST_CHILD="+p.URL, "HUB_TEST_CACHE="+p.cache)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if _, err := out.Read(buf); err != nil || string(buf) != "there" {
		t.Fatalf("%q, %v", buf, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	p.Requests()
	p.holds(p.find(p.client(), id), wanted...)
	if !slices.ContainsFunc(p.Requests(), func(r hubtest.Request) bool { return r.Range >= "bytes=12288-" }) {
		t.Error("it began anew")
	}
	if len(p.said) > 0 {
		t.Errorf("%q", p.said)
	}
}

// TestLockOfAnother: while another process has a content's lock, this one waits.
func TestLockOfAnother(t *testing.T) {
	p := setup(t, tiny())
	locks := filepath.Join(p.cache, ".locks", "models--Org--tiny-model")
	if err := os.MkdirAll(locks, 0o777); err != nil {
		t.Fatal(err)
	}
	unlock, err := durable.Lock(filepath.Join(locks, hubtest.SHA256(tiny()["model.safetensors"])+".lock"))
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan string, 9)
	c := p.client(func(o *hub.Options) { o.Say = func(text string) { waits <- text } })
	done := make(chan error)
	go func() {
		_, err := c.Find(context.Background(), name(t, id))
		done <- err
	}()
	if text := <-waits; text != "another process downloads model.safetensors; waiting for it" {
		t.Error(text)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
