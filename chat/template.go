package chat

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/format"
	"ballast/chat/tooldoc"
)

// Template is how a model family writes a conversation: the frame around each
// message. It is data; Dialogue renders with it. The zero Template is unusable:
// take one from Templates.
type Template struct {
	Name string // in Templates
	Doc  string // one line: for which models, and what is special

	begin  string // before everything
	system string // header of the system message
	user   string // header of a user message
	tool   string // header of a message of tool results
	reply  string // header of a reply: the generation prompt
	end    string // the token after every message
	gap    string // after end

	closers []string // sampled tokens after which a reply needs no end
	stops   []string // tokens that end sampling, closers first
	control []string // the frame's control tokens, which the tokenizer must have

	// compose is the content of the system message for a system text, nil where there is
	// none. there is false where no such message is written.
	compose func(f Format, tools []ballast.Tool, system *string) (text string, there bool)
	// plain and tooled are the system texts of conversations that bring none, without and
	// with tools; nil means none.
	plain, tooled *string
	// docs documents tools that are revealed later; nil means the format's way.
	docs func(tools []ballast.Tool) string
	// macro writes a tool on its own lines in Jinja; "" means tooldoc.SignatureMacro.
	macro    string
	separate bool // one message for each tool result
	others   bool // replies are trimmed where users' texts are not, and the other way round
	trim     bool // texts are trimmed of white space, as the model's Jinja template does
	spoken   bool // words before calls are trimmed, whatever becomes of other replies
	// spelled: models of this family write a format's tags with ordinary tokens.
	spelled bool
	thinks  bool // replies begin with a thought that the policy writes

	own     *own                                           // of a renderer that is made of a model's template
	result  func(text string) (before, body, after string) // a tool's answer; nil means the format's way
	between string                                         // between two results; "" means a line end
	joint   string                                         // between a reply's text and its calls; "" means a line end
	// bound: joint is exact, "" too.
	bound bool
	// asked ends the message of a user, with the generation prompt, where that is no message of the frame's kind:
	// then nothing ends a message of results, and reply is "". nil means end and gap.
	asked *string
}

// Thought is how the template writes a thought before a reply, as Qwen3's own template
// does; false says that it has no place for one.
func (t *Template) Thought(text string) (string, bool) {
	if !t.thinks {
		return "", false
	}
	return format.OpenThink + "\n" + strings.Trim(text, "\n") + "\n" + format.CloseThink + "\n\n", true
}

// Words is how the template writes the words of a reply that is data, before calls or
// alone: trimmed where the model's own template trims. What a policy sampled stays as it was
// sampled.
func (t *Template) Words(text string, calls bool) string {
	if t.trim != t.others || calls && t.spoken {
		return strings.TrimSpace(text)
	}
	return text
}

// Joined is a reply of a text and calls, as the format writes them.
func (t *Template) Joined(text, calls string) string {
	if text == "" || calls == "" {
		return text + calls
	}
	if t.bound {
		return text + t.joint + calls
	}
	return text + cmp.Or(t.joint, "\n") + calls
}

// tails are what ends a message of a user and one of results.
func (t *Template) tails() (user, tool string) {
	if t.asked != nil {
		return *t.asked, ""
	}
	return t.end + t.gap, t.end + t.gap
}

// Thoughtless says that the template itself gives every reply an empty thought, so that
// none may follow.
func (t *Template) Thoughtless() bool {
	return strings.Contains(t.reply+deref(t.asked), format.CloseThink)
}

var (
	qwenSystem   = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
	smollmSystem = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
)

// section is the content of the system message for a system text, nil where none is
// given: then the template's default stands in its place.
func (t *Template) section(f Format, tools []ballast.Tool, system *string) (text string, there bool) {
	switch {
	case system != nil:
	case len(tools) > 0:
		system = t.tooled
	default:
		system = t.plain
	}
	return t.compose(f, tools, system)
}

// head is the beginning of a conversation up to its first message. A hint stands between
// its two parts; without one they are one text.
func (t *Template) head(f Format, tools []ballast.Tool, system *string, hint bool) (before, after string) {
	if t.own != nil {
		return t.own.head(t, tools, system, hint)
	}
	section, there := t.section(f, tools, system)
	switch {
	case !there && !hint:
		return t.begin, ""
	case section != "" && hint:
		section += "\n\n"
	}
	return t.begin + t.system + section, t.end + t.gap
}

// withDefaults is the template with other default system texts.
func (t *Template) withDefaults(plain, tooled *string) *Template {
	other := *t
	other.plain, other.tooled = plain, tooled
	return &other
}

// chatML returns the frame that the ChatML family shares.
func chatML(name, doc string, system *string) *Template {
	return &Template{
		Name: name, Doc: doc, compose: qwenSection, plain: system, tooled: system,
		system: "<|im_start|>system\n", user: "<|im_start|>user\n", tool: "<|im_start|>user\n",
		reply: "<|im_start|>assistant\n", end: "<|im_end|>", gap: "\n",
		closers: []string{"<|im_end|>"}, stops: []string{"<|im_end|>", "<|endoftext|>"},
		control: []string{"<|im_start|>", "<|im_end|>"},
	}
}

// The templates. Each is prefix-preserving: a message, once rendered, never
// changes. The package documentation lists where they differ from the models'
// own Jinja templates, and why.
var (
	// ChatML is Qwen2.5-Instruct's template with its default system prompt.
	ChatML = chatML("chatml", "Qwen2.5-Instruct", &qwenSystem)
	// Qwen3 lets the policy think: thoughts are the policy's tokens and stay in
	// the conversation.
	Qwen3 = thinks(chatML("qwen3", "Qwen3, thinking allowed", nil))
	// Qwen3NoThink gives every reply an empty thought, owned by the template.
	Qwen3NoThink = noThink(chatML("qwen3-nothink", "Qwen3 without thinking", nil))
	// SmolLM2 is SmolLM2-Instruct's template; its tags are ordinary text.
	SmolLM2 = spelled(chatML("smollm2", "SmolLM2-Instruct", &smollmSystem))
	// Llama3 is that of Llama 3.1 and 3.2 Instruct with tools in the system prompt.
	Llama3 = &Template{
		Name: "llama3", Doc: "Llama 3.1 and 3.2 Instruct", compose: llamaSection,
		begin:  "<|begin_of_text|>",
		system: "<|start_header_id|>system<|end_header_id|>\n\n",
		user:   "<|start_header_id|>user<|end_header_id|>\n\n",
		tool:   "<|start_header_id|>ipython<|end_header_id|>\n\n",
		reply:  "<|start_header_id|>assistant<|end_header_id|>\n\n",
		end:    "<|eot_id|>", separate: true, trim: true,
		closers: []string{"<|eot_id|>", "<|eom_id|>"},
		stops:   []string{"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"},
		control: []string{"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
	}
	// Compact is ballast's own for small models: ChatML with one line per tool.
	Compact = lined(chatML("compact", "ballast's own small models", nil), tooldoc.Signature, tooldoc.SignatureMacro)
	// Documented is Compact with the documentation of each tool before its signature, and
	// with the fields of objects and the items of lists in it.
	Documented = lined(chatML("documented", "small models that meet tools they have never seen", nil),
		tooldoc.Documented, tooldoc.DocumentedMacro)
)

// Templates is the table of templates by name.
var Templates = map[string]*Template{
	"chatml": ChatML, "qwen3": Qwen3, "qwen3-nothink": Qwen3NoThink,
	"smollm2": SmolLM2, "llama3": Llama3, "compact": Compact, "documented": Documented,
}

// templateByName finds a template; its error lists the names.
func templateByName(name string) (*Template, error) {
	if t, ok := Templates[name]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("chat: no chat template %q; choose one of %s", name, names(Templates))
}

// names lists the keys of a table for error messages.
func names[V any](table map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(table)), ", ")
}

func noThink(t *Template) *Template {
	t.reply += format.OpenThink + "\n\n" + format.CloseThink + "\n\n"
	t.control = append(t.control, format.OpenThink, format.CloseThink)
	return t
}

func thinks(t *Template) *Template {
	t.thinks = true
	return t
}

func spelled(t *Template) *Template {
	t.spelled = true
	return t
}

// lined gives a frame tools on lines of their own, which show writes, and macro in Jinja.
func lined(t *Template, show func(ballast.Tool) string, macro string) *Template {
	t.tool, t.macro = "<|im_start|>tool\n", macro
	t.docs = func(tools []ballast.Tool) string { return lines(tools, show) }
	t.compose = func(f Format, tools []ballast.Tool, system *string) (string, bool) {
		return linedSection(f, tools, system, show)
	}
	return t
}

// qwenSection is Qwen's rule: the system text, and the tool section after an empty line.
func qwenSection(f Format, tools []ballast.Tool, system *string) (string, bool) {
	switch {
	case len(tools) > 0 && system != nil:
		return *system + "\n\n" + f.Instructions(tools), true
	case len(tools) > 0:
		return f.Instructions(tools), true
	case system != nil:
		return *system, true
	}
	return "", false
}

// llamaSection is the system message of Llama 3.2's template with
// tools_in_user_message off and the date that its default has. The call syntax
// is the format's.
func llamaSection(f Format, tools []ballast.Tool, system *string) (string, bool) {
	head := "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
	if len(tools) > 0 {
		head = "Environment: ipython\n" + head + f.Instructions(tools) + "\n\n"
	}
	if system != nil {
		head += strings.TrimSpace(*system)
	}
	return head, true
}

// linedSection shows the format's syntax in one line and each tool as show writes it.
func linedSection(f Format, tools []ballast.Tool, system *string, show func(ballast.Tool) string) (string, bool) {
	text := ""
	if system != nil {
		text = *system
	}
	switch {
	case len(tools) == 0:
		return text, system != nil
	case text != "":
		text += "\n"
	}
	return text + f.Hint() + "\n" + lines(tools, show), true
}

// lines lists tools one after the other.
func lines(tools []ballast.Tool, show func(ballast.Tool) string) string {
	var b strings.Builder
	for i, t := range tools {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(show(t))
	}
	return b.String()
}
