// Package bfcl loads the multi-turn tasks of the Berkeley Function-Calling
// Leaderboard (v4): 200 tasks in each of four categories.
//
// Contract: Load reads either a checkout of the benchmark or a folder that holds
// its files side by side, and gives tasks for package env/sim: initial
// configurations as ordered values, gold answers parsed from Python call syntax,
// the documentation of every function of the task's classes as the prompts show
// it, and the functions that are held back until a turn. It never runs Python.
//
// The split is the paper's: the indices 0 to 199 shuffled with seed 42, the first
// hundred for training, the rest for testing, in every category; long_context is
// for testing only.
//
// How it fails: a missing file, a line that is no JSON, a gold answer that is no
// call, a task without gold answer: an error that names file and line. Nothing is
// skipped.
package bfcl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ballast"
	"ballast/bounded"
	"ballast/value"
	api "ballast/world/bfcl"
)

// Categories are the names of the categories, in the order of loading.
var Categories = []string{"base", "miss_func", "miss_param", longContext}

// longContext is the category whose tasks play the variant world.LongContext.
const longContext = "long_context"

// Options says which tasks to load.
type Options struct {
	Split      string   // "train", "test", or "" for all
	Categories []string // of Categories; empty means all that the split has
	Classes    []string // only tasks whose classes are all among these; empty means all
}

// perCategory is the number of tasks in a category.
const perCategory = 200

// split returns the indices of the paper's training and test tasks, in their
// shuffled order.
func split() (train, test []int) {
	all := make([]int, perCategory)
	for i := range all {
		all[i] = i
	}
	api.NewRandom(42).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:perCategory/2], all[perCategory/2:]
}

// docFiles names the documentation file of each class.
var docFiles = map[string]string{
	"GorillaFileSystem": "gorilla_file_system.json",
	"MathAPI":           "math_api.json",
	"MessageAPI":        "message_api.json",
	"TwitterAPI":        "posting_api.json",
	"TicketAPI":         "ticket_api.json",
	"TradingBot":        "trading_bot.json",
	"TravelAPI":         "travel_booking.json",
	"VehicleControlAPI": "vehicle_control.json",
}

// syntaxNote is appended to the description of every function but the ones that
// are held back.
const syntaxNote = " Note that the provided function is in Python 3 syntax."

// Load reads the tasks below dir. Tasks come by category, and in the order of
// the split (that of the files for all).
func Load(dir string, opts Options) ([]ballast.Task, error) {
	root, err := locate(dir)
	if err != nil {
		return nil, err
	}
	order, categories, err := selection(opts)
	if err != nil {
		return nil, err
	}
	docs := &library{root, make(map[string][]documented), make(map[string]any), make(map[string][]ballast.Call)}
	var tasks []ballast.Task
	for _, category := range categories {
		all, err := docs.loadCategory(category)
		if err != nil {
			return nil, err
		}
		for i := range all {
			n := i
			if order != nil {
				n = order[i%len(order)]
				if i >= len(order) {
					break
				}
			}
			if n >= len(all) {
				return nil, fmt.Errorf("bfcl: category %s has %d tasks, the split needs %d: use the complete data or no split", category, len(all),
					perCategory)
			}
			if within(all[n].APIs, opts.Classes) {
				tasks = append(tasks, all[n])
			}
		}
	}
	return tasks, nil
}

// selection resolves the options: the order of indices (nil for the files') and
// the categories.
func selection(opts Options) (order []int, categories []string, err error) {
	categories = opts.Categories
	if len(categories) == 0 {
		categories = Categories
		if opts.Split == "train" {
			categories = Categories[:3]
		}
	}
	for _, c := range categories {
		if !slices.Contains(Categories, c) {
			return nil, nil, fmt.Errorf("bfcl: no category is named %q; there are %s", c, strings.Join(Categories, ", "))
		}
		if c == longContext && opts.Split == "train" {
			return nil, nil, errors.New("bfcl: long_context is for testing only: leave it out of the categories, or use split test")
		}
	}
	for _, c := range opts.Classes {
		if docFiles[c] == "" {
			return nil, nil, fmt.Errorf("bfcl: no class is named %q", c)
		}
	}
	train, test := split()
	switch opts.Split {
	case "":
		return nil, categories, nil
	case "train":
		return train, categories, nil
	case "test":
		return test, categories, nil
	}
	return nil, nil, fmt.Errorf("bfcl: no split is named %q; there are train and test", opts.Split)
}

func within(apis, classes []string) bool {
	return len(classes) == 0 || !slices.ContainsFunc(apis, func(w string) bool { return !slices.Contains(classes, w) })
}

// locate finds the folder of the files at or below dir.
func locate(dir string) (string, error) {
	for _, sub := range []string{"", "data", "bfcl_eval/data", "berkeley-function-call-leaderboard/bfcl_eval/data"} {
		d := filepath.Join(dir, filepath.FromSlash(sub))
		if _, err := os.Stat(filepath.Join(d, questionFile("base"))); err == nil {
			return d, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("bfcl: %w", err)
		}
	}
	return "", fmt.Errorf("bfcl: no %s in %s: name the benchmark's checkout or its data folder", questionFile("base"), dir)
}

func questionFile(category string) string { return "BFCL_v4_multi_turn_" + category + ".json" }

// loadCategory reads the questions and gold answers of one category.
func (l *library) loadCategory(category string) ([]ballast.Task, error) {
	questions, err := readLines(filepath.Join(l.root, questionFile(category)))
	if err != nil {
		return nil, err
	}
	answers, err := readLines(filepath.Join(l.root, "possible_answer", questionFile(category)))
	if err != nil {
		return nil, err
	}
	gold := make(map[string]line, len(answers))
	for _, a := range answers {
		gold[a.text("id")] = a
	}
	tasks := make([]ballast.Task, 0, len(questions))
	for _, q := range questions {
		t, err := l.makeTask(category, q, gold[q.text("id")])
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// line is one JSON object of a file and where it stands.
type line struct {
	file   string
	number int
	*value.Dict
}

// fail is an error that names file and line.
func (l line) fail(format string, args ...any) error {
	return fmt.Errorf("bfcl: %s:%d: %w", l.file, l.number, fmt.Errorf(format, args...))
}

// text returns a string field, or "".
func (l line) text(key string) string {
	v, _ := l.Get(key)
	s, _ := v.(string)
	return s
}

// list returns a list field.
func (l line) list(key string) ([]any, error) {
	v, _ := l.Get(key)
	x, ok := v.(*value.List)
	if !ok {
		return nil, l.fail("field %q is missing or no list", key)
	}
	return x.Items, nil
}

// maxFile bounds one file of the benchmark; its largest has 2 MB.
const maxFile = 32 * bounded.MiB

// readLines reads a file of one JSON object a line.
func readLines(path string) ([]line, error) {
	data, err := bounded.ReadFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("bfcl: %w", err)
	}
	var lines []line
	for i, text := range bytes.Split(data, []byte("\n")) {
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		l := line{file: path, number: i + 1}
		v, err := value.ParseJSON(text)
		if err != nil {
			return nil, l.fail("%w", err)
		}
		d, ok := v.(*value.Dict)
		if !ok {
			return nil, l.fail("not a JSON object")
		}
		l.Dict = d
		lines = append(lines, l)
	}
	return lines, nil
}
