package report

import (
	"strings"
	"testing"

	"ballast"
)

// TestLeftOut: episodes that could not be played stand before the figure that lacks them.
func TestLeftOut(t *testing.T) {
	data := map[string]any{"ok": 10.0, "all": 40.0, "left_out": 2.0}
	e, ok := evalOf(ballast.Event{Kind: "eval", Data: data})
	if got := e.String(); !ok || !strings.HasPrefix(got, "25") || !strings.Contains(got, "(40 of 42 played, 2 left out: 10 of 40, ") {
		t.Errorf("%v, %s", ok, got)
	}
	delete(data, "left_out")
	if e, _ = evalOf(ballast.Event{Kind: "eval", Data: data}); strings.Contains(e.String(), "played") {
		t.Errorf("%s", e)
	}
	data["all"], data["left_out"] = 0.0, 5.0
	if _, ok := evalOf(ballast.Event{Kind: "eval", Data: data}); ok {
		t.Error("an evaluation that played nothing has a rate")
	}
}
