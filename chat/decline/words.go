package decline

import (
	"regexp"
	"strings"
)

// declines are words by which a reply says that no tool fits, or what is missing or wrong: those of benchmarks, and those that
// models use. Each begins a word: "the taxi needs a driver" has no "i need".
var declines = regexp.MustCompile(`(?:^|[^\pL\pN])(?:` + strings.Join([]string{
	// the answers that benchmarks want
	`limitations of the function`, `missing necessary parameter`, `incorrect value`,

	// what the model cannot do
	`cannot`, `can't`, `can not`, `unable to`, `not (?:be )?able to`, `won't be able to`, `not possible`, `impossible`,
	`do not have`, `don't have`, `not (?:equipped|capable|permitted|allowed)`, `beyond my`, `outside of my`, `i can only`,

	// no tool fits
	`no (?:(?:other|direct|suitable|applicable|appropriate|relevant|available|provided|given|specific|single|such) )*` + tool,
	`none of the`, `not supported`, `not available`, `unavailable`, `not (?:suitable|applicable|relevant)`,
	tool + `s?(?: [^ .!?\n]+){0,6} (?:do not|does not|doesn't|don't) ` + covers, `not (?:include|contain|provide) an?(?: \w+)? ` + tool,

	// what is missing
	`missing`, `(?:question|request) lacks`, `is required`, `are required`, `not provided`, `not specified`,
	`question (?:does not|doesn't|did not|didn't) (?:provide|specify|include|mention)`,
	`please provide`, `please specify`, `(?:could|can) you (?:please|provide|specify)`, `clarify`,
	`i(?:'ll| will|'d| would)? need`, `need more information`, `need to know`, `once you provide`, `if you (?:can |could )?provide`,
	`not enough`, `(?:isn't|aren't|doesn't have|does not have) enough`, `not sufficient`, `insufficient`,
	`there (?:is|are)(?: \w+)? no(?: [a-z-]+){1,3} available`,

	// what is wrong
	`incorrect`, `invalid`, `not valid`, `is wrong`, `does not exist`, `doesn't exist`, `not a valid`,
}, "|") + `)`)

const (
	tool   = `(?:function|tool|api)`
	covers = `(?:provide|include|contain|match|have|support|fit|seem|appear|allow|offer|cover)`
)

// wish is how a reply asks without a question mark.
var wish = regexp.MustCompile(`(?:(?:let me know|tell me|confirm) (?:which|what|how)|(?:let me know|tell me) the) [^.!?\n]*`)

// question is a question that asks for something missing. "Shall I go on?" and "Would you like more?" ask for nothing missing.
var question = regexp.MustCompile(`^(?:(?:in|on|at|for|from|to|by|with|of) )?(?:which|what|who|whom|whose|when|where|how)(?:'s)?(?: |$)|` +
	`(?:^|\W)(?:do you (?:have a|prefer|mean)|did you mean|would you prefer|are you looking for)(?: |$)`)

// wishes says that a reply asks to be told something that is missing: "Let me know which folder."
func wishes(words string) bool {
	for _, w := range wish.FindAllString(words, -1) {
		if !offers(w) {
			return true
		}
	}
	return false
}

// offers says that a sentence asks what more the user wants.
func offers(sentence string) bool {
	for _, more := range []string{" else", " help", " assist", " questions"} {
		if strings.Contains(sentence, more) {
			return true
		}
	}
	return false
}
