package format

import (
	"fmt"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

// label is a reply with its form and reason, by rule or by hand.
type label struct {
	format, reply string
	form          ballast.ReplyKind
	reason        Reason
}

// nearMisses are replies that look like another form than they have.
var nearMisses = []label{
	// Words about calls are no calls.
	{"*", "I would use a tool call here, but no tool fits.", response, ""},
	{"*", "The tag is called tool_call and stands in angle brackets.", response, ""},
	{"*", "Write a tool call, then wait for the tool response.", response, ""},
	{"*", "The user said: end. I end here.", response, ""},
	{"*", "a << b >> c, and <- or -> are arrows", response, ""},
	{"*", "x < y, y > z, x <= z", response, ""},
	{"*", "<b>bold</b> and <i>italic</i>", response, ""},
	{"*", "<tool> is not a tag of ours", response, ""},
	{"*", "The pipe | and the bracket < stand apart: < | im_end | >", response, ""},
	{"*", "Call me (or mail me) at noon.", response, ""},
	{"*", "Items: [1, 2, 3] and [a, b].", response, ""},
	{"*", "{curly} braces in prose", response, ""},
	{"*", "It costs 3 (three) euros.", response, ""},
	{"*", "\u4f60\u597d", response, ""},
	{"*", "\u00e9", response, ""},
	{"*", "ok", response, ""},
	{"*", "7", response, ""},
	{"*", "No.\n\n\nNo.\n\n\nNo.", response, ""},
	{"*", "ha ha ha ha ha", response, ""},
	{"*", "Yes<|im_end|>\n\n", response, ""},
	{"*", "  \n Yes  \n<|endoftext|>", response, ""},
	{"*", "<think>a</think>b", response, ""},
	{"*", "<think></think>b", response, ""},
	{"*", "1. first\n2. second\n3. third", response, ""},
	{"*", "| a | b |\n|---|---|\n| 1 | 2 |", response, ""},
	{"*", "# Title\n\nText with `code` in it.", response, ""},
	{"*", "unlink(a=1) is a function of C", response, ""},
	// Nothing is left when control tokens are taken out.
	{"*", "<|eot_id|>", collapse, ReasonEmpty},
	{"*", "\n\n<|im_end|>\n", collapse, ReasonEmpty},
	{"*", "</tool_call>", collapse, ReasonOnlyControl},
	{"*", "</tool_call><|im_end|>", collapse, ReasonOnlyControl},
	{"*", "<tool_call>\n<|im_end|>", collapse, ReasonOnlyControl},
	{"*", "<tool_call>{}</tool_call>", collapse, ReasonOnlyControl},
	{"*", "<tool_call>\n[]\n</tool_call><|im_end|>", collapse, ReasonOnlyControl},
	{"*", "<|im_start|><|im_end|>", collapse, ReasonOnlyControl},
	{"*", "<|im_end|>.<|im_end|>", collapse, ReasonOnlyControl},
	{"*", "<think></think>", collapse, ReasonOnlyControl},
	{"*", "<tool_response></tool_response>", collapse, ReasonOnlyControl},
	{"*", "<tool_call><tool_call><tool_call>", collapse, ReasonOnlyControl},
	{"*", "{}", collapse, ReasonNoWords},
	{"*", "{\"\": \"\"}", collapse, ReasonNoWords},
	{"*", "!!!???", collapse, ReasonNoWords},
	{"*", "---", collapse, ReasonNoWords},
	{"*", "()<|im_end|>", collapse, ReasonNoWords},
	// One control token too many.
	{"*", "Yes<|im_end|> <|im_end|>", polluted, ReasonControlInText},
	{"*", "<|im_end|>Yes", polluted, ReasonControlInText},
	{"*", "<|im_start|>assistant\nYes", polluted, ReasonControlInText},
	{"*", "Yes <|im_start|>", polluted, ReasonControlInText},
	{"*", "Yes<|eot_id|><|start_header_id|>", polluted, ReasonControlInText},
	{"*", "Yes <tool_response>", polluted, ReasonControlInText},
	{"*", "Yes </tool_response>", polluted, ReasonControlInText},
	{"*", "<think>a</think>b<think>c</think>", polluted, ReasonControlInText},
	{"*", "Yes </think> no", polluted, ReasonStrayClose},
	{"*", "a</tool_call>b</tool_call>", polluted, ReasonStrayClose},
	{"*", "<think>a</think>\n<|im_end|>", polluted, ReasonEmpty},
	{"*", "<think>\nI think that", polluted, ReasonUnclosedTag},
	// Tags that are not quite.
	{"*", "Yes <tool_call", polluted, ReasonBrokenTag},
	{"*", "Yes /tool_call>", polluted, ReasonBrokenTag},
	{"*", "Yes <Tool_Call>", polluted, ReasonBrokenTag},
	{"*", "Yes <toolcall>", polluted, ReasonBrokenTag},
	{"*", "Yes </tool_c", polluted, ReasonBrokenTag},
	{"*", "Yes im_end|>", polluted, ReasonBrokenTag},
	{"*", "Yes <|im_", polluted, ReasonBrokenTag},
	// Loops.
	{"*", strings.Repeat("no ", 30), polluted, ReasonRepetition},
	{"*", "First, " + strings.Repeat("then that, ", 20), polluted, ReasonRepetition},
	{"*", strings.Repeat("a", 60), polluted, ReasonRepetition},
	{"*", strings.Repeat("\u4f60\u597d", 30), polluted, ReasonRepetition},
}

// kit is what the rules build replies of in one format.
type kit struct {
	good   string // one call
	tagged bool   // calls stand between tags
}

// kits returns well-formed calls of every format and ways to break their bodies.
func kits() map[string][]kit {
	calls := []ballast.Call{
		{Name: "mv", Args: []ballast.Arg{{Name: "a", Value: int64(1)}}},
		{Name: "ls"},
		{Name: "mv", Args: []ballast.Arg{{Name: "source", Value: "a b/c.txt"}, {Name: "force", Value: true}}},
		{Name: "ls", Args: []ballast.Arg{{Name: "x", Value: "</tool_call> and }"}, {Name: "y", Value: nil}}},
		{Name: "mv", Args: []ballast.Arg{{Name: "list", Value: value.NewList("it's", 1.5, "\u00e9")}}},
	}
	out := map[string][]kit{}
	for name, f := range All {
		for _, c := range calls {
			if holdsTag(f, []ballast.Call{c}) {
				c.Args = c.Args[1:]
			}
			out[name] = append(out[name], kit{good: f.Render([]ballast.Call{c}, nil), tagged: name == "hermes" || name == "xml" || name == "glm"})
		}
	}
	return out
}

// byRule derives labelled replies from one well-formed call.
func byRule(name string, k kit) []label {
	add := func(reply string, form ballast.ReplyKind, reason Reason) label {
		return label{name, reply, form, reason}
	}
	out := []label{
		add(k.good, call, ""),
		add(k.good+"<|im_end|>", call, ""),
		add("I look into it.\n"+k.good, call, ""),
		add("<think>\nwhich one?\n</think>\n\n"+k.good+"\n", call, ""),
		add(k.good+"\nDone.", polluted, ReasonTextAroundCall),
		add(k.good+"<|im_end|>\n<|im_start|>user\nthanks", polluted, ReasonControlInText),
	}
	if !k.tagged {
		return append(out, add("<tool_call>\n"+k.good+"\n</tool_call>", polluted, ReasonOtherSyntax),
			add(k.good+"</tool_call>", polluted, ReasonStrayClose))
	}
	body := strings.TrimSuffix(strings.TrimPrefix(k.good, openCall), closeCall)
	stray := ReasonStrayClose
	if strings.Contains(body, glmKey) { // comes first
		stray = ReasonOtherSyntax
	}
	return append(out,
		add(k.good+"\n"+k.good, call, ""),
		add(openCall+body, polluted, ReasonUnclosedTag),
		add("Yes. "+openCall+body+"<|im_end|>", polluted, ReasonUnclosedTag),
		add(body+closeCall, polluted, stray),
		add(openCall+k.good, polluted, ReasonNestedTag),
		add(openCall+body+openCall+body+closeCall, polluted, ReasonNestedTag),
		add(k.good+closeCall, polluted, ReasonStrayClose),
		add(k.good+"\n"+openCall, polluted, ReasonUnclosedTag),
		add(k.good+" then "+k.good, polluted, ReasonTextAroundCall),
		add(openCall+body+"<|im_end|>"+closeCall, polluted, ReasonControlInText),
		add(k.good+"<tool_response>\nok\n</tool_response>", polluted, ReasonControlInText),
		add(openCall+"\nmove it\n"+closeCall, polluted, map[string]Reason{"hermes": ReasonBadJSON, "xml": ReasonBadCall, "glm": ReasonBadCall}[name]),
	)
}

// TestLabelledSet holds every label and the size of the whole set.
func TestLabelledSet(t *testing.T) {
	set := append([]label{}, nearMisses...)
	for name, list := range kits() {
		for _, k := range list {
			set = append(set, byRule(name, k)...)
		}
	}
	seen, reasons := map[string]bool{}, map[Reason]bool{}
	for _, c := range labelled {
		seen[c.format+c.reply], reasons[c.reason] = true, true
	}
	for _, c := range set {
		seen[c.format+c.reply], reasons[c.reason] = true, true
		for name, f := range All {
			if c.format != name && c.format != "*" {
				continue
			}
			if got := f.Parse(c.reply, offered); got.Kind != c.form || got.Reason != c.reason {
				t.Errorf("%s %q: %s %q, labelled %s %q", name, c.reply, got.Kind, got.Reason, c.form, c.reason)
			}
		}
	}
	if len(seen) < 300 {
		t.Errorf("%d different replies, want at least 300", len(seen))
	}
	for _, r := range []Reason{ReasonUnclosedTag, ReasonStrayClose, ReasonNestedTag, ReasonBrokenTag, ReasonTextAroundCall, ReasonBadJSON, ReasonBadCall,
		ReasonNotAnObject, ReasonMissingName, ReasonMissingArguments, ReasonBadArguments, ReasonOtherSyntax, ReasonControlInText, ReasonRepetition,
		ReasonEmpty, ReasonOnlyControl, ReasonNoWords, ReasonUnknownTool} {
		if !reasons[r] {
			t.Errorf("no reply has the reason %s", r)
		}
		if faults[r] == "" && r != ReasonUnknownTool {
			t.Errorf("no policy is told of %s in words", r)
		}
	}
	t.Log(fmt.Sprint(len(seen), " replies"))
}
