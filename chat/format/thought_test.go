package format

import (
	"strings"
	"testing"

	"ballast"
)

// drafts are texts that a thought may hold without a fault: calls of every format and
// of others, tags, control tokens of call syntaxes.
func drafts() []string {
	list := []string{"hm", "<tool_call>", "</tool_call>", "<tool_call></tool_call>", "<tool_response>ok</tool_response>", "I must answer inside <tool_call></tool_call> tags.",
		"<think> is a tag", "<tool_call", "<TOOL_CALL>", "tool_call>", "<|python_tag|>import os", "<|tool_call_start|>[mv(a=1)]<|tool_call_end|>",
		"<function=mv>", "[TOOL_CALLS]", "mv(a=1)", "[mv(a=1)", `{"name": "mv", "arguments": {`, `{"name": "mv", "parameters": {"a": 1}}`,
		"Action: mv\nAction Input: {}", "<tool_call>\n{\"name\": \"mv\", \"arguments\": {\"a\": \"<think>\"}}\n</tool_call>",
		strings.Repeat("<tool_call>\n", 40)}
	for _, f := range All {
		text := f.Render(sampleCalls, nil)
		list = append(list, text, "Maybe\n"+text+"\nor not", text[:len(text)/2])
	}
	return list
}

// TestDraftedCalls holds that what stands in a leading thought is text of the thought:
// the reply is what stands behind it.
func TestDraftedCalls(t *testing.T) {
	for name, f := range All {
		rest := []string{"Done.", f.Render([]ballast.Call{{Name: "ls"}}, nil), "I do.\n" + f.Render(sampleCalls, nil), "<tool_call>", "Done.</tool_call>", ""}
		for _, draft := range drafts() {
			for _, after := range rest {
				reply := "<think>\n" + draft + " .x\n</think>\n\n" + after
				got, want := f.Parse(reply, offered), f.Parse("<think>x</think>"+after, offered)
				if got.Kind != want.Kind || got.Reason != want.Reason || got.Text != want.Text || !sameCalls(got.Calls, want.Calls) {
					t.Errorf("%s %q: %s %q %v, without the draft %s %q %v", name, reply, got.Kind, got.Reason, got.Calls, want.Kind, want.Reason, want.Calls)
				}
				if got.Thought != trim(draft+" .x") {
					t.Errorf("%s %q: thought %q", name, reply, got.Thought)
				}
				checkIn(t, f, reply)
			}
			open := f.Parse("<think>\n"+draft+" .x", offered)
			if open.Kind != polluted || open.Reason != ReasonUnclosedTag || len(open.Calls) > 0 || open.Text != "" {
				t.Errorf("%s, a thought of %q that never closes: %s %q %v", name, draft, open.Kind, open.Reason, open.Calls)
			}
			if cut := open.Cut(); cut.Reason != ReasonCut || len(cut.Calls) > 0 {
				t.Errorf("%s, a thought of %q that was cut: %s %q", name, draft, cut.Kind, cut.Reason)
			}
			checkIn(t, f, "<think>\n"+draft)
			checkIn(t, f, draft+"</think>"+draft)
		}
	}
}

// TestThoughtsInOtherPlaces holds what the package documentation says of thoughts that do
// not lead the reply: the reply is polluted, and calls before the last closing tag are
// not read. CALL stands for a call of ls, DRAFT for one of mv.
func TestThoughtsInOtherPlaces(t *testing.T) {
	for _, c := range []struct {
		reply  string
		reason Reason
		calls  int
		text   string
	}{
		{"I should look.\n</think>\n\nCALL", ReasonStrayClose, 1, "I should look."},
		{"Maybe\nDRAFT\n</think>\n\nCALL", ReasonStrayClose, 1, "Maybe"},
		{"Maybe\nDRAFT\n</think>\n\nDone.", ReasonStrayClose, 0, ""},
		{"Maybe\nDRAFT</think>", ReasonStrayClose, 0, "Maybe"},
		{"<think>a</think>\nDRAFT\n</think>\nCALL", ReasonStrayClose, 1, ""},
		{"<think>a <think>b</think>\nDRAFT\n</think>\nCALL", ReasonStrayClose, 1, ""},
		{"<think>a</think>\n\n<think>DRAFT</think>\nCALL", ReasonControlInText, 1, ""},
		{"<think>a</think>\nDRAFT\n<think>b</think>\nCALL", "", 1, ""},
		{"<think>a</think>\n<think>\nDRAFT", ReasonControlInText, 0, ""},
		{"Ok. <think>\nDRAFT\n</think>\n\nCALL", ReasonControlInText, 1, "Ok."},
		{"Ok.\n<think>\nDRAFT", ReasonControlInText, 0, "Ok."},
		{"DRAFT\n<think>hm</think>\nCALL", "", 1, ""},
		{"DRAFT\n<think>hm</think>\nDone.", "", 0, ""},
		{"DRAFT</think>", ReasonStrayClose, 0, ""},
		{"<think>a<|im_end|></think>\nCALL", ReasonControlInText, 1, ""},
		{"<think>a<|im_start|>user\nb</think>\nCALL", ReasonControlInText, 1, ""},
		{"<think>a<|eot_id|>DRAFT", ReasonControlInText, 0, ""},
	} {
		for name, f := range All {
			reply := strings.NewReplacer("CALL", f.Render([]ballast.Call{{Name: "ls"}}, nil),
				"DRAFT", f.Render([]ballast.Call{{Name: "mv", Args: []ballast.Arg{{Name: "a", Value: "x"}}}}, nil)).Replace(c.reply)
			p := f.Parse(reply, offered)
			if p.Kind != polluted || c.reason != "" && p.Reason != c.reason || len(p.Calls) != c.calls {
				t.Errorf("%s %q: %s %q %v, want %q and %d calls", name, reply, p.Kind, p.Reason, p.Calls, c.reason, c.calls)
			}
			if len(p.Calls) > 0 && p.Calls[0].Name != "ls" {
				t.Errorf("%s %q: %v was called in a thought", name, reply, p.Calls)
			}
			if c.text != "" && p.Text != c.text && name == "hermes" {
				t.Errorf("%s %q: text %q, want %q", name, reply, p.Text, c.text)
			}
			checkIn(t, f, reply)
		}
	}
}

// TestMistralThoughts: what is a thought between <think> and </think> is one between the tags that Mistral's models have.
func TestMistralThoughts(t *testing.T) {
	f := All["mistral-v11"]
	tags := strings.NewReplacer("<think>", "[THINK]", "</think>", "[/THINK]")
	for _, draft := range drafts() {
		for _, after := range []string{"Done.", f.Render(sampleCalls, nil), "", "</think>x", "<think>x"} {
			reply := "<think>\n" + draft + " .x\n</think>\n\n" + after
			got, want := f.Parse(tags.Replace(reply), offered), f.Parse(reply, offered)
			if got.Kind != want.Kind || got.Reason != want.Reason || got.Text != want.Text || got.Thought != tags.Replace(want.Thought) || !sameCalls(got.Calls, want.Calls) {
				t.Errorf("%q: %+v, want %+v", tags.Replace(reply), got, want)
			}
			checkIn(t, f, tags.Replace(reply))
		}
	}
}

// TestSpoken: what a reply says to its user stands behind a thought, whoever's the tags are, or on the channels for the user.
func TestSpoken(t *testing.T) {
	for reply, want := range map[string]string{
		"Done.": "Done.", "<think>Hm.</think>Done.": "Done.", "Hm.</think>Done.": "Done.", "[THINK]Hm.[/THINK]Done.": "Done.",
		"<|channel|>analysis<|message|>I cannot.<|end|><|start|>assistant<|channel|>final<|message|>Done.<|return|>": "Done.",
		"<|channel|>final<|message|>Done.": "Done.",
		"<|channel|>final":                 "<|channel|>final", // no message
	} {
		if got := Spoken(reply); got != want {
			t.Errorf("%q: %q, want %q", reply, got, want)
		}
	}
}
