package sim

import (
	"context"
	"fmt"
	"slices"

	"ballast"
	"ballast/value"
	"ballast/world"
)

// The graders of simulated worlds; CloseTurn has their rules.
const (
	Gold    = "gold"         // the state and the answers are those of the gold calls
	Sparing = "gold-sparing" // and calls are chosen
)

// Session is one play of one task: the APIs as the policy left them, beside
// those that the gold answer leaves, which the sessions of a Prepared share. It is
// used by one goroutine at a time.
type Session struct {
	p      *Prepared
	states []world.State // the policy's; as prepared, and shared, until first called
	mine   uint64        // which are this session's own, a bit each
	turn   int           // next turn to close
	calls  int           // calls of the policy in the open turn
	// answers are what the policy's calls answered in all turns so far; those from
	// fresh on came after the last turn that was compared.
	answers []string
	fresh   int
	asked   []ask // the calls of functions that exist since then, in a sparing task
	err     error

	roomStates  [2]world.State // what most tasks need, in one piece of memory
	roomAnswers [8]string
}

// ask is a call, as text, and whether it failed.
type ask struct {
	call   string
	failed bool
}

// NewSession loads the APIs of a task for one play. Who plays a task several
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

// Call is Run with what broke.
func (s *Session) Call(_ context.Context, c ballast.Call) (string, error) {
	answer := s.Run(c)
	return answer, s.err
}

// Close has nothing to give back.
func (s *Session) Close() error { return nil }

// Run runs one call of the policy and returns what it sees. The function's
// name decides the API; the first of the task's APIs that has it answers.
//
// A function that is held back until a later turn is executed all the same: it
// exists, it is only not documented yet. This is what the BFCL checker does;
// the turn at which it should have been used stays unchecked, and the state it
// leaves counts from the next checked turn on.
func (s *Session) Run(c ballast.Call) string {
	if s.err != nil {
		return ""
	}
	s.calls++
	answer, err := run(s.p.apis, s.states, &s.mine, c)
	s.fail(err)
	s.answers = append(s.answers, answer)
	if s.p.sparing && s.has(c.Name) {
		s.asked = append(s.asked, ask{value.FormatCall(c), Failed(s.p.task.APIs, answer)})
	}
	return answer
}

// has reports whether an API of the task has a function.
func (s *Session) has(name string) bool {
	for i, e := range s.p.apis {
		if e.have(s.states[i], name) {
			return true
		}
	}
	return false
}

// Try tells what a call would answer now, and whether it would change a state. The
// session goes on as if nothing had been called.
func (s *Session) Try(c ballast.Call) (answer string, changes bool, err error) {
	if s.err != nil {
		return "", false, s.err
	}
	states, mine := slices.Clone(s.states), uint64(0)
	if answer, err = run(s.p.apis, states, &mine, c); err == nil {
		changes, err = changed(s.states, states)
	}
	return answer, changes, err
}

// Restores tells whether two calls, one after the other, would change something and
// take it back. The session goes on as if nothing had been called.
func (s *Session) Restores(a, b ballast.Call) bool {
	states, mine := slices.Clone(s.states), uint64(0)
	if _, err := run(s.p.apis, states, &mine, a); err != nil {
		return false
	}
	if first, err := changed(s.states, states); err != nil || !first {
		return false
	}
	if _, err := run(s.p.apis, states, &mine, b); err != nil {
		return false
	}
	last, err := changed(s.states, states)
	return err == nil && !last
}

// fail ends the session if something broke.
func (s *Session) fail(err error) {
	if err != nil {
		s.err = fmt.Errorf("sim: task %s, turn %d, %w", s.p.task.ID, s.turn, err)
	}
}

// CloseTurn ends the open turn: it compares with what the turn's gold calls leave
// and answer. The rules are those of the BFCL multi-turn checker:
//
//   - a turn whose gold makes no call is not checked; calls that the policy made
//     in it stay in the state and in the pool of answers;
//   - a turn whose gold makes calls fails if the policy made none;
//   - every API must then be in the gold state;
//   - the gold answers of this turn must be among all answers that the policy
//     got in this and earlier turns, with multiplicity, in any order.
//
// Sparing asks for more. Under these rules alone, who calls everything
// that only reads has every answer, so calls must be chosen. Those count that were
// made since the last turn that was compared, what a policy asks before it can act
// among them; the same call again is no new one, and a function that does not exist
// tells nothing.
//
//   - A turn has fewer calls than the policy was shown tools, and one failed try at most.
//   - Where gold changes nothing there is no answered call beyond as many as gold makes,
//     and answers from before do not count.
//   - Where gold changes a state there are at most spare calls more than gold makes, to
//     look before the deed or to try again; the state does the choosing.
//
// Gold's own number of calls is always allowed.
//
// The state and the answers are compared even if the turn is empty, so that a
// report can say more. Where names the first difference. A turn beyond the last
// one is not compared: Done is false.
func (s *Session) CloseTurn() Verdict {
	if s.err != nil || s.turn >= len(s.p.task.Turns) {
		return Verdict{}
	}
	check := Verdict{State: true, Response: true}
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
		return Verdict{}
	}
	check.Done = true
	return check
}

// Verdict is the comparison of one closed turn with its gold answer.
type Verdict struct {
	Done     bool   // the turn was closed and compared
	Empty    bool   // gold makes calls in this turn, the policy made none
	State    bool   // the states are equal
	Response bool   // every gold result so far required is among the results
	Extra    int    // calls beyond those that a turn may have under Sparing
	Where    string // first difference: API.attribute, or the missing result
}

// The reasons for which a turn fails, the first that holds.
const (
	ReasonEmpty    = "empty_turn"
	ReasonState    = "state"
	ReasonResponse = "response"
	ReasonCalls    = "calls"
	reasonNoGold   = "no_gold" // the turn is beyond gold's last
)

// Check is the verdict in the words of every grader.
func (v Verdict) Check() ballast.Check {
	c := ballast.Check{Done: v.Done, Where: v.Where}
	switch {
	case !v.Done:
	case v.Empty:
		c.Reason = ReasonEmpty
	case !v.State:
		c.Reason = ReasonState
	case !v.Response:
		c.Reason = ReasonResponse
	case v.Extra > 0:
		c.Reason = ReasonCalls
	default:
		c.Passed, c.Score = true, 1
	}
	return c
}

// NewGold is the grader Gold of a task whose calls run in the session.
func NewGold(_ context.Context, t *ballast.Task, s ballast.Session) (ballast.Grader, error) {
	return grader(t, s, Gold)
}

// NewSparing is the grader Sparing.
func NewSparing(_ context.Context, t *ballast.Task, s ballast.Session) (ballast.Grader, error) {
	return grader(t, s, Sparing)
}

// grader is the session as its own grader. It is an error if the session is none of this
// package, or counts calls under other rules.
func grader(t *ballast.Task, s ballast.Session, name string) (ballast.Grader, error) {
	mine, ok := s.(*Session)
	if !ok {
		return nil, fmt.Errorf("sim: task %s: grader %s compares the states of simulated APIs, and the task's world is %q: name another grader",
			t.ID, name, t.World)
	}
	if mine.p.sparing != (name == Sparing) {
		return nil, fmt.Errorf("sim: task %s: its grader is %q, and it is graded by %s", t.ID, t.Grader, name)
	}
	return mine, nil
}

// Grade closes turn i, which must be the open one. A turn that gold does not have fails.
func (s *Session) Grade(_ context.Context, _ *ballast.Episode, i int) (ballast.Check, error) {
	switch {
	case s.err != nil:
		return ballast.Check{}, s.err
	case i != s.turn:
		return ballast.Check{}, fmt.Errorf("sim: task %s: turn %d is graded while turn %d is open", s.p.task.ID, i, s.turn)
	case i >= len(s.p.task.Turns):
		s.turn++
		return ballast.Check{Done: true, Reason: reasonNoGold, Where: fmt.Sprintf("gold has %d turns", len(s.p.task.Turns))}, nil
	}
	v := s.CloseTurn()
	return v.Check(), s.err
}

// spare is how many calls more than gold a turn of a sparing task may have where gold
// changes a state.
const spare = 2

// compare fills State, Response, Extra and Where.
func (s *Session) compare(check *Verdict, gold *goldTurn) (err error) {
	defer caught("comparison", &err)
	for i, p := range s.states {
		if attribute := p.Equal(gold.states[i]); attribute != "" {
			check.State = false
			check.Where = s.p.apis[i].api.Name() + "." + attribute
			break
		}
	}
	answers := s.answers
	if s.p.sparing {
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
	may := s.p.tools - s.p.held(s.turn) - 1
	if gold.changes {
		may = min(may, needs+spare)
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
	for i, e := range s.p.apis {
		dump[e.api.Name()] = s.states[i].Dump()
	}
	return dump
}
