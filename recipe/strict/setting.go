package strict

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
)

// Setting declares one setting: how it is checked and what the documents say of it. Its type
// and its default are those of the struct's field that has its key.
type Setting struct {
	Key  string          // dotted, as it stands in a file
	Doc  string          // one sentence
	Unit string          // of a number
	In   Span            // of a number, or of every number of a map
	Of   func() []string // what a text may be, every text of a list, or every key of a map; nil = anything
}

// Span is what a number may be: Lo to Hi, without Lo where it is Above, without Hi where it
// is Below. The zero Span is any number.
type Span struct {
	Lo, Hi       float64
	Above, Below bool
}

// holds says whether v lies in s; no number lies nowhere.
func (s Span) holds(v float64) bool {
	return s == Span{} || v >= s.Lo && v <= s.Hi && !(s.Above && v == s.Lo) && !(s.Below && v == s.Hi)
}

// String says what a number must do.
func (s Span) String() string {
	switch {
	case s == Span{}:
		return ""
	case s.Above:
		return fmt.Sprintf("be above %s and at most %s", Plain(s.Lo), Plain(s.Hi))
	case s.Below:
		return fmt.Sprintf("be at least %s and below %s", Plain(s.Lo), Plain(s.Hi))
	}
	return fmt.Sprintf("lie between %s and %s", Plain(s.Lo), Plain(s.Hi))
}

// Plain writes a number without an exponent where it is whole and short.
func Plain(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprint(v)
}

// Field is a leaf of a struct of settings: whatever is no struct.
type Field struct {
	Key    string
	Value  reflect.Value
	Absent bool // its zero value says that it is not set, and is not written
}

// Unset says whether the field has a value that is not written.
func (f Field) Unset() bool {
	v := f.Value
	return f.Absent && (v.IsZero() || (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.Len() == 0)
}

// Fields are the leaves of a struct, or of what a pointer points to, in its order.
func Fields(v any) []Field { return fields(nil, "", reflect.Indirect(reflect.ValueOf(v))) }

func fields(out []Field, at string, v reflect.Value) []Field {
	for i := range v.NumField() {
		name, more, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "" {
			continue // no setting
		}
		key := strings.TrimPrefix(at+"."+name, ".")
		if f := v.Field(i); f.Kind() == reflect.Struct {
			out = fields(out, key, f)
		} else {
			out = append(out, Field{key, f, more == "omitempty"})
		}
	}
	return out
}

// Check reports the settings of a struct that are not as they are declared.
func Check(v any, settings []Setting, bad func(key, format string, args ...any)) {
	of := map[string]*Setting{}
	for i := range settings {
		of[settings[i].Key] = &settings[i]
	}
	for _, f := range Fields(v) {
		if s := of[f.Key]; s != nil && !f.Unset() {
			s.check(f.Key, f.Value, bad)
		}
	}
}

func (s *Setting) check(key string, v reflect.Value, bad func(key, format string, args ...any)) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			s.check(key, v.Index(i), bad)
		}
	case reflect.Map:
		for _, k := range slices.Sorted(maps.Keys(keys(v))) {
			s.check(key, reflect.ValueOf(k), bad)
			s.check(key+"."+k, v.MapIndex(reflect.ValueOf(k)), bad)
		}
	case reflect.String:
		if s.Of == nil {
			return
		}
		if all := s.Of(); !slices.Contains(all, v.String()) {
			bad(key, "%q is not one of %s", v.String(), strings.Join(all, ", "))
		}
	default:
		if x, ok := number(v); ok && !s.In.holds(x) {
			bad(key, "must %s, is %s", s.In, Plain(x))
		}
	}
}

func keys(v reflect.Value) map[string]bool {
	out := map[string]bool{}
	for _, k := range v.MapKeys() {
		out[k.String()] = true
	}
	return out
}

func number(v reflect.Value) (float64, bool) {
	switch {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}

// Kind names a field's type for people.
func Kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "yes or no"
	case reflect.String:
		return "text"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Pointer:
		return Kind(t.Elem())
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "map"
	}
	return "whole number"
}
