package imports

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/supervise"
	"ballast/value"
)

// style is a template and a format over a tokenizer of bytes and control tokens.
func style(t testing.TB, template, name string) chat.Renderer {
	t.Helper()
	tmpl := chat.Templates[template]
	control := chat.ControlTokens(tmpl)
	tok, err := bpe.Train(func(func(string) bool) {}, 256+len(control), control, bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	return chat.Renderer{Tokenizer: tok, Template: tmpl, Format: chat.Formats[name]}
}

// outline is a dialogue in one line: roles, thoughts, calls and results.
func outline(d supervise.Dialogue) string {
	var out []string
	if d.System != nil {
		out = append(out, "system "+*d.System)
	}
	if len(d.Tools) > 0 {
		s := "tools"
		for _, t := range d.Tools {
			s += " " + t.Name
		}
		out = append(out, s)
	}
	for _, m := range d.Messages {
		s := string(m.Role)
		if m.Context {
			s += "(context)"
		}
		if m.Thought != "" {
			s += " <" + m.Thought + ">"
		}
		if m.Text != "" {
			s += " " + m.Text
		}
		for _, c := range m.Calls {
			s += " " + value.FormatCall(c)
		}
		if m.Role == supervise.Tool {
			s += " " + strings.Join(m.Results, "|")
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func file(t testing.TB, name, text string) (*File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return Read(path)
}

// row reads one row.
func row(text string) (supervise.Dialogue, error) {
	v, err := value.ParseExact([]byte(text))
	if err != nil {
		return supervise.Dialogue{}, &fault{Reason: reasonJSON}
	}
	d, _, err := read(v, false, nil)
	return d, err
}

// quoted is text as a JSON string.
func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// The parts of rows.
const (
	wx    = `{"name": "wx", "description": "Weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": ["string", "null"]}}, "required": ["city"]}}`
	wrap  = `{"type": "function", "function": ` + wx + `}`
	ask   = `{"role": "user", "content": "Wx in Oslo?"}`
	call  = `{"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "wx", "arguments": "{\"city\": \"Oslo\"}"}}]}`
	three = `{"role": "tool", "tool_call_id": "c1", "content": "{\"t\": 3}"}`
	said  = `{"role": "assistant", "content": "3 degrees."}`
	human = `{"from": "human", "value": "Wx in Oslo?"}`
	gpt   = `{"from": "gpt", "value": "3 degrees."}`
)

// talk is a row of OpenAI's messages with a tool.
func talk(messages ...string) string {
	return `{"messages": [` + strings.Join(messages, ", ") + `], "tools": [` + wrap + `]}`
}

// with is a call of wx with an assistant's message around it.
func with(call string) string {
	return `{"role": "assistant", "content": "", "tool_calls": [` + call + `]}`
}

// share is a row of from and value.
func share(tools string, turns ...string) string {
	if tools != "" {
		tools = `, "tools": ` + tools
	}
	return `{"conversations": [` + strings.Join(turns, ", ") + `]` + tools + `}`
}

// said by someone in ShareGPT's way.
func turn(from, text string) string {
	return `{"from": "` + from + `", "value": ` + quoted(text) + `}`
}

func ace(turns ...string) string {
	return `{"system": ` + quoted("You are an expert in composing functions. Today is Monday.\nHere is a list of functions in JSON format that you can invoke:\n["+
		strings.Replace(wx, "wx", "Wx (v2) now", 1)+"]. \nShould you decide to return the function call(s). \nPut it in the format of [func1(a=b)]\n\nNO other text MUST be included. ") +
		`, "conversations": [` + strings.Join(turns, ", ") + `]}`
}

func glaive(chat string) string {
	return `{"system": ` + quoted("SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n"+wx+"\n") + `, "chat": ` + quoted(chat) + `}`
}

func blocks(tools string, messages ...string) string {
	return `{"system": "Be brief.", "messages": [` + strings.Join(messages, ", ") + `], "tools": [` + tools + `]}`
}

const claude = `{"name": "wx", "description": "Weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}`

// readable are rows that are read, and as what.
func readable(t testing.TB) []struct{ name, row, want string } {
	qwen := "Be brief.\n\n" + format.Hermes.Instructions([]ballast.Tool{{Name: "wx", Schema: mustJSON(t, wrap)}})
	hermes := "You are a function calling AI model. You are provided with function signatures within <tools></tools> XML tags. Never guess.\n<tools>\n[" + wrap + "]\n</tools>\n" +
		"For each call return JSON within <tool_call></tool_call> tags:\n<tool_call>\n{'arguments': <args-dict>, 'name': <function-name>}\n</tool_call>\n"
	return []struct{ name, row, want string }{
		{"openai", talk(ask, call, three, said), `tools wx; user Wx in Oslo?; assistant wx(city='Oslo'); tool {"t": 3}; assistant 3 degrees.`},
		{"openai: arguments as an object, no id", talk(ask, with(`{"name": "wx", "arguments": {"city": "Oslo"}}`), `{"role": "tool", "content": "3"}`, said),
			`tools wx; user Wx in Oslo?; assistant wx(city='Oslo'); tool 3; assistant 3 degrees.`},
		{"openai: parameters", talk(ask, with(`{"name": "wx", "parameters": {"city": "Oslo"}}`)), `tools wx; user Wx in Oslo?; assistant wx(city='Oslo')`},
		{"openai: parts and developer", talk(`{"role": "developer", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}]}`, ask, said), `system be brief; tools wx; user Wx in Oslo?; assistant 3 degrees.`},
		{"openai: function_call", `{"functions": [` + wx + `], "messages": [` + ask + `, {"role": "assistant", "content": null, "function_call": {"name": "wx", "arguments": "{\"city\": \"Oslo\"}"}}, {"role": "function", "name": "wx", "content": "3"}, ` + said + `]}`,
			`tools wx; user Wx in Oslo?; assistant wx(city='Oslo'); tool 3; assistant 3 degrees.`},
		{"openai: results in another order", talk(ask, `{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "wx", "arguments": "{\"city\": \"A\"}"}}, {"id": "b", "function": {"name": "wx", "arguments": "{\"city\": \"B\"}"}}]}`,
			`{"role": "tool", "tool_call_id": "b", "content": "of B"}`, `{"role": "tool", "tool_call_id": "a", "content": "of A"}`, said), `tools wx; user Wx in Oslo?; assistant wx(city='A') wx(city='B'); tool of A|of B; assistant 3 degrees.`},
		{"openai: results by their id", talk(ask, `{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "wx", "arguments": "{\"city\": \"A\"}"}}, {"id": "b", "function": {"name": "wx", "arguments": "{\"city\": \"B\"}"}}]}`,
			`{"role": "tool", "id": "b", "content": "of B"}`, `{"role": "tool", "id": "a", "content": "of A"}`, said), `tools wx; user Wx in Oslo?; assistant wx(city='A') wx(city='B'); tool of A|of B; assistant 3 degrees.`},
		{"openai: a message with an id of its own", talk(ask, call, `{"role": "tool", "id": "msg-3", "content": "3"}`, said), `tools wx; user Wx in Oslo?; assistant wx(city='Oslo'); tool 3; assistant 3 degrees.`},
		{"openai: marks of a good row", `{"label": true, "weight": 1.0, "error": false, "is_bad": 0, "temperature": 0, "stream": false, "messages": [` + ask + `, ` + said + `]}`, `user Wx in Oslo?; assistant 3 degrees.`},
		{"sharegpt: results by their id", share("["+wx+"]", human, turn("function_call", `[{"id": "a", "name": "wx", "arguments": {"city": "A"}}, {"id": "b", "name": "wx", "arguments": {"city": "B"}}]`),
			`{"from": "observation", "id": "b", "value": "of B"}`, `{"from": "observation", "id": "a", "value": "of A"}`, gpt), `tools wx; user Wx in Oslo?; assistant wx(city='A') wx(city='B'); tool of A|of B; assistant 3 degrees.`},
		{"openai: an absent call that a table filled in", talk(ask, `{"role": "assistant", "content": "3 degrees.", "function_call": {"name": null, "arguments": null}, "audio": {"id": null, "of": {"x": null}}}`), `tools wx; user Wx in Oslo?; assistant 3 degrees.`},
		{"openai: a heading of its own", talk(`{"role": "system", "content": "Be careful.\n\n# Tools\nAsk before you use one.\n\n# Style\nBe brief."}`, ask, said), "system Be careful.\n\n# Tools\nAsk before you use one.\n\n# Style\nBe brief.; tools wx; user Wx in Oslo?; assistant 3 degrees."},
		{"openai: an empty system text", talk(`{"role": "system", "content": ""}`, ask, said), "system ; tools wx; user Wx in Oslo?; assistant 3 degrees."},
		{"openai: Qwen's section of tools", `{"messages": [{"role": "system", "content": ` + quoted(qwen) + `}, ` + ask + `, ` + said + `]}`, "system Be brief.; tools wx; user Wx in Oslo?; assistant 3 degrees."},
		{"openai: tags", talk(ask, `{"role": "assistant", "content": "Let me look.\n<tool_call>\n{\"name\": \"wx\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>"}`, `{"role": "user", "content": "<tool_response>\n3\n</tool_response>"}`, said),
			`tools wx; user Wx in Oslo?; assistant Let me look. wx(city='Oslo'); tool 3; assistant 3 degrees.`},
		{"openai: a question about a tag", talk(`{"role": "user", "content": "<tool_response>is it valid?</tool_response> asks my teacher"}`, said), `tools wx; user <tool_response>is it valid?</tool_response> asks my teacher; assistant 3 degrees.`},
		{"openai: reasoning", talk(ask, strings.Replace(call, `null,`, `null, "reasoning_content": "Weather.",`, 1), three, said), `tools wx; user Wx in Oslo?; assistant <Weather.> wx(city='Oslo'); tool {"t": 3}; assistant 3 degrees.`},
		{"openai: a call in a thought", talk(ask, `{"role": "assistant", "content": "<think>\n<tool_call>\n{\"name\": \"wx\"}\n</tool_call>?\n</think>\n\nNo."}`), "tools wx; user Wx in Oslo?; assistant <<tool_call>\n{\"name\": \"wx\"}\n</tool_call>?> No."},
		{"openai: an empty thought", talk(ask, `{"role": "assistant", "content": "<think>\n\n</think>\n\nNo."}`), "tools wx; user Wx in Oslo?; assistant <\n> No."},
		{"openai: a thought in the content, the call beside it", talk(ask, strings.Replace(call, "null", `"<think>\nweather\n</think>\n\n"`, 1), three, said), `tools wx; user Wx in Oslo?; assistant <weather> wx(city='Oslo'); tool {"t": 3}; assistant 3 degrees.`},
		{"openai: weight", talk(ask, `{"role": "assistant", "content": "<tool_call>wrong", "weight": 0}`, ask, `{"role": "assistant", "content": "right", "weight": 1}`), `tools wx; user Wx in Oslo?; assistant(context) <tool_call>wrong; user Wx in Oslo?; assistant right`},
		{"openai: nulls of a table", talk(ask, with(`{"name": "wx", "arguments": {"city": "Oslo", "days": null, "title": null}}`)), `tools wx; user Wx in Oslo?; assistant wx(city='Oslo')`},
		{"openai: a null that is one", talk(ask, with(`{"name": "wx", "arguments": "{\"city\": \"Oslo\", \"days\": null}"}`)), `tools wx; user Wx in Oslo?; assistant wx(city='Oslo', days=None)`},
		{"openai: tools by their names", `{"tools": {"wx": ` + wx + `}, "messages": [` + ask + `, ` + said + `]}`, `tools wx; user Wx in Oslo?; assistant 3 degrees.`},
		{"openai: text for every list", `{"messages": ` + quoted("["+ask+","+said+"]") + `, "tools_json": ` + quoted("["+wrap+"]") + `}`, `tools wx; user Wx in Oslo?; assistant 3 degrees.`},
		{"openai: lists of one length", `{"messages": {"role": ["user", "assistant"], "content": ["q", "a"]}, "tools": []}`, `user q; assistant a`},
		{"openai: MiniMind", `{"conversations": [{"role": "system", "content": "# Tools ...", "tools": ` + quoted("["+wx+"]") + `}, ` + ask + `, {"role": "assistant", "content": "", "tool_calls": ` + quoted(`[{"name": "wx", "arguments": {"city": "Oslo"}}]`) + `}, {"role": "tool", "content": "3"}, ` + said + `]}`,
			`system # Tools ...; tools wx; user Wx in Oslo?; assistant wx(city='Oslo'); tool 3; assistant 3 degrees.`},
		{"openai: ms-swift", `{"tools": ` + quoted("["+wx+"]") + `, "messages": [` + ask + `, {"role": "tool_call", "content": "{\"name\": \"wx\", \"arguments\": {\"city\": \"Oslo\"}}"}, {"role": "tool_response", "content": "3"}, ` + said + `]}`,
			`tools wx; user Wx in Oslo?; assistant wx(city='Oslo'); tool 3; assistant 3 degrees.`},
		{"openai: a large number", talk(ask, with(`{"name": "wx", "arguments": "{\"city\": 12345678901234567890123, \"x\": 1.0}"}`)), `tools wx; user Wx in Oslo?; assistant wx(city=12345678901234567890123, x=1.0)`},
		{"openai: prompt is the first question", `{"prompt": "Wx in Oslo?", "messages": [` + ask + `, ` + said + `]}`, `user Wx in Oslo?; assistant 3 degrees.`},

		{"anthropic", blocks(claude, ask, `{"role": "assistant", "content": [{"type": "thinking", "thinking": "Weather.", "signature": "x"}, {"type": "text", "text": "Let me look."}, {"type": "tool_use", "id": "t1", "name": "wx", "input": {"city": "Oslo"}}]}`,
			`{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "3"}]}]}`, `{"role": "assistant", "content": [{"type": "text", "text": "3 degrees."}]}`),
			`system Be brief.; tools wx; user Wx in Oslo?; assistant <Weather.> Let me look. wx(city='Oslo'); tool 3; assistant 3 degrees.`},

		{"anthropic: a system text of blocks", `{"system": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}], "messages": [` + ask + `, ` + said + `]}`, `system Be brief.; user Wx in Oslo?; assistant 3 degrees.`},
		{"sharegpt", `{"system": "Be brief.", "tools": ` + quoted("["+wx+"]") + `, "conversations": [` + human + `, ` + turn("gpt", "Let me see.") + `, ` + turn("function_call", `{"name": "wx", "arguments": {"city": "Oslo"}}`) + `, ` + turn("function_call", `[{"name": "wx", "arguments": {"city": "Rome"}}]`) + `, ` + turn("observation", `[1, 2]`) + `, ` + gpt + `]}`,
			`system Be brief.; tools wx; user Wx in Oslo?; assistant Let me see. wx(city='Oslo') wx(city='Rome'); tool 1|2; assistant 3 degrees.`},

		{"sharegpt: a thought before a call", share("["+wx+"]", human, turn("function_call", "<think>\nhm {\n</think>\n\n{\"name\": \"wx\", \"arguments\": {\"city\": \"Oslo\"}}"), turn("observation", "3"), gpt),
			`tools wx; user Wx in Oslo?; assistant <hm {> wx(city='Oslo'); tool 3; assistant 3 degrees.`},
		{"sharegpt: a system text said twice", `{"system_prompt": "Be brief.", "conversations": [` + turn("system", "Be brief.") + `, ` + human + `, ` + gpt + `]}`, `system Be brief.; user Wx in Oslo?; assistant 3 degrees.`},
		{"sharegpt: Glaive's", share("", turn("system", "You are a helpful assistant with access to the following functions. Use them if required -"+wx), human,
			turn("function-call", `{"name": "wx", "arguments": '{"city": "L'Aquila"}'}`), turn("function-response", "3"), gpt), `tools wx; user Wx in Oslo?; assistant wx(city="L'Aquila"); tool 3; assistant 3 degrees.`},
		{"sharegpt: a tag that is only named", share("", turn("system", "The tag <tools> opens a list."), human, gpt), `system The tag <tools> opens a list.; user Wx in Oslo?; assistant 3 degrees.`},

		{"toolace", ace(turn("user", "Wx in Oslo?"), turn("assistant", `[Wx (v2) now(city="Wx (v2) now(1)", days=null, on=true)]`), turn("tool", `[{"name": "Wx (v2) now", "results": {"t": 3}}]`), turn("assistant", "3 [sic].")),
			`system You are an expert in composing functions. Today is Monday.; tools Wx (v2) now; user Wx in Oslo?; assistant Wx (v2) now(city='Wx (v2) now(1)', days=None, on=True); tool {"name": "Wx (v2) now", "results": {"t": 3}}; assistant 3 [sic].`},

		{"xlam", `{"id": 0, "query": "Wx in Oslo?", "answers": ` + quoted(`[{"name": "wx", "arguments": {"city": "Oslo"}}]`) + `, "tools": ` + quoted(`[{"name": "wx", "description": "Weather", "parameters": {"city": {"type": "str"}}}]`) + `}`, `tools wx; user Wx in Oslo?; assistant wx(city='Oslo')`},

		{"glaive", glaive("USER: Wx in Oslo?\n\n\nASSISTANT: <functioncall> {\"name\": \"wx\", \"arguments\": '{\"city\": \"Oslo's\"}'} <|endoftext|>\n\n\nFUNCTION RESPONSE: {\"t\": 3}\n\n\nASSISTANT: 3 degrees. <|endoftext|>\n\n\n"),
			`tools wx; user Wx in Oslo?; assistant wx(city="Oslo's"); tool {"t": 3}; assistant 3 degrees.`},
		{"glaive without tools", `{"system": "SYSTEM: You are a helpful assistant, with no access to external functions.\n", "chat": "USER: hi\n\n\nASSISTANT: hello <|endoftext|>"}`, `system You are a helpful assistant, with no access to external functions.; user hi; assistant hello`},

		{"hermes", share("", turn("system", hermes), human, turn("gpt", "<tool_call>\n{\"name\": \"wx\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>\n"), turn("tool", "<tool_response>\n{\"t\": 3}\n</tool_response>\n"), gpt),
			`system You are a function calling AI model. Never guess.; tools wx; user Wx in Oslo?; assistant wx(city='Oslo'); tool {"t": 3}; assistant 3 degrees.`},
		{"hermes with the same tools beside it", share(quoted("["+wrap+"]"), turn("system", hermes), human, gpt), `system You are a function calling AI model. Never guess.; tools wx; user Wx in Oslo?; assistant 3 degrees.`},

		{"trl", `{"prompt": [` + ask + `, ` + said + `, {"role": "user", "content": "Sure?"}], "completion": [{"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "wx", "arguments": {"city": "Oslo"}}}]}], "tools": [` + wx + `]}`,
			`tools wx; user Wx in Oslo?; assistant(context) 3 degrees.; user Sure?; assistant wx(city='Oslo')`},
		{"trl: text", `{"prompt": "q", "completion": "a"}`, `user q; assistant a`},
		{"verl", `{"prompt": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n", "response": "a<|im_end|>", "ability": "x", "extra_info": null}`, `user q; assistant a`},
	}
}

// TestRead: rows that are read, and as what; what is trained parses as the same calls.
func TestRead(t *testing.T) {
	for _, c := range readable(t) {
		t.Run(c.name, func(t *testing.T) {
			d, err := row(c.row)
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(d); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			s := style(t, "qwen3", "hermes")
			ep, err := d.Episode(s)
			if err != nil {
				t.Fatal(err)
			}
			again(t, s, &d, &ep)
		})
	}
}

// TestCases: rows of public reports, by the numbers of their cases. A row that is left out
// is so with this fault.
func TestCases(t *testing.T) {
	data, err := os.ReadFile("testdata/cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	rendered := map[string]string{} // as Qwen3's template and the format hermes have it
	for line := range strings.Lines(string(data)) {
		v := mustJSON(t, line).(*value.Dict)
		name, _ := v.Get("case")
		want, _ := v.Get("want")
		x, _ := v.Get("row")
		d, _, err := try(x)
		if err != nil {
			if err.Error() != want {
				t.Errorf("case %s: %v\nwant %s", name, err, want)
			}
			continue
		}
		if got := outline(d); got != want {
			t.Errorf("case %s: %s\nwant %s", name, got, want)
		}
		s := style(t, "qwen3", "hermes")
		ep, err := d.Episode(s)
		if err != nil {
			t.Errorf("case %s: %v", name, err)
			continue
		}
		again(t, s, &d, &ep)
		rendered[name.(string)] = s.Tokenizer.Decode(ep.Tokens)
	}
	for name, want := range map[string][]string{
		"32/32": {"<tool_response>\n{\"t\": 3}\n</tool_response><|im_end|>"},
		"34/04": {"<|im_start|>system\nBe careful.\n\n# Tools\nAsk before you use one.\n\n# Style\nBe brief.\n\n# Tools\n\nYou may call"},
		"35/05": {"<|im_start|>assistant\n<think>\nThe user wants weather.\n</think>\n\n<tool_call>\n"},
		"37/01": {"<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"get-weather\", ", "<|im_start|>assistant\n<tool_call>\n{\"name\": \"get-weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call><|im_end|>"},
	} {
		for _, w := range want {
			if strings.Count(rendered[name], w) != 1 {
				t.Errorf("case %s: %s\nlacks %s", name, rendered[name], w)
			}
		}
	}
}

// same compares calls; a tuple is a list in JSON.
func same(a, b ballast.Call) bool {
	if a.Name != b.Name || len(a.Args) != len(b.Args) {
		return false
	}
	for i, x := range a.Args {
		v, err := value.JSON(x.Value)
		w, err2 := value.JSON(b.Args[i].Value)
		if x.Name != b.Args[i].Name || v != w || (err == nil) != (err2 == nil) {
			return false
		}
	}
	return true
}

func mustJSON(t testing.TB, text string) any {
	t.Helper()
	v, err := value.ParseExact([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestFaults: rows with one fault each, their reason and their key.
func TestFaults(t *testing.T) {
	reply := func(call string) string { return talk(ask, with(call)) }
	said := func(content string) string { return talk(ask, `{"role": "assistant", "content": `+content+`}`) }
	asst := func(keys string) string { return talk(ask, `{"role": "assistant", "content": "a", `+keys+`}`) }
	tagged := func(text string) string { return share("["+wx+"]", human, turn("gpt", text)) }
	for _, c := range []struct {
		row    string
		reason reason
		key    string
	}{
		{`[]`, reasonObject, ""},
		{`{}`, reasonShape, ""},
		{`{"text": "x"}`, reasonShape, ""},
		{`{"prompt": "x", "chosen": "a", "rejected": "b"}`, reasonCompletion, ""},
		{`{"messages": [` + ask + `], "messages": []}`, reasonJSON, ""},
		{`{"messages": [{"role": "user", "content": "\ud800"}, ` + call + `]}`, reasonJSON, ""},
		{`{"note": "words", ` + said(`"a"`)[1:], reasonKey, "note"},

		{said(`""`), reasonEmpty, "messages[1].content"},
		{said(`null`), reasonEmpty, "messages[1].content"},
		{said(`" \n"`), reasonEmpty, "messages[1].content"},
		{said(`{"t": 3}`), reasonObjectText, "messages[1].content"},
		{said(`3`), reasonObjectText, "messages[1].content"},
		{said(`[{"type": "image_url", "image_url": "x"}]`), reasonPart, "messages[1].content[0].type"},
		{said(`["a"]`), reasonPart, "messages[1].content[0]"},
		{said(`"<think>\nx\n</think>\n\n"`), reasonEmpty, "messages[1].content"},
		{said(`"thoughts\n</think>\n\nyes"`), reasonBroken, "messages[1].content"},
		{said(`"<tool_call>\n{\"name\": \"wx\", \"arguments\": {\"city\": \"Oslo\"}}}\n</tool_call>"`), reasonBroken, "messages[1].content"},
		{said(`"<tool_call>\n{\"name\": \"wx\", \"parameters\": {}}\n</tool_call>"`), reasonBroken, "messages[1].content"},
		{said(`"<tool_call>\n{\"name\": \"wx\", \"arguments\": {\"city\": 1, \"city\": 2}}\n</tool_call>"`), reasonJSON, "messages[1].content"},
		{said(`"<tool_call>\n{\"name\": \"wx\", \"arguments\": {}, \"note\": \"words\"}\n</tool_call>"`), reasonKey, "messages[1].content"},
		{said(`"Write <tool_call>\n{\"name\": \"x\", \"arguments\": {}}\n</tool_call>"`), reasonUnknownTool, "messages[1].content"},
		{asst(`"reasoning_content": {"a": 1}`), reasonType, "messages[1].reasoning_content"},
		{asst(`"reasoning": "a", "reasoning_content": "b"`), reasonThoughts, "messages[1].reasoning"},
		{asst(`"refusal": "no"`), reasonKey, "messages[1].refusal"},
		{asst(`"weight": 0.5`), reasonWeight, "messages[1].weight"},
		{asst(`"weight": 0`), reasonNothing, ""},
		{`{"label": false, "prompt": "q", "completion": "bad"}`, reasonVerdict, "label"},
		{`{"label": 0, "prompt": "q", "completion": "bad"}`, reasonVerdict, "label"},
		{`{"weight": 0.0, ` + said(`"a"`)[1:], reasonVerdict, "weight"},
		{`{"train": false, ` + said(`"a"`)[1:], reasonVerdict, "train"},
		{`{"is_correct": 2, ` + said(`"a"`)[1:], reasonVerdict, "is_correct"},
		{`{"rejected": true, ` + said(`"a"`)[1:], reasonVerdict, "rejected"},
		{`{"error": 1, ` + said(`"a"`)[1:], reasonVerdict, "error"},
		{share("", `{"from": "system", "value": "Be brief.", "weight": 1}`, human, gpt), reasonWeight, "conversations[0].weight"},
		{share("["+wx+"]", human, turn("gpt", "I look."), `{"from": "function_call", "value": "{\"name\": \"wx\", \"arguments\": {}}", "weight": 0}`, turn("observation", "3"), gpt), reasonWeight, "conversations[2].value"},
		{talk(ask, `{"role": "tool_call", "content": "{\"name\": \"wx\", \"arguments\": {}}", "weight": 0}`), reasonNothing, ""},
		{asst(`"tool_calls": {"name": "wx"}`), reasonType, "messages[1].tool_calls"},
		{`{"messages": {"role": ["user", "assistant"], "content": ["q"]}}`, reasonShape, ""},
		{asst(`"tool_calls": "[{"`), reasonJSON, "messages[1].tool_calls"},

		{reply(`{"name": "wx"}`), reasonArguments, "messages[1].tool_calls[0].arguments"},
		{reply(`{"name": "wx", "arguments": null}`), reasonArguments, "messages[1].tool_calls[0].arguments"},
		{reply(`{"name": "wx", "arguments": ""}`), reasonJSON, "messages[1].tool_calls[0].arguments"},
		{reply(`{"name": "wx", "arguments": ["Oslo"]}`), reasonArguments, "messages[1].tool_calls[0].arguments"},
		{reply(`{"name": "wx", "arguments": "\"{\\\"city\\\": \\\"Oslo\\\"}\""}`), reasonTwice, "messages[1].tool_calls[0].arguments"},
		{reply(`{"name": "wx", "arguments": "{\"city\": NaN}"}`), reasonJSON, "messages[1].tool_calls[0].arguments"},
		{reply(`{"name": "wx", "arguments": "{\"city\": 1e999}"}`), reasonJSON, "messages[1].tool_calls[0].arguments"},
		{reply(`{"name": "wx", "arguments": "{'city': 'Oslo'}"}`), reasonJSON, "messages[1].tool_calls[0].arguments"},
		{reply(`{"name": "wx", "args": {"city": "Oslo"}}`), reasonKey, "messages[1].tool_calls[0].args"},
		{reply(`{"name": "wx", "arguments": {}, "parameters": {}}`), reasonCall, "messages[1].tool_calls[0]"},
		{reply(`{"name": "wx", "arguments": {"city": "Oslo", "unit": null}}`), reasonNull, "messages[1].tool_calls[0].arguments.unit"},
		{`{"tools": [{"name": "wx", "parameters": {"properties": {"city": {"type": "string"}, "place": {"properties": {"lat": {"type": "number"}}}}}}], "messages": [` + ask + `, ` +
			with(`{"name": "wx", "arguments": {"city": "Oslo", "place": {"lat": null}}}`) + `]}`, reasonNull, "messages[1].tool_calls[0].arguments.place"},
		{reply(`{"name": "wx", "arguments": {"city": null}}`), reasonNull, "messages[1].tool_calls[0].arguments.city"},
		{reply(`{"name": "", "arguments": {}}`), reasonCall, "messages[1].tool_calls[0]"},
		{reply(`{"type": "custom", "name": "wx", "arguments": {}}`), reasonCall, "messages[1].tool_calls[0].type"},
		{reply(`{"name": "nope", "arguments": {}}`), reasonUnknownTool, "messages[1].tool_calls"},
		{`{"messages": [` + ask + `, ` + call + `]}`, reasonNoTools, "messages[1].tool_calls"},
		{talk(ask, strings.Replace(call, "null", `"<tool_call>\n{\"name\": \"wx\", \"arguments\": {}}\n</tool_call>"`, 1)), reasonBothCalls, "messages[1]"},

		{talk(`{"role": "system", "content": "A"}`, `{"role": "system", "content": "B"}`, ask, `{"role": "assistant", "content": "a"}`), reasonTwoSystems, "messages[1].content"},
		{talk(ask, `{"role": "system", "content": "B"}`, `{"role": "assistant", "content": "a"}`), reasonSystemInside, "messages[1].content"},
		{talk(ask, ask, `{"role": "assistant", "content": "a"}`), reasonOrder, "messages[1].content"},
		{talk(`{"role": "assistant", "content": "a"}`), reasonOrder, "messages[0].content"},
		{talk(ask, `{"role": "assistant", "content": "a"}`, `{"role": "assistant", "content": "b"}`), reasonOrder, "messages[2].content"},
		{talk(`{"role": "user", "content": 42}`, call), reasonObjectText, "messages[0].content"},
		{talk(`{"role": "user", "content": ""}`, call), reasonEmpty, "messages[0].content"},
		{talk(`{"role": "user", "name": "Bob", "content": "q"}`, call), reasonKey, "messages[0].name"},
		{talk(`{"role": "narrator", "content": "q"}`, call), reasonRole, "messages[0].role"},
		{talk(`{"role": "user", "content": "q", "weight": 1}`, call), reasonWeight, "messages[0].weight"},
		{talk(ask, call, `{"role": "tool", "tool_call_id": "c1", "content": {"t": 3}}`), reasonObjectText, "messages[2].content"},
		{talk(ask, call, `{"role": "tool", "tool_call_id": "c1", "content": null}`), reasonEmpty, "messages[2].content"},
		{talk(ask, call, `{"role": "tool", "tool_call_id": "c2", "content": "3"}`), reasonIDs, "messages[2].content"},
		{talk(ask, call, `{"role": "tool", "name": "other", "content": "3"}`), reasonIDs, "messages[2].content"},
		{talk(ask, `{"role": "assistant", "tool_calls": [{"name": "wx", "arguments": {"city": "A"}}, {"id": "b", "name": "wx", "arguments": {"city": "B"}}]}`, `{"role": "tool", "tool_call_id": "b", "content": "3"}`, `{"role": "tool", "tool_call_id": "a", "content": "3"}`, ask), reasonIDs, "messages[2].content"},
		{talk(ask, call, three, three), reasonResults, "messages[3].content"},
		{talk(ask, three), reasonStrayResult, "messages[1].content"},
		{talk(ask, call, ask), reasonResults, "messages[2].content"},

		{`{"tools": [` + wx + `, ` + wrap + `], "messages": [` + ask + `]}`, reasonSameTool, "tools[1]"},
		{`{"tools": ["wx"], "messages": [` + ask + `]}`, reasonTool, "tools[0]"},
		{`{"tools": [{"description": "x"}], "messages": [` + ask + `]}`, reasonTool, "tools[0]"},
		{`{"tools": {"weather": ` + wx + `}, "messages": [` + ask + `]}`, reasonTool, "tools"},
		{`{"tools": "[{'name': 'wx'}]", "messages": [` + ask + `]}`, reasonJSON, "tools"},
		{`{"tools": 3, "messages": [` + ask + `]}`, reasonType, "tools"},
		{`{"tools": [` + wx + `], "functions": [{"name": "other"}], "messages": [` + ask + `]}`, reasonTwoTools, "functions"},

		{blocks(claude, ask, `{"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}`), reasonHidden, "messages[1].content[0]"},
		{blocks(claude, ask, `{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "wx", "input": "{}"}]}`), reasonArguments, "messages[1].content[0].input"},
		{blocks(claude, ask, `{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "wx", "input": {}}, {"type": "text", "text": "x"}]}`), reasonOrder, "messages[1].content[1]"},
		{blocks(claude, `{"role": "user", "content": [{"type": "image", "source": {}}]}`), reasonPart, "messages[0].content[0].type"},
		{blocks(claude, `{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]}`), reasonStrayResult, "messages[0].content[0].content"},
		{blocks(claude, ask, `{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "wx", "input": {}}]}`, `{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}, {"type": "text", "text": "and?"}]}`), reasonOrder, "messages[2].content"},
		{blocks(claude, ask, `{"role": "assistant", "content": []}`), reasonEmpty, "messages[1].content"},
		{blocks(`{"type": "web_search_20250305", "name": "s", "input_schema": {}}`, ask), reasonTool, "tools[0]"},

		{share("["+wx+"]", human, turn("function_call", `{'name': 'wx'}`)), reasonJSON, "conversations[1].value"},
		{share("["+wx+"]", human, turn("function_call", `[]`)), reasonCall, "conversations[1].value"},
		{share("["+wx+"]", human, gpt, turn("function_call", `<think>x</think>{"name": "wx", "arguments": {}}`)), reasonThoughts, "conversations[2].value"},
		{share("["+wx+"]", human, turn("function_call", `<think>{"name": "wx", "arguments": {}}`)), reasonJSON, "conversations[1].value"},
		{`{"system_prompt": "other", ` + talk(`{"role": "system", "content": "A"}`, ask, `{"role": "assistant", "content": "a"}`)[1:], reasonKey, "system_prompt"},
		{share("["+wx+"]", human, turn("narrator", "x")), reasonRole, "conversations[1].from"},
		{share("["+wx+"]", human, `{"from": "gpt", "value": {"a": 1}}`), reasonObjectText, "conversations[1].value"},
		{share("["+wx+"]", human, `{"from": "gpt", "value": "a", "thought": "b"}`), reasonKey, "conversations[1].thought"},
		{share("["+wx+"]", human, turn("function_call", `[{"name": "wx", "arguments": {}}, {"name": "wx", "arguments": {}}]`), turn("observation", "one"), gpt), reasonResults, "conversations[3].value"},

		{tagged("<tool_call>\n{'name': 'wx', 'arguments': {'city': 'Oslo'}}\n</tool_call>"), reasonBroken, "conversations[1].value"},
		{tagged("<tool_call>\n{\"name\": \"wx\", \"arguments\": {}}\n</tool_call> Done."), reasonBroken, "conversations[1].value"},
		{share("", turn("system", "Use <tools>[{'name': 'wx'}]</tools>."), human, gpt), reasonSystemTools, "conversations[0].value"},
		{share("", turn("system", "Use <tools>["+wx+"]"), human, gpt), reasonSystemTools, "conversations[0].value"},
		{share("", turn("system", "Use <tools>["+wx+"]</tools>. You must not call functions with <tool_call>."), human, gpt), reasonSystemTools, "conversations[0].value"},
		{share("[{\"name\": \"other\"}]", turn("system", "Use <tools>["+wx+"]</tools>."), human, gpt), reasonTwoTools, "conversations[0].value"},

		{ace(turn("user", "q"), turn("assistant", "[Wx (v2) now(city=open('x'))]")), reasonCall, "conversations[1].value"},
		{ace(turn("user", "q"), turn("assistant", "[other(city=1)]")), reasonUnknownTool, "conversations[1].value"},
		{ace(turn("user", "q"), turn("assistant", "")), reasonEmpty, "conversations[1].value"},

		{`{"query": "q", "answers": "[]", "tools": [` + wx + `]}`, reasonEmpty, "answers"},
		{`{"query": "q", "answers": "wx()", "tools": [` + wx + `]}`, reasonJSON, "answers"},
		{`{"query": "q", "answers": [{"name": "wx", "arguments": "Oslo"}], "tools": [` + wx + `]}`, reasonJSON, "answers[0].arguments"},
		{`{"query": "q", "answers": "[{\"name\": \"wx\", \"arguments\": {}}]"}`, reasonNoTools, "answers"},

		{glaive("USER: q\n\n\nASSISTANT: <functioncall> {\"name\": \"wx\", \"arguments\": '{\"city\": }'} <|endoftext|>"), reasonJSON, "chat"},
		{glaive("USER: q\n\n\nASSISTANT: <functioncall> wx(1) <|endoftext|>"), reasonJSON, "chat"},
		{glaive("USER: q\n\n\nASSISTANT: a <|endoftext|> b"), reasonChat, "chat"},
		{glaive("USER: q\nASSISTANT: a"), reasonChat, "chat"},
		{glaive("Hello\n\n\nUSER: q"), reasonChat, "chat"},
		{glaive("USER: q\n\n\nFUNCTION RESPONSE: {}"), reasonStrayResult, "chat"},

		{`{"prompt": [` + ask + `], "answer": "3"}`, reasonCompletion, ""},
		{`{"prompt": [` + ask + `], "completion": []}`, reasonNothing, ""},
		{`{"prompt": [` + ask + `], "completion": ""}`, reasonEmpty, "completion"},
		{`{"prompt": "<|im_start|>user\nq<|im_start|>assistant\n", "response": "a"}`, reasonChat, "prompt"},
		{`{"prompt": "<s>[INST] q [/INST]", "completion": "a"}`, reasonChat, "prompt"},
		{`{"prompt": "<|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>", "completion": "a"}`, reasonChat, "prompt"},
		{`{"prompt": "q", "completion": "a</s>"}`, reasonChat, "completion"},
		{`{"prompt": "q", "response": "a<end_of_turn>\n"}`, reasonChat, "response"},
		{`{"prompt": "q", "completion": "a", "system_prompt": "x"}`, reasonKey, "system_prompt"},
	} {
		d, err := row(c.row)
		var f *fault
		if !errors.As(err, &f) {
			t.Errorf("%s: %v, %s", c.row, err, outline(d))
			continue
		}
		if f.Reason != c.reason || f.Key != c.key {
			t.Errorf("%s:\n got %s at %q (%s)\nwant %s at %q", c.row, f.Reason, f.Key, f.Detail, c.reason, c.key)
		}
	}
}
