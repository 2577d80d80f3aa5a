// Package task loads and generates sets of tasks, and checks that their gold
// answers are right.
//
// Contract: the same Spec gives the same tasks in the same order. A task's gold
// calls pass every check of its own turns; Check proves it by playing them.
//
// How it fails: an unknown set, split, category, world or level is an error that
// lists what there is; a missing or broken data file is an error that names it, and a tasks
// file one that names all of its faults by line and key.
package task

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ballast"
	ace "ballast/env/acebench"
	"ballast/env/sim"
	"ballast/task/acebench"
	"ballast/task/bfcl"
	"ballast/task/compose"
	"ballast/task/desk"
	"ballast/task/drawn"
	"ballast/task/file"
	"ballast/value"
	"ballast/world"
	api "ballast/world/drawn"
)

// Spec says which tasks to load.
type Spec struct {
	Name       string   // a name of Sets, or the path of a tasks file (IsFile)
	Data       string   // folder of the data, for sets that are read from files
	Split      string   // train, test or valid (bfcl has no valid); empty means all (of generated sets: train, then test)
	Categories []string // empty means those that the split uses by default
	Worlds     []string // only tasks whose worlds are all among these; empty means any
	Seed       uint64   // of generated tasks
	Count      int      // number of tasks, at most what a set that is read holds; 0 means the set's own number
	// Level is the difficulty of generated tasks, by name of an option: see desk.Options and
	// drawn.Options.
	Level map[string]int
	// Draw, where it is not 0, is the seed by which Count tasks of a set that is read are drawn; else the first count.
	Draw  uint64
	Words string // words in which the tasks are asked for, of words.Choices; "" for their own
}

// Set is one source of tasks.
type Set struct {
	Name string
	Doc  string
	// Load returns the tasks of one split, "train", "test" or "valid".
	Load func(Spec) ([]ballast.Task, error)
	// Whole sets also load without a split: they have tasks of neither (BFCL's
	// long_context has no training half, yet 200 tasks).
	Whole bool
	// Paths says that the set is a kind of file: it is named by the path of one.
	Paths bool
}

// Sets is the table of the sets. A new one is one line.
var Sets = []Set{
	{Name: "desk", Doc: "generated office tasks: files, messages, calendar, shop", Load: generated(desk.Worlds)},
	{Name: "desk-ood", Doc: "generated tasks in worlds that no training task uses: notes, lights", Load: generated(desk.OOD)},
	{Name: "worlds", Doc: "generated tasks in worlds, tools and words that are new in every task", Load: documented(drawn.Whole)},
	{Name: "worlds-renamed", Doc: "the tasks of worlds, the tools' names dealt anew, so that they mislead", Load: documented(drawn.Renamed)},
	{Name: "worlds-bare", Doc: "the tasks of worlds, of tools names and types alone", Load: documented(drawn.Bare)},
	{Name: "worlds-none", Doc: "the tasks of worlds, one tool shown, which no task needs", Load: documented(drawn.None)},
	{Name: "bfcl", Doc: "BFCL v4 multi-turn, from the benchmark's files (spec: data)", Load: loadBFCL, Whole: true},
	{Name: acebench.Set, Doc: "ACEBench, English, in the format of the paper's training (spec: data)", Load: loadACEBench(ace.Tool),
		Whole: true},
	{Name: acebench.SetOwn, Doc: "ACEBench, English, in its own format (spec: data)", Load: loadACEBench(ace.AST), Whole: true},
	{Name: "FILE.jsonl", Doc: "a person's own tasks, by the path of their file", Load: loadFile, Whole: true, Paths: true},
}

// IsFile says that a name is the path of a tasks file: it has a separator or ends as one does.
func IsFile(name string) bool {
	return strings.ContainsRune(name, '/') || strings.ContainsRune(name, filepath.Separator) ||
		strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".json")
}

// ByName returns the set of that name, or that of the files where it is the path of one.
func ByName(name string) (*Set, error) {
	names := make([]string, len(Sets))
	for i := range Sets {
		if names[i] = Sets[i].Name; names[i] == name {
			return &Sets[i], nil
		}
	}
	if i := slices.IndexFunc(Sets, func(s Set) bool { return s.Paths }); i >= 0 && IsFile(name) {
		return &Sets[i], nil
	}
	return nil, fmt.Errorf("task: no set of tasks is named %q; there are %s, and a file of tasks is named by its path, such as ./%s.jsonl",
		name, strings.Join(names, ", "), name)
}

// Held is the split that runs on a set are evaluated on while they train: valid, so that no
// test task chooses a checkpoint; test, where that is the only one that is not trained on, as in a
// file without tasks of split valid.
func Held(set string) string {
	s, err := ByName(set)
	switch {
	case err != nil: // Load says what is wrong with a name, or with a file
		return compose.Test
	case s.Paths:
		if f, err := file.Read(set); err == nil && len(f.Of(compose.Valid)) > 0 {
			return compose.Valid
		}
		return compose.Test
	case s.Whole:
		return compose.Test
	}
	return compose.Valid
}

// MaxCount bounds the number of tasks of a spec; a task takes some 20 KB.
const MaxCount = 1_000_000

// inOwn returns the tasks of a spec in their own words.
func inOwn(spec Spec) ([]ballast.Task, error) {
	set, err := ByName(spec.Name)
	if err != nil {
		return nil, err
	}
	for _, w := range spec.Worlds {
		if _, err := sim.Get(w); err != nil {
			return nil, err
		}
	}
	if spec.Count < 0 || spec.Count > MaxCount {
		return nil, fmt.Errorf("task: count is %d, want 0 (the set's own number) to %d", spec.Count, MaxCount)
	}
	if set.Paths {
		return set.Load(spec)
	}
	switch spec.Split {
	case compose.Train, compose.Test:
		return set.Load(spec)
	case compose.Valid:
		if !set.Whole {
			return set.Load(spec)
		}
		return nil, fmt.Errorf("task: set %s has no split valid: its tasks are read; there are train and test", spec.Name)
	case "":
		if set.Whole {
			return set.Load(spec)
		}
		var all []ballast.Task
		for _, split := range []string{compose.Train, compose.Test} {
			s := spec
			s.Split = split
			tasks, err := set.Load(s)
			if err != nil {
				return nil, err
			}
			all = append(all, tasks...)
		}
		return all, nil
	}
	return nil, fmt.Errorf("task: no split %q; there are train, valid and test", spec.Split)
}

// Own numbers of the generated sets.
const (
	ownTrain = 400
	ownTest  = 200
)

// generated returns the loader of a set of package desk over some worlds.
func generated(worlds []string) func(Spec) ([]ballast.Task, error) {
	return func(spec Spec) ([]ballast.Task, error) {
		var o desk.Options
		err := level(spec, map[string]*int{"mix": &o.Mix, "min_turns": &o.MinTurns, "max_turns": &o.MaxTurns,
			"requests": &o.Requests, "calls": &o.Calls, "tools": &o.Tools})
		if err != nil {
			return nil, err
		}
		o.Worlds = worlds
		if len(spec.Worlds) > 0 {
			o.Worlds = slices.DeleteFunc(slices.Clone(worlds), func(w string) bool { return !slices.Contains(spec.Worlds, w) })
			if len(o.Worlds) == 0 {
				return nil, fmt.Errorf("task: set %s has none of the worlds %s; it has %s",
					spec.Name, strings.Join(spec.Worlds, ", "), strings.Join(worlds, ", "))
			}
		}
		return deal(spec, func(split, category string, i int) (*ballast.Task, error) {
			return desk.Generate(spec.Seed, split, category, i, o)
		})
	}
}

// deal generates the tasks of a spec. Categories take turns. By default training uses base,
// miss_func and miss_param, and tests add long_context, as the paper does (section 1).
func deal(spec Spec, generate func(split, category string, i int) (*ballast.Task, error)) ([]ballast.Task, error) {
	categories, count := spec.Categories, spec.Count
	if len(categories) == 0 {
		categories = compose.Categories
		if spec.Split != compose.Test {
			categories = slices.DeleteFunc(slices.Clone(categories), func(c string) bool { return c == world.LongContext })
		}
	}
	if count == 0 {
		if count = ownTrain; spec.Split != compose.Train {
			count = ownTest
		}
	}
	tasks, errs := make([]ballast.Task, count), make([]error, count)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				t, err := generate(spec.Split, categories[i%len(categories)], i/len(categories))
				if err != nil {
					errs[i] = err
					next.Store(int64(count)) // the others are not wanted any more
					return
				}
				tasks[i] = *t
			}
		})
	}
	wg.Wait()
	if err := cmp.Or(errs...); err != nil {
		return nil, err
	}
	return tasks, nil
}

// documented returns the loader of a set of package drawn, whose prompts tell so much of tools.
func documented(docs drawn.Docs) func(Spec) ([]ballast.Task, error) {
	return func(spec Spec) ([]ballast.Task, error) {
		for _, w := range spec.Worlds {
			if w != api.Name {
				return nil, fmt.Errorf("task: set %s has no world %s: its worlds are all of the API %s", spec.Name, w, api.Name)
			}
		}
		if n, ok := spec.Level["docs"]; ok { // an option of versions before
			return nil, fmt.Errorf("task: set %s has no level option docs any more: leave it out, and choose the set by what prompts tell "+
				"of tools; docs %d is now %s", spec.Name, n, drawn.Docs(min(max(n, 0), int(drawn.None))).Set())
		}
		o := drawn.Options{Docs: docs}
		err := level(spec, map[string]*int{"kinds": &o.Kinds, "min_turns": &o.MinTurns, "max_turns": &o.MaxTurns, "calls": &o.Calls,
			"min_tools": &o.MinTools, "tools": &o.Tools})
		if err != nil {
			return nil, err
		}
		return deal(spec, func(split, category string, i int) (*ballast.Task, error) {
			return drawn.Generate(spec.Seed, split, category, i, o)
		})
	}
}

// loadBFCL reads the benchmark's tasks. A count takes tasks from the categories
// in turn, each in the order of the split.
func loadBFCL(spec Spec) ([]ballast.Task, error) {
	switch {
	case spec.Data == "":
		return nil, fmt.Errorf("task: set bfcl needs the folder of the benchmark's data: give tasks.data (or --data)")
	case len(spec.Level) > 0:
		return nil, fmt.Errorf("task: set bfcl has no level: its tasks are read, not generated")
	}
	all, err := bfcl.Load(spec.Data, bfcl.Options{Split: spec.Split, Categories: spec.Categories, Classes: spec.Worlds})
	if err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	for i := range all {
		for _, w := range all[i].APIs {
			if _, err := sim.Get(w); err != nil {
				return nil, fmt.Errorf("task: %s plays %s, which is not simulated; choose the worlds (tasks.worlds) among those there are: %w",
					all[i].ID, w, err)
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("task: set bfcl has no tasks of split %q, categories %v and worlds %v", spec.Split, spec.Categories, spec.Worlds)
	}
	if spec.Count == 0 || spec.Count > len(all) {
		return all, nil
	}
	return inTurn(all)[:spec.Count], nil
}

// loadACEBench returns the loader of the benchmark's items in a format. All are tests. A count takes items from the
// categories in turn.
func loadACEBench(format string) func(Spec) ([]ballast.Task, error) {
	return func(spec Spec) ([]ballast.Task, error) {
		switch {
		case spec.Data == "":
			return nil, fmt.Errorf("task: set %s needs the folder of the benchmark's data: give tasks.data (or --data)", spec.Name)
		case spec.Split == compose.Train:
			return nil, fmt.Errorf("task: set %s has no split train: it is a test; train on another set", spec.Name)
		case len(spec.Level) > 0 || len(spec.Worlds) > 0:
			return nil, fmt.Errorf("task: set %s has no level and no worlds to choose from: its tasks are read", spec.Name)
		}
		all, err := acebench.Load(spec.Data, acebench.Options{Format: format, Categories: spec.Categories})
		if err != nil {
			return nil, fmt.Errorf("task: %w", err)
		}
		if spec.Count == 0 || spec.Count > len(all) {
			return all, nil
		}
		return inTurn(all)[:spec.Count], nil
	}
}

// loadFile reads the tasks of a person's file. Its seed draws nothing: the tasks are those of the
// file, in its order. A count takes tasks from the categories in turn.
func loadFile(spec Spec) ([]ballast.Task, error) {
	switch {
	case spec.Split != "" && !slices.Contains(file.Splits, spec.Split):
		return nil, fmt.Errorf("task: no split %q; there are %s", spec.Split, strings.Join(file.Splits, ", "))
	case len(spec.Level) > 0:
		return nil, fmt.Errorf("task: %s has no level: its tasks are read, not generated", spec.Name)
	case len(spec.Worlds) > 0:
		return nil, fmt.Errorf("task: %s has no worlds to choose from: its tasks are played with the tools of a server (leave "+
			"tasks.worlds out)", spec.Name)
	case spec.Data != "":
		return nil, fmt.Errorf("task: %s needs no folder of data: it is the data (leave tasks.data, or --data, out)", spec.Name)
	}
	f, err := file.Read(spec.Name)
	if err != nil {
		return nil, err
	}
	list := f.Of(spec.Split)
	if len(list) == 0 {
		return nil, fmt.Errorf("task: %s has no task of split %s: it has %s", spec.Name, spec.Split, f.Counts())
	}
	var there []string
	for _, t := range list {
		if !slices.Contains(there, t.Category) {
			there = append(there, t.Category)
		}
	}
	for _, c := range spec.Categories {
		if !slices.Contains(there, c) {
			return nil, fmt.Errorf("task: %s has no task of category %q%s; there are %s", spec.Name, c, ofSplit(spec.Split),
				strings.Join(there, ", "))
		}
	}
	if len(spec.Categories) > 0 {
		list = slices.DeleteFunc(list, func(t ballast.Task) bool { return !slices.Contains(spec.Categories, t.Category) })
	}
	if spec.Count == 0 || spec.Count > len(list) {
		return list, nil
	}
	return inTurn(list)[:spec.Count], nil
}

// ofSplit speaks of a split, if one is named.
func ofSplit(split string) string {
	if split == "" {
		return ""
	}
	return " in split " + split
}

// inTurn deals tasks that come by category so that the categories take turns.
func inTurn(tasks []ballast.Task) []ballast.Task {
	var order []string
	by := make(map[string][]ballast.Task)
	for _, t := range tasks {
		if by[t.Category] == nil {
			order = append(order, t.Category)
		}
		by[t.Category] = append(by[t.Category], t)
	}
	out := make([]ballast.Task, 0, len(tasks))
	for i := 0; len(out) < len(tasks); i++ {
		for _, c := range order {
			if i < len(by[c]) {
				out = append(out, by[c][i])
			}
		}
	}
	return out
}

// level reads the options of a generated set.
func level(spec Spec, fields map[string]*int) error {
	for _, name := range slices.Sorted(maps.Keys(spec.Level)) {
		f := fields[name]
		if f == nil {
			return fmt.Errorf("task: set %s has no level option %q; there are %s", spec.Name, name,
				strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		*f = spec.Level[name]
	}
	return nil
}

// Digest is a hash of all that tasks say, in hexadecimal digits: wherever they come
// from, tasks of the same digest are the same. Where they are written (Source) does not count.
func Digest(tasks []ballast.Task) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	add := func(v any) {
		if err := enc.Encode(v); err != nil {
			panic(err) // texts, numbers and lists of them always marshal
		}
	}
	for i := range tasks {
		t := &tasks[i]
		add([]any{t.ID, t.Set, t.Category, t.APIs})
		if t.Hint != "" {
			add([]string{"hint", t.Hint})
		}
		if names := unusual(t); names != nil {
			add(names)
		}
		if t.Prompt != nil {
			add([]any{"prompt", t.Format, t.Prompt})
		}
		for _, world := range slices.Sorted(maps.Keys(t.Init)) {
			add([]string{world, value.Repr(t.Init[world])})
		}
		for _, tool := range t.Tools {
			schema := ""
			if tool.Schema != nil {
				schema = value.Repr(tool.Schema)
			}
			add([]any{tool.Name, tool.Doc, tool.Params, schema})
			if tool.ReadOnly {
				add("read only")
			}
		}
		for _, turn := range t.Turns {
			add([]any{turn.User, turn.Reply, turn.Reveal, len(turn.Gold)})
			for _, c := range turn.Gold {
				add(value.FormatCall(c))
			}
			if turn.Want != nil {
				add([]string{"want", value.Repr(turn.Want)})
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// unusual are the names that do not follow from the task's set and category, nil for none:
// tasks of earlier versions have no names, and the same digests.
func unusual(t *ballast.Task) []string {
	names := []string{t.World, t.Grader, t.User, t.Variant}
	switch generated := strings.HasPrefix(t.Set, "desk"); {
	case generated && t.Grader == sim.Sparing:
		names[1] = ""
	case generated:
		names[1] = cmp.Or(t.Grader, sim.Gold)
	}
	if t.Variant == t.Category {
		names[3] = ""
	}
	if strings.Join(names, "") == "" {
		return nil
	}
	return names
}
