package format

import (
	"strings"

	"ballast"
	"ballast/value"
)

// hermes is the format of Qwen2.5 and Qwen3: one JSON object with "name" and
// "arguments" per pair of tags, several calls on successive lines.
type hermes struct{ tagged }

// Hermes is the format `hermes`.
var Hermes Format = hermes{tagged{body: hermesBody, opener: "{", quotes: `"`}}

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

// Render is Write for calls that can be written.
func (f hermes) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Write writes each call as one line of JSON between its tags.
func (f hermes) Write(calls []ballast.Call, offered Offered) (string, error) {
	var b strings.Builder
	for i, c := range calls {
		if i > 0 {
			b.WriteByte('\n')
		}
		body, err := f.callJSON(c, "arguments")
		if err != nil {
			return "", err
		}
		b.WriteString(openCall + "\n" + body + "\n" + closeCall)
	}
	return checked(f, b.String(), calls, offered)
}

// Result puts a tool's answer into a tool_response block.
func (hermes) Result(text string) (before, body, after string) {
	return openReply + "\n", text, "\n" + closeReply
}

func hermesBody(text string, _ Offered) (ballast.Call, Reason, string) {
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		return ballast.Call{}, ReasonBadJSON, err.Error()
	}
	c, fault := jsonCall(v, "arguments")
	return c, fault, ""
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
	return callOf(name, raw)
}

// callOf is a call of a function with the members of an object as its arguments.
func callOf(name string, object any) (ballast.Call, Reason) {
	args, ok := object.(*value.Dict)
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
