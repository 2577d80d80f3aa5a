package chat

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/bpe"
	"ballast/chat/format"
)

// tokenizer is what a dialogue needs of *bpe.Tokenizer.
type tokenizer interface {
	EncodePlain(dst []int32, text string, plain []bpe.Span) []int32
	Bytes(dst []byte, ids []int32) []byte
	ID(token string) (int32, bool)
	Decode(ids []int32) string
	Spells(text string) bool
}

// Renderer is how one model talks: its tokenizer, its template and the format its
// calls are written in. Check it once at startup.
type Renderer struct {
	Tokenizer *bpe.Tokenizer
	Template  *Template
	Format    Format
}

// Stops returns the ids of the tokens that end a reply, the usual one first.
func (s Renderer) Stops() []int32 { return ids(s.Tokenizer, s.Template.stops) }

// Control returns the ids of the control tokens to watch and their texts: those
// of the format's calls, the stops, the role header's first token and the tags
// of a thought, as far as they are single tokens of the vocabulary.
func (s Renderer) Control() (id []int32, text []string) {
	all := append(append([]string{}, s.Format.Control()...), s.Template.stops...)
	all = append(append(all, s.Template.control...), format.OpenThink, format.CloseThink)
	seen := map[string]bool{}
	for _, t := range all {
		if i, ok := s.Tokenizer.ID(t); ok && !seen[t] {
			seen[t] = true
			id, text = append(id, i), append(text, t)
		}
	}
	return id, text
}

func ids(tok tokenizer, tokens []string) []int32 {
	var out []int32
	for _, t := range tokens {
		if id, ok := tok.ID(t); ok {
			out = append(out, id)
		}
	}
	return out
}

// Dialogue is one growing conversation as token ids with an owner for each.
// Every method appends; nothing that was appended changes. The order of calls
// is the caller's contract (a reply follows Open, results follow a reply);
// breaking it panics.
type Dialogue struct {
	template *Template
	format   Format
	tok      tokenizer
	closers  []int32
	tokens   []int32
	owners   []ballast.Owner
	stage    stage
}

// stage is what the conversation ends in.
type stage uint8

const (
	closed  stage = iota // a complete message
	open                 // the generation prompt
	replied              // a reply, its message not yet closed
)

// NewDialogue begins a conversation with the system message: the template's
// rule for system (nil for its default, "" is an empty one) and the documentation of tools. The
// system text and the documentation of tools are plain: a control token spelled in them
// stays text. A conversation that cannot be written so is a panic with a
// *pretoken.Failure, see pretoken.Recover.
func NewDialogue(s Renderer, tools []ballast.Tool, system *string) *Dialogue {
	return newDialogue(s.Tokenizer, s.Template, s.Format, tools, system, "")
}

// NewHinted is NewDialogue with a hint at the end of the system message, behind
// everything that the template puts there, after an empty line (paper, section
// 3.3). The hint is plain text: a control token spelled in it stays text.
func NewHinted(s Renderer, tools []ballast.Tool, system *string, hint string) *Dialogue {
	return newDialogue(s.Tokenizer, s.Template, s.Format, tools, system, hint)
}

// NewPrompted begins a conversation with messages that a task brings, instead of a documentation of tools:
// a system message, if any, goes first. The tags of the formats' calls are control tokens in them, as where a
// template writes them. Every other control token that is spelled there stays text.
func NewPrompted(s Renderer, messages []ballast.Message) *Dialogue {
	var system *string
	if len(messages) > 0 && messages[0].Role == "system" {
		system, messages = &messages[0].Text, messages[1:]
	}
	tok, t := s.Tokenizer, s.Template
	d := &Dialogue{template: t, format: s.Format, tok: tok, closers: ids(tok, t.closers)}
	g := newGuard(tok, nil, system)
	safe := system
	if system != nil {
		text := ""
		for _, p := range format.Split(*system) {
			if !p.Control || !callTag(p.Text) {
				p.Text = g.text(p.Text)
			}
			text += p.Text
		}
		safe = &text
	}
	before, after := t.head(s.Format, nil, safe, false)
	g.check(before+after, func() string {
		before, after := t.head(s.Format, nil, system, false)
		return before + after
	})
	d.write(g.part(before + after))
	for _, m := range messages {
		header, tail := t.user, d.asked()
		if m.Role == "assistant" {
			header, tail = t.reply, t.end+t.gap
		}
		text := d.trim(m.Text)
		d.message(header, tail, part{text: text, owner: ballast.OwnerTemplate,
			plain: plainSpans(format.Split(text), callTag)})
	}
	return d
}

// callTag says that a control token is a tag of some format's calls or results.
func callTag(token string) bool {
	if strings.Contains(token, "tool_") {
		return true
	}
	for _, f := range Formats {
		if slices.Contains(f.Control(), token) {
			return true
		}
	}
	return false
}

// plainSpans are the ranges of a text, cut at control tokens, between those that may be some.
func plainSpans(text []format.Piece, control func(string) bool) (spans []bpe.Span) {
	start, at := 0, 0
	for _, p := range text {
		if p.Control && control(p.Text) {
			spans = append(spans, bpe.Span{Start: start, End: at})
			start = at + len(p.Text)
		}
		at += len(p.Text)
	}
	return append(spans, bpe.Span{Start: start, End: at})
}

func newDialogue(tok tokenizer, t *Template, f Format, tools []ballast.Tool, system *string, hint string) *Dialogue {
	d := &Dialogue{template: t, format: f, tok: tok, closers: ids(tok, t.closers)}
	g := newGuard(tok, tools, system)
	safe := system
	if system != nil {
		text := g.text(*system)
		safe = &text
	}
	before, after := t.head(f, g.tools(tools), safe, hint != "")
	g.check(before+after, func() string {
		before, after := t.head(f, tools, system, hint != "")
		return before + after
	})
	if hint == "" {
		d.write(g.part(before + after))
		return d
	}
	d.write(g.part(before), part{text: hint, owner: ballast.OwnerUser}, g.part(after))
	return d
}

// Tokens returns the ids so far. The slice grows: do not keep it, do not change it.
func (d *Dialogue) Tokens() []int32 { return d.tokens }

// Owners returns the owner of each token.
func (d *Dialogue) Owners() []ballast.Owner { return d.owners }

// User appends a message of the user.
func (d *Dialogue) User(text string) {
	d.message(d.template.user, d.asked(), part{text: d.trim(text), owner: ballast.OwnerUser})
}

// RevealText is what the user says when functions are revealed without a text, in the
// words of the paper's data.
const RevealText = "I have updated some more functions you can choose from. What about now?"

// Reveal appends a user message that documents functions held back so far; text
// follows the documentation, "" stands for RevealText.
func (d *Dialogue) Reveal(tools []ballast.Tool, text string) {
	docs := d.format.Docs
	if d.template.docs != nil {
		docs = d.template.docs
	}
	text = cmp.Or(text, RevealText)
	g := newGuard(d.tok, tools, nil)
	d.message(d.template.user, d.asked(), g.part(docs(g.tools(tools))+"\n"), part{text: d.trim(text), owner: ballast.OwnerUser})
}

// Results appends what the tools answered to the calls of the last reply, in
// the order of the calls.
func (d *Dialogue) Results(results []string) {
	if d.stage != replied {
		panic("chat: tool results without a reply before them")
	}
	var parts []part
	_, tail := d.template.tails()
	for i, r := range results {
		write := d.format.Result
		if d.template.result != nil {
			write = d.template.result
		}
		before, body, after := write(r)
		if i > 0 && !d.template.separate {
			before = d.template.apart() + before
		}
		parts = append(parts, part{text: before, owner: ballast.OwnerTemplate}, part{text: body, owner: ballast.OwnerTool},
			part{text: after, owner: ballast.OwnerTemplate})
		if d.template.separate {
			d.message(d.template.tool, tail, parts...)
			parts = parts[:0]
		}
	}
	if !d.template.separate {
		d.message(d.template.tool, tail, parts...)
	}
}

// Open appends the generation prompt.
func (d *Dialogue) Open() {
	if d.stage == open {
		panic("chat: a reply is open already")
	}
	d.write(part{text: d.closing() + d.template.reply, owner: ballast.OwnerTemplate})
	d.stage = open
}

// Reply appends the ids of a reply exactly as they are. If the reply was cut it
// has no end token; the next message brings one, owned by the template.
func (d *Dialogue) Reply(ids []int32, owner ballast.Owner) {
	if d.stage != open {
		panic("chat: a reply without a generation prompt before it")
	}
	d.tokens = append(d.tokens, ids...)
	for range ids {
		d.owners = append(d.owners, owner)
	}
	d.stage = replied
}

// Gold returns the ids of a reply with its end token, as the policy would have
// to sample it after Open. The format's control tokens and a thought's tags in
// text are control tokens; all else is plain text.
func (d *Dialogue) Gold(text string) []int32 {
	control := append([]string{format.OpenThink, format.CloseThink}, d.format.Control()...)
	spans := plainSpans(d.format.Split(text), func(token string) bool { return slices.Contains(control, token) })
	return d.tok.EncodePlain(nil, text+d.template.end, spans)
}

func (d *Dialogue) trim(text string) string {
	if d.template.trim {
		return strings.TrimSpace(text)
	}
	return text
}

// closing is the text that closes an open message before the next one.
func (d *Dialogue) closing() string {
	if d.stage != replied {
		return ""
	}
	for _, id := range d.closers { // the reply has its end token
		if d.tokens[len(d.tokens)-1] == id {
			return d.template.gap
		}
	}
	return d.template.end + d.template.gap
}

// asked is what ends a user's message.
func (d *Dialogue) asked() string {
	user, _ := d.template.tails()
	return user
}

// message appends one complete message.
func (d *Dialogue) message(header, tail string, content ...part) {
	if d.stage == open {
		panic("chat: a message after the generation prompt, where a reply must stand")
	}
	parts := make([]part, 0, len(content)+2)
	parts = append(parts, part{text: d.closing() + header, owner: ballast.OwnerTemplate})
	parts = append(parts, content...)
	parts = append(parts, part{text: tail, owner: ballast.OwnerTemplate})
	d.write(parts...)
	d.stage = closed
}

// part is a text with one owner.
type part struct {
	text  string
	owner ballast.Owner
	plain []bpe.Span // of the template's: what stands there for a text of strangers
}

// part is text of the template with marks in it.
func (g *guard) part(text string) part {
	text, plain := g.strip(text)
	return part{text, ballast.OwnerTemplate, plain}
}

// write encodes the parts as one text, so that tokens may span their borders as
// they do when a whole conversation is encoded, and appends the tokens. A token
// that spans a border belongs to the owner of its last byte.
func (d *Dialogue) write(parts ...part) {
	var text strings.Builder
	var plain []bpe.Span
	mixed := false // more than the template wrote
	for _, p := range parts {
		start := text.Len()
		text.WriteString(p.text)
		for _, s := range p.plain {
			plain = append(plain, bpe.Span{Start: start + s.Start, End: start + s.End})
		}
		if p.owner != ballast.OwnerTemplate && p.text != "" {
			plain = append(plain, bpe.Span{Start: start, End: text.Len()})
			mixed = true
		}
	}
	from := len(d.tokens)
	d.tokens = d.tok.EncodePlain(d.tokens, text.String(), plain)
	if !mixed {
		for range d.tokens[from:] {
			d.owners = append(d.owners, ballast.OwnerTemplate)
		}
		return
	}
	var buf []byte
	at, part, border := 0, 0, d.width(parts[0].text)
	for i := from; i < len(d.tokens); i++ {
		buf = d.tok.Bytes(buf[:0], d.tokens[i:i+1])
		at += len(buf)
		for at > border && part+1 < len(parts) { // the last byte decides
			part++
			border += d.width(parts[part].text)
		}
		d.owners = append(d.owners, parts[part].owner)
	}
}

// width is the number of bytes that the tokens of a part stand for. It differs
// from the length of the text where the tokenizer normalises characters; no
// part begins with a character that combines with the one before it, because
// all template text ends in a line end or a control token.
func (d *Dialogue) width(text string) int {
	for i := 0; i < len(text); i++ {
		if text[i] >= 0x80 {
			ids := d.tok.EncodePlain(nil, text, []bpe.Span{{Start: 0, End: len(text)}})
			return len(d.tok.Bytes(nil, ids))
		}
	}
	return len(text)
}

// Check reports whether the tokenizer fits the template and the format: it must
// have their control tokens as single tokens and give the frame's text back.
func Check(s Renderer) error {
	switch {
	case s.Template == nil:
		return fmt.Errorf("chat: no chat template was chosen; choose one of %s", names(Templates))
	case s.Format == nil:
		return fmt.Errorf("chat: no tool-call format was chosen; choose one of %s", names(Formats))
	case s.Tokenizer == nil:
		return fmt.Errorf("chat: no tokenizer was loaded")
	}
	return check(s.Tokenizer, s.Template, s.Format)
}

func check(tok tokenizer, t *Template, f Format) error {
	lacks := func(tokens []string) string {
		var out []string
		for _, c := range tokens {
			id, ok := tok.ID(c)
			if got := tok.EncodePlain(nil, c, nil); !ok || len(got) != 1 || got[0] != id {
				out = append(out, c)
			}
		}
		return strings.Join(out, " ")
	}
	if l := lacks(t.control); l != "" {
		return fmt.Errorf("chat: template %s (%s) needs control tokens that the tokenizer lacks: %s; "+
			"choose the template the model was trained with, one of %s", t.Name, t.Doc, l, names(Templates))
	}
	if t.own != nil && f.Name() != t.own.format {
		return fmt.Errorf("chat: the model's own template writes calls in format %s, not %s; set chat.format=%s", t.own.format, f.Name(),
			t.own.format)
	}
	if l := lacks(f.Control()); l != "" && !t.spelled && !foreign(f, lacks) {
		others := maps.Clone(Formats)
		maps.DeleteFunc(others, func(_ string, o Format) bool { return lacks(o.Control()) != "" && !foreign(o, lacks) })
		return fmt.Errorf("chat: format %s needs control tokens that the tokenizer lacks: %s; "+
			"choose another chat.format, one of %s, or a chat.template that spells the tags in ordinary tokens: %s, "+
			"or set chat.jinja to a file that does", f.Name(), l, names(others), SmolLM2.Name)
	}
	frame := t.begin + t.system + t.end + t.gap + t.user + t.end + t.gap + t.tool + t.end + t.gap + t.reply
	if got := tok.Decode(tok.EncodePlain(nil, frame, nil)); got != frame {
		return fmt.Errorf("chat: the tokenizer does not give the frame of template %s back: %q became %q", t.Name, frame, got)
	}
	return nil
}

// foreign reports whether a format belongs to models of another family than the tokenizer's,
// which has no single token for any of its own control tokens: its model spells them. A tokenizer
// that has some of them is one of the family's, and must have all.
func foreign(f Format, lacks func([]string) string) bool {
	tags, own := []string{}, []string{}
	for _, token := range f.Control() {
		if format.IsTag(token) {
			tags = append(tags, token)
		} else {
			own = append(own, token)
		}
	}
	return len(own) > 0 && lacks(tags) == "" && lacks(own) == strings.Join(own, " ")
}
