package acebench

import (
	"context"
	"fmt"

	"ballast"
	"ballast/chat/decline"
	"ballast/safetext"
	"ballast/value"
)

// Name is the grader's name in tables. A turn passes if its last reply is right under the verdict official.
const Name = "acebench"

// ReasonCrash is the reason of a reply that ends the original program. The other reasons are the original's
// kinds of errors.
const ReasonCrash = "crash"

// Want is what a turn of a task wants, for Task.Turns[i].Want: the item, and the format that it was asked in.
func Want(it *Item, format string) any {
	functions := value.MakeList(len(it.Functions))
	for i := range it.Functions {
		functions.Items = append(functions.Items, it.Functions[i].Doc)
	}
	return value.NewDict("category", it.Category, "format", format, "functions", functions, "gold", it.Gold)
}

// wantOf is the item and the format of a task.
func wantOf(t *ballast.Task) (it *Item, format string, err error) {
	if len(t.Turns) != 1 {
		return nil, "", fmt.Errorf("acebench: task %s has %d turns; the grader judges items of one", t.ID, len(t.Turns))
	}
	w, _ := t.Turns[0].Want.(*value.Dict)
	it = &Item{ID: t.ID, Category: w.Text("category"), Gold: w.Member("gold")}
	for _, f := range w.Array("functions") {
		d, _ := f.(*value.Dict)
		it.Functions = append(it.Functions, Function{d.Text("name"), d})
	}
	if it.Gold == nil || it.Category == "" || Agent(it.Category) {
		return nil, "", fmt.Errorf("acebench: task %s wants nothing that the grader knows; its tasks are those of set acebench", t.ID)
	}
	return it, w.Text("format"), nil
}

// NewGrader makes a grader: it is the New of a table's entry.
func NewGrader(_ context.Context, t *ballast.Task, _ ballast.Session) (ballast.Grader, error) {
	it, format, err := wantOf(t)
	if err != nil {
		return nil, err
	}
	return &grader{it, format}, nil
}

type grader struct {
	it     *Item
	format string
}

// Grade judges the last reply of turn i.
func (g *grader) Grade(_ context.Context, ep *ballast.Episode, i int) (ballast.Check, error) {
	v := Explain(g.it, g.format, last(&ep.Turns[i]), Official)
	switch {
	case v.Correct:
		return ballast.Check{Passed: true, Score: 1}, nil
	case v.Crash != "":
		return ballast.Check{Reason: ReasonCrash, Where: safetext.Brief(v.Crash, 200)}, nil
	}
	where, _ := v.Error.(string)
	if l, ok := v.Error.(*value.List); ok && len(l.Items) > 0 {
		where = pyStr(l.Items[0])
	}
	return ballast.Check{Reason: v.Kind, Where: safetext.Brief(where, 200)}, nil
}

// last is the text of the reply that closed a turn.
func last(t *ballast.Turn) string {
	if len(t.Steps) == 0 {
		return ""
	}
	return t.Steps[len(t.Steps)-1].Text
}

// The findings on an episode beside the verdict official.
const (
	FindingStrict = "strict"
	// Of special items, what the reply was; one of them holds.
	FindingAbstained  = string(decline.Abstained)
	FindingProse      = string(decline.Prose)
	FindingUnreadable = string(decline.Unreadable)
	FindingCalled     = string(decline.Called)
)

// manners is what the names of the findings say that only special items have.
const manners = "by what the reply does"

// Findings says of an episode of a task of this grader whether the verdict strict passes it, and of special
// items how the reply declines.
func Findings(t *ballast.Task, ep *ballast.Episode) []ballast.Finding {
	it, format, err := wantOf(t)
	if err != nil {
		return nil
	}
	reply, done := "", len(ep.Turns) == 1 && ep.Turns[0].Check.Done
	if done {
		reply = last(&ep.Turns[0])
	}
	found := []ballast.Finding{{Name: FindingStrict}}
	if done && Check(it, format, reply, Strict).Correct {
		found[0].Share = 1
	}
	if !Special(it.Category) {
		return found
	}
	is := manner(reply)
	for _, name := range []string{FindingAbstained, FindingProse, FindingUnreadable, FindingCalled} {
		f := ballast.Finding{Of: manners, Name: name}
		if name == is {
			f.Share = 1
		}
		found = append(found, f)
	}
	return found
}

// manner is how a reply that should decline reads (package chat/decline): the benchmark's own reading says what a call is.
func manner(reply string) string {
	if calls(reply) {
		return FindingCalled
	}
	return string(decline.Text(reply))
}
