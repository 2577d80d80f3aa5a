package format

import (
	"slices"
	"strings"
)

// The tags of a thought, and those that Mistral's models have for it.
const (
	OpenThink  = "<think>"
	CloseThink = "</think>"

	openThinkMistral, closeThinkMistral = "[THINK]", "[/THINK]"
)

// The other control tokens that are spelled as tags. All others are <|name|>.
const (
	openCall   = "<tool_call>"
	closeCall  = "</tool_call>"
	openReply  = "<tool_response>"
	closeReply = "</tool_response>"
	pythonTag  = "<|python_tag|>"
)

// harmonyTokens are those that calls of gpt-oss are made of.
var harmonyTokens = []string{"<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|call|>"}

var tags = [...]string{openCall, closeCall, OpenThink, CloseThink, openReply, closeReply}

// IsTag reports whether a control token is spelled as a tag that all formats know. All
// others belong to the models of one family.
func IsTag(token string) bool { return slices.Contains(tags[:], token) }

// ends are the tokens that end a reply, of all templates.
var ends = [...]string{"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"}

// isEnd reports whether token ends a reply in one of the templates.
func isEnd(token string) bool {
	return slices.Contains(ends[:], token)
}

// drafted reports whether a control token is text where a thought drafts a call: a
// tag, or a control token of some call syntax. End tokens and role headers are
// control tokens there too.
func drafted(token string) bool {
	return token[1] != '|' || token == pythonTag || strings.HasPrefix(token, "<|tool_") || slices.Contains(harmonyTokens, token)
}

// maxControl bounds the length of a control token's text.
const maxControl = 48

// controlAt returns the length of the control token that s begins with: one of
// the tags, or <|name|> with a name of letters, digits and underscores; 0 if
// there is none, -1 if s is a proper beginning of one.
func controlAt(s string) int {
	if s == "" || s[0] != '<' {
		return 0
	}
	if len(s) == 1 {
		return -1
	}
	if s[1] != '|' { // only the tags are left
		for _, t := range tags {
			if strings.HasPrefix(s, t) {
				return len(t)
			}
			if strings.HasPrefix(t, s) { // more bytes could complete it
				return -1
			}
		}
		return 0
	}
	for i := 2; ; i++ {
		switch {
		case i == maxControl: // too long to be one
			return 0
		case i == len(s):
			return -1
		case s[i] == '_' || wordByte(s[i]) && s[i] < 0x80:
		case s[i] == '|' && i > 2 && i+1 == len(s):
			return -1
		case s[i] == '|' && i > 2 && s[i+1] == '>':
			return i + 2
		default:
			return 0
		}
	}
}

// Piece is a run of text, or one control token.
type Piece struct {
	Text    string
	Control bool
}

// Split cuts a reply into text and control tokens, in linear time.
func Split(s string) []Piece { return appendPieces(nil, s) }

// appendPieces is Split into memory that is there.
func appendPieces(out []Piece, s string) []Piece { return lexicon{}.pieces(out, s) }

// pieces cuts a reply into text and control tokens, the format's own too.
func (l lexicon) pieces(out []Piece, s string) []Piece {
	start := 0
	for i := 0; i < len(s); {
		j := l.next(s[i:])
		if j < 0 {
			break
		}
		i += j
		n := l.at(s[i:])
		if n <= 0 { // a lone bracket, or a tag cut off: text
			i++
			continue
		}
		if start < i {
			out = append(out, Piece{Text: s[start:i]})
		}
		out = append(out, Piece{s[i : i+n], true})
		i += n
		start = i
	}
	if start < len(s) {
		out = append(out, Piece{Text: s[start:]})
	}
	return out
}

// withoutEnd strips white space and then exactly one end token from the end of
// a reply: with and without its end token a reply parses alike. Every further
// end token is a misplaced control token.
func (l lexicon) withoutEnd(reply string) string {
	reply = strings.TrimRight(reply, blanks)
	for _, list := range [...][]string{ends[:], l.ends} {
		for _, e := range list {
			if strings.HasSuffix(reply, e) {
				return reply[:len(reply)-len(e)]
			}
		}
	}
	return reply
}

// EscapeControl replaces the "<" of every control token in s by esc, an escape
// of the string literals that s is written in. There a control token can only
// stand inside a string, which therefore keeps its value.
func EscapeControl(s, esc string) string {
	pieces := Split(s)
	var b strings.Builder
	for _, p := range pieces {
		if p.Control {
			b.WriteString(esc)
			p.Text = p.Text[1:]
		}
		b.WriteString(p.Text)
	}
	return b.String()
}

// blanks are the bytes that count as white space in replies.
const blanks = " \t\r\n\f\v"

func trim(s string) string { return strings.Trim(s, blanks) }

// wordByte reports whether c is an ASCII letter or digit or part of any
// character outside ASCII.
func wordByte(c byte) bool {
	return c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func hasWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if wordByte(s[i]) {
			return true
		}
	}
	return false
}
