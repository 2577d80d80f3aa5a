package bfcl

import (
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// variant is the variant of a long context, or none.
func variant(long bool) string {
	if long {
		return world.LongContext
	}
	return ""
}

// state starts a state of a class from a configuration in JSON.
func state(t testing.TB, class, config string, long bool) world.State {
	t.Helper()
	w, err := Get(class)
	if err != nil {
		t.Fatal(err)
	}
	v, err := value.ParseJSON([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.New(v, variant(long))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// call plays a call in Python syntax.
func call(t testing.TB, s world.State, text string) string {
	t.Helper()
	c, err := value.ParseCall(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s.Call(c)
}

func TestTables(t *testing.T) {
	seen, n := make(map[string]bool), 0
	for _, w := range All {
		for _, tool := range w.Tools() {
			n++
			if seen[tool.Name] {
				t.Errorf("two methods are named %s", tool.Name)
			}
			seen[tool.Name] = true
			if len(tool.Params) > python.MaxParams {
				t.Errorf("%s has %d parameters, python.MaxParams is %d", tool.Name, len(tool.Params), python.MaxParams)
			}
		}
	}
	if len(All) != 8 || n != 128 {
		t.Errorf("%d classes with %d methods, want 8 with 128", len(All), n)
	}
}

// The first words of the seeds that occur, and of others; from CPython.
func TestRandom(t *testing.T) {
	for _, c := range []struct {
		seed any
		want []uint32
	}{
		{int64(messageSeed), []uint32{1881223403, 1041125569, 476682860}},
		{int64(tradingSeed), []uint32{2261486938, 229209566, 2122974597}},
		{int64(travelSeed), []uint32{4005903735, 621264111, 3547616316}},
		{int64(0), []uint32{3626764237}}, {int64(-5), []uint32{2675342405}}, {int64(1) << 32, []uint32{485306839}},
		{"abc", []uint32{3315820543}}, {1.5, []uint32{2369807148}}, {2.0, []uint32{4106135923}},
	} {
		r := newRandom(c.seed)
		for i, w := range c.want {
			if got := r.word(); got != w {
				t.Errorf("seed %v, word %d: %d, want %d", c.seed, i, got, w)
			}
		}
	}
	a, b := newRandom(int64(travelSeed)), random{seed: int64(travelSeed)}
	b.seedByArray()
	b.twist()
	for i := range 2000 {
		if a.word() != b.word() {
			t.Fatalf("the shared block and a new one part at word %d", i)
		}
	}
}

// What mpmath, decimal and the operators answer; from CPython 3.11.
func TestNumbers(t *testing.T) {
	s := state(t, "MathAPI", "{}", false)
	for _, c := range []struct{ call, want string }{
		{"logarithm(2, 10, 30)", "{'result': mpf('0.301029995663981195213738894724506')}"},
		{"logarithm(-1, -8.5, -3)", "{'result': mpc(real='1.0', imag='0.5')}"},
		{"logarithm(1e-300, 2, 20)", "{'result': mpf('-996.57842846620870432602')}"},
		{"logarithm('1_000', 1e300, 22)", "{'result': mpf('0.009999999999999999999239813')}"},
		{"logarithm(8, 2, 1200)", "{'result': mpf('3.0')}"},
		{"square_root(2, 40)", "{'result': Decimal('1.414213562373095048801688724209698078570')}"},
		{"square_root(150, 1)", "{'result': Decimal('1E+1')}"},
		{"square_root(0.0001, 3)", "{'result': Decimal('0.0100')}"},
		{"power(-8, 0.3333333333333333)", "{'result': (1.0000000000000002+1.7320508075688772j)}"},
		{"power(2, -3)", `{"result": 0.125}`},
		{"power(0, -1)", "Error during execution: 0.0 cannot be raised to a negative power"},
		{"power(1e300, 2)", "Error during execution: (34, 'Numerical result out of range')"},
		{"power(7, 100000000)", "Error during execution: " + value.DigitsError{}.Error()},
		{"round_number(2.675, 2)", `{"result": 2.67}`},
		{"round_number(-1250, -2)", `{"result": -1200}`},
		{"round_number(1e22, -22)", `{"result": 1e+22}`},
		{"round_number(2.5, None)", `{"result": 2}`},
		{"add('a', 'b')", `{"result": "ab"}`},
		{"add(1, 'b')", `{"error": "Both inputs must be numbers"}`},
		{"divide(10, 4)", `{"result": 2.5}`},
		{"mean([0.1, 0.2, 0.3])", `{"result": 0.20000000000000004}`},
		{"sum_values([1, 2.5, True])", `{"result": 4.5}`},
		{"si_unit_conversion(1, 'nm', 'km')", `{"result": 1.0000000000000002e-12}`},
		{"add()", "Error during execution: MathAPI.add() missing 2 required positional arguments: 'a' and 'b'"},
		{"add(1, 2, 3)", "Error during execution: MathAPI.add() takes 3 positional arguments but 4 were given"},
		{"add(1, a=2)", "Error during execution: MathAPI.add() got multiple values for argument 'a'"},
		{"add(1, 2, self=3)", "Error during execution: MathAPI.add() got multiple values for argument 'self'"},
		{"add(1, 2, c=3)", "Error during execution: MathAPI.add() got an unexpected keyword argument 'c'"},
		{"round_number(1, 2, 3)", "Error during execution: MathAPI.round_number() takes from 2 to 3 positional arguments but 4 were given"},
		{"__import__('os')", "Error during execution: name '__import__' is not defined"},
		{"os.popen('id')", "Error during execution: Function call popen is not allowed."},
		{"exit()", "Error during execution: Function call exit is not allowed."},
	} {
		if got := call(t, s, c.call); got != c.want {
			t.Errorf("%s = %s, want %s", c.call, got, c.want)
		}
	}
}

const tree = `{"root": {"top": {"type": "directory", "contents": {"d": {"type": "directory", "contents": {}}, "f": {"type": "file", "content": "b\na"}}}}}`

// States made from one configuration share nothing that shows.
func TestIsolation(t *testing.T) {
	for _, c := range []struct{ class, config, calls string }{
		{"GorillaFileSystem", tree, "echo('x', 'f'); mv('f', 'g'); mkdir('h'); rm('d')"},
		{"MessageAPI", "{}", "message_login('USR001'); send_message('USR002', 'hi'); add_contact('Eve'); delete_message('USR003')"},
		{"TwitterAPI", `{"tweets": {"0": {"username": "john", "content": "", "tags": [], "mentions": []}}, "comments": {}, "authenticated": true}`, "mention(0, ['a']); post_tweet('x'); mention(0, ['b']); comment(0, 'c'); retweet(0); follow_user('d'); unfollow_user('bob')"},
		{"TicketAPI", `{"ticket_queue": [{"id": 1, "status": "Open", "created_by": "a"}], "current_user": "a"}`, "close_ticket(1); create_ticket('t'); edit_ticket(1, {'title': 'u'}); resolve_ticket(1, 'r')"},
		{"TradingBot", `{"authenticated": true, "market_status": "Open"}`, "cancel_order(12446); fund_account(5); withdraw_funds(1); place_order('Sell', 'AAPL', 1, 1); add_to_watchlist('AAPL'); remove_stock_from_watchlist('NVDA')"},
		{"TravelAPI", `{"access_token": "t", "token_expires_in": 2, "credit_card_list": {"c": {"balance": 5000}}, "booking_record": {"b": {"card_id": "c", "travel_cost": 7}}}`, "purchase_insurance('t', 'i', 'b', 5, 'c'); cancel_booking('t', 'b'); book_flight('t', 'c', '2024-01-01', 'SFO', 'LAX', 'first'); register_credit_card('t', 'n', 'e', 'h', 1)"},
		{"VehicleControlAPI", "{}", "lockDoors(False, ['driver', 'passenger', 'rear_left', 'rear_right']); pressBrakePedal(1); startEngine('START'); fillFuelTank(5); set_navigation('x')"},
	} {
		for _, long := range []bool{false, true} {
			w, _ := Get(c.class)
			config, err := value.ParseJSON([]byte(c.config))
			if err != nil {
				t.Fatal(err)
			}
			before := value.Repr(config)
			a, err1 := w.New(config, variant(long))
			b, err2 := w.New(config, variant(long))
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			start := Hash(b.Dump())
			for _, text := range strings.Split(c.calls, "; ") {
				h := Hash(a.Dump())
				if out := call(t, a, text); strings.Contains(out, "rror") || Hash(a.Dump()) == h {
					t.Errorf("%s: %s = %s, and the state is %s", c.class, text, out, Hash(a.Dump()))
				}
			}
			if Hash(b.Dump()) != start || value.Repr(config) != before {
				t.Errorf("%s: a call on one state shows in another or in the configuration", c.class)
			}
			if a.Equal(b) == "" || a.Equal(a) != "" || b.Equal(a) == "" {
				t.Errorf("%s: states differ in %q, a state differs from itself in %q", c.class, a.Equal(b), a.Equal(a))
			}
			if d, _ := w.New(config, variant(long)); b.Equal(d) != "" {
				t.Errorf("%s: two new states differ in %s", c.class, b.Equal(d))
			}
		}
	}
}

// A call's arguments are not kept: changing them later changes nothing.
func TestArgumentsNotKept(t *testing.T) {
	s := state(t, "TwitterAPI", `{"authenticated": true}`, false)
	tags := value.NewList("#a")
	s.Call(ballast.Call{Name: "post_tweet", Args: []ballast.Arg{{Value: "x"}, {Name: "tags", Value: tags}}})
	h := Hash(s.Dump())
	tags.Items[0] = "#b"
	if Hash(s.Dump()) != h {
		t.Error("the state holds the list of the call")
	}
}

// Hostile calls are answered soon and with an error or a bounded answer.
func TestHostile(t *testing.T) {
	long := strings.Repeat("ab\n", 1<<19)
	fs := state(t, "GorillaFileSystem", tree, false)
	for _, text := range []string{"cp('d', 'd')", "find()", "du()", "pwd()", "ls(True)", "cd('d')", "cd('d')", "find()", "cd('..')", "cp('d', 'e')", "mv('d', 'e')", "find(name='d')"} {
		call(t, fs, text)
	}
	if out := call(t, fs, "find()"); len(out) > 1<<25 {
		t.Errorf("find answers %d bytes", len(out))
	}
	if fs.Equal(fs) != "" {
		t.Error("a cyclic tree differs from itself")
	}
	other := state(t, "GorillaFileSystem", tree, false)
	call(t, other, "cp('d', 'd')")
	if other.Equal(fs) == "" {
		t.Error("different cyclic trees are equal")
	}
	Hash(fs.Dump())
	bush := state(t, "GorillaFileSystem", `{"root": {"top": {"type": "directory", "contents": {"a": {"type": "directory", "contents": {}}}}}}`, false)
	for range 60 { // every round doubles the tree
		for _, text := range []string{"cp('a', 'b')", "mkdir('c')", "mv('a', 'c')", "mv('b', 'c')", "mv('c', 'a')"} {
			call(t, bush, text)
		}
	}
	mathState := state(t, "MathAPI", "{}", false)
	travel := state(t, "TravelAPI", "{}", false)
	for _, c := range []struct {
		s    world.State
		call string
	}{
		{bush, "find()"}, {bush, "du()"},
		{mathState, "power(7, 100000000)"}, {mathState, "power(-3, 99999999999999999999999)"}, {mathState, "power(1e-300, 99)"},
		{mathState, "square_root(2, 10000000)"}, {mathState, "logarithm(2, 3, 10000000)"}, {mathState, "logarithm('1e999999999', 3, 5)"},
		{mathState, "round_number(5, -1000000000)"}, {mathState, "round_number(1e308, 999999999999999999999999)"},
		{mathState, "add('" + strings.Repeat("x", 1<<20) + "', 'y')"}, {mathState, "logarithm('" + strings.Repeat("9", 1<<20) + "', 3, 5)"},
		{mathState, "power(0x" + strings.Repeat("f", 10000) + ", 5)"}, {mathState, "mean([1e308, 1e308, -1e400])"},
		{travel, "compute_exchange_rate('USD', 'JPY', '" + strings.Repeat("5", 1<<20) + "')"},
		{travel, "compute_exchange_rate('USD', 'JPY', [[" + strings.Repeat("1,", 1<<16) + "]])"},
	} {
		begin := processor(t)
		out := call(t, c.s, c.call)
		if d := processor(t) - begin; d > mostTime || len(out) > 1<<25 {
			t.Errorf("%.40s took %v and answered %d bytes", c.call, d, len(out))
		}
	}
	call(t, fs, "touch('big')")
	fs.Call(ballast.Call{Name: "echo", Args: []ballast.Arg{{Value: long}, {Value: "big"}}})
	for _, text := range []string{"sort('big')", "tail('big', 999999)", "wc('big', 'w')", "grep('big', 'ab')", "diff('big', 'big')", "cat('big')"} {
		if out := call(t, fs, text); strings.HasPrefix(out, "Error") {
			t.Errorf("%s = %.80s", text, out)
		}
	}
}

// A configuration that does not load is an error, not a panic.
func TestBadConfig(t *testing.T) {
	for _, c := range []struct{ class, config, want string }{
		{"GorillaFileSystem", `{"root": {}}`, "list index out of range"},
		{"GorillaFileSystem", `{"root": {"a": {}}}`, "'contents'"},
		{"GorillaFileSystem", `[]`, "is list, not an object"},
		{"TwitterAPI", `{"tweets": {"x": {}}}`, "invalid literal for int() with base 10: 'x'"},
		{"TradingBot", `{"orders": {"\u00b2": 1}}`, "invalid literal"},
		{"VehicleControlAPI", `{"doorStatus": 5}`, "'int' object has no attribute 'keys'"},
		{"MessageAPI", `{"random_seed": []}`, "supported seed types"},
	} {
		v, _ := value.ParseJSON([]byte(c.config))
		w, _ := Get(c.class)
		if _, err := w.New(v, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %s", c.class, c.config, err, c.want)
		}
	}
}

// fuzzConfig is a configuration of a class in which much can be called.
func fuzzConfig(class string) string {
	configs := map[string]string{
		"GorillaFileSystem": tree, "TwitterAPI": `{"authenticated": true}`, "MessageAPI": `{"current_user": "USR001"}`,
		"TicketAPI": `{"current_user": "a"}`, "TradingBot": `{"authenticated": true, "market_status": "Open"}`,
		"TravelAPI": `{"credit_card_list": {"c": {"balance": 9000}}, "booking_record": {"b": {"card_id": "c", "travel_cost": 7}}}`,
	}
	if c := configs[class]; c != "" {
		return c
	}
	return "{}"
}

// FuzzCall plays calls against all classes: nothing panics, answers are bounded, a
// copy of a state goes on as the state would, a state equals itself, and its dump
// has a hash.
func FuzzCall(f *testing.F) {
	for _, s := range []string{
		"mv('d', 'f')\ncp('d', 'd')\nfind()\ndu()\nrmdir('d')", "echo(content=[1], file_name='f')\ncat('f')\nwc('f', 'c')",
		"logarithm(value='1/3', base=-2.5, precision=7)\npower(-2, 0.5)", "power(7, 100000000)\nround_number(1e308, 400)\nmean([1e308, -1e400])",
		"send_message('USR002', None)\nsearch_messages('X')\ndelete_message('USR002')",
		"post_tweet('a', ['b'], 'c')\nmention(0, [1])\ncomment(0.0, {})\nretweet(True)", "create_ticket('t', priority=2)\nedit_ticket(1, {'status': 1})\nclose_ticket(1)",
		"place_order('Buy', 'AAPL', 1.5, 2)\nget_transaction_history('2024-1-1')\ncancel_order(12446)", "fund_account(1e999)\nwithdraw_funds(5)\nget_stock_info('AAPL')",
		"lockDoors(True, 'ab')\nadjustClimateControl('x')\nstartEngine('START')", "set_navigation('\\ud800')\ndisplay_log([['\\x00']])",
		"book_flight(None, 'c', '2024-01-01', 'SFO', 'LAX', 'first')\nset_budget_limit(None, '1_0')\ncancel_booking(None, 'b')",
		"__import__('os')\nexit()\nadd(a=1, a=2)\nadd(self=1)", "touch('a/b')\ncd('..')\ncd('d')\ntouch('x')\ncd('..')\nmv('d', 'e')\ncp('e', 'f2')",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, long bool) {
		if len(text) > 4096 {
			return
		}
		calls, err := value.ParseCalls(text)
		if err != nil {
			return
		}
		for _, w := range All {
			s, twin := state(t, w.Name(), fuzzConfig(w.Name()), long), state(t, w.Name(), fuzzConfig(w.Name()), long)
			for _, c := range calls {
				s = s.Copy()
				answer := s.Call(c)
				if len(answer) > 1<<25 {
					t.Fatalf("%s answers %d bytes", c.Name, len(answer))
				}
				if want := twin.Call(c); answer != want {
					t.Fatalf("%s answers %.200q after a copy, else %.200q", c.Name, answer, want)
				}
			}
			dump := s.Dump()
			if Hash(dump) != Hash(twin.Dump()) {
				t.Fatalf("%s differs from a state that was never copied", w.Name())
			}
			if s.Equal(s) != "" && !strings.Contains(value.Repr(dump), "nan") {
				t.Fatalf("%s differs from itself in %s", w.Name(), s.Equal(s))
			}
		}
	})
}

// Answers lie side by side in blocks, and none is written over by a later one.
func TestAnswersStay(t *testing.T) {
	w, _ := Get("TwitterAPI")
	s, err := w.New(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	s.Call(ballast.Call{Name: "authenticate_twitter", Args: []ballast.Arg{{Value: "john"}, {Value: "john123"}}})
	var answers, copies []string
	for i := range 400 { // of 100 to 40,000 bytes
		text := strings.Repeat(string(rune('a'+i%26)), 100*(1+i%400))
		out := s.Call(ballast.Call{Name: "post_tweet", Args: []ballast.Arg{{Value: text}}})
		if !strings.Contains(out, text) {
			t.Fatalf("answer %d lacks its text", i)
		}
		answers, copies = append(answers, out), append(copies, strings.Clone(out))
	}
	if !slices.Equal(answers, copies) {
		t.Error("an answer was written over")
	}
}
