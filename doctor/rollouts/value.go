package rollouts

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"ballast/safetext"
)

// tree is a decoded value: nil, bool, float64 (NaN and infinities too), string,
// []tree or []entry.
type tree any

// entry is one key of an object, in the file's order.
type entry struct {
	key   string
	value tree
}

// deepest bounds the nesting of values that are looked into.
const deepest = 8

// errDeep says that a value is nested too deeply to be looked into.
var errDeep = fmt.Errorf("nested deeper than %d levels", deepest)

// parse decodes a JSON value. It takes NaN and Infinity too, which Python writes.
func parse(raw []byte, depth int) (tree, error) {
	if depth > deepest {
		return nil, errDeep
	}
	if len(raw) == 0 {
		return nil, errJSON
	}
	switch raw[0] {
	case '"':
		return text(raw)
	case '{':
		var list []entry
		err := fields(raw, func(key string, raw []byte) error {
			v, err := parse(raw, depth+1)
			list = append(list, entry{key, v})
			return err
		})
		return list, err
	case '[':
		list := []tree{}
		err := items(raw, func(raw []byte) error {
			v, err := parse(raw, depth+1)
			list = append(list, v)
			return err
		})
		return list, err
	}
	switch s := string(raw); s {
	case "null", "None":
		return nil, nil
	case "true", "True":
		return true, nil
	case "false", "False":
		return false, nil
	default:
		if v, ok := numeral(s); ok {
			return v, nil
		}
		return nil, fmt.Errorf("%.20q is no value", s)
	}
}

// numeral reads a decimal number, NaN or an infinity. Numbers too large for a
// float64 are infinite.
func numeral(s string) (float64, bool) {
	if s == "" || strings.ContainsAny(s, "xX_pP") {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil || math.IsInf(v, 0)
}

// wrappers are what Python's printing puts around a number.
var wrappers = [...]string{"tensor(", "array(", "np.float64(", "np.float32(", "np.int64(", "np.bool_(", "Decimal("}

// unwrap takes a number out of what Python prints around it: tensor(0.5, device='cuda:0').
func unwrap(s string) string {
	for _, w := range wrappers {
		if rest, ok := strings.CutPrefix(s, w); ok && strings.HasSuffix(rest, ")") {
			rest, _, _ = strings.Cut(rest[:len(rest)-1], ",")
			return strings.Trim(rest, " '\"")
		}
	}
	return s
}

// Value is what a record says of one quantity under one key.
type Value struct {
	Top   string // the record's key
	Key   string // with the path inside an object: score.accuracy
	Num   float64
	State State
	Why   string  // of an unreadable one
	Raw   string  // of an unreadable one, shortened
	split []Value // of a list: its elements
}

// mostGroup is how many responses one record may hold.
const mostGroup = 4096

// evaluate reads a value that has one meaning as a number. Objects under a key in
// the plural are the parts of a sum.
func evaluate(key string, raw []byte) Value {
	t, err := parse(raw, 0)
	if err != nil {
		return Value{Top: key, Key: key, State: Unreadable, Why: err.Error(), Raw: short(raw)}
	}
	v := number(t, strings.HasSuffix(key, "s"), 0)
	v.Top, v.Key = key, key+v.Key
	if list, ok := t.([]tree); ok && len(list) <= mostGroup {
		for _, t := range list {
			one := number(t, false, 1)
			one.Top, one.Key = key, key+one.Key
			v.split = append(v.split, one)
		}
	}
	if v.State == Unreadable {
		v.Raw = short(raw)
	}
	return v
}

// short quotes a value.
func short(raw []byte) string { return strings.ToValidUTF8(safetext.Brief(string(raw), 60), "\ufffd") }

func unreadable(why string, args ...any) Value {
	return Value{State: Unreadable, Why: fmt.Sprintf(why, args...)}
}

// of is a number as a value; what is not finite is missing.
func of(v float64) Value {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Value{State: Missing}
	}
	return Value{Num: v, State: Present}
}

// number reads a tree as one number; Key of the result is the path inside it.
func number(t tree, plural bool, depth int) Value {
	if depth > deepest {
		return unreadable("%v", errDeep)
	}
	switch t := t.(type) {
	case nil:
		return Value{State: Missing}
	case bool:
		if t {
			return of(1)
		}
		return of(0)
	case float64:
		return of(t)
	case string:
		return spelled(t, plural, depth)
	case []tree:
		return total(t, depth)
	case []entry:
		return object(t, plural, depth)
	}
	return unreadable("not a number")
}

// spelled reads a number that is written as text.
func spelled(s string, plural bool, depth int) Value {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "", "null", "none", "nan", "n/a", "na", "inf", "-inf", "+inf", "infinity", "-infinity":
		return Value{State: Missing}
	case "true":
		return of(1)
	case "false":
		return of(0)
	}
	if v, ok := numeral(unwrap(s)); ok {
		return of(v)
	}
	if s[0] == '{' || s[0] == '[' {
		if end := value([]byte(s), 0); end == len(s) {
			if inner, err := parse([]byte(s), depth+1); err == nil {
				return number(inner, plural, depth+1)
			}
		}
	}
	return unreadable("a text that is no number")
}

// total reads a list: of one value that value, of several numbers their sum, the
// return of rewards per step or per function.
func total(list []tree, depth int) Value {
	switch len(list) {
	case 0:
		return Value{State: Missing}
	case 1:
		return number(list[0], false, depth+1)
	}
	sum := 0.0
	for _, t := range list {
		switch t.(type) {
		case nil, float64, string:
		default:
			return unreadable("a list of %d values that are not numbers", len(list))
		}
		v := number(t, false, deepest)
		if v.State != Present {
			return v
		}
		sum += v.Num
	}
	v := of(sum)
	v.Key = " (sum of the list)"
	return v
}

// totals are the keys of an object that hold its one number, best first.
var totals = [...]string{"score", "reward", "total", "overall", "total_reward", "final_reward", "total_score", "final_score", "value"}

// object reads the one number of an object: that of a key for the total, the only
// one, or the sum of named parts where the key is in the plural.
func object(list []entry, plural bool, depth int) Value {
	if len(list) == 0 {
		return Value{State: Missing}
	}
	for _, name := range totals {
		for _, e := range list {
			if e.key == name {
				return within(e, depth)
			}
		}
	}
	if len(list) == 1 {
		return within(list[0], depth)
	}
	var names []string
	sum, weighted := 0.0, true
	for _, e := range list {
		names = append(names, fmt.Sprintf("%.40s", e.key))
		v, weight, ok := part(e.value, depth)
		weighted = weighted && ok
		if v.State == Unreadable {
			v.Key = "." + e.key + v.Key
			return v
		}
		if sum += weight * v.Num; v.State == Missing {
			sum = math.NaN()
		}
	}
	if !plural && !weighted {
		return unreadable("an object of several numbers without a total: %s", strings.Join(names[:min(8, len(names))], ", "))
	}
	v := of(sum)
	v.Key = " (sum of " + strings.Join(names[:min(8, len(names))], ", ") + ")"
	return v
}

func within(e entry, depth int) Value {
	v := number(e.value, false, depth+1)
	v.Key = "." + e.key + v.Key
	return v
}

// part reads one part of a sum, and its weight where it has one.
func part(t tree, depth int) (v Value, weight float64, weighted bool) {
	weight = 1
	if list, ok := t.([]entry); ok {
		for _, e := range list {
			if w, ok := e.value.(float64); ok && e.key == "weight" {
				weight, weighted = w, true
			}
		}
	}
	return number(t, false, depth+1), weight, weighted
}

// whole reads a step number: an integer that is not negative, also as text or as
// a float without a fraction.
func whole(raw []byte) (int, bool) {
	v := evaluate("", raw)
	if v.State != Present || v.Num < 0 || v.Num >= 1<<31 || v.Num != math.Trunc(v.Num) || len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') {
		return 0, false
	}
	return int(v.Num), true
}

// items calls visit with the raw elements of a JSON array.
func items(array []byte, visit func(raw []byte) error) error {
	i := space(array, 0)
	if i >= len(array) || array[i] != '[' {
		return errJSON
	}
	for i = space(array, i+1); i < len(array) && array[i] != ']'; {
		end := value(array, i)
		if end < 0 {
			return errJSON
		}
		if err := visit(array[i:end]); err != nil {
			return err
		}
		if i = space(array, end); i < len(array) && array[i] == ',' {
			i = space(array, i+1)
		}
	}
	if i >= len(array) {
		return errJSON
	}
	return nil
}
