package endpoint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// callBuilder makes one call out of pieces.
type callBuilder struct {
	id, name string
	text     bytes.Buffer // of the arguments
	again    bool         // the name of the call before came again: a call only if arguments follow
}

// maxName bounds names and ids of calls.
const maxName = 4 << 10

var largeCalls = fmt.Sprintf("the endpoint's reply has more than %d tool calls", maxCalls)

// target finds the call that a piece goes on with, as an index of parts; -1 is a new
// one. The index of a piece should tell, but Ollama gives 0 to all calls
// (ollama/ollama#15457), others give none (ollama/ollama#7881), and some repeat the name,
// or the id too, in every piece. So an id that is another one begins a call, and where ids
// do not tell, a name does once the call before has all its arguments. Calls from fresh on
// were begun by the same message: those without an id of their own are not gone on with.
// Again says that nothing but the name of the call before came again behind its arguments:
// what follows tells whether it begins a call or was repeated.
func (b *builder) target(t *call, fresh int) (k int, again bool) {
	if b.at == nil { // a whole message has whole calls
		return -1, false
	}
	last := len(b.parts) - 1
	id, name := string(t.ID), string(t.Function.Name)
	if t.Index.set {
		i, ok := b.at[t.Index.v]
		if !ok {
			return -1, false
		}
		last = i
	} else if id != "" {
		for i := range b.parts {
			if b.parts[i].id == id && i < fresh {
				return i, false
			}
		}
	}
	if last < 0 {
		return -1, false
	}
	p := &b.parts[last]
	switch {
	case id != "" && p.id != "" && id != p.id:
		return -1, false
	case id != "" && p.id == "" && !t.Index.set:
		return -1, false
	case name == "":
		return last, false
	case last >= fresh && !t.Index.set: // two with names in one piece
		return -1, false
	case name != p.name && (p.text.Len() > 0 || p.again), name != p.name && !t.Index.set:
		return -1, false
	case b.ready(p) && (id == "" || last >= fresh):
		return -1, strings.TrimSpace(string(t.Function.Arguments)) == ""
	}
	return last, false
}

// ready says whether a call has all its arguments, as far as that was not looked at too
// often.
func (b *builder) ready(p *callBuilder) bool {
	text := bytes.TrimSpace(p.text.Bytes())
	if len(text) == 0 || text[len(text)-1] != '}' || b.checked > maxBody {
		return false
	}
	b.checked += len(text)
	return json.Valid(text)
}

// call takes a piece of a call. A name that comes again is the same name.
func (b *builder) call(p *callBuilder, t *call) error {
	name := string(t.Function.Name)
	p.id = cmp.Or(p.id, string(t.ID))
	if name != p.name {
		p.name += name
	}
	if b.size += len(t.ID) + len(name); len(p.name) > maxName || len(p.id) > maxName {
		return large("one tool's name", maxName)
	}
	if b.at != nil && b.ready(p) {
		switch text := strings.TrimSpace(string(t.Function.Arguments)); {
		case text == string(bytes.TrimSpace(p.text.Bytes())): // the last piece has the whole call again
			return nil
		case string(bytes.TrimSpace(p.text.Bytes())) == "{}" && strings.HasPrefix(text, "{"): // "{}" stood for none yet
			p.text.Reset()
		}
	}
	return b.write(&p.text, string(t.Function.Arguments))
}
