package supervise

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/safetext"
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

// Judge writes hints and reflections, and closing replies on request.
type Judge interface {
	// Answer answers all queries, in order. The error is the host's (a refused
	// key, a cancelled context, a full disk) or ErrStopped; a query without an
	// answer has a Failure and the others are kept.
	Answer(ctx context.Context, queries []Query) ([]Answer, Stats, error)
}

// Settings choose a judge.
type Settings struct {
	Kind        string  `yaml:"kind,omitempty"`        // oracle (default) or endpoint
	URL         string  `yaml:"url,omitempty"`         // of an OpenAI-compatible endpoint, up to and with /v1
	Model       string  `yaml:"model,omitempty"`       //
	Key         string  `yaml:"key,omitempty"`         // name of the environment variable that holds the key
	Cache       string  `yaml:"cache,omitempty"`       // folder of answers; "" = ballast/judge in the user's cache folder
	Concurrency int     `yaml:"concurrency,omitempty"` // requests at once; 0 = 8
	Retries     int     `yaml:"retries,omitempty"`     // further attempts of a query; 0 = 6
	Reply       int     `yaml:"reply,omitempty"`       // most tokens of an answer; 0 = 1024
	Tokens      int     `yaml:"tokens,omitempty"`      // budget of tokens; 0 = none
	Cost        float64 `yaml:"cost,omitempty"`        // budget of money; 0 = none
	PriceIn     float64 `yaml:"price_in,omitempty"`    // of a million prompt tokens
	PriceOut    float64 `yaml:"price_out,omitempty"`   // of a million answer tokens
	Temperature float64 `yaml:"temperature,omitempty"` // 0 = the paper's 0.7
	Closing     bool    `yaml:"closing,omitempty"`     // it also writes the closing replies of gold dialogues
}

// Check reports the first setting that cannot be honoured.
func (s *Settings) Check() error {
	switch {
	case s.Kind == "" || s.Kind == "oracle":
		if s.URL != "" || s.Model != "" {
			return fmt.Errorf("judge.kind: the oracle asks no endpoint; set judge.kind=endpoint or leave url and model out")
		}
		if s.Closing {
			return fmt.Errorf("judge.closing: the oracle writes no closing replies, gold's templated ones stay; set judge.kind=endpoint")
		}
	case s.Kind != "endpoint":
		return fmt.Errorf("judge.kind: %q is not one of oracle, endpoint", s.Kind)
	case s.URL == "" || s.Model == "":
		return fmt.Errorf("judge.url: an endpoint needs url and model")
	case safetext.Secret(s.URL):
		return fmt.Errorf("judge.url: it holds a password or a key, which the recipe in the run directory would keep; leave it out and let " +
			"judge.key name an environment variable")
	case s.Concurrency < 0 || s.Retries < 0 || s.Reply < 0 || s.Tokens < 0 ||
		!(s.Cost >= 0 && s.PriceIn >= 0 && s.PriceOut >= 0 && s.Temperature >= 0):
		return fmt.Errorf("judge: concurrency, retries, reply, tokens, cost, price_in, price_out and temperature must not be negative")
	case s.Cost > 0 && s.PriceIn == 0 && s.PriceOut == 0:
		return fmt.Errorf("judge.cost: a budget of money needs price_in and price_out")
	}
	return nil
}
