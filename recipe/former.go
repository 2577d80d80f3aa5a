package recipe

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"ballast/bounded/yaml"
	"ballast/task"
)

// former is a setting of the version before that is none now, or is written otherwise.
type former struct {
	key string // dotted; phases[] is every phase
	// now says what stands in the place of the old value, by keys beside the old one, nil for
	// nothing; or why the value cannot be had any more.
	now func(old any, r *Recipe, text map[string]any) (instead map[string]any, why string)
}

// formers is the table of them. A setting that is gone is accepted where it says what is done
// now.
var formers = []former{
	renamed("quirks"),
	always("rl.temperature", 1),
	always("rl.clip.dual", 3),
	always("adam.beta1", 0.9),
	always("adam.eps", 1e-8),
	always("sft.schedule", "cosine"),
	{"judge.kind", func(old any, r *Recipe, text map[string]any) (map[string]any, string) {
		judge, _ := text["judge"].(map[string]any)
		if url := judge["url"] != nil || r.Judge.URL != ""; old == "endpoint" && url || old == "oracle" && !url {
			return nil, ""
		}
		return nil, "the judge is an endpoint where judge.url and judge.model are given, else the oracle: give those, or take them out, instead"
	}},
	{"tasks.eval", func(old any, r *Recipe, text map[string]any) (map[string]any, string) {
		tasks, _ := text["tasks"].(map[string]any)
		set, ok := tasks["set"].(string)
		if !ok {
			set = r.Tasks.Set
		}
		if held := task.Held(set); old != held {
			return nil, "evaluations of set " + set + " are always on split " + held + " now: take it out, or use the version before"
		}
		return nil, ""
	}},
	{"chat.template", func(old any, _ *Recipe, _ map[string]any) (map[string]any, string) {
		if path, ok := old.(string); ok && strings.HasSuffix(path, ".jinja") {
			return map[string]any{"jinja": path}, ""
		}
		return map[string]any{"template": old}, ""
	}},
	{"phases[].sft", func(old any, _ *Recipe, _ map[string]any) (map[string]any, string) {
		if joined, ok := old.(string); ok && strings.Contains(joined, "+") {
			return map[string]any{"sft": strings.Split(joined, "+")}, ""
		}
		return map[string]any{"sft": old}, ""
	}},
	{"phases[].reset", func(old any, _ *Recipe, _ map[string]any) (map[string]any, string) {
		switch old {
		case "all":
			return nil, ""
		case "none":
			return map[string]any{"reset": []string{}}, ""
		}
		return map[string]any{"reset": old}, ""
	}},
}

// renames are the settings that have another name now.
var renames = map[string]string{"quirks": "faults"}

func renamed(key string) former {
	return former{key, func(old any, _ *Recipe, _ map[string]any) (map[string]any, string) {
		return map[string]any{renames[key]: old}, ""
	}}
}

// always is a setting that has one value now.
func always(key string, is any) former {
	return former{key, func(old any, _ *Recipe, _ map[string]any) (map[string]any, string) {
		if equal(old, is) {
			return nil, ""
		}
		return nil, fmt.Sprintf("it is always %v now: take it out, or use the version before", is)
	}}
}

// equal compares settings; YAML's reader takes numbers such as 1e-08 for text.
func equal(a, b any) bool {
	x, err := strconv.ParseFloat(fmt.Sprint(a), 64)
	y, err2 := strconv.ParseFloat(fmt.Sprint(b), 64)
	return err == nil && err2 == nil && x == y || fmt.Sprint(a) == fmt.Sprint(b)
}

// current writes a text of settings with the keys of this version. What this version cannot
// train with goes into past, by key; where that is nil, it is an error.
func (r *Recipe) current(text []byte, past map[string]any) ([]byte, error) {
	var all map[string]any
	if yaml.Unmarshal(text, &all) != nil {
		return text, nil // the decoder says what is wrong
	}
	changed := false
	for _, f := range formers {
		dot := strings.LastIndexByte(f.key, '.')
		path, last := f.key[:max(dot, 0)], f.key[dot+1:]
		for _, at := range sections(all, path) {
			old, ok := at[last]
			if !ok || old == nil {
				continue
			}
			instead, why := f.now(old, r, all)
			if why != "" && past != nil {
				past[f.key] = old
			} else if why != "" {
				return nil, fmt.Errorf("%s: %v: %s", f.key, old, why)
			}
			if fmt.Sprint(instead[last]) == fmt.Sprint(old) {
				continue
			}
			for name := range instead {
				if _, both := at[name]; both && name != last {
					return nil, fmt.Errorf("%s: %v: it is %s now, which is given too: give that alone", f.key, old,
						strings.TrimPrefix(path+"."+name, "."))
				}
			}
			delete(at, last)
			maps.Copy(at, instead)
			prune(all, path)
			changed = true
		}
	}
	if !changed {
		return text, nil
	}
	return yaml.Marshal(all)
}

// sections are the maps at a dotted key, "" being the whole.
func sections(all map[string]any, path string) []map[string]any {
	if path == "" {
		return []map[string]any{all}
	}
	if path == "phases[]" {
		list, _ := all["phases"].([]any)
		var out []map[string]any
		for _, x := range list {
			if m, ok := x.(map[string]any); ok {
				out = append(out, m)
			}
		}
		return out
	}
	for key := range strings.SplitSeq(path, ".") {
		if all, _ = all[key].(map[string]any); all == nil {
			return nil
		}
	}
	return []map[string]any{all}
}

// prune takes out the section at a dotted key, and those around it, if nothing is left in it.
func prune(all map[string]any, path string) {
	head, rest, more := strings.Cut(path, ".")
	in, _ := all[head].(map[string]any)
	if more && in != nil {
		prune(in, rest)
	}
	if in != nil && len(in) == 0 {
		delete(all, head)
	}
}
