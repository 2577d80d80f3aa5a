// Package playtest makes conversations wait, for tests of policies: as with slow tools and
// slow users, and with ones that never answer.
//
// Contract: a waiting conversation is otherwise the one inside. Next without a call of Wait
// that allows it is a fault of the policy.
//
// Failure: such a fault panics.
package playtest

import (
	"math/rand/v2"
	"time"

	"ballast"
)

// Never is a delay without end.
const Never time.Duration = -1

// Delay says how long a conversation waits before its request of this number, from 0.
type Delay func(request int) time.Duration

// Constant is the same delay before every request but the first.
func Constant(d time.Duration) Delay {
	return func(request int) time.Duration {
		if request == 0 {
			return 0
		}
		return d
	}
}

// Random is a delay of whole milliseconds below most before every request, the first too, and
// none before a third of them.
func Random(seed uint64, most time.Duration) Delay {
	return func(request int) time.Duration {
		rng := rand.New(rand.NewPCG(seed, uint64(request)))
		if rng.IntN(3) == 0 {
			return 0
		}
		return time.Duration(rng.Int64N(most.Milliseconds())) * time.Millisecond
	}
}

// slow is a conversation that waits.
type slow struct {
	ballast.Conversation
	delay   Delay
	request int
	wait    chan struct{} // of the next request
	asked   bool          // Wait was called
}

// Slow makes a conversation wait.
func Slow(c ballast.Conversation, d Delay) ballast.Conversation {
	return &slow{Conversation: c, delay: d}
}

func (s *slow) Wait() <-chan struct{} {
	if !s.asked {
		s.asked = true
		if d := s.delay(s.request); d != 0 {
			wait := make(chan struct{})
			if s.wait = wait; d > 0 {
				time.AfterFunc(d, func() { close(wait) })
			}
		}
	}
	if s.wait == nil {
		return nil
	}
	return s.wait
}

func (s *slow) Next() (ballast.Request, bool) {
	if !s.asked {
		panic("playtest: Next was called and Wait was not")
	}
	if s.wait != nil {
		select {
		case <-s.wait:
		default:
			panic("playtest: Next was called of a conversation that waits")
		}
	}
	s.request, s.wait, s.asked = s.request+1, nil, false
	return s.Conversation.Next()
}
