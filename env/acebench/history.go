package acebench

import (
	"strings"
	"unicode"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
	"ballast/value/pyexpr"
	api "ballast/world/acebench"
	"ballast/world/python"
)

// The tags of a history.
const (
	tagUser      = "user:"
	tagAgent     = "agent:"
	tagSystem    = "system:"
	tagExecution = "execution:"
	tagResult    = "execution result:"
)

// rebuilt makes chat messages of a history, as the paper's edition does for format tool. Tags count
// wherever they stand, also inside what somebody said. A message of the role that the last one had
// gets the other role, so that the last question of 139 items is the assistant's.
func rebuilt(history string) (out []ballast.Message) {
	tags := [3]string{tagUser, tagSystem, tagExecution}
	if strings.Contains(history, tagAgent) {
		tags[1] = tagAgent
	}
	if !strings.Contains(history, tagExecution) && strings.Contains(history, tagResult) {
		tags[2] = tagResult
	}
	find := finder{text: history, tags: tags}
	last := ""
	for at, which := find.next(0); at >= 0; {
		from := at + len(tags[which])
		next, other := find.next(from)
		end := next
		if end < 0 {
			end = len(history)
		}
		text, role := strip(history[from:end]), roleUser
		bracket := strings.HasPrefix(text, "[")
		switch {
		case which == 1:
			if role = roleAssistant; bracket {
				text = oneCall(text)
			}
		case bracket:
			text = "<tool_response>\n" + text + "\n</tool_response>"
		}
		at, which = next, other
		if text == "" {
			continue
		}
		if role == last {
			role = map[string]string{roleUser: roleAssistant, roleAssistant: roleUser}[role]
		}
		last = role
		out = append(out, ballast.Message{Role: role, Text: text})
	}
	return out
}

// finder finds tags in a text, front to back, in time linear in it.
type finder struct {
	text string
	tags [3]string
	at   [3]int // of the next one of each, -1: there is none; behind it, it is looked for again
	used bool
}

// next is the place of the first tag from a place on, and which it is; -1 where there is none.
func (f *finder) next(from int) (at, which int) {
	at = -1
	for i, tag := range f.tags {
		if !f.used || f.at[i] >= 0 && f.at[i] < from {
			if f.at[i] = strings.Index(f.text[from:], tag); f.at[i] >= 0 {
				f.at[i] += from
			}
		}
		if k := f.at[i]; k >= 0 && (at < 0 || k < at) {
			at, which = k, i
		}
	}
	f.used = true
	return at, which
}

// oneCall writes [name(argument=value)] as a block of format tool: "" where the text is anything but
// one call with literal values. As in the original, arguments without a name vanish.
func oneCall(text string) string {
	text = strings.TrimSuffix(strings.Trim(text, "[]"), "\n")
	name, inside, ok := strings.Cut(text, "(")
	if inside, ok = strings.CutSuffix(inside, ")"); !ok || name == "" || strings.ContainsFunc(name, notOfWord) {
		return ""
	}
	args, ok := literalArguments(inside)
	if !ok {
		return ""
	}
	call := value.NewDict("name", name, "arguments", args)
	if _, err := value.JSON(call); err != nil { // the original's run ends
		return ""
	}
	return openCall + "\n" + tooldoc.JSON(call) + "\n" + closeCall
}

// notOfWord is what \w of Python is not.
func notOfWord(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) }

// literalArguments are the arguments with names of a call, by what stands in its parentheses.
func literalArguments(inside string) (*value.Dict, bool) {
	if calls, ok := api.PlainCalls("f(" + inside + ")"); ok && len(calls) == 1 {
		args := value.MakeDict(len(calls[0].Args))
		for _, a := range calls[0].Args {
			args.Set(a.Name, a.Value)
		}
		return args, true
	}
	n, err := pyexpr.Parse("f(" + inside + ")")
	if err != nil || n.Kind != pyexpr.Call {
		return nil, false
	}
	args := value.MakeDict(len(n.Keywords))
	for _, k := range n.Keywords {
		v, ok := literalValue(k.Value)
		if !ok {
			return nil, false
		}
		if k.Name == "" { // null, which JSON writes for None
			args.Set(nil, v)
		} else {
			args.Set(k.Name, v)
		}
	}
	return args, true
}

// literalValue is what Python's ast.literal_eval makes of an expression, if that has JSON.
func literalValue(n *pyexpr.Node) (v any, ok bool) {
	if n == nil {
		return nil, false
	}
	switch n.Kind {
	case pyexpr.Constant:
		return n.Value, true
	case pyexpr.List, pyexpr.Tuple:
		l := value.MakeList(len(n.List))
		for _, x := range n.List {
			if v, ok = literalValue(x); !ok {
				return nil, false
			}
			l.Items = append(l.Items, v)
		}
		if n.Kind == pyexpr.Tuple {
			return &value.Tuple{Items: l.Items}, true
		}
		return l, true
	case pyexpr.Dict:
		d := value.MakeDict(len(n.List))
		for i, x := range n.List {
			key, isKey := literalValue(n.Keys[i])
			if v, ok = literalValue(x); !ok || !isKey || !value.Hashable(key) {
				return nil, false
			}
			d.Set(key, v)
		}
		return d, true
	case pyexpr.UnaryOp:
		if v = n.X.Value; n.X.Kind != pyexpr.Constant || value.TypeName(v) == "bool" || !python.IsNumber(v) {
			return nil, false
		}
		if n.Text == "-" {
			if f, isFloat := v.(float64); isFloat {
				return -f, true
			}
			return python.Sub("-", int64(0), v), true
		}
		return v, n.Text == "+"
	}
	return nil, false
}

// The tags of a call in format tool.
const (
	openCall  = "<tool_call>"
	closeCall = "</tool_call>"
)

// Who speaks in the history of an agent, as Role of a ballast.Message.
const (
	SpeakerUser  = "user"
	SpeakerAgent = "agent"
	SpeakerStep  = "execution result" // the simulators in multi_step
	SpeakerTurn  = "execution"        // and in multi_turn
)

// History is the text of an agent's conversation so far: a line a message.
func History(said ...ballast.Message) string {
	var b strings.Builder
	for _, m := range said {
		b.WriteString(m.Role + ":" + m.Text + "\n")
	}
	return b.String()
}
