package bfcl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"ballast/value"
)

// Hash is the golden corpus's hash of a dumped state: 16 hexadecimal digits of
// the SHA-256 of its JSON with sorted keys.
func Hash(state any) string {
	h := sha256.Sum256(appendCanonical(nil, state))
	return hex.EncodeToString(h[:8])
}

// appendCanonical writes JSON with sorted keys and no spaces; what JSON lacks is
// wrapped in objects whose only key begins with a dollar sign.
func appendCanonical(dst []byte, v any) []byte {
	switch x := v.(type) {
	case string:
		return appendPlainQuoted(dst, x)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Appendf(dst, `{"$float":"%s"}`, value.Repr(x))
		}
	case *value.List:
		return appendItems(dst, x.Items)
	case *value.Tuple:
		return append(appendItems(append(dst, `{"$tuple":`...), x.Items), '}')
	case *value.Dict:
		return appendObject(dst, x)
	case value.Bytes:
		return append(appendPlainQuoted(append(dst, `{"$repr":`...), value.Repr(x)), '}')
	case ellipsis:
		return append(dst, `{"$ellipsis":true}`...)
	case *set:
		return append(appendItems(append(dst, `{"$set":`...), x.sorted()), '}')
	}
	dst, err := value.AppendJSON(dst, v)
	if err != nil {
		panic(err)
	}
	return dst
}

func appendItems(dst []byte, items []any) []byte {
	dst = append(dst, '[')
	for i, x := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCanonical(dst, x)
	}
	return append(dst, ']')
}

func appendObject(dst []byte, d *value.Dict) []byte {
	type entry struct {
		key string
		val any
	}
	entries := make([]entry, d.Len())
	plain := true
	for i := range entries {
		k, v := d.At(i)
		_, ok := k.(string)
		plain = plain && ok
		entries[i] = entry{string(appendCanonical(nil, k)), v}
	}
	if plain { // sort by the text, not by its JSON
		for i := range entries {
			k, _ := d.At(i)
			entries[i].key = k.(string)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	open, colon, shut := `{`, ":", "}"
	if !plain {
		open, colon, shut = `{"$dict":[`, ",", "]}"
	}
	dst = append(dst, open...)
	for i, e := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		if plain {
			dst = appendPlainQuoted(dst, e.key)
		} else {
			dst = append(append(dst, '['), e.key...)
		}
		dst = append(dst, colon...)
		dst = appendCanonical(dst, e.val)
		if !plain {
			dst = append(dst, ']')
		}
	}
	return append(dst, shut...)
}

// appendPlainQuoted quotes without escaping what is not ASCII.
func appendPlainQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		q := value.AppendQuoted(nil, s[i:i+1])
		dst = append(dst, q[1:len(q)-1]...)
		start = i + 1
	}
	return append(append(dst, s[start:]...), '"')
}

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
