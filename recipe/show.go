package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast/bounded/yaml"
	"ballast/recipe/strict"
)

// YAML returns the recipe as it is written into the run directory: the settings that a run
// of it reads.
func (r *Recipe) YAML() []byte {
	u := r.use()
	return r.write(func(key string) bool { return key == "method" || u.unread(key) == "" })
}

// write writes the settings that have a value and are shown.
func (r *Recipe) write(shown func(key string) bool) []byte {
	var out yaml.Map
	for _, f := range strict.Fields(r) {
		if !f.Unset() && shown(f.Key) {
			out = with(out, strings.Split(f.Key, "."), f.Value.Interface())
		}
	}
	text, err := yaml.Marshal(out)
	if err != nil {
		panic(err) // numbers and strings always marshal
	}
	return text
}

// with adds a value under the keys of a path, the first of which may be the last of m.
func with(m yaml.Map, path []string, v any) yaml.Map {
	if len(path) == 1 {
		return append(m, yaml.MapItem{Key: path[0], Value: v})
	}
	if last := len(m) - 1; last >= 0 && m[last].Key == path[0] {
		m[last].Value = with(m[last].Value.(yaml.Map), path[1:], v)
		return m
	}
	return append(m, yaml.MapItem{Key: path[0], Value: with(nil, path[1:], v)})
}

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
