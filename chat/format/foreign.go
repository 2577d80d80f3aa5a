package format

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ballast/value"
)

// foreignCall finds a call in prose, where a format has none: in the syntax of another
// model, or in its own without tags or brackets. It returns what was found, "" for
// nothing.
//
// Marks that nothing but a call syntax has count wherever they stand, whatever they
// name. What looks like a call but could be an answer or code counts if it names an
// offered tool and stands where a call would: JSON with the name and arguments, a call
// in Python on lines of its own, behind a colon or in brackets, a name before a JSON
// object. A list of Python calls with arguments by name counts without an offered
// name, because prompts ask for it, and so does an object with the keys of a call that is
// no JSON, or whose name is empty, because nobody answers so. A JSON answer, code, a sentence with f(a=1) in it, a
// list of signatures, and one of calls below a sentence are prose.
//
// The time is linear in the text: each place is looked at over a bounded distance.
func foreignCall(text string, offered Offered) string {
	text = trim(text)
	if !strings.ContainsAny(text, "({<[`:\uff5c=") {
		return ""
	}
	for _, mark := range callMarks {
		if i := strings.Index(text, mark); i >= 0 {
			return shown(text[i:])
		}
	}
	if named, args, at := jsonNames(text, offered); named && args {
		return shown(text[at:])
	}
	if broken := brokenObject(text); broken != "" {
		return shown(broken)
	}
	if at := nameless(text); at >= 0 {
		return shown(text[at:])
	}
	if i, j := Pythonic.(pythonic).find(text); i >= 0 && j >= 0 {
		if calls, err := value.ParseCalls(text[i:j]); err == nil {
			for _, c := range calls {
				if offered == nil || has(offered, c.Name) || slices.ContainsFunc(c.Args, named) {
					return shown(text[i:])
				}
			}
		}
	}
	l := lines{text: text, offered: offered, left: maxArgs + 2*len(text)}
	for start := 0; start < len(text); {
		line, _, _ := strings.Cut(text[start:], "\n")
		if at := l.call(start, line); at >= 0 {
			return shown(text[at:])
		}
		start += len(line) + 1
	}
	return ""
}

// callMarks are spellings that nothing but the call syntax of some model has.
var callMarks = []string{
	xmlFunction, xmlFunctionEnd, xmlParameter, xmlParameterEnd, // Qwen3-Coder, Llama's functions
	"<function name=", "<parameter name=", "<invoke name=", "<function_call", "<tool_use", // Anthropic's kind
	"[TOOL_CALLS]", "[TOOL_CALL]", // Mistral
	"\uff5ctool\u2581", "\uff5cDSML\uff5c", // DeepSeek
	"<start_function_call>", "<arg_key>", "<tool_code>", // Gemma, GLM, Gemini
	"to=functions.",                       // gpt-oss
	"\u273fFUNCTION\u273f", "functools[{", // Qwen-Agent, Phi-4
	"```tool_call", "```tool_code", "```function_call", // fences
}

// callToken reports whether a control token belongs to the call syntax of some model.
// Tokens of tool results do not.
func callToken(token string) bool {
	if token[1] != '|' {
		return token == openCall || token == closeCall
	}
	if strings.Contains(token, "response") || strings.Contains(token, "result") || strings.Contains(token, "output") {
		return false
	}
	words := []string{"tool_", "call", "python_tag", "plugin", "action_", "channel|", "constrain"}
	return token == "<|tool|>" || slices.ContainsFunc(words, func(word string) bool { return strings.Contains(token, word) })
}

// shown is the beginning of what was found, on one line.
func shown(text string) string {
	text, _, more := strings.Cut(trim(text), "\n")
	if len(text) > 60 {
		text, more = strings.ToValidUTF8(text[:60], ""), true
	}
	return fmt.Sprintf("%q", text) + map[bool]string{true: " ..."}[more]
}

// The keys of JSON objects that name a function, those that hold its arguments, and those
// that calls have besides, in lower case without underscores.
var (
	nameKeys = []string{"name", "function", "functionname", "tool", "toolname", "action", "recipientname", "apiname", "method", "command",
		"intent"}
	argsKeys = []string{"arguments", "parameters", "args", "params", "kwargs", "input", "inputs", "actioninput", "toolinput", "toolargs",
		"functionargs", "toolarguments", "slots", "payload"}
	callsKeys = []string{"id", "type", "callid", "toolcallid", "jsonrpc"}
)

// plainKey is a key as the tables above have it.
func plainKey(key string) string { return strings.ReplaceAll(strings.ToLower(key), "_", "") }

// Bounds of what is looked at around one byte.
const (
	maxKey  = 80   // a key or a name
	maxArgs = 4096 // the arguments of a call in Python
)

// jsonNames reports whether text, which is trimmed, has a key that names an offered tool
// (any name, where names are not checked), and where, and whether it has a key of
// arguments: in JSON or a Python dict. A tool's name as the key of an object is both.
func jsonNames(text string, offered Offered) (named, args bool, at int) {
	for i := 0; ; i++ {
		n := strings.IndexByte(text[i:], ':')
		if n < 0 {
			return named, args || named && offered != nil && nothingElse(text), at
		}
		i += n
		key, start := keyBefore(text, i)
		if key == "" {
			continue
		}
		after := strings.TrimLeft(text[i+1:min(len(text), i+1+2*maxKey)], blanks)
		object := strings.HasPrefix(after, "{")
		switch {
		case slices.Contains(nameKeys, plainKey(key)):
			name, ok := quoted(after)
			known := offered == nil && key == "name" || has(offered, toolName(name, offered))
			if ok && !named && name != "" && known {
				named, at = true, start
			}
		case slices.Contains(argsKeys, plainKey(key)):
			args = args || offered != nil || object
		case object && has(offered, key) && strings.IndexByte("{[`", text[0]) >= 0:
			return true, true, start
		}
	}
}

// brokenObject is the first object in text that has the keys of a call and is no JSON: what
// is left of a call, and nobody's answer.
func brokenObject(text string) string {
	if !callKeys(text) {
		return ""
	}
	for {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			return ""
		}
		text = text[i:]
		n, s := 0, State{}
		for n < len(text) {
			s = bodyByte(s, text[n], `"`)
			if n++; s.depth == 0 {
				break
			}
		}
		if callKeys(text[:n]) {
			if _, err := value.ParseJSON([]byte(text[:n])); err != nil {
				return text
			}
		}
		text = text[n:]
	}
}

// callKeys reports whether text has the keys that calls in JSON have.
func callKeys(text string) bool {
	return strings.Contains(text, `"name"`) && (strings.Contains(text, `"arguments"`) || strings.Contains(text, `"parameters"`))
}

// nameless is where a call in JSON stands whose name is empty, -1 for nowhere.
func nameless(text string) int {
	if !callKeys(text) {
		return -1
	}
	if at := emptyName.FindStringIndex(text); at != nil {
		return at[0]
	}
	return -1
}

var emptyName = regexp.MustCompile(`"name"\s*:\s*"\s*"\s*,\s*"(arguments|parameters)"\s*:\s*\{`)

// nothingElse reports whether a text is a JSON object with keys of calls alone.
func nothingElse(text string) bool {
	v, err := value.ParseJSON([]byte(text))
	d := asDict(v)
	if err != nil || d == nil {
		return false
	}
	return !slices.ContainsFunc(d.Keys(), func(k any) bool {
		key := plainKey(k.(string))
		return !slices.Contains(nameKeys, key) && !slices.Contains(argsKeys, key) && !slices.Contains(callsKeys, key)
	})
}

// keyBefore is the key that ends before the colon at i, in quotes or a word, and where it
// begins.
func keyBefore(text string, i int) (key string, start int) {
	from := max(0, i-maxKey-4)
	head := strings.TrimRight(text[from:i], blanks)
	if head == "" {
		return "", 0
	}
	quote := head[len(head)-1]
	if quote != '"' && quote != '\'' {
		j := len(head)
		for j > 0 && (head[j-1] == '_' || wordByte(head[j-1])) {
			j--
		}
		return head[j:], from + j
	}
	head = head[:len(head)-1]
	j := strings.LastIndexByte(head, quote)
	if j < 0 {
		return "", 0
	}
	return head[j+1:], from + j
}

// quoted is the string literal that text begins with.
func quoted(text string) (string, bool) {
	if text == "" || text[0] != '"' && text[0] != '\'' {
		return "", false
	}
	body, _, ok := strings.Cut(text[1:], text[:1])
	if v, err := value.ParseJSON([]byte(`"` + body + `"`)); err == nil && text[0] == '"' {
		body = v.(string)
	}
	return body, ok
}

// toolName takes off what models put around the name of a function, unless the name is
// offered as it is.
func toolName(name string, offered Offered) string {
	if has(offered, name) {
		return name
	}
	name = strings.TrimLeft(name, "@$!/<{")
	for _, prefix := range [...]string{"functions.", "function.", "tools.", "tool.", "default_api.", "api.", "functions:", "call:"} {
		name = strings.TrimPrefix(name, prefix)
	}
	for _, suffix := range [...]string{".call", ".invoke", ".run", ".execute"} {
		name = strings.TrimSuffix(name, suffix)
	}
	if i := strings.LastIndexByte(name, ':'); i > 0 && strings.Trim(name[i+1:], "0123456789") == "" { // functions.f:0
		name = name[:i]
	}
	return name
}
