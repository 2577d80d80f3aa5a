// Package imports reads files of dialogues that other projects wrote.
//
// Contract: a row becomes a dialogue whose calls, results and tools are values, so that
// it can be rendered in any template and format. Each field of a row is understood, or
// the row is left out, counted, and named with reason, place and key. Nothing is
// guessed, renamed or filled in; docs/dialogues.md has the shapes and the reasons.
//
// A shape is one file here, one line in Shapes and one row in docs/dialogues.md. What
// does not depend on a model is checked here: the order of messages, calls and their
// results, the tools that calls name. What does, a place for thoughts and the syntax of
// calls, is checked where a dialogue is rendered (supervise.Dialogue.Episode).
//
// How it fails: a row is left out with a *Fault. A file is an error where it cannot be
// read to its end, and where no row of it can be used.
package imports

import (
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/supervise"
	"ballast/value"
	jsonschema "ballast/value/schema"
)

// Shape is a way in which files write dialogues.
type Shape struct {
	Name, Doc string
	is        func(o *object) bool // by the keys of a row
	read      func(r *reader, o *object) error
}

// Shapes is the table of shapes. A row has the first one that it fits.
var Shapes = []Shape{
	{"xlam", "query, tools, answers: one question and its calls", isXLAM, (*reader).xlam},
	{"glaive", "system and chat as text, with <functioncall> and FUNCTION RESPONSE", isGlaive, (*reader).glaive},
	{"trl", "prompt and completion, each text or messages: only the completion is trained", isTRL, (*reader).trl},
	{"anthropic", "messages of content blocks: tool_use, tool_result, thinking", isAnthropic, (*reader).anthropic},
	{"toolace", "conversations, the tools a list in the system text, calls in Python's syntax", isToolACE, (*reader).toolACE},
	{"hermes", "conversations with <tools>, <tool_call> and <tool_response> in the texts", isHermes, (*reader).hermes},
	{"sharegpt", "conversations of from and value, with function_call and observation", isShareGPT, (*reader).shareGPT},
	{"openai", "messages of role and content, with tool_calls", isOpenAI, (*reader).openAI},
}

// read makes a row a dialogue. passed are the keys that carry no words and were not
// read. table says that the row comes from a table, in which a null is an absent key. lent
// are the tools of a row that documents none.
func read(row any, table bool, lent []ballast.Tool) (d supervise.Dialogue, passed []string, err error) {
	o, err := asObject(row, "")
	if err != nil {
		return d, nil, err
	}
	i := slices.IndexFunc(Shapes, func(s Shape) bool { return s.is(o) })
	if i < 0 {
		return d, nil, &fault{reasonShape, "", "it has " + strings.Join(o.keys(), ", ")}
	}
	r := &reader{table: table, lent: lent}
	if err := Shapes[i].read(r, o); err != nil {
		return d, nil, err
	}
	r.echo(o)
	if err := r.only(o); err != nil {
		return d, nil, err
	}
	err = r.end()
	return r.Dialogue, r.passed, err
}

// reader is a dialogue in the making.
type reader struct {
	supervise.Dialogue
	table   bool           // rows come from a table
	lent    []ballast.Tool // the tools of a row that documents none
	lends   bool           // the row has those
	context bool           // replies are seen, and not trained on
	names   map[string]bool
	ids     []string // of the calls of the newest reply
	results []result // of these calls, so far
	passed  []string // keys that nobody read
}

// result is what a tool answered.
type result struct{ text, id, name, at string }

// last is the newest message, nil if there is none.
func (r *reader) last() *supervise.Message {
	if len(r.Messages) == 0 {
		return nil
	}
	return &r.Messages[len(r.Messages)-1]
}

// systemText takes the text of the system message.
func (r *reader) systemText(text, at string) error {
	switch {
	case len(r.Messages) > 0 || len(r.results) > 0:
		return &fault{reasonSystemInside, at, ""}
	case r.System != nil:
		return &fault{reasonTwoSystems, at, ""}
	}
	r.System = &text
	return nil
}

// user takes what the user said.
func (r *reader) user(text, at string) error {
	if strings.TrimSpace(text) == "" {
		return &fault{reasonEmpty, at, ""}
	}
	if err := r.settle(at); err != nil {
		return err
	}
	if m := r.last(); m != nil && m.Role != supervise.Assistant {
		return &fault{reasonOrder, at, fmt.Sprintf("user after %s", m.Role)}
	}
	r.Messages = append(r.Messages, supervise.Message{Role: supervise.User, Text: text, At: at})
	return nil
}

// reply takes a reply of the assistant; ids are those of its calls, empty where they
// have none.
func (r *reader) reply(m supervise.Message, ids []string) error {
	if len(m.Calls) == 0 && strings.TrimSpace(m.Text) == "" {
		return &fault{reasonEmpty, m.At, ""}
	}
	if err := r.settle(m.At); err != nil {
		return err
	}
	last := r.last()
	if last == nil || last.Role == supervise.Assistant {
		what := "at the start"
		if last != nil {
			what = "after another"
		}
		return &fault{reasonOrder, m.At, "a reply " + what}
	}
	if err := r.known(&m); err != nil {
		return err
	}
	m.Role, m.Context = supervise.Assistant, r.context
	for len(ids) < len(m.Calls) {
		ids = append(ids, "")
	}
	r.Messages, r.ids = append(r.Messages, m), ids
	return nil
}

// known says whether the tools that a reply calls are documented.
func (r *reader) known(m *supervise.Message) error {
	if len(m.Calls) > 0 {
		r.borrow()
	}
	for i, c := range m.Calls {
		switch {
		case len(r.Tools) == 0:
			return &fault{reasonNoTools, m.At, c.Name}
		case !r.names[c.Name]:
			return &fault{reasonUnknownTool, m.At, c.Name}
		}
		if why := r.unfit(c); why != "" {
			if len(m.Calls) > 1 {
				why = fmt.Sprintf("call %d, %s", i+1, why)
			}
			return &fault{reasonFit, m.At, why}
		}
	}
	return nil
}

// unfit says which argument of a call a tool that is lent does not take, or misses; "" for none.
// Tools that a row documents itself are often sloppy, and what is not trained may be wrong.
func (r *reader) unfit(c ballast.Call) string {
	if !r.lends || r.context {
		return ""
	}
	named, err := tooldoc.Named(c, r.Tools)
	if err != nil {
		return err.Error()
	}
	args := &value.Dict{}
	for _, a := range named.Args {
		args.Set(a.Name, a.Value)
	}
	schema := r.parameters(c.Name)
	if schema == nil {
		schema = &value.Dict{} // a function without parameters takes no arguments
	}
	if faults := jsonschema.Arguments(c.Name, args, schema, c.Name); len(faults) > 0 {
		return faults[0].Path + " " + faults[0].Text
	}
	return ""
}

// borrow gives a row that documents no tools those that are lent.
func (r *reader) borrow() {
	if len(r.Tools) > 0 || len(r.lent) == 0 {
		return
	}
	r.Tools, r.names, r.lends = r.lent, map[string]bool{}, true
	for _, t := range r.lent {
		r.names[t.Name] = true
	}
}

// answer takes the result of a call.
func (r *reader) answer(x result) error {
	if m := r.last(); m == nil || m.Role != supervise.Assistant || len(m.Calls) == 0 {
		return &fault{reasonStrayResult, x.at, ""}
	}
	r.results = append(r.results, x)
	return nil
}

// settle matches the results so far with the calls of the newest reply, in whose order
// they are shown. at is the message that comes next.
func (r *reader) settle(at string) error {
	m := r.last()
	if m == nil || m.Role != supervise.Assistant || len(m.Calls) == 0 {
		return nil
	}
	if len(r.results) != len(m.Calls) {
		return &fault{reasonResults, at, fmt.Sprintf("before it: calls %d, results %d", len(m.Calls), len(r.results))}
	}
	place := map[string]int{}
	for i, id := range r.ids {
		if _, twice := place[id]; twice && id != "" {
			return &fault{reasonIDs, m.At, fmt.Sprintf("two calls have the id %s", id)}
		}
		place[id] = i
	}
	_, nameless := place[""]
	byID := r.results[0].id != "" && !nameless // and else in the order of the calls
	if r.results[0].id != "" && nameless && len(r.ids) > 1 {
		return &fault{reasonIDs, r.results[0].at, "results have ids and not all calls do"}
	}
	texts, taken := make([]string, len(m.Calls)), make([]bool, len(m.Calls))
	for i, x := range r.results {
		if (x.id == "") != (r.results[0].id == "") {
			return &fault{reasonIDs, x.at, "some results have ids and some have none"}
		}
		if k, ok := place[x.id]; byID {
			if i = k; !ok {
				return &fault{reasonIDs, x.at, fmt.Sprintf("no call has the id %s", x.id)}
			}
		}
		if taken[i] {
			return &fault{reasonIDs, x.at, fmt.Sprintf("two results have the id %s", x.id)}
		}
		if x.name != "" && x.name != m.Calls[i].Name {
			return &fault{reasonIDs, x.at, fmt.Sprintf("a result of %s for a call of %s", x.name, m.Calls[i].Name)}
		}
		texts[i], taken[i] = x.text, true
	}
	r.Messages = append(r.Messages, supervise.Message{Role: supervise.Tool, Results: texts, At: r.results[0].at})
	r.results = nil
	return nil
}

// end closes a dialogue and checks that it teaches something.
func (r *reader) end() error {
	if len(r.results) > 0 {
		if err := r.settle(r.results[len(r.results)-1].at); err != nil {
			return err
		}
	}
	r.borrow()
	if !slices.ContainsFunc(r.Messages, func(m supervise.Message) bool { return m.Role == supervise.Assistant && !m.Context }) {
		return &fault{reasonNothing, "", ""}
	}
	return nil
}

// callOf is a call with the members of an object as arguments.
func callOf(name string, d *value.Dict) ballast.Call {
	c := ballast.Call{Name: name}
	for i := range d.Len() {
		k, v := d.At(i)
		key, _ := k.(string)
		c.Args = append(c.Args, ballast.Arg{Name: key, Value: v})
	}
	return c
}
