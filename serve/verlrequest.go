package serve

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Requests of many actions are read in one pass, without reflection, as long as they look as verl-tool's client
// writes them. Whatever looks otherwise is left to encoding/json, which also says what is wrong: a key of another case,
// a key that comes twice, null, JSON that is none. The tests hold that both read the same.

// readActions reads a request. False means that it is encoding/json's to read, and says nothing about it.
func readActions(body []byte, q *actionRequest) bool {
	r := requestReader{body: body}
	var texts []string
	var keys keys
	ok := r.object(func(key []byte) bool {
		switch string(key) {
		case "trajectory_ids":
			return keys.first(0) && readList(&r, &q.IDs, r.text)
		case "actions":
			return keys.first(1) && readList(&r, &texts, r.text)
		case "extra_fields":
			return keys.first(2) && readList(&r, &q.Extra, r.extra)
		case "finish":
			return keys.first(3) && readList(&r, &q.Finish, r.flag)
		case "is_last_step":
			return keys.first(4) && readList(&r, &q.Last, r.flag)
		}
		return false
	})
	if r.space(); !ok || r.at != len(body) {
		return false
	}
	q.Actions = make([]*string, len(texts))
	for i := range texts {
		q.Actions[i] = &texts[i]
	}
	return true
}

// keys has a bit for each key of an object.
type keys uint8

func (k *keys) first(key int) bool {
	is := *k>>key&1 == 0
	*k |= 1 << key
	return is
}

// requestReader reads JSON from byte at on. Its methods return false where encoding/json is to read it all.
type requestReader struct {
	body []byte
	at   int
}

func (r *requestReader) space() {
	for r.at < len(r.body) && (r.body[r.at] == ' ' || r.body[r.at] == '\n' || r.body[r.at] == '\r' || r.body[r.at] == '\t') {
		r.at++
	}
}

// take steps over a byte, and white space before it, if it stands there.
func (r *requestReader) take(c byte) bool {
	if r.space(); r.at < len(r.body) && r.body[r.at] == c {
		r.at++
		return true
	}
	return false
}

// object reads an object; member reads the value of a key.
func (r *requestReader) object(member func(key []byte) bool) bool {
	if !r.take('{') {
		return false
	}
	if r.take('}') {
		return true
	}
	for {
		key, plain := r.quoted()
		if !plain || !r.take(':') || !member(key) {
			return false
		}
		if !r.take(',') {
			return r.take('}')
		}
	}
}

// readList reads a list; element reads one value.
func readList[T any](r *requestReader, into *[]T, element func(*T) bool) bool {
	if !r.take('[') {
		return false
	}
	all := make([]T, 0, min(64, len(r.body)/64+1))
	for more := !r.take(']'); more; {
		var none T
		if all = append(all, none); !element(&all[len(all)-1]) {
			return false
		}
		if more = r.take(','); !more && !r.take(']') {
			return false
		}
	}
	*into = all
	return true
}

// quoted reads a text and returns what stands between its quotes, nil if it is none. Plain says that this is the text.
func (r *requestReader) quoted() (inside []byte, plain bool) {
	if !r.take('"') {
		return nil, false
	}
	start := r.at
	for plain = true; r.at < len(r.body); r.at++ {
		switch c := r.body[r.at]; {
		case c == '"':
			r.at++
			return r.body[start : r.at-1], plain
		case c == '\\':
			plain = false
			r.at++
		case c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return nil, false
}

// text reads a text, which shares no memory with the request.
func (r *requestReader) text(into *string) bool {
	r.space()
	start := r.at
	inside, plain := r.quoted()
	if plain {
		*into = string(inside)
		return true
	}
	return inside != nil && json.Unmarshal(r.body[start:r.at], into) == nil
}

func (r *requestReader) flag(into *bool) bool {
	raw, _ := r.value()
	*into = string(raw) == "true"
	return *into || string(raw) == "false"
}

// count reads a whole number from 0.
func (r *requestReader) count(into *int) bool {
	raw, ok := r.value()
	n, err := strconv.ParseUint(string(raw), 10, 31)
	*into = int(n)
	return ok && err == nil
}

// extra reads the fields of an action. Those that mean nothing here must be JSON, too.
func (r *requestReader) extra(x *extraFields) bool {
	var keys keys
	return r.object(func(key []byte) bool {
		switch string(key) {
		case "ballast_task":
			raw, ok := r.value()
			x.Task = raw
			return keys.first(0) && ok
		case "ballast_step":
			x.Step = new(int)
			return keys.first(1) && r.count(x.Step)
		case "finish":
			x.Finish = new(bool)
			return keys.first(2) && r.flag(x.Finish)
		case "is_last_step":
			x.Last = new(bool)
			return keys.first(3) && r.flag(x.Last)
		}
		for _, name := range [...]string{"ballast_task", "ballast_step", "finish", "is_last_step"} {
			if strings.EqualFold(string(key), name) { // encoding/json takes it in any case
				return false
			}
		}
		_, ok := r.value()
		return ok
	})
}

// maxNested is how deep lists and objects stand in each other that are read here.
const maxNested = 64

// value steps over any value and returns it as it stands.
func (r *requestReader) value() (raw []byte, ok bool) {
	r.space()
	start := r.at
	if inside, plain := r.quoted(); inside != nil {
		raw = r.body[start:r.at]
		return raw, plain || json.Valid(raw)
	}
	for nested := 0; r.at < len(r.body) && nested <= maxNested; r.at++ {
		switch c := r.body[r.at]; {
		case c == '"':
			if inside, _ := r.quoted(); inside == nil {
				return nil, false
			}
			r.at--
		case c == '{' || c == '[':
			nested++
		case nested > 0 && (c == '}' || c == ']'):
			if nested--; nested == 0 {
				r.at++
				raw = r.body[start:r.at]
				return raw, json.Valid(raw)
			}
		case nested == 0 && (c == '}' || c == ']' || c == ',' || c <= ' '):
			raw = r.body[start:r.at]
			return raw, json.Valid(raw)
		}
	}
	return nil, false
}
