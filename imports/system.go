package imports

import (
	"strings"

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
	if err != nil {
		return &Fault{ReasonSystemTools, at, err.Error()}
	}
	if !found {
		return r.systemText(text, at)
	}
	list, err := toolValues(block)
	if err != nil {
		return &Fault{ReasonSystemTools, at, err.Error()}
	}
	if err := r.offer(list, at); err != nil {
		return err
	}
	rest := strings.TrimSpace(rules.rest(before) + "\n" + rules.rest(after))
	switch {
	case mentions(rest, openCall, closeCall, openTools, closeTools, openResponse, "<functioncall>") || strings.Contains(rest, "[func"):
		return &Fault{ReasonSystemTools, at, "it explains calls in words that are not known"}
	case rest == "":
		return nil
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
	parts, ok := split(text, 0)
	if !ok {
		parts = []string{text} // the parser says what is wrong
	}
	var out []any
	for _, p := range parts {
		v, err := value.ParseExact([]byte(p))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// explains says how a shape writes tools into the system text.
type explains struct {
	// cut finds the tools. An error says why they cannot be taken out.
	cut func(text string) (block, before, after string, found bool, err error)
	// known are beginnings and parts of the sentences that explain tools and calls, in
	// small letters and without white space.
	known []string
	// tags says that a sentence explains, too, where it spells a tag of calls.
	tags bool
}

// rest is a text without the sentences that explain.
func (e *explains) rest(text string) string {
	var out strings.Builder
	for _, s := range sentences(text) {
		low := strings.ToLower(strings.Join(strings.Fields(s), ""))
		drop := e.tags && mentions(s, openCall, closeCall, openTools, closeTools)
		for _, k := range e.known {
			drop = drop || strings.Contains(low, k)
		}
		if !drop {
			out.WriteString(s)
		}
	}
	return strings.TrimSpace(out.String())
}

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
