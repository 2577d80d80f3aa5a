// Package sampling is what samplers share whatever they run on: which conversation is
// computed when (Schedule), the protocol of one in play and the random numbers of its draws.
//
// Contract: the number for a draw depends on the conversation's seed and the
// position only. A conversation that waits for what is outside the model holds up no
// other, and takes none of the places where tokens are computed.
//
// Failure: a request that cannot be served is answered with a Reply whose Err says why,
// and the conversation goes on with its next one. When the context of a play ends, so does
// the play, with an error and without waiting for what others wait for.
package sampling

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"ballast"
)

// Uniform returns a number in [0, 1) for position pos of the conversation with
// this seed: two rounds of the splitmix64 finaliser (Stafford's mix 13) over
// the seed and a counter on the golden-ratio sequence. Every (seed, position)
// is drawn independently of what else was drawn.
func Uniform(seed uint64, pos int) float64 {
	z := Mix(seed + Golden)
	z = Mix(z ^ (uint64(pos)+1)*Golden)
	return float64(z>>11) * 0x1p-53
}

// Golden is the step of splitmix64's counter, 2^64 divided by the golden ratio.
const Golden = 0x9e3779b97f4a7c15

// Mix is the splitmix64 finaliser: every bit of z changes every bit of the result.
func Mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Counters say what a sampler has done since it was made.
type Counters struct {
	Sampled   int64         // tokens drawn
	Prefilled int64         // prompt, tool and other appended tokens computed, and what was computed again after a wait
	Shared    int64         // tokens not computed because another conversation had them
	Passes    int64         // batched forward passes
	PeakKV    int64         // most bytes of KV cache held at a time by one Play
	Elapsed   time.Duration // wall-clock spent in Play
}

// Add adds what one Play did.
func (c *Counters) Add(o Counters) {
	c.Sampled, c.Prefilled, c.Shared = c.Sampled+o.Sampled, c.Prefilled+o.Prefilled, c.Shared+o.Shared
	c.Passes, c.Elapsed = c.Passes+o.Passes, c.Elapsed+o.Elapsed
	c.PeakKV = max(c.PeakKV, o.PeakKV)
}

// Limits are what a model allows of a conversation.
type Limits struct {
	Name   string // of the sampler, for messages
	Vocab  int    // tokens are 0 to Vocab-1
	MaxLen int    // most positions; 0 = any number
	// Maskless says that the sampler cannot constrain replies.
	Maskless bool
}

// Check reports a token that the model does not have.
func (l Limits) Check(tokens []int32) error {
	for _, t := range tokens {
		if t < 0 || int(t) >= l.Vocab {
			return fmt.Errorf("%s: token %d is outside the vocabulary of %d: tokenizer and model do not belong together", l.Name, t, l.Vocab)
		}
	}
	return nil
}

// room is how many more positions a conversation of n tokens may have.
func (l Limits) room(n int) int {
	if l.MaxLen <= 0 {
		return math.MaxInt32
	}
	return l.MaxLen - n
}

// Seq is one conversation in play.
type Seq struct {
	Conv    ballast.Conversation
	Prompt  []int32 // the first request's tokens
	Req     ballast.Request
	Pending []int32 // tokens that the cache does not have yet
	Drawn   bool    // the first pending token was sampled
	Reply   ballast.Reply
	size    int   // tokens of the conversation so far
	state   state // of one that was parked, when it returns
	wait    <-chan struct{}
	slab    []float32 // memory for Watch rows
}

// Fail makes the reply an error.
func (s *Seq) Fail(text string) { s.Reply = ballast.Reply{Err: errors.New(text)} }

// Extend records a drawn token with its log-probability and the distribution's
// entropy, and makes it pending. It returns the row for the probabilities of
// watched tokens, to be filled by the caller.
func (s *Seq) Extend(tok int32, logProb, entropy float32, watched int) []float32 {
	r := &s.Reply
	r.Tokens = append(r.Tokens, tok)
	r.LogProb = append(r.LogProb, logProb)
	r.Entropy = append(r.Entropy, entropy)
	s.Pending, s.Drawn = []int32{tok}, true
	s.size++
	if watched == 0 {
		return nil
	}
	if len(s.slab) < watched {
		s.slab = make([]float32, 32*watched)
	}
	row := s.slab[:watched:watched]
	s.slab = s.slab[watched:]
	r.Watch = append(r.Watch, row)
	return row
}

// Ended reports whether the reply is complete.
func (s *Seq) Ended() bool {
	n := len(s.Reply.Tokens)
	return s.Reply.Err != nil || n >= s.Req.Max || n > 0 && slices.Contains(s.Req.Stop, s.Reply.Tokens[n-1])
}

// Common is the number of leading tokens that two lists share.
func Common(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
