package value

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"ballast"
)

func parse(t *testing.T, text string) any {
	t.Helper()
	v, err := ParseLiteral(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// Each row: a literal, its repr, its JSON; from CPython 3.11.
func TestText(t *testing.T) {
	for _, c := range []struct{ in, repr, json string }{
		{"None", "None", "null"},
		{"[True, False]", "[True, False]", "[true, false]"},
		{"1e16", "1e+16", "1e+16"},
		{"123456789012345.6", "123456789012345.6", "123456789012345.6"},
		{"1e15", "1000000000000000.0", "1000000000000000.0"},
		{"0.0001", "0.0001", "0.0001"},
		{"0.00001", "1e-05", "1e-05"},
		{"1e400", "inf", "Infinity"},
		{"-0.0", "-0.0", "-0.0"},
		{"5", "5", "5"},
		{"- 7", "-7", "-7"},
		{"1_000", "1000", "1000"},
		{"0x_ff", "255", "255"},
		{"0b11", "3", "3"},
		{"-9223372036854775808", "-9223372036854775808", "-9223372036854775808"},
		{"9223372036854775808", "9223372036854775808", "9223372036854775808"},
		{`'it\'s'`, `"it's"`, `"it's"`},
		{`'it\'s "x"'`, `'it\'s "x"'`, `"it's \"x\""`},
		{`"a\tb\n\x00\x7f\\"`, `'a\tb\n\x00\x7f\\'`, `"a\tb\n\u0000\u007f\\"`},
		{`"\xe9\u200b\u2028\U0001f600\ud800"`, "'\u00e9\\u200b\\u2028\U0001f600\\ud800'", `"\u00e9\u200b\u2028\ud83d\ude00\ud800"`},
		{`'a' "b" r'\n'`, `'ab\\n'`, `"ab\\n"`},
		{`''`, `''`, `""`},
		{`"""x"y
z"""`, `'x"y\nz'`, `"x\"y\nz"`},
		{`'\q\101'`, `'\\qA'`, `"\\qA"`},
		{"{}", "{}", "{}"},
		{"{'b': 1, 'a': [], 1: 2.0, True: 3}", "{'b': 1, 'a': [], 1: 3}", `{"b": 1, "a": [], "1": 3}`},
		{"{None: 1, 2.5: (1,)}", "{None: 1, 2.5: (1,)}", `{"null": 1, "2.5": [1]}`},
		{"((1), (2, 3), ())", "(1, (2, 3), ())", "[1, [2, 3], []]"},
	} {
		v := parse(t, c.in)
		if got := Repr(v); got != c.repr {
			t.Errorf("Repr(%s) = %s, want %s", c.in, got, c.repr)
		}
		if got, err := JSON(v); got != c.json || err != nil {
			t.Errorf("JSON(%s) = %s, %v, want %s", c.in, got, err, c.json)
		}
	}
	if got := Repr(parse(t, `b'a\xff"'`)); got != `b'a\xff"'` {
		t.Errorf("bytes repr %s", got)
	}
	for _, bad := range []string{"{(1,): 2}", "[b'x']"} {
		if s, err := JSON(parse(t, bad)); err == nil {
			t.Errorf("JSON(%s) = %s, want an error", bad, s)
		}
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1", "1.0", true}, {"True", "1", true}, {"0", "False", true}, {"'5'", "5", false},
		{"None", "0", false}, {"[1, 2.0]", "[1.0, 2]", true}, {"[1]", "(1,)", false},
		{"{'a': 1, 'b': 2}", "{'b': 2.0, 'a': True}", true}, {"{1: 0}", "{1.0: 0}", true},
		{"9007199254740993", "9007199254740992.0", false},
		{"100000000000000000000", "1e20", true}, {"100000000000000000001", "1e20", false},
		{"1e400", "1e400", true}, {"''", "None", false}, {"b'a'", "'a'", false},
	} {
		a, b := parse(t, c.a), parse(t, c.b)
		if Equal(a, b) != c.want || Equal(b, a) != c.want {
			t.Errorf("%s == %s: want %v", c.a, c.b, c.want)
		}
	}
}

func TestParseCall(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"ls()", "ls()"},
		{" mv ('a',b = [1, 2.5, True, None, {'k': 'v'}], )", "mv('a', b=[1, 2.5, True, None, {'k': 'v'}])"},
		{"a.b_1(x=-1e3, y=0777)", "leading zeros in decimal integer literals are not permitted at byte 20"},
		{"a.b_1(x=-1e3)", "a.b_1(x=-1000.0)"},
		{"f(a=1, a=2)", "keyword argument repeated: a at byte 9"},
		{"f(a=1, 2)", "positional argument follows keyword argument at byte 8"},
		{"f(", "'(' was never closed"},
		{"f(x)", "name 'x' is not a literal at byte 2"},
		{"f(g())", "name 'g' is not a literal at byte 2"},
		{"f(1+1)", "expected ',' or ')' at byte 3"},
		{"f(f'x')", "string prefix 'f' is not a literal's at byte 3"},
		{"f(1) g", "invalid syntax at byte 5"},
		{"f('a", "unterminated string literal at byte 4"},
		{"f(*[1])", "invalid syntax at byte 2"},
		{"", "expected a function name at byte 0"},
		{"f({[]: 1})", "unhashable type: 'list' at byte 5"},
	} {
		call, err := ParseCall(c.in)
		got := FormatCall(call)
		if err != nil {
			got = err.Error()
		}
		if got != c.out && c.in != "f(" {
			t.Errorf("ParseCall(%s) = %s, want %s", c.in, got, c.out)
		}
		if c.in == "f(" && err == nil {
			t.Error("an open call parsed")
		}
	}
}

func TestParseCalls(t *testing.T) {
	for _, c := range []struct {
		in string
		n  int
	}{
		{"", 0}, {"[]", 0}, {"[f(), g(1)]", 2}, {"f(), g()", 2}, {"f()\ng()\n", 2}, {"f();g()", 2}, {"[f(),]", 1},
		{"f() g()", -1}, {"[f()", -1}, {"[f()] x", -1}, {"[f() g()]", -1},
	} {
		calls, err := ParseCalls(c.in)
		if n := len(calls); err == nil && n != c.n || err != nil && c.n >= 0 || err == nil && c.n < 0 {
			t.Errorf("ParseCalls(%q) = %v, %v; want %d calls", c.in, calls, err, c.n)
		}
	}
}

func TestParseJSON(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"b":1,"a":1.0,"b":2}`, "{'b': 2, 'a': 1.0}"},
		{` [1e2, -0, 1E400, NaN, -Infinity, 12345678901234567890] `, "[100.0, 0, inf, nan, -inf, 12345678901234567890]"},
		{`"\ud83d\ude00\ud800x\ud800\u0041\/"`, "'\U0001f600\\ud800x\\ud800A/'"},
		{`""`, "''"},
		{`{`, ""}, {`[1,]`, ""}, {`01`, ""}, {`1.`, ""}, {`"a`, ""}, {"\"\n\"", ""}, {`{"a" 1}`, ""}, {`nul`, ""}, {``, ""}, {`"\x"`, ""}, {`"\u12"`, ""}, {"\"\xff\"", ""}, {`1 2`, ""},
	} {
		v, err := ParseJSON([]byte(c.in))
		got := ""
		if err == nil {
			got = Repr(v)
		}
		if got != c.want {
			t.Errorf("ParseJSON(%s) = %s, %v; want %s", c.in, got, err, c.want)
		}
	}
}

// TestParseExact: what ParseJSON reads in one of several ways is an error.
func TestParseExact(t *testing.T) {
	for _, text := range []string{`{"a": 1, "b": {"a": 2}, "c": [{"a": 1}, {"a": 2}]}`, `"\u00f8\ud83d\ude00"`, `12345678901234567890123`, `1.5e300`, `-0`, `null`} {
		got, err := ParseExact([]byte(text))
		want, err2 := ParseJSON([]byte(text))
		if err != nil || err2 != nil || !Equal(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{`{"a": 1, "a": 1}`, `[{"x": {"a": 1, "b": 2, "a": 3}}]`, `{"a": 1, "\u0061": 2}`, `NaN`, `[Infinity]`, `-Infinity`, `1e999`, `-1e999`, `"\ud800"`, "\"\xed\xa0\x80\"", `{"\udc00": 1}`} {
		if v, err := ParseJSON([]byte(text)); err != nil {
			t.Errorf("%s: %v, %v", text, v, err)
		}
		if v, err := ParseExact([]byte(text)); err == nil {
			t.Errorf("%s is read as %v", text, v)
		}
	}
}

// Hostile text is answered quickly and with an error.
func TestHostile(t *testing.T) {
	long := func(s string, n int) string {
		b := make([]byte, 0, n*len(s))
		for range n {
			b = append(b, s...)
		}
		return string(b)
	}
	for _, in := range []string{long("[", 1e6), long("{'a':", 1e6), long("9", 1e7), long("(", 1e6), "0x" + long("f", 1e7), long("-", 1e6)} {
		if _, err := ParseCall("f(" + in + ")"); err == nil {
			t.Error("hostile call parsed")
		}
	}
	for _, in := range []string{long("[", 1e6), long(`{"a":`, 1e6), long("9", 1e7)} {
		if _, err := ParseJSON([]byte(in)); err == nil {
			t.Error("hostile JSON parsed")
		}
	}
	if _, err := JSON(new(big.Int).Lsh(big.NewInt(1), 20000)); err == nil {
		t.Error("JSON of a huge integer")
	}
}

func TestDict(t *testing.T) {
	var d Dict
	for i := range 100 {
		d.Set(int64(i), i%2 == 0)
	}
	d.Set(50.0, "x")
	d.Delete(true)
	if v, _ := d.Get(int64(50)); v != "x" || d.Len() != 99 {
		t.Error("equal keys are not one key")
	}
	if k, _ := d.At(1); k != int64(2) {
		t.Error("order lost")
	}
	if v, ok := d.Get(int64(99)); v != false || !ok {
		t.Error("index lost after Delete")
	}
	c := d.Clone()
	c.Set("new", NewList())
	if d.Len() != 99 || !Equal(&d, d.Clone()) || Equal(&d, c) {
		t.Error("Clone is not a copy")
	}
}

func FuzzParseCall(f *testing.F) {
	for _, s := range []string{"mv('a', b=[1, 2.5, {'k': (None,)}])", `f(b'\xff', r"\n" 'x')`, "f(0x1F, -1_0.5e-3)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCall(s)
		if err != nil {
			return
		}
		text := FormatCall(c)
		d, err := ParseCall(text)
		if err != nil && !finite(c) {
			return
		}
		if err != nil || FormatCall(d) != text {
			t.Fatalf("%q -> %q -> %v", s, text, err)
		}
	})
}

// finite is false for calls with an infinity, which has no literal.
func finite(c ballast.Call) bool {
	for _, a := range c.Args {
		if s := Repr(a.Value); s != "" {
			if _, err := ParseLiteral(s); err != nil {
				return false
			}
		}
	}
	return true
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5,null,true,"\ud800\u0041"],"b":{"c":-1e400}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		exact, inexact := ParseExact(data)
		v, err := ParseJSON(data)
		if inexact == nil && (err != nil || Repr(exact) != Repr(v)) {
			t.Errorf("%q is %s, and exactly %s", data, Repr(v), Repr(exact))
		}
		if err != nil {
			return
		}
		s, err := JSON(v)
		if err != nil {
			t.Fatal(err)
		}
		w, err := ParseJSON([]byte(s))
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if again, _ := JSON(w); again != s {
			t.Fatalf("%s != %s", again, s)
		}
	})
}

// Floats of few decimals have a way of their own; it gives the shortest digits, as
// the general one does.
func TestFloatsOfFewDecimals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	check := func(f float64) {
		t.Helper()
		want := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(want, ".") {
			want += ".0"
		}
		if got := string(AppendFloat(nil, f)); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	for range 200000 {
		n := float64(rng.Int64N(2e9) - 1e9)
		for _, f := range []float64{n, n / 10, n / 100, n / 1000, n * 1000.01, math.Nextafter(n/100, n), rng.Float64() * 1e12} {
			if a := math.Abs(f); a == 0 || a >= 1e-4 && a < 1e16 {
				check(f)
			}
		}
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 1e12, 999999999999.99, 1e12 - 0.01, 0.01, 0.1, 0.29, 1.005, -0.07} {
		check(f)
	}
}

// A run of plain bytes is copied whole; no byte that is escaped hides in it.
func TestQuotedAtEveryPlace(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := strings.Repeat("a", at) + string(rune(c)) + strings.Repeat("~ ", 8)
			want := strings.Repeat("a", at) + strings.Trim(string(AppendQuoted(nil, string(rune(c)))), "\"") + strings.Repeat("~ ", 8)
			if c == '"' {
				want = strings.Repeat("a", at) + `\"` + strings.Repeat("~ ", 8)
			}
			if got := string(AppendQuoted(nil, s)); got != `"`+want+`"` {
				t.Fatalf("%q gives %s", s, got)
			}
		}
	}
}

func TestFrozen(t *testing.T) {
	d := NewDict("a", NewList(1.5), "b", nil)
	want, _ := JSON(d)
	d.Freeze()
	if got, _ := JSON(NewList(d)); got != "["+want+"]" {
		t.Errorf("%s", got)
	}
	c := d.CopyMore()
	c.Set("a", "x")
	c.Set("c", "y")
	if got, _ := JSON(c); got != `{"a": "x", "b": null, "c": "y"}` {
		t.Errorf("the copy is %s", got)
	}
	for _, write := range []func(){func() { d.Set("a", 1.0) }, func() { d.Set("z", 1.0) }, func() { d.Delete("a") }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a frozen dict is written to")
				}
			}()
			write()
		}()
	}
}
