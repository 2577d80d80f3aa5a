package imports

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"unicode"

	"ballast/chat"
	"ballast/value"
)

// system takes a system text. Tools that stand in it are taken out, with the sentences
// that explain the syntax of calls: the model's template writes both in its own words.
// All else is the system text. rules says which sentences explain.
func (r *reader) system(text, at string, rules *explains) error {
	if body, ok := r.qwen(text); ok {
		text = body
		if text == "" {
			return nil
		}
		return r.systemText(text, at)
	}
	block, before, after, found, err := rules.cut(text)
	if !found && err == nil && glaiveText.explains(text) { // others have it in their messages
		rules = &glaiveText
		block, before, after, found, err = rules.cut(text)
	}
	if err != nil {
		return &fault{reasonSystemTools, at, err.Error()}
	}
	if !found {
		return r.systemText(text, at)
	}
	list, err := toolValues(block)
	if err != nil {
		return &fault{reasonSystemTools, at, err.Error()}
	}
	if err := r.offer(list, at); err != nil {
		return err
	}
	first, unknown := rules.rest(before)
	second, also := rules.rest(after)
	if unknown += also; unknown != "" {
		return &fault{reasonSystemTools, at, "it explains calls in words that are not known: " + unknown}
	}
	rest := strings.TrimSpace(first + "\n" + second)
	if !strings.ContainsFunc(rest, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || r > unicode.MaxASCII }) {
		return nil // a dash between the prose and the tools
	}
	return r.systemText(rest, at)
}

// qwen takes a section of tools off that stands at the end of a system text to the letter
// as Qwen2.5's and Qwen3's template writes it.
func (r *reader) qwen(text string) (string, bool) {
	at := strings.LastIndex(text, "# Tools\n\n")
	if at < 0 || at > 0 && !strings.HasSuffix(text[:at], "\n\n") {
		return "", false
	}
	_, inner, ok := strings.Cut(text[at:], "\n"+openTools+"\n")
	inner, _, closed := strings.Cut(inner, "\n"+closeTools)
	if !ok || !closed {
		return "", false
	}
	list, err := toolValues(inner)
	if err != nil {
		return "", false
	}
	trial := reader{}
	if trial.offer(list, "") != nil || chat.Hermes.Instructions(trial.Tools) != text[at:] || r.offer(list, "") != nil {
		return "", false
	}
	return strings.TrimSuffix(text[:at], "\n\n"), true
}

// toolValues reads tools from a text: one JSON list, or objects in a row.
func toolValues(text string) ([]any, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "[") {
		v, err := value.ParseExact([]byte(text))
		if err != nil {
			return nil, err
		}
		return v.(*value.List).Items, nil
	}
	var out []any
	for in := json.NewDecoder(strings.NewReader(text)); ; {
		var raw json.RawMessage
		if err := in.Decode(&raw); err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		v, err := value.ParseExact(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

// explains says how a shape writes tools into the system text.
type explains struct {
	// cut finds the tools. An error says why they cannot be taken out.
	cut func(text string) (block, before, after string, found bool, err error)
	// known are parts of the sentences that explain tools and calls, in small letters and
	// without white space. A sentence that spells a tag of calls explains, too.
	known []string
}

// explains says whether a text holds one of the known sentences.
func (e *explains) explains(text string) bool {
	joined := strings.Join(strings.Fields(strings.ToLower(text)), "")
	return slices.ContainsFunc(e.known, func(k string) bool { return strings.Contains(joined, k) })
}

// rest is a text without the sentences that explain. unknown is the first of these that
// says more.
func (e *explains) rest(text string) (rest, unknown string) {
	var out strings.Builder
	for _, s := range sentences(text) {
		low := strings.ToLower(s)
		joined := strings.Join(strings.Fields(low), "")
		known := slices.ContainsFunc(e.known, func(k string) bool { return strings.Contains(joined, k) })
		switch {
		case !known && !mentions(s, openCall, closeCall, openTools, closeTools):
			out.WriteString(s)
		case unknown == "" && (!explaining(low) || !known && negates(low)):
			unknown = strings.TrimSpace(s)
		}
	}
	return strings.TrimSpace(out.String()), unknown
}

// explaining says whether a sentence in small letters has no other words than those that
// explain how a call is written.
func explaining(low string) bool {
	for _, w := range strings.FieldsFunc(low, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if len(w) > 1 && !slices.Contains(explainingWords, w) {
			return false
		}
	}
	return !strings.ContainsFunc(low, func(r rune) bool { return r > unicode.MaxASCII && !unicode.IsSpace(r) })
}

// negates says whether a sentence in small letters forbids something, which only known
// explanations may.
func negates(low string) bool {
	words := strings.FieldsFunc(low, func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.Contains(words, "not") || slices.Contains(words, "no")
}

// explainingWords are all that a sentence may say that is taken out. One with any other
// word says more than the model's template will.
var explainingWords = strings.Fields(`
	access an and answer any are args argument arguments as assistant available be call calling calls can decide dict
	dictionary each enclosed existing follow following follows for format func function functioncall functions given have
	helpful here if in include included into invoke is it json list make model must name no not object of one or other
	params properties provided put pydantic required respond response return schema should signature signatures string
	system tag tags text that the them these this title to tool tools type use using value way when will with within wrap
	wrapped write xml you your`)

// sentences cuts a text after full stops and at line ends. A pair of tags of a call is
// not cut.
func sentences(text string) (out []string) {
	start := 0
	for i := 0; i < len(text); i++ {
		if strings.HasPrefix(text[i:], openCall) {
			if n := strings.Index(text[i:], closeCall); n >= 0 {
				i += n + len(closeCall) - 1
				continue
			}
		}
		next := i + 1
		stop := text[i] == '\n' || strings.IndexByte(".!?", text[i]) >= 0 && (next == len(text) || strings.IndexByte(" \t\r\n", text[next]) >= 0)
		if !stop {
			continue
		}
		for next < len(text) && strings.IndexByte(" \t\r\n", text[next]) >= 0 {
			next++
		}
		out = append(out, text[start:next])
		start, i = next, next-1
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}
