package sim

import (
	"strings"
	"sync"
	"testing"

	"ballast"
	"ballast/value"
	"ballast/world"
)

// office is a small configuration of every desk world.
func office() map[string]any {
	return map[string]any{
		"files": value.NewDict("folders", value.NewDict(
			"docs", value.NewDict("tax.txt", "pay rent"), "work", &value.Dict{})),
		"messages": value.NewDict("contacts", value.NewDict("ann lee", int64(412), "bob fox", int64(7)),
			"inbox", value.NewDict("ann lee", "buy milk")),
		"calendar": value.NewDict("events", value.NewDict("team lunch", value.NewList("mon", int64(12), "ann lee"))),
		"shop": value.NewDict("items", value.NewDict("red lamp", value.NewList(int64(12), int64(3)),
			"blue lamp", value.NewList(int64(10), int64(1))), "cart", value.NewDict("red lamp", int64(1)), "money", int64(90)),
		"notes":  value.NewDict("notes", value.NewDict("math exam", value.NewList("bring food", "work"))),
		"lights": value.NewDict("rooms", value.NewDict("hall", value.NewList(int64(40), "red"), "attic", value.NewList(int64(0), "blue"))),
	}
}

func TestConformance(t *testing.T) {
	configs := office()
	for _, w := range All() {
		t.Run(w.Name(), func(t *testing.T) {
			if w.Name() == "drawn" {
				testAPI(t, w, drawnConfigs(t)...)
			} else if config, ok := configs[w.Name()]; ok {
				testAPI(t, w, config)
			} else {
				testAPI(t, w)
			}
		})
	}
}

// call parses a call in Python syntax.
func call(t *testing.T, text string) ballast.Call {
	t.Helper()
	c, err := value.ParseCall(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func calls(t *testing.T, text string) (out []ballast.Call) {
	t.Helper()
	for s := range strings.SplitSeq(text, "; ") {
		if s != "" {
			out = append(out, call(t, s))
		}
	}
	return out
}

// session starts a task over all desk worlds with one string of gold calls a turn.
func session(t *testing.T, gold ...string) *Session {
	t.Helper()
	task := &ballast.Task{ID: "t", APIs: []string{"files", "messages", "calendar", "shop"}, Init: office()}
	for _, g := range gold {
		task.Turns = append(task.Turns, ballast.TaskTurn{User: "u", Gold: calls(t, g)})
	}
	s, err := NewSession(task)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestChecks(t *testing.T) {
	const move = "move('tax.txt', 'work')"
	ok := Verdict{Done: true, State: true, Response: true}
	for _, c := range []struct {
		name   string
		gold   []string
		policy []string // calls of each turn
		want   []Verdict
	}{
		{"gold", []string{move, "read('tax.txt')"}, []string{move, "read('tax.txt')"}, []Verdict{ok, ok}},
		{"named", []string{move}, []string{"move(folder='work', file='tax.txt')"}, []Verdict{ok}},
		{"empty turn", []string{"read('tax.txt')"}, []string{""},
			[]Verdict{{Done: true, Empty: true, State: true, Where: "pay rent"}}},
		{"state", []string{move}, []string{"read('tax.txt'); mkdir('x')"},
			[]Verdict{{Done: true, Response: true, Where: "files.files"}}},
		{"response only", []string{"price('red lamp')"}, []string{"price('blue lamp')"},
			[]Verdict{{Done: true, State: true, Where: "12"}}},
		{"extra calls are free", []string{"when('team lunch')"}, []string{"nothing(); price('red lamp'); when('team lunch')"}, []Verdict{ok}},
		{"another way to the state", []string{"rename('tax.txt', 'a.txt')"},
			[]string{"copy('tax.txt', 'a.txt'); delete('tax.txt')"}, []Verdict{ok}},
		{"gold-empty turn is unchecked, its calls count later", []string{"", move}, []string{"delete('tax.txt')", "mkdir('x')"},
			[]Verdict{ok, {Done: true, Response: true, Where: "files.files"}}},
		{"held-back function runs", []string{"", move}, []string{move, "list('work')"},
			[]Verdict{ok, ok}},
		{"answers of earlier turns count", []string{"price('red lamp')", "price('red lamp')"},
			[]string{"price('red lamp')", "stock('red lamp')"}, []Verdict{ok, ok}},
		{"answers count with multiplicity", []string{"price('red lamp'); price('red lamp')"}, []string{"price('red lamp')"},
			[]Verdict{{Done: true, State: true, Where: "12"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := session(t, c.gold...)
			for i, p := range c.policy {
				for _, x := range calls(t, p) {
					s.Run(x)
				}
				if got := s.CloseTurn(); got != c.want[i] {
					t.Errorf("turn %d: %+v, want %+v", i, got, c.want[i])
				}
			}
			if got := s.CloseTurn(); got.Done {
				t.Errorf("a turn too many: %+v", got)
			}
		})
	}
}

// TestSparing: in a task whose calls are to be chosen, who calls much has not done what
// one call does.
func TestSparing(t *testing.T) {
	const move, price, stock = "move('tax.txt', 'work')", "price('red lamp')", "stock('red lamp')"
	for _, c := range []struct {
		name   string
		gold   []string
		policy []string // calls of each turn
		want   string   // a letter a turn: y passes, n does not, x for its calls alone
	}{
		{"gold", []string{price, move}, []string{price, move}, "yy"},
		{"a look too many", []string{price}, []string{price + "; " + stock}, "x"},
		{"the same look twice", []string{price}, []string{price + "; " + price}, "y"},
		{"asked before it can be, and again", []string{"", price}, []string{price, price}, "yy"},
		{"one failed try", []string{price}, []string{"price('hat'); " + price}, "y"},
		{"two failed tries", []string{price}, []string{"price('hat'); price('lamp'); " + price}, "x"},
		{"functions that do not exist", []string{price}, []string{price + "; nothing(); never(); nowhere()"}, "y"},
		{"the answer is from a turn before", []string{price, price}, []string{price, stock}, "yn"},
		{"a turn that is not compared is part of the next", []string{"", price}, []string{price + "; " + stock, "price('hat')"}, "yx"},
		{"asked before, and failed since", []string{"", price}, []string{price, "price('hat')"}, "yy"},
		{"two looks before the deed", []string{move}, []string{price + "; " + stock + "; " + move}, "y"},
		{"three looks before the deed", []string{move}, []string{price + "; " + stock + "; when('team lunch'); " + move}, "x"},
		{"a failed try before the deed", []string{move}, []string{"move('tax.txt', 'nowhere'); " + move}, "y"},
		{"failed tries before the deed", []string{move}, []string{"move('tax.txt', 'nowhere'); move('tax.txt', 'never'); " + move}, "x"},
		{"the deed in a turn that is not compared", []string{"", move}, []string{price + "; " + stock + "; " + move, "when('team lunch')"}, "yx"},
		{"gold has more calls than there are tools", []string{price + "; " + stock + "; " + price + "; " + stock + "; " + price}, []string{price + "; " + stock + "; " + price + "; " + stock + "; " + price}, "y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := session(t, c.gold...)
			s.p.sparing = true
			s.p.tools = 4
			for i, p := range c.policy {
				for _, x := range calls(t, p) {
					s.Run(x)
				}
				check := s.CloseTurn()
				got := map[bool]string{true: "y", false: "n"}[check.Check().Passed]
				if check.Extra > 0 && check.State && check.Response && !check.Empty {
					got = "x"
				}
				if got != c.want[i:i+1] {
					t.Errorf("turn %d: %s, want %c: %+v", i, got, c.want[i], check)
				}
				if got == "x" && check.Where == "" {
					t.Errorf("turn %d does not say why it fails: %+v", i, check)
				}
			}
		})
	}
}

// TestSparingCountsWhatIsShown: a tool that is revealed later only is none that a policy could
// have left alone.
func TestSparingCountsWhatIsShown(t *testing.T) {
	const move, look = "move('tax.txt', 'work')", "price('red lamp'); stock('red lamp'); "
	for reveal, want := range map[string]bool{"": true, "when": false} {
		s := session(t, move, "when('team lunch')")
		s.p.sparing = true
		s.p.tools = 4
		if reveal != "" {
			s.p.task.Turns[1].Reveal = []string{reveal}
		}
		for _, x := range calls(t, look+move) {
			s.Run(x)
		}
		if check := s.CloseTurn().Check(); check.Passed != want {
			t.Errorf("all of 4 tools but %q are called: %+v", reveal, check)
		}
	}
}

// TestFewTools: a call of every tool is no choice, however few there are.
func TestFewTools(t *testing.T) {
	const move = "move('tax.txt', 'work')"
	for tools, passes := range map[int]bool{1: false, 2: false, 3: true} {
		s := session(t, move)
		s.p.sparing, s.p.tools = true, tools
		for _, x := range calls(t, "find('tax.txt'); "+move) {
			s.Run(x)
		}
		if got := s.CloseTurn(); got.Check().Passed != passes {
			t.Errorf("two calls of %d tools: %+v", tools, got)
		}
	}
}

// TestTry: a call that is tried leaves everything as it was.
func TestTry(t *testing.T) {
	s := session(t, "read('tax.txt')")
	x := calls(t, "delete('tax.txt'); read('tax.txt'); mkdir('a')")
	for i, want := range []struct {
		answer  string
		changes bool
	}{{"ok", true}, {"pay rent", false}, {"ok", true}} {
		if answer, changes, err := s.Try(x[i]); err != nil || answer != want.answer || changes != want.changes {
			t.Errorf("%s: %q %t %v", x[i].Name, answer, changes, err)
		}
	}
	if undo := calls(t, "book('art walk', 'mon', 9); cancel('art walk')"); !s.Restores(undo[0], undo[1]) || s.Restores(x[1], x[1]) || s.Restores(x[0], x[2]) {
		t.Error("what takes a call back is not seen")
	}
	if s.Run(x[1]); !s.CloseTurn().Check().Passed {
		t.Error("a try changed the session")
	}
}

// broken is a world whose calls panic.
type broken struct{}

func (broken) Name() string                         { return "broken" }
func (broken) Tools() []ballast.Tool                { return []ballast.Tool{{Name: "f"}} }
func (broken) New(any, string) (world.State, error) { return broken{}, nil }
func (broken) Call(ballast.Call) string             { panic("boom") }
func (broken) Equal(world.State) string             { return "" }
func (broken) Dump() any                            { return nil }
func (b broken) Copy() world.State                  { return b }

func TestPanicIsInfra(t *testing.T) {
	s := session(t, "read('tax.txt')")
	s.p.apis = append(s.p.apis, &entry{broken{}, func(name string) bool { return name == "f" }})
	s.states = append(s.states, broken{})
	if got := s.Run(ballast.Call{Name: "f"}); got != "" {
		t.Errorf("answer %q", got)
	}
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "boom") || !strings.Contains(err.Error(), "turn 0") {
		t.Errorf("error %v", err)
	}
	if s.Run(call(t, "read('tax.txt')")) != "" || s.CloseTurn().Done {
		t.Error("a broken session plays on")
	}
}

func TestUnknown(t *testing.T) {
	if _, err := Get("nowhere"); err == nil || !strings.Contains(err.Error(), "calendar") {
		t.Errorf("error %v", err)
	}
	for _, task := range []ballast.Task{
		{ID: "none"},
		{ID: "name", APIs: []string{"nowhere"}},
		{ID: "init", APIs: []string{"files"}, Init: map[string]any{"files": value.NewList()}},
	} {
		if _, err := NewSession(&task); err == nil || !strings.Contains(err.Error(), "task "+task.ID) {
			t.Errorf("%s: error %v", task.ID, err)
		}
	}
	s := session(t)
	if got := s.Run(call(t, "fly()")); got != "error: no tool fly" {
		t.Errorf("answer %q", got)
	}
}

// TestIsolation plays one session and looks at another of the same task.
func TestIsolation(t *testing.T) {
	a := session(t, "read('tax.txt')")
	b, err := NewSession(a.p.task)
	if err != nil {
		t.Fatal(err)
	}
	before := value.Repr(b.Dump()["files"])
	for _, x := range calls(t, "delete('tax.txt'); mkdir('z'); write('q', 'w')") {
		a.Run(x)
	}
	if got := value.Repr(b.Dump()["files"]); got != before {
		t.Errorf("the other session changed to %s", got)
	}
	b.Run(call(t, "read('tax.txt')"))
	if got := b.CloseTurn(); !got.Check().Passed {
		t.Errorf("check %+v", got)
	}
}

func BenchmarkCall(b *testing.B) {
	task := &ballast.Task{ID: "t", APIs: []string{"files", "messages", "calendar", "shop"}, Init: office()}
	s, _ := NewSession(task)
	x, _ := value.ParseCall("move(file='tax.txt', folder='work')")
	b.ReportAllocs()
	for b.Loop() {
		s.Run(x)
	}
}

// Sessions of one prepared task play side by side, each as if it were alone.
func TestSessionsSideBySide(t *testing.T) {
	tree, err := value.ParseJSON([]byte(`{"root": {"top": {"type": "directory", "contents": {"d": {"type": "directory", "contents": {}}, "f": {"type": "file", "content": "b\na"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	task := &ballast.Task{ID: "t", Variant: world.LongContext, Init: office(),
		APIs: []string{"GorillaFileSystem", "TradingBot", "TravelAPI", "VehicleControlAPI", "MessageAPI", "TwitterAPI", "TicketAPI", "files"}}
	task.Init["GorillaFileSystem"] = tree
	for _, gold := range []string{
		"cd('d'); cat('f'); echo('x', 'f'); mv('f', 'd'); get_stock_info('AAPL'); trading_login('a', 'b'); place_order('Buy', 'AAPL', 1.5, 2)",
		"lockDoors(False, ['driver']); message_login('USR001'); send_message('USR002', 'hi'); get_all_credit_cards()",
		"authenticate_twitter('john', 'john123'); post_tweet('x'); ticket_login('u', 'p'); create_ticket('t'); move('tax.txt', 'work')",
	} {
		task.Turns = append(task.Turns, ballast.TaskTurn{User: "u", Gold: calls(t, gold)})
	}
	p, err := Prepare(task)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			s := p.Session()
			for n, turn := range task.Turns {
				for _, c := range turn.Gold {
					s.Run(c)
				}
				strays := i%2 == 1 && n == 1 // half of them do something else in the second turn
				if strays {
					s.Run(turn.Gold[0])
					s.Run(ballast.Call{Name: "mkdir", Args: []ballast.Arg{{Value: "z"}}})
				}
				if got := s.CloseTurn(); got.Check().Passed != (i%2 == 0 || n == 0) {
					t.Errorf("session %d, turn %d: %+v, %v", i, n, got, s.Err())
				}
			}
			s.Dump()
		})
	}
	group.Wait()
}

// A session copies a state when it first calls it, and never writes to what is shared.
func TestCopyAtFirstCall(t *testing.T) {
	a := session(t, "delete('tax.txt')")
	b := a.p.Session()
	prepared := value.Repr(a.p.states[0].Dump())
	a.Run(call(t, "price('red lamp')"))
	if a.states[0] != a.p.states[0] || a.states[3] == a.p.states[3] {
		t.Error("not the called state alone is a copy")
	}
	for _, s := range []*Session{a, b} {
		s.Run(call(t, "delete('tax.txt')"))
		if !s.CloseTurn().State || s.states[0] == a.p.states[0] {
			t.Error("the state is shared, or not gold's")
		}
	}
	if got := value.Repr(a.p.states[0].Dump()); got != prepared {
		t.Errorf("calls changed what sessions share to %s", got)
	}
}
