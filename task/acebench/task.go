package acebench

import (
	"fmt"

	"ballast"
	"ballast/env"
	ace "ballast/env/acebench"
)

// The names of the sets: the items in the format of the paper's training, and in the benchmark's own.
const (
	Set    = "acebench"
	SetOwn = "acebench-own"
)

// formats are the formats of package chat/format in which replies are read for the record. Verdicts do
// not depend on it: they are of the reply's text.
var formats = map[string]string{ace.Tool: "hermes", ace.AST: "pythonic"}

// Options says which tasks to load.
type Options struct {
	Format     string   // of ace.Formats
	Categories []string // empty means ace.Single
}

// Load makes tasks of the items below dir. The prompt of each is the benchmark's own. Its one reply is judged, and
// nothing runs.
func Load(dir string, o Options) ([]ballast.Task, error) {
	set, known := map[string]string{ace.Tool: Set, ace.AST: SetOwn}[o.Format]
	if !known {
		return nil, fmt.Errorf("acebench: no format is named %q; there are %v", o.Format, ace.Formats)
	}
	root, err := locate(dir)
	if err != nil {
		return nil, err
	}
	categories := o.Categories
	if len(categories) == 0 {
		categories = ace.Single
	}
	var tasks []ballast.Task
	for _, category := range categories {
		if ace.Agent(category) {
			return nil, fmt.Errorf("acebench: category %s is played in simulators over many replies, which the set does not do; choose among %v",
				category, ace.Single)
		}
		items, err := readCategory(root, category)
		if err != nil {
			return nil, err
		}
		for i := range items {
			tasks = append(tasks, task(set, o.Format, &items[i]))
		}
	}
	return tasks, nil
}

// task makes a task of an item.
func task(set, format string, it *ace.Item) ballast.Task {
	t := ballast.Task{ID: it.ID, Set: set, Category: it.Category, World: env.None, Grader: ace.Name, Format: formats[format],
		Prompt: ace.Messages(it, format, ""),
		Turns:  []ballast.TaskTurn{{User: it.Question, Gold: ace.GoldCalls(it), Reply: ace.GoldReply(it, format), Want: ace.Want(it, format)}}}
	for _, f := range it.Functions {
		t.Tools = append(t.Tools, ballast.Tool{Name: f.Name, Doc: f.Doc.Text("description"), Schema: f.Doc})
	}
	return t
}
