package imports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ballast/safetext"
)

// reason says why a row is left out. It holds no text of the file.
type reason string

// The reasons for which a row is left out whatever the model is.
const (
	reasonJSON         reason = "it is not JSON, or JSON that can be read in two ways"
	reasonObject       reason = "it is no object"
	reasonShape        reason = "it has none of the shapes"
	reasonKey          reason = "a key that is not known"
	reasonType         reason = "a value of another kind than its key wants"
	reasonRole         reason = "a role that is not known"
	reasonOrder        reason = "messages in an order that no conversation has"
	reasonEmpty        reason = "a message without words and without calls"
	reasonObjectText   reason = "content that is no text: templates write it in different ways"
	reasonPart         reason = "a content part that is no text"
	reasonTwoSystems   reason = "two system texts"
	reasonSystemInside reason = "a system message inside the dialogue"
	reasonSystemTools  reason = "tools inside the system text that cannot be taken apart"
	reasonTwoTools     reason = "two lists of tools that differ"
	reasonTool         reason = "a tool without a name, or no object"
	reasonSameTool     reason = "two tools of one name"
	reasonNoTools      reason = "calls, and no tool is documented"
	reasonUnknownTool  reason = "a call of a tool that is not documented"
	reasonCall         reason = "a call that cannot be read"
	reasonArguments    reason = "arguments that are no object"
	reasonFit          reason = "arguments that the tool does not take"
	reasonTwice        reason = "arguments that are encoded twice"
	reasonNull         reason = "a null that may be one or may fill in for an absent argument"
	reasonBothCalls    reason = "calls in the text and beside it"
	reasonBroken       reason = "text with tags that are no well-formed call"
	reasonThoughts     reason = "two thoughts for one reply"
	reasonHidden       reason = "a thought that cannot be read"
	reasonStrayResult  reason = "a result without a call before it"
	reasonResults      reason = "calls and results that are not as many"
	reasonIDs          reason = "a result that belongs to none of the calls"
	reasonWeight       reason = "a weight other than 0 and 1, or of what is no reply"
	reasonVerdict      reason = "a mark that says that the row is not to be learned"
	reasonChat         reason = "text that cannot be cut into messages"
	reasonCompletion   reason = "a prompt without a completion"
	reasonNothing      reason = "no reply to train on"
)

// reasons lists them, in the order in which docs/dialogues.md explains them.
var reasons = []reason{reasonJSON, reasonObject, reasonShape, reasonKey, reasonType, reasonRole, reasonOrder, reasonEmpty, reasonObjectText,
	reasonPart, reasonTwoSystems, reasonSystemInside, reasonSystemTools, reasonTwoTools, reasonTool, reasonSameTool, reasonNoTools,
	reasonUnknownTool, reasonCall, reasonArguments, reasonFit,
	reasonTwice, reasonNull, reasonBothCalls, reasonBroken, reasonThoughts, reasonHidden,
	reasonStrayResult, reasonResults, reasonIDs, reasonWeight, reasonVerdict, reasonChat, reasonCompletion, reasonNothing}

// fault is why a row is left out.
type fault struct {
	Reason reason
	Key    string // where in the row, as messages[2].content; "" is the row
	Detail string // more about it; may quote the row
}

// Error is the fault on one line.
func (f *fault) Error() string {
	text := string(f.Reason)
	if f.Key != "" {
		text = f.Key + ": " + text
	}
	if f.Detail != "" {
		text += " (" + brief(f.Detail) + ")"
	}
	return text
}

// maxDetail bounds what a fault quotes, in bytes.
const maxDetail = 120

func brief(text string) string { return safetext.Brief(text, maxDetail) }

// Left is one reason with the number of rows that it left out, and the first of them.
type Left struct {
	Reason string
	Rows   int
	Where  string // of the first: "line 7"
	Key    string // in it; "" is the whole row
	Detail string
	Next   []string // where the next ones stand, maxNext at most
}

// maxNext bounds the places that a reason keeps behind its first.
const maxNext = 20

// Ledger counts rows that were left out, by reason. The zero value is an empty one.
type Ledger struct{ list []Left }

// Add counts a row. The reasons of one ledger are few: they hold no text of files.
func (l *Ledger) Add(reason, where, key, detail string) {
	i := slices.IndexFunc(l.list, func(x Left) bool { return x.Reason == reason })
	if i < 0 {
		i, l.list = len(l.list), append(l.list, Left{Reason: reason, Where: where, Key: brief(key), Detail: brief(detail)})
	} else if x := &l.list[i]; len(x.Next) < maxNext {
		x.Next = append(slices.Clip(x.Next), where) // a clone has the same ones
	}
	l.list[i].Rows++
}

// Clone returns a ledger of its own with the same counts.
func (l *Ledger) Clone() Ledger { return Ledger{slices.Clone(l.list)} }

// Rows is the number of rows that were left out.
func (l *Ledger) Rows() int {
	n := 0
	for _, x := range l.list {
		n += x.Rows
	}
	return n
}

// Sorted lists the reasons, those of most rows first.
func (l *Ledger) Sorted() []Left {
	out := slices.Clone(l.list)
	slices.SortStableFunc(out, func(a, b Left) int { return cmp.Compare(b.Rows, a.Rows) })
	return out
}

// First is where the first row of a reason stands, and what is wrong with it.
func (x Left) First() string {
	text := x.Where
	if x.Key != "" {
		text += ", " + x.Key
	}
	if x.Detail != "" {
		text += ": " + x.Detail
	}
	return text
}

// Others is where the further rows of a reason stand, on one line, "" without any.
func (x Left) Others() string {
	text := strings.Join(x.Next, ", ")
	if more := x.Rows - 1 - len(x.Next); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// String is the ledger on one line, for errors.
func (l *Ledger) String() string {
	var parts []string
	for _, x := range l.Sorted() {
		parts = append(parts, fmt.Sprintf("%d: %s (first: %s)", x.Rows, x.Reason, x.First()))
	}
	return strings.Join(parts, "; ")
}
