package world

import (
	"errors"
	"fmt"
	"slices"

	"ballast"
)

// LongContext is the category whose tasks play the long variant of the worlds.
const LongContext = "long_context"

// Session is one play of one task: the worlds as the policy left them, and the
// worlds as the gold answer leaves them. It is used by one goroutine at a time.
type Session struct {
	task   *ballast.Task
	worlds []*entry
	policy []ballast.State
	gold   []ballast.State
	turn   int // next turn to close
	calls  int // calls of the policy in the open turn
	// pool counts what the policy's calls answered in all turns so far.
	pool map[string]int
	err  error
}

// NewSession starts the worlds of a task twice.
func NewSession(task *ballast.Task) (*Session, error) {
	s, err := start(task, true)
	if err == nil {
		s.pool = make(map[string]int)
	}
	return s, err
}

// start starts the worlds of the policy and, if asked to, those of gold.
func start(task *ballast.Task, gold bool) (*Session, error) {
	s := &Session{task: task}
	if len(task.Worlds) == 0 {
		return nil, fmt.Errorf("world: task %s names no world", task.ID)
	}
	long := task.Category == LongContext
	for _, name := range task.Worlds {
		e, err := get(name)
		if err != nil {
			return nil, fmt.Errorf("world: task %s: %w", task.ID, err)
		}
		p, err := e.world.New(task.Init[name], long)
		if err != nil {
			return nil, fmt.Errorf("world: task %s: %w", task.ID, err)
		}
		s.worlds = append(s.worlds, e)
		s.policy = append(s.policy, p)
		if !gold {
			continue
		}
		g, err := e.world.New(task.Init[name], long)
		if err != nil {
			return nil, fmt.Errorf("world: task %s: %w", task.ID, err)
		}
		s.gold = append(s.gold, g)
	}
	return s, nil
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
	answer := s.run(s.policy, c)
	s.pool[answer]++
	return answer
}

// CloseTurn ends the open turn: it plays the turn's gold calls on the gold state
// and compares. The rules are those of the BFCL multi-turn checker:
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
	if s.err != nil || s.turn >= len(s.task.Turns) {
		return ballast.Check{}
	}
	gold := s.task.Turns[s.turn].Gold
	answers := make([]string, len(gold))
	for i, c := range gold {
		answers[i] = s.run(s.gold, c)
	}
	check := ballast.Check{State: true, Response: true}
	if len(gold) > 0 {
		check.Empty = s.calls == 0
		s.compare(&check, answers)
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
func (s *Session) compare(check *ballast.Check, answers []string) {
	defer s.catch("comparison")
	for i, p := range s.policy {
		if attribute := p.Equal(s.gold[i]); attribute != "" {
			check.State = false
			check.Where = s.worlds[i].world.Name() + "." + attribute
			break
		}
	}
	// need counts equal answers; sorting brings them together.
	slices.Sort(answers)
	for i, need := 0, 0; i < len(answers); i++ {
		if i > 0 && answers[i] != answers[i-1] {
			need = 0
		}
		if need++; s.pool[answers[i]] >= need {
			continue
		}
		check.Response = false
		if check.Where == "" {
			check.Where = answers[i]
		}
		return
	}
}

// run dispatches one call over the states of one side.
func (s *Session) run(states []ballast.State, c ballast.Call) (answer string) {
	defer s.catch(c.Name)
	for i, e := range s.worlds {
		if e.has[c.Name] {
			return states[i].Call(c)
		}
	}
	for _, e := range s.worlds {
		if u, ok := e.world.(Unknowner); ok {
			return u.Unknown(c.Name)
		}
	}
	return "error: no tool of that name"
}

// catch turns a world's panic into the session's error.
func (s *Session) catch(what string) {
	if r := recover(); r != nil {
		s.err = errors.Join(s.err, fmt.Errorf("world: task %s, turn %d, %s: panic: %v", s.task.ID, s.turn, what, r))
	}
}

// Dump returns the policy's state of every world by name.
func (s *Session) Dump() map[string]any {
	dump := make(map[string]any, len(s.policy))
	for i, e := range s.worlds {
		dump[e.world.Name()] = s.policy[i].Dump()
	}
	return dump
}

// Execute plays the gold calls of a task on fresh worlds, turn by turn, without
// comparing anything, and returns their number. It is what benchmarks measure.
func Execute(task *ballast.Task) (calls int, err error) {
	s, err := start(task, false)
	if err != nil {
		return 0, err
	}
	for i := range task.Turns {
		for _, c := range task.Turns[i].Gold {
			s.run(s.policy, c)
			calls++
		}
	}
	return calls, s.err
}
