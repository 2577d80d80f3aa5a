package format

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/value"
)

// golden is a reply of calls as a public chat template writes it.
type golden struct {
	Format, Template, Text string
	Same                   bool // the format writes the same
	Tools                  []json.RawMessage
	Calls                  []struct {
		Name      string
		Arguments json.RawMessage
	}
}

func goldens(t *testing.T) []golden {
	t.Helper()
	data, err := os.ReadFile("testdata/calls.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []golden }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

func parsed(t *testing.T, text []byte) *value.Dict {
	t.Helper()
	v, err := value.ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return v.(*value.Dict)
}

// content is a golden's calls and the tools that they are of.
func (g *golden) content(t *testing.T) (calls []ballast.Call, offered Offered) {
	t.Helper()
	var tools []ballast.Tool
	for _, raw := range g.Tools {
		doc := parsed(t, raw)
		name, _ := asDict(member(doc, "function")).Get("name")
		tools = append(tools, ballast.Tool{Name: name.(string), Schema: doc})
	}
	for _, c := range g.Calls {
		call, fault := callOf(c.Name, parsed(t, c.Arguments))
		if fault != "" {
			t.Fatal(fault)
		}
		calls = append(calls, call)
	}
	return calls, Tools(tools)
}

// TestTemplatesCalls: every format reads what the templates of its models write, alone, behind prose
// and with its end token, and writes the same bytes where the template is the format's own.
func TestTemplatesCalls(t *testing.T) {
	same := map[string]int{}
	for _, g := range goldens(t) {
		f, calls, offered := All[g.Format], []ballast.Call(nil), Offered(nil)
		calls, offered = g.content(t)
		text, err := f.Write(calls, offered)
		if err != nil || (text == g.Text) != g.Same {
			t.Errorf("%s, %s: %v, the same: %v\n%q, the template\n%q", g.Format, g.Template, err, g.Same, text, g.Text)
		}
		if g.Same {
			same[g.Format]++
		}
		for _, reply := range []string{g.Text, g.Text + "<|im_end|>", "<think>\nhm\n</think>\n\n" + g.Text} {
			if p := f.Parse(reply, offered); p.Kind != call || p.Reason != "" || !sameCalls(p.Calls, calls) {
				t.Errorf("%s, %s: %q is %s %s %s %v", g.Format, g.Template, reply, p.Kind, p.Reason, p.Detail, p.Calls)
			}
			legal(t, f, reply)
		}
	}
	for _, name := range []string{"xlam", "mistral", "mistral-v11", "deepseek-v3", "deepseek-v3.1", "glm", "xml"} {
		if same[name] < 4 {
			t.Errorf("%s: %d goldens are the same", name, same[name])
		}
	}
}

// TestAlias: the names of models whose format has another name.
func TestAlias(t *testing.T) {
	for alias, name := range aliases {
		f, err := ByName(alias)
		if err != nil || f.Name() != name || All[name] == nil || All[alias] != nil {
			t.Errorf("%s: %v, want %s", alias, err, name)
		}
	}
	for _, g := range goldens(t) {
		if g.Format != "xml" {
			continue
		}
		f, err := ByName("qwen3-coder")
		if err != nil {
			t.Fatal(err)
		}
		calls, offered := g.content(t)
		if text, err := f.Write(calls, offered); err != nil || text != g.Text {
			t.Errorf("%s: %v %q", g.Template, err, text)
		}
	}
}

// TestPairs: a call in one format is no call in any other one, and no answer: where names are
// checked and where they are not.
func TestPairs(t *testing.T) {
	one := []ballast.Call{{Name: "f", Args: []ballast.Arg{{Name: "a", Value: int64(1)}, {Name: "t", Value: "x"}}}}
	two := append(slices.Clone(one), ballast.Call{Name: "g"})
	for name, f := range All {
		for other, g := range All {
			if name == other {
				continue
			}
			for _, calls := range [][]ballast.Call{one, two} {
				for _, offered := range []Offered{batteryTools, nil} {
					for _, before := range []string{"", "I look.\n", "<think>\nhm\n</think>\n\n"} {
						reply := before + f.Render(calls, batteryTools)
						p := g.Parse(reply, offered)
						if p.Kind != polluted || len(p.Calls) > 0 {
							t.Errorf("%s in %s: %q is %s %s %v", name, other, reply, p.Kind, p.Reason, p.Calls)
						}
						both := name == "llama3" && other == "xlam" || name == "xlam" && other == "llama3"
						if p.Reason != ReasonOtherSyntax && !both {
							t.Errorf("%s in %s: %q is %s %q", name, other, reply, p.Reason, p.Detail)
						}
					}
				}
			}
		}
	}
}

// TestRecognise: the format of what a template writes is found, whatever stands around it.
func TestRecognise(t *testing.T) {
	for _, g := range goldens(t) {
		calls, offered := g.content(t)
		if len(calls) > 1 {
			continue
		}
		for _, around := range [][2]string{{"", ""}, {"<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>\n<|im_start|>user\n<tool_response>\n"},
			{"<|end|><|start|>assistant", "<|start|>functions.f to=assistant<|channel|>commentary<|message|>\""},
			{"[/INST]", "</s>[TOOL_RESULTS]"}, {"<|assistant|>\n<think></think>\n", "<|observation|>"}} {
			if got := Recognise(around[0]+g.Text+around[1], calls[0], offered); got != g.Format {
				t.Errorf("%s, %s is recognised as %q in %q", g.Format, g.Template, got, around)
			}
		}
	}
	for _, frame := range [][2]string{{"<tool_calls>", "</tool_calls>"}, {"<|tool_call|>", ""}} {
		if got := Recognise(frame[0]+`[{"name": "f", "arguments": {}}]`+frame[1], ballast.Call{Name: "f"}, nil); got != "" {
			t.Errorf("a list between %q is recognised as %s", frame, got)
		}
	}
	if got := Recognise("He calls f(a=1) or {\"name\": 3} and [1].", ballast.Call{Name: "f"}, nil); got != "" {
		t.Errorf("prose is recognised as %s", got)
	}
}

// TestRecogniseHostile: a text of brackets takes no longer than one of a template.
func TestRecogniseHostile(t *testing.T) {
	for _, unit := range []string{"[{}]", `[{"a":1}]`, "}{", "][", "<tool_call>", " to=", "f("} {
		start := processor(t)
		if got := Recognise(strings.Repeat(unit, recognised/len(unit)), ballast.Call{Name: "f"}, nil); got != "" {
			t.Errorf("%q: %s", unit, got)
		}
		if d := processor(t) - start; d > 5*time.Second {
			t.Errorf("%q took %v", unit, d)
		}
	}
}
