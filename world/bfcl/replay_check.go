package bfcl

import (
	"fmt"
	"slices"
	"strings"
)

// verdict is the outcome of the original's checker.
type verdict struct {
	errorType string
	turn      int
	details   []string // differing attributes, or missing answers
}

// check plays the gold calls of a turn and compares as the original does.
func (t *play) check(turn int, empty bool) {
	var want []string
	for i, s := range t.goldStates { // as gold's turns are kept
		t.goldStates[i] = s.Copy()
	}
	for _, text := range t.gold.calls[turn] {
		answer, _ := t.execute(t.goldStates, text)
		want = append(want, answer)
	}
	if len(want) == 0 {
		return
	}
	if empty {
		t.verdict = &verdict{"multi_turn:empty_turn_model_response", turn, nil}
		return
	}
	for i := range t.states {
		d := differences(t.states[i], t.goldStates[i])
		if first := t.states[i].Equal(t.goldStates[i]); (first == "") != (len(d) == 0) || first != "" && !slices.Contains(d, first) {
			t.differ(turn, "comparison of "+t.classes[i], first, strings.Join(d, ", "))
		}
		if len(d) > 0 {
			t.verdict = &verdict{"multi_turn:instance_state_mismatch", turn, d}
			return
		}
	}
	have := make(map[string]int)
	for _, answers := range t.answers {
		for _, a := range answers {
			have[a]++
		}
	}
	var missing []string
	for _, a := range want {
		if have[a]--; have[a] < 0 {
			missing = append(missing, a)
		}
	}
	if missing != nil {
		t.verdict = &verdict{"multi_turn:execution_response_mismatch", turn, missing}
	}
}

// String writes a verdict in one line.
func (v *verdict) String() string {
	if v == nil {
		return "valid"
	}
	return fmt.Sprintf("%s turn %d %q", v.errorType, v.turn, v.details)
}

func (t *play) compareVerdict(want record) {
	var w *verdict
	if valid, _ := want.Get("valid"); valid != true {
		turn, _ := want.Get("turn")
		n, _ := turn.(int64)
		w = &verdict{errorType: want.text("error_type"), turn: int(n)}
		for _, key := range []string{"diff_attrs", "missing_items"} {
			if v, ok := want.Get(key); ok {
				w.details = texts(v)
			}
		}
	}
	got := t.verdict
	equal := got.String() == w.String()
	settled := !t.unsettled && !t.surrogate && len(t.nondet) == 0
	t.report.Verdicts.add(equal, settled)
	if !equal && settled {
		t.differ(-1, "verdict", got.String(), w.String())
	}
}
