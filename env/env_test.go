package env

import (
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/value"
)

// drawer is a task over one drawer of files: a turn for every string of gold calls,
// of which the second reveals rename.
func drawer(t *testing.T, gold ...string) *ballast.Task {
	t.Helper()
	files := value.NewDict("folders", value.NewDict("docs", value.NewDict("tax.txt", "pay rent"), "work", &value.Dict{}))
	task := &ballast.Task{ID: "drawer", APIs: []string{"files"}, Init: map[string]any{"files": files}}
	for _, name := range []string{"move", "read", "rename"} {
		task.Tools = append(task.Tools, ballast.Tool{Name: name})
	}
	for i, g := range gold {
		turn := ballast.TaskTurn{User: "do it", Gold: calls(t, g)}
		if i == 1 {
			turn.User, turn.Reveal = "", []string{"rename"}
		}
		task.Turns = append(task.Turns, turn)
	}
	return task
}

func calls(t *testing.T, text string) []ballast.Call {
	t.Helper()
	c, err := value.ParseCalls(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reply is a parsed reply: calls in Python syntax, "." for prose, "!" for a
// malformed reply, which may hold calls that can be read.
func reply(t *testing.T, text string) chat.Parsed {
	t.Helper()
	switch rest, bad := strings.CutPrefix(text, "!"); {
	case bad:
		return chat.Parsed{Kind: ballast.KindPolluted, Reason: "broken_tag", Calls: calls(t, rest)}
	case text == ".":
		return chat.Parsed{Kind: ballast.KindResponse}
	}
	return chat.Parsed{Kind: ballast.KindCall, Calls: calls(t, text)}
}

// play plays replies until the episode is over or they are used up. It returns the
// messages that were shown, results joined.
func play(t *testing.T, e *Env, replies ...string) (shown []string) {
	t.Helper()
	show := func(m Message) {
		text := strings.Join(m.Results, "|")
		if m.Results == nil {
			text = "user: " + m.User
		}
		shown = append(shown, text)
	}
	show(e.Start(t.Context()))
	for _, r := range replies {
		if !e.Ready() {
			break
		}
		e.Reply(reply(t, r), ballast.Step{Text: r})
		if m := e.Answer(t.Context()); !e.Over() {
			show(m)
		}
	}
	return shown
}

// TestOnlyShown: a world that wants it gets no call of a tool that the policy was not shown yet.
func TestOnlyShown(t *testing.T) {
	for _, only := range []bool{false, true} {
		table := Builtin
		table.Worlds = []WorldEntry{Builtin.Worlds[0]}
		table.Worlds[0].OnlyShown = only
		p, err := table.Prepare(t.Context(), drawer(t, move, read))
		if err != nil {
			t.Fatal(err)
		}
		const rename = "rename('tax.txt', 'x')"
		got := strings.Join(play(t, p.New(Rules{Steps: 9}), rename, "fly()", ".", rename), ";")
		want := "error: no tool is named \"rename\";error: no tool is named \"fly\""
		if strings.Contains(got, want) != only || strings.Count(got, "no tool is named") > 2 {
			t.Errorf("only %t: %s", only, got)
		}
	}
}

func start(t *testing.T, task *ballast.Task, rules Rules) *Env {
	t.Helper()
	if rules.Steps == 0 {
		rules.Steps = 1000
	}
	p, err := Prepare(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	return p.New(rules)
}

const move, read = "move('tax.txt', 'work')", "read('tax.txt')"

func TestEpisodes(t *testing.T) {
	for _, c := range []struct {
		name    string
		rules   Rules
		replies string       // separated by " ; "
		stop    ballast.Stop // "" = it is not over
		shown   string
		passed  string // a letter a closed turn: y or n
	}{
		{"gold", Rules{}, move + " ; . ; " + read + " ; .", ballast.StopDone, "user: do it;ok;user: " + chat.RevealText + ";pay rent", "yy"},
		{"two calls in a reply", Rules{}, read + ", " + move + " ; . ; " + read + " ; .", ballast.StopDone, "user: do it;pay rent|ok;user: " + chat.RevealText + ";pay rent", "yy"},
		{"nothing", Rules{}, ". ; .", ballast.StopDone, "user: do it;user: " + chat.RevealText, "nn"},
		{"a failing call is an answer", Rules{}, "read('x') ; .", "", "user: do it;error: no file x;user: " + chat.RevealText, "n"},
		{"replies used up", Rules{Steps: 2}, read + " ; " + read + " ; .", ballast.StopTurns, "user: do it;pay rent;pay rent", ""},
		{"malformed stops", Rules{}, "!" + move, ballast.StopMalformed, "user: do it", ""},
		{"malformed is told", Rules{Malformed: MalformedRetry}, "!" + read + " ; " + move + " ; .", "",
			"user: do it;user: The last reply was not a valid tool call: a tag is misspelled or cut off. Check the format and reply again.;ok;user: " + chat.RevealText, "y"},
		{"and shown the syntax", Rules{Malformed: MalformedRetry, Syntax: "[f()]"}, "! ; " + move + " ; .", "",
			"user: do it;user: The last reply was not a valid tool call: a tag is misspelled or cut off. Calls are written like this: [f()] Check the format and reply again.;ok;user: " + chat.RevealText, "y"},
		{"malformed closes", Rules{Malformed: MalformedAdvance}, "! ; .", ballast.StopDone, "user: do it;user: " + chat.RevealText, "nn"},
		{"malformed but readable", Rules{Malformed: MalformedAdvance}, "!" + move + " ; . ; " + read + " ; .", ballast.StopDone, "user: do it;ok;user: " + chat.RevealText + ";pay rent", "yy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := start(t, drawer(t, move, read), c.rules)
			shown := strings.Join(play(t, e, strings.Split(c.replies, " ; ")...), ";")
			passed := ""
			for _, turn := range e.Episode.Turns {
				if turn.Check.Done {
					passed += map[bool]string{true: "y", false: "n"}[turn.Check.Passed]
				}
			}
			if e.Episode.Stop != c.stop || shown != c.shown || passed != c.passed || e.Over() != (c.stop != "") {
				t.Errorf("stop %q, shown %q, passed %q", e.Episode.Stop, shown, passed)
			}
		})
	}
}

// BFCL's harness counts the replies with calls of a user turn: the 21st is still
// executed, and ends the episode. Twenty in each of two turns are no matter.
func TestPerTurnOfTheOfficialHarness(t *testing.T) {
	twenty := make([]string, 20)
	for i := range twenty {
		twenty[i] = read
	}
	e := start(t, drawer(t, read, read), Rules{PerTurn: 20})
	play(t, e, append(append(append(twenty, "."), twenty...), ".")...)
	if e.Episode.Stop != ballast.StopDone || len(e.Episode.Turns[1].Steps) != 21 {
		t.Fatalf("twenty a turn: stop %q", e.Episode.Stop)
	}

	e = start(t, drawer(t, move, read), Rules{PerTurn: 20})
	shown := play(t, e, append(twenty, move, ".", read, ".")...)
	steps := e.Episode.Turns[0].Steps
	if e.Episode.Stop != ballast.StopTurns || len(steps) != 21 || len(shown) != 21 {
		t.Fatalf("stop %q after %d replies", e.Episode.Stop, len(steps))
	}
	if last := steps[20]; len(last.Results) != 1 || last.Results[0] != "ok" {
		t.Errorf("the 21st reply was not executed: %+v", last)
	}
	if e.Episode.Turns[0].Check.Done || len(e.Episode.Turns) != 1 || e.Ready() {
		t.Error("the episode went on")
	}
}

// Shorten changes what is shown and recorded; the checks compare whole results.
func TestChecksSeeWholeResults(t *testing.T) {
	e := start(t, drawer(t, read), Rules{Shorten: func(s string) string { return s[:3] }})
	if shown := play(t, e, read, "."); shown[1] != "pay" || e.Episode.Turns[0].Steps[0].Results[0] != "pay" {
		t.Errorf("shown %q", shown)
	}
	if !e.Episode.Turns[0].Check.Passed {
		t.Errorf("%+v", e.Episode.Turns[0].Check)
	}
}

// A function that is held back is neither shown nor known until its turn, but it runs.
func TestReveal(t *testing.T) {
	e := start(t, drawer(t, "rename('tax.txt', 'a')", "read('a')"), Rules{})
	if len(e.Tools()) != 2 || e.Known("rename") || !e.Known("move") {
		t.Fatalf("tools %v", e.Tools())
	}
	e.Start(t.Context())
	e.Reply(reply(t, "rename('tax.txt', 'a')"), ballast.Step{})
	if m := e.Answer(t.Context()); m.Results[0] != "ok" {
		t.Errorf("%+v", m)
	}
	e.Reply(reply(t, "."), ballast.Step{})
	m := e.Answer(t.Context())
	if len(m.Reveal) != 1 || m.Reveal[0].Name != "rename" || m.User != chat.RevealText || !e.Known("rename") {
		t.Errorf("%+v", m)
	}
	if !e.Episode.Turns[0].Check.Passed {
		t.Errorf("%+v", e.Episode.Turns[0].Check)
	}
}

// A cut reply has no healthy form and no calls that run.
func TestCutReply(t *testing.T) {
	e := start(t, drawer(t, move), Rules{})
	e.Start(t.Context())
	e.Reply(reply(t, move), ballast.Step{Cut: true})
	if s := e.Last(); s.Kind != ballast.KindPolluted || s.Reason != "cut" || !s.Cut {
		t.Errorf("%+v", s)
	}
}

// Episodes of one prepared task share nothing that shows.
func TestPreparedEpisodesAreIsolated(t *testing.T) {
	p, err := Prepare(t.Context(), drawer(t, move, read))
	if err != nil {
		t.Fatal(err)
	}
	a, b := p.New(Rules{Steps: 9}), p.New(Rules{Steps: 9})
	play(t, a, "move('tax.txt', 'docs')", ".")
	play(t, b, move, ".", read, ".")
	if a.Episode.Turns[0].Check.Passed || !b.Episode.Turns[0].Check.Passed || !b.Episode.Turns[1].Check.Passed {
		t.Errorf("%+v %+v", a.Episode.Turns[0].Check, b.Episode.Turns)
	}
	if c := p.New(Rules{}); c.Known("rename") {
		t.Error("what one episode revealed is known in another")
	}
}

func TestWorldThatDoesNotLoad(t *testing.T) {
	task := drawer(t, move)
	task.Init["files"] = value.NewList()
	if _, err := Prepare(t.Context(), task); err == nil || !strings.Contains(err.Error(), "task drawer") {
		t.Errorf("got %v", err)
	}
}

// TestTail: the end of a result, in whole characters.
func TestTail(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "bcd"}, {"aéé", 3, "é"}, {"世界", 2, ""}, {"abc", 0, ""}} {
		if got := Tail(c.n)(c.text); got != c.want {
			t.Errorf("the last %d of %q: %q, want %q", c.n, c.text, got, c.want)
		}
	}
}
