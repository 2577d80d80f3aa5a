package decline

import (
	"testing"

	"ballast"
)

func TestText(t *testing.T) {
	for reply, want := range map[string]Manner{
		"": Unreadable, "]]": Unreadable, "<tool_call>": Unreadable, "<tool_call>{\"name\": </tool_call>": Unreadable, "[f(a=": Unreadable,
		`["Due to the limitations of the function, I cannot solve this problem."]`: Abstained,
		"Which city do you mean? Please provide the date.":                         Abstained,
		"Which folder?":                                   Abstained,
		"I see. what day":                                 Prose,
		"Done. Which folder?":                             Abstained,
		"Done. What else can I do?":                       Prose,
		"Is that all?":                                    Prose,
		"No tool for that.":                               Abstained,
		"Paris is the capital of France.":                 Prose,
		"[f(a=1)]":                                        Unreadable, // whoever reads calls has read none
		"<b>Paris</b>":                                    Prose,
		"Sind Sie sicher?":                                Prose,
		"I can\u2019t do that.":                           Abstained, // as typesetters write it
		"You don\u2019t need that.":                       Prose,
		"The taxi needs a driver.":                        Prose, // not "i need"
		"The piano tool is in the box.":                   Prose, // not "no tool"
		"Sorry, I need a date.":                           Abstained,
		"The piano tool broke; no tool is left for that.": Abstained,
		"<think>I call [f(a=1)]</think>No tool fits.":     Abstained,
		"<|channel|>analysis<|message|>I cannot.<|end|><|start|>assistant<|channel|>final<|message|>Done.<|return|>":  Prose,
		"<|channel|>analysis<|message|>Easy.<|end|><|start|>assistant<|channel|>final<|message|>Which one?<|return|>": Abstained,
		"<|channel|>commentary to=functions.f<|message|>{\"a\": 1":                                                    Unreadable,
		"\xff": Prose,

		// no tool fits
		"There is no suitable function for a sphere.":                      Abstained,
		"There is no other available tool for it.":                         Abstained,
		"No change was needed; the tool did it.":                           Prose,
		"The given functions do not contain any information about pandas.": Abstained,
		"The function `get_prime` is not suitable here.":                   Abstained,
		"The function `get_prime` adds two numbers.":                       Prose,
		"None of the functions fits.\n[()]":                                Abstained, // a call of nothing
		"[]\n(No function fits.)":                                          Abstained,
		"I'm not equipped to book flights.":                                Abstained,
		"The chatbot will not be able to add it.":                          Abstained,
		"There are no nonstop flights available on Monday.":                Abstained,
		"There are no extra fees.":                                         Prose,
		// what is missing
		"Two trips are booked. Please let me know which trip you want to cancel.": Abstained,
		"Let me know what you need help with.":                                    Prose,
		"Let me know if you want anything else.":                                  Prose,
		"Please confirm the transaction.":                                         Prose,
		"I'll need the IDs of both.":                                              Abstained,
		"Once you provide the ID, I go on.":                                       Abstained,
		"The request lacks a date.":                                               Abstained,
		"The card doesn't have enough balance.":                                   Abstained,
		"In which city is it?":                                                    Abstained,
		"What's the date?":                                                        Abstained,
		"Sure. Do you have a preference for a stylist?":                           Abstained,
		"Would you prefer the left one?":                                          Abstained,
		"Do you have any other questions?":                                        Prose,
		// what is offered, or to be confirmed
		"A house is free in Austin. Would you like more details?": Prose,
		"The fare is $10. Would you like to proceed?":             Prose,
		"How can I help?": Prose,
	} {
		if reply == "\xff" { // no letter
			want = Unreadable
		}
		if got := Text(reply); got != want {
			t.Errorf("%q: %s, want %s", reply, got, want)
		}
	}
}

// A small model often says its task again. That asks for nothing.
func TestEcho(t *testing.T) {
	for _, c := range []struct {
		user, reply string
		want        Manner
	}{
		{"Who wrote bring tax?", "who wrote bring tax?", Prose},
		{"Who wrote bring tax?", "The answer is:\nwho wrote bring tax?<|im_end|>", Prose},
		{"Who wrote bring tax?", "Who wrote what?", Abstained},
		{"Write to kim.", "who wrote bring tax?", Abstained}, // of another turn: a question
		{"", "Who?", Abstained},
		{"Send it, you know to whom and which one.", "Which one?", Abstained}, // no echo, though the user wrote these words
		{"Send it to who wrote bring tax.", "who?", Abstained},
		{"Send it to who wrote bring tax.", "who wrote bring tax?", Prose},
	} {
		turn := ballast.Turn{User: c.user, Steps: []ballast.Step{{Kind: ballast.KindResponse, Text: c.reply}}}
		if got := Turn(&turn); got != c.want {
			t.Errorf("%q to %q: %s, want %s", c.reply, c.user, got, c.want)
		}
	}
}

func TestTurn(t *testing.T) {
	step := func(kind ballast.ReplyKind, text string, results ...string) ballast.Step {
		return ballast.Step{Kind: kind, Text: text, Results: results}
	}
	for _, c := range []struct {
		want  Manner
		steps []ballast.Step
	}{
		{Unreadable, nil},
		{Abstained, []ballast.Step{step(ballast.KindResponse, "Which item?<|im_end|>")}},
		{Abstained, []ballast.Step{step(ballast.KindResponse, "No tool for that.<|im_end|>")}},
		{Prose, []ballast.Step{step(ballast.KindResponse, "Done.<|im_end|>")}},
		{Prose, []ballast.Step{step(ballast.KindResponse, "<think>I cannot. Which one?</think>Done.<|im_end|>")}},
		{Abstained, []ballast.Step{step(ballast.KindResponse, "<think>Easy.</think>Which one?<|im_end|>")}},
		{Prose, []ballast.Step{step(ballast.KindResponse, "[THINK]I cannot. Which one?[/THINK]Done.</s>")}},
		{Prose, []ballast.Step{step(ballast.KindResponse, "<|channel|>analysis<|message|>I cannot.<|end|><|start|>assistant<|channel|>final<|message|>Done.")}},
		{Abstained, []ballast.Step{step(ballast.KindResponse, "<|channel|>final<|message|>Which one?<|return|>")}},
		{Unreadable, []ballast.Step{step(ballast.KindPolluted, "I cannot do that.<tool_call>")}},
		{Unreadable, []ballast.Step{step(ballast.KindCollapsed, "<|im_end|>")}},
		{Called, []ballast.Step{step(ballast.KindCall, "f()", "1"), step(ballast.KindResponse, "I cannot.")}},
		{Called, []ballast.Step{step(ballast.KindPolluted, "f() <x", "1"), step(ballast.KindResponse, "I cannot.")}},
		{Abstained, []ballast.Step{step(ballast.KindPolluted, "<x"), step(ballast.KindResponse, "I cannot.")}}, // it was asked again
	} {
		if got := Turn(&ballast.Turn{Steps: c.steps}); got != c.want {
			t.Errorf("%+v: %s, want %s", c.steps, got, c.want)
		}
	}
	var n Count
	for _, m := range Manners {
		n.Add(m)
		n.Add(m)
		if n.Of(m) != 2 {
			t.Errorf("%s: %+v", m, n)
		}
	}
}
