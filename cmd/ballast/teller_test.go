package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ballast/runlog"
)

// TestTeller: what an engine says is shown at once, and is among the run's events after the update
// in which it was said.
func TestTeller(t *testing.T) {
	log, err := runlog.Create(filepath.Join(t.TempDir(), "run"), []byte("method: grpo\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var shown, above bytes.Buffer
	told := &teller{out: &shown}
	told.say("http://a is left out:\nit is gone")
	if shown.String() != "ballast: http://a is left out: it is gone\n" && !strings.HasPrefix(shown.String(), "ballast: http://a is left out:") {
		t.Errorf("%q", shown.String())
	}
	if strings.Count(shown.String(), "\n") != 1 {
		t.Errorf("one line is several: %q", shown.String())
	}
	told.show(&above)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { told.say("http://a is back") })
	}
	all.Wait()
	if err := told.record(log, 3); err != nil {
		t.Fatal(err)
	}
	told.say("later")
	for range 2 { // nothing is recorded twice
		if err := told.record(log, 4); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(above.String(), "http://a is back\n"); n != 4 {
		t.Errorf("%q", above.String())
	}
	read, err := runlog.Read(log.Dir())
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for e, err := range read.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind() == runlog.KindEngine {
			got += fmt.Sprintf("%d %.12s;", e.Update, e.Text)
		}
	}
	if want := "3 http://a is ;" + strings.Repeat("3 http://a is ;", 4) + "4 later;"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
