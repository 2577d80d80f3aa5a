package expect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

// desk is a session with a counter. Its calls are noted.
type desk struct {
	n    int
	made []string
	fail error
}

func (d *desk) Call(_ context.Context, c ballast.Call) (string, error) {
	d.made = append(d.made, value.FormatCall(c))
	if c.Name == "set" {
		d.n++
	}
	return fmt.Sprintf(`{"n": %d, "open": true}`, d.n), d.fail
}

func (d *desk) Close() error { return nil }

// asked is a judge that says what it is told to.
type asked struct {
	yes bool
	err error
	got string
}

func (a *asked) Ask(_ context.Context, question, transcript string) (bool, string, error) {
	a.got = question + "|" + transcript
	return a.yes, "because", a.err
}

// program is a runner that answers with a text.
func program(text string, err error) Runner {
	return func(_ context.Context, p *Program, stdin []byte) ([]byte, error) {
		if !json.Valid(stdin) || p.Time == 0 {
			return nil, errors.New("no transcript")
		}
		return []byte(text), err
	}
}

// episode has one turn: replies with calls, each answered by its number, and a closing reply.
func episode(t *testing.T, made, reply string) *ballast.Episode {
	turn := ballast.Turn{User: "u"}
	for i, c := range calls(t, made) {
		turn.Steps = append(turn.Steps, ballast.Step{Calls: []ballast.Call{c}, Results: []string{fmt.Sprintf(`{"id": %d}`, i)}})
	}
	turn.Steps = append(turn.Steps, ballast.Step{Text: reply + "<|im_end|>", Said: reply})
	return &ballast.Episode{Turns: []ballast.Turn{turn}}
}

func TestGrade(t *testing.T) {
	yes, no, down := &asked{yes: true}, &asked{}, &asked{yes: true, err: errors.New("the endpoint is down")}
	for _, c := range []struct {
		name, want, made, reply string
		o                       Options
		check                   string // reason: where, or score
		err                     string
	}{
		{name: "gold", made: "set(1)", check: "passed"},
		{name: "gold and looks", made: "get(1), set(1), list()", check: "passed"},
		{name: "nothing", check: "empty_turn 0: missing set(id=1)"},
		{name: "another", made: "set(2)", check: "calls 0: missing set(id=1)"},
		{name: "one too many", made: "set(1), set(1)", check: "calls 0: not wanted: set(1)"},
		{name: "own calls", want: `{"calls":{"match":"subset","calls":[{"name":"get","arguments":{"id":3}}]}}`, made: "set(1), get(3)", check: "passed"},
		{name: "results", want: `{"results":[{"returns":{"id":1}}]}`, made: "get(0), get(1)", check: "passed"},
		{name: "no such result", want: `{"results":[{"returns":{"id":7}}]}`, made: "get(0)", check: "results 0: no result is as wanted; the first: id is 0, wanted 7"},
		{name: "no results", want: `{"results":[{"returns":{"id":7}}]}`, check: "results 0: no call has a result"},
		{name: "reply", want: `{"reply":{"equals":"Done."}}`, reply: " Done.", check: "passed"},
		{name: "another reply", want: `{"reply":{"equals":"Done."}}`, reply: "No.", check: `reply 0: the reply is "No.", wanted "Done."`},
		{name: "state", want: `{"state":[{"call":{"name":"get","arguments":{"id":1}},"returns":{"n":0}}]}`, check: "passed"},
		{name: "another state", want: `{"state":[{"call":{"name":"get","arguments":{"id":1}},"returns":{"n":1}}]}`, check: "state 0: get(id=1): n is 0, wanted 1"},
		{name: "all of it", want: `{"calls":{},"reply":{"contains":["1"]},"state":[{"call":{"name":"get"},"returns":{"open":true}}]}`, made: "set(1)", reply: "1", check: "passed"},
		{name: "the first counts", want: `{"reply":{"contains":["1"]},"calls":{}}`, made: "set(2)", reply: "2", check: "calls 0: missing set(id=1)"},
		{name: "program", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(`{"score": 1}`, nil)}, check: "passed"},
		{name: "half", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(` {"score": 0.5, "reason": "late"} `, nil)}, check: "program 0.5: late"},
		{name: "none", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(`{"score": 0}`, nil)}, check: "program 0: "},
		{name: "a part fails before", want: `{"calls":{},"program":{"command":["p"]}}`, o: Options{Run: program("", errors.New("not to be run"))}, check: "empty_turn 0: missing set(id=1)"},
		{name: "no program may run", want: `{"program":{"command":["p"]}}`, err: "turn 0 wants a program, and none may run here"},
		{name: "it fails", want: `{"program":{"command":["p"]}}`, o: Options{Run: program("", errors.New("exit status 1"))}, err: "program p: exit status 1"},
		{name: "says nothing", want: `{"program":{"command":["p"]}}`, o: Options{Run: program("", nil)}, err: `unexpected end at byte 0: it answered "", want {"score": 0 to 1, "reason": text}`},
		{name: "prints more", want: `{"program":{"command":["p"]}}`, o: Options{Run: program("ok\n{\"score\":1}", nil)}, err: "program p: json: "},
		{name: "too much", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(`{"score":1.5}`, nil)}, err: "score is not in 0 to 1"},
		{name: "less than nothing", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(`{"score":-1}`, nil)}, err: "score is not in 0 to 1"},
		{name: "true", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(`{"score":true}`, nil)}, err: "score is no number"},
		{name: "no score", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(`{"reason":"x"}`, nil)}, err: "score is missing"},
		{name: "another key", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(`{"score":1,"passed":true}`, nil)}, err: `"passed" is no key of an answer`},
		{name: "NaN", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(`{"score":NaN}`, nil)}, err: "a word that JSON does not have"},
		{name: "a list", want: `{"program":{"command":["p"]}}`, o: Options{Run: program(`[1]`, nil)}, err: "its answer is no object"},
		{name: "judge", want: `{"judge":{"question":"q"}}`, o: Options{Judge: yes}, check: "passed"},
		{name: "judge says no", want: `{"judge":{"question":"q"}}`, o: Options{Judge: no}, check: "judge 0: because"},
		{name: "judge is down", want: `{"judge":{"question":"q"}}`, o: Options{Judge: down}, err: "judge: the endpoint is down"},
		{name: "no judge", want: `{"judge":{"question":"q"}}`, err: "turn 0 wants a judge, and there is none"},
		{name: "half, and the judge says yes", want: `{"program":{"command":["p"]},"judge":{"question":"q"}}`, o: Options{Run: program(`{"score":0.5}`, nil), Judge: yes}, check: "program 0.5: "},
		{name: "half, and the judge says no", want: `{"program":{"command":["p"]},"judge":{"question":"q"}}`, o: Options{Run: program(`{"score":0.5}`, nil), Judge: no}, check: "judge 0: because"},
		{name: "nothing, and no judge is asked", want: `{"program":{"command":["p"]},"judge":{"question":"q"}}`, o: Options{Run: program(`{"score":0}`, nil), Judge: down}, check: "program 0: "},
		{name: "a want that nobody read", want: `{"replies":{}}`, err: "expect: task x, turn 0: expect.replies: is no key here"},
	} {
		task := &ballast.Task{ID: "x", Tools: tools(t), Turns: []ballast.TaskTurn{{User: "u", Gold: calls(t, "set(id=1)")}}}
		if c.want != "" {
			task.Turns[0].Want = parsed(t, c.want)
		}
		ep := episode(t, c.made, c.reply)
		var check ballast.Check
		g, err := New(c.o)(t.Context(), task, &desk{})
		if err == nil {
			check, err = g.Grade(t.Context(), ep, 0)
		}
		if c.err != "" || err != nil {
			if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.err)
			}
			continue
		}
		got := fmt.Sprintf("%s %v: %s", check.Reason, check.Score, check.Where)
		if check.Passed {
			got = "passed"
		}
		if got != c.check || check.Passed && check.Score != 1 || !check.Passed && !slices.Contains(Reasons, check.Reason) {
			t.Errorf("%s: %s, want %s", c.name, got, c.check)
		}
	}
}

// TestStateIsTheGraders: calls for the state stand in no episode, and their failure is one of the
// machine.
func TestStateIsTheGraders(t *testing.T) {
	task := &ballast.Task{ID: "x", Turns: []ballast.TaskTurn{{User: "u", Want: parsed(t,
		`{"calls":{"match":"exact","calls":[]},"state":[{"call":{"name":"get"},"returns":{"n":0}},{"call":{"name":"list"},"contains":["open"]}]}`)}}}
	s := &desk{}
	g, err := New(Options{})(t.Context(), task, s)
	if err != nil {
		t.Fatal(err)
	}
	ep := episode(t, "", "")
	for range 2 { // a turn that is graded again is graded alike
		if check, err := g.Grade(t.Context(), ep, 0); err != nil || !check.Passed {
			t.Errorf("%+v, %v", check, err)
		}
	}
	if len(ep.Turns[0].Steps) != 1 || strings.Join(s.made, ";") != "get();list();get();list()" {
		t.Errorf("%+v after %s", ep.Turns[0], s.made)
	}
	s.fail = errors.New("the pipe is closed")
	if _, err := g.Grade(t.Context(), ep, 0); err == nil || err.Error() != "expect: task x, turn 0: state: get: the pipe is closed" {
		t.Error(err)
	}
	ep.Turns = append(ep.Turns, ballast.Turn{})
	if check, err := g.Grade(t.Context(), ep, 1); err != nil || check.Passed || check.Reason != ReasonNoGold {
		t.Errorf("%+v, %v", check, err)
	}
}

// TestTranscript: programs and judges read the messages as chat completions have them.
func TestTranscript(t *testing.T) {
	task := &ballast.Task{ID: "x", Category: "base", Tools: tools(t), Turns: []ballast.TaskTurn{{User: "u"}, {User: "v", Gold: calls(t, "set(id=1, note='ü')"), Reply: "Set."}}}
	ep := episode(t, "", "Hello.")
	ep.Turns = append(ep.Turns, ballast.Turn{User: "v", Steps: []ballast.Step{
		{Said: "I look.", Calls: calls(t, "get(1), other({'a': b'x'}, z=[1e999])"), Results: []string{`{"id": 1}`, "error"}},
		{Said: "Set.", Calls: calls(t, "never(1)")}}})
	got := string(Transcript(task, ep, 1))
	want := `{"version":1,"task":"x","category":"base","turn":1,"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"Hello."},` +
		`{"role":"user","content":"v"},{"role":"assistant","content":"I look.","tool_calls":[` +
		`{"id":"call_1","type":"function","function":{"name":"get","arguments":"{\"id\": 1}"}},` +
		`{"id":"call_2","type":"function","function":{"name":"other","arguments":"{\"argument 1\": \"{'a': b'x'}\", \"z\": \"[inf]\"}"}}]},` +
		`{"role":"tool","content":"{\"id\": 1}","tool_call_id":"call_1"},{"role":"tool","content":"error","tool_call_id":"call_2"},` +
		`{"role":"assistant","content":"Set."}],"gold":{"calls":[{"name":"set","arguments":{"id":1,"note":"\u00fc"}}],"reply":"Set."}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(Transcript(task, ep, 0)); strings.Contains(got, `"v"`) || !strings.Contains(got, `"gold":{"calls":[],"reply":""}`) {
		t.Error(got)
	}
}

func TestAbstains(t *testing.T) {
	none := ballast.TaskTurn{User: "u", Want: parsed(t, `{"calls":{"calls":[]}}`)}
	for i, c := range []struct {
		turns []ballast.TaskTurn
		want  bool
	}{
		{nil, false}, {[]ballast.TaskTurn{none}, true}, {[]ballast.TaskTurn{none, none}, true}, {[]ballast.TaskTurn{none, {User: "u"}}, false},
		{[]ballast.TaskTurn{{User: "u", Want: none.Want, Gold: calls(t, "f()")}}, false},
		{[]ballast.TaskTurn{{User: "u", Want: parsed(t, `{"reply":{"contains":["x"]}}`)}}, false},
	} {
		if got := Abstains(&ballast.Task{Turns: c.turns}); got != c.want {
			t.Errorf("%d: %t", i, got)
		}
	}
}
