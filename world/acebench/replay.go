package acebench

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"ballast/value"
)

// Same takes one comparison of a replay: what is compared, what this package gives, what the original gave.
type Same func(what, got, want string)

// Recorded reads a value as the corpora write it: JSON, with objects of one key beginning with "$" for what JSON lacks.
func Recorded(v any) any {
	switch v := v.(type) {
	case *value.List:
		l := value.MakeList(len(v.Items))
		for _, x := range v.Items {
			l.Items = append(l.Items, Recorded(x))
		}
		return l
	case *value.Dict:
		if v.Len() == 1 {
			if k, x := v.At(0); strings.HasPrefix(k.(string), "$") {
				return special(k.(string), x)
			}
		}
		d := value.MakeDict(v.Len())
		for i := range v.Len() {
			k, x := v.At(i)
			d.Set(k, Recorded(x))
		}
		return d
	}
	return v
}

func special(key string, x any) any {
	switch key {
	case "$dict":
		d := &value.Dict{}
		for _, pair := range x.(*value.List).Items {
			p := pair.(*value.List).Items
			k := Recorded(p[0])
			d.Set(k, Recorded(p[1]))
		}
		return d
	case "$tuple":
		return &value.Tuple{Items: Recorded(x).(*value.List).Items}
	case "$float":
		return map[string]float64{"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1)}[x.(string)]
	case "$bytes":
		b, _ := hex.DecodeString(x.(string))
		return value.Bytes(b)
	}
	return x
}

// ReplayScene plays a record of type seq and compares every round: who it is for, the texts of its calls, their results,
// what is kept and told, the states, and what is saved at the end. After a round in which the
// original evaluates what this package does not, nothing more can be known; such rounds are counted apart.
func ReplayScene(d *value.Dict, same Same) error {
	role := Step
	if d.Text("set") == "turn" {
		role = Turn
	}
	format := AST
	if d.Text("mode") == "tool" {
		format = Tool
	}
	var classes []string
	for _, c := range d.Array("classes") {
		classes = append(classes, text(c))
	}
	s, err := NewScene(role, format, classes, d.Object("config"))
	if err != nil {
		return err
	}
	states := &value.Dict{} // of the original
	for i, r := range d.Array("rounds") {
		round, ok := r.(*value.Dict)
		if !ok {
			return fmt.Errorf("round %d is no object", i)
		}
		if _, raises := round.Get("raises"); raises {
			return fmt.Errorf("round %d raises", i)
		}
		if known := replayRound(s, round, states, same); !known {
			return nil
		}
	}
	same("saved", jsonOf(s.Saved()), jsonOf(d.Member("saved")))
	return nil
}

func jsonOf(v any) string {
	b, err := value.AppendJSON(nil, v)
	if err != nil {
		return value.Repr(v)
	}
	return string(b)
}

// replayRound compares one round; known is false where the state of the original can no longer be known.
func replayRound(s *Scene, round, states *value.Dict, same Same) (known bool) {
	message := round.Text("text")
	recipient := User
	if s.Called(message) {
		recipient = Execution
	}
	same("recipient", recipient, round.Text("recipient"))
	if s.role == Turn && recipient != Execution {
		return true
	}
	e := s.Execute(message, true)
	kinds := round.Text("kinds")
	evaluated := strings.ContainsAny(kinds, "ES")
	if calls, ok := round.Get("exec"); ok || e.Read {
		l := value.NewList()
		for _, c := range e.Calls {
			l.Items = append(l.Items, c)
		}
		same("calls", value.Repr(l), value.Repr(calls))
	}
	want := Recorded(round.Member("message"))
	equal := value.Repr(e.Message) == value.Repr(want)
	if evaluated && !equal {
		same("messages that the original evaluates, not compared", "", "")
		return false
	}
	raw := any(nil)
	switch {
	case e.Failed:
		raw = TurnFailed
	case e.Results != nil:
		l := value.NewList()
		for _, r := range e.Results {
			l.Items = append(l.Items, r)
		}
		raw = l
	}
	of := " (L and N)"
	if evaluated {
		of = " (E and S)"
	}
	same("results"+of, value.Repr(raw), value.Repr(round.Member("raw")))
	same("message"+of, value.Repr(e.Message), value.Repr(want))
	same("feed"+of, e.Feed(), round.Text("feed"))
	same("instances", fmt.Sprint(e.Saves), fmt.Sprint(round.Member("instances")))
	if changed, ok := Recorded(round.Member("state")).(*value.Dict); ok {
		for i := range changed.Len() {
			states.Set(changed.At(i))
		}
	}
	got := s.Dump()
	for i := range states.Len() {
		class, v := states.At(i)
		g, w := got.Member(class.(string)), v
		if value.Equal(g, w) { // the original's corpus has a state where it is another by ==
			g = w
		}
		same("state of "+class.(string), value.Repr(g), value.Repr(w))
	}
	return true
}
