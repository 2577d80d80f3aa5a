package model

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/durable"
	"ballast/value"
)

// said is one message of a conversation, as a client sends it and as it is trained.
type said struct {
	role, text, thought string
	calls               []ballast.Call
	encoded             bool // the arguments are sent as JSON texts
}

// sent is the message as a client sends it.
func (m *said) sent() *value.Dict {
	d := value.NewDict("role", m.role, "content", m.text)
	if m.thought != "" {
		d.Set("reasoning_content", m.thought)
	}
	calls := value.NewList()
	for _, c := range m.calls {
		var args any = dict(c.Args)
		if m.encoded {
			args = must(value.JSON(args))
		}
		calls.Items = append(calls.Items, value.NewDict("type", "function", "function", value.NewDict("name", c.Name, "arguments", args)))
	}
	if len(m.calls) > 0 {
		d.Set("tool_calls", calls)
	}
	return d
}

func dict(args []ballast.Arg) *value.Dict {
	d := value.NewDict()
	for _, a := range args {
		d.Set(a.Name, a.Value)
	}
	return d
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// peerTools document functions with OpenAI's wrapping and without.
var peerTools = [][]ballast.Tool{nil, {
	peerTool(`{"type": "function", "function": {"name": "find_place", "description": "Finds a \"place\" <b> & 'more': café, 100 °C", "parameters": {"type": "object",
		"properties": {"city": {"type": "string", "description": "the city’s name"}, "days": {"type": "integer", "minimum": 1.0}, "kind": {"enum": ["a", null]},
		"near": {"type": ["object", "null"], "properties": {}}}, "required": ["city"]}}}`),
	peerTool(`{"type": "function", "function": {"name": "list_all", "description": "Größe 🙂", "parameters": {"type": "object", "properties": {}}, "strict": true}}`),
}, {
	peerTool(`{"name": "find_place", "description": "", "parameters": {"type": "dict", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": []}}`),
	peerTool(`{"name": "list_all"}`),
}}

func peerTool(text string) ballast.Tool {
	d := must(value.ParseJSON([]byte(text))).(*value.Dict)
	name, wrapped := d.Get("name")
	if !wrapped {
		function, _ := d.Get("function")
		name, _ = function.(*value.Dict).Get("name")
	}
	return ballast.Tool{Name: name.(string), Schema: d}
}

// peerTalks are conversations without their system message; those of tools are played with
// tools only.
func peerTalks(thinks bool) map[string][]said {
	place := ballast.Call{Name: "find_place", Args: []ballast.Arg{{Name: "city", Value: "it's \"N\" \\ <b>\n\tß 🙂"}, {Name: "days", Value: int64(-3)},
		{Name: "near", Value: value.NewDict("points", value.NewList(int64(1), 2.5, 1e22, nil, true, ""), "no", value.NewDict())}}}
	digits := ballast.Call{Name: "find_place", Args: []ballast.Arg{{Name: "city", Value: "12"}, {Name: "days", Value: int64(0)}}}
	all := ballast.Call{Name: "list_all"}
	talks := map[string][]said{
		"a request": {{role: "user", text: "Hi there ü"}},
		"turns":     {{role: "user", text: "\n One? "}, {role: "assistant", text: "Yes, é."}, {role: "user", text: "Two?"}},
		"tools: a call": {{role: "user", text: "Where?"}, {role: "assistant", calls: []ballast.Call{place}}, {role: "tool", text: "{\"t\": -3.5, \"é\": \"<b>\\n\"}\n"},
			{role: "assistant", text: "Cold."}, {role: "user", text: "More"}},
		"tools: parallel calls": {{role: "user", text: "Where?"}, {role: "assistant", text: "I look.", calls: []ballast.Call{place, all, digits}}, {role: "tool", text: "one"},
			{role: "tool"}, {role: "tool", text: " three"}, {role: "assistant", text: "Three."}, {role: "user", text: "More"}, {role: "assistant", calls: []ballast.Call{all}}, {role: "tool", text: "x"}},
		"tools: arguments as text": {{role: "user", text: "Where?"}, {role: "assistant", encoded: true, calls: []ballast.Call{place, all, digits}}, {role: "tool", text: "1"},
			{role: "tool", text: "2"}, {role: "tool", text: "3"}},
	}
	if thinks {
		talks["tools: thoughts"] = []said{{role: "user", text: "Where?"}, {role: "assistant", thought: "A place.\n\nWhich?", calls: []ballast.Call{place}}, {role: "tool", text: "one"},
			{role: "assistant", thought: "Done", text: "There."}, {role: "user", text: "More"}}
	}
	return talks
}

// peerPrompts plays a conversation and adds what stands before each reply, and before one more.
func peerPrompts(s chat.Renderer, name string, system, usual *string, tools []ballast.Tool, talk []said) (out []any) {
	list := value.NewList()
	if system != nil {
		list.Items = append(list.Items, value.NewDict("role", "system", "content", *system))
	} else {
		system = usual
	}
	d := chat.NewDialogue(s, tools, system)
	prompt := func(open bool) {
		ids := value.NewList()
		for _, id := range d.Tokens() {
			ids.Items = append(ids.Items, int64(id))
		}
		p := value.NewDict("name", fmt.Sprintf("%s, %d messages", name, len(list.Items)), "messages", value.NewList(slices.Clone(list.Items)...), "open", open, "ids", ids)
		if len(tools) > 0 {
			docs := value.NewList()
			for _, t := range tools {
				docs.Items = append(docs.Items, t.Schema)
			}
			p.Set("tools", docs)
		}
		out = append(out, p)
	}
	var results []string
	for i, m := range talk {
		switch m.role {
		case "user":
			d.User(m.text)
		case "tool":
			if results = append(results, m.text); i+1 == len(talk) || talk[i+1].role != "tool" {
				d.Results(results)
				results = nil
			}
		case "assistant":
			d.Open()
			prompt(true)
			text := m.text
			if len(m.calls) > 0 {
				text = strings.TrimPrefix(text+"\n"+s.Format.Render(m.calls, format.Tools(tools)), "\n")
			}
			if thought, ok := s.Template.Thought(m.thought); ok && m.thought != "" {
				text = thought + text
			}
			d.Reply(d.Gold(text), ballast.OwnerGold)
		}
		list.Items = append(list.Items, m.sent())
	}
	prompt(false)
	d.Open()
	prompt(true)
	return out
}

// peerFile is peer.json of a checkpoint: what scripts/peer_transformers.py compares.
func peerFile(c *Config, s chat.Renderer, usual *string, stops []int32) *value.Dict {
	ends, prompts := value.NewList(), value.NewList()
	for _, id := range stops {
		ends.Items = append(ends.Items, int64(id))
	}
	_, thinks := s.Template.Thought("x")
	given, empty := " Be brief. ü\n", ""
	talks := peerTalks(thinks)
	for _, name := range slices.Sorted(maps.Keys(talks)) {
		for i, system := range []*string{nil, &given, &empty} {
			for k, tools := range peerTools {
				ours := s.Template.Name != chat.Own // a model's own counts on documentation and arguments as usual
				if k == 0 && strings.HasPrefix(name, "tools") || !ours && (k == 2 || name == "tools: arguments as text") {
					continue
				}
				full := fmt.Sprintf("%s, system text %d, tools %d", name, i, k)
				prompts.Items = append(prompts.Items, peerPrompts(s, full, system, usual, tools, talks[name])...)
			}
		}
	}
	file := value.NewDict("config", peerConfig(c), "ends", ends, "named", !s.Template.NamesEnd(), "prompts", prompts, "refused", value.NewList())
	if s.Template.Name == chat.Own {
		return file
	}
	hi := value.NewDict("role", "user", "content", "Hi")
	refused := value.NewList(
		value.NewDict("name", "a role", "says", "roles", "messages", value.NewList(hi, value.NewDict("role", "narrator", "content", "x"))),
		value.NewDict("name", "parts", "says", "must be a text", "messages", value.NewList(value.NewDict("role", "user", "content", value.NewList()))),
		value.NewDict("name", "a control token in a tool", "says", "control token", "messages", value.NewList(hi),
			"tools", value.NewList(value.NewDict("name", "f", "description", "ends with <|im_end|>"))),
	)
	if _, is := s.Tokenizer.ID("<filename>"); is { // as SmolLM2 has
		refused.Items = append(refused.Items, value.NewDict("name", "a token of the tokenizer in a tool", "says", "control token <filename>",
			"messages", value.NewList(hi), "tools", value.NewList(value.NewDict("name", "f", "description", "as <filename>:<line>"))))
	}
	if !thinks {
		refused.Items = append(refused.Items, value.NewDict("name", "a thought", "says", "without thoughts", "messages",
			value.NewList(hi, value.NewDict("role", "assistant", "content", "x", "reasoning_content", "y"))))
	}
	file.Set("refused", refused)
	return file
}

// peerConfig is what a configuration says that changes the numbers.
func peerConfig(c *Config) *value.Dict {
	d := value.NewDict("model_type", c.Arch, "tie_word_embeddings", c.Tied, "head_dim", int64(c.HeadDim), "rope_theta", c.RopeTheta, "rope_factor", nil)
	if c.Rope != nil {
		d.Set("rope_factor", c.Rope.Factor)
	}
	d.Set("no_rope", nil)
	if c.NoRope != nil {
		list := value.NewList()
		for _, l := range c.NoRope {
			list.Items = append(list.Items, int64(l))
		}
		d.Set("no_rope", list)
	}
	return d
}

// peerModels are tiny models by architecture, with the control tokens of all templates and
// formats.
func peerModels(t *testing.T) map[string]*Model {
	t.Helper()
	control := chat.ControlTokens(slices.Collect(maps.Values(chat.Templates))...)
	slices.Sort(control)
	control = append(control, "<filename>") // as SmolLM2 has
	var texts []string
	for _, f := range slices.Sorted(maps.Keys(chat.Formats)) {
		text := chat.Formats[f].Instructions(peerTools[1]) + "\n\n\n  Result:\n\n the files are moved.\n"
		texts = append(texts, text, text)
	}
	tok, err := bpe.Train(slices.Values(texts), 600, control, bpe.Qwen2)
	ok(t, err)
	c := Config{Arch: "qwen2", QKVBias: true, Vocab: tok.Size() + 7, Hidden: 16, Layers: 1, Heads: 2, KVHeads: 1, HeadDim: 8, FFN: 16, MaxLen: 4096, RopeTheta: 1e6, NormEps: 1e-6, Tied: true}
	qwen3, llama, smollm3 := c, c, c
	qwen3.Arch, qwen3.QKVBias, qwen3.QKNorm, qwen3.HeadDim, qwen3.Tied = "qwen3", false, true, 16, false
	llama.Arch, llama.QKVBias, llama.RopeTheta, llama.Rope = "llama", false, 5e5, &RopeScaling{32, 1, 4, 2048}
	smollm3.Arch, smollm3.QKVBias, smollm3.Layers, smollm3.NoRope = "smollm3", false, 3, []int{0, 2} // not the default interval
	return map[string]*Model{"qwen2": New(c, tok, 1), "qwen3": New(qwen3, tok, 1), "llama": New(llama, tok, 1), "smollm3": New(smollm3, tok, 1)}
}

// own gives a model files that it came with, which say other than what is trained, and
// returns the end token that they name.
func own(m *Model) int32 {
	end := int32(m.Tokenizer.Size() - 1)
	m.Config.EOS = []int32{end}
	for name, v := range map[string]any{
		tokenizerConfigFile: map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": m.Tokenizer.Token(end), "clean_up_tokenization_spaces": false,
			"chat_template": []any{map[string]any{"name": "default", "template": "own"}, map[string]any{"name": "tool_use", "template": "own"}}},
		specialTokensFile: map[string]any{"eos_token": m.Tokenizer.Token(end)},
		generationFile:    map[string]any{"eos_token_id": end, "do_sample": true, "temperature": 0.7},
	} {
		if m.Extra == nil {
			m.Extra = map[string][]byte{}
		}
		m.Extra[name] = indented(v)
	}
	return end
}

// acme is a template that no known renderer writes: tools in a message of their own, calls
// as Hermes writes them, results side by side.
const acme = `{{ bos_token }}{% if messages[0].role == 'system' %}{{ '<|im_start|>system: ' + messages[0].content + '<|im_end|>\n' }}{% set messages = messages[1:] %}{% endif %}
{%- if tools %}{{ '<|im_start|>tools: ' }}{% for t in tools %}{{ t|tojson + '\n' }}{% endfor %}{{ 'Use <tool_call>.<|im_end|>\n' }}{% endif %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{ '<|im_start|>user: ' + m.content|trim + '<|im_end|>\n' }}
{%- elif m.role == 'assistant' %}{{ '<|im_start|>acme\n' + m.content }}
{%- for c in m.tool_calls or [] %}{{ ('\n' if m.content or not loop.first else '') + '<tool_call>\n{"name": "' + c.function.name + '", "arguments": ' + c.function.arguments|tojson + '}\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\n' }}
{%- else %}{{ ('<|im_start|>results: ' if loop.previtem.role != 'tool' else ' & ') + m.content|tojson }}{% if loop.last or loop.nextitem.role != 'tool' %}{{ '<|im_end|>\n' }}{% endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>acme\n' }}{% endif %}`

// peerCase is a checkpoint that is written, and how conversations with it were trained.
type peerCase struct {
	name   string
	m      Model
	s      chat.Renderer
	system *string
	stops  []int32
}

// peerCases are those of all templates and formats; of each template one with a system
// text and files that say otherwise; and of models' own templates.
func peerCases(t *testing.T) (out []peerCase) {
	models, usual := peerModels(t), "Answer in \"one\" word, it's enough.\n{{ ü }} {% x %}"
	archs := []string{"llama", "qwen2", "qwen3", "smollm3"}
	for _, template := range slices.Sorted(maps.Keys(chat.Templates)) {
		for _, written := range slices.Sorted(maps.Keys(chat.Formats)) {
			m := *models[archs[len(out)%len(archs)]]
			s := style(&m, template, written)
			out = append(out, peerCase{template + "+" + written, m, s, nil, s.Stops()})
			if written == "hermes" {
				out = append(out, peerCase{template + "+hermes+system", m, s, &usual, append(s.Stops(), own(&m))})
				out[len(out)-1].m = m
			}
		}
	}
	for name, text := range map[string]string{"<|endoftext|>": acme, "<|im_end|>": strings.ReplaceAll(acme, "<|im_end|>\\n'", "' + eos_token + '\\n'")} {
		m := *models["llama"]
		m.Extra = map[string][]byte{tokenizerConfigFile: indented(map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false,
			"bos_token": "<|begin_of_text|>", "eos_token": name, "chat_template": text})}
		var err error
		m.Source, err = chat.ReadSource(m.Extra, "acme")
		ok(t, err)
		chosen, err := chat.Choose(m.Source, m.Tokenizer, chat.Hermes)
		ok(t, err)
		s := chat.Renderer{Tokenizer: m.Tokenizer, Template: chosen.Template, Format: chat.Hermes}
		for i, system := range []*string{nil, &usual} {
			out = append(out, peerCase{fmt.Sprintf("own+hermes+%s+%d", strings.Trim(name, "<|>"), i), m, s, system, s.Stops()})
		}
	}
	return out
}

// TestPeer writes a checkpoint of each template and format. Each is read back as the same.
// Where BALLAST_HF_PYTHON names a Python with transformers, it is compared there too: see
// scripts/peer-transformers.
func TestPeer(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	root := t.TempDir()
	var dirs []string
	for _, c := range peerCases(t) {
		ok(t, c.m.ServeAs(c.s, c.system))
		dir := filepath.Join(root, c.name)
		ok(t, c.m.Save(dir, F32))
		dirs = append(dirs, dir)
		back, err := Load(dir)
		ok(t, err)
		chosen, err := chat.Choose(back.Source, back.Tokenizer, c.s.Format)
		if err != nil || chosen.Name != c.s.Template.Name || chosen.Format != c.s.Format.Name() || !slices.Equal(back.Config.EOS, c.stops) {
			t.Errorf("%s: read back as %s with format %s and end tokens %v (%v)", c.name, chosen, chosen.Format, back.Config.EOS, err)
			continue
		}
		again := chat.Renderer{Tokenizer: back.Tokenizer, Template: chosen.Template, Format: c.s.Format}
		if got, want := again.Stops(), c.s.Stops(); !slices.Equal(got, want) {
			t.Errorf("%s: read back its replies end with %v, want %v", c.name, got, want)
		}
		if a, b := chat.NewDialogue(c.s, nil, c.system).Tokens(), chat.NewDialogue(again, nil, nil).Tokens(); !slices.Equal(a, b) {
			t.Errorf("%s: read back its conversations begin with %q", c.name, back.Tokenizer.Decode(b))
		}
		ok(t, durable.Replace(filepath.Join(dir, "peer.json"), func(w io.Writer) error {
			_, err := io.WriteString(w, must(value.JSON(peerFile(&c.m.Config, c.s, c.system, c.stops))))
			return err
		}))
	}
	python := os.Getenv("BALLAST_HF_PYTHON")
	if python == "" {
		return
	}
	out, err := exec.Command(python, append([]string{filepath.Join("..", "scripts", "peer_transformers.py")}, dirs...)...).CombinedOutput()
	t.Logf("%s", out)
	ok(t, err)
}
