package acebench

import (
	"context"
	"strings"

	"ballast"
	world "ballast/world/acebench"
)

// The names of the users of agent_multi_turn in tables.
const (
	RulesName    = "acebench-rules"    // by rules, from the instruction (NewRules)
	EndpointName = "acebench-endpoint" // a model with the original's prompts (UserMessages)
	LinesName    = "acebench-lines"    // lines that were recorded (Lines)
)

// UserMessages are the chat messages that the original gives the model that plays the user of a dialogue so far: what it said
// itself has the role system, what the agent said to it the role user. It sees no calls and no results.
func UserMessages(t *ballast.Task, ep *ballast.Episode) []ballast.Message {
	template := texts.UserTravel
	for _, class := range t.APIs {
		if class == "BaseApi" {
			template = texts.UserPhone
		}
	}
	out := []ballast.Message{{Role: roleSystem, Text: fields(template, "{instruction}", t.Turns[0].User)},
		{Role: roleUser, Text: texts.UserFirst}}
	for i := range ep.Turns {
		out = append(out, ballast.Message{Role: roleSystem, Text: ep.Turns[i].User})
		text := last(&ep.Turns[i])
		if rest, ok := strings.CutPrefix(text, tagUser); ok {
			text = rest
		} else {
			text = strings.TrimPrefix(text, tagAgent)
		}
		out = append(out, ballast.Message{Role: roleUser, Text: text})
	}
	return out
}

// Lines are what a user says whose lines were recorded: one after the other, and Rest, or the words that end the
// dialogue, behind the last one.
type Lines struct {
	Said []string
	Rest string
}

// Next says the next line.
func (l Lines) Next(_ context.Context, ep *ballast.Episode) (string, bool, error) {
	switch n := len(ep.Turns); {
	case n < len(l.Said):
		return l.Said[n], true, nil
	case l.Rest != "":
		return l.Rest, true, nil
	}
	return world.Finish, true, nil
}

// NewRules makes the user who needs no service. What it says follows from the instruction and from what the agent said to it, by the
// rules of answer; docs/acebench.md has them.
func NewRules(_ context.Context, t *ballast.Task) (ballast.User, error) {
	if _, _, err := agentOf(t); err != nil {
		return nil, err
	}
	return rules{t.Turns[0].User}, nil
}

type rules struct{ instruction string }

// Next says what the rules give. The whole dialogue is gone through again, so that nothing is kept between lines.
func (r rules) Next(_ context.Context, ep *ballast.Episode) (string, bool, error) {
	p := newPerson(r.instruction)
	line := p.first()
	for i := range ep.Turns {
		line = p.answer(last(&ep.Turns[i]))
	}
	return line, true, nil
}

// What a person says who has nothing to add.
const (
	agrees   = "Yes."
	goOn     = "Please continue."
	unknown  = "I do not know that."
	patience = 3 // so many lines in a row that add nothing, and the person ends the dialogue
)

// person is the user of an instruction in a dialogue.
type person struct {
	facts []fact
	empty int // lines in a row that added nothing
}

// fact is a sentence of the instruction in the first person.
type fact struct {
	text string
	// asked says that it is told when somebody asks for it, and not as the next step: who the user is, the account, which
	// message to delete.
	asked bool
	told  bool
}

// newPerson reads an instruction. What it says of the user's manner is no fact.
func newPerson(instruction string) *person {
	p := &person{}
	seen := map[string]bool{}
	for i, s := range sentences(instruction) {
		low := strings.ToLower(s)
		if seen[s] || strings.Contains(low, "unsolicited information") {
			continue
		}
		seen[s] = true
		p.facts = append(p.facts, fact{text: firstPerson(s), asked: i == 0 || strings.Contains(low, "password") || deletes(low)})
	}
	return p
}

// deletes says that a text is about which message to delete.
func deletes(low string) bool {
	return (strings.Contains(low, "delete") || strings.Contains(low, "remove")) && strings.Contains(low, "message")
}

// first is what the person says first: the first step of the instruction.
func (p *person) first() string {
	if line := p.next(); line != "" {
		return line
	}
	if len(p.facts) == 0 {
		return goOn
	}
	p.facts[0].told = true
	return p.facts[0].text // an instruction of one sentence
}

// next tells the next step; "" where there is none.
func (p *person) next() string {
	for i := range p.facts {
		if f := &p.facts[i]; !f.told && !f.asked {
			f.told, p.empty = true, 0
			return f.text
		}
	}
	return ""
}

// topics are what agents ask for, by words of their question, and the words of the facts that answer.
var topics = []struct{ asks, has []string }{
	{[]string{"password", "username", "user name", "user id", "account", "credential", "log in", "login"}, []string{"password", "username"}},
	{[]string{"your name", "full name", "who are you", "sender", "receiver", "user name", "your identity"}, []string{"i am ", "my name"}},
	{[]string{"content", "text of", "what should the message", "message say", "like to send"}, []string{"content", "'the "}},
	{[]string{"title"}, []string{"title"}},
	{[]string{"time", "when", "date", "day"}, []string{"time", "july", "day", "evening", "morning"}},
	{[]string{"cabin", "class", "seat"}, []string{"class", "seat"}},
	{[]string{"payment", "pay ", "cash", "bank"}, []string{"payment"}},
	{[]string{"baggage", "luggage", "bag", "suitcase"}, []string{"luggage"}},
	{[]string{"transfer", "connecting", "layover", "direct flight"}, []string{"connecting"}},
	{[]string{"origin", "departure city", "destination", "from where", "where", "which city"}, []string{"beijing", "shanghai", "nanjing",
		"shenzhen"}},
	{[]string{"flight number", "which flight", "new flight"}, []string{"flight number", "flight"}},
	{[]string{"outbound", "return flight", "round-trip", "round trip", "one-way"}, []string{"outbound", "return flight", "round-trip"}},
}

// Words of agents by which a message asks something, asks whether to go on, says that something is done, or asks for more.
var (
	asking = []string{"?", "please provide", "please tell", "please specify", "please give", "let me know", "i need your",
		"i need to know"}
	detail     = []string{"what", "which", "who", "provide", "specify", "tell me", "give me", "your name", "when", "where", "i need"}
	confirming = []string{"confirm", "shall i", "should i", "would you like me", "do you want me", "proceed", "is that correct",
		"is this correct", "go ahead", "would you like to", "do you want to", "is that right", "are you sure"}
	done = []string{"success", "completed", "complete", "done", "has been", "have been", "is sent", "was sent", "is set", "booked", "placed",
		"finished"}
	more = []string{"anything else", "further assistance", "else i can", "other questions", "help you with", "next"}
)

func hasAny(low string, words []string) bool {
	for _, w := range words {
		if strings.Contains(low, w) {
			return true
		}
	}
	return false
}

// answer is what the person says to a message of the agent.
func (p *person) answer(message string) string {
	low := strings.ToLower(message)
	asks := hasAny(low, asking)
	if deletes(low) && (asks || strings.Contains(low, "capacity") || strings.Contains(low, "full")) {
		if line := p.deletion(); line != "" {
			return line
		}
	}
	wantsDetail := asks && hasAny(low, detail)
	switch {
	case wantsDetail && !hasAny(low, more):
		if line := p.about(low); line != "" {
			return line
		}
	case asks && hasAny(low, confirming):
		return p.adds(agrees)
	}
	if hasAny(low, done) && !wantsDetail || hasAny(low, more) {
		if line := p.next(); line != "" {
			return line
		}
		return world.Finish
	}
	if line := p.next(); line != "" {
		return line
	}
	if wantsDetail {
		return p.adds(unknown)
	}
	return p.adds(goOn)
}

// adds is a line that adds nothing; after some of them the person has had enough.
func (p *person) adds(line string) string {
	if p.empty++; p.empty > patience {
		return world.Finish
	}
	return line
}

// deletion says which message to delete, as the instruction has it.
func (p *person) deletion() string {
	for i := range p.facts {
		f := &p.facts[i]
		if at := strings.Index(f.text, "delete the "); at >= 0 && f.asked {
			if f.told {
				return p.adds(strings.ToUpper(f.text[at:at+1]) + f.text[at+1:])
			}
			f.told, p.empty = true, 0
			return strings.ToUpper(f.text[at:at+1]) + f.text[at+1:]
		}
	}
	return ""
}

// about tells what a question asks for: of each topic that it names the first fact that was not told; or, where there is none, once
// more the first that was.
func (p *person) about(low string) string {
	again, lines := -1, []string(nil)
	for _, topic := range topics {
		if !hasAny(low, topic.asks) {
			continue
		}
		for i := range p.facts {
			f := &p.facts[i]
			text := strings.ToLower(f.text)
			if !hasAny(text, topic.has) || deletes(text) && f.asked {
				continue
			}
			if !f.told {
				f.told = true
				lines = append(lines, f.text)
				break
			}
			if again < 0 {
				again = i
			}
		}
	}
	switch {
	case lines != nil:
		p.empty = 0
		return strings.Join(lines, " ")
	case again >= 0:
		return p.adds(p.facts[again].text)
	}
	return ""
}

// sentences cuts a text behind a full stop, or behind a quotation that ends with a stop, where a capital letter follows.
func sentences(text string) (out []string) {
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\'' && !quoted && (i == 0 || text[i-1] == ' ' || text[i-1] == '('):
			quoted = true
			continue
		case text[i] == '\'' && quoted && !word(text, i+1):
			quoted = false
			if strings.IndexByte(".?!", text[i-1]) < 0 {
				continue
			}
		case text[i] != '.' || quoted:
			continue
		}
		rest := strings.TrimLeft(text[i+1:], " ")
		if rest == "" || len(rest) < len(text[i+1:]) && rest[0] >= 'A' && rest[0] <= 'Z' {
			out = append(out, strings.TrimSpace(text[start:i+1]))
			start = i + 1
		}
	}
	if rest := strings.TrimSpace(text[start:]); rest != "" {
		out = append(out, rest)
	}
	return out
}

// word says that a letter stands somewhere in a text.
func word(text string, at int) bool {
	return at < len(text) && (text[at]|0x20 >= 'a' && text[at]|0x20 <= 'z')
}

// firstPerson turns an instruction into what the person says. Quotations stay.
func firstPerson(s string) string {
	parts := strings.Split(s, "'")
	for i := 0; i < len(parts); i += 2 { // the others are quotations
		words := strings.Split(parts[i], " ")
		for k, w := range words {
			before := ""
			if k > 0 {
				before = strings.ToLower(words[k-1])
			}
			after := ""
			if k+1 < len(words) {
				after = words[k+1]
			}
			switch bare := strings.TrimRight(w, ".,"); strings.ToLower(bare) {
			case "your":
				words[k] = cased(bare, "my") + w[len(bare):]
			case "you":
				if toWhom[before] {
					words[k] = "me" + w[len(bare):]
				} else {
					words[k] = "I" + w[len(bare):]
				}
				if after == "are" {
					words[k+1] = "am"
				}
			}
		}
		parts[i] = strings.Join(words, " ")
	}
	return strings.Join(parts, "'")
}

// toWhom are words behind which "you" is not who acts.
var toWhom = map[string]bool{"to": true, "for": true, "of": true, "with": true, "from": true, "by": true, "sent": true}

// cased writes a word with a capital where another one has it.
func cased(like, word string) string {
	if like != "" && like[0] >= 'A' && like[0] <= 'Z' {
		return strings.ToUpper(word[:1]) + word[1:]
	}
	return word
}
