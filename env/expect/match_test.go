package expect

import (
	"reflect"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

func calls(t testing.TB, text string) []ballast.Call {
	t.Helper()
	c, err := value.ParseCalls(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parsed(t testing.TB, text string) any {
	t.Helper()
	v, err := value.ParseExact([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tools has get and list, which read, and set, with default values.
func tools(t testing.TB) []ballast.Tool {
	schema := parsed(t, `{"type":"function","function":{"name":"set","parameters":{"type":"object","properties":{"id":{"type":"integer"},
		"note":{"type":"string","default":""},"limit":{"anyOf":[{"type":"integer"},{"type":"null"}],"default":null},
		"how":{"type":"object","properties":{"fast":{"type":"boolean","default":false},"steps":{"type":"array","items":{"type":"object","properties":{"n":{"default":1}}}}}}}}}}`)
	return []ballast.Tool{{Name: "get", ReadOnly: true, Params: []ballast.Param{{Name: "id"}, {Name: "full"}}}, {Name: "list", ReadOnly: true}, {Name: "set", Schema: schema}}
}

// TestSame: values are compared as JSON has them, and what is left out has its default.
func TestSame(t *testing.T) {
	box := Tools(tools(t))
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"get(id=1)", "get(id=1)", true}, {"get(id=1)", "get(id=1.0)", true}, {"get(id=1)", "get(id=2)", false}, {"get(id=1)", "get(id='1')", false},
		{"get(id=1)", "get(id=True)", false}, {"get(id=True)", "get(id=1.0)", false}, {"get(id=True)", "get(id=True)", true}, {"get(id=None)", "get()", false},
		{"get(1)", "get(id=1)", true}, {"get(1, True)", "get(full=True, id=1)", true}, {"get(1, 2, 3)", "get(id=1)", false},
		{"get(id=[1, 2])", "get(id=[1.0, 2])", true}, {"get(id=[1, 2])", "get(id=[2, 1])", false}, {"get(id=(1, 2))", "get(id=[1, 2])", true}, {"get(id=[1])", "get(id=1)", false},
		{"get(id={'a': 1, 'b': {'c': [True]}})", "get(id={'b': {'c': [True]}, 'a': 1.0})", true}, {"get(id={'a': 1})", "get(id={'a': 1, 'b': None})", false},
		{"get(id={'a': True})", "get(id={'a': 1})", false}, {"get(id=100000000000000000000)", "get(id=1e20)", true},
		{"set(id=1)", "set(id=1, note='')", true}, {"set(id=1, note='')", "set(id=1)", true}, {"set(id=1)", "set(id=1, note='x')", false},
		{"set(id=1, limit=None)", "set(id=1)", true}, {"set(id=1, limit=3)", "set(id=1)", false},
		{"set(id=1, how={'fast': False})", "set(id=1, how={})", true}, {"set(id=1, how={'fast': True})", "set(id=1, how={})", false},
		{"set(id=1, how={'steps': [{'n': 1}]})", "set(id=1, how={'steps': [{}]})", true}, {"set(id=1, how={'steps': [{'n': 2}]})", "set(id=1, how={'steps': [{}]})", false},
		{"set(id=1, how={})", "set(id=1)", false}, {"get(id=1)", "list(id=1)", false}, {"other(1)", "other(1)", true}, {"other(1)", "other(a=1)", false},
	} {
		a, b := calls(t, c.a)[0], calls(t, c.b)[0]
		if box.Same(a, b) != c.same || box.Same(b, a) != c.same {
			t.Errorf("%s and %s: want %t", c.a, c.b, c.same)
		}
	}
	twice := ballast.Call{Name: "get", Args: []ballast.Arg{{Name: "id", Value: int64(1)}, {Name: "id", Value: int64(2)}}}
	if box.Same(twice, twice) {
		t.Error("a call with an argument twice is some call")
	}
}

func TestCalls(t *testing.T) {
	for _, c := range []struct{ match, want, made, where string }{
		{Exact, "get(1), set(2)", "get(1), set(2)", ""},
		{Exact, "get(1), set(2)", "set(2), get(1)", "call 1 is set(2), wanted get(1)"},
		{Exact, "get(1)", "get(1), list()", "not wanted: list()"},
		{Exact, "get(1), set(2)", "get(1)", "missing set(2)"},
		{Exact, "", "", ""},
		{Exact, "", "list()", "not wanted: list()"},
		{AnyOrder, "get(1), set(2)", "set(id=2), list(), get(id=1)", ""},
		{AnyOrder, "set(2)", "set(2), set(2)", "not wanted: set(2)"},
		{AnyOrder, "set(2), set(2)", "set(2)", "missing set(2)"},
		{AnyOrder, "set(2), set(2)", "set(2), set(2)", ""},
		{AnyOrder, "set(2)", "set(2), drop()", "not wanted: drop()"},
		{AnyOrder, "", "get(1), get(2)", ""},
		{AnyOrder, "", "set(1)", "not wanted: set(1)"},
		{Subset, "set(2)", "drop(), set(2), set(3)", ""},
		{Subset, "set(2)", "drop()", "missing set(2)"},
		{OneOf, "set(2), set(3)", "set(3)", ""},
		{OneOf, "set(2), set(3)", "get(1), set(2), list()", ""},
		{OneOf, "set(2), set(3)", "set(2), set(3)", "not wanted: set(3)"},
		{OneOf, "set(2), set(3)", "get(1)", "none of the calls that are wanted, such as set(2)"},
	} {
		w := &Calls{c.match, calls(t, c.want)}
		if got := w.Differs(tools(t), calls(t, c.made)); got != c.where {
			t.Errorf("%s of %q with %q: %q, want %q", c.match, c.want, c.made, got, c.where)
		}
	}
}

func TestResult(t *testing.T) {
	for _, c := range []struct{ want, text, where string }{
		{`{"returns":"ok"}`, " ok\n", ""},
		{`{"returns":"ok"}`, "not ok", `"not ok", wanted "ok"`},
		{`{"returns":"ok"}`, `"ok"`, ""},
		{`{"returns":17}`, "17.0", ""},
		{`{"returns":17}`, "'17'", `"'17'" is no JSON, wanted 17`},
		{`{"returns":true}`, "1", "is 1, wanted True"},
		{`{"returns":null}`, "null", ""},
		{`{"returns":null}`, "0", "is 0, wanted None"},
		{`{"returns":{"status":"cancelled"}}`, `{"id": 17, "status": "cancelled"}`, ""},
		{`{"returns":{"status":"cancelled"}}`, `{"id": 17, "status": "open"}`, "status is 'open', wanted 'cancelled'"},
		{`{"returns":{"status":"cancelled"}}`, `{"id": 17}`, "status is missing"},
		{`{"returns":{"a":[{"b":1},2]}}`, `{"a": [{"b": 1, "c": 2}, 2]}`, ""},
		{`{"returns":{"a":[{"b":1},2]}}`, `{"a": [{"b": 3}, 2]}`, "a[0].b is 3, wanted 1"},
		{`{"returns":[1,2]}`, "[1, 2, 3]", "is [1, 2, 3], wanted [1, 2]"},
		{`{"returns":{}}`, "[]", "is [], wanted {}"},
		{`{"contains":["17","can"]}`, "order 17: cancelled", ""},
		{`{"contains":["17","open"]}`, "order 17: cancelled", `"open" does not stand in "order 17: cancelled"`},
		{`{"contains":["17"],"returns":17}`, "17", ""},
	} {
		if got := resultOf(node{parsed(t, c.want).(*value.Dict)}).Differs(c.text); got != c.where {
			t.Errorf("%s of %q: %q, want %q", c.want, c.text, got, c.where)
		}
	}
}

func TestNumbersInText(t *testing.T) {
	for text, want := range map[string][]float64{
		"":                                     nil,
		"It is 42.":                            {42},
		"17 of 3.50, -2 and -.5":               {17, 3.5, -2, -.5},
		"1,234.5 and 1,234,567":                {1234.5, 1234567},
		"1,23 and 12,34,567":                   {1, 23, 12, 34567},
		"0,123":                                {0, 123},
		"1234,567":                             {1234, 567},
		"1\u00a0234 1\u202f234\u202f567 1 234": {1234, 1234567, 1, 234},
		"3-5, a-7, (-8) \u22129 = -1 x:-2":     {3, 5, 7, -8, -9, -1, -2},
		"$3.00 -$5 $-6 \u20ac7 \u00a38":        {3, -5, -6, 7, 8},
		"A17 v2 order_9 _3_ x1.5":              nil,
		"3kg 17th 50% **12** `-4`":             {3, 17, 50, 12, -4},
		"1e3 2.5E-1 1e 3exp 4e5x":              {1000, .25, 1, 3, 4},
		"1.2.3 and 10.0.0.1 and 4.":            {4},
		"2024-05-06 10:30 1/2":                 {2024, 5, 6, 10, 30, 1, 2},
		"1e999":                                nil,
		"\u0663 (Arabic-Indic) and \uff13":     nil,
		"...5 and ..":                          {.5},
		"+5":                                   {5},
		"-":                                    nil,
		strings.Repeat("9", 400) + " then 1":   {1},
		"100,000,000":                          {1e8},
		"9,999.99 EUR":                         {9999.99},
	} {
		if got := Numbers(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestReply(t *testing.T) {
	for _, c := range []struct{ want, reply, where string }{
		{`{"equals":"Yes."}`, "\n Yes. ", ""},
		{`{"equals":"Yes."}`, "yes.", `the reply is "yes.", wanted "Yes."`},
		{`{"contains":["a","b"]}`, "b a", ""},
		{`{"contains":["a","b"]}`, "a", `"b" does not stand in the reply "a"`},
		{`{"matches":"(?i)^cancel"}`, "Cancelled", ""},
		{`{"matches":"^cancel"}`, "Cancelled", `the reply "Cancelled" has no match of ^cancel`},
		{`{"number":{"value":42}}`, "It is 42.0 today, of 50.", ""},
		{`{"number":{"value":42}}`, "It is 42.1", "the nearest number in the reply is 42.1, wanted 42"},
		{`{"number":{"value":42,"within":0.1}}`, "It is 42.1", ""},
		{`{"number":{"value":0.2,"within":0.1}}`, "0.3", ""},
		{`{"number":{"value":0.3,"within":0.1}}`, "0.4", ""},
		{`{"number":{"value":1234567.8,"within":0.1}}`, "1,234,567.9", ""},
		{`{"number":{"value":1764440000001}}`, "1764440000001", ""},
		{`{"number":{"value":1764440000001}}`, "1764440000002", "the nearest number in the reply is 1764440000002, wanted 1764440000001"},
		{`{"number":{"value":1764440000001,"within":1}}`, "1764440000003", "the nearest number in the reply is 1764440000003, wanted 1764440000001"},
		{`{"number":{"value":42,"within":0.1}}`, "It is 42.2", "the nearest number in the reply is 42.2, wanted 42"},
		{`{"number":{"value":42}}`, "many", "there is no number in the reply, wanted 42"},
		{`{"number":{"value":3}}`, "1 2 3 4 5 6 7 8 9 10", ""},
		{`{"number":{"value":3}}`, "1 2 3 4 5 6 7 8 9 10 11", "there are 11 different numbers in the reply, at most 10 are an answer"},
		{`{"equals":"a 1","contains":["a"],"number":{"value":2}}`, "a 1", "the nearest number in the reply is 1, wanted 2"},
	} {
		p := parser{}
		if got := p.reply(node{parsed(t, c.want).(*value.Dict)}).Differs(c.reply); got != c.where || len(p.faults) > 0 {
			t.Errorf("%s of %q: %q, want %q; %v", c.want, c.reply, got, c.where, p.faults)
		}
	}
}

// FuzzNumbers: whatever a reply says, reading its numbers ends, and they are finite.
func FuzzNumbers(f *testing.F) {
	f.Add("1,234.5 -$3 1e9 1.2.3")
	f.Fuzz(func(t *testing.T, text string) {
		for _, x := range Numbers(text) {
			if x-x != 0 {
				t.Errorf("%v", x)
			}
		}
	})
}

// FuzzVerdict: whatever a program answers is a score in 0 to 1 or an error.
func FuzzVerdict(f *testing.F) {
	f.Add([]byte(`{"score":0.5,"reason":"x"}`))
	f.Fuzz(func(t *testing.T, out []byte) {
		if score, _, err := verdict(out); err == nil && !(score >= 0 && score <= 1) {
			t.Errorf("%v", score)
		}
	})
}
