package main

import (
	"io"
	"sync"

	"ballast/runlog"
	"ballast/safetext"
)

// teller passes on what an engine says while it is open, such as that a server is left out: to the
// terminal at once, and to the run's events when the loop comes by, which alone writes there.
type teller struct {
	mu   sync.Mutex
	out  io.Writer
	held []string
}

// mostHeld is how many lines wait for the loop; more are only shown.
const mostHeld = 1000

// say is called by any goroutine.
func (t *teller) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	safetext.Say(t.out, "ballast: %s\n", text)
	if len(t.held) < mostHeld {
		t.held = append(t.held, text)
	}
}

// show has lines go elsewhere from now on.
func (t *teller) show(out io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out = out
}

// record writes what was said since the last time into a run's events, after so many updates.
func (t *teller) record(log *runlog.Run, update int) error {
	t.mu.Lock()
	said := t.held
	t.held = nil
	t.mu.Unlock()
	for _, text := range said {
		if err := log.Event(runlog.Event{Update: update, What: runlog.EngineSaid{}, Text: text}); err != nil {
			return err
		}
	}
	return nil
}
