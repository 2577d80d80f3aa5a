package bfcl

import (
	"slices"
	"strings"
	"sync"
	"unsafe"

	"ballast"
	"ballast/value"
	"ballast/world/python"
)

// method is one row of a class's table. Parameters exclude self; the last
// len(defaults) have default values, which are immutable.
type method[S any] struct {
	name     string
	params   []string
	defaults []any
	run      func(s S, a []any) string

	required int // len(params) - len(defaults)
}

// class is a table of methods.
type class[S any] struct {
	name  string
	order []*method[S]
	slots [slots]*method[S] // by slot of the name, or one after it
}

// slots is a power of two and several times the methods of a class.
const slots = 128

// slot is where to look for a name first.
func slot(name string) uint {
	n := uint(len(name))
	if n == 0 {
		return 0
	}
	return (n*31 + uint(name[0])*7 + uint(name[n/2])*17 + uint(name[n-1])*3) % slots
}

// method returns the method of that name, or nil.
func (c *class[S]) method(name string) *method[S] {
	for i := slot(name); ; i = (i + 1) % slots {
		if m := c.slots[i]; m == nil || m.name == name {
			return m
		}
	}
}

// newClass builds the table of a class.
func newClass[S any](name string, methods ...method[S]) *class[S] {
	c := &class[S]{name: name}
	for i := range methods {
		m := &methods[i]
		m.required = len(m.params) - len(m.defaults)
		c.order = append(c.order, m)
		i := slot(m.name)
		for c.slots[i] != nil {
			i = (i + 1) % slots
		}
		c.slots[i] = m
	}
	return c
}

// core is what every state has: room for the call in progress.
type core struct {
	*scratch // during a call
}

// scratch holds the arguments of a call, and room for answers.
type scratch struct {
	args  [python.MaxParams]any
	free  []byte // of length 0; nothing refers to its room
	text  []byte
	lines []string // of the file that is read
	bound int      // how many of args are set
}

var scratches = sync.Pool{New: func() any { return &scratch{text: make([]byte, 0, 1024)} }}

// Answers are written one behind the other into blocks of memory, which spares each
// an allocation and a copy. Those of one block live as long as one of them does.
const (
	block     = 16 << 10
	blockLeft = 2 << 10 // with less, the next answer begins a new block
)

// begin returns the empty slice that an answer is appended to, for said.
func (k *core) begin() []byte {
	b := k.free
	k.free = nil // whoever begins before this answer is said gets another block
	if cap(b) < blockLeft {
		b = newBlock()
	}
	return b
}

// newBlock returns room for answers. Nothing reads it before it is written, so it is
// not cleared, which took longer than anything else that makes an answer.
func newBlock() []byte {
	var b strings.Builder
	b.Grow(block)
	b.WriteByte(0) // so that there is a string whose memory can be asked for
	return unsafe.Slice(unsafe.StringData(b.String()), b.Cap())[:0]
}

// said returns an answer, whose bytes nobody writes to from now on: what follows
// begins behind it.
func (k *core) said(b []byte) string {
	k.free = b[len(b):]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// maxScratch is the largest buffer that is kept for other calls.
const maxScratch = 1 << 17

// release hands the buffers back.
func (k *core) release() {
	if sc := k.scratch; cap(sc.text)+16*cap(sc.lines) <= maxScratch {
		clear(sc.args[:sc.bound])
		if len(sc.lines) > 0 {
			clear(sc.lines)
			sc.lines = sc.lines[:0]
		}
		scratches.Put(sc)
	}
	k.scratch = nil
}

// call binds and runs one call on s, whose core is k.
func (c *class[S]) call(s S, k *core, call ballast.Call) (out string) {
	m := c.method(call.Name)
	if m == nil {
		return Unknown(call.Name)
	}
	k.scratch = scratches.Get().(*scratch)
	defer func() {
		if r := recover(); r != nil {
			out = failed(python.Caught(r))
		}
		k.release()
	}()
	return m.run(s, c.bind(m, k, call.Args))
}

func failed(text string) string { return "Error during execution: " + text }

// forbidden are the names that the original refuses to call.
var forbidden = []string{"kill", "exit", "quit", "remove", "unlink", "popen", "Popen", "run"}

// Unknown answers a call of a name that no class of the task has. The name is the text before the
// arguments, with the blanks before it: the original looks for it among the forbidden ones as it
// stands, and evaluates it then, which passes over them. (Its own process ends with a name such as
// " exit"; here that is a name like the others.)
func Unknown(name string) string {
	short := name
	if parts := strings.SplitN(name, ".", 3); len(parts) > 1 {
		short = parts[1]
	}
	for _, f := range forbidden {
		if short == f {
			return failed("Function call " + f + " is not allowed.")
		}
	}
	first, _, _ := strings.Cut(strings.Trim(name, " \t\n\r\f"), ".")
	return failed("name '" + first + "' is not defined")
}

// bind matches arguments with parameters. The result is valid until the next call.
func (c *class[S]) bind(m *method[S], k *core, given []ballast.Arg) []any {
	a := k.args[:len(m.params)]
	k.bound = len(a)
	python.Bind(c.name, m.name, m.params, m.defaults, a, given)
	return a
}

// none is the answer of a method that returns None.
const none = "None"

// appendKey appends a key that needs no escapes.
func appendKey(dst []byte, key string) []byte {
	n := len(dst)
	dst = slices.Grow(dst, len(key)+4)[:n+len(key)+4]
	dst[n] = '"'
	copy(dst[n+1:], key)
	copy(dst[n+1+len(key):], `": `)
	return dst
}

// dict answers a dict of alternating keys (without escapes) and values: its JSON,
// or its repr where it has no JSON.
func (k *core) dict(pairs ...any) string {
	b := append(k.begin(), '{')
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendKey(b, pairs[i].(string))
		var err error
		if b, err = value.AppendJSON(b, pairs[i+1]); err != nil {
			return string(value.AppendRepr(nil, value.NewDict(pairs...)))
		}
	}
	return k.said(append(b, '}'))
}

// json answers a dict or a constant that is one.
func (k *core) json(d any) string {
	b, err := value.AppendJSON(k.begin(), d)
	if err != nil {
		return value.Repr(d)
	}
	return k.said(b)
}

// line answers {key: text}, the text being the parts' str() put together.
func (k *core) line(key string, parts ...any) string {
	b := append(k.begin(), '{')
	b = append(appendKey(b, key), '"')
	for _, p := range parts {
		s, ok := p.(string)
		if !ok {
			k.text = value.AppendRepr(k.text[:0], p)
			s = unsafe.String(unsafe.SliceData(k.text), len(k.text))
		}
		b = value.AppendEscaped(b, s)
	}
	return k.said(append(b, `"}`...))
}

// told is a text that an answer tells and nothing keeps.
type told scratch

// tell returns the parts' str() put together, for dict, and for one value of it.
func (k *core) tell(parts ...any) any {
	k.text = appendStr(k.text[:0], parts...)
	return (*told)(k.scratch)
}

func (t *told) TypeName() string             { return "str" }
func (t *told) AppendRepr(dst []byte) []byte { return value.AppendRepr(dst, string(t.text)) }
func (t *told) EqualTo(other any) bool       { return other == any(string(t.text)) }

// AppendJSON appends the value as Python's json writes it.
func (t *told) AppendJSON(dst []byte) ([]byte, error) {
	return value.AppendQuotedBytes(dst, t.text), nil
}

// error answers {"error": text}.
func (k *core) error(parts ...any) string { return k.line("error", parts...) }

// appendStr appends Python's str() of every part.
func appendStr(dst []byte, parts ...any) []byte {
	for _, p := range parts {
		if s, ok := p.(string); ok {
			dst = append(dst, s...)
		} else {
			dst = value.AppendRepr(dst, p)
		}
	}
	return dst
}

// str is an f-string of the parts.
func (k *core) str(parts ...any) string {
	k.text = appendStr(k.text[:0], parts...)
	return string(k.text)
}

// str is an f-string of the parts.
func str(parts ...any) string { return string(appendStr(nil, parts...)) }
