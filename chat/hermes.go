package chat

import (
	"strings"

	"ballast"
	"ballast/value"
)

// hermes is the format of Qwen2.5 and Qwen3: one JSON object with "name" and
// "arguments" per pair of tags, several calls on successive lines.
type hermes struct{ tagged }

// Hermes is the format `hermes`.
var Hermes Format = hermes{tagged{body: hermesBody, quotes: `"`}}

// Name returns "hermes".
func (hermes) Name() string { return "hermes" }

// Instructions is the text of Qwen2.5's chat template (paper, section 6).
func (hermes) Instructions(tools []ballast.Tool) string {
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call one or more functions to assist with the user query.\n\n" +
		"You are provided with function signatures within <tools></tools> XML tags:\n<tools>")
	for _, t := range tools {
		b.WriteString("\n" + docJSON(t))
	}
	b.WriteString("\n</tools>\n\nFor each function call, return a json object with function name and arguments " +
		"within <tool_call></tool_call> XML tags:\n<tool_call>\n" +
		"{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>")
	return b.String()
}

// Hint shows the syntax in one line.
func (hermes) Hint() string { return `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` }

// Docs is a JSON list of the tools' documentation.
func (hermes) Docs(tools []ballast.Tool) string { return docsJSON(tools) }

// Render writes each call as one line of JSON between its tags.
func (hermes) Render(calls []ballast.Call) string {
	var b strings.Builder
	for i, c := range calls {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(openCall + "\n" + callJSON(c, "arguments") + "\n" + closeCall)
	}
	return b.String()
}

// Result puts a tool's answer into a tool_response block.
func (hermes) Result(text string) (before, body, after string) {
	return openReply + "\n", text, "\n" + closeReply
}

func hermesBody(text string) (ballast.Call, Reason) {
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		return ballast.Call{}, ReasonBadJSON
	}
	return jsonCall(v, "arguments")
}

// jsonCall reads {"name": string, key: object}. Further keys are allowed.
func jsonCall(v any, key string) (ballast.Call, Reason) {
	d, ok := v.(*value.Dict)
	if !ok {
		return ballast.Call{}, ReasonNotAnObject
	}
	raw, _ := d.Get("name")
	name, ok := raw.(string)
	if !ok || trim(name) == "" {
		return ballast.Call{}, ReasonMissingName
	}
	raw, ok = d.Get(key)
	if !ok {
		return ballast.Call{}, ReasonMissingArguments
	}
	args, ok := raw.(*value.Dict)
	if !ok {
		return ballast.Call{}, ReasonBadArguments
	}
	c := ballast.Call{Name: name}
	for i := range args.Len() {
		k, v := args.At(i)
		if k == "" {
			return ballast.Call{}, ReasonBadArguments
		}
		c.Args = append(c.Args, ballast.Arg{Name: k.(string), Value: v})
	}
	return c, ""
}

// callJSON is the inverse of jsonCall. JSON has no positional arguments: a call
// with one is a slip of the caller, see Named.
func callJSON(c ballast.Call, key string) string {
	args := value.NewDict()
	for _, a := range c.Args {
		if a.Name == "" {
			panic("chat: call of " + c.Name + " has a positional argument, which JSON cannot write: use chat.Named first")
		}
		args.Set(a.Name, a.Value)
	}
	return `{"name": ` + quoteJSON(c.Name) + `, "` + key + `": ` + quoteJSON(args) + `}`
}

// quoteJSON is json.dumps(v, ensure_ascii=False) as chat templates write it,
// with "<" escaped where a string holds the text of a control token.
func quoteJSON(v any) string {
	s, err := value.JSON(v)
	if err != nil {
		panic("chat: argument or tool documentation that JSON cannot write: " + err.Error())
	}
	return escapeControl(unescape(s), `\u003c`)
}

// unescape turns the \u escapes of characters outside ASCII back into the
// characters; lone surrogates, which UTF-8 cannot write, stay escaped.
func unescape(s string) string {
	if !strings.Contains(s, `\u`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		n := 1
		if s[i] == '\\' {
			n = 2
			if r, width := escapedRune(s[i:]); r >= 0x7f {
				b.WriteRune(r)
				i += width
				continue
			}
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return b.String()
}

// escapedRune reads one \uXXXX, or a surrogate pair of them, at the start of s;
// 0 for anything else.
func escapedRune(s string) (r rune, width int) {
	unit := func(s string) (u rune) {
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return -1
		}
		for _, c := range []byte(s[2:6]) {
			u = u<<4 | rune(strings.IndexByte("0123456789abcdef", c))
		}
		return u
	}
	switch high := unit(s); {
	case high < 0 || high >= 0xDC00 && high < 0xE000:
		return 0, 0
	case high < 0xD800 || high >= 0xE000:
		return high, 6
	default:
		if low := unit(s[6:]); low >= 0xDC00 && low < 0xE000 {
			return 0x10000 + (high-0xD800)<<10 + (low - 0xDC00), 12
		}
		return 0, 0
	}
}
