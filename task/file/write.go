package file

import (
	"fmt"
	"io"

	"ballast"
	"ballast/value"
)

// Marshal writes a task as a line of a file, without the line's end: what Read makes the same task of.
// split is a word of Splits, or "" for a file whose lines say none. What a line has no place for (the
// tools, the set, another world or grader) is not written. A value that JSON does not have is an
// error.
func Marshal(t *ballast.Task, split string) ([]byte, error) {
	d := value.NewDict("id", t.ID)
	if split != "" {
		d.Set("split", split)
	}
	if t.Category != "" && t.Category != category {
		d.Set("category", t.Category)
	}
	for _, key := range []string{initTools, initHold} {
		if l, ok := t.Init[key].(*value.List); ok {
			d.Set(key, l)
		}
	}
	turns := &value.List{}
	for i := range t.Turns {
		turns.Items = append(turns.Items, turnDict(&t.Turns[i]))
	}
	d.Set("turns", turns)
	if t.Hint != "" {
		d.Set("hint", t.Hint)
	}
	text, err := value.JSON(d)
	if err == nil {
		_, err = value.ParseExact([]byte(text)) // NaN, and what is no UTF-8
	}
	if err != nil {
		return nil, fmt.Errorf("tasks: %s: %w", t.ID, err)
	}
	return []byte(text), nil
}

func turnDict(t *ballast.TaskTurn) *value.Dict {
	d := &value.Dict{}
	if t.User != "" {
		d.Set("user", t.User)
	}
	if len(t.Gold) > 0 {
		l := &value.List{}
		for _, c := range t.Gold {
			l.Items = append(l.Items, Call(c))
		}
		d.Set("gold", l)
	}
	if t.Reply != "" {
		d.Set("reply", t.Reply)
	}
	if len(t.Reveal) > 0 {
		l := &value.List{}
		for _, name := range t.Reveal {
			l.Items = append(l.Items, name)
		}
		d.Set("reveal", l)
	}
	if t.Want != nil {
		d.Set("expect", t.Want)
	}
	return d
}

// Call is a call as lines have it. Its arguments have names.
func Call(c ballast.Call) *value.Dict {
	d := value.NewDict("name", c.Name)
	if len(c.Args) > 0 {
		args := &value.Dict{}
		for _, a := range c.Args {
			args.Set(a.Name, a.Value)
		}
		d.Set("arguments", args)
	}
	return d
}

// Held lists names as the tools that a task holds back.
func Held(names ...string) map[string]any {
	l := &value.List{}
	for _, n := range names {
		l.Items = append(l.Items, n)
	}
	return map[string]any{initHold: l}
}

// Write writes tasks, a line each. split has the split of each, or is nil for a file whose lines say
// none.
func Write(w io.Writer, tasks []ballast.Task, split []string) error {
	for i := range tasks {
		word := ""
		if split != nil {
			word = split[i]
		}
		line, err := Marshal(&tasks[i], word)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}
