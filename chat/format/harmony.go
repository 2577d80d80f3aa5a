package format

import (
	"slices"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
)

// The control tokens of gpt-oss. A message is a role, a channel, and its content.
const (
	harmonyStart, harmonyChannel     = "<|start|>", "<|channel|>"
	harmonyConstrain, harmonyMessage = "<|constrain|>", "<|message|>"
	harmonyCall, harmonyEnd          = "<|call|>", "<|end|>"
	harmonyReturn                    = "<|return|>"
	harmonyRole, harmonyTo           = "assistant", "to="
	harmonySpace                     = "functions."
)

// harmony is the format of gpt-oss, whose replies are messages on channels:
//
//	<|channel|>analysis<|message|>A thought.<|end|><|start|>assistant
//	<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>
//
// (on one line). Analysis is a thought. Text for the user stands on the channel final, or on
// commentary before calls. A call names its function as the recipient behind its channel;
// it may stand before the channel, as in the model's chat template, and <|constrain|> may
// be absent. Several calls are several messages.
//
// Text before all channels is prose: in the frame of another model a reply has no
// channel. The end of the reply ends a message for the user, and arguments that are
// complete: engines take <|call|> off as the end token that it is for gpt-oss.
type harmony struct{ lexicon }

// Harmony is the format `harmony`. Names hold no white space.
var Harmony Format = harmony{newLexicon(nil, []string{harmonyReturn})}

// Name returns "harmony".
func (harmony) Name() string { return "harmony" }

// Instructions lists the tools, one a line, and shows the call syntax. The model's template
// writes them as types of TypeScript.
func (f harmony) Instructions(tools []ballast.Tool) string {
	var b strings.Builder
	b.WriteString("# Tools\n\n## functions\n")
	for _, t := range tools {
		b.WriteString("\n" + docJSON(t))
	}
	b.WriteString("\n\n# Valid channels: analysis, commentary, final. " +
		"Calls to these tools must go to the commentary channel: 'functions'. End your reply with the calls:\n" + f.Hint())
	return b.String()
}

// Hint shows the syntax in one line.
func (harmony) Hint() string {
	return harmonyChannel + "commentary " + harmonyTo + harmonySpace + "name " + harmonyConstrain + "json" + harmonyMessage + "{...}" +
		harmonyCall
}

// Docs is a JSON list of the tools' documentation.
func (harmony) Docs(tools []ballast.Tool) string { return docsJSON(tools) }

// Control returns the control tokens of calls.
func (harmony) Control() []string {
	return []string{harmonyChannel, harmonyConstrain, harmonyMessage, harmonyCall, harmonyStart, harmonyEnd}
}

// Render is Write for calls that can be written.
func (f harmony) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Write writes each call as a message.
func (f harmony) Write(calls []ballast.Call, offered Offered) (string, error) {
	parts := make([]string, len(calls))
	for i, c := range calls {
		args, err := f.argsJSON(c)
		if err != nil {
			return "", err
		}
		parts[i] = harmonyChannel + "commentary " + harmonyTo + harmonySpace + c.Name + " " + harmonyConstrain + "json" + harmonyMessage +
			args + harmonyCall
	}
	return checked(f, strings.Join(parts, harmonyStart+harmonyRole), calls, offered)
}

// Result is the answer as a JSON string, as the model's template writes it.
func (harmony) Result(text string) (before, body, after string) { return "", tooldoc.JSON(text), "" }

// Jinja writes each call as a message.
func (harmony) Jinja() Jinja {
	j := jsonPieces()
	j.Between = harmonyStart + harmonyRole
	j.Call = "{{- " + Quote(harmonyChannel+"commentary "+harmonyTo+harmonySpace) + " + name + " +
		Quote(" "+harmonyConstrain+"json"+harmonyMessage) + " -}}\n" + jsonMembers() + "\n{{- " + Quote(harmonyCall) + " -}}"
	return j
}

// Parse reads a reply; see Format.
func (f harmony) Parse(reply string, offered Offered) Parsed {
	var room [8]Piece
	pieces := f.pieces(room[:0], f.withoutEnd(reply))
	if p, bad := collapsed(pieces); bad {
		return p
	}
	r := messages{offered: offered, thought: thoughts{lexicon: f.lexicon}}
	for _, x := range pieces {
		switch {
		case r.thought.take(&r.p, x, !r.began):
			r.at, r.ended, r.called = partNone, false, false // a message that was open is lost
			r.began = true
			r.role.Reset()
		case x.Control:
			r.token(x.Text)
		default:
			r.text(x.Text)
		}
	}
	return r.end()
}

// messages is the walk over the messages of one reply.
type messages struct {
	offered Offered
	p       Parsed
	thought thoughts
	inner   []string        // thoughts on the channel analysis
	lead    strings.Builder // prose
	at      part            // partNone, or of harmony
	role    strings.Builder
	header  strings.Builder
	body    strings.Builder
	to      string // the function that the open message calls
	began   bool   // something stood in the reply
	hidden  bool   // the last message was a thought
	ended   bool   // a message ended, and none has begun since
	called  bool   // a message was a call
}

// text takes a text that is no control token.
func (r *messages) text(text string) {
	r.began = r.began || trim(text) != ""
	switch {
	case r.at == partRole:
		r.role.WriteString(text)
	case r.at == partHeader:
		r.header.WriteString(text)
	case r.at != partNone:
		r.body.WriteString(text)
	case !r.ended:
		r.role.WriteString(text) // or prose: what follows decides
		r.lead.WriteString(text)
	default:
		r.lead.WriteString(text)
		if trim(text) == "" {
			return
		}
		if r.called {
			r.p.detailed(ReasonTextAroundCall, shown(text))
		} else {
			r.p.detailed(ReasonBrokenTag, shown(text)+" without a channel")
		}
	}
}

// token takes a control token that is no tag of a thought.
func (r *messages) token(token string) {
	r.began = true
	switch {
	case token == harmonyStart:
		r.start()
	case token == harmonyChannel:
		r.channel()
	case token == harmonyMessage && r.at == partHeader:
		r.message()
	case token == harmonyConstrain && r.at == partHeader:
		r.header.WriteString(token)
	case token == harmonyCall || token == harmonyEnd:
		if r.at != partBody && (token == harmonyCall || r.at != partText && r.at != partThought) {
			r.p.detailed(ReasonStrayClose, token)
			return
		}
		if r.at == partBody && token == harmonyEnd {
			r.p.detailed(ReasonControlInText, token)
		}
		r.finish()
	case token == closeCall && r.at != partThought:
		r.p.spoil(ReasonStrayClose)
	case r.at == partThought && drafted(token) && !slices.Contains(harmonyTokens, token):
		r.body.WriteString(token)
	case r.at == partNone && callToken(token) && !slices.Contains(harmonyTokens, token):
		r.p.detailed(ReasonOtherSyntax, token)
	default:
		r.p.detailed(ReasonControlInText, token)
		if r.at == partBody || r.at == partText {
			r.body.WriteString(token) // the call can be read all the same
		}
	}
}

// lost is the fault of a message that is still open where another one begins.
func (r *messages) lost(token string) {
	switch r.at {
	case partBody:
		r.p.detailed(ReasonNestedTag, token)
	case partText:
		r.p.detailed(ReasonControlInText, token)
		r.finish()
	default:
		r.p.detailed(ReasonUnclosedTag, token)
	}
	r.body.Reset()
}

// start begins a message of its own.
func (r *messages) start() {
	switch {
	case r.at != partNone:
		r.lost(harmonyStart)
	case !r.ended:
		r.p.detailed(ReasonControlInText, harmonyStart)
	}
	r.at, r.ended = partRole, false
	r.role.Reset()
}

// channel begins the header of a message, behind its role.
func (r *messages) channel() {
	role := words(r.role.String())
	r.to = ""
	switch {
	case r.at == partRole:
		if len(role) == 0 || role[0] != harmonyRole || len(role) > 2 || len(role) == 2 && !addressed(role[1]) {
			r.p.detailed(ReasonControlInText, harmonyStart+shown(r.role.String()))
		} else if len(role) == 2 {
			r.to = role[1][len(harmonyTo):]
		}
	case r.at != partNone:
		r.lost(harmonyChannel)
	case r.ended:
		r.p.detailed(ReasonControlInText, harmonyChannel)
	case len(role) == 1 && addressed(role[0]): // it was no prose
		r.to = role[0][len(harmonyTo):]
		r.lead.Reset()
	}
	r.at, r.ended = partHeader, false
	r.role.Reset()
	r.header.Reset()
}

// words are the words of a header.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r < 0x80 && isBlank(byte(r)) })
}

// addressed reports whether a word of a header is a recipient.
func addressed(word string) bool {
	return len(word) > len(harmonyTo) && strings.HasPrefix(word, harmonyTo)
}

// message begins the content of a message: its header is complete.
func (r *messages) message() {
	head, kind, constrained := strings.Cut(r.header.String(), harmonyConstrain)
	rest := words(head)
	name := ""
	if len(rest) > 0 {
		name, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 && r.to == "" && addressed(rest[0]) {
		r.to, rest = rest[0][len(harmonyTo):], rest[1:]
	}
	if constrained {
		rest = append(rest, trim(kind))
	}
	r.body.Reset()
	call := r.to != ""
	if call && !strings.HasPrefix(r.to, harmonySpace) && has(r.offered, r.to) { // a tool of another kind, which is not offered
		r.p.detailed(ReasonBadCall, shown(harmonyTo+r.to)+" without "+harmonySpace)
	}
	switch {
	case name != "analysis" && name != "commentary" && name != "final":
		r.p.detailed(ReasonBrokenTag, shown(harmonyChannel+r.header.String()))
	case call && name == "final", call && (len(rest) > 1 || len(rest) == 1 && rest[0] != "json"), !call && len(rest) > 0:
		r.p.detailed(ReasonBadCall, shown(harmonyChannel+r.header.String()))
	}
	switch {
	case call:
		r.at = partBody
	case name == "analysis":
		r.at = partThought
	default:
		r.at = partText
	}
}

// finish ends the open message.
func (r *messages) finish() {
	text := r.body.String()
	switch r.at {
	case partThought:
		r.inner = append(r.inner, trim(text))
		if r.called {
			r.p.detailed(ReasonTextAroundCall, shown(text))
		}
	case partText:
		if r.lead.Len() > 0 && trim(text) != "" {
			r.lead.WriteString("\n")
		}
		r.lead.WriteString(text)
		if r.called && trim(text) != "" {
			r.p.detailed(ReasonTextAroundCall, shown(text))
		} else if !hasWord(text) {
			r.p.spoil(ReasonEmpty)
		}
	case partBody:
		calls, fault, detail := argsCall(strings.TrimPrefix(r.to, harmonySpace), text)
		if fault != "" {
			r.p.detailed(fault, detail)
		}
		r.p.Calls = append(r.p.Calls, calls...)
		r.called = true
	}
	r.hidden = r.at == partThought
	r.at, r.ended = partNone, true
	r.role.Reset()
	r.body.Reset()
}

// end is what the reply says.
func (r *messages) end() Parsed {
	switch _, _, closed := cutBrackets(r.body.String()); {
	case r.at == partNone && r.ended && r.hidden:
		r.p.spoil(ReasonEmpty) // nothing behind a thought
	case r.at == partNone:
	case r.at == partText || r.at == partBody && closed:
		r.finish()
	default:
		r.p.spoil(ReasonUnclosedTag)
	}
	r.p.Text = r.lead.String()
	r.thought.end(&r.p)
	if len(r.inner) > 0 {
		r.p.Thought = trim(r.p.Thought + "\n" + strings.Join(r.inner, "\n"))
	}
	r.p.spoil(faultyProse(r.p.Text))
	if found := foreignCall(r.p.Text, r.offered); found != "" {
		r.p.detailed(ReasonOtherSyntax, found)
	}
	if len(r.p.Calls) == 0 && !hasWord(r.p.Text) {
		r.p.spoil(ReasonEmpty)
	}
	return r.p.finish(r.offered)
}

// cutBrackets cuts a text behind the bracket that closes its first one, which begins it.
func cutBrackets(text string) (body, rest string, closed bool) {
	start := len(text) - len(strings.TrimLeft(text, blanks))
	if start == len(text) || text[start] != '{' && text[start] != '[' {
		return text, "", false
	}
	var s State
	for i := start; i < len(text); i++ {
		if s = bodyByte(s, text[i], `"`); s.depth == 0 {
			return text[:i+1], text[i+1:], true
		}
	}
	return text, "", false
}
