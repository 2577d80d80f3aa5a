package chat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/chat/jinja"
	"ballast/safetext"
	"ballast/value"
)

// renderings are what a model's own template writes for all probes: for each probe a text
// or an error before each reply and at the end.
type renderings struct {
	probes []probe
	got    [][]jinja.Result
	// toolless: the template writes the same with tools and without.
	toolless bool
}

// render has the probes rendered by the model's own template, with more variables: in one
// child process, or in two where conversations with tools have a template of their own.
func render(ctx context.Context, src *Source, more ...any) (*renderings, error) {
	r := &renderings{probes: probes()}
	template := func(p *probe) int {
		if src.Tools != "" && p.tooled() {
			return 1
		}
		return 0
	}
	var lists [2][]*value.Dict
	for i := range r.probes {
		k := template(&r.probes[i])
		lists[k] = append(lists[k], r.probes[i].variables(src, more...)...)
	}
	if src.Tools == "" {
		lists[0] = append(lists[0], r.bare(src, more...)...)
	}
	var got [2][]jinja.Result
	for k, text := range []string{src.Text, src.Tools} {
		var err error
		if got[k], err = jinja.Apart(ctx, text, lists[k]); err != nil {
			return nil, err
		}
	}
	for i := range r.probes {
		k, n := template(&r.probes[i]), len(r.probes[i].variables(src))
		r.got = append(r.got, got[k][:n])
		got[k] = got[k][n:]
	}
	r.toolless = src.Tools == "" && r.same(got[0])
	return r, nil
}

// bare is a conversation with tools whose tools and calls are taken away.
func (r *renderings) bare(src *Source, more ...any) []*value.Dict {
	list := r.probes[r.index(piecesTools)].variables(src, more...)
	for _, d := range list {
		d.Delete("tools")
		messages, _ := d.Get("messages")
		for _, m := range messages.(*value.List).Items {
			m.(*value.Dict).Delete("tool_calls")
		}
	}
	return list
}

// same says whether the model's template writes the same where tools are taken away.
func (r *renderings) same(bare []jinja.Result) bool {
	for k, b := range bare {
		with := r.got[r.index(piecesTools)][k]
		if k == 0 && b.Err != nil || b.Text != with.Text || (b.Err == nil) != (with.Err == nil) {
			return false
		}
	}
	return true
}

// difference is where a renderer writes something else than the model's template.
type difference struct {
	probe string
	equal int // probes that were equal before
	at    int // byte of the first difference in the prompt
	why   string
}

func (d *difference) String() string { return fmt.Sprintf("probe %q: %s", d.probe, d.why) }

// further says whether a renderer came further than another one.
func (d *difference) further(o *difference) bool {
	return o == nil || d.equal > o.equal || d.equal == o.equal && d.at > o.at
}

// compare compares what t writes in format f with the renderings. skip names probes that
// are not compared. tok is the model's tokenizer; without one texts are compared.
func (r *renderings) compare(tok *bpe.Tokenizer, t *Template, f Format, skip map[string]string) *difference {
	equal := 0
	for i := range r.probes {
		p := &r.probes[i]
		if _, ok := skip[p.name]; ok || r.toolless && p.tooled() || p.skips(t) {
			continue
		}
		if at, why := compareProbe(p, r.got[i], tok, t, f); why != "" {
			return &difference{p.name, equal, at, why}
		}
		equal++
	}
	return nil
}

func compareProbe(p *probe, got []jinja.Result, tok *bpe.Tokenizer, t *Template, f Format) (at int, why string) {
	for i, g := range got {
		switch {
		case g.Err != nil && p.may && (raised(g.Err) || p.odd && failed(g.Err)):
			return 0, ""
		case g.Err != nil:
			return 0, fmt.Sprintf("prompt %d: the model's template ends with an error: %s", i+1, safetext.Line(clip(g.Err.Error(), 0)))
		}
	}
	spell := newSpelling(t)
	prompts, err := p.play(spell, t, f)
	if err != nil {
		return 0, safetext.Line(err.Error())
	}
	for i, ids := range prompts {
		text := spell.Decode(ids)
		if at = common(text, got[i].Text); at < len(text) || at < len(got[i].Text) {
			return at, fmt.Sprintf("prompt %d, byte %d: the model's template writes %s, and %s writes %s", i+1, at,
				excerpt(got[i].Text, at), t.Name, excerpt(text, at))
		}
	}
	// No token crosses the beginning of a reply here, and white space there may be one with
	// what stands before it: that alone is another choice of tokens, not of text.
	if tok == nil || p.name == spacedReplies || p.name == spacedCall {
		return 0, ""
	}
	if prompts, err = p.play(tok, t, f); err != nil {
		return 0, safetext.Line(err.Error())
	}
	for i, ids := range prompts {
		want := tok.EncodePlain(nil, got[i].Text, nil)
		for k := range max(len(ids), len(want)) {
			if k == len(ids) || k == len(want) || ids[k] != want[k] {
				return len(tok.Decode(want[:min(k, len(want))])), fmt.Sprintf("prompt %d, token %d: the model's template gives %s, and %s gives %s",
					i+1, k,
					tokensAt(tok, want, k), t.Name, tokensAt(tok, ids, k))
			}
		}
	}
	return 0, ""
}

// raised says whether a template refused a conversation by itself: all else that goes wrong
// is no statement of the template's.
func raised(err error) bool {
	var e *jinja.Error
	return errors.As(err, &e) && e.Kind == jinja.Raised
}

// failed says that transformers has no text either.
func failed(err error) bool {
	var e *jinja.Error
	return errors.As(err, &e) && e.Kind == jinja.Failed
}

func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

const excerptBytes = 80

// excerpt is the text around a byte, for a message.
func excerpt(text string, at int) string {
	return `"` + safetext.Line(clip(text, at)) + `"`
}

// clip is a part of a text from a little before a byte.
func clip(text string, at int) string {
	from := max(0, min(at, len(text))-20)
	end := min(len(text), from+excerptBytes)
	out := strings.ToValidUTF8(text[from:end], "")
	if end < len(text) {
		out += "…"
	}
	if from > 0 {
		out = "…" + out
	}
	return out
}

func tokensAt(tok *bpe.Tokenizer, ids []int32, at int) string {
	if at >= len(ids) {
		return "no more token"
	}
	part := ids[at:min(len(ids), at+4)]
	return fmt.Sprintf("%v \"%s\"", part, safetext.Line(tok.Decode(part)))
}

// spelling is a tokenizer for texts alone: a token is a byte or a control token of the
// template.
type spelling struct{ control []string }

func newSpelling(t *Template) *spelling { return &spelling{slices.Concat(t.closers, t.stops)} }

func (s *spelling) EncodePlain(dst []int32, text string, plain []bpe.Span) []int32 {
	for i := 0; i < len(text); {
		for len(plain) > 0 && plain[0].End <= i {
			plain = plain[1:]
		}
		if len(plain) == 0 || i < plain[0].Start {
			if k := slices.IndexFunc(s.control, func(c string) bool { return strings.HasPrefix(text[i:], c) }); k >= 0 {
				dst = append(dst, int32(256+k))
				i += len(s.control[k])
				continue
			}
		}
		dst = append(dst, int32(text[i]))
		i++
	}
	return dst
}

func (s *spelling) Bytes(dst []byte, ids []int32) []byte {
	for _, id := range ids {
		if id < 256 {
			dst = append(dst, byte(id))
		} else {
			dst = append(dst, s.control[id-256]...)
		}
	}
	return dst
}

func (s *spelling) ID(token string) (int32, bool) {
	k := slices.Index(s.control, token)
	return int32(256 + k), k >= 0
}

// Spells is never true: texts are compared, in which a token is its text.
func (s *spelling) Spells(string) bool { return false }

func (s *spelling) Decode(ids []int32) string { return string(s.Bytes(nil, ids)) }

// defaults finds the system texts that the model's template gives to conversations that
// bring none: t with them, or where its frame is not that of the renderings.
func (r *renderings) defaults(t *Template, f Format) (*Template, *difference) {
	var diff *difference
	out := t.withDefaults(nil, nil)
	if out.plain, diff = r.usual(out, f, "a request"); diff != nil {
		return nil, diff
	}
	if r.toolless {
		out.tooled = out.plain
		return out, nil
	}
	if out.tooled, diff = r.usual(out, f, "a tool"); diff != nil {
		diff.equal = 1
		return nil, diff
	}
	return out, nil
}

// usual is the system text that the model's template gives to a probe that brings none; nil
// for none.
func (r *renderings) usual(t *Template, f Format, name string) (*string, *difference) {
	k := r.index(name)
	p, got := r.probes[k], r.got[k]
	if got[0].Err != nil {
		return nil, &difference{name, 0, 0, "the model's template ends with an error: " + safetext.Line(clip(got[0].Err.Error(), 0))}
	}
	if _, why := compareProbe(&p, got, nil, t, f); why == "" {
		return nil, nil
	}
	const mark = "\x01"
	p.system = system(mark)
	spell := newSpelling(t)
	prompts, err := p.play(spell, t, f)
	if err != nil {
		return nil, &difference{name, 0, 0, safetext.Line(err.Error())}
	}
	text := got[0].Text
	before, after, ok := strings.Cut(string(spell.Bytes(nil, prompts[0])), mark)
	if !ok || len(text) < len(before)+len(after) || !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) {
		p.system = t.plain // what comes nearest
		at, why := compareProbe(&p, got, nil, t, f)
		return nil, &difference{name, 0, at, why}
	}
	return system(text[len(before) : len(text)-len(after)]), nil
}

// formatsFor are the formats in the order in which they are tried: f first.
func formatsFor(f Format) []Format {
	out := []Format{f}
	for _, name := range slices.Sorted(maps.Keys(format.All)) {
		if name != f.Name() {
			out = append(out, format.All[name])
		}
	}
	return out
}

// formats are f and the formats whose call stands in what the model's template writes.
func (r *renderings) formats(f Format) []Format {
	return slices.DeleteFunc(formatsFor(f), func(other Format) bool { return other.Name() != f.Name() && !r.writes(other) })
}

// writes says whether the model's template writes a call as the format does.
func (r *renderings) writes(f Format) bool {
	got := r.got[r.index(piecesTools)]
	calls, err := f.Write([]ballast.Call{callOf("find_place", "city", "Tromsø", "days", int64(2))}, nil)
	return err == nil && !r.toolless && strings.Contains(got[len(got)-1].Text, calls)
}

// recognised is the format that reads the calls that the model's template writes, "" for none.
func (r *renderings) recognised() string {
	k := r.index(piecesTools)
	got := r.got[k]
	if got[1].Err != nil {
		return ""
	}
	_, text, _ := strings.Cut(got[1].Text, firstMark)
	text, _, _ = strings.Cut(text, resultMark)
	return format.Recognise(text, callOf("find_place", "city", "Tromsø", "days", int64(2)), format.Tools(r.probes[k].tools))
}
