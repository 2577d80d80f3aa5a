package chat

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat/bpe"
	"ballast/safetext"
	"ballast/value"
)

var update = flag.Bool("update", false, "write the table of docs/models.md")

// family is the template of a model family with what transformers wrote for conversations.
type family struct {
	File, Source string
	Results      string // hashes of texts, or raised or failed, separated by spaces
}

// golden are templates and conversations with transformers' renderings, see
// jinja/testdata/TEMPLATES.md.
type golden struct {
	Conversations [][2]json.RawMessage // name and variables
	Templates     []family
}

func families(t *testing.T) (g golden, from map[string]string) {
	packed, err := os.ReadFile("jinja/testdata/goldens.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		err = json.NewDecoder(r).Decode(&g)
	}
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("jinja/testdata/TEMPLATES.md")
	if err != nil {
		t.Fatal(err)
	}
	from = map[string]string{}
	for _, line := range strings.Split(string(list), "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			from[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[2])
		}
	}
	return g, from
}

// dialogues are the conversations that Dialogue can hold and that are compared; each is one
// that a policy is asked to go on with.
var dialogues = []string{"user", "system", "three turns", "two turns, no system", "tools", "tools, system", "a call", "parallel calls",
	"calls in turn", "a call without arguments", "thoughts", "thoughts and calls", "empty system"}

const noThought = "the last reply has no thought, where Qwen3's template writes an empty one"

// otherwise are conversations that a renderer writes in another way than its family, with
// the reason: those of the package documentation.
var otherwise = map[string]map[string]string{
	"qwen3": {
		"two turns, no system": noThought, "a call": noThought, "parallel calls": noThought,
		"thoughts": "thoughts before the last user stay, where Qwen3's template drops them",
	},
}

// conversationOf reads the variables of a render as a probe.
func conversationOf(name string, vars *value.Dict) (p probe) {
	p.name = name
	get := func(v any, key string) any {
		if d, ok := v.(*value.Dict); ok {
			x, _ := d.Get(key)
			return x
		}
		return nil
	}
	if list, ok := get(vars, "tools").(*value.List); ok {
		for _, tool := range list.Items {
			p.tools = append(p.tools, ballast.Tool{Name: get(get(tool, "function"), "name").(string), Schema: tool})
		}
	}
	for _, m := range get(vars, "messages").(*value.List).Items {
		text, _ := get(m, "content").(string)
		switch role := get(m, "role").(string); role {
		case "system":
			p.system = &text
		case "tool":
			if n := len(p.messages); p.messages[n-1].role == "tool" {
				p.messages[n-1].results = append(p.messages[n-1].results, text)
				continue
			}
			p.messages = append(p.messages, said{role: role, results: []string{text}})
		default:
			s := said{role: role, text: text}
			s.thought, _ = get(m, "reasoning_content").(string)
			if list, ok := get(m, "tool_calls").(*value.List); ok {
				for _, c := range list.Items {
					args := get(get(c, "function"), "arguments").(*value.Dict)
					call := callOf(get(get(c, "function"), "name").(string))
					for i := range args.Len() {
						k, v := args.At(i)
						call.Args = append(call.Args, ballast.Arg{Name: k.(string), Value: v})
					}
					s.calls = append(s.calls, call)
				}
			}
			p.messages = append(p.messages, s)
		}
	}
	return p
}

// TestFamilies: each template is that of a renderer that writes what transformers writes for
// it, in every dialogue, or is refused.
func TestFamilies(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	g, from := families(t)
	var rows [][4]string
	chosen, recognised := map[string]int{}, map[string]int{}
	for _, f := range g.Templates {
		src := Source{From: f.File, Text: f.Source, Special: map[string]string{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}}
		c, err := Choose(src, nil, Hermes)
		name := strings.TrimSuffix(f.File, ".jinja")
		source, _, _ := strings.Cut(from[f.File], " ") // the repository
		if err != nil {
			r := new(refusal)
			if !errors.As(err, &r) {
				t.Errorf("%s: %v", f.File, err)
			}
			why := r.Kind
			if r.Kind == kindFails || r.Kind == kindCut {
				more, _, _ := strings.Cut(r.More, ": prompt") // the difference
				why += " " + more
			}
			if r.Format != "" {
				why += "; its calls: " + r.Format
				recognised[r.Format]++
			}
			rows = append(rows, [4]string{name, source, "refused", why})
			continue
		}
		n := sameDialogues(t, &g, &f, c)
		chosen[c.Name]++
		rows = append(rows, [4]string{name, source, c.Name, cell(c, n)})
	}
	page, err := os.ReadFile("../docs/models.md")
	for _, kind := range []string{kindToolless, kindNoUser, kindRewritten, kindNoEnd, kindNoCalls, kindSyntax, kindResults, kindCut, kindFails} {
		if !strings.Contains(string(page), "| "+kind+" | ") {
			t.Errorf("docs/models.md says nothing of %q: %v", kind, err)
		}
	}
	if len(rows) < 20 || chosen["chatml"] < 4 || chosen["qwen3"] < 1 || chosen[Own] < 1 {
		t.Errorf("%d templates, chosen %v", len(rows), chosen)
	}
	for format, least := range map[string]int{"glm": 4, "harmony": 2, "mistral": 2, "mistral-v11": 1, "deepseek-v3": 1} {
		if recognised[format] < least {
			t.Errorf("the calls of %d refused templates are those of %s: %v", recognised[format], format, recognised)
		}
	}
	tableOf(t, rows)
}

// cell is what the table says of a choice.
func cell(c Choice, dialogues int) string {
	text := fmt.Sprintf("%s prompts, %d dialogues; ", regexp.MustCompile("[0-9]+").FindString(c.Why), dialogues)
	if c.Format != "" {
		text += c.Format
	} else {
		text += "no tools"
	}
	if c.System != "" {
		text += fmt.Sprintf("; \"%s\"", c.System)
	}
	return text
}

// sameDialogues compares the dialogues and gives their number.
func sameDialogues(t *testing.T, g *golden, f *family, c Choice) (equal int) {
	t.Helper()
	results := strings.Fields(f.Results)
	form := Formats[c.Format]
	if form == nil {
		form = Hermes
	}
	spell, tok := newSpelling(c.Template), tokenizerOf(t, c.Template)
	for i, conversation := range g.Conversations {
		var name string
		if err := json.Unmarshal(conversation[0], &name); err != nil {
			t.Fatal(err)
		}
		v, err := value.ParseJSON(conversation[1])
		if err != nil {
			t.Fatal(err)
		}
		vars := v.(*value.Dict)
		if !slices.Contains(dialogues, name) || len(results[i]) != 12 {
			continue
		}
		p := conversationOf(name, vars)
		open, _ := vars.Get("add_generation_prompt")
		ended := p.messages[len(p.messages)-1].role == "assistant" // nobody is asked to go on
		if open == ended || c.Format == "" && p.tooled() {         // the template knows no tools
			continue
		}
		prompts, err := p.play(spell, c.Template, form)
		if err != nil {
			t.Errorf("%s, %s: %v", f.File, name, err)
			continue
		}
		text := spell.Decode(prompts[len(prompts)-1])
		whole := text
		same := hashed(text) == results[i]
		if ended { // what closes the reply is written with the next message
			text = strings.TrimSuffix(text, c.Template.reply)
			same = hashed(text) == results[i] || hashed(strings.TrimSuffix(text, c.Template.end+c.Template.gap)) == results[i]
		}
		if why := otherwise[c.Name][name]; same == (why != "") {
			t.Errorf("%s, %s: %s writes the same: %v; %s\n%q", f.File, name, c.Name, same, why, text)
		}
		if same {
			equal++
		}
		prompts, err = p.play(tok, c.Template, form)
		if err != nil {
			t.Errorf("%s, %s: %v", f.File, name, err)
			continue
		}
		ids := prompts[len(prompts)-1]
		if tok.Decode(ids) != whole || !slices.Equal(ids, tok.Encode(whole)) {
			t.Errorf("%s, %s: other tokens than those of the text", f.File, name)
		}
	}
	return equal
}

// tokenizerOf is a small tokenizer with the control tokens of a frame.
func tokenizerOf(t *testing.T, tmpl *Template) *bpe.Tokenizer {
	t.Helper()
	added := []string{"<tool_call>", "</tool_call>", "<think>", "</think>"}
	for _, token := range regexp.MustCompile(`<[^<>\s]+>`).FindAllString(tmpl.begin+tmpl.system+tmpl.user+tmpl.reply+tmpl.tool+tmpl.end, -1) {
		if !slices.Contains(added, token) {
			added = append(added, token)
		}
	}
	tok, err := bpe.Train(func(yield func(string) bool) {
		for range 3 {
			yield("\n\nIt is warm in Oslo.\n" + Hermes.Instructions(testTools) + "\nuser\nassistant\n")
		}
	}, 256+len(added)+100, added, bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func hashed(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:12] }

// tableOf compares the rows with docs/models.md, or writes them there.
func tableOf(t *testing.T, rows [][4]string) {
	t.Helper()
	const path, begin = "../docs/models.md", "<!-- table: go test ./chat -run TestFamilies -update -->\n"
	var b strings.Builder
	b.WriteString("| template | from | renderer | why |\n| --- | --- | --- | --- |\n")
	for _, row := range rows {
		for _, cell := range row {
			b.WriteString("| " + safetext.Markdown(cell) + " ")
		}
		b.WriteString("|\n")
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(page), begin)
	if !ok {
		t.Fatalf("%s has no line %s", path, begin)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if after != b.String() {
		t.Errorf("%s: the table is not that of this program; go test ./chat -run TestFamilies -update", path)
	}
}
