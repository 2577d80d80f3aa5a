package format

import (
	"slices"
	"strings"

	"ballast"
	"ballast/value"
)

func named(a ballast.Arg) bool { return a.Name != "" }

// lines looks for calls on the lines of a text.
type lines struct {
	text    string
	offered Offered
	left    int // bytes of arguments that may still be looked at: calls that never close are many
}

// call finds a call on the line that begins at start: its place in the text, -1 for none.
func (l *lines) call(start int, line string) int {
	for i := 0; i < len(line); i++ {
		n := strings.IndexByte(line[i:], '(')
		if n < 0 {
			break
		}
		i += n
		if at := l.python(start, start+i); at >= 0 {
			return at
		}
	}
	if l.offered == nil {
		return -1
	}
	indent := len(line) - len(strings.TrimLeft(line, blanks))
	if rest := line[indent:]; strings.HasPrefix(rest, "<") {
		name := rest[1:min(len(rest), 2*maxKey)]
		if i := strings.IndexAny(name, " >/"); i > 0 && has(l.offered, name[:i]) { // <f><a>1</a></f>
			return start + indent
		}
		if tag, name, ok := strings.Cut(name, ">"); ok && slices.Contains(nameKeys, plainKey(tag)) { // <tool>f</tool>
			if name, _, ok := strings.Cut(name, "<"); ok && has(l.offered, trim(name)) {
				return start + indent
			}
		}
	}
	if nameBeforeObject(l.text[start:], line, l.offered) {
		return start + indent
	}
	return -1
}

// place says where on its line a call in Python stands.
type place uint8

const (
	inProse   place = iota
	onItsOwn        // nothing but decoration stands before it
	inItem          // only the mark of a list item: a list of calls that leads the text is no prose
	afterMark       // a colon stands before it
	inBracket       // an opening bracket
)

// python reports whether the parenthesis at open opens the arguments of a call in a
// call's place: where the call begins, -1 if not. The line begins at start.
func (l *lines) python(start, open int) int {
	head := strings.TrimRight(l.text[max(start, open-2*maxKey):open], " \t")
	name := head[strings.LastIndexAny(head, " \t[({`\"'=>*,;|")+1:]
	known := has(l.offered, toolName(name, l.offered))
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !known { // "Action:f("
		name = name[i+1:]
		known = has(l.offered, toolName(name, l.offered))
	}
	if whole := strings.TrimLeft(head, blanks+"[`"); !known && has(l.offered, whole) { // a name with blanks in it
		name, known = whole, true
	}
	known = known || l.offered != nil && slices.Contains(wrappers, name)
	before := head[:len(head)-len(name)]
	at := open - len(l.text[max(start, open-2*maxKey):open]) + len(before)
	where := placeOf(before, open-start > 2*maxKey)
	switch {
	case name == "" || where == inProse || where == inItem && start > 0 || !known && where != inBracket:
		return -1
	case known && where == inBracket && l.text[open-1] > ' ':
		_, rest, _ := l.arguments(open)
		if behind, ok := strings.CutPrefix(strings.TrimLeft(rest, "`*"), "]"); ok && behind != "" && strings.IndexByte("([:", behind[0]) >= 0 {
			return -1 // a link of Markdown
		}
		return at
	case !known: // a list of calls by name that stands on its own
		if strings.Trim(before, blanks+"[`") == "" && wideName(name) && byNameFirst(l.text[open+1:]) {
			return at
		}
		return -1
	}
	args, rest, closed := l.arguments(open)
	is := byNameFirst(args)
	if !is && closed && l.text[open-1] > ' ' { // behind a blank they are a remark: "list (3)"
		c, err := value.ParseCall("f(" + args + ")")
		is = err == nil && (len(c.Args) > 0 || where == onItsOwn)
	}
	if is && (!closed || endsLine(rest)) {
		return at
	}
	return -1
}

// arguments cuts what follows the parenthesis at open into the arguments and the rest
// behind them.
func (l *lines) arguments(open int) (args, rest string, closed bool) {
	text, s := l.text[open+1:], State{depth: 1}
	text = text[:min(len(text), maxArgs, max(0, l.left))]
	for i := range len(text) {
		l.left--
		if s = pythonByte(s, text[i]); s.depth == 0 {
			return text[:i], l.text[open+2+i:], true
		}
	}
	return text, "", false
}

// wrappers are functions that call a function, in the minds of models.
var wrappers = []string{"tool_call", "call_tool", "call_function", "function_call", "use_tool", "run_tool", "execute_tool", "invoke_tool"}

// wideName reports whether name is one that some API could have: letters, digits and
// a few marks.
func wideName(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; !nameByte(c) && c != '-' && c != '/' && c != ':' && c != '$' {
			return false
		}
	}
	return wordByte(name[0]) || name[0] == '_'
}

// placeOf says where a name stands behind before, the text of its line so far; far
// says that more stands before that.
func placeOf(before string, far bool) place {
	s := strings.TrimRight(before, " \t`*") // behind a quote and other words it is a quotation
	if strings.HasSuffix(s, "[") {
		return inBracket
	}
	if strings.HasSuffix(s, ":") {
		return afterMark
	}
	if far {
		return inProse
	}
	s = strings.Trim(s, " \t`*>$({\"'")
	if tag, ok := strings.CutPrefix(s, "<"); ok && !strings.ContainsAny(tag, " \t<") { // <call>f(
		return onItsOwn
	}
	s = strings.TrimRight(strings.TrimSuffix(s, "await"), " \t")
	if left, ok := strings.CutSuffix(s, "="); ok && len(strings.Fields(left)) <= 3 && strings.IndexAny(left, "=().,!?") < 0 { // let x = f(
		return onItsOwn
	}
	switch s {
	case "", "[", "print", "return", "print(", ",":
		return onItsOwn
	case "-", "+", "\u2022":
		return inItem
	}
	if n := strings.TrimRight(s, ".)"); len(n) < len(s) && len(n) < 4 && strings.Trim(n, "0123456789") == "" { // 1.
		return inItem
	}
	return inProse
}

// byNameFirst reports whether arguments begin with one by name: a=1, a: 1 with a value
// and no type behind the colon, {a: 1}, **{}.
func byNameFirst(args string) bool {
	args = strings.TrimLeft(args[:min(len(args), 2*maxKey)], blanks)
	if strings.HasPrefix(args, "**") {
		return true
	}
	args = strings.TrimLeft(strings.TrimPrefix(args, "{"), blanks)
	n := 0
	for n < len(args) && (nameByte(args[n]) || args[n] == '-') {
		n++
	}
	rest := strings.TrimLeft(args[n:], " \t")
	if after, ok := strings.CutPrefix(rest, ":"); ok {
		after = strings.TrimLeft(after, blanks)
		return n > 0 && after != "" && strings.IndexByte("\"'[{-0123456789", after[0]) >= 0
	}
	return n > 0 && strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "==")
}

// endsLine reports whether nothing but closing marks, a comment or another call stands
// on the rest of a line.
func endsLine(rest string) bool {
	line, _, _ := strings.Cut(rest[:min(len(rest), maxArgs)], "\n")
	line = strings.TrimLeft(line, " \t`*)]},;.\"'\r")
	for _, mark := range [...]string{"#", "//", "->", "=>", "\u2192", "</", ">"} {
		if strings.HasPrefix(line, mark) {
			return true
		}
	}
	if i := strings.IndexByte(line, '('); i > 0 && len(line) > i && wideName(trim(line[:i])) { // f(a=1), g()
		return true
	}
	return line == ""
}

// Labels that stand before the name of a function, and before its arguments on the next
// line, in lower case.
var (
	nameLabels = [...]string{"action:", "tool:", "function:", "call:", "tool call:", "function call:", "tool_call:", "function_call:",
		"tool name:", "name:", "tool_name:", "function name:", "- name:", "action:**", "tool:**", "function:**"}
	argsLabels = [...]string{"action input", "action_input", "input", "arguments", "parameters", "args", "params", "tool input",
		"tool_input", "with arguments", "**action input", "**arguments", "**parameters", "[args]"}
)

// nameBeforeObject reports whether line, which text begins with, has the name of an offered
// tool and a JSON object behind it or on the next line. Behind a label the arguments may
// have one, too.
func nameBeforeObject(text, line string, offered Offered) bool {
	head, object, brace := strings.Cut(line[:min(len(line), 4*maxKey)], "{")
	if !brace && len(line) > 2*maxKey {
		return false
	}
	name := strings.TrimLeft(trim(head), "`*> ")
	labelled := false
	for low, i := strings.ToLower(name), 0; i < len(nameLabels) && !labelled; i++ {
		if labelled = strings.HasPrefix(low, nameLabels[i]); labelled {
			name = name[len(nameLabels[i]):]
		}
	}
	name = strings.Trim(strings.TrimSuffix(strings.TrimRight(name, blanks+"`*=->"), "[ARGS]"), blanks+"`*\"'[]")
	if name == "" || len(name) > maxKey || !has(offered, toolName(name, offered)) {
		return false
	}
	if brace {
		return opensObject(object)
	}
	next := strings.TrimLeft(text[len(line):min(len(text), len(line)+2*maxKey)], blanks+"`")
	next = strings.ToLower(strings.TrimLeft(strings.TrimPrefix(next, "json"), blanks))
	for _, label := range argsLabels {
		if labelled && strings.HasPrefix(next, label) {
			return true
		}
	}
	return strings.HasPrefix(next, "{") && opensObject(next[1:])
}

// opensObject reports whether what stands behind a brace is a JSON object, or one with bare
// keys.
func opensObject(s string) bool {
	s = strings.TrimLeft(s, blanks)
	if s == "" || s[0] == '"' || s[0] == '\'' || s[0] == '}' {
		return true
	}
	n := 0
	for n < len(s) && nameByte(s[n]) {
		n++
	}
	return n > 0 && strings.HasPrefix(strings.TrimLeft(s[n:], " \t"), ":")
}
