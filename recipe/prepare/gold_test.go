package prepare

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/recipe/loop"
	"ballast/recipe/models"
)

// TestGold: gold that a budget cuts is an error where the run may still write it, and nowhere
// else.
func TestGold(t *testing.T) {
	find := models.Finder{Warn: func(string, []string) {}}
	for _, c := range []struct {
		method string
		set    []string
		from   loop.State
		want   string
	}{
		{"sft", nil, loop.State{}, "format hermes: "},
		{"sft", nil, loop.State{Begun: true}, ""},
		{"sft", nil, loop.State{Phase: 1}, ""},
		{"sft", []string{"sft.formats=[hermes, pythonic]"}, loop.State{}, "\ngold in format pythonic: "},
		{"grpo", nil, loop.State{}, ""},
		{"grpo", []string{"guard.do=sft"}, loop.State{Begun: true}, "format hermes: "},
		{"ops", nil, loop.State{}, "format hermes: "},
		{"mix", []string{"rl.signals.mix.formats=[pythonic]"}, loop.State{}, "format pythonic: "},
	} {
		r := made(t, c.method, append([]string{"tasks.count=5", "tasks.test=2", "budget.reply=7"}, c.set...)...)
		_, _, err := Run(t.Context(), &find, io.Discard, nil, &r, c.from)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s %v from %+v: %v", c.method, c.set, c.from, err)
		case c.want == "":
		case err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "of 5 training tasks") ||
			!strings.Contains(err.Error(), "budget.reply is 7"):
			t.Errorf("%s %v: %v lacks %q", c.method, c.set, err, c.want)
		}
	}
}

// TestSignals: a file of hints that lacks a task is an error before the run begins.
func TestSignals(t *testing.T) {
	r := made(t, "grpo", "tasks.count=2", "tasks.test=2")
	run := &loop.Run{Recipe: r}
	if err := Sets(t.Context(), run, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hints.jsonl")
	var lines string
	for i, want := range []string{"no hint for 2 of 2 training tasks, the first is " + run.Train[0].ID, "no hint for 1 of 2", ""} {
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		r := made(t, "grpo", "tasks.count=2", "tasks.test=2", "rl.signals.hint={n: 1, from: file, file: "+path+"}")
		err := Sets(t.Context(), &loop.Run{Recipe: r}, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d hints: %v, want %q", i, err, want)
		}
		if err := Sets(t.Context(), &loop.Run{Recipe: r, State: loop.State{Begun: true}}, nil); err != nil {
			t.Errorf("the phase has begun: %v", err)
		}
		lines += fmt.Sprintf("{\"task\": %q, \"hint\": \"look\"}\n", run.Train[min(i, 1)].ID)
	}
}
