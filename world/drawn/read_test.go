package drawn

import (
	"fmt"
	"strings"
	"testing"

	"ballast/value"
)

// with is a configuration of one kind and the tools given.
func with(tools string) string {
	return `{"kinds": {"k": {"n": "integer", "w": ["a", "b"], "s": "string"}}, "tools": {"f": ` + tools + `}}`
}

// many writes n entries of JSON.
func many(n int, entry string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.ReplaceAll(entry, "#", fmt.Sprint(i))
	}
	return strings.Join(all, ", ")
}

// TestBadConfigurations: every error of New names the key, and what it wants there.
func TestBadConfigurations(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	for _, c := range [][]string{
		{`[]`, "the configuration is a *value.List", "want a mapping"},
		{`3`, "the configuration is a int64"},
		{`"x"`, "the configuration is a string"},
		{`{"kind": {}}`, "the configuration has the key 'kind'", "kinds, things, tools"},
		{`{"kinds": null}`, "kinds is a <nil>, want a mapping"},
		{`{"things": 3}`, "things is a int64"},
		{`{"tools": []}`, "tools is a *value.List"},
		{`{"kinds": {` + many(maxKinds+1, `"k#": {}`) + `}}`, "kinds has 33 entries, more than 32"},
		{`{"tools": {` + many(maxTools+1, `"k#": {}`) + `}}`, "tools has 257 entries, more than 256"},

		{`{"kinds": {"": {}}}`, "kinds has the key ''", "a name is empty"},
		{`{"kinds": {"a\nb": {}}}`, "kinds has the key", "one line"},
		{`{"kinds": {"` + long + `": {}}}`, "kinds has the key", "too long"},
		{`{"kinds": {"error: k": {}}}`, "kinds has the key", "must not begin with error: "},
		{`{"kinds": {"k": null}}`, "kinds.k", "is a <nil>, want a mapping of fields"},
		{`{"kinds": {"k": ["n"]}}`, "kinds.k", "is a *value.List, want a mapping of fields"},
		{`{"kinds": {"k": {` + many(maxFields+1, `"f#": "integer"`) + `}}}`, "kinds.k", "has 33 fields, more than 32"},
		{`{"kinds": {"k": {"": "integer"}}}`, "kinds.k", "has the key ''"},
		{`{"kinds": {"k": {"n": "number"}}}`, "kinds.k", `n is a "number", want integer, string or a list of words`},
		{`{"kinds": {"k": {"n": 3}}}`, "kinds.k", "n is a int64, want integer, string or a list of words"},
		{`{"kinds": {"k": {"n": null}}}`, "kinds.k", "n is a <nil>"},
		{`{"kinds": {"k": {"n": []}}}`, "kinds.k", "n has 0 words, want 1 to 64"},
		{`{"kinds": {"k": {"n": [` + many(maxWords+1, `"w#"`) + `]}}}`, "kinds.k", "n has 65 words"},
		{`{"kinds": {"k": {"n": ["a", 3]}}}`, "kinds.k", "n has the word 3: a word must be a string"},
		{`{"kinds": {"k": {"n": ["a", ""]}}}`, "kinds.k", "n has the word ''", "is empty"},
		{`{"kinds": {"k": {"n": ["a", "b", "a"]}}}`, "kinds.k", "n has the word a twice"},

		{`{"things": {"k": {}}}`, "things.k", `no kind is named "k"`},
		{`{"kinds": {"k": {}}, "things": {"k": []}}`, "things.k", "is a *value.List, want a mapping of things"},
		{`{"kinds": {"k": {}}, "things": {"k": null}}`, "things.k", "is a <nil>"},
		{`{"kinds": {"k": {}}, "things": {"k": {` + many(maxEntities+1, `"t#": []`) + `}}}`, "things.k", "has 1001 things, more than 1000"},
		{`{"kinds": {"k": {}}, "things": {"k": {"": []}}}`, "things.k", "has the key ''"},
		{`{"kinds": {"k": {}}, "things": {"k": {"error: x": []}}}`, "things.k", "must not begin with"},
		{`{"kinds": {"k": {}}, "things": {"k": {"t": {}}}}`, "things.k", "t: want a list of 0 values"},
		{`{"kinds": {"k": {"n": "integer"}}, "things": {"k": {"t": []}}}`, "things.k", "t: want a list of 1 values"},
		{`{"kinds": {"k": {"n": "integer"}}, "things": {"k": {"t": [1, 2]}}}`, "things.k", "t: want a list of 1 values"},
		{`{"kinds": {"k": {"n": "integer"}}, "things": {"k": {"t": ["1"]}}}`, "things.k", "t: n must be an integer"},
		{`{"kinds": {"k": {"n": "integer"}}, "things": {"k": {"t": [1.5]}}}`, "things.k", "t: n must be an integer"},
		{`{"kinds": {"k": {"n": "integer"}}, "things": {"k": {"t": [2000000000]}}}`, "things.k", "t: n must be an integer"},
		{`{"kinds": {"k": {"n": "integer"}}, "things": {"k": {"t": [null]}}}`, "things.k", "t: n must be an integer"},
		{`{"kinds": {"k": {"s": "string"}}, "things": {"k": {"t": [1]}}}`, "things.k", "t: s must be a string"},
		{`{"kinds": {"k": {"s": "string"}}, "things": {"k": {"t": [""]}}}`, "things.k", "t: s is empty"},
		{`{"kinds": {"k": {"s": "string"}}, "things": {"k": {"t": ["error: x"]}}}`, "things.k", "t: s must not begin with"},
		{`{"kinds": {"k": {"w": ["a", "b"]}}, "things": {"k": {"t": ["c"]}}}`, "things.k", "t: w must be one of a, b"},

		{`{"tools": {"": {}}}`, "tools has the key ''"},
		{`{"tools": {"a\tb": {}}}`, "tools has the key", "one line"},
		{with(`null`), "tools.f", "is a <nil>, want a mapping"},
		{with(`[]`), "tools.f", "is a *value.List"},
		{with(`{}`), "tools.f", "does is missing"},
		{with(`{"does": 3}`), "tools.f", "does is a int64, want a string"},
		{with(`{"does": null}`), "tools.f", "does is a <nil>, want a string"},
		{with(`{"does": "fly"}`), "tools.f", `does "fly"; there are read, set, add`},
		{with(`{"do": "read"}`), "tools.f", "has the key 'do'; there are does, kind, field, takes"},
		{with(`{"does": "delete", "kind": "k", "takes": {"x": "name"}, "doc": "x"}`), "tools.f", "has the key 'doc'"},
		{with(`{"does": "read"}`), "tools.f", "kind is missing"},
		{with(`{"does": "read", "kind": ["k"]}`), "tools.f", "kind is a *value.List"},
		{with(`{"does": "read", "kind": "q"}`), "tools.f", `no kind is named "q"`},
		{with(`{"does": "read", "kind": "k"}`), "tools.f", "field is missing"},
		{with(`{"does": "read", "kind": "k", "field": 1}`), "tools.f", "field is a int64"},
		{with(`{"does": "read", "kind": "k", "field": "q"}`), "tools.f", `kind k has no field "q"`},
		{with(`{"does": "delete", "kind": "k", "field": "n", "takes": {"x": "name"}}`), "tools.f", "about no field: take out field"},
		{with(`{"does": "create", "kind": "k", "field": null, "takes": {"x": "name"}}`), "tools.f", "about no field"},
		{with(`{"does": "add", "kind": "k", "field": "s", "takes": {}}`), "tools.f", "does add, and the field s is no integer"},
		{with(`{"does": "total", "kind": "k", "field": "w"}`), "tools.f", "does total, and the field w is no integer"},
		{with(`{"does": "most", "kind": "k", "field": "w"}`), "tools.f", "is no integer"},
		{with(`{"does": "least", "kind": "k", "field": "s"}`), "tools.f", "is no integer"},

		{with(`{"does": "total", "kind": "k", "field": "n", "takes": null}`), "tools.f", "takes is a <nil>, want a mapping of parameters"},
		{with(`{"does": "total", "kind": "k", "field": "n", "takes": ["x"]}`), "tools.f", "takes is a *value.List"},
		{with(`{"does": "create", "kind": "k", "takes": {` + many(maxParams+1, `"p#": "name"`) + `}}`), "tools.f", "takes has 17 parameters, more than 16"},
		{with(`{"does": "create", "kind": "k", "takes": {"g": {` + many(maxParams, `"p#": {}`) + `}}}`), "tools.f", "takes.g", "more than 16 parameters"},
		{with(`{"does": "delete", "kind": "k", "takes": {"": "name"}}`), "tools.f", "takes has the key ''"},
		{with(`{"does": "delete", "kind": "k", "takes": {"?": "name"}}`), "tools.f", "takes has the key \"?\""},
		{with(`{"does": "delete", "kind": "k", "takes": {"x??": "name"}}`), "tools.f", "takes has the key \"x??\""},
		{with(`{"does": "create", "kind": "k", "takes": {"x": "name", "x?": ".n"}}`), "tools.f", "takes x twice"},
		{with(`{"does": "delete", "kind": "k", "takes": {"x": "thing"}}`), "tools.f", "takes.x", `stands for "thing"; there are name, value and a dot`},
		{with(`{"does": "delete", "kind": "k", "takes": {"x": 3}}`), "tools.f", "takes.x", "is a int64, want a meaning or a mapping"},
		{with(`{"does": "delete", "kind": "k", "takes": {"x": null}}`), "tools.f", "takes.x", "is a <nil>"},
		{with(`{"does": "create", "kind": "k", "takes": {"x": ".q"}}`), "tools.f", "takes.x", `kind k has no field "q"`},
		{with(`{"does": "create", "kind": "k", "takes": {"x": "name", "g": {"y": "."}}}`), "tools.f", "takes.g: takes.y", `no field ""`},
		{with(`{"does": "create", "kind": "k", "takes": {"x": "name", "y": ".n", "z": ".n"}}`), "tools.f", "takes the field n twice"},
		{with(`{"does": "create", "kind": "k", "takes": {"x": "name", "y": ".n", "g?": {"z?": ".n"}}}`), "tools.f", "takes the field n twice"},
		{with(`{"does": "create", "kind": "k", "takes": {"x": "name", "g?": {"x": "name"}}}`), "tools.f", "the name of a thing twice"},
		{with(`{"does": "find", "kind": "k", "field": "s", "takes": {"x": "value", "y": "value"}}`), "tools.f", "takes a value twice"},
		{with(`{"does": "create", "kind": "k", "takes": {"x": "name", "a": {"b": {"c": {"d": {"e": {}}}}}}}`), "tools.f", "takes.d: takes.e", "inside each other"},

		{with(`{"does": "read", "kind": "k", "field": "n"}`), "tools.f", "takes the name of a thing never: want always"},
		{with(`{"does": "read", "kind": "k", "field": "n", "takes": {"x?": "name"}}`), "tools.f", "takes the name of a thing at will: want always"},
		{with(`{"does": "delete", "kind": "k", "takes": {"g?": {"x": "name"}}}`), "tools.f", "takes the name of a thing at will"},
		{with(`{"does": "find", "kind": "k", "field": "n", "takes": {"x": "name", "y": "value"}}`), "tools.f", "takes the name of a thing always: want never"},
		{with(`{"does": "set", "kind": "k", "field": "n", "takes": {"x": "name"}}`), "tools.f", "takes a value never: want always"},
		{with(`{"does": "set", "kind": "k", "field": "n", "takes": {"x": "name", "y?": "value"}}`), "tools.f", "takes a value at will: want always"},
		{with(`{"does": "total", "kind": "k", "field": "n", "takes": {"y": "value"}}`), "tools.f", "takes a value always: want never"},
		{with(`{"does": "create", "kind": "k", "takes": {"x": "name", "y": "value"}}`), "tools.f", "takes a value always: want never"},
		{with(`{"does": "set", "kind": "k", "field": "n", "takes": {"x": "name", "y": "value", "z": ".s"}}`), "tools.f", "does set, and takes a field"},
	} {
		_, err := api{}.New(must(value.ParseJSON([]byte(c[0]))), "")
		if err == nil {
			t.Errorf("%.120s: no error, want one with %q", c[0], c[1:])
			continue
		}
		for _, want := range append(c[1:], "drawn: ") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%.120s: %v, want %q", c[0], err, want)
			}
		}
		if len(err.Error()) > 400 {
			t.Errorf("%.120s: an error of %d bytes", c[0], len(err.Error()))
		}
	}
}

// TestKeysThatAreNoNames: mappings that no JSON writes.
func TestKeysThatAreNoNames(t *testing.T) {
	for _, config := range []*value.Dict{
		value.NewDict(int64(1), "x"), value.NewDict(nil, "x"),
		value.NewDict("kinds", value.NewDict(int64(1), &value.Dict{})),
		value.NewDict("kinds", value.NewDict("k", value.NewDict(2.5, "integer"))),
		value.NewDict("tools", value.NewDict(true, &value.Dict{})),
	} {
		if _, err := (api{}).New(config, ""); err == nil || !strings.Contains(err.Error(), "has the key") {
			t.Errorf("%s: %v", value.Repr(config), err)
		}
	}
}

// TestEndless: a mapping that holds itself ends as an error.
func TestEndless(t *testing.T) {
	loop := &value.Dict{}
	loop.Set("a", loop)
	config := value.NewDict("kinds", value.NewDict("k", &value.Dict{}), "tools", value.NewDict("f",
		value.NewDict("does", "delete", "kind", "k", "takes", loop)))
	if _, err := (api{}).New(config, ""); err == nil || !strings.Contains(err.Error(), "tools.f") {
		t.Errorf("%v", err)
	}
}

// TestGoodConfigurations: what is at the border of an error is none.
func TestGoodConfigurations(t *testing.T) {
	for _, c := range []struct{ config, call, answer string }{
		{`{}`, "f()", "error: no tool f"},
		{`{"kinds": {}, "things": {}, "tools": {}}`, "f()", "error: no tool f"},
		{`{"kinds": {"k": {` + many(maxFields, `"f#": "integer"`) + `}}}`, "f()", "error: no tool f"},
		{with(`{"does": "count", "kind": "k", "field": "n"}`), "f()", "0"},
		{with(`{"does": "count", "kind": "k", "field": "n", "takes": {"g?": {"x": "value"}}}`), "f({'x': 3})", "0"},
		{with(`{"does": "create", "kind": "k", "takes": {"a": {"b": {"c": {"d": {"e": "name"}}}}}}`), "f({'b': {'c': {'d': {'e': 'x'}}}})", "ok"},
		{with(`{"does": "create", "kind": "k", "takes": {"x": "name", "g": {}}}`), "f('x', {})", "ok"},
		{`{"kinds": {"k": {` + many(15, `"f#": "integer"`) + `}},
			"tools": {"f": {"does": "create", "kind": "k", "takes": {"x": "name", ` + many(15, `"p#": ".f#"`) + `}}}}`,
			"f('x', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)", "ok"},
		{`{"kinds": {"k": {` + many(15, `"f#": "integer"`) + `}},
			"tools": {"f": {"does": "create", "kind": "k", "takes": {"x": "name", ` + many(15, `"p#": ".f#"`) + `}}}}`,
			"f('x', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)", "error: too many arguments"},
	} {
		if got := start(t, c.config).Call(must(value.ParseCall(c.call))); got != c.answer {
			t.Errorf("%.200s: %s answers %q, want %q", c.config, c.call, got, c.answer)
		}
	}
}
