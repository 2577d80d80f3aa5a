package recipe

import (
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
