package words

import (
	"bytes"
	"strings"

	"ballast"
)

// mapped is a task whose texts get other names.
type mapped struct {
	words  *ballast.Words
	values []string // texts in which a name is no name
}

// place is where a text stands. It says what makes a name of a word.
type place int

const (
	inTalk   place = iota // quotes around it, or a bracket behind it
	inDocs                // these; an equals sign behind it; or that it is no plain word, such as file_name
	inHint                // the same, and values stay
	inAnswer              // these, and the places in which worlds name what a failed call lacks
)

// Said is what a user says, with names as the policy knows them.
func Said(w *ballast.Words, text string) string {
	return mapped{words: w, values: values(w.Own)}.text(text, nil, inTalk)
}

// Answer is what a tool answers to a call under its own names, with names as the policy knows them. One
// that has not failed is data, and stays.
func Answer(w *ballast.Words, c ballast.Call, answer string, failed bool) string {
	if len(w.Tools) == 0 || !failed && !complains(answer) {
		return answer
	}
	m := mapped{words: w}
	for _, a := range c.Args {
		m.values = texts(m.values, a.Value)
	}
	tool := &ballast.Tool{Name: c.Name}
	return m.text(answer, tool, inAnswer)
}

// complains says that an answer looks like one of a call that failed, also where its world does not tell.
func complains(answer string) bool {
	for _, head := range heads {
		if strings.HasPrefix(answer, head) {
			return true
		}
	}
	return false
}

// heads begin the answers of calls that failed.
var heads = []string{"error: ", "Error during execution: ", `{"error": "`}

// text replaces what is a name in a text of a tool, nil for one of the whole task.
func (m mapped) text(text string, tool *ballast.Tool, where place) string {
	if len(m.words.Tools) == 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		n := m.longest(text[i:], tool)
		if n == 0 {
			b.WriteByte(text[i])
			i++
			continue
		}
		name := text[i : i+n]
		if by, ok := m.name(name, tool); ok && such(text[:i], name, text[i+n:], where) && !m.value(name, where) {
			name = by
		}
		b.WriteString(name)
		i += n
	}
	return b.String()
}

// joints join the words of names such as files.read.
const joints = "./:"

// longest is the length of the word at the beginning of a text, or of a name of several words with joints between them.
func (m mapped) longest(text string, tool *ballast.Tool) int {
	n := token(text)
	for end := n; end > 0 && end < min(len(text), 2*maxName) && strings.IndexByte(joints, text[end]) >= 0; {
		next := token(text[end+1:])
		if next == 0 {
			break
		}
		end += 1 + next
		if _, ok := m.name(text[:end], tool); ok {
			n = end
		}
	}
	return n
}

// token is the length of the name at the beginning of a text, 0 for none.
func token(text string) int {
	n := 0
	for n < len(text) && (wordByte(text[n]) || n > 0 && text[n] == '-') {
		n++
	}
	return len(strings.TrimRight(text[:n], "-"))
}

// wordByte says that a byte belongs to a name.
func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// name is the replacement of a name: of a parameter of the tool, of a tool, of a parameter that all tools
// that have it call alike. One or two letters are no parameter where no tool is spoken of.
func (m mapped) name(name string, tool *ballast.Tool) (by string, ok bool) {
	if tool != nil {
		if by, ok = m.words.Params[tool.Name][name]; ok {
			return by, true
		}
	}
	if by, ok = m.words.Tools[name]; ok || tool != nil || len(name) < 3 {
		return by, ok
	}
	for i := range m.words.Own.Tools {
		switch s, has := m.words.Params[m.words.Own.Tools[i].Name][name]; {
		case !has:
		case ok && s != by:
			return "", false
		default:
			by, ok = s, true
		}
	}
	return by, ok
}

// such says that a word in a text is a name, by what stands around it.
func such(before, name, after string, where place) bool {
	for _, q := range []string{"'", `"`, "`"} {
		if strings.HasSuffix(before, q) && strings.HasPrefix(after, q) {
			return true
		}
	}
	switch {
	case strings.HasPrefix(after, "("):
		return true
	case where == inTalk:
		return false
	case strings.HasPrefix(after, "="), strings.ContainsAny(name, "_-0123456789"+joints), len(name) > 1 && camel(name):
		return true
	case where != inAnswer:
		return false
	}
	for _, head := range heads {
		if before == head && begins(after) {
			return true
		}
	}
	for _, said := range []string{"no tool ", "no argument ", "missing ", "Function call "} {
		if strings.HasSuffix(before, said) {
			return true
		}
	}
	return false
}

// begins says that what follows the first word of a complaint makes a name of it.
func begins(after string) bool {
	for _, s := range []string{":", " must be ", " is empty", " is too long", " given twice"} {
		if strings.HasPrefix(after, s) {
			return true
		}
	}
	return false
}

// value says that a word is, or is a part of, what somebody gave as a value. Documentation has none.
func (m mapped) value(name string, where place) bool {
	if where == inDocs {
		return false
	}
	for _, v := range m.values {
		for word := range strings.FieldsSeq(v) {
			if strings.Trim(word, quotes+".,;:!?()") == name {
				return true
			}
		}
	}
	return false
}

// quotes are those inside of which documentation has values.
const quotes = "'\"`"

// reword replaces the words of a documentation that phrases has. What stands in quotes or brackets, or
// behind a word that lists values, stays.
func reword(text string, d draw) string {
	lower := strings.ToLower(text)
	if len(lower) != len(text) { // letters of other alphabets
		return text
	}
	b := make([]byte, 0, len(text)+len(text)/4)
	for i := 0; i < len(text); {
		n := kept(text, i)
		if n == 0 {
			n = token(text[i:])
		} else {
			b = append(b, text[i:i+n]...)
			i += n
			continue
		}
		if length, by := phrase(lower[i:], d); length > 0 {
			if text[i] <= 'Z' {
				by = strings.ToUpper(by[:1]) + by[1:]
			}
			b = append(article(b, by), by...)
			i += length
			continue
		}
		n = max(n, 1)
		b = append(b, text[i:i+n]...)
		i += n
	}
	return string(b)
}

// article makes the a or an at the end of a text that of the next word.
func article(text []byte, next string) []byte {
	for _, a := range []string{"a ", "an ", "A ", "An "} {
		head, ok := bytes.CutSuffix(text, []byte(a))
		if !ok || len(head) > 0 && wordByte(head[len(head)-1]) {
			continue
		}
		text = append(head, a[0])
		if strings.IndexByte("aeiouAEIOU", next[0]) >= 0 {
			text = append(text, 'n')
		}
		return append(text, ' ')
	}
	return text
}

// lists are the words behind which documentation lists values.
var lists = []string{"[enum]", "options are", "here are the options", "example:", "format:", "e.g."}

// kept is the length of a stretch of values that begins there, 0 for none.
func kept(text string, i int) int {
	rest := text[i:]
	for _, l := range lists {
		if rest[0]|0x20 == l[0]|0x20 && len(rest) >= len(l) && strings.EqualFold(rest[:len(l)], l) {
			return len(rest)
		}
	}
	switch c := rest[0]; {
	case c == '(':
		return strings.IndexByte(rest, ')') + 1
	case c == '[':
		return strings.IndexByte(rest, ']') + 1
	case strings.IndexByte(quotes, c) >= 0 && (i == 0 || !wordByte(text[i-1])):
		if n := strings.IndexByte(rest[1:], c); n >= 0 {
			return n + 2
		}
	}
	return 0
}

// maxWords is how many words a phrase has.
const maxWords = 7

// begun are the first words of phrases.
var begun = func() map[string]bool {
	m := map[string]bool{}
	for p := range phrases {
		m[p[:token(p)]] = true
	}
	return m
}()

// phrase is the longest phrase at the beginning of a text in small letters, and what takes its place.
func phrase(lower string, d draw) (length int, by string) {
	if !begun[lower[:token(lower)]] {
		return 0, ""
	}
	end := 0
	for range maxWords {
		n := token(lower[end:])
		if n == 0 {
			break
		}
		end += n
		for _, to := range []int{end, end + 1} { // perhaps with the colon behind it
			if to > len(lower) || to > end && lower[end] != ':' {
				continue
			}
			if s := d.of("docs "+lower[:to], phrases[lower[:to]], 0); s != "" {
				length, by = to, s
			}
		}
		if end >= len(lower) || lower[end] != ' ' {
			break
		}
		end++
	}
	return length, by
}
