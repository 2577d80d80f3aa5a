package acebench

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"ballast"
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
	FindingAbstained  = "abstained"
	FindingProse      = "prose"
	FindingUnreadable = "unreadable"
	FindingCalled     = "called"
)

// Findings says of an episode of a task of this grader whether the verdict strict passes it, and of special
// items how the reply declines. Names are in the order in which they are shown.
func Findings(t *ballast.Task, ep *ballast.Episode) (names []string, holds map[string]bool) {
	it, format, err := wantOf(t)
	if err != nil {
		return nil, nil
	}
	reply, done := "", len(ep.Turns) == 1 && ep.Turns[0].Check.Done
	if done {
		reply = last(&ep.Turns[0])
	}
	names = []string{FindingStrict}
	holds = map[string]bool{FindingStrict: done && Check(it, format, reply, Strict).Correct}
	if Special(it.Category) {
		names = append(names, FindingAbstained, FindingProse, FindingUnreadable, FindingCalled)
		holds[manner(reply)] = true
	}
	return names, holds
}

// manner is how a reply that should decline reads: it calls, it says that no tool fits or what is missing or
// wrong, it says something else, or it is neither prose nor a call that can be read.
func manner(reply string) string {
	switch words := strings.ToLower(reply); {
	case calls(reply):
		return FindingCalled
	case residue(reply):
		return FindingUnreadable
	case says(words):
		return FindingAbstained
	}
	return FindingProse
}

// residue says that a reply has no word, or holds what is left of a call: a tag, or a bracket that begins a
// line and holds no text in quotes.
func residue(reply string) bool {
	if !strings.ContainsFunc(reply, isWord) {
		return true
	}
	for _, tag := range []string{openCall, closeCall, "<|", "<tool_response>", "\"arguments\":"} {
		if strings.Contains(reply, tag) {
			return true
		}
	}
	for line := range strings.Lines(reply) {
		rest, open := strings.CutPrefix(strip(line), "[")
		rest = strip(rest)
		if open && rest != "" && rest[0] != '"' && rest[0] != '\'' && strings.Contains(rest, "(") && !strings.Contains(rest, " ") {
			return true
		}
	}
	return false
}

// declines are words by which a reply says that no tool fits, or what is missing or wrong: those of the
// benchmark, and those that models use.
var declines = []string{
	"limitations of the function", "missing necessary parameter", "incorrect value",
	"cannot", "can't", "can not", "unable to", "not able to", "not possible", "impossible", "do not have", "don't have",
	"no function", "no tool", "no api", "none of the", "not supported", "not available", "unavailable", "beyond my", "outside of my",
	"missing", "is required", "are required", "not provided", "not specified", "please provide", "please specify", "could you provide",
	"could you please", "can you provide", "can you please", "i need", "need more information", "need to know", "more details", "clarify",
	"incorrect", "invalid", "not valid", "is wrong", "does not exist", "doesn't exist", "not a valid",
}

func says(words string) bool {
	for _, d := range declines {
		if strings.Contains(words, d) {
			return true
		}
	}
	return false
}

// isWord says that a character is part of a word.
func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
