package chat

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ballast"
	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/chat/jinja"
	"ballast/chat/pretoken"
	"ballast/chat/tooldoc"
	"ballast/safetext"
	"ballast/value"
)

// Own is the name of a renderer that is made of a model's own template.
const Own = "own"

// own is the part of a renderer that the model's own template writes: the beginning of a
// conversation, with the system text and the documentation of tools. The frame around
// messages was cut out of renderings once.
type own struct {
	source Source
	format string // that the template writes calls in
	mu     sync.Mutex
	heads  map[string]string // by system text and tools
}

// maxHeads bounds the beginnings that are kept; runs have a few hundred.
const maxHeads = 4096

// pieces makes renderers of a model's template: the frame around messages, cut out of
// renderings, in the ways in which texts can stand in it. One is the model's if it writes
// all probes as the template does. The error says what no renderer here can have.
func (r *renderings) pieces(src *Source, tok *bpe.Tokenizer, f Format) ([]*Template, error) {
	if r.toolless {
		return nil, cannot(kindToolless, "")
	}
	plain, err := r.text(piecesPlain)
	if err != nil {
		return nil, err
	}
	tools, err := r.text(piecesTools)
	if err != nil {
		return nil, err
	}
	many, err := r.text(piecesMany)
	if err != nil && !raised(err) {
		return nil, err
	}
	t := &Template{Name: Own, Doc: "made of the model's own template", own: &own{source: *src, format: f.Name(), heads: map[string]string{}}}
	tail, ok := strings.CutPrefix(plain[0], cutAt(plain[0], firstMark)+firstMark)
	rest, same := strings.CutPrefix(plain[1], plain[0]+replyMark)
	next, _, found := strings.Cut(rest, secondMark)
	switch {
	case !ok || tail == "":
		return nil, cannot(kindNoUser, "or no beginning of a reply behind it: %s", excerpt(plain[0], 0))
	case !same:
		return nil, parted(plain[0]+replyMark, plain[1])
	case !found:
		return nil, cannot(kindNoUser, "a second time")
	}
	if t.end = endToken(src, tok, next); t.end == "" {
		return nil, cannot(kindNoEnd, "behind a reply stands %s, and the tokenizer has no control token for its beginning", excerpt(next, 0))
	}
	if after, ok := strings.CutPrefix(tail, t.end); ok {
		t.gap = blank(after, next[len(t.end):])
		t.reply, t.user = after[len(t.gap):], next[len(t.end)+len(t.gap):]
	} else { // Mistral's kind: a token behind a user's text, and the reply at once
		t.asked, t.user = &tail, next[len(t.end):]
	}
	t.closers, t.stops, t.control = []string{t.end}, []string{t.end}, []string{t.end}
	if tok != nil {
		// Where the tokenizer has no tokens for the tags, the model spells them.
		t.spelled = slices.ContainsFunc(f.Control(), func(tag string) bool { _, ok := tok.ID(tag); return !ok })
		for _, a := range tok.Added() {
			if strings.Contains(t.user+t.reply+deref(t.asked), a.Content) && !slices.Contains(t.control, a.Content) {
				t.control = append(t.control, a.Content)
			}
		}
	}
	for _, end := range append([]string{src.Special["eos_token"]}, src.Ends...) {
		if end != "" && !slices.Contains(t.stops, end) {
			t.stops = append(t.stops, end)
		}
	}
	spoken, err := r.text(textAndCall)
	if err != nil && !raised(err) {
		return nil, err
	}
	if err == nil {
		if _, rest, ok := strings.Cut(spoken[1], spoken[0]+spokenMark); ok {
			t.joint, t.bound = blank(rest, rest), true
		}
	}
	return t.variants(tools, many, tail, f)
}

// variants finds what stands around results, and gives t in the ways of texts.
func (t *Template) variants(tools, many []string, tail string, f Format) ([]*Template, error) {
	calls, err := f.Write([]ballast.Call{callOf("find_place", "city", "Tromsø", "days", int64(2))}, nil)
	if err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(tools[1], tools[0])
	if !ok {
		return nil, parted(tools[0], tools[1])
	}
	behind, ok := strings.CutPrefix(rest, calls)
	switch {
	case !ok && !strings.Contains(rest, "find_place"):
		return nil, cannot(kindNoCalls, "where a call should be stands %s", excerpt(rest, 0))
	case !ok:
		return nil, cannot(kindSyntax, "it writes %s, and format %s %s", excerpt(rest, common(rest, calls)), f.Name(),
			excerpt(calls, common(rest, calls)))
	}
	before, after, ok := strings.Cut(behind, resultMark)
	head, opens := strings.CutPrefix(before, t.end+t.gap)
	if !ok || !opens {
		return nil, cannot(kindResults, "between a call and its result stands %s", excerpt(before, 0))
	}
	if t.asked != nil {
		ok = after != "" // nothing else stands before the next reply
	} else {
		after, ok = strings.CutSuffix(after, tail)
	}
	if !ok {
		return nil, cannot(kindResults, "behind a result stands %s, behind a user's text %s", excerpt(after, 0), excerpt(tail, 0))
	}
	t.tool = head
	if len(many) == 2 {
		_, rest, _ = strings.Cut(many[1], resultMark)
		apart, _, ok := strings.Cut(rest, otherMark)
		inner, opens := strings.CutPrefix(apart, after)
		if !ok || !opens {
			return nil, cannot(kindResults, "between two results stands %s", excerpt(apart, 0))
		}
		_, shut := t.tails()
		if t.between = inner; inner == shut+head {
			t.separate = true
		}
	} else {
		t.separate = true // it refuses several calls
	}
	var out []*Template
	for _, body := range []func(string) string{func(s string) string { return s }, strings.TrimSpace, quoted} {
		for _, trim := range []bool{false, true} {
			for k := range 8 {
				one := *t
				one.trim, one.thinks, one.others, one.spoken = trim, k&1 > 0, k&2 > 0, k&4 > 0
				one.result = func(text string) (string, string, string) { return "", body(text), after }
				out = append(out, &one)
			}
		}
	}
	return out, nil
}

// quoted is a text inside the quotes of a JSON string.
func quoted(s string) string {
	s = tooldoc.JSON(s)
	return s[1 : len(s)-1]
}

// text are the renderings of a probe, all or an error.
func (r *renderings) text(name string) (out []string, err error) {
	for _, g := range r.got[r.index(name)] {
		if g.Err != nil {
			return nil, &unmade{kindFails, fmt.Sprintf("in probe %q: %v", name, g.Err), g.Err}
		}
		out = append(out, g.Text)
	}
	return out, nil
}

func (r *renderings) index(name string) int {
	return slices.IndexFunc(r.probes, func(p probe) bool { return p.name == name })
}

func cutAt(text, mark string) string {
	before, _, _ := strings.Cut(text, mark)
	return before
}

// spelledToken is how a control token looks where there is no tokenizer to ask.
var spelledToken = regexp.MustCompile(`^<[^<>\s]{1,46}>`)

// endToken is the control token at the start of a text, "" if there is none.
func endToken(src *Source, tok *bpe.Tokenizer, text string) string {
	if tok == nil {
		if eos := src.Special["eos_token"]; eos != "" && strings.HasPrefix(text, eos) {
			return eos
		}
		return spelledToken.FindString(text)
	}
	longest := ""
	for _, a := range tok.Added() {
		if strings.HasPrefix(text, a.Content) && len(a.Content) > len(longest) {
			longest = a.Content
		}
	}
	return longest
}

// blank is the white space that both texts begin with.
func blank(a, b string) string {
	n := common(a, b)
	return a[:n-len(strings.TrimLeft(a[:n], " \t\r\n"))]
}

// ownRenderer finds the renderer that is made of the model's template and writes what it
// writes. Where there is none, nearest is what comes nearest, if something comes near.
func (r *renderings) ownRenderer(src *Source, tok *bpe.Tokenizer, f Format) (t *Template, nearest *difference, err error) {
	list, err := r.pieces(src, tok, f)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range list {
		diff := r.compare(tok, t, f, nil)
		if diff == nil {
			return t, nil, nil
		}
		if diff.further(nearest) {
			nearest = diff
		}
	}
	return nil, nearest, cannot(kindCut, "in %s", nearest)
}

// head is what the model's template writes before the first user's text, without the
// header of that message.
func (o *own) head(t *Template, tools []ballast.Tool, system *string, hint bool) (before, after string) {
	text := o.render(t, tools, system)
	if !hint {
		return text, ""
	}
	if before, ok := strings.CutSuffix(text, t.end+t.gap); ok && t.asked == nil { // the end of a system message
		return before + "\n\n", t.end + t.gap
	}
	mark := "\uFDEE"
	if system != nil && t.asked != nil {
		mark = *system + "\n\n" + mark
	} else if system != nil {
		fail("a hint has no place: its system message does not end in %s", excerpt(t.end, 0))
	}
	text = o.render(t, tools, &mark)
	before, after, ok := strings.Cut(text, "\uFDEE")
	if !ok {
		fail("a hint has no place: it does not write a system text")
	}
	return before, after
}

// fail ends the writing of a conversation with an error, see pretoken.Recover.
func fail(text string, args ...any) {
	panic(&pretoken.Failure{Err: fmt.Errorf("chat: the model's own template: "+text, args...)})
}

// render has the beginning of a conversation rendered, or remembers it.
func (o *own) render(t *Template, tools []ballast.Tool, system *string) string {
	const mark = "\uFDEFuser\uFDEF"
	p := probe{system: system, messages: []said{{role: "user", text: mark}}}
	for _, tool := range tools {
		p.tools = append(p.tools, wrappedTool(tool))
	}
	data := p.variables(&o.source)[:1]
	key, err := value.JSON(data[0])
	if err != nil {
		fail("%v", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if text, ok := o.heads[key]; ok {
		return text
	}
	got, err := jinja.Apart(context.Background(), o.source.text(len(tools) > 0), data)
	if err == nil {
		err = got[0].Err
	}
	if err != nil {
		text := safetext.Line(clip(err.Error(), 0))
		panic(&pretoken.Failure{Err: fmt.Errorf("chat: the model's own template: %s", text), Passing: passing(err)})
	}
	before, after, ok := strings.Cut(got[0].Text, mark)
	text, opens := strings.CutSuffix(before, t.user)
	tail, _ := t.tails()
	if !ok || !opens || after != tail+t.reply {
		words := strings.NewReplacer(mark, "(the user's text)")
		fail("it writes %s, where it wrote %s in another conversation", excerpt(words.Replace(got[0].Text), len(before)),
			excerpt(words.Replace(t.user+mark+tail+t.reply), 0))
	}
	if len(o.heads) >= maxHeads {
		clear(o.heads)
	}
	o.heads[key] = text
	return text
}

// passing says that a render may fare better another time: its child process could not run,
// or had too little time or memory.
func passing(err error) bool {
	var l *jinja.LimitError
	if errors.As(err, &l) {
		return l.Limit == "time" || l.Limit == "memory"
	}
	var e *jinja.Error
	return !errors.As(err, &e)
}

// wrappedTool is a tool documented as OpenAI's clients do, which templates count on.
func wrappedTool(t ballast.Tool) ballast.Tool {
	doc := tooldoc.Doc(t)
	if d, ok := doc.(*value.Dict); ok {
		if _, there := d.Get("function"); !there {
			doc = value.NewDict("type", "function", "function", d)
		}
	}
	return ballast.Tool{Name: t.Name, Schema: doc}
}

// jinja is the model's template, with a system text for conversations that bring none.
func (o *own) jinja(system *string) string {
	if system == nil {
		return o.source.Jinja()
	}
	return "{% if not messages or messages[0]['role'] != 'system' %}{% set messages = [{'role': 'system', 'content': " +
		format.Quote(*system) +
		"}] + messages %}{% endif %}{{ '' }}" + o.source.Jinja()
}
