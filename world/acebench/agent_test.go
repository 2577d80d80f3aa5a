package acebench

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"ballast/value"
)

// sample yields the records of testdata/agents.jsonl.gz with their items, which stand in front.
func sample(t testing.TB) func(func(*value.Dict, Item) bool) {
	items := map[string]Item{}
	return func(yield func(*value.Dict, Item) bool) {
		for d := range records(t, "agents.jsonl.gz") {
			if d.Text("type") == "item" {
				items[d.Text("id")] = Item{d.Text("question"), texts(d.Array("involved_classes")), d.Object("initial_config"),
					d.Member("ground_truth").(*value.List), d.Member("mile_stone").(*value.List)}
			} else if !yield(d, items[d.Text("item")]) {
				return
			}
		}
	}
}

// TestAgents replays a sample of the dialogues that the original recorded; `ballast world replay` replays all.
func TestAgents(t *testing.T) {
	n := 0
	for d, it := range sample(t) {
		err := ReplayAgent(d, it, nil, func(what, got, want string) {
			if n++; got != want {
				t.Errorf("%s: %s\n got %.700s\nwant %.700s", d.Text("id"), what, got, want)
			}
		})
		if err != nil {
			t.Errorf("%s: %v", d.Text("id"), err)
		}
	}
	if n < 1000 {
		t.Errorf("only %d comparisons", n)
	}
}

// Every state of gold can be reached, under both verdicts; a player that does nothing is wrong under both, but for the
// item whose classes gold misspells.
func TestVerdicts(t *testing.T) {
	solutions := 0
	for d, it := range sample(t) {
		if !strings.HasSuffix(d.Text("id"), "/solution") {
			continue
		}
		solutions++
		result, process := d.Member("result").(*value.List), texts(d.Array("process"))
		for name, v := range map[string]Verdict{"official": Official(result, it.Gold, process, it.Milestones),
			"strict": Strict(result, it.Gold, process, it.Milestones)} {
			if !v.Right || v.Process != 1 {
				t.Errorf("%s: %s: %+v", d.Text("id"), name, v)
			}
		}
		idle := NewDialogue(must(NewScene(Step, AST, it.Classes, it.Config)), it.Question)
		for idle.Next() != "" {
			if idle.Next() == Execution {
				idle.Execute()
			} else {
				idle.Say(Finish)
			}
		}
		if v := Strict(idle.Scene.Saved(), it.Gold, idle.Process, it.Milestones); v.Right || v.Process > 0 {
			t.Errorf("%s: doing nothing is worth %+v", d.Text("item"), v)
		}
	}
	if solutions < 100 {
		t.Errorf("only %d solutions", solutions)
	}
}

func must(s *Scene, err error) *Scene {
	if err != nil {
		panic(err)
	}
	return s
}

// Milestones are compared without white space around them, as Python has it.
func TestReached(t *testing.T) {
	stones := []any{"[a()]", " [b()]\n"}
	for _, c := range []struct {
		process []string
		want    float64
	}{
		{[]string{"[a()]\x1c", "x", "\u00a0[b()]\u0085"}, 1},
		{[]string{"[a()]\ufeff", "[b()]"}, 0},
		{[]string{"[b()]", "[a()]"}, 0.5},
	} {
		if got := reached(c.process, stones); got != c.want {
			t.Errorf("%q: %v, want %v", c.process, got, c.want)
		}
	}
}

// What Strict mends: each row is right or better under one verdict and not under the other.
func TestMends(t *testing.T) {
	phone := func(class string, wifi any) *value.List {
		return value.NewList(value.NewDict(class, value.NewDict("wifi", wifi, "logged_in", true)))
	}
	stones := value.NewList("[a(x=1)]", "[missing()]", "[b(y='Domino's')]")
	for _, c := range []struct {
		name             string
		result, gold     *value.List
		process          []string
		official, strict Verdict
	}{
		{"misspelt", phone("BaseApi", false), phone("BaseAPI", true), nil, Verdict{Right: true, Process: 1},
			Verdict{Fault: WrongAttributes + ": BaseApi.wifi"}},
		{"another class", phone("Travel", true), phone("BaseApi", true), nil, Verdict{Right: true, Process: 1}, Verdict{Fault: WrongClasses}},
		{"1 for True", phone("BaseApi", int64(1)), phone("BaseApi", true), nil, Verdict{Right: true, Process: 1},
			Verdict{Fault: WrongAttributes + ": BaseApi.wifi"}},
		{"milestones", value.NewList(), phone("BaseApi", true), []string{`[a(x = 1)]`,
			`<tool_call>{"name": "b", "arguments": {"y": "Domino's"}}</tool_call>`}, Verdict{Fault: WrongClasses},
			Verdict{Fault: WrongClasses, Process: 2.0 / 3}},
	} {
		if v := Official(c.result, c.gold, c.process, stones); v != c.official {
			t.Errorf("%s: official is %+v, want %+v", c.name, v, c.official)
		}
		if v := Strict(c.result, c.gold, c.process, stones); v != c.strict {
			t.Errorf("%s: strict is %+v, want %+v", c.name, v, c.strict)
		}
	}
}

// A mended scene tells what is wrong with each call, in both roles.
func TestMend(t *testing.T) {
	for _, role := range []Role{Step, Turn} {
		s := must(NewScene(role, AST, []string{"BaseApi", "MessageApi"}, nil))
		s.Mend()
		e := s.Execute("[login_device(), nope(), turn_on_wifi(x=1), turn_on_wifi()]", false)
		want := []string{deviceIn, failed + "name 'nope' is not defined", failed +
			"BaseApi.turn_on_wifi() got an unexpected keyword argument 'x'", wifiOn}
		if !slices.Equal(e.Results, want) {
			t.Errorf("%s: %q", role, e.Results)
		}
		if e := s.Execute("hello there", false); e.Message != any(StepUnread) {
			t.Errorf("%s: %v", role, e.Message)
		}
	}
}

// Under a model's name with a + every call of a method fails, as the original was seen to do.
func TestOddModel(t *testing.T) {
	const lost = failed + "name 'Qwen2_5_1_5B_GRPO' is not defined"
	for _, c := range []struct {
		message string
		step    []string
	}{
		{"[turn_on_wifi()]", []string{lost}},
		{"[nope(), turn_on_wifi()]", []string{failed + unknownFirst, lost}},
		{"[turn_on_wifi(x=foo)]", []string{lost}},
		{"[login_device(),get_latest_message_id()]", []string{lost, lost}},
	} {
		for _, role := range []Role{Step, Turn} {
			s := must(NewScene(role, AST, []string{"BaseApi", "MessageApi"}, nil))
			s.As("Qwen2.5-1.5B-GRPO+FCL-SFT")
			if e := s.Execute(c.message, false); role == Step && !slices.Equal(e.Results, c.step) || role == Turn && !e.Failed {
				t.Errorf("%s, %s: %q %v", c.message, role, e.Results, e.Failed)
			}
		}
	}
}

// Passes over scenes and recorded dialogues leave nothing behind: the live heap after 100 is that after one.
func TestFlatMemory(t *testing.T) {
	type recorded struct {
		d  *value.Dict
		it Item
	}
	var dialogues []recorded
	for d, it := range sample(t) {
		if d.Text("type") == "run" && len(dialogues) < 40 {
			dialogues = append(dialogues, recorded{d, it})
		}
	}
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var after []int64
	for n := 1; n <= 100; n++ {
		for _, f := range []Format{AST, Tool} {
			play(t, f)
		}
		for _, r := range dialogues {
			if err := ReplayAgent(r.d, r.it, nil, func(string, string, string) {}); err != nil {
				t.Fatal(err)
			}
		}
		if n == 1 || n == 10 || n == 100 {
			after = append(after, live())
		}
	}
	t.Logf("live heap after 1, 10 and 100 passes: %d, %d and %d bytes", after[0], after[1], after[2])
	const slack = 64 << 10 // of the runtime's own
	if after[1]-after[0] > slack || after[2]-after[0] > slack {
		t.Errorf("the live heap grows: %v", after)
	}
	runtime.KeepAlive(dialogues)
}

// play plays one scene of eight messages and returns how many calls that were.
func play(t testing.TB, format Format) int {
	s := must(NewScene(Step, format, []string{"BaseApi", "MessageApi", "ReminderApi", "FoodPlatform"}, nil))
	for _, m := range script[format] {
		if e := s.Execute(m, false); !e.Read {
			t.Fatalf("%s is not read", m)
		}
	}
	return len(script[format])
}

// script is the same calls in both formats.
var script = [2][]string{
	{"[turn_on_wifi()]", "[login_food_platform(username='Eve', password='password123')]", "[get_latest_message_id()]",
		"[delete_message(message_id=4)]", "[send_message(sender_name='Eve', receiver_name='Frank', message='Already bought.')]",
		"[add_food_delivery_order(username='Eve', merchant_name='Heytea', items=[{'product': 'Cheese Milk Tea', 'quantity': 1}])]",
		"[add_reminder(title='Bill', description='25 yuan', time='2024-07-15 09:30')]", "[view_orders(user_name='Eve')]"},
	{`<tool_call>{"name": "turn_on_wifi", "arguments": {}}</tool_call>`,
		`<tool_call>{"name": "login_food_platform", "arguments": {"username": "Eve", "password": "password123"}}</tool_call>`,
		`<tool_call>{"name": "get_latest_message_id", "arguments": {}}</tool_call>`,
		`<tool_call>{"name": "delete_message", "arguments": {"message_id": 4}}</tool_call>`,
		`<tool_call>{"name": "send_message", "arguments": {"sender_name": "Eve", "receiver_name": "Frank", "message": "Already ` +
			`bought."}}</tool_call>`,
		`<tool_call>{"name": "add_food_delivery_order", "arguments": {"username": "Eve", "merchant_name": "Heytea", "items": ` +
			`[{"product": "Cheese Milk Tea", "quantity": 1}]}}</tool_call>`,
		`<tool_call>{"name": "add_reminder", "arguments": {"title": "Bill", "description": "25 yuan", "time": "2024-07-15 09:30"}}</tool_call>`,
		`<tool_call>{"name": "view_orders", "arguments": {"user_name": "Eve"}}</tool_call>`},
}

// BenchmarkScene plays messages: reading, calls, results through JSON. The calls per second are told.
func BenchmarkScene(b *testing.B) {
	for _, f := range []Format{AST, Tool} {
		b.Run(f.String(), func(b *testing.B) {
			n := 0
			for b.Loop() {
				n += play(b, f)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// BenchmarkCalls plays the same calls on the simulators alone.
func BenchmarkCalls(b *testing.B) {
	var calls []written
	for _, m := range script[Tool] {
		l, err := ReadTool(m)
		if err != nil {
			b.Fatal(err)
		}
		calls = append(calls, writeCalls(l)...)
	}
	n := 0
	for b.Loop() {
		s := must(NewScene(Step, Tool, []string{"BaseApi", "MessageApi", "ReminderApi", "FoodPlatform"}, nil))
		s.run(calls)
		n += len(calls)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "calls/s")
}
