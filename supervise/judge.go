package supervise

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/safetext"
	"ballast/value"
)

// Kind says what is asked of a judge.
type Kind string

// The kinds. A reflection has the paper's two contents (section 3.5): an
// analysis of the whole dialogue turn by turn, and one of the first failing turn
// with its generalisation.
const (
	KindDialogue Kind = "dialogue"
	KindError    Kind = "error"
	KindHint     Kind = "hint"
	KindClosing  Kind = "closing" // the closing replies of a gold dialogue
)

// Query is one thing to ask. Text is what a policy that learns from the answer
// sees as well.
type Query struct {
	Kind    Kind
	Task    *ballast.Task
	Episode *ballast.Episode // nil for hints; of gold for closing replies
	Text    string
}

// Answer is a judge's text, or why there is none.
type Answer struct {
	Text    string
	Failure string // "" or one of the failures of Stats
}

// The failures of a query that was given up.
const (
	FailRefusal   = "refusal"
	FailFormat    = "format"
	FailRate      = "rate_limit"
	FailServer    = "server"
	FailTransport = "transport"
	FailBudget    = "budget"
)

// Stats counts what a judge did. Attempts that failed and were repeated count
// under their failures too.
type Stats struct {
	Asked    int            // requests sent
	Cached   int            // answers taken from the disk
	Answered int            // queries with an answer
	Lost     int            // queries without
	Failures map[string]int // failed attempts by kind
	Tokens   int            // of prompts and answers, as the endpoint counts them
	Cost     float64        // in the unit of the prices
}

// String is the statistics in one line.
func (s Stats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d answered, %d lost; %d requests, %d from the cache, %d tokens", s.Answered, s.Lost, s.Asked, s.Cached, s.Tokens)
	if s.Cost > 0 {
		fmt.Fprintf(&b, ", cost %.4f", s.Cost)
	}
	for _, k := range slices.Sorted(maps.Keys(s.Failures)) {
		fmt.Fprintf(&b, ", %s %d", k, s.Failures[k])
	}
	return b.String()
}

// ErrStopped is why a judge did not answer that was told to stop while it asked.
var ErrStopped = errors.New("interrupted while the judge was asked")

// Judge writes hints and reflections, and closing replies and verdicts on request.
type Judge interface {
	// Answer answers all queries, in order. The error is the host's (a refused
	// key, a cancelled context, a full disk) or ErrStopped; a query without an
	// answer has a Failure and the others are kept.
	Answer(ctx context.Context, queries []Query) ([]Answer, Stats, error)
}

// Settings choose a judge: the endpoint that they name, or else the oracle. A budget or
// price of 0 is none.
type Settings struct {
	URL         string  `yaml:"url,omitempty"`
	Model       string  `yaml:"model,omitempty"`
	Key         string  `yaml:"key,omitempty"`
	Cache       string  `yaml:"cache,omitempty"`
	Concurrency int     `yaml:"concurrency"`
	Retries     int     `yaml:"retries"`
	Reply       int     `yaml:"reply"`
	Tokens      int     `yaml:"tokens,omitempty"`
	Cost        float64 `yaml:"cost,omitempty"`
	PriceIn     float64 `yaml:"price_in,omitempty"`
	PriceOut    float64 `yaml:"price_out,omitempty"`
	Temperature float64 `yaml:"temperature"`
	Closing     bool    `yaml:"closing,omitempty"`
}

// Check reports the first setting that does not go with the others.
func (s *Settings) Check() error {
	switch {
	case s.URL == "" && s.Model == "" && s.Closing:
		return fmt.Errorf("judge.closing: the oracle writes no closing replies, gold's templated ones stay; set judge.url and judge.model")
	case (s.URL == "") != (s.Model == ""):
		return fmt.Errorf("judge.url: an endpoint needs judge.url and judge.model; without both the oracle answers")
	case safetext.Secret(s.URL):
		return fmt.Errorf("judge.url: it holds a password or a key, which the recipe in the run directory would keep; leave it out and let " +
			"judge.key name an environment variable")
	case s.Cost > 0 && s.PriceIn == 0 && s.PriceOut == 0:
		return fmt.Errorf("judge.cost: a budget of money needs price_in and price_out")
	}
	return nil
}

// Instructions is the system message of a judge that is a model: what to write, and
// the tools.
func (q *Query) Instructions() string {
	if q.Kind == KindVerdict {
		return verdictRules
	}
	var b strings.Builder
	b.WriteString("You review dialogues between a user and an assistant that calls tools. Gold calls are the right ones. Be concrete and " +
		"brief. Write plain text, never the assistant's tags for tool calls; write calls as name(argument=value).\n")
	switch q.Kind {
	case KindError:
		fmt.Fprintf(&b, "Write exactly these sections, each beginning with its heading on a new line: %s\n", strings.Join(sections, " "))
	case KindDialogue:
		b.WriteString("Write one paragraph for each turn, beginning with \"Turn N\".\n")
	case KindHint:
		b.WriteString("Write the hint alone.\n")
	case KindClosing:
		b.WriteString("Write one line for each turn, beginning with \"Turn N:\", in the assistant's voice, of one or two sentences. Say " +
			"nothing that the results do not say.\n")
	}
	b.WriteString("The tools:\n")
	for _, t := range q.Task.Tools {
		if doc, err := value.JSON(tooldoc.Doc(t)); err == nil {
			b.WriteString(doc + "\n")
		}
	}
	return b.String()
}

// WellFormed says whether an answer has what its kind must have.
func (q *Query) WellFormed(text string) bool {
	switch q.Kind {
	case KindError:
		for _, s := range sections {
			i := strings.Index(text, s)
			if i < 0 {
				return false
			}
			text = text[i+len(s):]
		}
		return true
	case KindDialogue:
		return strings.Contains(text, "Turn 1")
	case KindClosing:
		return closings(text, len(q.Task.Turns)) != nil
	case KindVerdict:
		_, _, ok := verdict(text)
		return ok
	}
	return text != "" && len(strings.Fields(text)) <= 600
}
