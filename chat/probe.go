package chat

import (
	"fmt"

	"ballast"
	"ballast/chat/format"
	"ballast/chat/pretoken"
	"ballast/value"
)

// probe is a conversation that a model's own template is compared on.
type probe struct {
	name     string
	system   *string
	tools    []ballast.Tool
	messages []said
	// may: the model's template may refuse it (by raising), and is then not compared.
	may bool
	// earlier: it is about thoughts of earlier replies. Qwen3's renderers keep them, where the
	// family's template drops them, and are not compared; nor are those that give every reply an
	// empty thought, as DeepSeek's does.
	earlier bool
	// odd: it may also fail, as many templates do on types that are no names.
	odd bool
}

// said is one message of a probe, or the results of several calls.
type said struct {
	role    string
	text    string
	thought string
	calls   []ballast.Call
	results []string
}

// skips says that the probe says nothing of a renderer, by the package documentation.
func (p *probe) skips(t *Template) bool {
	return p.earlier && (t.own == nil && (t.thinks || t.Thoughtless()) || t.asked != nil && t.Thoughtless())
}

// tooled says whether the probe is about tools.
func (p *probe) tooled() bool { return len(p.tools) > 0 }

func system(text string) *string { return &text }

// The tools of probes, documented as OpenAI's clients do.
var (
	placeTool = probeTool(`{"type": "function", "function": {"name": "find_place",
		"description": "Finds a \"place\" <b> & 'more': café, 100 °C",
		"parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "the city’s name"},
		"days": {"type": "integer", "default": 3, "minimum": 1.0}, "kind": {"type": "string", "enum": ["a", "b"]},
		"near": {"type": "object", "properties": {"points": {"type": "array", "items": {"type": "number"}}}}}, "required": ["city"]}}}`)
	listTool = probeTool(`{"type": "function", "function": {"name": "list_all", "description": "Neu: Größe 🙂",
		"parameters": {"type": "object", "properties": {}, "required": []}, "strict": true}}`)
	oddTool = probeTool(`{"type": "function", "function": {"name": "odd", "description": "",
		"parameters": {"type": "object", "properties": {"a": {"type": ["object", "null"]},
		"b": {"anyOf": [{"type": "string"}, {"type": "integer"}], "default": null}, "c": {"enum": [1, "x", null]}, "d": {}},
		"additionalProperties": false}}}`)
	sumTool = probeTool(`{"type": "function", "function": {"name": "add_up", "description": "Adds", "parameters": {"type": "object",
		"properties": {"rows": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}}, "required": ["rows"]}}}`)
)

func probeTool(text string) ballast.Tool {
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		panic("chat: a probe's tool: " + err.Error())
	}
	function, _ := v.(*value.Dict).Get("function")
	name, _ := function.(*value.Dict).Get("name")
	return ballast.Tool{Name: name.(string), Schema: v}
}

func callOf(name string, args ...any) ballast.Call {
	c := ballast.Call{Name: name}
	for i := 0; i < len(args); i += 2 {
		c.Args = append(c.Args, ballast.Arg{Name: args[i].(string), Value: args[i+1]})
	}
	return c
}

// probes are the conversations of a comparison. The first is the least that a template
// must render.
func probes() []probe {
	one, all := []ballast.Tool{placeTool}, []ballast.Tool{placeTool, listTool, sumTool}
	place := callOf("find_place", "city", "Tromsø", "days", int64(2))
	nested := callOf("find_place", "city", "it's \"N\" \\ <b>\n\tß 🙂", "days", int64(-3), "near",
		value.NewDict("points", value.NewList(int64(1), 2.5, 1.0, nil, true, false, ""), "no", value.NewDict()))
	constants := callOf("find_place", "city", "a  & b <i> 'q' {{ x }}", "open", true, "shut", false, "no", nil, "rate", 1.5, "large", 1e21,
		"list", value.NewList("<b> & 'c'", true, nil))
	texts := []said{} // texts that look like other values
	for _, text := range []string{"12", "true", " x", "null", "{\"a\": 1}", ""} {
		texts = append(texts, said{role: "assistant", calls: []ballast.Call{callOf("find_place", "city", text)}},
			said{role: "tool", results: []string{"x"}})
	}
	user := func(text string) said { return said{role: "user", text: text} }
	says := func(text string) said { return said{role: "assistant", text: text} }
	calls := func(c ...ballast.Call) said { return said{role: "assistant", calls: c} }
	results := func(r ...string) said { return said{role: "tool", results: r} }
	return []probe{ // the last two are also those that a renderer is made from
		{name: "a request", messages: []said{user("Hi there")}},
		{name: "turns", messages: []said{user("One?  ü & <b> 'q' \"r\" {{ x }}"), says("Yes  & <i> 'so' {% y %}."), user("Two? /no_think"),
			says("No, é 🙂."), user("/think Three?"),
			says("3"), user("Four?"), says("4"), user("Five?")}},
		{name: "a system text", system: system("Be brief.  ü & <b>\n\n\n'Now'. /no_think"),
			messages: []said{user("Hi"), says("Yes."), user("More")}},
		{name: "an empty system text", system: system(""), messages: []said{user("Hi")}, may: true},
		{name: "white space", system: system(" Be\nbrief. \n"), messages: []said{user("\n Hi \n"), says("Yes."), user(" \t x")}, may: true},
		{name: spacedReplies, messages: []said{user("Hi"), says("  Yes. \n\n"), user("And?"), says("No.\n"), user("x")}, may: true},
		{name: "a tool", tools: one, messages: []said{user("Where?")}},
		{name: "tools", tools: all, messages: []said{user("Where?"), says("There."), user("And?")}},
		{name: "tools and a system text", system: system("Be brief."), tools: all, messages: []said{user("Where?")}},
		{name: "a tool of other types", tools: []ballast.Tool{oddTool}, messages: []said{user("Where?")}, may: true, odd: true},
		{name: "a tool and an empty system text", system: system(""), tools: one, messages: []said{user("Where?")}, may: true},
		{name: "white space and a tool", system: system(" Be  &\n\nbrief. \n"), tools: one, messages: []said{user("\n Hi \n")}, may: true},
		{name: "a call and its result", tools: one, messages: []said{user("Where?"), calls(place),
			results(`{"t":  -3.5, "é": "<b> & 'x'"}`), says("Cold."), user("More")}},
		{name: "calls one after the other", tools: all, messages: []said{user("Where?"), calls(place), results("one\n"),
			calls(callOf("list_all")), results(""),
			says("Both."), user("Again"), calls(place), results(" two ")}},
		{name: "arguments", tools: all, messages: []said{user("Where?"), calls(nested), results("[1, 2]"),
			calls(callOf("add_up", "rows", value.NewList(value.NewList(int64(1), 0.5), value.NewList()))), results("1.5")}},
		{name: "constants and numbers as arguments", tools: one, messages: []said{user("Where?"), calls(constants), results("x")},
			may: true, odd: true},
		{name: "arguments that look like others", tools: all, messages: append([]said{user("Where?")}, texts...)},
		{name: "parallel calls", tools: all, messages: []said{user("Where?"), calls(place, callOf("list_all"), nested),
			results("one", "two", "three"),
			says("Three."), user("More")}, may: true},
		{name: textAndCall, tools: one, messages: []said{user("Where?"), {role: "assistant", text: spokenMark, calls: []ballast.Call{place}},
			results("one")}, may: true},
		{name: spacedCall, tools: all, messages: []said{user("Where?"), {role: "assistant", text: " \n I  look. \n\n",
			calls: []ballast.Call{place, callOf("list_all")}},
			results(" one\n", "two  &"), {role: "assistant", text: " \n", calls: []ballast.Call{place}}, results("\n")}, may: true},
		{name: thoughtAndCall, tools: one, messages: []said{user("Where?"), {role: "assistant", thought: "  A  &\nplace. ", text: "I look.",
			calls: []ballast.Call{place}}, results("one")}, may: true},
		{name: "a thought", tools: one, messages: []said{user("Where?"), {role: "assistant", thought: "A place.\n\nWhich?",
			calls: []ballast.Call{place}},
			results("one")}, may: true},
		{name: "a thought before another user", messages: []said{user("One?"), {role: "assistant", thought: "It is.", text: "Yes."},
			user("Two?")}, may: true, earlier: true},
		{name: "a thought in a reply's text", messages: []said{user("One?"), says("<think>\nIt is.\n</think>\n\nYes."), user("Two?"),
			says("<think>\n\n</think>\n\nNo."), user("Three?")}, may: true, earlier: true},
		{name: piecesPlain, messages: []said{user(firstMark), says(replyMark), user(secondMark)}},
		{name: piecesTools, tools: all, messages: []said{user(firstMark), calls(place), results(resultMark), says(replyMark),
			user(secondMark)}},
		{name: piecesMany, tools: all, messages: []said{user(firstMark), calls(place, callOf("list_all")), results(resultMark, otherMark)},
			may: true},
	}
}

// The probes whose texts are found again in a rendering, and those texts.
const (
	spacedReplies                           = "white space in replies"
	textAndCall, spacedCall, thoughtAndCall = "text before a call", "white space before calls",
		"a thought, words and a call"
	piecesPlain, piecesTools, piecesMany                                = "plain texts", "texts with a call", "texts with two calls"
	firstMark, replyMark, secondMark, resultMark, otherMark, spokenMark = "Qfirst", "Qreply", "Qsecond", "Qresult", "Qother", "I look."
)

// variables are those of the model's template before each reply of a probe and at its end.
func (p *probe) variables(source *Source, more ...any) (out []*value.Dict) {
	list := value.NewList()
	if p.system != nil {
		list.Items = append(list.Items, value.NewDict("role", "system", "content", *p.system))
	}
	open := func() {
		d := value.NewDict("messages", value.NewList(append([]any(nil), list.Items...)...), "add_generation_prompt", true)
		if len(p.tools) > 0 {
			tools := value.NewList()
			for _, t := range p.tools {
				tools.Items = append(tools.Items, t.Schema)
			}
			d.Set("tools", tools)
		}
		source.variables(d)
		for i := 0; i < len(more); i += 2 {
			d.Set(more[i], more[i+1])
		}
		out = append(out, d)
	}
	ids := 0
	var called []*value.Dict // of the last reply
	for _, m := range p.messages {
		switch m.role {
		case "assistant":
			open()
			d := value.NewDict("role", "assistant", "content", m.text)
			if m.thought != "" {
				d.Set("reasoning_content", m.thought)
			}
			calls := value.NewList()
			called = nil
			for _, c := range m.calls {
				args := value.NewDict()
				for _, a := range c.Args {
					args.Set(a.Name, a.Value)
				}
				ids++
				call := value.NewDict("id", fmt.Sprintf("call%05d", ids), "type", "function", "function",
					value.NewDict("name", c.Name, "arguments", args))
				calls.Items, called = append(calls.Items, call), append(called, call)
			}
			if len(m.calls) > 0 {
				d.Set("tool_calls", calls)
			}
			list.Items = append(list.Items, d)
		case "tool":
			for i, r := range m.results {
				id, _ := called[i].Get("id")
				function, _ := called[i].Get("function")
				name, _ := function.(*value.Dict).Get("name")
				list.Items = append(list.Items, value.NewDict("role", "tool", "name", name, "tool_call_id", id, "content", r))
			}
		default:
			list.Items = append(list.Items, value.NewDict("role", m.role, "content", m.text))
		}
	}
	open()
	return out
}

// play is what Dialogue writes before each reply of a probe and at its end: token ids,
// each list a beginning of the next. A call that the format cannot write is an error.
func (p *probe) play(tok tokenizer, t *Template, f Format) (out [][]int32, err error) {
	defer pretoken.Recover(&err)
	d := newDialogue(tok, t, f, p.tools, p.system, "")
	open := func() {
		d.Open()
		out = append(out, d.Tokens()[:len(d.Tokens()):len(d.Tokens())])
	}
	for _, m := range p.messages {
		switch m.role {
		case "user":
			d.User(m.text)
		case "tool":
			d.Results(m.results)
		case "assistant":
			text := t.Words(m.text, len(m.calls) > 0)
			if len(m.calls) > 0 {
				calls, err := f.Write(m.calls, format.Tools(p.tools))
				if err != nil {
					return nil, err
				}
				text = t.Joined(text, calls)
			}
			if thought, ok := t.Thought(m.thought); ok && m.thought != "" {
				text = thought + text
			}
			open()
			d.Reply(d.Gold(text), ballast.OwnerGold)
		}
	}
	open()
	return out, nil
}
