package expect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/confined"
)

// role is the first argument under which this test's own program is a program that grades.
const role = "grade"

func TestMain(m *testing.M) {
	confined.Main()
	if len(os.Args) == 3 && os.Args[1] == role {
		os.Exit(grade(os.Args[2]))
	}
	os.Exit(m.Run())
}

// grade is the program: it does what its argument says.
func grade(what string) int {
	in, err := io.ReadAll(os.Stdin)
	var t struct {
		Turn     int
		Messages []struct{ Role, Content string }
	}
	if err == nil {
		err = json.Unmarshal(in, &t)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	switch what {
	case "last": // the last message must be Done.
		score := 0.0
		if t.Messages[len(t.Messages)-1].Content == "Done." {
			score = 1
		}
		fmt.Printf("{\"score\": %v, \"reason\": \"turn %d of %d bytes\"}\n", score, t.Turn, len(in))
	case "key":
		fmt.Printf(`{"score": 0.5, "reason": %q}`, os.Getenv("EXPECT_SECRET")+"|")
	case "fail":
		fmt.Fprintln(os.Stderr, "Traceback:\n  ValueError: no order\x1b[31m")
		return 1
	case "hang":
		time.Sleep(time.Minute)
	case "flood":
		os.Stdout.Write(bytes.Repeat([]byte("x"), 2*maxAnswer))
	case "nothing":
	}
	return 0
}

// TestConfined: programs really run, get the transcript, and what they do wrong is an error and
// never a score.
func TestConfined(t *testing.T) {
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("EXPECT_SECRET", "sk-secret")
	for _, c := range []struct {
		what, reply string
		seconds     float64
		want        string // reason and score, or the error
	}{
		{"last", "Done.", 30, "passed"},
		{"last", "No.", 30, "program 0: turn 0 of "},
		{"key", "", 30, "program 0.5: |"},
		{"fail", "", 30, "exit status 1; it wrote last: "},
		{"hang", "", 0.5, "it passed the limit on time (500ms)"},
		{"flood", "", 30, "it passed the limit on output (1 MiB)"},
		{"nothing", "", 30, `it answered "", want {"score": 0 to 1, "reason": text}`},
	} {
		want := fmt.Sprintf(`{"program":{"command":[%q,%q,%q],"seconds":%v}}`, me, role, c.what, c.seconds)
		task := &ballast.Task{ID: "x", Turns: []ballast.TaskTurn{{User: "u", Want: parsed(t, want)}}}
		g, err := New(Options{Run: Confined})(t.Context(), task, &desk{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		check, err := g.Grade(t.Context(), episode(t, "get(1)", c.reply), 0)
		got := fmt.Sprintf("%s %v: %s", check.Reason, check.Score, check.Where)
		switch {
		case err != nil:
			got = err.Error()
		case check.Passed:
			got = "passed"
		}
		if !strings.Contains(got, c.want) || strings.Contains(got, "\x1b") {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
		var limit *confined.LimitError
		if c.what == "hang" && (!errors.As(err, &limit) || time.Since(start) > 20*time.Second) {
			t.Errorf("hang: %v after %s", err, time.Since(start))
		}
	}
	if _, err := Confined(t.Context(), &Program{Command: []string{"no-such-program-of-expect"}}, nil); err == nil ||
		!strings.Contains(err.Error(), "no-such-program-of-expect") {
		t.Error(err)
	}
}
