//go:build unix

package bfcl

import (
	"fmt"
	"math"
	"math/big"
	"runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"

	"ballast"
	"ballast/value"
	"ballast/world"
)

// hostileValues are what a model can put where an argument stands, as the parsers
// give it. Long ones are a megabyte.
func hostileValues() map[string]any {
	deep := any("x")
	for range value.MaxDepth - 2 {
		deep = value.NewList(deep)
	}
	nested := any(int64(1))
	for range value.MaxDepth - 2 {
		nested = value.NewDict("k", nested)
	}
	many := &value.List{Items: make([]any, 1<<13)}
	for i := range many.Items {
		many.Items[i] = int64(i)
	}
	digits, _ := new(big.Int).SetString(strings.Repeat("7", value.MaxDigits), 10)
	return map[string]any{
		"none": nil, "true": true, "zero": int64(0), "minus": int64(-1), "huge exponent": int64(100_000_000), "least": int64(math.MinInt64),
		"4,300 digits": digits, "nan": math.NaN(), "inf": math.Inf(1), "tiny": 5e-324, "large": 1e308,
		"empty": "", "a megabyte": strings.Repeat("ab\n\"", 1<<18), "a megabyte of digits": strings.Repeat("9", 1<<20), "exponent": "1e999999999",
		"lone surrogates": "\xed\xa0\x80x\xed\xbf\xbf", "broken": "\xff\x00", "names": "__import__('os').system('id')", "path": strings.Repeat("../", 1<<12),
		"deep list": deep, "deep dict": nested, "many": many, "many texts": value.NewList(strings.Repeat("x", 1<<14), strings.Repeat("y", 1<<14)),
		"bytes": value.Bytes("\x00'"), "tuple": &value.Tuple{Items: []any{"driver", int64(1)}},
	}
}

// What bounds a hostile call: processor time, the collector's included, answer, memory.
const (
	mostTime   = 5 * time.Second // with the race detector; anything quadratic takes hours
	mostAnswer = 32 << 20
	mostMemory = 512 << 20
)

// processor is the time that the process has used: a machine that is busy with other
// things does not make a call slow.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bounded runs one call and demands that it stays within bounds.
func quick(t *testing.T, s world.State, what string, c ballast.Call) string {
	t.Helper()
	allocs := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(allocs)
	before, begin := allocs[0].Value.Uint64(), processor(t)
	out := s.Call(c)
	took := processor(t) - begin
	metrics.Read(allocs)
	if used := allocs[0].Value.Uint64() - before; took > mostTime || len(out) > mostAnswer || used > mostMemory {
		t.Errorf("%s of %s took %v, %d MB and answered %d bytes", c.Name, what, took, used>>20, len(out))
	}
	return out
}

// Every method of all eight classes meets every hostile value, in all parameters and
// in each one alone.
func TestHostileArguments(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	values := hostileValues()
	for _, w := range All {
		for _, long := range []bool{false, true} {
			s := state(t, w.Name(), fuzzConfig(w.Name()), long)
			for _, tool := range w.Tools() {
				for what, v := range values {
					all := ballast.Call{Name: tool.Name}
					for _, p := range tool.Params {
						all.Args = append(all.Args, ballast.Arg{Name: p.Name, Value: v})
					}
					quick(t, s.Copy(), what, all)
					for i := range tool.Params {
						if long || len(tool.Params) == 1 {
							break
						}
						one := ballast.Call{Name: tool.Name}
						for j, p := range tool.Params {
							x := usual(p.Name)
							if i == j {
								x = v
							}
							one.Args = append(one.Args, ballast.Arg{Name: p.Name, Value: x})
						}
						quick(t, s.Copy(), what, one)
					}
				}
			}
			for what, v := range values { // what a state can be filled with, and then read
				if !long {
					fill(t, s, what, v)
				}
			}
		}
	}
}

// usual is an argument that lets a call come far.
func usual(param string) any {
	switch param {
	case "access_token", "refresh_token":
		return nil
	case "card_id":
		return "c"
	case "booking_id":
		return "b"
	case "travel_from":
		return "SFO"
	case "travel_to":
		return "LAX"
	case "travel_date", "start_date", "end_date", "date_of_birth":
		return "1990-01-01"
	case "travel_class":
		return "first"
	case "file_name", "file_name1", "file_name2", "source":
		return "f"
	case "destination", "folder", "dir_name":
		return "d"
	case "receiver_id", "user_id":
		return "USR002"
	case "symbol":
		return "AAPL"
	case "order_type":
		return "Buy"
	case "numbers", "stocks", "door":
		return value.NewList("AAPL")
	case "base":
		return int64(10)
	case "precision":
		return int64(30)
	case "order_id", "ticket_id", "tweet_id":
		return int64(0)
	}
	return int64(2)
}

// fill writes a value wherever a class takes it, then reads, compares and dumps the
// state.
func fill(t *testing.T, s world.State, what string, v any) {
	t.Helper()
	s = s.Copy()
	named := func(name string, pairs ...any) {
		c := ballast.Call{Name: name}
		for i := 0; i < len(pairs); i += 2 {
			c.Args = append(c.Args, ballast.Arg{Name: pairs[i].(string), Value: pairs[i+1]})
		}
		quick(t, s, what, c)
	}
	switch s.(type) {
	case *fileSystem:
		named("touch", "file_name", v)
		named("mkdir", "dir_name", v)
		named("echo", "content", v, "file_name", "f")
		for _, read := range []string{"cat", "sort", "tail", "wc"} {
			named(read, "file_name", "f")
		}
		named("grep", "file_name", "f", "pattern", v)
		named("diff", "file_name1", "f", "file_name2", "f")
		named("find")
		named("du", "human_readable", v)
		named("ls", "a", v)
	case *messageAPI:
		for range 3 {
			named("send_message", "receiver_id", "USR002", "message", v)
		}
		named("add_contact", "user_name", v)
		named("search_messages", "keyword", v)
		named("view_messages_sent")
		named("delete_message", "receiver_id", "USR002")
	case *twitterAPI:
		for range 3 {
			named("post_tweet", "content", v, "tags", v, "mentions", v)
			named("mention", "tweet_id", int64(0), "mentioned_usernames", v)
			named("comment", "tweet_id", int64(0), "comment_content", v)
			named("follow_user", "username_to_follow", v)
		}
		named("search_tweets", "keyword", v)
		named("get_user_tweets", "username", "john")
		named("list_all_following")
	case *ticketAPI:
		named("create_ticket", "title", v, "description", v, "priority", int64(1))
		named("edit_ticket", "ticket_id", int64(1), "updates", value.NewDict("status", v, "title", v))
		named("edit_ticket", "ticket_id", int64(1), "updates", v)
		named("resolve_ticket", "ticket_id", int64(1), "resolution", v)
		named("get_user_tickets", "status", v)
	case *tradingBot:
		named("place_order", "order_type", "Buy", "symbol", "AAPL", "price", v, "amount", int64(1))
		named("place_order", "order_type", "Sell", "symbol", "AAPL", "price", int64(1), "amount", v)
		named("fund_account", "amount", v)
		named("withdraw_funds", "amount", v)
		named("get_transaction_history")
		named("add_to_watchlist", "stock", v)
		named("get_account_info")
	case *travelAPI:
		named("set_budget_limit", "access_token", nil, "budget_limit", v)
		named("register_credit_card", "access_token", nil, "card_number", v, "expiration_date", v, "cardholder_name", v, "card_verification_number", v)
		named("purchase_insurance", "access_token", nil, "insurance_type", v, "booking_id", "b", "insurance_cost", v, "card_id", "c")
		named("get_credit_card_balance", "access_token", nil, "card_id", "c")
		named("get_all_credit_cards")
	case *vehicleAPI:
		named("set_navigation", "destination", v)
		named("adjustClimateControl", "temperature", v, "unit", "celsius", "fanSpeed", int64(1), "mode", v)
		named("fillFuelTank", "fuelAmount", v)
		named("pressBrakePedal", "pedalPosition", v)
		named("displayCarStatus", "option", "climate")
	}
	begin := processor(t)
	Hash(s.Dump())
	s.Copy().Equal(s)
	if d := processor(t) - begin; d > mostTime {
		t.Errorf("%T filled with %s: dump and comparison took %v", s, what, d)
	}
}

// Names outside the tables are undefined or forbidden, whatever the interpreter
// knows of them, in every class.
func TestHostileNames(t *testing.T) {
	for _, w := range All {
		s := state(t, w.Name(), fuzzConfig(w.Name()), false)
		before := Hash(s.Dump())
		for _, name := range []string{"__import__", "eval", "exec", "open", "print", "globals", "os.system", "kill", "exit", "self.__class__",
			"__init__", "_load_scenario", "", ".", "..", "a.b.c.d", strings.Repeat("x", 1<<20), "caf\u00e9", "\xff", "\x00", "run", "popen.x"} {
			out := quick(t, s, "a name", ballast.Call{Name: name, Args: []ballast.Arg{{Value: "id"}}})
			if !strings.HasPrefix(out, "Error during execution: ") {
				t.Errorf("%s: %.20q answers %.80q", w.Name(), name, out)
			}
		}
		if Hash(s.Dump()) != before {
			t.Errorf("%s: unknown names changed the state", w.Name())
		}
	}
}

// TestForbiddenNames: each forbidden name is refused as it stands, and with blanks before it it is
// one that is not defined, as the original has it. Blanks behind it change nothing.
func TestForbiddenNames(t *testing.T) {
	for _, name := range forbidden {
		refused, undefined := failed("Function call "+name+" is not allowed."), failed("name '"+name+"' is not defined")
		for text, want := range map[string]string{
			"%s(cmd='ls')": refused, "%s (cmd='ls')": refused, "%s(cmd='ls') ": refused, "os.%s('ls')": refused,
			" %s(cmd='ls')": undefined, " %s(cmd='ls') ": undefined, "\t%s('ls')": undefined, "  %s  ('ls')": undefined,
		} {
			text = fmt.Sprintf(text, name)
			if got, _ := (&play{}).execute(nil, text); got != want {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		}
		if got := Unknown(" " + name); got != undefined {
			t.Errorf("%q: %s, want %s", " "+name, got, undefined)
		}
	}
}

// manyNames are keyword arguments of a hundred thousand names.
func manyNames() string {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "a%d=1,", i)
	}
	return b.String()
}

// Text that no parser should choke on: it is refused, or read and answered, in time
// that grows with its length only.
func TestHostileText(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	digits := strings.Repeat("7", 10_000_000)
	deep := strings.Repeat("[", 1<<20)
	for what, text := range map[string]string{
		"10^7 digits": "power(base=" + digits + ", exponent=2)", "10^7 decimals": "power(base=0." + digits + ", exponent=2)",
		"10^7 hex digits": "power(base=0x" + digits + ", exponent=2)", "an exponent of 10^7 digits": "power(base=1e" + digits + ", exponent=2)",
		"10^7 digits with underscores": "power(base=1_" + digits + ", exponent=2)",
		"brackets":                     "mean(numbers=" + deep + ")", "signs": "power(base=" + strings.Repeat("-", 1<<20) + "1, exponent=2)",
		"power": "power(base=7, exponent=100000000)", "tower": "power(base=" + strings.Repeat("9", 4300) + ", exponent=99999999999)",
		"a long string": "add(a='" + strings.Repeat("\\x41", 1<<18) + "', b='')", "a long name": strings.Repeat("a", 1<<20) + "()",
		"many names": "add(" + manyNames() + ")", "many arguments": "add(" + strings.Repeat("1,", 1<<19) + ")", "strings side by side": "add(a=" + strings.Repeat("'a'", 1<<18) + ", b='')",
	} {
		begin := processor(t)
		c, err := value.ParseCall(text)
		if err == nil {
			quick(t, state(t, "MathAPI", "{}", false), what, c)
		}
		if d := processor(t) - begin; d > mostTime {
			t.Errorf("%s took %v", what, d)
		}
	}
	for what, text := range map[string]string{
		"10^7 digits": digits, "10^7 decimals": "0." + digits, "an exponent of 10^7 digits": "1e" + digits, "brackets": deep,
		"braces": strings.Repeat(`{"a":`, 1<<18), "escapes": `"` + strings.Repeat(`\ud800`, 1<<18) + `"`,
		"one key": "{" + strings.Repeat(`"a": 1, `, 1<<17) + `"a": 2}`,
	} {
		begin := processor(t)
		v, err := value.ParseJSON([]byte(text))
		if err == nil {
			quick(t, state(t, "MathAPI", "{}", false), what, ballast.Call{Name: "add", Args: []ballast.Arg{{Name: "a", Value: v}, {Name: "b", Value: v}}})
		}
		if d := processor(t) - begin; d > mostTime {
			t.Errorf("JSON: %s took %v", what, d)
		}
	}
}

// What the original runs is run: it writes a name down before the arguments and evaluates that, as CPython 3.10 and 3.11 do.
func TestMeans(t *testing.T) {
	w, err := Get("GorillaFileSystem")
	if err != nil {
		t.Fatal(err)
	}
	for name, runs := range map[string]bool{"ls": true, "ls ": true, "ls\t": true, "ls\n": true, "ls\r\n": true, "ls\f": true, "ls\v": true, "ls\u00a0": true,
		" ls": true, " ls ": true, "\tls": true, "  \tls": true, "\nls": true, "\rls": true, "\fls": true, " \nls": true, "\n\nls": true,
		"\vls": false, "\u00a0ls": false, "\n ls": false, "\u3000ls": false, "l s": false, "(ls": false, "\n\tls": false, "": false} {
		if got := w.(world.Namer).Means(name) == "ls"; got != runs {
			t.Errorf("%q: runs is %v, want %v", name, got, runs)
		}
	}
}
