package bfcl

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ballast"
	"ballast/value"
	"ballast/world"
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
		t.APIs = append(t.APIs, name)
	}
	if config, ok := q.Get("initial_config"); ok {
		d, ok := config.(*value.Dict)
		if !ok {
			return t, q.fail("field %q is no object", "initial_config")
		}
		for _, name := range t.APIs { // some tasks configure other classes, too
			if v, ok := d.Get(name); ok {
				t.Init[name] = l.share(v)
			}
		}
	}
	if err := l.addTurns(&t, q, gold); err != nil {
		return t, err
	}
	if err := addReveals(&t, q); err != nil {
		return t, err
	}
	if category == longContext {
		t.Variant = world.LongContext
	}
	for i := range t.Turns {
		if len(t.Turns[i].Gold) == 0 {
			t.Turns[i].Reply = cannot[category]
		}
	}
	return t, l.addTools(&t)
}

// cannot is what gold replies in a turn in which it cannot act yet (the paper's sentences).
var cannot = map[string]string{
	"miss_func":  "I am sorry, but I cannot provide a valid tool call as the required function is not available.",
	"miss_param": "I am sorry, but I cannot provide a valid tool call as the required parameters are missing.",
}

// share returns the first configuration that equals this one. The categories have
// most in common, and what is in memory once is fetched once; nobody changes them.
func (l *library) share(config any) any {
	text, err := value.JSON(config)
	if err != nil {
		return config
	}
	if first, ok := l.configs[text]; ok {
		return first
	}
	l.configs[text] = config
	return config
}

// addTurns reads the user's messages and the gold calls.
func (l *library) addTurns(t *ballast.Task, q, gold line) error {
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
	var all strings.Builder // gold
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
			all.WriteString(text + "\n")
		}
		t.Turns = append(t.Turns, turn)
	}
	l.pack(t, all.String())
	return nil
}

// pack lays the gold calls of a task side by side in memory, and those of tasks with
// the same calls, whose text is given, in the same place. Hundreds of tasks are played
// in turn, and what lies apart has to be fetched each time.
func (l *library) pack(t *ballast.Task, text string) {
	calls, packed := l.gold[text]
	if !packed {
		args := 0
		for _, turn := range t.Turns {
			calls = append(calls, turn.Gold...)
		}
		calls = slices.Clip(calls)
		for _, c := range calls {
			args += len(c.Args)
		}
		all := make([]ballast.Arg, 0, args)
		for i := range calls {
			if c, n := &calls[i], len(all); len(c.Args) > 0 {
				all = append(all, c.Args...)
				c.Args = all[n:len(all):len(all)]
			}
		}
		l.gold[text] = calls
	}
	for i := range t.Turns {
		if n := len(t.Turns[i].Gold); n > 0 {
			t.Turns[i].Gold, calls = calls[:n:n], calls[n:]
		}
	}
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

// library is what tasks share: the documentation of the classes, read once,
// configurations by their JSON, and gold calls by their text.
type library struct {
	root    string
	tools   map[string][]documented
	configs map[string]any
	gold    map[string][]ballast.Call
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
	for _, name := range t.APIs {
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
