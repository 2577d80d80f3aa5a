// Package decline says how a reply reads where no call is right: it says that no tool fits, or what is missing or wrong; it
// says something else; it cannot be read; or it calls.
//
// Contract: this is the one place that decides it. Only the first is an honest refusal. A reply is looked at as text, by
// lists of words, and no model is asked: what declines in words that no list has counts as prose, and an answer that has such words
// in passing counts as abstained. docs/ood.md, section Declining, says how often. It changes no verdict.
package decline

import (
	"strings"
	"unicode"

	"ballast"
	"ballast/chat/format"
)

// Manner is how a reply reads.
type Manner string

// The manners.
const (
	Abstained  Manner = "abstained"  // calls nothing, and says that no tool fits, or what is missing or wrong
	Prose      Manner = "prose"      // calls nothing, and says something else
	Unreadable Manner = "unreadable" // has no words, or what is left of a call
	Called     Manner = "called"     // has a call
)

// Manners lists them.
var Manners = []Manner{Abstained, Prose, Unreadable, Called}

// Count counts replies by their manner.
type Count struct {
	Abstained  int `json:"abstained"`
	Prose      int `json:"prose"`
	Unreadable int `json:"unreadable"`
	Called     int `json:"called"`
}

// Add counts a reply.
func (c *Count) Add(m Manner) { *c.field(m)++ }

// Of is how many replies read so.
func (c Count) Of(m Manner) int { return *c.field(m) }

func (c *Count) field(m Manner) *int {
	switch m {
	case Abstained:
		return &c.Abstained
	case Prose:
		return &c.Prose
	case Called:
		return &c.Called
	}
	return &c.Unreadable
}

// Turn is the manner of a turn: of its last reply, or a call if any reply of it has one. A turn without a reply cannot be read.
func Turn(t *ballast.Turn) Manner {
	for i := range t.Steps {
		if s := &t.Steps[i]; s.Kind == ballast.KindCall || len(s.Results) > 0 {
			return Called
		}
	}
	if len(t.Steps) == 0 {
		return Unreadable
	}
	if last := &t.Steps[len(t.Steps)-1]; last.Kind == ballast.KindResponse {
		return manner(format.Spoken(last.Text), t.User)
	}
	return Unreadable
}

// Text is the manner of a reply of which nothing is known but its text, and that it has no call that can be read.
func Text(reply string) Manner {
	if reply = format.Spoken(reply); residue(reply) {
		return Unreadable
	}
	return manner(reply, "")
}

// manner is the manner of prose that answers a user.
func manner(prose, user string) Manner {
	if words := lower(prose); declines.MatchString(words) || wishes(words) || asks(words, lower(user)) {
		return Abstained
	}
	return Prose
}

func lower(text string) string { return plain.Replace(strings.ToLower(text)) }

// plain writes the apostrophe of typesetters as the lists below do.
var plain = strings.NewReplacer("\u2019", "'")

// residue says that a reply has no word, or holds what is left of a call: a tag, or a line without blanks that begins with a bracket
// and has a parenthesis. Text in quotes, an empty list and a call without a name are no residue.
func residue(reply string) bool {
	if !strings.ContainsFunc(reply, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return true
	}
	for _, tag := range tags {
		if strings.Contains(reply, tag) {
			return true
		}
	}
	for line := range strings.Lines(reply) {
		rest, open := strings.CutPrefix(strings.TrimSpace(line), "[")
		rest = strings.TrimSpace(rest)
		if open && rest != "" && !strings.ContainsRune("\"'()]", rune(rest[0])) && strings.Contains(rest, "(") && !strings.Contains(rest, " ") {
			return true
		}
	}
	return false
}

// tags are what calls leave behind.
var tags = []string{"<tool_call>", "</tool_call>", "<|", "<tool_response>", "\"arguments\":"}

// echoed is how many words make what the user's own message has an echo of it: "Which one?" is a question, whatever the user wrote.
const echoed = 4

// asks says that the last sentence of a reply asks for something that is missing: "Which folder?". An echo of the user asks nothing.
func asks(words, user string) bool {
	words, asked := strings.CutSuffix(strings.TrimRightFunc(strip(words), unicode.IsSpace), "?")
	if !asked {
		return false
	}
	if i := strings.LastIndexAny(words, ".!?\n"); i >= 0 {
		words = words[i+1:]
	}
	words = strings.TrimSpace(words)
	if offers(words) || strings.Count(words, " ")+1 >= echoed && strings.Contains(user, words) {
		return false
	}
	return question.MatchString(words)
}

// strip takes the control tokens off the end of a reply: records keep them.
func strip(words string) string {
	words = strings.TrimSpace(words)
	for strings.HasSuffix(words, ">") {
		i := strings.LastIndexByte(words, '<')
		if i < 0 || strings.ContainsAny(words[i:], " \n") {
			break
		}
		words = strings.TrimSpace(words[:i])
	}
	return words
}
