package imports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ballast/safetext"
)

// Reason says why a row is left out. It holds no text of the file.
type Reason string

// The reasons for which a row is left out whatever the model is.
const (
	ReasonJSON         Reason = "it is not JSON, or JSON that can be read in two ways"
	ReasonObject       Reason = "it is no object"
	ReasonShape        Reason = "it has none of the shapes"
	ReasonKey          Reason = "a key that is not known"
	ReasonType         Reason = "a value of another kind than its key wants"
	ReasonRole         Reason = "a role that is not known"
	ReasonOrder        Reason = "messages in an order that no conversation has"
	ReasonEmpty        Reason = "a message without words and without calls"
	ReasonObjectText   Reason = "content that is no text: templates write it in different ways"
	ReasonPart         Reason = "a content part that is no text"
	ReasonTwoSystems   Reason = "two system texts"
	ReasonSystemInside Reason = "a system message inside the dialogue"
	ReasonSystemTools  Reason = "tools inside the system text that cannot be taken apart"
	ReasonTwoTools     Reason = "two lists of tools that differ"
	ReasonTool         Reason = "a tool without a name, or no object"
	ReasonSameTool     Reason = "two tools of one name"
	ReasonNoTools      Reason = "calls, and no tool is documented"
	ReasonUnknownTool  Reason = "a call of a tool that is not documented"
	ReasonCall         Reason = "a call that cannot be read"
	ReasonArguments    Reason = "arguments that are no object"
	ReasonTwice        Reason = "arguments that are encoded twice"
	ReasonNull         Reason = "a null that may be one or may fill in for an absent argument"
	ReasonBothCalls    Reason = "calls in the text and beside it"
	ReasonBroken       Reason = "text with tags that are no well-formed call"
	ReasonThoughts     Reason = "two thoughts for one reply"
	ReasonHidden       Reason = "a thought that cannot be read"
	ReasonStrayResult  Reason = "a result without a call before it"
	ReasonResults      Reason = "calls and results that are not as many"
	ReasonIDs          Reason = "a result that belongs to none of the calls"
	ReasonWeight       Reason = "a weight other than 0 and 1, or of what is no reply"
	ReasonVerdict      Reason = "a mark that says that the row is not to be learned"
	ReasonChat         Reason = "text that cannot be cut into messages"
	ReasonCompletion   Reason = "a prompt without a completion"
	ReasonNothing      Reason = "no reply to train on"
)

// Reasons lists them, in the order in which docs/dialogues.md explains them.
var Reasons = []Reason{ReasonJSON, ReasonObject, ReasonShape, ReasonKey, ReasonType, ReasonRole, ReasonOrder, ReasonEmpty, ReasonObjectText,
	ReasonPart, ReasonTwoSystems, ReasonSystemInside, ReasonSystemTools, ReasonTwoTools, ReasonTool, ReasonSameTool, ReasonNoTools,
	ReasonUnknownTool, ReasonCall, ReasonArguments, ReasonTwice, ReasonNull, ReasonBothCalls, ReasonBroken, ReasonThoughts, ReasonHidden,
	ReasonStrayResult, ReasonResults, ReasonIDs, ReasonWeight, ReasonVerdict, ReasonChat, ReasonCompletion, ReasonNothing}

// Fault is why a row is left out.
type Fault struct {
	Reason Reason
	Key    string // where in the row, as messages[2].content; "" is the row
	Detail string // more about it; may quote the row
}

// Error is the fault on one line.
func (f *Fault) Error() string {
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
