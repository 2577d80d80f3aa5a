package recipe

import (
	"fmt"
	"maps"
	"slices"

	"ballast/bounded/yaml"
)

// Differs names the settings in which another recipe is not as this one, by dotted key
// in order: "rl.lr is 0.001 and not 0.002", without what is the same.
func (r *Recipe) Differs(o *Recipe) []string {
	mine, theirs := r.settings(), o.settings()
	keys := maps.Clone(mine)
	maps.Copy(keys, theirs)
	var out []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		a, b := said(mine, k), said(theirs, k)
		if a != b {
			out = append(out, fmt.Sprintf("%s is %s and not %s", k, a, b))
		}
	}
	return out
}

func said(settings map[string]string, key string) string {
	if v, ok := settings[key]; ok {
		return v
	}
	return "not set"
}

// settings are the recipe's by dotted key.
func (r *Recipe) settings() map[string]string {
	var all map[string]any
	if err := yaml.Unmarshal(r.YAML(), &all); err != nil {
		panic(err) // it was just written
	}
	out := map[string]string{}
	for key, v := range leaves("", all) {
		out[key] = fmt.Sprint(v)
	}
	return out
}
