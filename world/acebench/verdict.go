package acebench

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ballast"
	"ballast/value"
	"ballast/world/python"
)

// Verdict is what a finished dialogue is worth.
type Verdict struct {
	Right   bool    // end to end: the states are gold's
	Process float64 // share of the milestones; 1 where it is right
	Fault   string  // "" where it is right: the original's type of error, and the first place
}

// The types of errors of the original.
const (
	WrongClasses    = "wrong number of class"
	WrongAttributes = "class attributes wrong"
)

// Official is the verdict of the original, its faults included: a class that gold misspells is not compared, nor is
// what the result lacks or has in addition below an attribute; a milestone is a text, and one that is not found takes
// all behind it with it. result is what Scene.Saved gives, gold a list of objects {class: attributes}, milestones a list
// of texts or of lists of texts.
func Official(result, gold *value.List, process []string, milestones *value.List) Verdict {
	v := Verdict{Fault: official(result, gold)}
	v.Right = v.Fault == ""
	if v.Right {
		v.Process = 1
	} else {
		v.Process = alternatives(milestones, func(texts []any) float64 { return reached(process, texts) })
	}
	return v
}

func official(result, gold *value.List) string {
	if len(result.Items) != len(gold.Items) {
		return WrongClasses
	}
	for _, g := range gold.Items {
		class, want, got := paired(g.(*value.Dict), result)
		if got == nil {
			continue
		}
		for i := range got.Len() {
			name, v := got.At(i)
			w, ok := want.Get(name)
			if !ok || !agrees(v, w) {
				return WrongAttributes + ": " + class + "." + name.(string)
			}
		}
	}
	return ""
}

// paired finds the result of gold's class.
func paired(gold *value.Dict, result *value.List) (class string, want, got *value.Dict) {
	if gold.Len() == 0 {
		return "", nil, nil
	}
	name, w := gold.At(0)
	want, _ = w.(*value.Dict)
	for _, r := range result.Items {
		d, _ := r.(*value.Dict)
		if d == nil || d.Len() != gold.Len() || d.Len() == 0 {
			continue
		}
		if n, attributes := d.At(0); n == name {
			got, _ = attributes.(*value.Dict)
			break
		}
	}
	return name.(string), want, got
}

// agrees compares an attribute: of an object only what gold has.
func agrees(got, want any) bool {
	w, ok := want.(*value.Dict)
	if !ok {
		return value.Equal(got, want)
	}
	g, ok := got.(*value.Dict)
	if !ok {
		return w.Len() == 0
	}
	for i := range w.Len() {
		key, v := w.At(i)
		if x, ok := g.Get(key); !ok || !value.Equal(x, v) {
			return false
		}
	}
	return true
}

// alternatives is the best of several lists of milestones, rounded as the original rounds, or the only one's.
func alternatives(milestones *value.List, of func(texts []any) float64) float64 {
	best, nested := 0.0, false
	for _, m := range milestones.Items {
		if l, ok := m.(*value.List); ok {
			nested = true
			best = max(best, Round3(of(l.Items)))
		}
	}
	if !nested {
		best = of(milestones.Items)
	}
	return best
}

// reached is the share of the texts that are found in the process in their order; one that is not found takes all behind it with it.
func reached(process []string, texts []any) float64 {
	if len(texts) == 0 {
		return 1
	}
	n, at := 0, 0
	for _, t := range texts {
		want := python.Strip(text(t))
		for at < len(process) && python.Strip(process[at]) != want {
			at++
		}
		if at == len(process) {
			break
		}
		n++
		at++
	}
	return float64(n) / float64(len(texts))
}

// misspelt are the classes that gold misspells, in multi_step 0 and 1 and in multi_turn 7 and 9.
var misspelt = map[any]string{"ReminderAPI": "ReminderApi", "Reminderpi": "ReminderApi", "BaseAPI": "BaseApi"}

// Strict is the verdict without the faults of Official: a class that gold misspells is the one that it means, with the
// reminder that gold forgot; each class that gold names must be there, with all its attributes and nothing else in
// them; True is not 1. Milestones are compared as calls, in either format, those that gold misquotes included, and one
// that is missing takes no other with it.
func Strict(result, gold *value.List, process []string, milestones *value.List) Verdict {
	v := Verdict{Fault: strict(result, gold)}
	v.Right = v.Fault == ""
	if v.Right {
		v.Process = 1
		return v
	}
	v.Process = alternatives(milestones, func(texts []any) float64 { return share(met(process, texts)) })
	return v
}

func strict(result, gold *value.List) string {
	if len(result.Items) != len(gold.Items) {
		return WrongClasses
	}
	for _, g := range gold.Items {
		d := g.(*value.Dict)
		if d.Len() == 1 {
			if name, ok := misspelt[d.Keys()[0]]; ok {
				_, attributes := d.At(0)
				d = value.NewDict(name, completed(attributes))
			}
		}
		class, want, got := paired(d, result)
		if got == nil || want == nil {
			return WrongClasses
		}
		for i := range want.Len() {
			name, v := want.At(i)
			if x, ok := got.Get(name); !ok || !value.EqualJSON(x, v) {
				return WrongAttributes + ": " + class + "." + name.(string)
			}
		}
		if got.Len() != want.Len() {
			return WrongAttributes + ": " + class
		}
	}
	return ""
}

// completed adds the third reminder of the start to a state of gold that lacks it, in multi_step 0 and 1: what was added has
// the number behind it. Nobody noticed since the class is misspelt.
func completed(attributes any) any {
	d, _ := attributes.(*value.Dict)
	if d == nil || d.Object("reminder_list") == nil {
		return attributes
	}
	reminders := d.Object("reminder_list")
	added, _ := reminders.Member("3").(*value.Dict)
	if added == nil || !value.Equal(added.Member("reminder_id"), int64(3)) {
		return attributes
	}
	third, _ := firstReminders.Get(int64(3))
	added = added.Copy()
	added.Set("reminder_id", int64(4))
	reminders = reminders.CopyMore()
	reminders.Set("3", third)
	reminders.Set("4", added)
	return value.NewDict("reminder_list", reminders)
}

// callsOf are the calls of a message in either format; nil where there are none.
func callsOf(text string) *value.List {
	for _, f := range []Format{Tool, AST} {
		if l, err := readAgent(f, text, false); err == nil && len(l.Items) > 0 {
			return l
		}
	}
	return nil
}

// apostrophe is one inside of a word, by which texts of gold end their own quotes.
var apostrophe = regexp.MustCompile(`(\w)'(\w)`)

// wanted are the calls of a milestone; nil where there are none.
func wanted(text string) *value.List {
	if l := callsOf(text); l != nil {
		return l
	}
	return callsOf(apostrophe.ReplaceAllString(text, `$1\'$2`))
}

// met says of each of the texts whether the process has its calls, in their order.
func met(process []string, texts []any) []bool {
	made := make([]*value.List, len(process))
	for i, text := range process {
		made[i] = callsOf(text)
	}
	out, at := make([]bool, len(texts)), 0
	for k, t := range texts {
		text := strings.TrimSpace(text(t))
		want := wanted(text)
		for i := at; i < len(made); i++ {
			if want != nil && made[i] != nil && value.Equal(made[i], want) || strings.TrimSpace(process[i]) == text {
				out[k], at = true, i+1
				break
			}
		}
	}
	return out
}

func share(met []bool) float64 {
	n := 0
	for _, m := range met {
		if m {
			n++
		}
	}
	return float64(n) / float64(max(1, len(met)))
}

// Missed is the number, from 1, of the first milestone that is not met as Strict meets them, and of how many; 0 where all are. Of
// alternatives it is of the one that is met best.
func Missed(process []string, milestones *value.List) (first, of int) {
	best := -1.0
	for _, texts := range Alternatives(milestones) {
		m := met(process, texts)
		if s := share(m); s > best {
			best, of = s, len(m)
			first = 1 + slices.Index(m, false)
		}
	}
	return first, of
}

// Alternatives are the orders in which milestones may be met.
func Alternatives(milestones *value.List) (out [][]any) {
	for _, m := range milestones.Items {
		if l, ok := m.(*value.List); ok {
			out = append(out, l.Items)
		}
	}
	if out == nil {
		out = [][]any{milestones.Items}
	}
	return out
}

// GoldCalls are the calls of milestones, of the first of alternatives, with the quotes that gold misquotes put right.
func GoldCalls(milestones *value.List) (calls []ballast.Call, err error) {
	for _, t := range Alternatives(milestones)[0] {
		l := wanted(strings.TrimSpace(text(t)))
		if l == nil {
			return nil, fmt.Errorf("%q cannot be read as calls", text(t))
		}
		for _, w := range writeCalls(l) {
			if !w.plain {
				return nil, fmt.Errorf("%q has a call that is no name with literal values", text(t))
			}
			calls = append(calls, w.call)
		}
	}
	return calls, nil
}

// Round3 is Python's round(f, 3).
func Round3(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	g, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', 3, 64), 64)
	return g
}
