// Package served samples from models that servers hold: any number of them, asked with token
// ids and answering with token ids, behind one ballast.Policy.
//
// Contract: a reply is what a server sampled from exactly the tokens of its conversation, with
// the log-probabilities of the untempered, untruncated distribution. Open asks every server for
// a few tokens and refuses one that cannot give that. Conversations that begin with the same
// tokens go to the same server, whose prefix cache they share, and stay there. A server samples
// only with the weights of the last Refresh: one that missed it is left out until it has them.
//
// Replies repeat by seed and position on one server, as far as the server does that: its sums
// depend on what else it computes.
//
// Failure: a server that breaks off is asked again; one that keeps failing is left out and tried
// again later, and its conversations go on elsewhere from the same tokens (Server counts that).
// A conversation gets an Err when its tries are used up, or no server was left for
// Options.Patience. A LostError ends the Play. A reply that cannot be true (unknown tokens, more than were asked for,
// log-probabilities that are missing or no numbers) is a failure of the server, by name. A full
// context is Reply.Full. What no server tells is said by Policy.Lacks, and is nil in replies.
package served

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/endpoint"
)

// Backend is one server that samples. It is used by many goroutines at a time.
//
// The kind of an *endpoint.Error says what an error means: Rejected and Filtered that this
// request is lost, Rate that the server wants to be asked later, Access that it cannot be asked
// as it is (the weights are not there, say). A *LostError ends the play. Anything else is a
// failure of the server.
type Backend interface {
	// Address is the server, fit to be shown.
	Address() string
	// Context is the most tokens of a conversation, with the reply; 0 = the server does not say.
	// It fails where the server cannot serve the model that it is to be asked for.
	Context(ctx context.Context) (int, error)
	// Sample draws one reply.
	Sample(ctx context.Context, c *Call) (*Answer, error)
	// Load makes weights ready to be named in calls. Loading what is loaded already loads it anew.
	Load(ctx context.Context, w Weights) error
	// Drop forgets weights that no call will name again.
	Drop(ctx context.Context, w Weights) error
}

// LostError is one that no further try mends, here or at another server: what was sampled with is
// gone for good. A Play that meets it ends with it, and does not wait for a server to come back.
type LostError struct{ Err error }

// Error is that of the error below.
func (e *LostError) Error() string { return e.Err.Error() }

// Unwrap is the error below.
func (e *LostError) Unwrap() error { return e.Err }

// Call asks for one reply.
type Call struct {
	Prompt   []int32
	Max      int              // most tokens, at least 1
	Stop     []int32          // each ends the reply and is part of it; no other token ends it
	Seed     uint64           // below 2^63
	Sampling ballast.Sampling //
	Watch    []int32          // tokens whose probabilities are wanted at every position
	Weights  Weights          //
}

// Answer is one reply.
type Answer struct {
	Tokens  []int32
	LogProb []float32   // nats, of each token
	Watch   [][]float32 // probabilities, [len(Tokens)][len(Call.Watch)]; nil where they are not known
	// Full says that the server's context had room for fewer tokens than were asked for.
	Full bool
}

// Weights name what a server samples with. The zero value is what it was started with.
type Weights struct {
	Name string // unique in the life of all servers
	Path string // of a LoRA adapter, as the servers' machines see it
}

// Spec says where a server is and how to ask it. Where the weights change it is one server, not
// a router in front of several: an adapter is loaded by the one that is asked.
type Spec struct {
	Kind  string // a line of Kinds; "" = the server is asked
	Model string // as the server names it; "" = the only one that it serves
	endpoint.Options
}

// Kind is a line of the table of servers.
type Kind struct {
	Name, Doc string
	open      func(s *Spec, c *endpoint.Client) Backend
}

// Kinds are the servers that can be asked; the first is the usual one.
var Kinds = []Kind{vllmKind, sglangKind}

// Dial is the backend of a server; nothing is sent yet. URL is its address, with or without /v1.
func Dial(s Spec) (Backend, error) {
	at := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == s.Kind })
	if at < 0 && s.Kind != "" {
		return nil, fmt.Errorf("served: there is no kind of server %q; there are %s", s.Kind, strings.Join(kindNames(), ", "))
	}
	s.URL = strings.TrimSuffix(strings.TrimRight(s.URL, "/"), "/v1")
	c, err := endpoint.New(s.Options)
	if err != nil {
		return nil, fmt.Errorf("served: %w", err)
	}
	if at < 0 {
		return &unknown{wire: wire{c, s.Model}, spec: &s}, nil
	}
	return Kinds[at].open(&s, c), nil
}
