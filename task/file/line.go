package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"ballast"
	"ballast/env/expect"
	"ballast/value"
	"ballast/value/shape"
)

// World is the world that tasks of a file name.
const World = "mcp"

// Keys of Task.Init under which the names stand that a line lists: Bind reads them.
const (
	initTools = "tools"
	initHold  = "hold"
)

// visible is a name without control characters.
const visible = "^[^\x00-\x1f\x7f]+$"

var (
	text  = shape.Shape{Kind: shape.Text, Least: 1}
	names = func(doc string) *shape.Shape {
		return &shape.Shape{Kind: shape.List, Least: 1, Unique: true, Items: &text, Doc: doc}
	}
)

// Line is the shape of a line.
var Line = shape.Shape{Kind: shape.Object, Doc: "A task, one a line.", Fields: []shape.Field{
	{Key: "id", Must: true, Of: &shape.Shape{Kind: shape.Text, Pattern: visible, Reads: "text without control characters",
		Doc: "The task's name, one of its own."}},
	{Key: "split", Of: &shape.Shape{Kind: shape.Text, Words: Splits,
		Doc: "What the task is for. Where no line has one, a hash of the id deals them: one in five is for tests."}},
	{Key: "category", Of: &shape.Shape{Kind: shape.Text, Pattern: visible, Reads: "text without control characters",
		Doc: "A kind of task, by which results are counted; absent: " + category + "."}},
	{Key: "tools", Of: names("The tools that are shown at the start, by name; absent: all of the server's but those of hold.")},
	{Key: "hold", Of: names("Tools that are held back, by name: until a turn reveals them, or for good.")},
	{Key: "turns", Must: true, Of: &shape.Shape{Kind: shape.List, Least: 1, Items: &turn, Doc: "What the user says, in order."}},
	{Key: "hint", Of: &shape.Shape{Kind: shape.Text, Least: 1, Doc: "A hint, for methods that give some."}},
}}

// category is that of a line without one.
const category = "base"

var turn = shape.Shape{Kind: shape.Object, Some: []string{"user", "reveal"}, Fields: []shape.Field{
	{Key: "user", Of: &shape.Shape{Kind: shape.Text, Least: 1, Doc: "The user's message; absent in a turn that only reveals tools."}},
	{Key: "gold", Of: &shape.Shape{Kind: shape.List, Items: &expect.Call,
		Doc: "The right calls, in order; absent: none. Demonstrations make them, and the check of a task plays them."}},
	{Key: "reply", Of: &shape.Shape{Kind: shape.Text, Least: 1, Doc: "The right reply behind the calls; absent: Done."}},
	{Key: "reveal", Of: names("Tools of hold that are shown from this turn on.")},
	{Key: "expect", Of: &expected},
}}

var expected = func() shape.Shape {
	s := expect.Shape
	s.Doc = "What the turn must come to, all of it; absent: the gold calls in any order, and no others but of tools that only read."
	return s
}()

// Schema is the JSON Schema (draft 2020-12) of a line, for editors.
func Schema() []byte {
	d := value.NewDict("$schema", shape.Draft, "title", "A task of ballast")
	d.Merge(Line.Schema())
	text, err := value.JSON(d)
	if err != nil {
		panic(err) // a schema is texts, numbers and lists of them
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		panic(err)
	}
	return append(b.Bytes(), '\n')
}

// task reads the value of a line.
func (r *reader) task(v any, number int) {
	d, ok := v.(*value.Dict)
	if !ok {
		r.say("", "the line is %s; write an object", shape.KindOf(v))
		return
	}
	faults := Line.Check(v)
	for _, f := range faults {
		r.say(f.Path, "%s", f.Text)
	}
	if id, ok := d.Member("id").(string); ok {
		if before, twice := r.ids[id]; twice {
			r.say("id", "is %q, as in line %d; give each task one of its own", id, before)
		} else {
			r.ids[id] = number
		}
	}
	split, own := d.GetString("split")
	if i := map[bool]int{true: 0, false: 1}[own]; r.first[i] == 0 {
		r.first[i] = number
	}
	if len(faults) > 0 {
		return
	}
	t := ballast.Task{ID: d.Member("id").(string), Set: r.set, Source: r.at, Category: category, World: World, Grader: expect.Name}
	if s, ok := d.Member("category").(string); ok {
		t.Category = s
	}
	t.Hint = d.Text("hint")
	for _, key := range []string{initTools, initHold} {
		if l := d.Member(key); l != nil {
			if t.Init == nil {
				t.Init = map[string]any{}
			}
			t.Init[key] = l
		}
	}
	for _, x := range d.Array("turns") {
		t.Turns = append(t.Turns, turnOf(x.(*value.Dict)))
	}
	r.consistent(&t)
	word, _ := split.(string)
	r.file.Tasks, r.file.Split = append(r.file.Tasks, t), append(r.file.Split, word)
}

func turnOf(d *value.Dict) ballast.TaskTurn {
	t := ballast.TaskTurn{Want: d.Member("expect"), Reveal: texts(d.Array("reveal"))}
	t.User = d.Text("user")
	t.Reply = d.Text("reply")
	for _, c := range d.Array("gold") {
		t.Gold = append(t.Gold, expect.ReadCall(c.(*value.Dict)))
	}
	return t
}

func texts(items []any) (out []string) {
	for _, x := range items {
		out = append(out, x.(string))
	}
	return out
}

// Listed are the names of the tools that a task of a file shows at the start, nil where its line does not say, and of those that it
// holds back.
func Listed(t *ballast.Task) (tools, hold []string) {
	tools, _ = listed(t, initTools)
	hold, _ = listed(t, initHold)
	return tools, hold
}

// listed are the names that a task's line lists under a key of Init; false where it does not.
func listed(t *ballast.Task, key string) ([]string, bool) {
	l, ok := t.Init[key].(*value.List)
	if !ok {
		return nil, false
	}
	return texts(l.Items), true
}

// consistent looks for what a schema cannot say of a line.
func (r *reader) consistent(t *ballast.Task) {
	tools, some := listed(t, initTools)
	held, _ := listed(t, initHold)
	for i, name := range held {
		if slices.Contains(tools, name) {
			r.say(shape.Index("hold", i), "is %q, which tools lists, too; take it out of one of both", name)
		}
	}
	shown := map[string]bool{}
	for i := range t.Turns {
		turn, at := &t.Turns[i], shape.Index("turns", i)
		for j, name := range turn.Reveal {
			switch key := shape.Index(shape.Key(at, "reveal"), j); {
			case !slices.Contains(held, name):
				r.say(key, "is %q, which is not held back; write it into hold", name)
			case shown[name]:
				r.say(key, "is %q, which an earlier turn reveals; take it out", name)
			}
			shown[name] = true
		}
		for j, c := range turn.Gold {
			switch key := shape.Index(shape.Key(at, "gold"), j) + ".name"; {
			case slices.Contains(held, c.Name) && !shown[c.Name]:
				r.say(key, "is %q, which is held back in this turn; reveal it first, or take the call out", c.Name)
			case some && !slices.Contains(tools, c.Name) && !slices.Contains(held, c.Name):
				r.say(key, "is %q, which neither tools nor hold lists; write it there", c.Name)
			}
		}
		r.expectation(turn, at)
	}
}

// expectation looks at what a turn expects, and whether its own gold fits.
func (r *reader) expectation(turn *ballast.TaskTurn, at string) {
	want, faults := expect.Parse(turn.Want, turn.Gold)
	key := shape.Key(at, "expect")
	for _, f := range faults {
		r.say(key+"."+f.Path, "%s", f.Text)
	}
	if len(faults) > 0 {
		return
	}
	if want.Results != nil && len(turn.Gold) == 0 {
		r.say(shape.Key(key, expect.PartResults), "asks for results, and gold makes no call; write gold")
	}
	if want.Reply == nil {
		return
	}
	if turn.Reply == "" {
		r.say(shape.Key(at, "reply"), "is missing, and expect.reply asks for one; write the right reply")
	} else if where := want.Reply.Differs(turn.Reply); where != "" {
		r.say(shape.Key(key, expect.PartReply), "refuses the turn's own reply: %s; mend one of both", where)
	}
}

// twice finds a key that an object of a line has twice.
func twice(line []byte) (path string, found bool) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	path, err := repeated(dec, "", 0)
	return path, errors.Is(err, errTwice)
}

// errTwice ends the walk at a key that stands twice, errDeep where it would go too deep.
var errTwice, errDeep = errors.New("a key stands twice"), errors.New("nested too deeply")

// repeated walks one value. Any error ends the walk, and the path is that of the key.
func repeated(dec *json.Decoder, path string, depth int) (string, error) {
	tok, err := dec.Token()
	switch {
	case err != nil:
		return "", err
	case depth > value.MaxDepth:
		return "", errDeep
	}
	switch tok {
	case json.Delim('{'):
		seen := map[string]bool{}
		for dec.More() {
			tok, err := dec.Token()
			if err != nil {
				return "", err
			}
			key := tok.(string) // the decoder takes no other key
			at := shape.Key(path, key)
			if seen[key] {
				return at, errTwice
			}
			seen[key] = true
			if p, err := repeated(dec, at, depth+1); err != nil {
				return p, err
			}
		}
	case json.Delim('['):
		for i := 0; dec.More(); i++ {
			if p, err := repeated(dec, shape.Index(path, i), depth+1); err != nil {
				return p, err
			}
		}
	default:
		return "", nil
	}
	_, err = dec.Token() // the closing bracket
	return "", err
}
