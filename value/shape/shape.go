// Package shape says what a JSON value may be, once, for two readers: a program, to which
// Check lists every fault of a value in words, and an editor, for which Schema is the same as
// a JSON Schema (draft 2020-12).
//
// Contract: a value in which Check finds nothing is valid under Schema, and the other way
// round. Check goes on behind a fault: it lists all of a value, in the order of the value.
//
// How it fails: a value that does not fit is a list of faults, never an error. A shape that
// makes no sense is a slip of the program and panics.
package shape

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ballast/safetext"
	"ballast/value"
)

// Kind is a kind of JSON value.
type Kind uint8

// The kinds that shapes need.
const (
	Any    Kind = iota // any value, null too
	Object             // with the keys of Fields
	List               // of Items
	Text               // without NUL characters
	Number             // whole or not
)

var kinds = [...]string{Any: "a value", Object: "an object", List: "a list", Text: "text", Number: "a number"}

// Shape is what a value may be.
type Shape struct {
	Kind Kind
	Doc  string // one sentence, for people

	Fields []Field  // of an Object
	Open   bool     // an Object has any other keys, too, but for the empty one
	Some   []string // an Object has at least one of these keys

	Items  *Shape // of a List
	Least  int    // items of a List, characters of a Text
	Unique bool   // a List has no item twice

	Words   []string // a Text is one of these
	Pattern string   // a Text has a match of this regular expression
	Reads   string   // what Pattern wants, in words: "letters and digits"

	From, To Bound // of a Number, both included
}

// Field is a key of an object.
type Field struct {
	Key  string
	Must bool // it may not be absent
	Of   *Shape
}

// Bound is a bound of a number; the zero value is none.
type Bound struct {
	Set bool
	At  float64
}

// At is a bound.
func At(x float64) Bound { return Bound{true, x} }

// Fault is what is wrong at one place of a value.
type Fault struct {
	Path string // as turns[1].expect.reply; "" is the whole value
	Text string // what is wrong and what to do: the rest of a sentence whose subject is the place
}

// Key is the path of a key below a path.
func Key(path, key string) string {
	if !plain.MatchString(key) {
		return path + fmt.Sprintf("[%q]", safetext.Brief(key, 40))
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// Index is the path of an item below a path.
func Index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// KindOf names the kind of a value, with its article.
func KindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "text"
	case *value.List:
		return "a list"
	case *value.Dict:
		return "an object"
	}
	return "a number"
}

// Check lists what is wrong with a value that value.ParseExact read.
func (s *Shape) Check(v any) []Fault {
	c := checker{}
	c.check(s, "", v)
	return c.found
}

type checker struct{ found []Fault }

func (c *checker) say(path, format string, args ...any) {
	c.found = append(c.found, Fault{path, fmt.Sprintf(format, args...)})
}

func (c *checker) check(s *Shape, path string, v any) {
	if got := kindOf(v); s.Kind != Any && got != s.Kind {
		if v == nil {
			c.say(path, "is null; leave the key out or write %s", kinds[s.Kind])
		} else {
			c.say(path, "is %s; write %s", KindOf(v), s.wants())
		}
		return
	}
	switch s.Kind {
	case Object:
		c.object(s, path, v.(*value.Dict))
	case List:
		c.list(s, path, v.(*value.List))
	case Text:
		c.text(s, path, v.(string))
	case Number:
		c.number(s, path, v)
	}
}

// kindOf is the kind of a value, Any for those that no shape asks for.
func kindOf(v any) Kind {
	switch v.(type) {
	case nil, bool:
		return Any
	case string:
		return Text
	case *value.List:
		return List
	case *value.Dict:
		return Object
	}
	return Number
}

// wants names what is to be written.
func (s *Shape) wants() string {
	switch {
	case len(s.Words) > 0:
		return "one of " + strings.Join(s.Words, ", ")
	case s.Reads != "":
		return s.Reads
	case s.Kind == List && s.Items.Kind != Any:
		return "a list, each item of it " + s.Items.wants()
	case s.Kind == Object && len(s.Fields) > 0:
		return "an object with the keys " + strings.Join(s.keys(), ", ")
	}
	return kinds[s.Kind]
}

func (s *Shape) keys() []string {
	var keys []string
	for _, f := range s.Fields {
		keys = append(keys, f.Key)
	}
	return keys
}

func (s *Shape) field(key string) *Field {
	for i := range s.Fields {
		if s.Fields[i].Key == key {
			return &s.Fields[i]
		}
	}
	return nil
}

func (c *checker) object(s *Shape, path string, d *value.Dict) {
	for i := range d.Len() {
		k, v := d.At(i)
		key := k.(string) // JSON has no other keys
		f := s.field(key)
		switch {
		case f != nil:
			c.check(f.Of, Key(path, key), v)
		case !s.Open:
			c.unknown(s, path, key)
		case key == "":
			c.say(Key(path, key), "is an empty name; write one")
		}
	}
	for _, f := range s.Fields {
		if _, ok := d.GetString(f.Key); f.Must && !ok {
			c.say(Key(path, f.Key), "is missing; write %s", f.Of.wants())
		}
	}
	if len(s.Some) > 0 && !slices.ContainsFunc(s.Some, func(key string) bool { _, ok := d.GetString(key); return ok }) {
		c.say(path, "has none of the keys %s; write at least one of them", strings.Join(s.Some, ", "))
	}
}

// unknown speaks of a key that the object does not have.
func (c *checker) unknown(s *Shape, path, key string) {
	hint := "take it out"
	if near := Near(key, s.keys()); near != "" {
		hint = fmt.Sprintf("perhaps it is %s that is meant", near)
	}
	c.say(Key(path, key), "is no key here; %s (there are %s)", hint, strings.Join(s.keys(), ", "))
}

// Near is the word that a misspelt one may have meant, "" where none is like it.
func Near(word string, words []string) string {
	near := ""
	for _, w := range words {
		if d := distance(w, word); d < distance(near, word) && d <= 1+len(w)/4 {
			near = w
		}
	}
	return near
}

// distance is how many characters differ (Levenshtein), of short texts.
func distance(a, b string) int {
	if len(b) > 64 {
		return len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = before
			} else {
				row[j+1] = 1 + min(before, above, row[j])
			}
			before = above
		}
	}
	return row[len(b)]
}

func (c *checker) list(s *Shape, path string, l *value.List) {
	if len(l.Items) < s.Least {
		c.say(path, "has %d items; write at least %d", len(l.Items), s.Least)
	}
	for i, x := range l.Items {
		c.check(s.Items, Index(path, i), x)
	}
	if !s.Unique {
		return
	}
	first := map[string]int{}
	for i, x := range l.Items {
		text, ok := x.(string) // any other was named above
		if !ok {
			continue
		}
		if j, twice := first[text]; twice {
			c.say(Index(path, i), "is the same as item %d; take it out", j)
			continue
		}
		first[text] = i
	}
}

func (c *checker) text(s *Shape, path, text string) {
	switch {
	case strings.Contains(text, "\x00"):
		c.say(path, "holds the character NUL; take it out")
	case len(s.Words) > 0 && !slices.Contains(s.Words, text):
		c.say(path, "is %q; write one of %s", safetext.Brief(text, 40), strings.Join(s.Words, ", "))
	case len([]rune(text)) < s.Least:
		c.say(path, "is empty; write %s", s.wants())
	case s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(text):
		c.say(path, "is %q; write %s", safetext.Brief(text, 40), s.wants())
	}
}

func (c *checker) number(s *Shape, path string, v any) {
	if cmp, ok := value.CompareNumbers(v, s.From.At); s.From.Set && ok && cmp < 0 {
		c.say(path, "is %s; write a number of at least %v", value.Repr(v), s.From.At)
	}
	if cmp, ok := value.CompareNumbers(v, s.To.At); s.To.Set && ok && cmp > 0 {
		c.say(path, "is %s; write a number of at most %v", value.Repr(v), s.To.At)
	}
}
