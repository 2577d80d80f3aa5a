package strict

import (
	"strings"
	"testing"
)

type settings struct {
	N     int     `yaml:"n"`
	Empty int     `yaml:"empty,omitempty"`
	F     float64 `yaml:"f"`
	Inner struct {
		N int `yaml:"n"`
	} `yaml:"inner"`
	List []struct{ N int } `yaml:"list"`
	Any  map[string]any    `yaml:"any"`
}

func TestDecode(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"n: 2\nf: 0.5", ""},
		{"n: 2.0\nf: 3", ""},
		{"f: 1e-6", ""},
		{"any: {x: 0.5}", ""},
		{"f: .nan", ""},
		{"any: {x: null, y: {z: ~}}", "line 1: any.y.z has no value"},
		{"any: {x: null}", ""},
		{"any: {}", ""},
		{"n: null", "line 1: n has no value"},
		{"f: 1\nn:", "line 2: n has no value"},
		{"n: ~", "n has no value"},
		{"n: !!null x", "n has no value"},
		{"n: &a null", "n has no value"},
		{"inner:", "inner has no value"},
		{"inner: {n: null}", "inner.n has no value"},
		{"list: [{n: 1}, {n: Null}]", "list[1].n has no value"},
		{"list: [null]", "list[0] has no value"},
		{"null", "line 1: the text has no value"},
		{"inner: {}", "inner: {} sets nothing"},
		{"list: [{}]", "list[0]: {} sets nothing"},
		{"\ufefff: 1", ""},
		{"\ufefff: 1\nn: ~", "line 2: n"},
		{"", ""},
		{"n: 1.5", "n: 1.5 is not a whole number"},
		{"empty: 0.5", "empty: 0.5 is not a whole number"},
		{"inner: {n: 1.5}", "inner.n: 1.5"},
		{"list: [{n: 1}, {n: 1.5}]", "list[1].n: 1.5"},
		{"m: 1", "line 1: m: no setting has this name; there are n, empty, f, inner, "},
		{"f: 1\ninner: {numbers: 1}", "line 2: inner.numbers: no setting has this name; there are n"},
		{"innr: {n: 1}", "line 1: innr: no setting has this name; perhaps inner is meant; "},
		{"list: [{m: 1}]", "unknown field"},
		{"n: x", `line 1: n: wants a whole number, and "x" is a text`},
		{"n: 1\nf: [1]", "line 2: f: wants a number, and a list stands there"},
		{"empty: true", "line 1: empty: wants a whole number, and true is none"},
		{"any: 3", "line 1: any: wants a map, such as {a: 1}, and 3 is a number"},
		{"list: {n: 1}", "line 1: list: wants a list, such as [a, b], and a map stands there"},
		{"n: [", ""},
	} {
		var s settings
		err := Decode([]byte(c.text), &s, func(key string) bool { return key == "any.x" })
		if c.text == "n: [" {
			if err == nil {
				t.Error("broken YAML is read")
			}
			continue
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: error %v, want one that says %q", c.text, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("n: 1.5\nlist: [{n: 2}]")
	f.Fuzz(func(t *testing.T, text string) {
		var s settings
		if Decode([]byte(text), &s, nil) == nil && strings.TrimSpace(text) == "n: 1.5" {
			t.Error("a fraction is cut off")
		}
	})
}
