package drawn

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
	"ballast/world"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// start starts the world of a configuration in JSON.
func start(t *testing.T, config string) world.State {
	t.Helper()
	s, err := api{}.New(must(value.ParseJSON([]byte(config))), "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ship has every operation, on fields of every sort.
const ship = `{"kinds": {"ship": {"load": "integer", "mood": ["calm", "wild"], "owner": "string"}, "port": {}},
	"things": {"ship": {"ark": [5, "calm", "ann"], "bee": [9, "wild", "bob"], "cog": [9, "calm", "ann"]}},
	"tools": {
		"load": {"does": "read", "kind": "ship", "field": "load", "takes": {"ship": "name"}},
		"mood": {"does": "read", "kind": "ship", "field": "mood", "takes": {"ship": "name"}},
		"owner": {"does": "read", "kind": "ship", "field": "owner", "takes": {"ship": "name"}},
		"fill": {"does": "set", "kind": "ship", "field": "load", "takes": {"ship": "name", "to": "value"}},
		"tame": {"does": "set", "kind": "ship", "field": "mood", "takes": {"to": "value", "ship": "name"}},
		"sell": {"does": "set", "kind": "ship", "field": "owner", "takes": {"which": {"ship": "name"}, "to": "value"}},
		"more": {"does": "add", "kind": "ship", "field": "load", "takes": {"ship": "name", "by": "value"}},
		"build": {"does": "create", "kind": "ship", "takes": {"name": "name", "load": ".load", "about?": {"mood?": ".mood", "owner": ".owner"}}},
		"dig": {"does": "create", "kind": "port", "takes": {"name": "name"}},
		"ports": {"does": "count", "kind": "ship", "field": "load", "takes": {}},
		"sink": {"does": "delete", "kind": "ship", "takes": {"ship": "name"}},
		"heavy": {"does": "find", "kind": "ship", "field": "load", "takes": {"load": "value"}},
		"fleet": {"does": "find", "kind": "ship", "field": "owner", "takes": {"owner": "value"}},
		"tally": {"does": "count", "kind": "ship", "field": "mood", "takes": {"mood?": "value"}},
		"tally_load": {"does": "count", "kind": "ship", "field": "load", "takes": {"load": "value"}},
		"sum": {"does": "total", "kind": "ship", "field": "load"},
		"top": {"does": "most", "kind": "ship", "field": "load", "takes": {}},
		"low": {"does": "least", "kind": "ship", "field": "load", "takes": {}}}}`

// TestDeeds plays calls on a fresh world each, and looks at what the last one answers and what
// differs from the start.
func TestDeeds(t *testing.T) {
	for _, c := range []struct{ calls, answer, differs string }{
		{"load('ark')", "5", ""},
		{"mood(ship='bee')", "wild", ""},
		{"owner('cog')", "ann", ""},
		{"load('dot')", "error: no ship dot", ""},
		{"load()", "error: missing ship", ""},
		{"load('ark', 'bee')", "error: too many arguments", ""},
		{"load(boat='ark')", "error: no argument boat", ""},
		{"load('ark', ship='ark')", "error: ship given twice", ""},
		{"load(5)", "error: ship must be a string", ""},
		{"load(True)", "error: ship must be a string", ""},
		{"load(None)", "error: ship must be a string", ""},
		{"load('')", "error: ship is empty", ""},
		{"load('a\\nb')", "error: ship must be one line", ""},
		{"load('" + strings.Repeat("x", 121) + "')", "error: ship is too long", ""},
		{"load('" + strings.Repeat("x", 120) + "')", "error: no ship " + strings.Repeat("x", 32) + "...", ""},
		{"load('error: no')", "error: ship must not begin with error: ", ""},
		{"fly('ark')", "error: no tool fly", ""},
		{strings.Repeat("f", 40) + "()", "error: no tool " + strings.Repeat("f", 32) + "...", ""},

		{"fill('ark', 7); load('ark')", "7", "ship"},
		{"fill('ark', 5)", "ok", ""},
		{"fill('ark', 7.0); load('ark')", "7", "ship"},
		{"fill('ark', -0.0); load('ark')", "0", "ship"},
		{"fill('ark', 7.5)", "error: to must be an integer", ""},
		{"fill('ark', 1e300)", "error: to must be an integer", ""},
		{"fill('ark', True)", "error: to must be an integer", ""},
		{"fill('ark', '7')", "error: to must be an integer", ""},
		{"fill('ark', [7])", "error: to must be an integer", ""},
		{"fill('ark', 1000000000)", "ok", "ship"},
		{"fill('ark', -1000000001)", "error: to must be an integer", ""},
		{"fill('ark', 100000000000000000000)", "error: to must be an integer", ""},
		{"fill(7, 'ark')", "error: ship must be a string", ""},
		{"fill(to=7, ship='ark'); load('ark')", "7", "ship"},
		{"tame('wild', 'ark'); mood('ark')", "wild", "ship"},
		{"tame('odd', 'ark')", "error: to must be one of calm, wild", ""},
		{"sell({'ship': 'ark'}, 'eve'); owner('ark')", "eve", "ship"},
		{"sell('ark', 'eve')", "error: which must be an object", ""},
		{"sell({}, 'eve')", "error: missing ship", ""},
		{"sell({'boat': 'ark'}, 'eve')", "error: no argument boat", ""},
		{"sell({3: 'ark'}, 'eve')", "error: which has a key that is no name", ""},
		{"sell({'': 'ark'}, 'eve')", "error: which has a key that is no name", ""},
		{"sell(to='eve')", "error: missing which", ""},

		{"more('ark', 2)", "7", "ship"},
		{"more('ark', -6)", "-1", "ship"},
		{"more('ark', 0)", "5", ""},
		{"more('ark', 1000000000)", "error: the sum is too large", ""},
		{"fill('ark', -1000000000); more('ark', -1)", "error: the sum is too large", "ship"},
		{"more('dot', 1)", "error: no ship dot", ""},

		{"build('dot', 3); load('dot')", "3", "ship"},
		{"build('dot', 3); mood('dot')", "calm", "ship"},
		{"build('dot', 3); owner('dot')", "none", "ship"},
		{"build('dot', 3, {'mood': 'wild', 'owner': 'eve'}); mood('dot')", "wild", "ship"},
		{"build('dot', 3, {'mood': 'wild'})", "error: missing owner", ""},
		{"build('dot', 3, {})", "error: missing owner", ""},
		{"build('dot', 3, about={'owner': 'eve', 'mood': 'odd'})", "error: mood must be one of calm, wild", ""},
		{"build('dot')", "error: missing load", ""},
		{"build('ark', 3)", "error: ark exists", ""},
		{"build('dot', 3); build('dot', 3)", "error: dot exists", "ship"},
		{"dig('rye')", "ok", "port"},

		{"sink('ark')", "ok", "ship"},
		{"sink('ark'); sink('ark')", "error: no ship ark", "ship"},
		{"sink('ark'); build('ark', 5, {'owner': 'ann'})", "ok", ""},

		{"heavy(9)", "bee, cog", ""},
		{"heavy(9.0)", "bee, cog", ""},
		{"heavy(1)", "none", ""},
		{"fleet('ann')", "ark, cog", ""},
		{"build('abe', 1, {'owner': 'ann'}); fleet('ann')", "abe, ark, cog", "ship"},
		{"tally()", "3", ""},
		{"tally('calm')", "2", ""},
		{"tally('odd')", "error: mood must be one of calm, wild", ""},
		{"tally_load(9)", "2", ""},
		{"tally_load()", "error: missing load", ""},
		{"ports()", "3", ""},
		{"sum()", "23", ""},
		{"sum(1)", "error: too many arguments", ""},
		{"top()", "bee", ""},
		{"low()", "ark", ""},
		{"sink('ark'); sink('bee'); sink('cog'); top()", "none", "ship"},
		{"sink('ark'); sink('bee'); sink('cog'); sum()", "0", "ship"},
		{"fill('ark', 9); top()", "ark", "ship"},
	} {
		s, fresh := start(t, ship), start(t, ship)
		answer := ""
		for text := range strings.SplitSeq(c.calls, "; ") {
			answer = s.Call(must(value.ParseCall(text)))
		}
		if differs := s.Equal(fresh); answer != c.answer || differs != c.differs {
			t.Errorf("%s answers %q and changes %q, want %q and %q", c.calls, answer, differs, c.answer, c.differs)
		}
	}
}

// TestOddNumbers: numbers that no literal writes are no integers.
func TestOddNumbers(t *testing.T) {
	for _, v := range []any{math.NaN(), math.Inf(1), math.Inf(-1), float64(1 << 40), new(big.Int).Lsh(big.NewInt(1), 70), int64(math.MinInt64), 3} {
		s := start(t, ship)
		call := ballast.Call{Name: "fill", Args: []ballast.Arg{{Value: "ark"}, {Value: v}}}
		if got := s.Call(call); got != "error: to must be an integer" {
			t.Errorf("%v: %s", v, got)
		}
	}
}

// TestTooMany: a kind has room for so many entities.
func TestTooMany(t *testing.T) {
	s := start(t, `{"kinds": {"k": {}}, "tools": {"new": {"does": "create", "kind": "k", "takes": {"n": "name"}}}}`)
	for i := range maxEntities + 1 {
		want := "ok"
		if i == maxEntities {
			want = "error: there are too many"
		}
		if got := s.Call(ballast.Call{Name: "new", Args: []ballast.Arg{{Value: fmt.Sprint("x", i)}}}); got != want {
			t.Fatalf("thing %d: %s", i, got)
		}
	}
}

// TestOrderDoesNotCount: the same calls in another order are equal states.
func TestOrderDoesNotCount(t *testing.T) {
	calls := []string{"build('dot', 3)", "build('abe', 4)", "sink('bee')", "more('ark', 2)", "tame('wild', 'cog')", "dig('rye')", "dig('ayr')"}
	a, b := start(t, ship), start(t, ship)
	for i := range calls {
		a.Call(must(value.ParseCall(calls[i])))
		b.Call(must(value.ParseCall(calls[len(calls)-1-i])))
	}
	if x, y := value.Repr(a.Dump()), value.Repr(b.Dump()); a.Equal(b) != "" || x != y {
		t.Errorf("%s and %s differ in %q", x, y, a.Equal(b))
	}
}

// TestEqual: worlds whose kinds or fields have other names differ, whatever the values are.
func TestEqual(t *testing.T) {
	const this = `{"kinds": {"a": {"x": "integer"}}, "things": {"a": {"t": [1]}}}`
	for config, want := range map[string]string{
		this: "",
		`{"kinds": {"a": {"x": "integer"}}, "things": {"a": {"t": [2]}}}`:           "a",
		`{"kinds": {"a": {"x": "integer"}}, "things": {"a": {"u": [1]}}}`:           "a",
		`{"kinds": {"b": {"x": "integer"}}, "things": {"b": {"t": [1]}}}`:           "kinds",
		`{"kinds": {"a": {"y": "integer"}}, "things": {"a": {"t": [1]}}}`:           "kinds",
		`{"kinds": {"a": {"x": "integer"}, "b": {}}, "things": {"a": {"t": [1]}}}`:  "kinds",
		`{"kinds": {"a": {"x": "integer"}}, "things": {"a": {"t": [1], "u": [1]}}}`: "a",
		`{"kinds": {"a": {"x": "string"}}, "things": {"a": {"t": ["1"]}}}`:          "a",
		`{}`: "kinds",
	} {
		a, b := start(t, this), start(t, config)
		if one, two := a.Equal(b), b.Equal(a); one != want || two != want {
			t.Errorf("%s: differs in %q and %q, want %q", config, one, two, want)
		}
	}
}

// TestDumpIsACopy: what is done to a dump does not show in the state.
func TestDumpIsACopy(t *testing.T) {
	s := start(t, ship)
	ships, _ := s.Dump().(*value.Dict).Get("ship")
	ark, _ := ships.(*value.Dict).Get("ark")
	ark.(*value.List).Items[0] = int64(77)
	if got := s.Call(must(value.ParseCall("load('ark')"))); got != "5" {
		t.Errorf("load %s", got)
	}
}

// TestLong: the long variant answers with a log line, but not to failed calls.
func TestLong(t *testing.T) {
	s := must(api{}.New(must(value.ParseJSON([]byte(ship))), world.LongContext))
	if got := s.Call(must(value.ParseCall("sum()"))); !strings.HasPrefix(got, "23\nlog: ") || strings.Count(got, "\n") != 1 {
		t.Errorf("answer %q", got)
	}
	if got := s.Copy().Call(must(value.ParseCall("sum(1)"))); got != "error: too many arguments" {
		t.Errorf("answer %q", got)
	}
	if _, err := (api{}).New(nil, "short"); err == nil || !strings.Contains(err.Error(), "drawn") {
		t.Errorf("variant short: %v", err)
	}
}

// TestTools: the documentation has the types that calls must have, and functions are those of
// the configuration.
func TestTools(t *testing.T) {
	s := start(t, ship).(*state)
	var b strings.Builder
	for _, tool := range s.Tools() {
		if !s.Has(tool.Name) {
			t.Errorf("there is no %s", tool.Name)
		}
		fmt.Fprintf(&b, "%s:", tool.Name)
		for _, p := range tool.Params {
			fmt.Fprintf(&b, " %s %s %t %v", p.Name, p.Type, p.Required, p.Enum)
		}
		b.WriteString("\n")
	}
	for _, want := range []string{
		"fill: ship string true [] to integer true []\n", "tame: to string true [calm wild] ship string true []\n",
		"heavy: load integer true []\n", "tally: mood string false [calm wild]\n", "more: ship string true [] by integer true []\n",
		"build: name string true [] load integer true [] about object false []\n", "sum:\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for _, name := range []string{"weigh", "", "Load"} { // the first is one of the example
		if s.Has(name) || s.Call(ballast.Call{Name: name}) != (api{}).Unknown(name) {
			t.Errorf("has %q", name)
		}
	}
	schema := must(value.JSON(s.Tools()[7].Schema))
	if want := `"about": {"type": "object", "properties": {"mood": {"type": "string", "enum": ["calm", "wild"]}`; !strings.Contains(schema, want) {
		t.Errorf("no %s in %s", want, schema)
	}
}
