package desk

import (
	"fmt"
	"slices"

	"ballast/value"
)

// notes is a board of titled notes with one tag each. It belongs to the
// out-of-distribution worlds: no training task uses it. Configuration: title to
// text and tag.
//
//	{"notes": {"math exam": ["bring food", "work"]}}
var notes = newAPI("notes", func() *notesState { return &notesState{} },
	fn[*notesState]{tool("jot(title, text)", "make a note"), (*notesState).jot},
	fn[*notesState]{tool("open(title)", "text of a note"), with(aNote, (*notesState).open)},
	fn[*notesState]{tool("tag(title, tag)", "set the tag of a note"), with(aNote, (*notesState).tag)},
	fn[*notesState]{tool("tagged(tag)", "titles of the notes with a tag"), (*notesState).tagged},
	fn[*notesState]{tool("pin(title)", "pin a note"), with(aNote, (*notesState).pin)},
	fn[*notesState]{tool("erase(title)", "erase a note"), remove(aNote)},
	fn[*notesState]{tool("append(title, text)", "add to the text of a note"), with(aNote, (*notesState).append)},
	fn[*notesState]{tool("count(tag)", "number of the notes with a tag"), (*notesState).count},
)

type note struct {
	title, text, tag string
	pinned           bool
}

func (n note) key() string { return n.title }

type notesState struct{ notes table[note] }

// What the first argument of a call names.
var aNote = set[*notesState, note]{"note", func(s *notesState) *table[note] { return &s.notes }}

func (s *notesState) load(c *value.Dict) error {
	return each(c, "notes", func(title string, v any) error {
		fields, err := texts(v)
		if err != nil || len(fields) != 2 {
			return fmt.Errorf("want a list of text and tag")
		}
		s.notes.add(note{title: title, text: fields[0], tag: fields[1]})
		return nil
	})
}

func (s *notesState) twin() *notesState {
	return &notesState{notes: slices.Clone(s.notes)}
}

func (s *notesState) diff(o *notesState) string {
	if !s.notes.equal(o.notes) {
		return "notes"
	}
	return ""
}

func (s *notesState) dump() *value.Dict {
	all, out := &value.Dict{}, &value.Dict{}
	for _, n := range s.notes {
		all.Set(n.title, value.NewList(n.text, n.tag, n.pinned))
	}
	out.Set("notes", all)
	return out
}

// jot makes a note without a tag.
func (s *notesState) jot(a args) string {
	if !s.notes.add(note{title: a[0].str, text: a[1].str}) {
		return exists(a[0].str)
	}
	return "ok"
}

func (*notesState) open(n *note, _ args) string {
	return n.text
}

func (*notesState) tag(n *note, a args) string {
	n.tag = a[1].str
	return "ok"
}

func (s *notesState) tagged(a args) string {
	return s.notes.names(func(n note) bool { return n.tag == a[0].str })
}

func (*notesState) pin(n *note, _ args) string {
	if n.pinned {
		return "error: pinned already"
	}
	n.pinned = true
	return "ok"
}

// append adds a text behind that of a note, as far as there is room.
func (*notesState) append(n *note, a args) string {
	if len(n.text)+len(a[1].str) > 4*maxText {
		return "error: the note is full"
	}
	n.text += ", " + a[1].str
	return "ok"
}

func (s *notesState) count(a args) string {
	k := int64(0)
	for _, n := range s.notes {
		if n.tag == a[0].str {
			k++
		}
	}
	return number(k)
}
