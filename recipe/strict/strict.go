// Package strict reads settings as YAML, and checks them by their declarations.
//
// Contract: what the text says is what the value holds afterwards, over what it
// held before. A Setting says what a field may be; its key is that of the field's tags.
// How it fails: an unknown key, a value of another kind, a fraction where a whole number
// stands, null, or an empty map over one that stays as it is, is an error that names it.
package strict

import (
	"fmt"
	"math"

	"ballast/bounded/yaml"
)

// Decode reads YAML text over v, a pointer to a struct. Null may stand under the dotted
// keys that null, if it is not nil, says yes to.
func Decode(text []byte, v any, null func(key string) bool) error {
	if ok, err := yaml.Strict(text, v, null); err != nil {
		return explain(text, v, err)
	} else if !ok {
		return nil
	}
	// The decoder cuts fractions off silently: compare with what it made of them.
	held, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	var want, got any
	if err := yaml.Unmarshal(text, &want); err != nil {
		return err
	}
	if err := yaml.Unmarshal(held, &got); err != nil {
		return err
	}
	return compare("", want, got)
}

// compare finds a fraction that became something else, and a map that changed nothing.
func compare(at string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		held, ok := got.(map[string]any)
		if len(want) == 0 && len(held) > 0 && at != "" {
			return fmt.Errorf("%s: {} sets nothing: name what it is to set, or take the key out", at[1:])
		}
		for k, w := range want {
			if _, there := held[k]; ok && (there || fraction(w)) {
				if err := compare(at+"."+k, w, held[k]); err != nil {
					return err
				}
			}
		}
	case []any:
		held, _ := got.([]any)
		for i := range min(len(want), len(held)) {
			if err := compare(fmt.Sprintf("%s[%d]", at, i), want[i], held[i]); err != nil {
				return err
			}
		}
	case float64:
		switch got.(type) {
		case uint64, int64, nil: // nil: a zero that is left out
			if fraction(want) {
				return fmt.Errorf("%s: %v is not a whole number", at[1:], want)
			}
		}
	}
	return nil
}

// fraction says whether a value is a number that is not whole.
func fraction(v any) bool {
	f, ok := v.(float64)
	return ok && f != math.Trunc(f)
}
