package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ballast"
	"ballast/world"
)

// World plays tasks in the simulated APIs that they name.
type World struct{}

// Tools documents all functions of the task's APIs.
func (World) Tools(ctx context.Context, t *ballast.Task) ([]ballast.Tool, error) {
	p, err := Prepare(t)
	if err != nil {
		return nil, err
	}
	return p.Tools(ctx, t)
}

// Open starts the only play of a task.
func (World) Open(_ context.Context, t *ballast.Task) (ballast.Session, error) {
	s, err := NewSession(t)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Prepare loads what the sessions of a task share.
func (World) Prepare(_ context.Context, t *ballast.Task) (ballast.World, error) {
	p, err := Prepare(t)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Prepared is a task whose APIs are loaded: the world of that task alone. Sessions of it
// start from copies of the same states, and share gold's side: what gold's calls answer and leave
// behind depends on the task alone, so that every turn of gold is played once, when
// the first session closes that turn. It is safe for concurrent use; the task must
// not be changed while it lives.
type Prepared struct {
	task    *ballast.Task
	sparing bool
	tools   int // that the policy is shown at one time or another
	apis    []*entry
	states  []world.State // at the start; copied, never called

	turns []atomic.Pointer[goldTurn] // those that were played
	mu    sync.Mutex                 // held by who plays more
	once  bool                       // it has one session, and no longer life than that

	roomAPIs   [2]*entry // what most tasks need, in one piece of memory
	roomStates [2]world.State
}

// goldTurn is what the gold calls of one turn answered and left behind.
type goldTurn struct {
	needed  []needed
	states  []world.State // after the turn; compared, never called
	changes bool          // the calls left other states than they found
	err     error         // what broke

	roomNeeded [2]needed
	roomStates [2]world.State
}

// needed is an answer of gold and how often it came.
type needed struct {
	answer string
	times  int
}

// maxAPIs is how many APIs a task may have; a session notes in the bits of a
// word which it copied.
const maxAPIs = 64

// Prepare loads the APIs of a task.
func Prepare(task *ballast.Task) (*Prepared, error) {
	p := &Prepared{task: task, sparing: task.Grader == Sparing, turns: make([]atomic.Pointer[goldTurn], len(task.Turns))}
	if len(task.APIs) == 0 {
		return nil, fmt.Errorf("sim: task %s names no simulated API", task.ID)
	}
	if len(task.APIs) > maxAPIs {
		return nil, fmt.Errorf("sim: task %s names %d APIs; a task has at most %d", task.ID, len(task.APIs), maxAPIs)
	}
	p.apis, p.states = p.roomAPIs[:0], p.roomStates[:0]
	for _, name := range task.APIs {
		e, err := get(name)
		if err != nil {
			return nil, fmt.Errorf("task %s: %w", task.ID, err)
		}
		s, err := e.api.New(task.Init[name], task.Variant)
		if err != nil {
			return nil, fmt.Errorf("sim: task %s: %w", task.ID, err)
		}
		p.apis = append(p.apis, e)
		p.states = append(p.states, s)
	}
	if p.tools = len(task.Tools); p.sparing && task.Tools == nil {
		for i, e := range p.apis {
			p.tools += len(e.tools(p.states[i]))
		}
	}
	return p, nil
}

// Tools documents all functions of the task's APIs. Another task than the one that was prepared
// is an error.
func (p *Prepared) Tools(_ context.Context, t *ballast.Task) (tools []ballast.Tool, err error) {
	if err := p.mine(t); err != nil {
		return nil, err
	}
	for i, e := range p.apis {
		tools = append(tools, e.tools(p.states[i])...)
	}
	return tools, nil
}

// held is how many tools are revealed after a turn only.
func (p *Prepared) held(turn int) (n int) {
	for _, t := range p.task.Turns[turn+1:] {
		n += len(t.Reveal)
	}
	return n
}

// mine rejects another task than the one that was prepared.
func (p *Prepared) mine(t *ballast.Task) error {
	if t != p.task {
		return fmt.Errorf("sim: task %s is opened in the world of task %s", t.ID, p.task.ID)
	}
	return nil
}

// Open starts a play of the task that was prepared. Another one is an error.
func (p *Prepared) Open(_ context.Context, t *ballast.Task) (ballast.Session, error) {
	if err := p.mine(t); err != nil {
		return nil, err
	}
	return p.Session(), nil
}

// gold returns what a turn of gold came to; it plays the turns up to it that were
// not played yet.
func (p *Prepared) gold(turn int) *goldTurn {
	if g := p.turns[turn].Load(); g != nil {
		return g
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := &goldTurn{states: p.states}
	for i := 0; i <= turn; i++ {
		g := p.turns[i].Load()
		if g == nil {
			g = p.play(i, before)
			p.turns[i].Store(g)
		}
		before = g
	}
	return before
}

// play plays a turn of gold after the one before. A turn without calls leaves the
// states as they are. What broke in a turn breaks those after it.
func (p *Prepared) play(turn int, before *goldTurn) *goldTurn {
	calls := p.task.Turns[turn].Gold
	if len(calls) == 0 || before.err != nil {
		return &goldTurn{states: before.states, err: before.err}
	}
	g := &goldTurn{}
	g.states = append(g.roomStates[:0], before.states...)
	if g.needed = g.roomNeeded[:0]; len(calls) > len(g.roomNeeded) {
		g.needed = make([]needed, 0, len(calls))
	}
	var mine uint64
	for _, c := range calls {
		var answer string
		if answer, g.err = run(p.apis, g.states, &mine, c); g.err != nil {
			return g
		}
		if !p.once { // it outlives the calls around it
			answer = strings.Clone(answer)
		}
		g.needed = append(g.needed, needed{answer, 1})
	}
	if p.sparing {
		if g.changes, g.err = changed(before.states, g.states); g.err != nil {
			return g
		}
	}
	// The smallest that is missing is reported.
	slices.SortFunc(g.needed, func(a, b needed) int { return strings.Compare(a.answer, b.answer) })
	different := g.needed[:0]
	for _, x := range g.needed {
		if n := len(different); n > 0 && different[n-1].answer == x.answer {
			different[n-1].times++
		} else {
			different = append(different, x)
		}
	}
	g.needed = different
	return g
}

// changed reports whether any state differs.
func changed(before, after []world.State) (differ bool, err error) {
	defer caught("comparison", &err)
	for i, s := range after {
		if s.Equal(before[i]) != "" {
			return true, nil
		}
	}
	return false, nil
}

// run dispatches one call over the states, of which those that are not mine are
// copied before they are first called. A panic of an API is an error.
func run(apis []*entry, states []world.State, mine *uint64, c ballast.Call) (answer string, err error) {
	defer caught(c.Name, &err)
	if i := having(apis, states, &c); i >= 0 {
		if *mine>>i&1 == 0 {
			states[i] = states[i].Copy()
			*mine |= 1 << i
		}
		return states[i].Call(c), nil
	}
	for _, e := range apis {
		if u, ok := e.api.(world.Unknowner); ok {
			return u.Unknown(c.Name), nil
		}
	}
	return "error: no tool of that name", nil
}

// having is the API that has a call's function, -1 where none has. A name that means another one becomes that.
func having(apis []*entry, states []world.State, c *ballast.Call) int {
	for i, e := range apis {
		if e.have(states[i], c.Name) {
			return i
		}
	}
	for i, e := range apis {
		n, ok := e.api.(world.Namer)
		if !ok {
			continue
		}
		if name := n.Means(c.Name); e.have(states[i], name) {
			c.Name = name
			return i
		}
	}
	return -1
}

// caught turns an API's panic into an error.
func caught(what string, err *error) {
	if r := recover(); r != nil {
		*err = errors.Join(*err, fmt.Errorf("%s: panic: %v", what, r))
	}
}
