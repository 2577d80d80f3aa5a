package main

import (
	"strings"
	"testing"

	"ballast/runlog"
)

// TestEventsAreShown: alarms, actions and warnings are printed as they happen, one line
// each, and not among JSON lines.
func TestEventsAreShown(t *testing.T) {
	var text, lines strings.Builder
	for _, e := range []runlog.Event{{Update: 3, What: runlog.Alarm{}, Text: "polluted since update 1"}, {Update: 4, What: runlog.Saved{}, Text: "checkpoints/000004"},
		{Update: 5, What: runlog.Acted{Do: runlog.DoCorrect}, Text: "fine-tune\x1b[2J"}} {
		(&progress{out: &text}).event(e)
		(&progress{out: &lines, json: true}).event(e)
	}
	if want := "update 3: alarm: polluted since update 1\nupdate 5: action: fine-tune\\x1b[2J\n"; text.String() != want || lines.Len() > 0 {
		t.Errorf("%q, %q", &text, &lines)
	}
}
