package bfcl

import (
	"path/filepath"
	"strconv"
	"strings"

	"ballast"
	"ballast/value"
)

// makeTask builds one task from its line in the question file and its gold
// answer.
func (l *library) makeTask(category string, q, gold line) (ballast.Task, error) {
	t := ballast.Task{ID: q.text("id"), Set: "bfcl", Category: category, Init: make(map[string]any)}
	if gold.Dict == nil {
		return t, q.fail("task %q has no gold answer in possible_answer", t.ID)
	}
	classes, err := q.list("involved_classes")
	if err != nil {
		return t, err
	}
	for _, c := range classes {
		name, _ := c.(string)
		if docFiles[name] == "" {
			return t, q.fail("class %v is unknown", c)
		}
		t.Worlds = append(t.Worlds, name)
	}
	if config, ok := q.Get("initial_config"); ok {
		d, ok := config.(*value.Dict)
		if !ok {
			return t, q.fail("field %q is no object", "initial_config")
		}
		for _, name := range t.Worlds { // some tasks configure other classes, too
			if v, ok := d.Get(name); ok {
				t.Init[name] = v
			}
		}
	}
	if err := addTurns(&t, q, gold); err != nil {
		return t, err
	}
	if err := addReveals(&t, q); err != nil {
		return t, err
	}
	return t, l.addTools(&t)
}

// addTurns reads the user's messages and the gold calls.
func addTurns(t *ballast.Task, q, gold line) error {
	questions, err := q.list("question")
	if err != nil {
		return err
	}
	answers, err := gold.list("ground_truth")
	if err != nil {
		return err
	}
	if len(questions) != len(answers) {
		return q.fail("%d turns, but %d gold answers", len(questions), len(answers))
	}
	for i := range questions {
		var turn ballast.TaskTurn
		messages, ok := questions[i].(*value.List)
		calls, ok2 := answers[i].(*value.List)
		if !ok || !ok2 || len(messages.Items) > 1 {
			return q.fail("turn %d is not a list of at most one message and a list of calls", i)
		}
		if len(messages.Items) == 1 {
			m, _ := messages.Items[0].(*value.Dict)
			if m == nil {
				return q.fail("turn %d: the message is no object", i)
			}
			text, _ := m.Get("content")
			if turn.User, ok = text.(string); !ok {
				return q.fail("turn %d: the message has no content", i)
			}
		}
		for _, c := range calls.Items {
			text, _ := c.(string)
			call, err := value.ParseCall(text)
			if err != nil {
				return gold.fail("turn %d: gold call %q: %w", i, text, err)
			}
			turn.Gold = append(turn.Gold, call)
		}
		t.Turns = append(t.Turns, turn)
	}
	pack(t)
	return nil
}

// pack lays the gold calls of a task side by side in memory. Hundreds of tasks are
// played in turn, and what lies apart has to be fetched each time.
func pack(t *ballast.Task) {
	calls, args := 0, 0
	var text strings.Builder
	each := func(f func(a *ballast.Arg, s string)) {
		for _, turn := range t.Turns {
			for _, c := range turn.Gold {
				for i := range c.Args {
					if s, ok := c.Args[i].Value.(string); ok {
						f(&c.Args[i], s)
					}
				}
			}
		}
	}
	for _, turn := range t.Turns {
		calls += len(turn.Gold)
		for _, c := range turn.Gold {
			args += len(c.Args)
		}
	}
	each(func(_ *ballast.Arg, s string) { text.WriteString(s) })
	allCalls, allArgs, rest := make([]ballast.Call, 0, calls), make([]ballast.Arg, 0, args), text.String()
	for i := range t.Turns {
		first := len(allCalls)
		for _, c := range t.Turns[i].Gold {
			if n := len(allArgs); len(c.Args) > 0 {
				allArgs = append(allArgs, c.Args...)
				c.Args = allArgs[n:len(allArgs):len(allArgs)]
			}
			allCalls = append(allCalls, c)
		}
		if len(allCalls) > first {
			t.Turns[i].Gold = allCalls[first:len(allCalls):len(allCalls)]
		}
	}
	each(func(a *ballast.Arg, s string) { a.Value, rest = rest[:len(s)], rest[len(s):] })
}

// addReveals reads which functions are held back until which turn.
func addReveals(t *ballast.Task, q line) error {
	v, ok := q.Get("missed_function")
	if !ok {
		return nil
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return q.fail("field %q is no object", "missed_function")
	}
	for i := range d.Len() {
		key, names := d.At(i)
		n, err := strconv.Atoi(key.(string))
		list, ok := names.(*value.List)
		if err != nil || n < 0 || n >= len(t.Turns) || !ok {
			return q.fail("missed_function %v is no turn with a list of names", key)
		}
		for _, x := range list.Items {
			name, ok := x.(string)
			if !ok {
				return q.fail("missed_function of turn %d: a name is no string", n)
			}
			t.Turns[n].Reveal = append(t.Turns[n].Reveal, name)
		}
	}
	return nil
}

// library is the documentation of the classes, read once and shared by the tasks.
type library struct {
	root  string
	tools map[string][]documented
}

// documented is a function as prompts show it, with the note on syntax and, for
// tasks that hold it back, without.
type documented struct{ noted, plain ballast.Tool }

// class returns the functions of a class.
func (l *library) class(name string) ([]documented, error) {
	if tools, ok := l.tools[name]; ok {
		return tools, nil
	}
	lines, err := readLines(filepath.Join(l.root, "multi_turn_func_doc", docFiles[name]))
	if err != nil {
		return nil, err
	}
	var tools []documented
	for _, doc := range lines {
		description := doc.text("description")
		if doc.text("name") == "" || description == "" {
			return nil, doc.fail("a function needs a name and a description")
		}
		tools = append(tools, documented{makeTool(doc.Dict, description+syntaxNote), makeTool(doc.Dict, description)})
	}
	l.tools[name] = tools
	return tools, nil
}

// addTools documents the functions of the task's classes. The ones that are held
// back lack the note on syntax, as in the original's prompts.
func (l *library) addTools(t *ballast.Task) error {
	held := make(map[string]bool)
	for _, turn := range t.Turns {
		for _, name := range turn.Reveal {
			held[name] = true
		}
	}
	for _, name := range t.Worlds {
		tools, err := l.class(name)
		if err != nil {
			return err
		}
		for i := range tools {
			if tool := tools[i].noted; !held[tool.Name] {
				t.Tools = append(t.Tools, tool)
			} else {
				t.Tools = append(t.Tools, tools[i].plain)
			}
		}
	}
	return nil
}

// makeTool turns a function's documentation into a tool with that description.
func makeTool(doc *value.Dict, description string) ballast.Tool {
	schema := doc.Copy()
	schema.Set("description", description)
	tool := ballast.Tool{Name: text(doc, "name"), Doc: description, Schema: schema}
	parameters := object(doc, "parameters")
	properties := object(parameters, "properties")
	for i := range properties.Len() {
		key, v := properties.At(i)
		p := ballast.Param{Name: key.(string)}
		if d, ok := v.(*value.Dict); ok {
			p.Type, p.Doc = schemaType(text(d, "type")), text(d, "description")
			p.Enum = texts(d, "enum")
		}
		for _, required := range texts(parameters, "required") {
			p.Required = p.Required || required == p.Name
		}
		tool.Params = append(tool.Params, p)
	}
	return tool
}

// schemaType maps the benchmark's names of types to JSON schema's.
func schemaType(name string) string {
	switch name {
	case "dict":
		return "object"
	case "float":
		return "number"
	case "tuple", "list":
		return "array"
	case "any":
		return "string"
	}
	return name
}

func text(d *value.Dict, key string) string {
	v, _ := d.Get(key)
	s, _ := v.(string)
	return s
}

func object(d *value.Dict, key string) *value.Dict {
	v, _ := d.Get(key)
	if o, ok := v.(*value.Dict); ok {
		return o
	}
	return &value.Dict{}
}

func texts(d *value.Dict, key string) []string {
	v, _ := d.Get(key)
	l, ok := v.(*value.List)
	if !ok {
		return nil
	}
	var out []string
	for _, x := range l.Items {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
