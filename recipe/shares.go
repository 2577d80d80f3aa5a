package recipe

import (
	"fmt"
	"maps"
	"slices"

	"ballast/bounded/yaml"
)

// Shares are names with whole shares of at least 1, of which one is drawn at a
// time. In YAML a map, {hermes: 1, pythonic: 95}, or a list, [hermes, pythonic],
// of names with one share each.
type Shares map[string]int

// UnmarshalYAML reads shares: what is read replaces what
// was there.
func (s *Shares) UnmarshalYAML(text []byte) error {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return err
	}
	out := Shares{}
	switch v := v.(type) {
	case nil:
	case []any:
		for _, x := range v {
			name, ok := x.(string)
			if !ok {
				return fmt.Errorf("%v is not a name", x)
			}
			if out[name] > 0 {
				return fmt.Errorf("%s stands twice: give shares in a map, such as {%s: 2}", name, name)
			}
			out[name] = 1
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			n, ok := v[name].(uint64)
			if !ok || n < 1 || n > 1<<20 {
				return fmt.Errorf("the share of %s must be a whole number of at least 1, is %v", name, v[name])
			}
			out[name] = int(n)
		}
	default:
		return fmt.Errorf("%v is neither a list of names nor a map from names to shares", v)
	}
	*s = out
	return nil
}

// Draw picks a name by a hash; there must be one.
func (s Shares) Draw(hash uint64) string {
	total := 0
	for _, n := range s {
		total += n
	}
	k := int(hash % uint64(total))
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if k -= s[name]; k < 0 {
			return name
		}
	}
	panic("recipe: a share is not positive")
}
