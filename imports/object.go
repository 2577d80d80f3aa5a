package imports

import (
	"fmt"
	"slices"
	"strings"

	"ballast/value"
)

// object is an object of a row. Its keys are taken one by one, so that those that
// nobody took can be named. A null is an absent key.
type object struct {
	dict  *value.Dict
	at    string // where it stands; "" is the row
	taken map[string]bool
}

func asObject(v any, at string) (*object, error) {
	d, ok := v.(*value.Dict)
	if !ok || d == nil {
		return nil, &fault{reasonObject, at, kind(v)}
	}
	return &object{d, at, map[string]bool{}}, nil
}

// path is the place of a member.
func (o *object) path(key string) string {
	if o.at == "" {
		return key
	}
	return o.at + "." + key
}

func index(at string, i int) string { return fmt.Sprintf("%s[%d]", at, i) }

// has looks at a member without taking it.
func (o *object) has(key string) bool { return o.peek(key) != nil }

func (o *object) peek(key string) any {
	v, _ := o.dict.GetString(key)
	return v
}

// take takes a member; nil if there is none.
func (o *object) take(key string) any {
	o.taken[key] = true
	return o.peek(key)
}

// text takes a member that is text.
func (o *object) text(key string) (text string, ok bool, err error) {
	switch v := o.take(key).(type) {
	case nil:
		return "", false, nil
	case string:
		return v, true, nil
	default:
		return "", false, &fault{reasonType, o.path(key), kind(v)}
	}
}

// word takes a member that is text and must be there.
func (o *object) word(key string) (string, error) {
	text, ok, err := o.text(key)
	if err == nil && !ok {
		err = &fault{reasonType, o.path(key), "it is missing"}
	}
	return text, err
}

// list takes a member that is a list, or the JSON text of one; false if there is none.
// packed says that it was text.
func (o *object) list(key string) (items []any, packed, ok bool, err error) {
	v := o.take(key)
	if v == nil {
		return nil, false, false, nil
	}
	if s, is := v.(string); is {
		if v, err = value.ParseExact([]byte(s)); err != nil {
			return nil, true, true, &fault{reasonJSON, o.path(key), err.Error()}
		}
		packed = true
	}
	if items, is := listOf(v); is {
		return items, packed, true, nil
	}
	return nil, packed, true, &fault{reasonType, o.path(key), kind(v)}
}

// listOf is a list, or an object of lists of one length, which is how a column of the
// kind Sequence holds a list of objects.
func listOf(v any) ([]any, bool) {
	if l, ok := v.(*value.List); ok {
		return l.Items, true
	}
	d, ok := v.(*value.Dict)
	if !ok || d.Len() == 0 {
		return nil, false
	}
	var items []any
	for i := range d.Len() {
		k, x := d.At(i)
		l, ok := x.(*value.List)
		if !ok || i > 0 && len(l.Items) != len(items) {
			return nil, false
		}
		for j, x := range l.Items {
			if i == 0 {
				items = append(items, &value.Dict{})
			}
			items[j].(*value.Dict).Set(k, x)
		}
	}
	return items, true
}

func (o *object) keys() []string {
	var out []string
	for _, k := range o.dict.Keys() {
		out = append(out, fmt.Sprint(k))
	}
	return out
}

// passable are keys of rows, messages and calls that carry no words of the dialogue.
var passable = strings.Fields(`id ids idx index uid uuid _id row_id sample_id example_id conversation_id conv_id prompt_id dialogue_id
	source sources data_source dataset dataset_name origin url license split version hash created created_at timestamp date time
	category subcategory categories type task task_type task_name topic topics domain domains ability difficulty level tag tags
	lang language model model_name generator teacher score scores rating quality num_turns turns tokens token_count
	tool_choice parallel_tool_calls enable_thinking cache_control`)

// Keys of rows that say whether a row is good: those of good are 1 or true where it is,
// and those of bad are 0 or false.
var (
	good = strings.Fields(`label labels train trainable train_on weight loss loss_weight sample_weight keep use used valid is_valid correct
		is_correct success is_success successful accept accepted is_accepted approved pass passed is_passed chosen good is_good preferred verified`)
	bad = strings.Fields(`reject rejected is_rejected discard discarded drop dropped exclude excluded skip skipped ignore ignored mask masked
		bad is_bad fail failed error is_error has_error invalid is_invalid wrong is_wrong deleted is_deleted`)
)

// judged is a fault where a number or a truth value says that a row is not to be learned,
// or says anything but that it is.
func judged(key string, v any) error {
	want := slices.Contains(good, key)
	if !wordless(v) || !want && !slices.Contains(bad, key) {
		return nil
	}
	switch v {
	case want:
		return nil
	case int64(1), float64(1):
		if want {
			return nil
		}
	case int64(0), float64(0):
		if !want {
			return nil
		}
	}
	return &fault{reasonVerdict, brief(key), fmt.Sprint(v)}
}

// rest lists the keys that nobody took and that carry no words: those of passable, and
// nulls, numbers, truth values and what is empty. Any other is a fault.
func (r *reader) rest(o *object) (passed []string, err error) {
	for i := range o.dict.Len() {
		k, v := o.dict.At(i)
		key, _ := k.(string)
		if o.at == "" && !o.taken[key] && v != nil {
			if err := judged(key, v); err != nil {
				return nil, err
			}
		}
		switch {
		case o.taken[key] || v == nil:
		case slices.Contains(passable, key) || o.at == "" && wordless(v):
			passed = append(passed, key)
		case empty(v):
		default:
			return nil, &fault{reasonKey, o.path(brief(key)), ""}
		}
	}
	return passed, nil
}

// only is rest for an object inside of a row.
func (r *reader) only(o *object) error {
	passed, err := r.rest(o)
	for _, k := range passed {
		r.pass(k)
	}
	return err
}

// pass notes what a row holds and nobody read.
func (r *reader) pass(what string) {
	if !slices.Contains(r.passed, what) {
		r.passed = append(r.passed, what)
	}
}

func wordless(v any) bool {
	switch v.(type) {
	case string, *value.List, *value.Dict:
		return false
	}
	return true
}

// hollow says that an object holds nothing but nulls, with which a table fills in for one
// that is absent.
func hollow(v any) bool {
	d, ok := v.(*value.Dict)
	if !ok || d.Len() == 0 {
		return false
	}
	for i := range d.Len() {
		if _, x := d.At(i); x != nil && !hollow(x) {
			return false
		}
	}
	return true
}

func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case *value.List:
		return len(v.Items) == 0
	case *value.Dict:
		return v.Len() == 0 || hollow(v)
	}
	return false
}

// kind names the kind of a value for people.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a text"
	case bool:
		return "a truth value"
	case *value.List:
		return "a list"
	case *value.Dict:
		return "an object"
	}
	return "a number"
}
