package format

import "ballast"

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
