package file

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/value"
)

// write makes a file of tasks.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// faults are those of a file, each without the folder.
func faults(t testing.TB, text string) []string {
	t.Helper()
	path := write(t, text)
	_, err := Read(path)
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no list of faults", err)
	}
	var out []string
	for _, f := range e.Faults {
		out = append(out, strings.ReplaceAll(f.Error(), filepath.Dir(path)+string(filepath.Separator), ""))
	}
	return out
}

// line is a task with one turn, which is text inside of its object.
func line(turn string) string { return `{"id":"a","hold":["refund"],"turns":[{` + turn + `}]}` }

const good = `{"id":"a","turns":[{"user":"Cancel order 17.","gold":[{"name":"cancel_order","arguments":{"id":17}}]}]}`

// TestBrokenLines: each broken line has one sentence, with line, key and what to do.
func TestBrokenLines(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		// not JSON, or not one object
		{``, `orders.jsonl: holds no task; write one a line`},
		{"\n", `orders.jsonl:1: the line is empty; take it out`},
		{good + "\n\n" + strings.Replace(good, `"a"`, `"b"`, 1) + "\n", `orders.jsonl:2: the line is empty; take it out`},
		{good + "\n \t\n", `orders.jsonl:2: the line is empty; take it out`},
		{"\xef\xbb\xbf" + good, `orders.jsonl:1: the line begins with a byte order mark; save the file as UTF-8 without one`},
		{"\xff\xfe{\x00", `orders.jsonl: is UTF-16; save the file as UTF-8`},
		{"\x1f\x8b\x08", `orders.jsonl: is compressed by gzip; unpack it`},
		{"PAR1", `orders.jsonl: is a parquet file; write JSON lines`},
		{"{\x00}", `orders.jsonl:1: the line holds a byte 0, which no JSON has; save the file as UTF-8 text`},
		{`{"id":"a",}`, `orders.jsonl:1: the line is no JSON: expected a key in double quotes at byte 10; mend it`},
		{`{'id':'a'}`, `orders.jsonl:1: the line is no JSON: expected a key in double quotes at byte 1; mend it`},
		{good[:40], `orders.jsonl:1: the line is no JSON: unterminated string at byte 28; mend it`},
		{good + good, `orders.jsonl:1: the line holds more than one object (extra data at byte 103); write one a line`},
		{good + ",", `orders.jsonl:1: the line ends with a comma; take it out: lines are no list`},
		{"[", `orders.jsonl:1: the line is "[" alone; write each task on one line of its own, without a list around them`},
		{"[" + good + "]", `orders.jsonl:1: the line is a list; write an object`},
		{`"a"`, `orders.jsonl:1: the line is text; write an object`},
		{"null", `orders.jsonl:1: the line is null; write an object`},
		{`{"id":"\ud800","turns":[{"user":"u"}]}`, `orders.jsonl:1: the line is no JSON: string is not UTF-8 at byte 14; mend it`},
		{"{\"id\":\"\xff\"}", `orders.jsonl:1: the line is no JSON: string is not UTF-8 at byte 7; mend it`},
		{line(`"user":"u","expect":{"reply":{"number":{"value":NaN}}}`), `orders.jsonl:1: the line is no JSON: a word that JSON does not have at byte 89; mend it`},
		{`{"id":"a","turns":` + strings.Repeat("[", 300), `orders.jsonl:1: the line is no JSON: nested too deeply at byte 218; mend it`},
		{`{"id":"a","id":"b","turns":[{"user":"u"}]}`, `orders.jsonl:1: id stands here twice; take one of both out`},
		{line(`"user":"u","gold":[{"name":"f","arguments":{"x":1,"x":2}}]`), `orders.jsonl:1: turns[0].gold[0].arguments.x stands here twice; take one of both out`},
		// keys
		{`{"turns":[{"user":"u"}]}`, `orders.jsonl:1: id is missing; write text without control characters`},
		{`{"id":"a"}`, `orders.jsonl:1: turns is missing; write a list, each item of it an object with the keys user, gold, reply, reveal, expect`},
		{`{"id":"a","turns":[]}`, `orders.jsonl:1: turns has 0 items; write at least 1`},
		{`{"id":"a","turn":[{"user":"u"}],"turns":[{"user":"u"}]}`, `orders.jsonl:1: turn is no key here; perhaps it is turns that is meant (there are id, split, category, tools, hold, turns, hint)`},
		{`{"id":"a","turns":[{"user":"u"}],"x y":1}`, `orders.jsonl:1: ["x y"] is no key here; take it out (there are id, split, category, tools, hold, turns, hint)`},
		{`{"id":"a","turns":[{}]}`, `orders.jsonl:1: turns[0] has none of the keys user, reveal; write at least one of them`},
		{line(`"user":"u","usr":"u"`), `orders.jsonl:1: turns[0].usr is no key here; perhaps it is user that is meant (there are user, gold, reply, reveal, expect)`},
		{line(`"user":"u","gold":[{"arguments":{}}]`), `orders.jsonl:1: turns[0].gold[0].name is missing; write text`},
		{line(`"user":"u","gold":[{"name":"f","args":{}}]`), `orders.jsonl:1: turns[0].gold[0].args is no key here; take it out (there are name, arguments)`},
		{line(`"user":"u","gold":[{"name":"f","arguments":{"":1}}]`), `orders.jsonl:1: turns[0].gold[0].arguments[""] is an empty name; write one`},
		{line(`"user":"u","expect":{}`), `orders.jsonl:1: turns[0].expect has none of the keys calls, results, reply, state, program, judge; write at least one of them`},
		{line(`"user":"u","expect":{"call":[]}`), `orders.jsonl:1: turns[0].expect.call is no key here; perhaps it is calls that is meant (there are calls, results, reply, state, program, judge)` +
			"\n" + `orders.jsonl:1: turns[0].expect has none of the keys calls, results, reply, state, program, judge; write at least one of them`},
		{line(`"user":"u","expect":{"reply":{}}`), `orders.jsonl:1: turns[0].expect.reply has none of the keys equals, contains, matches, number; write at least one of them`},
		{line(`"user":"u","expect":{"state":[{"returns":1}]}`), `orders.jsonl:1: turns[0].expect.state[0].call is missing; write an object with the keys name, arguments`},
		{line(`"user":"u","expect":{"state":[{"call":{"name":"f"}}]}`), `orders.jsonl:1: turns[0].expect.state[0] has none of the keys returns, contains; write at least one of them`},
		{line(`"user":"u","expect":{"state":[{"call":{"name":"f","argument":{}},"returns":1}]}`), `orders.jsonl:1: turns[0].expect.state[0].call.argument is no key here; perhaps it is arguments that is meant (there are name, arguments)`},
		{line(`"user":"u","expect":{"results":[{"call":{"name":"f"},"returns":1}]}`), `orders.jsonl:1: turns[0].expect.results[0].call is no key here; take it out (there are returns, contains)`},
		{line(`"user":"u","expect":{"program":{"seconds":1}}`), `orders.jsonl:1: turns[0].expect.program.command is missing; write a list, each item of it text`},
		{line(`"user":"u","expect":{"judge":{}}`), `orders.jsonl:1: turns[0].expect.judge.question is missing; write text`},
		{line(`"user":"u","expect":{"reply":{"number":{"within":1}}}`), `orders.jsonl:1: turns[0].expect.reply.number.value is missing; write a number`},
		// kinds
		{`{"id":17,"turns":[{"user":"u"}]}`, `orders.jsonl:1: id is a number; write text without control characters`},
		{`{"id":"","turns":[{"user":"u"}]}`, `orders.jsonl:1: id is ""; write text without control characters`},
		{`{"id":"a\nb","turns":[{"user":"u"}]}`, `orders.jsonl:1: id is "a\nb"; write text without control characters`},
		{`{"id":"a","turns":{"user":"u"}}`, `orders.jsonl:1: turns is an object; write a list, each item of it an object with the keys user, gold, reply, reveal, expect`},
		{`{"id":"a","turns":["u"]}`, `orders.jsonl:1: turns[0] is text; write an object with the keys user, gold, reply, reveal, expect`},
		{`{"id":"a","split":"dev","turns":[{"user":"u"}]}`, `orders.jsonl:1: split is "dev"; write one of train, test, valid`},
		{`{"id":"a","split":1,"turns":[{"user":"u"}]}`, `orders.jsonl:1: split is a number; write one of train, test, valid`},
		{`{"id":"a","tools":"f","turns":[{"user":"u"}]}`, `orders.jsonl:1: tools is text; write a list, each item of it text`},
		{`{"id":"a","tools":[],"turns":[{"user":"u"}]}`, `orders.jsonl:1: tools has 0 items; write at least 1`},
		{`{"id":"a","tools":["f","g","f"],"turns":[{"user":"u"}]}`, `orders.jsonl:1: tools[2] is the same as item 0; take it out`},
		{`{"id":"a","hint":null,"turns":[{"user":"u"}]}`, `orders.jsonl:1: hint is null; leave the key out or write text`},
		{line(`"user":""`), `orders.jsonl:1: turns[0].user is empty; write text`},
		{line(`"user":"a\u0000b"`), `orders.jsonl:1: turns[0].user holds the character NUL; take it out`},
		{line(`"user":["u"]`), `orders.jsonl:1: turns[0].user is a list; write text`},
		{line(`"user":"u","gold":{"name":"f"}`), `orders.jsonl:1: turns[0].gold is an object; write a list, each item of it an object with the keys name, arguments`},
		{line(`"user":"u","gold":["f(1)"]`), `orders.jsonl:1: turns[0].gold[0] is text; write an object with the keys name, arguments`},
		{line(`"user":"u","gold":[{"name":"f","arguments":"{}"}]`), `orders.jsonl:1: turns[0].gold[0].arguments is text; write an object`},
		{line(`"user":"u","gold":[{"name":"f","arguments":[1]}]`), `orders.jsonl:1: turns[0].gold[0].arguments is a list; write an object`},
		{line(`"user":"u","expect":{"calls":{"match":"any"}}`), `orders.jsonl:1: turns[0].expect.calls.match is "any"; write one of exact, any_order, subset, one_of`},
		{line(`"user":"u","expect":{"results":["ok"]}`), `orders.jsonl:1: turns[0].expect.results[0] is text; write an object with the keys returns, contains`},
		{line(`"user":"u","expect":{"reply":"ok"}`), `orders.jsonl:1: turns[0].expect.reply is text; write an object with the keys equals, contains, matches, number`},
		{line(`"user":"u","reply":"ok","expect":{"reply":{"contains":"ok"}}`), `orders.jsonl:1: turns[0].expect.reply.contains is text; write a list, each item of it text`},
		{line(`"user":"u","expect":{"reply":{"number":{"value":"3"}}}`), `orders.jsonl:1: turns[0].expect.reply.number.value is text; write a number`},
		{line(`"user":"u","expect":{"reply":{"number":{"value":true}}}`), `orders.jsonl:1: turns[0].expect.reply.number.value is true or false; write a number`},
		{line(`"user":"u","expect":{"reply":{"number":{"value":3,"within":-1}}}`), `orders.jsonl:1: turns[0].expect.reply.number.within is -1; write a number of at least 0`},
		{line(`"user":"u","expect":{"program":{"command":"python grade.py"}}`), `orders.jsonl:1: turns[0].expect.program.command is text; write a list, each item of it text`},
		{line(`"user":"u","expect":{"program":{"command":["p"],"seconds":0}}`), `orders.jsonl:1: turns[0].expect.program.seconds is 0; write a number of at least 0.1`},
		{line(`"user":"u","expect":{"program":{"command":["p"],"seconds":3600}}`), `orders.jsonl:1: turns[0].expect.program.seconds is 3600; write a number of at most 100`},
		{line(`"user":"u","expect":{"judge":"polite?"}`), `orders.jsonl:1: turns[0].expect.judge is text; write an object with the keys question`},
		// what no schema says
		{good + "\n" + good, `orders.jsonl:2: id is "a", as in line 1; give each task one of its own`},
		{`{"id":"a","split":"test","turns":[{"user":"u"}]}` + "\n" + `{"id":"b","turns":[{"user":"u"}]}`, `orders.jsonl:2: split is missing, and line 1 has one; write it on every line or on none`},
		{`{"id":"a","tools":["f"],"hold":["f"],"turns":[{"user":"u"}]}`, `orders.jsonl:1: hold[0] is "f", which tools lists, too; take it out of one of both`},
		{line(`"user":"u","reveal":["pay"]`), `orders.jsonl:1: turns[0].reveal[0] is "pay", which is not held back; write it into hold`},
		{line(`"reveal":["refund"]},{"reveal":["refund"]`), `orders.jsonl:1: turns[1].reveal[0] is "refund", which an earlier turn reveals; take it out`},
		{line(`"user":"u","gold":[{"name":"refund"}]},{"reveal":["refund"]`), `orders.jsonl:1: turns[0].gold[0].name is "refund", which is held back in this turn; reveal it first, or take the call out`},
		{`{"id":"a","tools":["f"],"turns":[{"user":"u","gold":[{"name":"g"}]}]}`, `orders.jsonl:1: turns[0].gold[0].name is "g", which neither tools nor hold lists; write it there`},
		{line(`"user":"u","expect":{"calls":{"match":"subset"}}`), `orders.jsonl:1: turns[0].expect.calls wants subset of no calls, which says nothing; list calls, or write match exact for a turn without calls`},
		{line(`"user":"u","expect":{"calls":{"match":"one_of","calls":[]}}`), `orders.jsonl:1: turns[0].expect.calls wants one_of of no calls, which says nothing; list calls, or write match exact for a turn without calls`},
		{line(`"user":"u","reply":"x","expect":{"reply":{"matches":"("}}`), "orders.jsonl:1: turns[0].expect.reply.matches is no regular expression: error parsing regexp: missing closing ): `(`; mend it (the syntax is RE2's)"},
		{line(`"user":"u","reply":"x","expect":{"reply":{"matches":"(?=a)"}}`), "orders.jsonl:1: turns[0].expect.reply.matches is no regular expression: error parsing regexp: invalid or unsupported Perl syntax: `(?=`; mend it (the syntax is RE2's)"},
		{line(`"user":"u","reply":"x","expect":{"reply":{"matches":"a*"}}`), `orders.jsonl:1: turns[0].expect.reply.matches matches an empty reply, and so any; write an expression that asks for something`},
		{line(`"user":"u","expect":{"program":{"command":[""]}}`), `orders.jsonl:1: turns[0].expect.program.command[0] is empty; write the program's name`},
		{line(`"user":"u","expect":{"results":[{"returns":1}]}`), `orders.jsonl:1: turns[0].expect.results asks for results, and gold makes no call; write gold`},
		{line(`"user":"u","expect":{"reply":{"contains":["17"]}}`), `orders.jsonl:1: turns[0].reply is missing, and expect.reply asks for one; write the right reply`},
		{line(`"user":"u","reply":"It is 18.","expect":{"reply":{"number":{"value":17,"within":0.5}}}`), `orders.jsonl:1: turns[0].expect.reply refuses the turn's own reply: the nearest number in the reply is 18, wanted 17; mend one of both`},
		{line(`"user":"u","reply":"No.","expect":{"reply":{"contains":["Yes"]}}`), `orders.jsonl:1: turns[0].expect.reply refuses the turn's own reply: "Yes" does not stand in the reply "No."; mend one of both`},
	} {
		if got := strings.Join(faults(t, c.text), "\n"); got != c.want {
			t.Errorf("%.80q\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// TestAllFaultsInOnePass: a file's error lists the faults of all of its lines, and counts those
// for which there is no room.
func TestAllFaultsInOnePass(t *testing.T) {
	text := strings.Repeat(`{"id":3}`+"\n", 60) + good + "\n"
	_, err := Read(write(t, text))
	var e *Error
	if !errors.As(err, &e) || len(e.Faults) != MaxFaults || e.More != 120-MaxFaults {
		t.Fatalf("%v", err)
	}
	if said := err.Error(); !strings.Contains(said, "has 120 faults:") || !strings.HasSuffix(said, "\nand 20 more") || strings.Count(said, "\n") != MaxFaults+1 {
		t.Error(said)
	}
	if got := faults(t, good+"\n{\n"+line(`"user":1,"gold":2`)+"\n"); len(got) != 4 || !strings.Contains(got[0], ":2: ") || !strings.Contains(got[2], ":3: turns[0].gold") ||
		!strings.Contains(got[3], ":3: id is") {
		t.Errorf("%q", got)
	}
}

// TestBounds: a line that is too long ends the reading, and what was found before is said, too.
func TestBounds(t *testing.T) {
	got := faults(t, "{\n"+`{"id":"`+strings.Repeat("a", maxLine)+`"}`+"\n"+good)
	if len(got) != 2 || !strings.Contains(got[1], "orders.jsonl: is not read from here on: line 2: too large: more than 1 MiB") {
		t.Errorf("%q", got)
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Error(err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "no")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func read(t testing.TB, text string) *File {
	t.Helper()
	f, err := Read(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestTask: a line becomes the task that it says, with the place where it stands.
func TestTask(t *testing.T) {
	f := read(t, strings.Replace(good, `"a"`, `"z"`, 1)+"\r\n"+`{"id":"o-1","category":"missing tool","tools":["get_order"],"hold":["refund","admin"],"hint":"Look first.","turns":[{"user":"Refund order 17.","reply":"I cannot."},{"reveal":["refund"],"gold":[{"name":"refund","arguments":{"id":17,"why":{"a":[1,2.5,null]}}}],"expect":{"calls":{"match":"exact"}}}]}`)
	if len(f.Tasks) != 2 || f.Own {
		t.Fatalf("%+v", f)
	}
	x := f.Tasks[1]
	if x.ID != "o-1" || x.Set != "orders" || !strings.HasSuffix(x.Source, "orders.jsonl:2") || x.Category != "missing tool" || x.World != "mcp" || x.Grader != "expect" ||
		x.Hint != "Look first." || f.Tasks[0].Category != "base" || x.Tools != nil {
		t.Errorf("%+v", x)
	}
	if got := value.FormatCall(x.Turns[1].Gold[0]); got != "refund(id=17, why={'a': [1, 2.5, None]})" {
		t.Error(got)
	}
	if x.Turns[0].Reply != "I cannot." || x.Turns[1].User != "" || x.Turns[1].Reveal[0] != "refund" || value.Repr(x.Turns[1].Want) != "{'calls': {'match': 'exact'}}" ||
		x.Turns[0].Want != nil {
		t.Errorf("%+v", x.Turns)
	}
}

// TestSplits: lines say their split, or ids deal them, and a task keeps its split when others come.
func TestSplits(t *testing.T) {
	var lines []string
	for i := range 1000 {
		lines = append(lines, `{"id":"t`+value.Repr(int64(i))+`","turns":[{"user":"u"}]}`)
	}
	all, half := read(t, strings.Join(lines, "\n")), read(t, strings.Join(lines[500:], "\n"))
	if got := all.Counts(); got != "train 788, test 212 (dealt by id, as no line has a split)" {
		t.Error(got)
	}
	for i := range half.Tasks {
		if half.Split[i] != all.Split[500+i] {
			t.Fatalf("task %s moves", half.Tasks[i].ID)
		}
	}
	own := read(t, `{"id":"a","split":"test","turns":[{"user":"u"}]}`+"\n"+`{"id":"b","split":"valid","turns":[{"user":"u"}]}`+"\n"+`{"id":"c","split":"test","turns":[{"user":"u"}]}`)
	if !own.Own || own.Counts() != "test 2, valid 1" || len(own.Of("test")) != 2 || len(own.Of("train")) != 0 || len(own.Of("")) != 3 || own.Of("valid")[0].ID != "b" {
		t.Errorf("%+v", own)
	}
	tasks, err := Load(own.Path)
	if err != nil || len(tasks) != 3 {
		t.Error(tasks, err)
	}
}
