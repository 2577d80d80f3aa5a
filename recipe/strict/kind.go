package strict

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"ballast/bounded/yaml"
	"ballast/safetext"
	"ballast/value/shape"
)

// KindError is a value of another kind than its setting's, or a key that is no setting's.
type KindError struct {
	Key  string // dotted
	Line int    // of the text; 0: not told
	Text string // what is wanted, and what stands there
}

// Error is one line.
func (e *KindError) Error() string {
	text := e.Key + ": " + e.Text
	if e.Line > 0 {
		text = fmt.Sprintf("line %d: %s", e.Line, text)
	}
	return text
}

// explain says in the words of settings what the decoder said in those of Go: the first value of a text that is of another
// kind than the field of v. Where it finds none the decoder's error stays.
func explain(text []byte, v any, err error) error {
	key, at, strange := yaml.Unknown(err)
	line, is := yaml.Mistyped(err)
	var doc any
	if !is && !strange || reflect.Indirect(reflect.ValueOf(v)).Kind() != reflect.Struct || yaml.Unmarshal(text, &doc) != nil {
		return err
	}
	if strange {
		if e := stranger(doc, "", key, Fields(v)); e != nil {
			e.Line = at
			return e
		}
		return err
	}
	for _, f := range Fields(v) {
		key, got := find(doc, f.Key)
		if got == nil || key == "" {
			continue
		}
		want := "settings of its own below it, such as " + f.Key
		if key == f.Key {
			if _, own := f.Value.Addr().Interface().(interface{ UnmarshalYAML([]byte) error }); own {
				continue
			}
			want = wants(f.Value.Type(), got)
		}
		if want != "" {
			return &KindError{key, line, "wants " + want + ", and " + shown(got)}
		}
	}
	return err
}

// stranger is the first place of a text, below the dotted key at, where the key stands and no field has it; nil where it stands
// in a list, whose fields are not known here.
func stranger(doc any, at, key string, fields []Field) *KindError {
	held, _ := doc.(map[string]any)
	var there []string // keys of this level
	for _, f := range fields {
		if rest, below := strings.CutPrefix(f.Key, at); below {
			if name, _, _ := strings.Cut(rest, "."); !slices.Contains(there, name) {
				there = append(there, name)
			}
		}
	}
	if len(there) == 0 {
		return nil
	}
	if _, stands := held[key]; stands && !slices.Contains(there, key) {
		hint := ""
		if near := shape.Near(key, there); near != "" {
			hint = "perhaps " + at + near + " is meant; "
		}
		return &KindError{Key: at + key, Text: "no setting has this name; " + hint + "there are " + strings.Join(there, ", ")}
	}
	for _, name := range there {
		if e := stranger(held[name], at+name+".", key, fields); e != nil {
			return e
		}
	}
	return nil
}

// find goes down a dotted key as far as there are maps, and returns what stands where it ends.
func find(doc any, key string) (at string, got any) {
	got = doc
	for part := range strings.SplitSeq(key, ".") {
		m, ok := got.(map[string]any)
		if !ok {
			return at, got
		}
		at, got = strings.TrimPrefix(at+"."+part, "."), m[part]
	}
	return at, got
}

// wants is what a field wants that a value is not, "" where it is.
func wants(t reflect.Type, got any) string {
	_, list := got.([]any)
	_, section := got.(map[string]any)
	_, text := got.(string)
	_, truth := got.(bool)
	switch Kind(t) {
	case "list":
		if !list {
			return "a list, such as [a, b]"
		}
	case "map":
		if !section {
			return "a map, such as {a: 1}"
		}
	case "text":
		if list || section {
			return "a text"
		}
	case "yes or no":
		if !truth {
			return "true or false"
		}
	case "number", "whole number":
		if list || section || text || truth {
			return "a " + Kind(t)
		}
	}
	return ""
}

// shown is a value with its kind.
func shown(got any) string {
	switch v := got.(type) {
	case string:
		return fmt.Sprintf("%q is a text", safetext.Brief(v, 60))
	case bool:
		return fmt.Sprintf("%t is none", v)
	case []any:
		return "a list stands there"
	case map[string]any:
		return "a map stands there"
	}
	return safetext.Brief(fmt.Sprint(got), 60) + " is a number"
}
