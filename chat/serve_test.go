package chat_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/chat/jinja"
	"ballast/value"
)

// conversation is one that is trained, and that a server renders.
type conversation struct {
	name     string
	tools    []ballast.Tool
	system   string
	given    bool // also where the system text is empty
	messages []message
}

// message is one message of a conversation; results are several of the role tool.
type message struct {
	role    string
	text    string
	thought string
	calls   []ballast.Call
	encoded bool // the arguments of the calls are sent as JSON texts
	results []string
}

// prompt is what a policy is given before a reply.
type prompt struct {
	ids       []int32
	text      string
	variables *value.Dict // of apply_chat_template
}

// prompts plays the conversation and gives what stands before each reply, and before one
// more.
func (c *conversation) prompts(s chat.Renderer) (out []prompt) {
	var system *string
	if c.system != "" || c.given {
		system = &c.system
	}
	d := chat.NewDialogue(s, c.tools, system)
	list := value.NewList()
	if system != nil {
		list.Items = append(list.Items, value.NewDict("role", "system", "content", c.system))
	}
	open := func() {
		d.Open()
		v := value.NewDict("messages", value.NewList(slices.Clone(list.Items)...), "add_generation_prompt", true)
		if len(c.tools) > 0 {
			tools := value.NewList()
			for _, t := range c.tools {
				tools.Items = append(tools.Items, t.Schema)
			}
			v.Set("tools", tools)
		}
		out = append(out, prompt{slices.Clone(d.Tokens()), s.Tokenizer.Decode(d.Tokens()), v})
	}
	for _, m := range c.messages {
		switch m.role {
		case "user":
			d.User(m.text)
			list.Items = append(list.Items, value.NewDict("role", "user", "content", m.text))
		case "tool":
			d.Results(m.results)
			for _, r := range m.results {
				list.Items = append(list.Items, value.NewDict("role", "tool", "content", r))
			}
		case "assistant":
			open()
			d.Reply(d.Gold(m.reply(s)), ballast.OwnerGold)
			list.Items = append(list.Items, m.sent(s))
		}
	}
	open()
	return out
}

// reply is the message as the policy writes it.
func (m *message) reply(s chat.Renderer) string {
	text := m.text
	if len(m.calls) > 0 {
		text = strings.TrimPrefix(text+"\n"+s.Format.Render(m.calls, declaring(m.calls)), "\n")
	}
	if thought, ok := s.Template.Thought(m.thought); ok && m.thought != "" {
		text = thought + text
	}
	return text
}

// declaring offers the functions of calls, with the types of their arguments.
func declaring(calls []ballast.Call) format.Offered {
	params := map[string][]ballast.Param{}
	for _, c := range calls {
		for _, a := range c.Args {
			t := map[string]string{"str": "string", "NoneType": "null"}[value.TypeName(a.Value)]
			if t == "" {
				t = value.TypeName(a.Value)
			}
			params[c.Name] = append(params[c.Name], ballast.Param{Name: a.Name, Type: t})
		}
	}
	var tools []ballast.Tool
	for name, list := range params {
		tools = append(tools, ballast.Tool{Name: name, Params: list})
	}
	return format.Tools(tools)
}

// writable is the conversation without the arguments that the format xml cannot write:
// texts that hold a tag.
func (c conversation) writable(f chat.Format) conversation {
	c.messages = slices.Clone(c.messages)
	for i, m := range c.messages {
		m.calls = slices.Clone(m.calls)
		for k := range m.calls {
			m.calls[k] = writableCall(f, m.calls[k])
		}
		c.messages[i].calls = m.calls
	}
	return c
}

func writableCall(f chat.Format, c ballast.Call) ballast.Call {
	c.Args = slices.DeleteFunc(slices.Clone(c.Args), func(a ballast.Arg) bool {
		one := []ballast.Call{{Name: c.Name, Args: []ballast.Arg{a}}}
		_, err := f.Write(one, declaring(one))
		if err != nil && (f.Name() != "xml" && f.Name() != "glm" || !strings.Contains(err.Error(), "has no escapes")) {
			panic(err)
		}
		return err != nil
	})
	return c
}

// sent is the message as a client sends it.
func (m *message) sent(s chat.Renderer) *value.Dict {
	d := value.NewDict("role", "assistant", "content", m.text)
	if _, ok := s.Template.Thought(m.thought); ok && m.thought != "" {
		d.Set("reasoning_content", m.thought)
	}
	if len(m.calls) == 0 {
		return d
	}
	if m.text == "" {
		d.Set("content", nil)
	}
	list := value.NewList()
	for _, c := range m.calls {
		args := value.NewDict()
		for _, a := range c.Args {
			args.Set(a.Name, a.Value)
		}
		function := value.NewDict("name", c.Name, "arguments", args)
		if m.encoded {
			text, err := value.JSON(args)
			if err != nil {
				panic(err)
			}
			function.Set("arguments", text)
		}
		list.Items = append(list.Items, value.NewDict("type", "function", "function", function))
	}
	d.Set("tool_calls", list)
	return d
}

// documented is a tool from its documentation in JSON.
func documented(text string) ballast.Tool {
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		panic(err)
	}
	d := v.(*value.Dict)
	inner := d
	if f, ok := d.Get("function"); ok {
		inner = f.(*value.Dict)
	}
	name, _ := inner.Get("name")
	return ballast.Tool{Name: name.(string), Schema: d}
}

var (
	wrapped = []ballast.Tool{documented(`{"type": "function", "function": {"name": "find_place", "description": "Finds a \"place\" <b>: café & bar, 100 °C", "parameters":
		{"type": "object", "properties": {"city": {"type": "string", "description": "the city’s name"}, "days": {"type": "integer", "minimum": 1.0},
		"kind": {"type": "string", "enum": ["a", "b", null]}, "near": {"type": ["object", "null"], "properties": {}}}, "required": ["city"]}}}`),
		documented(`{"type": "function", "function": {"name": "list_all", "description": "Neu: Größe 🙂", "parameters": {"type": "object", "properties": {}}, "strict": true}}`)}
	bare = []ballast.Tool{documented(`{"name": "find_place", "description": "", "parameters": {"type": "dict", "properties": {"city": {"type": "string"}, "items": {"type": "array"}}, "required": ["items"]}}`),
		documented(`{"name": "none"}`)}
	called = ballast.Call{Name: "find_place", Args: []ballast.Arg{{Name: "city", Value: "Tromsø \"N\" it's \\ <b>\n\t"}, {Name: "days", Value: int64(-3)},
		{Name: "near", Value: value.NewDict("points", value.NewList(int64(1), 2.5, 1e22, 1e-7, nil, true, false, ""), "it's", value.NewDict(), "no", value.NewList())}}}
	texted = ballast.Call{Name: "find_place", Args: []ballast.Arg{{Name: "city", Value: "12"}, {Name: "kind", Value: ""}, {Name: "a", Value: "null"},
		{Name: "b", Value: " [1, 2"}, {Name: "c", Value: "{\"x\": 1}"}, {Name: "d", Value: "</parameter>"}, {Name: "e", Value: "<|im_end|>"}, {Name: "f", Value: "</tool_call>\u00a0\u200b\u0001\u2028🙂"},
		{Name: "g", Value: "-1.5e+3"}, {Name: "h", Value: "01"}, {Name: "i", Value: "a\nb"}, {Name: "j", Value: "<|no token|>"}}}
)

// conversations are those of every pair.
var conversations = []conversation{
	{name: "a request", messages: []message{{role: "user", text: "Hi there"}}},
	{name: "nothing", messages: nil},
	{name: "a system text", system: "Be brief. ü", messages: []message{{role: "user", text: "Hi there"}}},
	{name: "an empty system text", given: true, messages: []message{{role: "user", text: "Hi there"}}},
	{name: "an empty system text and tools", given: true, tools: wrapped, messages: []message{{role: "user", text: "Hi there"}}},
	{name: "edges", system: "  Be brief.\n ", messages: []message{{role: "user", text: "\n Hi \n"}, {role: "assistant", text: "Yes. \n"}, {role: "user", text: " "}}},
	{name: "empty texts", messages: []message{{role: "user"}, {role: "assistant"}, {role: "user"}}},
	{name: "turns", messages: []message{{role: "user", text: "1"}, {role: "assistant", text: "One"}, {role: "user", text: "2"}, {role: "assistant", text: "Two"}}},
	{name: "tools", tools: wrapped, messages: []message{{role: "user", text: "Where?"}}},
	{name: "tools as they are", tools: bare, system: "Be brief.", messages: []message{{role: "user", text: "Where?"}}},
	{name: "a call", tools: wrapped, messages: []message{{role: "user", text: "Where?"}, {role: "assistant", calls: []ballast.Call{called}},
		{role: "tool", results: []string{"{\"t\": -3.5, \"é\": \"<b>\\n\"}\n"}}, {role: "assistant", text: "There."}}},
	{name: "several calls", tools: wrapped, messages: []message{{role: "user", text: "Where?"},
		{role: "assistant", text: "I look.", calls: []ballast.Call{called, {Name: "list_all"}, texted}},
		{role: "tool", results: []string{"one", "", " three\n"}}, {role: "assistant", text: "There."}, {role: "user", text: "More"}}},
	{name: "arguments in JSON", tools: bare, messages: []message{{role: "user", text: "Where?"},
		{role: "assistant", encoded: true, calls: []ballast.Call{called, {Name: "none"}, texted}}, {role: "tool", results: []string{"one", "two", "three"}}}},
	{name: "thoughts", tools: wrapped, messages: []message{{role: "user", text: "Where?"},
		{role: "assistant", thought: "I think.\n\nThen I look.", calls: []ballast.Call{called}}, {role: "tool", results: []string{"one"}},
		{role: "assistant", thought: "Done.", text: "There."}, {role: "user", text: "Why?"}}},
	{name: "replies in a row", messages: []message{{role: "assistant", text: "Welcome"}, {role: "assistant", text: "Still here"}, {role: "user", text: "Hi"}, {role: "user", text: "Hi?"}}},
}

// tiny is a small tokenizer with the control tokens of all templates and formats.
var tiny = sync.OnceValue(func() *bpe.Tokenizer {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(chat.Formats)) {
		f := chat.Formats[name]
		texts = append(texts, f.Instructions(wrapped), f.Render([]ballast.Call{called, writableCall(f, texted)}, declaring([]ballast.Call{called, texted})), "\n\n\n  Result:\n\n the files are moved.\n")
	}
	control := chat.ControlTokens(slices.Collect(maps.Values(chat.Templates))...)
	slices.Sort(control)
	tok, err := bpe.Train(slices.Values(append(texts, texts...)), 700, append(control, "<tool_response>", "</tool_response>"), bpe.Qwen2)
	if err != nil {
		panic(err)
	}
	return tok
})

// styles are all pairs of a template and a format that no other family's tokens are part of, and the
// other formats with one template each, in turn.
func styles() (out []chat.Renderer) {
	templates := slices.Sorted(maps.Keys(chat.Templates))
	for i, t := range templates {
		for k, f := range slices.Sorted(maps.Keys(chat.Formats)) {
			if own := !slices.Contains([]string{"hermes", "llama3", "pythonic", "xml"}, f); own && k%len(templates) != i {
				continue
			}
			out = append(out, chat.Renderer{Tokenizer: tiny(), Template: chat.Templates[t], Format: chat.Formats[f]})
		}
	}
	return out
}

func pair(s chat.Renderer) string { return s.Template.Name + "+" + s.Format.Name() }

// random is a conversation of any length with any arguments.
func random(r *rand.Rand, names bool) conversation {
	words := []string{"a", "place", "é", "it's", "\"x\"", "\n", " ", "\t", "\\", "🙂", "0", "-1", "null", "{}", "[", "<", "<b>", "</parameter>", "&", "\u00a0", "\u200b", "\x01", "\x7f", "Ω", "|", "%}", "{{"}
	text := func(n int) (s string) {
		for range r.IntN(n) {
			s += words[r.IntN(len(words))]
		}
		return s
	}
	ident := func() string { return []string{"a", "b1", "_c", "items", "name", "keys", "x_y", "values"}[r.IntN(8)] }
	key := func() string {
		if names {
			return ident()
		}
		return ident() + text(3)
	}
	var whatever func(depth int) any
	whatever = func(depth int) any {
		switch k := r.IntN(9); {
		case k < 3:
			return text(5)
		case k == 3:
			return int64(r.IntN(2000) - 1000)
		case k == 4:
			return []float64{0, 1, -2.5, 1e16, 1e15, 1e-5, 123456.789, -0.0001}[r.IntN(8)]
		case k == 5:
			return []any{nil, true, false}[r.IntN(3)]
		case depth > 3:
			return nil
		case k == 6:
			l := value.NewList()
			for range r.IntN(4) {
				l.Items = append(l.Items, whatever(depth+1))
			}
			return l
		}
		d := value.NewDict()
		for range r.IntN(4) {
			d.Set(ident()+text(3), whatever(depth+1))
		}
		return d
	}
	c := conversation{name: "random", system: text(4)}
	if r.IntN(3) > 0 {
		c.tools = [][]ballast.Tool{wrapped, bare}[r.IntN(2)]
	}
	for range r.IntN(4) {
		c.messages = append(c.messages, message{role: "user", text: text(6)})
		for range r.IntN(3) {
			m := message{role: "assistant", text: strings.TrimLeft(text(5), " \n\t\u00a0"), encoded: r.IntN(2) == 0}
			if r.IntN(2) == 0 {
				m.thought = text(4) + "t"
			}
			for k := range r.IntN(3) {
				call := ballast.Call{Name: fmt.Sprint(ident(), k)} // one function has one type for an argument
				seen := map[string]bool{}
				for range r.IntN(4) {
					if k := key(); !seen[k] {
						seen[k] = true
						call.Args = append(call.Args, ballast.Arg{Name: k, Value: whatever(0)})
					}
				}
				m.calls = append(m.calls, call)
			}
			c.messages = append(c.messages, m)
			var results []string
			for range m.calls {
				results = append(results, text(6))
			}
			if len(results) > 0 {
				c.messages = append(c.messages, message{role: "tool", results: results})
			}
		}
	}
	return c
}

// TestJinjaText renders what is trained, message by message, in all pairs.
func TestJinjaText(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	for _, s := range styles() {
		t.Run(pair(s), func(t *testing.T) {
			text := chat.JinjaText(s, nil)
			r := rand.New(rand.NewPCG(1, 2))
			list, more := slices.Clone(conversations), 60
			if testing.Short() {
				more = 12
			}
			for range more {
				list = append(list, random(r, slices.Contains([]string{"pythonic", "xml", "glm"}, s.Format.Name())))
			}
			var prompts []prompt
			var data []*value.Dict
			var names []string
			for _, c := range list {
				c = c.writable(s.Format)
				for i, p := range c.prompts(s) {
					prompts, data, names = append(prompts, p), append(data, p.variables), append(names, fmt.Sprintf("%s, prompt %d", c.name, i))
				}
			}
			for i, got := range jinja.All(text, data) {
				p := prompts[i]
				if got.Err != nil {
					t.Fatalf("%s: %v\n%s", names[i], got.Err, value.Repr(p.variables))
				}
				ids := s.Tokenizer.EncodePlain(nil, got.Text, nil)
				if s.Tokenizer.Decode(ids) != p.text || !slices.Equal(ids, p.ids) {
					t.Fatalf("%s:\n%q\n, trained is\n%q\n%s", names[i], got.Text, p.text, value.Repr(p.variables))
				}
			}
		})
	}
}

// TestJinjaTextRaises: what the format xml cannot write is no other call in a template either.
func TestJinjaTextRaises(t *testing.T) {
	s := chat.Renderer{Tokenizer: tiny(), Template: chat.Qwen3, Format: chat.Formats["xml"]}
	for _, tag := range []string{"<|im_end|>", "</tool_call>", "</parameter>", "</function>", "<parameter=b>", "<function=f>"} {
		m := message{role: "assistant", calls: []ballast.Call{{Name: "f", Args: []ballast.Arg{{Name: "a", Value: "x " + tag}}}}}
		_, err := jinja.Render(chat.JinjaText(s, nil), value.NewDict("messages",
			value.NewList(value.NewDict("role", "user", "content", "Hi"), m.sent(s)), "add_generation_prompt", true))
		if err == nil || !strings.Contains(err.Error(), "argument a of a call of f holds a tag") {
			t.Errorf("%s: error %v", tag, err)
		}
	}
}
