package world

import (
	"fmt"
	"slices"

	"ballast"
	"ballast/value"
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
	// answers are what the policy's calls answered in all turns so far; those from
	// fresh on came after the last turn that was compared.
	answers []string
	fresh   int
	asked   []ask // the calls of functions that exist since then, in a sparing task
	err     error

	roomStates  [2]ballast.State // what most tasks need, in one piece of memory
	roomAnswers [8]string
}

// ask is a call, as text, and whether it failed.
type ask struct {
	call   string
	failed bool
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
	if s.p.task.Sparing && slices.ContainsFunc(s.p.worlds, func(e *entry) bool { return e.has(c.Name) }) {
		s.asked = append(s.asked, ask{value.FormatCall(c), Failed(s.p.task.Worlds, answer)})
	}
	return answer
}

// Try tells what a call would answer now, and whether it would change a state. The
// session goes on as if nothing had been called.
func (s *Session) Try(c ballast.Call) (answer string, changes bool, err error) {
	if s.err != nil {
		return "", false, s.err
	}
	states, mine := slices.Clone(s.states), uint64(0)
	if answer, err = run(s.p.worlds, states, &mine, c); err == nil {
		changes, err = changed(s.states, states)
	}
	return answer, changes, err
}

// Restores tells whether two calls, one after the other, would change something and
// take it back. The session goes on as if nothing had been called.
func (s *Session) Restores(a, b ballast.Call) bool {
	states, mine := slices.Clone(s.states), uint64(0)
	if _, err := run(s.p.worlds, states, &mine, a); err != nil {
		return false
	}
	if first, err := changed(s.states, states); err != nil || !first {
		return false
	}
	if _, err := run(s.p.worlds, states, &mine, b); err != nil {
		return false
	}
	last, err := changed(s.states, states)
	return err == nil && !last
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
// A task that is Sparing asks for more. Under these rules alone, who calls everything
// that only reads has every answer, so calls must be chosen. Those count that were
// made since the last turn that was compared, what a policy asks before it can act
// among them; the same call again is no new one, and a function that does not exist
// tells nothing.
//
//   - A turn has fewer calls than the task has tools, and one failed try at most.
//   - Where gold changes nothing there is no answered call beyond as many as gold makes,
//     and answers from before do not count.
//   - Where gold changes a state there are at most Spare calls more than gold makes, to
//     look before the deed or to try again; the state does the choosing.
//
// Gold's own number of calls is always allowed.
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
		s.fresh, s.asked = len(s.answers), s.asked[:0]
	}
	s.turn++
	s.calls = 0
	if s.err != nil {
		return ballast.Check{}
	}
	check.Done = true
	return check
}

// Spare is how many calls more than gold a turn of a sparing task may have where gold
// changes a state.
const Spare = 2

// compare fills State, Response, Extra and Where.
func (s *Session) compare(check *ballast.Check, gold *goldTurn) (err error) {
	defer caught("comparison", &err)
	for i, p := range s.states {
		if attribute := p.Equal(gold.states[i]); attribute != "" {
			check.State = false
			check.Where = s.p.worlds[i].world.Name() + "." + attribute
			break
		}
	}
	answers := s.answers
	if s.p.task.Sparing {
		if !gold.changes {
			answers = s.answers[s.fresh:]
		}
		check.Extra = s.extra(gold)
	}
	for _, need := range gold.needed {
		missing := need.times
		for i := 0; i < len(answers) && missing > 0; i++ {
			if answers[i] == need.answer {
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
	if check.Extra > 0 && check.Where == "" {
		check.Where = fmt.Sprintf("%d calls where gold makes %d", len(s.asked), len(s.p.task.Turns[s.turn].Gold))
	}
	return nil
}

// extra counts the calls beyond those that a turn of a sparing task may have.
func (s *Session) extra(gold *goldTurn) int {
	needs, made, failed := len(s.p.task.Turns[s.turn].Gold), 0, 0
	seen := make(map[string]bool, len(s.asked))
	for _, a := range s.asked {
		if seen[a.call] {
			continue
		}
		seen[a.call] = true
		made++
		if a.failed {
			failed++
		}
	}
	may := len(s.p.task.Tools) - 1
	if gold.changes {
		may = min(may, needs+Spare)
	}
	extra := max(made-max(may, needs), failed-1, 0)
	if !gold.changes {
		extra = max(extra, made-failed-needs)
	}
	return extra
}

// Dump returns the policy's state of every world by name.
func (s *Session) Dump() map[string]any {
	dump := make(map[string]any, len(s.states))
	for i, e := range s.p.worlds {
		dump[e.world.Name()] = s.states[i].Dump()
	}
	return dump
}
