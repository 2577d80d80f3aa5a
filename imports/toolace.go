package imports

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"ballast"
	"ballast/supervise"
	"ballast/value"
)

// isToolACE: the tools are a list inside of the system text, and nowhere else.
func isToolACE(o *object) bool {
	if !speaks(o, "from") {
		return false
	}
	for _, key := range toolKeys {
		if o.has(key) {
			return false
		}
	}
	s, ok := o.peek("system").(string)
	return ok && strings.Contains(s, "[{") && !mentions(s, openTools)
}

// toolACE reads ToolACE's rows.
func (r *reader) toolACE(o *object) error {
	text, err := o.word("system")
	if err != nil {
		return err
	}
	if err := r.system(text, "system", &aceText); err != nil {
		return err
	}
	return r.turns(o, turns{r.composed, r.aceResults})
}

// aceText finds the list of tools in ToolACE's system text.
var aceText = explains{
	known: []string{"hereisalistoffunctions", "shouldyoudecidetoreturnthefunctioncall", "putitintheformatof[",
		"noothertextmustbeincluded", "shouldnotincludeanyothertext"},
	cut: func(text string) (block, before, after string, found bool, err error) {
		start := strings.Index(text, "[{")
		if start < 0 {
			return "", "", "", false, nil
		}
		var list json.RawMessage
		in := json.NewDecoder(strings.NewReader(text[start:]))
		if err := in.Decode(&list); err != nil {
			return "", "", "", true, fmt.Errorf("the list of tools: %w", err)
		}
		after = strings.TrimPrefix(text[start+int(in.InputOffset()):], ".")
		return string(list), text[:start], after, true, nil
	},
}

// aceResults takes a list of answers, one for each call before it.
func (r *reader) aceResults(body, id, name, at string) error {
	if items, ok := listItems(body); ok {
		if m := r.last(); m != nil && len(items) == len(m.Calls) {
			return r.inTurn(items, "", "", at)
		}
	}
	return r.answers(body, id, name, at)
}

// composed reads a reply that may be a list of calls in Python's syntax, in which names
// hold spaces and more, and words may be JSON's.
func (r *reader) composed(body, at string) error {
	t := strings.TrimSpace(body)
	if !strings.HasPrefix(t, "[") || !strings.HasSuffix(t, "]") || !strings.Contains(t, "(") {
		return r.spoke(body, at)
	}
	calls, err := r.pythonCalls(t)
	if err != nil {
		if !strings.HasSuffix(t, ")]") {
			return r.spoke(body, at) // prose in brackets
		}
		return &fault{reasonCall, at, err.Error()}
	}
	return r.reply(supervise.Message{Calls: calls, At: at}, nil)
}

// pythonCalls reads one or more lists of calls.
func (r *reader) pythonCalls(text string) (out []ballast.Call, err error) {
	for text != "" {
		rest, ok := strings.CutPrefix(text, "[")
		if !ok {
			return nil, errors.New("text after the calls")
		}
		for more := true; more; {
			var c ballast.Call
			if c, rest, err = r.pythonCall(strings.TrimSpace(rest)); err != nil {
				return nil, err
			}
			out = append(out, c)
			rest = strings.TrimSpace(rest)
			rest, more = strings.CutPrefix(rest, ",")
		}
		if rest, ok = strings.CutPrefix(rest, "]"); !ok {
			return nil, errors.New("a list of calls that is not closed")
		}
		text = strings.TrimSpace(rest)
	}
	return out, nil
}

// pythonCall reads a call at the start of a text. Its name is the longest beginning that
// is the name of a tool and stands before a bracket, or all up to the first bracket.
func (r *reader) pythonCall(text string) (c ballast.Call, rest string, err error) {
	open := strings.IndexByte(text, '(')
	if open < 0 {
		return c, "", errors.New("a call without brackets")
	}
	for at, tries := open, 0; at >= 0 && tries < 4; tries++ { // names may hold brackets
		if r.names[text[:at]] {
			open = at
		}
		next := strings.IndexByte(text[at+1:], '(')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	name := text[:open]
	inner, n := pythonic(text[open:])
	if n < 0 {
		return c, "", fmt.Errorf("the brackets of %s are not closed", brief(name))
	}
	if c, err = value.ParseCall("f" + inner); err != nil {
		return c, "", err
	}
	c.Name = name
	return c, text[open+n:], nil
}

// pythonic is the bracketed text at the start of a text, with JSON's words outside of
// strings as Python's, and its length; -1 if it does not end.
func pythonic(t string) (string, int) {
	words := map[string]string{"true": "True", "false": "False", "null": "None"}
	var b strings.Builder
	depth := 0
	for i := 0; i < len(t); {
		c := t[i]
		end := i + 1
		switch {
		case c == '"' || c == '\'':
			for end < len(t) && t[end] != c {
				if t[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(t))
		case letter(c):
			for end < len(t) && (letter(t[end]) || '0' <= t[end] && t[end] <= '9') {
				end++
			}
			b.WriteString(cmp.Or(words[t[i:end]], t[i:end]))
			i = end
			continue
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		}
		b.WriteString(t[i:end])
		if i = end; depth == 0 {
			return b.String(), end
		}
	}
	return "", -1
}

func letter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 128 }
