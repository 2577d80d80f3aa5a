package format

import (
	"cmp"
	"strings"

	"ballast"
)

// Reason says why a reply has its form; it is empty for healthy replies with
// nothing to remark. The first fault from the left gives the reason.
type Reason string

// The reasons. All but ReasonUnknownTool come with FormPolluted, except where
// FormCollapsed is named.
const (
	// ReasonUnclosedTag: a call (or a thought) was opened and never closed.
	ReasonUnclosedTag Reason = "unclosed_tag"
	// ReasonStrayClose: a closing tag that closes nothing.
	ReasonStrayClose Reason = "stray_close"
	// ReasonNestedTag: an opening tag inside an open call.
	ReasonNestedTag Reason = "nested_tag"
	// ReasonBrokenTag: a tag that is misspelled or cut off, such as "<tool_call".
	ReasonBrokenTag Reason = "broken_tag"
	// ReasonTextAroundCall: text between or after the calls. Text before the
	// first call is healthy.
	ReasonTextAroundCall Reason = "text_around_call"
	// ReasonBadJSON: the body of a call is not JSON.
	ReasonBadJSON Reason = "bad_json"
	// ReasonBadCall: the body is not in the format's own call syntax (Python
	// call list, function and parameter tags), or a value is not of the type that
	// the tool declares where the format needs types to read it.
	ReasonBadCall Reason = "bad_call"
	// ReasonNotAnObject: the body is JSON but no object.
	ReasonNotAnObject Reason = "not_an_object"
	// ReasonMissingName: no "name", or not a non-empty string.
	ReasonMissingName Reason = "missing_name"
	// ReasonMissingArguments: no arguments object where one must stand.
	ReasonMissingArguments Reason = "missing_arguments"
	// ReasonBadArguments: arguments that are no object, a parameter without a
	// name, a parameter given twice.
	ReasonBadArguments Reason = "bad_arguments"
	// ReasonOtherSyntax: a call in the syntax of another format, or without the
	// tags or brackets of this one.
	ReasonOtherSyntax Reason = "other_syntax"
	// ReasonControlInText: a control token where the format has none: a role
	// header, a second end token, a tool result made up by the policy.
	ReasonControlInText Reason = "control_in_text"
	// ReasonRepetition: most of the text is one unit over and over.
	ReasonRepetition Reason = "repetition"
	// ReasonCut: the reply ran into its budget before it was complete.
	ReasonCut Reason = "cut"
	// ReasonEmpty: nothing but white space (FormCollapsed), or nothing after a
	// thought (FormPolluted).
	ReasonEmpty Reason = "empty"
	// ReasonOnlyControl: control tokens with nothing but white space and ASCII
	// punctuation between them (FormCollapsed).
	ReasonOnlyControl Reason = "only_control"
	// ReasonNoWords: nothing but ASCII punctuation (FormCollapsed).
	ReasonNoWords Reason = "no_words"
	// ReasonUnknownTool: well-formed calls, one of a function that is not
	// offered. The form is FormCall: the format is healthy, and the world
	// answers the call with an error the policy can learn from.
	ReasonUnknownTool Reason = "unknown_tool"
)

// Parsed is what a reply says.
type Parsed struct {
	Kind   ballast.ReplyKind
	Reason Reason // "" if there is nothing to remark
	// Detail says in a few words what was found where Reason says too little, such as
	// the argument that is not of its declared type; often "".
	Detail string
	// Calls are the well-formed calls in order. A polluted reply keeps those
	// that could be read, for callers as lenient as the paper's reference code;
	// a response and a collapsed reply have none.
	Calls []ballast.Call
	// Text is the prose outside calls and thoughts, trimmed.
	Text string
	// Thought is the content of a leading <think> block, trimmed.
	Thought string
}

// Cut is the verdict on the same reply when it was ended by a budget and not by
// the policy: a healthy reply is polluted by its missing end, and what the cut
// itself explains (an unclosed tag) has the reason ReasonCut. Other faults and
// collapsed replies keep their reason.
func (p Parsed) Cut() Parsed {
	healthy := p.Kind == ballast.KindCall || p.Kind == ballast.KindResponse
	if healthy || p.Reason == ReasonUnclosedTag || p.Reason == ReasonBrokenTag ||
		p.Kind == ballast.KindPolluted && p.Reason == ReasonEmpty {
		p.Kind, p.Reason = ballast.KindPolluted, ReasonCut
	}
	return p
}

// fault records the first fault.
func (p *Parsed) spoil(r Reason) {
	p.Reason = cmp.Or(p.Reason, r)
}

// detailed records the first fault with its Detail.
func (p *Parsed) detailed(r Reason, detail string) {
	if p.Reason == "" {
		p.Reason, p.Detail = r, detail
	}
}

// finish decides the form once a reply that has words is read: any fault is
// pollution; offered marks calls of functions that are not offered.
func (p Parsed) finish(offered Offered) Parsed {
	p.Text = trim(p.Text)
	switch {
	case p.Reason != "":
		p.Kind = ballast.KindPolluted
	case len(p.Calls) > 0:
		p.Kind = ballast.KindCall
		for _, c := range p.Calls {
			if unknown(offered, c.Name) {
				p.Reason = ReasonUnknownTool
			}
		}
	default:
		p.Kind = ballast.KindResponse
	}
	return p
}

// faultyProse returns the fault of the prose of a reply: what is wrong with it
// although no control token is.
func faultyProse(text string) Reason {
	switch {
	case brokenTag(text):
		return ReasonBrokenTag
	case repeats(text):
		return ReasonRepetition
	}
	return ""
}

// brokenTag reports whether prose holds a tag that is not one: cut off, without
// its bracket, in capitals, or without the underscore.
func brokenTag(text string) bool {
	if !strings.ContainsAny(text, "<>") {
		return false
	}
	low := strings.ToLower(text)
	for _, mark := range []string{"tool_call>", "<tool_call", "</tool_call", "toolcall>", "tool_response>",
		"<tool_response", "</tool_response", "<|im_", "im_start|>", "im_end|>", "<|eot", "eot_id|>"} {
		if strings.Contains(low, mark) {
			return true
		}
	}
	// A tag cut off at the very end: "<tool", "</to".
	if i := strings.LastIndexByte(low, '<'); i >= 0 && len(low)-i >= 4 {
		tail := low[i:]
		return strings.HasPrefix("<tool_call>", tail) || strings.HasPrefix("</tool_call>", tail)
	}
	return false
}

// Bounds of repeats: the unit stands at least repeatTimes times at the end of
// the text and covers at least repeatBytes bytes and half of the text.
const (
	repeatTimes = 10
	repeatBytes = 40
	repeatTail  = 1 << 13 // only this much of the end is looked at
)

// repeats reports whether the text ends in one unit with a word in it over and
// over. A rule of dashes or dots is no repetition: it has no word.
func repeats(text string) bool {
	if len(text) < repeatBytes {
		return false
	}
	n := min(len(text), repeatTail)
	least := max(repeatBytes, n/2)
	// Prefix function of the reversed tail: i - fail[i] is the period of the
	// last i bytes. A last unit that was cut off does not hide the period.
	at := func(i int) byte { return text[len(text)-1-i] }
	fail := make([]int, n+1)
	for i, k := 1, 0; i < n; i++ {
		for k > 0 && at(i) != at(k) {
			k = fail[k]
		}
		if at(i) == at(k) { // the border grows
			k++
		}
		fail[i+1] = k
	}
	for i := n; i >= least; i-- {
		if period := i - fail[i]; i >= repeatTimes*period { // enough units
			return hasWord(text[len(text)-period:])
		}
	}
	return false
}

// collapsed reports the verdict on a reply without a word: that it is collapsed
// and why. The pieces are the whole reply without its end token.
func collapsed(pieces []Piece) (Parsed, bool) {
	controls, blank := 0, true
	for _, p := range pieces {
		switch {
		case p.Control:
			controls++
		case hasWord(p.Text):
			return Parsed{}, false
		case trim(p.Text) != "":
			blank = false
		}
	}
	p := Parsed{Kind: ballast.KindCollapsed, Reason: ReasonNoWords}
	switch {
	case controls > 0:
		p.Reason = ReasonOnlyControl
	case blank:
		p.Reason = ReasonEmpty
	}
	return p, true
}

// faults say what a policy is told of each reason: what stands in its reply.
var faults = map[Reason]string{
	ReasonUnclosedTag:      "a call or a thought is never closed",
	ReasonStrayClose:       "a closing tag closes nothing",
	ReasonNestedTag:        "a call is opened inside a call",
	ReasonBrokenTag:        "a tag is misspelled or cut off",
	ReasonTextAroundCall:   "text stands between or after the calls",
	ReasonBadJSON:          "a call is not JSON",
	ReasonBadCall:          "a call is not in the syntax of calls",
	ReasonNotAnObject:      "a call is not a JSON object",
	ReasonMissingName:      "a call does not name a function",
	ReasonMissingArguments: "a call has no arguments object",
	ReasonBadArguments:     "the arguments of a call are no object, or one of them has no name of its own",
	ReasonOtherSyntax:      "a call is written in another syntax",
	ReasonControlInText:    "a control token stands where none may",
	ReasonRepetition:       "most of it is one text over and over",
	ReasonCut:              "it is not complete",
	ReasonEmpty:            "it is empty",
	ReasonOnlyControl:      "there is nothing but control tokens in it",
	ReasonNoWords:          "there are no words in it",
}

// Fault says in words what is wrong with an unhealthy reply, for its policy: a clause
// without a full stop. Of a healthy one it is "".
func (p Parsed) Fault() string {
	if p.Kind == ballast.KindCall || p.Kind == ballast.KindResponse {
		return ""
	}
	text, known := faults[p.Reason]
	if !known {
		text = string(p.Reason)
	}
	if p.Detail != "" {
		text += " (" + p.Detail + ")"
	}
	return text
}
