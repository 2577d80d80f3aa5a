package world

import (
	"fmt"

	"ballast"
)

// LongContext is the category whose tasks play the long variant of the worlds.
const LongContext = "long_context"

// Session is one play of one task: the worlds as the policy left them, beside
// those that the gold answer leaves, which the sessions of a Prepared share. It is
// used by one goroutine at a time.
type Session struct {
	p      *Prepared
	states []ballast.State // the policy's; as prepared, and shared, until first called
	mine   uint64          // which are this session's own, a bit each
	turn   int             // next turn to close
	calls  int             // calls of the policy in the open turn
	// answers are what the policy's calls answered in all turns so far.
	answers []string
	err     error

	roomStates  [2]ballast.State // what most tasks need, in one piece of memory
	roomAnswers [8]string
}

// NewSession loads the worlds of a task for one play. Who plays a task several
// times prepares it once.
func NewSession(task *ballast.Task) (*Session, error) {
	p, err := Prepare(task)
	if err != nil {
		return nil, err
	}
	p.once = true
	return p.Session(), nil
}

// Session starts a play.
func (p *Prepared) Session() *Session {
	s := &Session{p: p}
	s.states = append(s.roomStates[:0], p.states...)
	s.answers = s.roomAnswers[:0]
	return s
}

// Turn returns the index of the open turn; len(task.Turns) when all are closed.
func (s *Session) Turn() int { return s.turn }

// Err returns what broke, or nil. After an error calls answer nothing and turns
// are not compared.
func (s *Session) Err() error { return s.err }

// Call runs one call of the policy and returns what it sees. The function's
// name decides the world; the first of the task's worlds that has it answers.
//
// A function that is held back until a later turn is executed all the same: it
// exists, it is only not documented yet. This is what the BFCL checker does;
// the turn at which it should have been used stays unchecked, and the state it
// leaves counts from the next checked turn on.
func (s *Session) Call(c ballast.Call) string {
	if s.err != nil {
		return ""
	}
	s.calls++
	answer, err := run(s.p.worlds, s.states, &s.mine, c)
	s.fail(err)
	s.answers = append(s.answers, answer)
	return answer
}

// fail ends the session if something broke.
func (s *Session) fail(err error) {
	if err != nil {
		s.err = fmt.Errorf("world: task %s, turn %d, %w", s.p.task.ID, s.turn, err)
	}
}

// CloseTurn ends the open turn: it compares with what the turn's gold calls leave
// and answer. The rules are those of the BFCL multi-turn checker:
//
//   - a turn whose gold makes no call is not checked; calls that the policy made
//     in it stay in the state and in the pool of answers;
//   - a turn whose gold makes calls fails if the policy made none;
//   - every world must then be in the gold state;
//   - the gold answers of this turn must be among all answers that the policy
//     got in this and earlier turns, with multiplicity, in any order.
//
// The state and the answers are compared even if the turn is empty, so that a
// report can say more. Where names the first difference. A turn beyond the last
// one is not compared: Done is false.
func (s *Session) CloseTurn() ballast.Check {
	if s.err != nil || s.turn >= len(s.p.task.Turns) {
		return ballast.Check{}
	}
	check := ballast.Check{State: true, Response: true}
	if len(s.p.task.Turns[s.turn].Gold) > 0 {
		gold := s.p.gold(s.turn)
		check.Empty = s.calls == 0
		if s.fail(gold.err); s.err == nil {
			s.fail(s.compare(&check, gold))
		}
	}
	s.turn++
	s.calls = 0
	if s.err != nil {
		return ballast.Check{}
	}
	check.Done = true
	return check
}

// compare fills State, Response and Where.
func (s *Session) compare(check *ballast.Check, gold *goldTurn) (err error) {
	defer caught("comparison", &err)
	for i, p := range s.states {
		if attribute := p.Equal(gold.states[i]); attribute != "" {
			check.State = false
			check.Where = s.p.worlds[i].world.Name() + "." + attribute
			break
		}
	}
	for _, need := range gold.needed {
		missing := need.times
		for i := 0; i < len(s.answers) && missing > 0; i++ {
			if s.answers[i] == need.answer {
				missing--
			}
		}
		if missing == 0 {
			continue
		}
		check.Response = false
		if check.Where == "" {
			check.Where = need.answer
		}
		break
	}
	return nil
}

// Dump returns the policy's state of every world by name.
func (s *Session) Dump() map[string]any {
	dump := make(map[string]any, len(s.states))
	for i, e := range s.p.worlds {
		dump[e.world.Name()] = s.states[i].Dump()
	}
	return dump
}
