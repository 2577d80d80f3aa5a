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

// IsSet says that a name is that of one of the two sets. A file of tasks may begin as they do.
func IsSet(name string) bool { return name == Set || name == SetOwn }

// formats are the formats of package chat/format in which replies are read for the record. Verdicts do
// not depend on it: they are of the reply's text.
var formats = map[string]string{ace.Tool: "hermes", ace.AST: "pythonic"}

// Options says which tasks to load.
type Options struct {
	Format     string   // of ace.Formats
	Categories []string // empty means all
}

// Load makes tasks of the items below dir. The prompt of each is the benchmark's own. Of the categories that one reply
// decides, that is judged and nothing runs; the others are dialogues in simulators.
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
		categories = ace.Categories
	}
	var tasks []ballast.Task
	for _, category := range categories {
		items, err := readCategory(root, category)
		if err != nil {
			return nil, err
		}
		for i := range items {
			t, err := task(set, o.Format, &items[i])
			if err != nil {
				return nil, fmt.Errorf("acebench: %s: %w", fileOf(category), err)
			}
			tasks = append(tasks, t)
		}
	}
	return tasks, nil
}

// task makes a task of an item.
func task(set, format string, it *ace.Item) (t ballast.Task, err error) {
	t = ballast.Task{ID: it.ID, Set: set, Category: it.Category, Format: formats[format]}
	for _, f := range it.Functions {
		t.Tools = append(t.Tools, ballast.Tool{Name: f.Name, Doc: f.Doc.Text("description"), Schema: f.Doc})
	}
	if ace.Agent(it.Category) {
		return t, ace.AgentTask(&t, it, format)
	}
	t.World, t.Grader, t.Prompt = env.None, ace.Name, ace.Messages(it, format, "")
	t.Turns = []ballast.TaskTurn{{User: it.Question, Gold: ace.GoldCalls(it), Reply: ace.GoldReply(it, format), Want: ace.Want(it, format)}}
	return t, nil
}
