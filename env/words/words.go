// Package words asks for a task in other words. Tools and their parameters stand under other names, or their
// documentation has other words, or both. The words come from tables, and no model writes any.
//
// Contract: what a policy reads of a task changes, and what it plays does not. The task's world, grader and user are given
// the task as it was, and calls under its own names (Back). So the same calls leave the same states, and earn the same
// verdicts. The draw is of the seed, the task and the word: the same task always has the same words, and a
// word has one replacement in a task. A replacement is no function of the task's world, no other name of
// the task, and no word that its tools have already: that one keeps its meaning. What stays: values of arguments, fields inside
// of objects, and what a tool answers where it has not failed.
//
// How it fails: a task that brings its own prompt, or no tools, is an error. A name without a word in the tables gets a
// word before it.
package words

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/env/sim"
	"ballast/value"
)

// Kind is a way to change the words of tasks.
type Kind struct {
	Name, Doc   string
	names, docs bool
}

// All is the table of the ways.
var All = []Kind{
	{Name: "renamed", Doc: "tools and parameters have other names", names: true},
	{Name: "reworded", Doc: "the documentation has other words", docs: true},
	{Name: "both", Doc: "other names and other words", names: true, docs: true},
}

// None is the name of no other words: a task's own, also where a recipe says others.
const None = "own"

// Choices are what a setting may say: None, and the ways.
func Choices() []string { return append([]string{None}, Names()...) }

// Same says whether two choices are one: "" is None.
func Same(a, b string) bool { return cmp.Or(a, None) == cmp.Or(b, None) }

// Names lists the ways.
func Names() (out []string) {
	for _, k := range All {
		out = append(out, k.Name)
	}
	return out
}

// ByName returns the way of that name.
func ByName(name string) (Kind, error) {
	i := slices.IndexFunc(All, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, fmt.Errorf("words: no way to change words is named %q; there are %s", name, strings.Join(Choices(), ", "))
	}
	return All[i], nil
}

// Apply asks for tasks in other words, in place. Their tools are known by now. None and "" change nothing.
func Apply(tasks []ballast.Task, kind string, seed uint64) error {
	if kind == "" || kind == None {
		return nil
	}
	k, err := ByName(kind)
	if err != nil {
		return err
	}
	for i := range tasks {
		if tasks[i], err = k.task(&tasks[i], seed); err != nil {
			return fmt.Errorf("words: task %s: %w", tasks[i].ID, err)
		}
	}
	return nil
}

// task is a task in other words.
func (k Kind) task(t *ballast.Task, seed uint64) (ballast.Task, error) {
	switch {
	case t.Words != nil:
		return *t, errors.New("it has other words already")
	case t.Prompt != nil || t.Format != "":
		return *t, errors.New("it brings its own prompt, whose words are its benchmark's; leave tasks.words out")
	}
	own := *t
	functions, err := functions(&own)
	if err != nil {
		return *t, err
	}
	if own.Tools == nil {
		own.Tools = functions
	}
	if len(own.Tools) == 0 {
		return *t, errors.New("it documents no tools, so that there are no words to change")
	}
	d := draw{salt: fmt.Sprintf("%d\x00%s\x00", seed, t.ID), own: speech(functions, own.Tools), has: map[string]bool{}}
	w := &ballast.Words{Own: &own, Tools: map[string]string{}, Params: map[string]map[string]string{}}
	if k.names {
		rename(w, d, functions)
	}
	out := own
	out.Words = w
	m := mapped{words: w, values: values(&own)}
	out.Tools = make([]ballast.Tool, len(own.Tools))
	for i := range own.Tools {
		out.Tools[i] = k.tool(&own.Tools[i], d, m)
	}
	out.Hint = m.text(own.Hint, nil, inHint)
	out.Turns = slices.Clone(own.Turns)
	for i := range out.Turns {
		turn := &out.Turns[i]
		turn.User, turn.Reply = m.text(turn.User, nil, inTalk), m.text(turn.Reply, nil, inTalk)
		turn.Gold = slices.Clone(turn.Gold)
		for k := range turn.Gold {
			turn.Gold[k] = named(w, turn.Gold[k], turn.Gold[k].Name)
		}
		turn.Reveal = slices.Clone(turn.Reveal)
		for k, name := range turn.Reveal {
			turn.Reveal[k] = other(w.Tools, name)
		}
	}
	return out, nil
}

// functions are those of the task's world as far as they can be known, documented or not.
func functions(t *ballast.Task) ([]ballast.Tool, error) {
	if len(t.APIs) == 0 {
		return t.Tools, nil
	}
	p, err := sim.Prepare(t)
	if err != nil {
		return nil, err
	}
	return p.Tools(context.Background(), t)
}

// values are the texts that gold's calls have as values.
func values(t *ballast.Task) (out []string) {
	for _, turn := range t.Turns {
		for _, c := range turn.Gold {
			for _, a := range c.Args {
				out = texts(out, a.Value)
			}
		}
	}
	return out
}

// texts adds the texts of a value.
func texts(out []string, v any) []string {
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case *value.List:
		for _, x := range v.Items {
			out = texts(out, x)
		}
	case *value.Dict:
		for i := range v.Len() {
			k, x := v.At(i)
			out = texts(texts(out, k), x)
		}
	}
	return out
}

// draw chooses for the words of one task.
type draw struct {
	salt string
	own  string          // what its tools say, as stems
	has  map[string]bool // whether own has a replacement
}

// of chooses among alternatives of a word, "" where none is left; try counts from 0 where one was taken. What the task's tools
// say already is no alternative: a word would then stand for two things, as where a price becomes a cost, and there are costs.
func (d draw) of(word string, among []string, try int) string {
	var free []string
	for _, s := range among {
		if !d.said(s) {
			free = append(free, s)
		}
	}
	if len(free) == 0 {
		return ""
	}
	h := fnv.New64a()
	h.Write([]byte(d.salt + word))
	return free[(h.Sum64()>>16+uint64(try))%uint64(len(free))]
}

// said says that the task's tools have these words, one behind the other.
func (d draw) said(words string) bool {
	has, known := d.has[words]
	if !known {
		has = strings.Contains(d.own, stems(words))
		d.has[words] = has
	}
	return has
}

// speech is all that tools say, their names and their documentation, as stems.
func speech(lists ...[]ballast.Tool) string {
	var b strings.Builder
	say := func(text string) string {
		b.WriteString(stems(text) + "|")
		return text
	}
	for _, list := range lists {
		for i := range list {
			t := &list[i]
			say(t.Name)
			say(t.Doc)
			for _, p := range params(t) {
				say(p)
			}
			for _, p := range t.Params {
				say(p.Doc)
			}
			described(t.Schema, say)
		}
	}
	return b.String()
}

// stems are the words of a text or a name, in small letters and without the s of a plural, each between blanks.
func stems(text string) string {
	b := []byte{' '}
	for text != "" {
		word, separator := split(text)
		text = text[len(word)+len(separator):]
		if word != "" {
			b = append(b, strings.TrimSuffix(strings.ToLower(word), "s")...)
			b = append(b, ' ')
		}
	}
	return string(b)
}

// tool is the documentation of a tool in other words.
func (k Kind) tool(t *ballast.Tool, d draw, m mapped) ballast.Tool {
	out := *t
	say := func(text string) string {
		text = m.text(text, t, inDocs)
		if k.docs {
			text = reword(text, d)
		}
		return text
	}
	names := m.words.Params[t.Name]
	out.Name, out.Doc = other(m.words.Tools, t.Name), say(t.Doc)
	out.Params = slices.Clone(t.Params)
	for i := range out.Params {
		p := &out.Params[i]
		p.Name, p.Doc = other(names, p.Name), say(p.Doc)
	}
	if t.Schema == nil {
		return out
	}
	schema, _ := described(t.Schema, say).(*value.Dict)
	if schema == nil { // it is no object, and shows nothing
		return out
	}
	function := schema
	if inner := schema.Object("function"); inner != nil {
		function = inner
	}
	function.Set("name", out.Name)
	if parameters := function.Object("parameters"); parameters != nil {
		if p := parameters.Object("properties"); p != nil {
			renamed := value.MakeDict(p.Len())
			for i := range p.Len() {
				key, v := p.At(i)
				name, _ := key.(string)
				renamed.Set(other(names, name), v)
			}
			parameters.Set("properties", renamed)
		}
		if l, ok := parameters.Member("required").(*value.List); ok {
			for i, x := range l.Items {
				if name, ok := x.(string); ok {
					l.Items[i] = other(names, name)
				}
			}
		}
	}
	out.Schema = schema
	return out
}

// described is a copy of a schema with what say makes of its descriptions.
func described(v any, say func(string) string) any {
	switch v := v.(type) {
	case *value.List:
		out := value.MakeList(len(v.Items))
		for _, x := range v.Items {
			out.Items = append(out.Items, described(x, say))
		}
		return out
	case *value.Dict:
		out := value.MakeDict(v.Len())
		for i := range v.Len() {
			key, x := v.At(i)
			if text, ok := x.(string); ok && key == "description" {
				x = say(text)
			} else {
				x = described(x, say)
			}
			out.Set(key, x)
		}
		return out
	}
	return v
}

// params are the names of a tool's parameters: those that its documentation shows, and those that it has.
func params(t *ballast.Tool) (out []string) {
	shown := tooldoc.Params(ballast.Tool{Name: t.Name, Schema: t.Schema, Params: nil})
	for _, p := range append(shown, t.Params...) {
		if !slices.Contains(out, p.Name) {
			out = append(out, p.Name)
		}
	}
	return out
}

// other is what a name is replaced by: the name itself where nothing is.
func other(names map[string]string, name string) string {
	if s, ok := names[name]; ok {
		return s
	}
	return name
}
