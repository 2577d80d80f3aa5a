package eval

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"ballast"
	"ballast/chat/decline"
	"ballast/rollout"
)

// The first four are Newcombe's examples (Statistics in Medicine 17, 1998, table I,
// method 3), to four digits; the others follow from the formula by hand: with no
// success the upper end is z*z/(n + z*z).
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		ok, all int
		lo, hi  float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},
		{0, 10, 0, 0.2775},
		{10, 10, 0.7225, 1},
		{0, 0, 0, 1},
	} {
		lo, hi := Count{c.ok, c.all}.Wilson()
		if math.Abs(lo-c.lo) > 6e-5 || math.Abs(hi-c.hi) > 6e-5 {
			t.Errorf("%d of %d: [%.4f, %.4f], want [%.4f, %.4f]", c.ok, c.all, lo, hi, c.lo, c.hi)
		}
	}
	if r := (Count{0, 0}).Rate(); r != 0 {
		t.Errorf("the rate of nothing is %g", r)
	}
}

// task has one turn for each letter: c makes a call, n makes none.
func task(id, category, turns string) ballast.Task {
	t := ballast.Task{ID: id, Category: category}
	for _, k := range turns {
		turn := ballast.TaskTurn{User: "u"}
		if k == 'c' {
			turn.Gold = []ballast.Call{{Name: "f"}}
		}
		t.Turns = append(t.Turns, turn)
	}
	return t
}

// episode has one turn for each word: ok, state, response, empty, open. Every turn
// has a reply with two calls and one of prose.
func episode(id string, stop ballast.Stop, turns string) ballast.Episode {
	ep := ballast.Episode{Task: id, Stop: stop}
	for _, k := range strings.Fields(turns) {
		check := ballast.Check{Done: k != "open", Passed: k == "ok", Reason: map[string]string{"empty": "empty_turn", "state": "state", "response": "response"}[k]}
		ep.Turns = append(ep.Turns, ballast.Turn{User: "u", Check: check, Steps: []ballast.Step{
			{Text: "calls", Kind: ballast.KindCall, Calls: []ballast.Call{{Name: "f"}, {Name: "g", Args: []ballast.Arg{{Name: "a", Value: 1.5}}}}, Results: []string{"1", "2"}},
			{Text: "prose", Kind: ballast.KindResponse}}})
	}
	return ep
}

// played is a set of episodes with one of every outcome.
func played() ([]ballast.Task, []ballast.Episode) {
	tasks := []ballast.Task{task("a", "base", "cc"), task("b", "base", "cc"), task("c", "base", "cc"), task("d", "miss_func", "nc"), task("e", "miss_func", "nc"), task("f", "miss_func", "cc")}
	eps := []ballast.Episode{
		episode("a", ballast.StopDone, "ok ok"), episode("b", ballast.StopDone, "ok state"), episode("c", ballast.StopTurns, "open"),
		episode("d", ballast.StopDone, "ok response"), episode("e", ballast.StopDone, "ok empty"), episode("f", ballast.StopInfra, "open"),
	}
	eps[5].Error = "no route"
	return tasks, eps
}

func TestTally(t *testing.T) {
	tasks, eps := played()
	r := tally(tasks, eps)
	if r.Total != (Count{1, 5}) || r.Categories["base"] != (Count{1, 3}) || r.Categories["miss_func"] != (Count{0, 2}) {
		t.Errorf("%+v %+v", r.Total, r.Categories)
	}
	if want := map[string]int{"state": 1, "turns": 1, "response": 1, "empty_turn": 1}; !reflect.DeepEqual(r.Reasons, want) {
		t.Errorf("reasons %v", r.Reasons)
	}
	if want := map[int]int{1: 1, 2: 3}; !reflect.DeepEqual(r.FailTurn, want) {
		t.Errorf("first failing turns %v", r.FailTurn)
	}
	if r.Infra != 1 || r.Broken != "f: no route" || r.Stops[ballast.StopInfra] != 1 || r.Stops[ballast.StopDone] != 4 {
		t.Errorf("infra %d, %q, stops %v", r.Infra, r.Broken, r.Stops)
	}
	if r.Calls != 2 || r.Kinds[ballast.KindCall] != 9 || r.Kinds[ballast.KindResponse] != 9 {
		t.Errorf("%g calls a turn, forms %v", r.Calls, r.Kinds)
	}
}

// The table and the JSON hold the same: accuracy and interval by category, first
// failing turns, reasons, forms, calls per turn, stops.
func TestTableAndJSON(t *testing.T) {
	r := tally(played())
	const want = `5 of 6 played, 1 left out; the first is f: no route
category        episodes success  95% interval    left out
base              1/3      33.3%  [  6.1,  79.2]         0
miss_func         0/2       0.0%  [  0.0,  65.8]         1
all               1/5      20.0%  [  3.6,  62.4]         1
calls per turn 2.00; replies: call 9 response 9 polluted 0 collapsed 0
turns without a call, though gold makes one: abstained 0, prose 0, unreadable 0
turns where gold makes no call: abstained 0, prose 0, unreadable 0, called 2
failures: turns 1 empty_turn 1 state 1 response 1; first failing turn: 1: 1 2: 3; stops: done 4 infra 1 turn_budget 1
`
	if got := r.Table(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := r.String(); got != "5 of 6 played, 1 left out: 20.0% (1/5, 95% 3.6-62.4) base 33.3% miss_func 0.0%" {
		t.Errorf("%s", got)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"total": "map[all:5 hi:0.6245 lo:0.0362 ok:1 rate:0.2]", "categories": "map[base:map[all:3 hi:0.7923 lo:0.0615 ok:1 rate:0.3333] miss_func:map[all:2 hi:0.6576 lo:0 ok:0 rate:0]]",
		"reasons": "map[empty_turn:1 response:1 state:1 turns:1]", "fail_turn": "map[1:1 2:3]", "forms": "[9 9 0 0]", "calls_per_turn": "2",
		"stops": "map[done:4 infra:1 turn_budget:1]", "infra": "1", "broken": "f: no route", "left_out": "map[miss_func:1]",
		"no_call": "map[abstained:0 called:0 prose:0 unreadable:0]", "no_call_wanted": "map[abstained:0 called:2 prose:0 unreadable:0]",
	} {
		if s := fmt.Sprint(got[path]); s != want {
			t.Errorf("%s is %s, want %s", path, s, want)
		}
	}
}

// TestNothingPlayed: where every episode is left out there is no rate, in no form.
func TestNothingPlayed(t *testing.T) {
	tasks, eps := played()
	r := tally(tasks[5:], eps[5:])
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `0 of 1 played, 1 left out; the first is f: no route
category        episodes success  95% interval    left out
miss_func         0/0          -  -                      1
all               0/0          -  -                      1
failures: nothing was judged; stops: infra 1
`
	if got := r.Table(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if r.String() != "0 of 1 played, 1 left out" || !strings.Contains(string(data), `"total":{"ok":0,"all":0,"rate":null,"lo":null,"hi":null}`) {
		t.Errorf("%s\n%s", r, data)
	}
	if s := r.Score(); s.Left != 1 || s.All != 0 || len(s.Rates) != 0 {
		t.Errorf("%v", s)
	}
}

// TestAbstaining: only prose closes a turn that wants no call. A model that says nothing, or what cannot be read,
// passes none for that it called nothing. Abstaining, other prose and the rest are counted apart.
func TestAbstaining(t *testing.T) {
	prose, chat := ballast.Step{Text: "I cannot.", Kind: ballast.KindResponse}, ballast.Step{Text: "Done.", Kind: ballast.KindResponse}
	nothing := ballast.Step{Kind: ballast.KindCollapsed, Reason: "empty"}
	unread := ballast.Step{Text: "<tool_call>{", Kind: ballast.KindPolluted, Reason: "unclosed_tag"}
	thought := ballast.Step{Text: "<think>hm</think>", Kind: ballast.KindPolluted, Reason: "empty"}
	call := ballast.Step{Text: "f()", Calls: []ballast.Call{{Name: "f"}}, Results: []string{"1"}}
	ran := ballast.Step{Text: "<f()", Kind: ballast.KindPolluted, Reason: "broken_tag", Calls: []ballast.Call{{Name: "f"}}, Results: []string{"1"}}
	for _, c := range []struct {
		name    string
		steps   []ballast.Step
		success bool
		how     decline.Count
	}{
		{"prose", []ballast.Step{prose}, true, decline.Count{Abstained: 1}},
		{"other prose", []ballast.Step{chat}, true, decline.Count{Prose: 1}},
		{"nothing", []ballast.Step{nothing}, false, decline.Count{Unreadable: 1}},
		{"nothing after a thought", []ballast.Step{thought}, false, decline.Count{Unreadable: 1}},
		{"unreadable", []ballast.Step{unread}, false, decline.Count{Unreadable: 1}},
		{"calls and prose", []ballast.Step{call, prose}, true, decline.Count{Called: 1}}, // the benchmark's rule
		{"calls and nothing", []ballast.Step{call, nothing}, false, decline.Count{Called: 1}},
		{"told and then prose", []ballast.Step{unread, prose}, true, decline.Count{Abstained: 1}},
		{"a call that was run though it is polluted", []ballast.Step{ran, prose}, true, decline.Count{Called: 1}},
	} {
		pass := ballast.Check{Done: true, Passed: true}
		tasks := []ballast.Task{task("a", "miss_func", "nc")}
		ep := ballast.Episode{Task: "a", Stop: ballast.StopDone, Turns: []ballast.Turn{{Steps: c.steps, Check: pass}, {Steps: []ballast.Step{call, prose}, Check: pass}}}
		r := tally(tasks, []ballast.Episode{ep})
		if (r.Total.OK == 1) != c.success || r.Silent != (decline.Count{}) || r.Wanted != c.how || r.Declines["miss_func"] != c.how ||
			(r.Reasons["unanswered"] == 1) == c.success {
			t.Errorf("%s: %+v, silent %+v, wanted %+v, %v", c.name, r.Total, r.Silent, r.Wanted, r.Reasons)
		}
		line := fmt.Sprintf("\nturns where gold makes no call: abstained %d, prose %d, unreadable %d, called %d\n", c.how.Abstained, c.how.Prose,
			c.how.Unreadable, c.how.Called)
		if !strings.Contains(r.Table(), line) {
			t.Errorf("%s: %q is not in\n%s", c.name, line, r.Table())
		}
		ep.Turns[0].Check = ballast.Check{Done: true, Reason: "empty_turn"}
		r = tally([]ballast.Task{task("a", "base", "cc")}, []ballast.Episode{ep})
		want := c.how
		want.Called = 0
		if r.Total.OK != 0 || r.Silent != want || r.Wanted != (decline.Count{}) || r.Declines != nil {
			t.Errorf("%s, where a call is wanted: silent %+v, wanted %+v", c.name, r.Silent, r.Wanted)
		}
	}
}

// TestCutIsSaid: where most replies were cut, the table says that and by what.
func TestCutIsSaid(t *testing.T) {
	for cut, want := range map[int]bool{0: false, 1: false, 2: true, 4: true} {
		r := Result{Total: Count{OK: 0, All: 4}, Stops: map[ballast.Stop]int{ballast.StopCut: cut, ballast.StopDone: 4 - cut}}
		if got := strings.Contains(r.Table(), "budget.reply"); got != want {
			t.Errorf("%d of 4 cut: said %v\n%s", cut, got, r.Table())
		}
	}
}

// What the protocols decide, as BFCL's harness and the paper have it.
func TestProtocols(t *testing.T) {
	official, err := ProtocolByName("official")
	if err != nil {
		t.Fatal(err)
	}
	if official.PerTurn != 20 || official.How != (ballast.Sampling{Temperature: 0.001}) || official.Budget.Reply != 4096 || official.Budget.Steps < 1000 {
		t.Errorf("%+v", official)
	}
	paper, err := ProtocolByName("paper")
	if err != nil {
		t.Fatal(err)
	}
	if paper.PerTurn != 0 || paper.Budget.Steps != 31 || paper.How != (ballast.Sampling{}) || paper.Budget.Episode != 16384 {
		t.Errorf("%+v", paper)
	}
	if ace, err := ProtocolByName("acebench"); err != nil || ace.How != (ballast.Sampling{}) || ace.Budget.Reply != 1024 {
		t.Errorf("%+v, %v", ace, err)
	}
	var cfg rollout.Config
	paper.Apply(&cfg)
	if cfg.Budget != paper.Budget || cfg.Malformed != rollout.MalformedAdvance {
		t.Errorf("%+v", cfg)
	}
	if _, err := ProtocolByName("offical"); err == nil || !strings.Contains(err.Error(), "official, paper") {
		t.Errorf("got %v", err)
	}
}
