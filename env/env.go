// Package env is what a policy meets when it plays a task: it opens user turns, reads
// nothing but parsed replies, runs their calls in the task's world, has closed turns graded,
// holds the budgets that are not tokens, and keeps the record.
//
// A task names its world, its grader and its user; Table resolves the names. The interfaces
// are those of package ballast. Package envtest is what every world passes.
//
// It knows neither tokens nor wires. Package rollout plays it with token ids,
// package remote with messages of an endpoint; both get the same turns, steps and
// verdicts because they are made here and nowhere else.
//
// What a policy does wrong ends in a typed stop and is data. A world, grader or user that
// fails, panics or takes longer than Limit ends the episode as StopInfra. A name that no
// table has, and a task that its world cannot load, are errors of Prepare.
package env

import (
	"context"
	"fmt"
	"time"

	"ballast"
	"ballast/chat"
)

// Limit is how long one call of a world, one verdict and one text of a user may take.
const Limit = 2 * time.Minute

// OpenLimit is how long a session may take to open, waiting for room included.
const OpenLimit = 10 * time.Minute

// closeLimit is how long a session may take to close.
const closeLimit = 10 * time.Second

// Malformed says what a reply that is neither calls nor a response leads to.
type Malformed string

// The treatments of malformed replies.
const (
	MalformedStop  Malformed = "stop"  // the episode ends (default)
	MalformedRetry Malformed = "retry" // the policy is told and may reply again
	// MalformedAdvance: it closes the user turn, unless calls in it can be read:
	// those are run, as in the paper's code.
	MalformedAdvance Malformed = "advance"
)

// RetryText is what a policy is told after a malformed reply under MalformedRetry, with
// what was seen and what is expected between its sentences.
const RetryText = retryHead + "." + retryTail

const (
	retryHead = "The last reply was not a valid tool call"
	retryTail = " Check the format and reply again."
)

// retryText tells what was seen in a malformed reply and how calls are written.
func (e *Env) retryText() string {
	text := retryHead
	if e.fault != "" {
		text += ": " + e.fault
	}
	if text += "."; e.rules.Syntax != "" {
		text += " Calls are written like this: " + e.rules.Syntax
	}
	return text + retryTail
}

// Rules say how an episode goes on and when it ends.
type Rules struct {
	Malformed Malformed // "" = stop
	Syntax    string    // how calls are written, which MalformedRetry tells; "" is not told
	Steps     int       // replies in an episode; the next one is not asked for
	// PerTurn bounds the replies with calls in one user turn: one more is still
	// executed, then the episode ends. 0 = no bound.
	PerTurn int
	// Shorten cuts a tool result to what the policy is shown and the record
	// keeps; nil shows all. The checks always compare whole results.
	Shorten func(result string) string
	// Unread and Forget are for faults that a study puts in; see rollout.Quirks.
	// Unread, if not nil, answers the text of a reply without a readable call under
	// MalformedAdvance; "" closes the turn as usual. Under Forget what the policy is shown
	// comes from a session that is opened afresh in every turn.
	Unread func(text string) string
	Forget bool
	// Limit, if not 0, is another one than Limit.
	Limit time.Duration
}

// Message is what the policy is shown before its next reply: the answers to its
// calls, or else a message of the user.
type Message struct {
	Results []string // one per call of the last reply; nil for a user message
	User    string
	Reveal  []ballast.Tool // functions that the user's message reveals
}

// Env is one episode. It is used by one goroutine at a time. The order is Start,
// then Ready, Reply and Answer for every reply, until Over; then Close.
type Env struct {
	// Episode is the record. The player owns its per-token fields.
	Episode ballast.Episode

	*Prepared
	rules   Rules
	ses     ballast.Session // nil until it is needed
	fresh   ballast.Session // of the open turn under Forget
	grader  ballast.Grader
	user    ballast.User
	know    map[string]ballast.Tool // functions shown so far, by name
	over    bool
	turn    int // index of the open turn
	replies int
	busy    int    // replies with calls in the open turn
	fault   string // of the last reply, in words
}

// Prepared is what the episodes of one task have in common: its world, grader and user,
// what the world loads once for all of them, and the tools. It is safe for concurrent use;
// the task must not be changed while it lives.
type Prepared struct {
	task    *ballast.Task
	world   World
	grader  Grader
	user    User
	instant bool
	tools   []ballast.Tool
	shown   []ballast.Tool
	held    map[string]ballast.Tool
}

// Preparer is a world that loads once what the sessions of a task share. Prepare returns
// the world of that task alone.
type Preparer interface {
	Prepare(context.Context, *ballast.Task) (ballast.World, error)
}

// Prepare makes a task of the builtin table ready.
func Prepare(ctx context.Context, task *ballast.Task) (*Prepared, error) {
	return Builtin.Prepare(ctx, task)
}

// Prepare makes a task ready: it finds its world, grader and user, has the world load what
// its sessions share and asks for the tools.
func (t *Table) Prepare(ctx context.Context, task *ballast.Task) (p *Prepared, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("task %s: %w", task.ID, err)
		}
	}()
	p = &Prepared{task: task, tools: task.Tools}
	if p.world, p.grader, p.user, err = t.resolve(task); err != nil {
		return nil, err
	}
	p.instant = p.world.Instant && p.grader.Instant && p.user.Instant
	if w, ok := p.world.World.(Preparer); ok {
		p.world.World, err = guard(ctx, p.world.Name, p.world.Instant, OpenLimit, func(ctx context.Context) (ballast.World, error) {
			return w.Prepare(ctx, task)
		})
		if err != nil {
			return nil, err
		}
	}
	if p.tools == nil {
		p.tools, err = guard(ctx, p.world.Name+": tools", p.world.Instant, OpenLimit, func(ctx context.Context) ([]ballast.Tool, error) {
			return p.world.World.Tools(ctx, task)
		})
		if err != nil {
			return nil, err
		}
	}
	p.shown, p.held = split(p.tools, task.Turns)
	return p, nil
}

// New starts an episode. Its session is opened when it is first needed.
func (p *Prepared) New(rules Rules) *Env {
	if rules.Limit == 0 {
		rules.Limit = Limit
	}
	e := &Env{Prepared: p, rules: rules, know: map[string]ballast.Tool{}}
	e.Episode.Task = p.task.ID
	for _, t := range p.shown {
		e.know[t.Name] = t
	}
	return e
}

// Instant says that nothing in an episode takes time: Start, Answer and Close do not wait.
func (p *Prepared) Instant() bool { return p.instant }

// split separates the tools that are shown at the start from those that a later
// turn reveals.
func split(tools []ballast.Tool, turns []ballast.TaskTurn) (shown []ballast.Tool, held map[string]ballast.Tool) {
	held = map[string]ballast.Tool{}
	for _, t := range turns {
		for _, name := range t.Reveal {
			held[name] = ballast.Tool{}
		}
	}
	for _, tool := range tools {
		if _, later := held[tool.Name]; later {
			held[tool.Name] = tool
		} else {
			shown = append(shown, tool)
		}
	}
	return shown, held
}

// Tools returns the functions that are shown at the start.
func (p *Prepared) Tools() []ballast.Tool { return p.shown }

// All returns all functions, in the order of their documentation.
func (p *Prepared) All() []ballast.Tool { return p.tools }

// Known reports whether a function was shown to the policy so far.
func (e *Env) Known(name string) bool {
	_, ok := e.know[name]
	return ok
}

// Tool finds a function that was shown to the policy so far: an Env offers its tools
// to a format.
func (e *Env) Tool(name string) (ballast.Tool, bool) {
	t, ok := e.know[name]
	return t, ok
}

// Over reports whether the episode has ended.
func (e *Env) Over() bool { return e.over }

// Turn returns the index of the open turn.
func (e *Env) Turn() int { return e.turn }

// Start opens the first turn. The message is to be shown, unless the episode is over.
func (e *Env) Start(ctx context.Context) Message { return e.open(ctx) }

// open opens the next turn: the user's message, or what a turn reveals. The episode is
// done where the user has nothing more to say.
func (e *Env) open(ctx context.Context) (m Message) {
	if e.user == nil {
		var err error
		if e.user, err = e.Prepared.user.New(e.task); err != nil {
			e.Fail(err)
			return m
		}
	}
	u, ep := e.user, e.Episode // one that is late reads on
	said, err := guard(ctx, "user "+e.Prepared.user.Name, e.Prepared.user.Instant, e.rules.Limit,
		func(ctx context.Context) (s said, err error) {
			s.text, s.more, err = u.Next(ctx, &ep)
			return s, err
		})
	switch {
	case err != nil:
		e.Fail(err)
		return m
	case !said.more:
		e.Stop(ballast.StopDone)
		return m
	}
	m.User = said.text
	if e.turn < len(e.task.Turns) {
		for _, name := range e.task.Turns[e.turn].Reveal {
			m.Reveal = append(m.Reveal, e.held[name])
			e.know[name] = e.held[name]
		}
	}
	if m.User == "" && len(m.Reveal) > 0 {
		m.User = chat.RevealText
	}
	e.Episode.Turns = append(e.Episode.Turns, ballast.Turn{User: m.User})
	e.busy = 0
	return m
}

// said is what a user says next.
type said struct {
	text string
	more bool
}

// Ready reports whether another reply may be asked for; it ends the episode if
// the budget of replies is used up.
func (e *Env) Ready() bool {
	if !e.over && e.replies >= e.rules.Steps {
		e.Stop(ballast.StopTurns)
	}
	return !e.over
}

// Reply records a reply as it was read. The fields of step that parsing does not
// tell (Start, End, Text, Cut, Gold) are the player's; cut replies lose what makes
// them healthy. Answer acts on it, unless the player stops the episode first.
func (e *Env) Reply(p chat.Parsed, step ballast.Step) {
	if step.Cut {
		p = p.Cut()
	}
	step.Form, step.Reason, step.Calls = p.Form, string(p.Reason), p.Calls
	e.fault = p.Fault()
	t := &e.Episode.Turns[e.turn]
	t.Steps = append(t.Steps, step)
	e.replies++
}

// Last returns the record of the last reply of the open turn, which must have one.
func (e *Env) Last() *ballast.Step {
	t := &e.Episode.Turns[e.turn]
	return &t.Steps[len(t.Steps)-1]
}

// Answer acts on the last reply: it runs its calls, closes the turn and opens the
// next, or ends the episode. Unless the episode is over, the message is to be
// shown.
func (e *Env) Answer(ctx context.Context) Message {
	step := e.Last()
	advance := e.rules.Malformed == MalformedAdvance
	switch {
	case step.Form == ballast.FormCall || advance && len(step.Calls) > 0:
		return e.run(ctx, step)
	case advance && e.rules.Unread != nil && e.rules.Unread(step.Text) != "":
		step.Results = []string{e.rules.Unread(step.Text)}
		return Message{Results: step.Results}
	case step.Form == ballast.FormResponse || advance:
		return e.closeTurn(ctx)
	case e.rules.Malformed == MalformedRetry:
		return Message{User: e.retryText()}
	}
	e.Stop(ballast.StopMalformed)
	return Message{}
}

// run executes the calls of a step.
func (e *Env) run(ctx context.Context, step *ballast.Step) Message {
	for _, c := range step.Calls {
		res, err := e.call(ctx, &e.ses, c)
		if err == nil && e.rules.Forget {
			res, err = e.call(ctx, &e.fresh, c)
		}
		if err != nil {
			e.Fail(err)
			return Message{}
		}
		if e.rules.Shorten != nil {
			res = e.rules.Shorten(res)
		}
		step.Results = append(step.Results, res)
	}
	if e.busy++; e.rules.PerTurn > 0 && e.busy > e.rules.PerTurn {
		e.Stop(ballast.StopTurns)
	}
	return Message{Results: step.Results}
}

// call runs one call in a session, which it opens if there is none.
func (e *Env) call(ctx context.Context, ses *ballast.Session, c ballast.Call) (string, error) {
	if err := e.session(ctx, ses); err != nil {
		return "", err
	}
	s := *ses
	answer, err := guard(ctx, "the call", e.world.Instant, e.rules.Limit, func(ctx context.Context) (string, error) { return s.Call(ctx, c) })
	if err != nil {
		err = fmt.Errorf("world %s: %s: %w", e.world.Name, c.Name, err)
	}
	return answer, err
}

// session opens a session where there is none.
func (e *Env) session(ctx context.Context, ses *ballast.Session) (err error) {
	if *ses != nil {
		return nil
	}
	*ses, err = guard(ctx, "opening a session", e.world.Instant, OpenLimit, func(ctx context.Context) (ballast.Session, error) {
		return e.world.World.Open(ctx, e.task)
	}, func(late ballast.Session) { late.Close() })
	if err != nil {
		*ses = nil
		return fmt.Errorf("world %s: %w", e.world.Name, err)
	}
	return nil
}

// closeTurn has the turn graded and opens the next one, if any.
func (e *Env) closeTurn(ctx context.Context) Message {
	check, err := e.grade(ctx)
	if err != nil {
		e.Fail(err)
		return Message{}
	}
	e.Episode.Turns[e.turn].Check = check
	e.turn++
	if err := e.release(&e.fresh); err != nil {
		e.Fail(err)
		return Message{}
	}
	return e.open(ctx)
}

// grade judges the open turn.
func (e *Env) grade(ctx context.Context) (check ballast.Check, err error) {
	if e.grader == nil {
		if err := e.session(ctx, &e.ses); err != nil {
			return check, err
		}
		if e.grader, err = e.Prepared.grader.New(e.task, e.ses); err != nil {
			return check, err
		}
	}
	g, ep, turn := e.grader, e.Episode, e.turn // one that is late reads on
	check, err = guard(ctx, "grader "+e.Prepared.grader.Name, e.Prepared.grader.Instant, e.rules.Limit,
		func(ctx context.Context) (ballast.Check, error) {
			return g.Grade(ctx, &ep, turn)
		})
	return check, err
}

// release closes a session, if there is one.
func (e *Env) release(ses *ballast.Session) error {
	s := *ses
	if s == nil {
		return nil
	}
	*ses = nil
	_, err := guard(context.Background(), "closing a session", e.world.Instant, closeLimit,
		func(context.Context) (struct{}, error) { return struct{}{}, s.Close() })
	if err != nil {
		err = fmt.Errorf("world %s: %w", e.world.Name, err)
	}
	return err
}

// Close gives back what the episode's world holds, whether it is over or not. What goes
// wrong is noted in the episode and changes no verdict.
func (e *Env) Close() {
	for _, ses := range []*ballast.Session{&e.ses, &e.fresh} {
		if err := e.release(ses); err != nil && e.Episode.Error == "" {
			e.Episode.Error = err.Error()
		}
	}
}

// Stop ends the episode.
func (e *Env) Stop(s ballast.Stop) {
	e.over = true
	e.Episode.Stop = s
}

// Fail ends the episode for a reason that is not the policy's.
func (e *Env) Fail(err error) {
	e.Stop(ballast.StopInfra)
	e.Episode.Error = err.Error()
}
