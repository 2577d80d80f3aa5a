package format

import (
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

// battery are the functions that are offered in these tests.
var batteryTools = Tools([]ballast.Tool{
	{Name: "f", Params: []ballast.Param{{Name: "a", Type: "integer"}, {Name: "t", Type: "string"}, {Name: "flag", Type: "boolean"}, {Name: "v"}}},
	{Name: "g"}, {Name: "get-weather"}, {Name: "fs.list"}, {Name: "search"}, {Name: "list files"},
})

// foreignCalls are calls of the offered function f, or marks of call syntaxes, that are a
// call in no format, or in those that are named alone.
var foreignCalls = []struct{ text, reads string }{ // reads: names, separated by blanks
	// Functions in tags, without the tag around them.
	{"<function=f>\n<parameter=a>\n1\n</parameter>\n</function>", ""},
	{"I look.\n\n<function=f>\n</function>", ""},
	{"Sure: <function=f>{\"a\": 1}</function>", ""},
	{"<function=rm>{\"a\": 1}</function>", ""},
	{"<parameter=a>\n1\n</parameter>", ""},
	{"<function name=\"f\"><parameter name=\"a\">1</parameter></function>", ""},
	{"<invoke name=\"f\">\n<parameter name=\"a\">1</parameter>\n</invoke>", ""},
	{"<function_calls>\n<invoke name=\"f\">", ""}, {"<function_call>{\"name\": \"f\"}</function_call>", ""},
	{"<tool_use>f</tool_use>", ""}, {"<start_function_call>call:f{a:<escape>x<escape>}<end_function_call>", ""},
	{"<tool_code>\nf(a=1)\n</tool_code>", ""}, {"f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>", ""},
	{"<f>\n<a>1</a>\n</f>", ""}, {"<f a=\"1\"/>", ""},
	// Marks of other models.
	{"[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", "mistral"}, {"[TOOL_CALLS]f[ARGS]{\"a\": 1}", "mistral-v11"},
	{"[TOOL_CALLS] [{\"name\": \"rm\", \"arguments\": {}}]", "mistral"},
	{"<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>f\n```json\n{\"a\": 1}\n```<\uff5ctool\u2581call\u2581end\uff5c>", ""},
	{deepBegin + deepCall + "f" + deepSep + "{\"a\": 1}" + deepCut + deepEnd, "deepseek-v3.1"},
	{"<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>", "glm"},
	{"\u273fFUNCTION\u273f: f\n\u273fARGS\u273f: {\"a\": 1}", ""}, {"functools[{\"name\": \"rm\", \"arguments\": {}}]", ""},
	{"assistantcommentary to=functions.f json{\"a\": 1}", ""}, {"functions.f:0 {\"a\": 1}", ""}, {"functions.f:0{\"a\": 1}", ""},
	{"<|tool_call_start|>[f(a=1)]<|tool_call_end|>", ""}, {"<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", ""},
	{"<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": 1}<|tool_call_end|>", ""},
	{"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>", "harmony"},
	{"<|action_start|><|plugin|>\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}<|action_end|>", ""},
	{"<|python_tag|>f.call(a=1)", ""}, {"<|python_tag|>import os\nprint(os.getcwd())", ""}, {"<|python_tag|>{\"temperature\": 21}", ""},
	// JSON without tags.
	{"{\"name\": \"f\", \"arguments\": {\"a\": 1}}", ""}, {"{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "llama3"},
	{"{\"arguments\": {\"a\": 1}, \"name\": \"f\"}", ""}, {"{'name': 'f', 'arguments': {'a': 1}}", ""}, {"{\"function\": \"f\", \"args\": {}}", ""},
	{"```json\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n```", ""}, {"```json\n{\n  \"tool\": \"f\",\n  \"input\": {\"a\": 1}\n}\n```", ""},
	{"[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": {}}]", "xlam"},
	{"{\"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": {\"a\": 1}}}", ""},
	{"{\"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}]}", ""}, {"{\"action\": \"f\", \"action_input\": {\"a\": 1}}", ""},
	{"Sure: {\"name\": \"f\", \"arguments\": {\"a\": 1}}", ""}, {"{\"name\": \"functions.f\", \"arguments\": {}}", ""}, {"{\"f\": {\"a\": 1}}", ""},
	{"I do it.\n{\"name\":\"f\",\"arguments\":{\"a\":1", ""}, {"{\"name\": \"get-weather\", \"arguments\": {}}", ""},
	{"{\"name\": \"\", \"arguments\": {\"a\": 3x.", ""}, {"{\"name\": \"rm\", \"arguments\": {\"a\": \"b\"", ""}, {"So {it} is: {\"name\": rm, \"parameters\": {}}", ""},
	// Python without brackets.
	{"f(a=1)", ""}, {"f(1)", ""}, {"f()", ""}, {"f (a=1)", ""}, {"f(a=1)\ng(b=2)", ""}, {"I look.\nf(a=1)\nThen I say it.", ""}, {"  f(a=1)  ", ""},
	{"f(a=1);", ""}, {"f(a=1), g()", ""}, {"f(a=1); g()", ""}, {"f(\n  a=1,\n  t='x',\n)", ""}, {"f(a=1", ""}, {"f(a=x)", ""}, {"`f(a=1)`", ""},
	{"```python\nf(a=1)\n```", ""}, {"```\nf(a=1)\n```", ""}, {"x = f(a=1)", ""}, {"print(f(a=1))", ""}, {"await f(a=1)", ""},
	{"functions.f(a=1)", ""}, {"f.call(a=1)", ""}, {"default_api.f(a=1)", ""}, {"- f(a=1)\n- g(b=2)", ""}, {"1. f(a=1)\n2. g(b=2)", ""}, {"> f(a=1)", ""},
	{"I call: f(a=1)", ""}, {"Action: f(a=1)", ""}, {"Action: f\nAction Input: {\"a\": 1}", ""}, {"Tool: f\nArguments: a=1", ""}, {"name: f\narguments:\n  a: 1", ""},
	{"**f(a=1)**", ""}, {"f(a=1)  # the first one", ""}, {"f(t='''a\nb''')", ""}, {"get-weather(a=1)", ""}, {"fs.list(a=1)", ""}, {"f(t=\"(\")", ""}, {"\"f(a=1)\"", ""}, {"[\"f(a=1)\", \"g()\"]", ""},
	{"f {\"a\": 1}", ""}, {"f\n{\"a\": 1}", ""}, {"f{a: 1}", ""}, {"call:f{\"a\": 1}", ""}, {"f\n```json\n{\"a\": 1}\n```", ""},
	// Other spellings.
	{">>> f(a=1)", ""}, {"$ f(a=1)", ""}, {"@f(a=1)", ""}, {"f(a: 1)", ""}, {"f({a: 1})", ""}, {"f({\"a\": 1})", ""}, {"const x = await f({a: 1})", ""},
	{"x: int = f(a=1)", ""}, {"<f(a=1)>", ""}, {"{f(a=1)}", ""}, {"[f]{\"a\": 1}", ""}, {"Tool call: f {\"a\": 1}", ""}, {"f -> {\"a\": 1}", ""}, {"f(**{'a': 1})", ""},
	{"await functions.f({a: 1});", ""}, {"<tool>f</tool>", ""}, {"!f(a=1)", ""}, {"[[f(a=1)]]", ""}, {"(f(a=1))", ""}, {"tool_call(name='f', arguments={'a': 1})", ""}, {"call_tool(\"f\", {\"a\": 1})", ""},
	{"<call>f(a=1)</call>", ""}, {"{name: \"f\", arguments: {a: 1}}", ""}, {"{\"name\": \"f\"}", ""}, {"{\"tool\": \"f\"}", ""}, {"f();\ng();", ""}, {"{\"id\": 1, \"method\": \"f\", \"params\": {\"a\": 1}}", ""}, {"{\"toolName\": \"f\", \"toolArgs\": {}}", ""},
	{"{\"function_call\": {\"name\": \"f\", \"arguments\": \"{}\"}}", ""},
	// Lists.
	{"[f(a=1)]", "pythonic"}, {"[\n    f(a=1),\n    g(b='x')\n]", "pythonic"}, {"I do:\n[\n\n f(a=1),\n g()\n]", "pythonic"}, {"I do: [f(a=1)]", ""},
	{"[f(a=1), g(b='x')]", "pythonic"}, {"[get-weather(a=1)]", ""}, {"[rm-all(a=1)]", ""}, {"[\n get-weather(a=1),\n f()\n]", ""}, {"[f.call(a=1)]", "pythonic"},
	{"See [f(a=1)] for it", ""}, {"[list files(a=1)]", ""},
}

// answers are replies to a user that look like calls and are none.
var answers = []string{
	"print(x)", "print(1)\nlen('a')", "```python\nprint(f'{x}')\nos.listdir(path='.')\n```", "Rows:\n[print(1), len(x)]", "[range(10), len('x')]", "[foo()]",
	"You can use f(a=1) for that.", "The call f(a=1) failed, so I stopped.", "Use `f(a=1)` next time.", "f (the first one) is done", "f(x) is a function of x",
	"I ran f(a=1), then g().", "- f: finds\n- g: goes", "I did this:\n- f(a=1)\n- g()\nAll is well.", "Steps:\n1. f(a=1)\n2. g()", "**f**\nParameters: a, t", "f\nArguments: a", "- f(a, t)\n- g()", "* f(a)\n* g(b)", "1. f\n2. g", "f", "search", "search: it is done.", "g()\u00e9 is odd",
	"f(a, t)", "f (a)", "f(a: integer, t?: string)", "- f(a: integer)", "f (3), search (2)", "Note: f (2024)", "Files: search (\"a\", 'b')", "Calling f(a=1) now", "f == g(a=1)", "{\"action\": \"none\", \"input\": 3}", "name: f", "<b>f</b> is one", "## f()", "| f(a=1) | done |", "[f](docs)", "See [f(a)](docs) and [`g()`][1].", "[`f()`]: docs", "[note] f(x) is a function", "[a, b]", "[1, 2]",
	"{\"temperature\": 21, \"unit\": \"C\"}", "{\"name\": \"Bob\", \"age\": 3}", "{\"name\": \"demo\", \"parameters\": [1]}", "{\"city\": \"Oslo\", \"days\": [1, 2]}",
	"Here is package.json:\n```json\n{\"name\": \"demo\", \"arguments\": {\"a\": 1}}\n```", "The file says {\"name\": \"x\", \"arguments\": \"none\"} in its header.",
	"{\"name\": \"x\", \"arguments\": {}}", "[{\"name\": \"Bob\"}, {\"name\": \"Al\"}]", "{\"status\": \"ok\"}\nAll is done.", "Result:\n{\"a\": 1}",
	"{a: 1}", "function f(a) { return 1 }", "def f(a=1):\n    return a", "a <b> c", "<table>\n<tr>", "x = 3", "f: {1}", "Note: f() is there.",
	"```json\n{\"f\": 1}\n```", "The tool f takes {\"a\": 1}.", "He said: \"f(a=1) works\"", "He said: \"f(a=1)\"", "https://x.org/a:b(c)", "f == g(a == 1)",
}

// TestForeignCalls: what is a call in none of its formats is polluted, and says what was
// found; a response is none.
func TestForeignCalls(t *testing.T) {
	for name, f := range All {
		for _, c := range foreignCalls {
			for _, reply := range []string{c.text, c.text + "<|im_end|>", "<think>\nhm\n</think>\n\n" + c.text} {
				p := f.Parse(reply, batteryTools)
				if slices.Contains(strings.Fields(c.reads), name) {
					if p.Kind != call || p.Reason != "" && p.Reason != ReasonUnknownTool {
						t.Errorf("%s %q: %s %s, want a call", name, reply, p.Kind, p.Reason)
					}
					continue
				}
				own := name == "llama3" && strings.Contains(c.text, "{") || (name == "pythonic" || name == "xlam") && strings.HasPrefix(c.text, "[") ||
					strings.HasPrefix(name, "deepseek") && strings.HasPrefix(c.text, deepBegin)
				if p.Kind != polluted || len(p.Calls) > 0 && !own || p.Detail == "" && p.Reason == ReasonOtherSyntax {
					t.Errorf("%s %q: %s %s %q %v, want polluted", name, reply, p.Kind, p.Reason, p.Detail, p.Calls)
				}
				tagged := strings.Contains(reply, "<|python_tag|>") && name == "llama3"
				if p.Reason != ReasonOtherSyntax && !own && !tagged && p.Reason != ReasonBrokenTag {
					t.Errorf("%s %q: reason %s", name, reply, p.Reason)
				}
				checkIn(t, f, reply)
			}
			// A call of the format behind it does not make it good.
			reply := c.text + "\n" + f.Render([]ballast.Call{{Name: "g"}}, batteryTools)
			if p := f.Parse(reply, batteryTools); p.Kind == call && len(p.Calls) < 2 {
				t.Errorf("%s %q: %s %s %v", name, reply, p.Kind, p.Reason, p.Calls)
			}
		}
		for _, text := range answers {
			begins := map[string]string{"pythonic": "[", "llama3": "{", "xlam": "[{"}[name] // what begins calls of the format where it begins a line
			if begins == "[" && strings.Contains("\n"+text, "\n[") && strings.Contains(text, "(") {
				continue
			}
			if p := f.Parse(text, batteryTools); p.Kind != response || p.Reason != "" {
				t.Errorf("%s %q: %s %s %q, want a response", name, text, p.Kind, p.Reason, p.Detail)
			}
			reply := text + "\n" + f.Render([]ballast.Call{{Name: "g"}}, batteryTools)
			if p := f.Parse(reply, batteryTools); (p.Kind != call || p.Reason != "") && (begins == "" || !strings.Contains("\n"+text, "\n"+begins)) {
				t.Errorf("%s %q: %s %s %q, want a call", name, reply, p.Kind, p.Reason, p.Detail)
			}
			checkIn(t, f, text)
		}
	}
}

// battery are replies as models send them, with what they are, one format at a time.
var battery = []struct {
	format, reply string
	form          ballast.ReplyKind
	reason        Reason
	calls         string // in Python syntax
}{
	// A call that a thought drafts.
	{"hermes", "<think>\nMaybe <tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call> - no\n</think>\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", call, "", "f(a=1)"},
	{"hermes", "<think>\nI must answer inside <tool_call></tool_call> tags.\n</think>\n\nDone.", response, "", ""},
	{"hermes", "<think>\nMaybe <tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>", polluted, ReasonUnclosedTag, ""},
	{"xml", "<think>\nMaybe <function=g>\n</think>\n\n" + xmlWith("1"), call, "", "f(a=1)"},
	{"pythonic", "<think>\n[g()]\n</think>\n[f(a=1)]", call, "", "f(a=1)"},
	{"llama3", "<think>\n{\"name\": \"g\", \"parameters\": {}}\n</think>\nDone.", response, "", ""},
	// A closing tag in an argument, arguments encoded twice, another key.
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"t\": \"use </tool_call> to close\"}}\n</tool_call>", polluted, ReasonBadJSON, ""},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}\n</tool_call>", polluted, ReasonBadArguments, ""},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": null}\n</tool_call>", polluted, ReasonBadArguments, ""},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}\n</tool_call>", polluted, ReasonMissingArguments, ""},
	{"llama3", "{\"name\": \"f\", \"parameters\": \"{\\\"a\\\": 1}\"}", polluted, ReasonBadArguments, ""},
	{"llama3", "{\"name\": \"f\"}", polluted, ReasonMissingArguments, ""},
	{"llama3", "{\"name\": \"f\", \"parameters\": {\"a\": 1}, \"arguments\": {\"a\": 2}}", polluted, ReasonBadArguments, ""},
	{"llama3", "{\"name\": \"f\", \"parameters\": {\"a\": 1}, \"arguments\": 3}", call, "", "f(a=1)"},
	{"llama3", "{\"name\": \"\", \"parameters\": {\"a\": 1}}", polluted, ReasonMissingName, ""},
	{"xlam", "[{\"name\": \"\", \"arguments\": {\"a\": 1}}]", polluted, ReasonMissingName, ""},
	{"hermes", "{\"name\": \"\", \"arguments\": {\"a\": 1}}", polluted, ReasonOtherSyntax, ""},
	{"llama3", "{\"name\": \"\", \"parameters\": \"none\"}", response, "", ""},
	{"llama3", "{\"name\": \"\", \"age\": 3}", response, "", ""},
	// Python's literals in JSON.
	{"hermes", "<tool_call>\n{'name': 'f', 'arguments': {}}\n</tool_call>", polluted, ReasonBadJSON, ""},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": True}}\n</tool_call>", polluted, ReasonBadJSON, ""},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1,}}\n</tool_call>", polluted, ReasonBadJSON, ""},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 01}}\n</tool_call>", polluted, ReasonBadJSON, ""},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"t\": \"a\nb\"}}\n</tool_call>", polluted, ReasonBadJSON, ""},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"t\": \"\\d\"}}\n</tool_call>", polluted, ReasonBadJSON, ""},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1e5, \"b\": 12345678901234567890123}}\n</tool_call>", call, "", "f(a=100000.0, b=12345678901234567890123)"},
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1, \"a\": 2}}\n</tool_call>", call, "", "f(a=2)"},
	{"hermes", "<tool_call>\nf(a=1)\n</tool_call>", polluted, ReasonOtherSyntax, ""},
	{"hermes", "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>", polluted, ReasonOtherSyntax, ""},
	// Separators of llama3's calls.
	{"llama3", "{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}", call, "", "f(); g()"},
	{"llama3", "{\"name\": \"f\", \"parameters\": {}};{\"name\": \"g\", \"parameters\": {}}", call, "", "f(); g()"},
	{"llama3", "{\"name\": \"f\", \"parameters\": {}}\n{\"name\": \"g\", \"parameters\": {}}", polluted, ReasonTextAroundCall, "f()"},
	{"llama3", "{\"name\": \"f\", \"parameters\": {}};", polluted, ReasonTextAroundCall, "f()"},
	{"llama3", "{\"name\": \"f\", \"parameters\": {}}, {\"name\": \"g\", \"parameters\": {}}", polluted, ReasonTextAroundCall, "f()"},
	{"llama3", "{\"temperature\": 21}\n{\"name\": \"f\", \"parameters\": {}}", polluted, ReasonOtherSyntax, ""},
	{"llama3", "{\"temperature\": 21", polluted, ReasonUnclosedTag, ""},
	{"llama3", "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": 1}}<|eom_id|>", call, "", "f(a=1)"},
	// Lists over several lines.
	{"pythonic", "[\n    f(a=1),\n    g(b='x')\n]", call, "", "f(a=1); g(b='x')"},
	{"pythonic", "Sure.\n\n[\r\n  f(a=1)\r\n]", call, "", "f(a=1)"},
	{"pythonic", "[\n[f(a=1)]", call, "", "f(a=1)"},
	{"pythonic", "[\n  f(a=1),\n  g(", polluted, ReasonUnclosedTag, ""},
	{"pythonic", "[\n  f(a=1)\n]\nDone.", polluted, ReasonTextAroundCall, "f(a=1)"},
	{"pythonic", "[f(a=true)]", polluted, ReasonBadCall, ""},
	// Lists of JSON.
	{"xlam", "[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": {}}]", call, "", "f(a=1); g()"},
	{"xlam", "I do.\n[\n  {\"name\": \"f\", \"arguments\": {\"a\": 1}}\n]", call, "", "f(a=1)"},
	{"xlam", "[{\"name\": \"rm\", \"arguments\": {}}]", call, ReasonUnknownTool, "rm()"},
	{"xlam", "[{\"name\": \"f\", \"arguments\": {}}] is it", polluted, ReasonTextAroundCall, "f()"},
	{"xlam", "[{\"name\": \"f\", \"arguments\": {}}]\n[{\"name\": \"g\", \"arguments\": {}}]", polluted, ReasonTextAroundCall, "f()"},
	{"xlam", "{\"name\": \"f\", \"arguments\": {}}", polluted, ReasonOtherSyntax, ""},
	{"xlam", "[{\"name\": \"f\", \"arguments\": \"{}\"}]", polluted, ReasonBadArguments, ""},
	{"xlam", "[{\"name\": \"f\"}, {\"name\": \"g\", \"arguments\": {}}]", polluted, ReasonMissingArguments, "g()"},
	{"xlam", "[{\"name\": \"f\", \"arguments\": {}},]", polluted, ReasonBadJSON, ""},
	{"xlam", "[{\"name\": \"f\", \"arguments\": {", polluted, ReasonUnclosedTag, ""},
	{"xlam", "[{\"city\": \"Oslo\"}]", response, "", ""},
	{"mistral", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"abcdefghi\"}]</s>", call, "", "f(a=1)"},
	{"mistral", "I look.[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"t\": \"]\"}}, {\"name\": \"g\", \"arguments\": {}}]", call, "", "f(t=']'); g()"},
	{"mistral", "Done.</s>", response, "", ""},
	{"mistral", "Done.</s></s>", polluted, ReasonControlInText, ""},
	{"mistral", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}] ok", polluted, ReasonTextAroundCall, "f()"},
	{"mistral", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}][TOOL_CALLS][{\"name\": \"g\", \"arguments\": {}}]", polluted, ReasonControlInText, "f(); g()"},
	{"mistral", "[TOOL_CALLS][{\"name\": \"f\", [TOOL_CALLS][{\"name\": \"g\", \"arguments\": {}}]", polluted, ReasonNestedTag, "g()"},
	{"mistral", "[TOOL_CALLS]{\"name\": \"f\", \"arguments\": {}}", polluted, ReasonBadCall, ""},
	{"mistral", "[TOOL_CALLS][{\"name\": \"f\", \"argu", polluted, ReasonUnclosedTag, ""},
	{"mistral", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}][TOOL_RESULTS]ok[/TOOL_RESULTS]", polluted, ReasonControlInText, "f()"},
	{"mistral", "[TOOL_CALLS]f{\"a\": 1}", polluted, ReasonOtherSyntax, ""},
	{"mistral", "x [TOOL_CALLS]", polluted, ReasonUnclosedTag, ""},
	{"mistral-v11", "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}</s>", call, "", "f(a=1); g()"},
	{"mistral-v11", "I look. [TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS]{\"a\": 1}", call, "", "f(a=1)"},
	{"mistral-v11", "[TOOL_CALLS] f [ARGS] {\"a\": 1}\n[TOOL_CALLS]g[ARGS]{}", call, "", "f(a=1); g()"},
	{"mistral-v11", "[TOOL_CALLS]f[ARGS]{\"a\": 1} and [TOOL_CALLS]g[ARGS]{}", polluted, ReasonTextAroundCall, "f(a=1); g()"},
	{"mistral-v11", "[TOOL_CALLS]f[ARGS][1]", polluted, ReasonBadArguments, ""},
	{"mistral-v11", "[TOOL_CALLS][ARGS]{\"a\": 1} x", polluted, ReasonMissingName, ""},
	{"mistral-v11", "[TOOL_CALLS]f[ARGS]{\"a\": 1", polluted, ReasonUnclosedTag, ""},
	{"mistral-v11", "[TOOL_CALLS]f", polluted, ReasonUnclosedTag, ""},
	{"mistral-v11", "[TOOL_CALLS]f[TOOL_CALLS]g[ARGS]{}", polluted, ReasonNestedTag, "g()"},
	{"mistral-v11", "Use it: prog [ARGS]", polluted, ReasonOtherSyntax, ""},
	// DeepSeek.
	{"deepseek-v3.1", deepBegin + deepCall + "f" + deepSep + "{\"a\": 1}" + deepCut + deepCall + "g" + deepSep + "{}" + deepCut + deepEnd + deepStop, call, "", "f(a=1); g()"},
	{"deepseek-v3.1", "I look.\n" + deepBegin + "\n" + deepCall + "f" + deepSep + "{\"t\": \"}\"}" + deepCut + "\n" + deepEnd, call, "", "f(t='}')"},
	{"deepseek-v3.1", deepBegin + deepCall + "f" + deepSep + "{}" + deepCut, polluted, ReasonUnclosedTag, "f()"},
	{"deepseek-v3.1", deepBegin + deepCall + "f" + deepSep + "{}" + deepEnd, polluted, ReasonBadCall, ""},
	{"deepseek-v3.1", deepBegin + deepCall + "f" + deepSep + "{}" + deepCut + " and " + deepCall + "g" + deepSep + "{}" + deepCut + deepEnd, polluted, ReasonTextAroundCall, "f(); g()"},
	{"deepseek-v3.1", deepBegin + deepEnd + "x", polluted, ReasonBadCall, ""},
	{"deepseek-v3.1", "x" + deepCall + "f" + deepSep + "{}" + deepCut, polluted, ReasonOtherSyntax, ""},
	{"deepseek-v3.1", "x" + deepEnd, polluted, ReasonStrayClose, ""},
	{"deepseek-v3.1", deepBegin + deepCall + "f" + deepSep + "a=1" + deepCut + deepEnd, polluted, ReasonBadJSON, ""},
	{"deepseek-v3.1", deepBegin + deepCall + deepSep + "{}" + deepCut + deepEnd + "x", polluted, ReasonMissingName, ""},
	{"deepseek-v3.1", deepBegin + deepCall + "f" + deepSep + "{}" + deepCut + deepEnd + deepReply + "ok" + deepShut, polluted, ReasonControlInText, "f()"},
	{"deepseek-v3.1", deepBegin + deepCall + "function" + deepSep + "f\n```json\n{}\n```" + deepCut + deepEnd, polluted, ReasonOtherSyntax, ""},
	{"deepseek-v3", deepBegin + deepCall + "function" + deepSep + "f\n```json\n{\"a\": 1}\n```" + deepCut + "\n" + deepCall + "function" + deepSep + "g\n```json\n{}\n```" + deepCut + deepEnd, call, "", "f(a=1); g()"},
	{"deepseek-v3", deepBegin + deepCall + "f" + deepSep + "{}" + deepCut + deepEnd, polluted, ReasonOtherSyntax, ""},
	{"deepseek-v3", deepBegin + deepCall + "function" + deepSep + "f\n{}" + deepCut + deepEnd, polluted, ReasonBadCall, ""},
	{"deepseek-v3", deepBegin + deepCall + "function" + deepSep + "f\n```json\n{", polluted, ReasonUnclosedTag, ""},
	{"deepseek-v3", deepBegin + deepCall + "function" + deepSep + "f\n```json{}```" + deepCut + deepEnd, polluted, ReasonBadCall, ""},
	{"deepseek-v3", deepBegin + deepCall + "function" + deepSep + "f\n```json\n{}```" + deepCut + deepEnd, polluted, ReasonBadCall, ""},
	{"deepseek-v3", deepBegin + deepCall + "function" + deepSep + "f\n```json\n{}\n```\n" + deepCut + deepEnd, polluted, ReasonBadCall, ""},
	{"deepseek-v3", deepBegin + deepCall + "function" + deepSep + "f\n\n```json\n{}\n```" + deepCut + deepEnd, polluted, ReasonBadCall, ""},
	{"deepseek-v3", deepBegin + deepCall + "function" + deepSep + "f \n```json\n{}\n```" + deepCut + deepEnd, call, ReasonUnknownTool, "f ()"},
	{"deepseek-v3", deepBegin + deepCall + " function" + deepSep + "f\n```json\n{}\n```" + deepCut + deepEnd, polluted, ReasonOtherSyntax, ""},
	{"deepseek-v3", deepBegin + deepCall + "function" + deepSep + "\n```json\n{}\n```" + deepCut + deepEnd + "x", polluted, ReasonMissingName, ""},
	{"deepseek-v3.1", deepBegin + deepCall + " f" + deepSep + "{}" + deepCut + deepEnd, call, ReasonUnknownTool, " f()"},
	{"deepseek-v3.1", deepBegin + deepCall + "f\n" + deepSep + "{}" + deepCut + deepEnd, polluted, ReasonBadCall, ""},
	{"deepseek-v3.1", deepBegin + deepCall + " " + deepSep + "{}" + deepCut + deepEnd + "x", polluted, ReasonMissingName, ""},
	{"mistral", "I look.[TOOL_CALLS] []", polluted, ReasonBadCall, ""},
	// GLM.
	{"glm", "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n<arg_key>t</arg_key>\n<arg_value>2</arg_value>\n</tool_call>", call, "", "f(a=1, t='2')"},
	{"glm", "<tool_call>f<arg_key>t</arg_key><arg_value> a\nb</arg_value></tool_call><tool_call>g</tool_call><|observation|>", call, "", "f(t=' a\\nb'); g()"},
	{"glm", "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>one</arg_value>\n</tool_call>", polluted, ReasonBadCall, ""},
	{"glm", "<tool_call>f\n<arg_key>flag</arg_key>\n<arg_value>true</arg_value>\n</tool_call>", call, "", "f(flag=True)"},
	{"glm", "<tool_call>f\n<arg_key>flag</arg_key>\n<arg_value>True</arg_value>\n</tool_call>", call, "", "f(flag=True)"},
	{"glm", "<tool_call>f\n<arg_key>v</arg_key>\n<arg_value>True</arg_value>\n</tool_call>", call, "", "f(v='True')"},
	{"glm", "<tool_call>f\n<arg_key>v</arg_key>\n<arg_value>null</arg_value>\n</tool_call>", call, "", "f(v=None)"},
	{"glm", "<tool_call>f\n<arg_key>a</arg_key>\n</tool_call>", polluted, ReasonBadCall, ""},
	{"glm", "<tool_call>f\n<arg_value>1</arg_value>\n</tool_call>", polluted, ReasonBadCall, ""},
	{"glm", "<tool_call>f\n<arg_key>a</arg_key> = <arg_value>1</arg_value>\n</tool_call>", polluted, ReasonBadCall, ""},
	{"glm", "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>", polluted, ReasonBadArguments, ""},
	{"glm", "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1", polluted, ReasonUnclosedTag, ""},
	{"glm", "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", polluted, ReasonOtherSyntax, ""},
	{"glm", xmlWith("1"), polluted, ReasonOtherSyntax, ""},
	{"glm", "<tool_call>list files\n</tool_call>", call, "", "list files()"},
	// gpt-oss.
	{"harmony", "<|channel|>analysis<|message|>Call f.<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>", call, "", "f(a=1)"},
	{"harmony", " to=functions.f<|channel|>commentary json<|message|>{\"a\": 1}<|call|>", call, "", "f(a=1)"},
	{"harmony", "<|channel|>commentary to=functions.f<|message|>{\"a\": 1}", call, "", "f(a=1)"},
	{"harmony", "<|channel|>analysis<|message|>Done?<|end|><|start|>assistant<|channel|>final<|message|>Done.<|return|>", response, "", ""},
	{"harmony", "<|channel|>final<|message|>Done.<|end|>", response, "", ""},
	{"harmony", "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.f<|channel|>commentary json<|message|>{}<|call|>", call, "", "f()"},
	{"harmony", "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1", polluted, ReasonUnclosedTag, ""},
	{"harmony", "<|channel|>analysis<|message|>Hm", polluted, ReasonUnclosedTag, ""},
	{"harmony", "<|channel|>analysis<|message|>Hm<|end|>", polluted, ReasonEmpty, ""},
	{"harmony", "<|channel|>analysis<|message|>Hm<|end|>Done.", polluted, ReasonBrokenTag, ""},
	{"harmony", "<|channel|>thought<|message|>Hm", polluted, ReasonBrokenTag, ""},
	{"harmony", "<|channel|>commentary to=functions.f code<|message|>{}<|call|>", polluted, ReasonBadCall, "f()"},
	{"harmony", "<|channel|>commentary to=functions. json<|message|>{}<|call|>", polluted, ReasonMissingName, ""},
	{"harmony", "<|channel|>commentary to=functions.f json<|message|>a=1<|call|>", polluted, ReasonBadJSON, ""},
	{"harmony", "<|channel|>commentary to=functions.f json<|message|>{}<|call|>Done.", polluted, ReasonTextAroundCall, "f()"},
	{"harmony", "<|channel|>commentary to=functions.f json<|message|>{}<|call|><|start|>assistant<|channel|>final<|message|>Done.", polluted, ReasonTextAroundCall, "f()"},
	{"harmony", "<|channel|>final<|message|>Done.<|call|>", polluted, ReasonStrayClose, ""},
	{"harmony", "<|channel|>final<|message|>Done.<|end|><|start|>user<|message|>thanks", polluted, ReasonControlInText, ""},
	{"harmony", "<|start|>assistant<|channel|>final<|message|>Done.", polluted, ReasonControlInText, ""},
	{"harmony", "<|channel|>commentary to=python code<|message|>print(1)<|call|>", polluted, ReasonBadCall, ""},
	{"harmony", "<|channel|>commentary to=f json<|message|>{}<|call|>", polluted, ReasonBadCall, "f()"},
	{"harmony", " to=f<|channel|>commentary json<|message|>{}<|call|>", polluted, ReasonBadCall, "f()"},
	{"harmony", "<|channel|>commentary to=browser.search json<|message|>{}<|call|>", call, ReasonUnknownTool, "browser.search()"},
	{"mistral-v11", "[TOOL_CALLS]f[ARGS]a=1", polluted, ReasonUnclosedTag, ""},
	{"mistral-v11", "[THINK]I call [TOOL_CALLS]g[ARGS]{}[/THINK][TOOL_CALLS]f[ARGS]{}", call, "", "f()"},
	{"mistral-v11", "[THINK]Hm.[/THINK]Done.</s>", response, "", ""},
	{"mistral-v11", "[THINK]Hm.[/THINK]", polluted, ReasonEmpty, ""},
	{"mistral-v11", "[THINK]Hm.", polluted, ReasonUnclosedTag, ""},
	{"mistral-v11", "Hm.[/THINK]Done.", polluted, ReasonStrayClose, ""},
	{"mistral-v11", "Done.[THINK]Hm.[/THINK]", polluted, ReasonControlInText, ""},
	{"mistral", "[THINK] is a word of other models.", response, "", ""},
	{"hermes", "Use it: prog [OPTIONS] [ARGS]", response, "", ""},
	// Values of xml.
	{"xml", xmlWith("12"), call, "", "f(a=12)"},
	{"xml", xmlWith("twelve"), polluted, ReasonBadCall, ""},
	{"xml", strings.ReplaceAll(xmlWith("3.10"), "=a>", "=t>"), call, "", "f(t='3.10')"},
	{"xml", strings.ReplaceAll(xmlWith("True"), "=a>", "=flag>"), call, "", "f(flag=True)"},
	{"xml", strings.ReplaceAll(xmlWith("True"), "=a>", "=v>"), call, "", "f(v=True)"},
	{"xml", strings.ReplaceAll(xmlWith("1"), "=a>", "=a >"), call, "", "f(a =1)"},
	{"xml", strings.ReplaceAll(xmlWith("1"), "=a>", "= >"), polluted, ReasonBadArguments, ""},
	{"xml", strings.ReplaceAll(xmlWith("1"), "=f>", "= f >"), call, "", "f(a=1)"},
	{"xml", "<tool_call>\n<function=f>\n<parameter=a>\n1\n<parameter=t>\n2\n</parameter>\n</function>\n</tool_call>", polluted, ReasonBadCall, ""},
}

func TestBattery(t *testing.T) {
	for _, c := range battery {
		p := All[c.format].Parse(c.reply, batteryTools)
		var calls []string
		for _, x := range p.Calls {
			calls = append(calls, value.FormatCall(x))
		}
		if got := strings.Join(calls, "; "); p.Kind != c.form || p.Reason != c.reason || got != c.calls {
			t.Errorf("%s %q: %s %s %s (%s), want %s %s %s", c.format, c.reply, p.Kind, p.Reason, got, p.Detail, c.form, c.reason, c.calls)
		}
		checkReply(t, c.reply)
	}
}
