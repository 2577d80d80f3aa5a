package strict

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

type kind string

type sample struct {
	Inner struct {
		Rate  float64        `yaml:"rate"`
		Count int            `yaml:"count,omitempty"`
		Level map[string]int `yaml:"level,omitempty"`
	} `yaml:"inner"`
	Kind  kind     `yaml:"kind"`
	Names []string `yaml:"names,omitempty"`
	Text  *string  `yaml:"text,omitempty"`
	plain int
}

var declared = []Setting{
	{Key: "inner.rate", In: Span{Lo: 0, Hi: 1, Above: true}},
	{Key: "inner.count", In: Span{Lo: 2, Hi: 9}},
	{Key: "inner.level", In: Span{Lo: 0, Hi: 3, Below: true}, Of: func() []string { return []string{"a", "b"} }},
	{Key: "kind", Of: func() []string { return []string{"x", "y"} }},
	{Key: "names", Of: func() []string { return []string{"n"} }},
}

// TestCheck: every setting that is not as declared is reported by its key; one that is not
// set and not written is as it may be.
func TestCheck(t *testing.T) {
	for want, set := range map[string]func(*sample){
		"": func(*sample) {},
		"inner.rate: must be above 0 and at most 1, is 0":             func(s *sample) { s.Inner.Rate = 0 },
		"inner.rate: must be above 0 and at most 1, is NaN":           func(s *sample) { s.Inner.Rate = math.NaN() },
		"inner.rate: must be above 0 and at most 1, is +Inf":          func(s *sample) { s.Inner.Rate = math.Inf(1) },
		"inner.count: must lie between 2 and 9, is 1":                 func(s *sample) { s.Inner.Count = 1 },
		"inner.level.a: must be at least 0 and below 3, is 3":         func(s *sample) { s.Inner.Level = map[string]int{"a": 3, "b": 2} },
		`inner.level: "c" is not one of a, b`:                         func(s *sample) { s.Inner.Level = map[string]int{"c": 0} },
		`kind: "" is not one of x, y`:                                 func(s *sample) { s.Kind = "" },
		`names: "m" is not one of n`:                                  func(s *sample) { s.Names = []string{"n", "m"} },
		`inner.count: must lie between 2 and 9, is 10;kind: "z" is n`: func(s *sample) { s.Inner.Count, s.Kind = 10, "z" },
	} {
		s := sample{Kind: "x", plain: 1}
		s.Inner.Rate = 1
		set(&s)
		var got []string
		Check(&s, declared, func(key, format string, args ...any) { got = append(got, fmt.Sprintf(key+": "+format, args...)) })
		text := strings.Join(got, ";")
		if (text == "") != (want == "") || !strings.HasPrefix(text, want) {
			t.Errorf("%q, want %q", text, want)
		}
	}
}

func TestFields(t *testing.T) {
	var keys, kinds []string
	for _, f := range Fields(sample{}) {
		keys, kinds = append(keys, f.Key), append(kinds, Kind(f.Value.Type()))
		if f.Unset() != (f.Key != "inner.rate" && f.Key != "kind") {
			t.Errorf("%s is unset: %v", f.Key, f.Unset())
		}
	}
	if got := strings.Join(keys, " "); got != "inner.rate inner.count inner.level kind names text" {
		t.Error(got)
	}
	if want := []string{"number", "whole number", "map", "text", "list", "text"}; !reflect.DeepEqual(kinds, want) {
		t.Error(kinds)
	}
	for v, want := range map[float64]string{3: "3", 1e9: "1000000000", 0.25: "0.25", 1e300: "1e+300"} {
		if got := Plain(v); got != want {
			t.Errorf("%v is written %s", v, got)
		}
	}
}
