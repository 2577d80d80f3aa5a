// Package env is the environment that a policy plays one task in: it opens user
// turns, reads nothing but parsed replies, runs their calls in the task's worlds,
// closes turns against gold, holds the budgets that are not tokens, and keeps the
// record.
//
// It knows neither tokens nor wires. Package rollout plays it with token ids,
// package remote with messages of an endpoint; both get the same turns, steps and
// verdicts because they are made here and nowhere else.
//
// What a policy does wrong ends in a typed stop and is data. A world that breaks
// is StopInfra. A task whose worlds do not load is an error of New.
package env

import (
	"fmt"

	"ballast"
	"ballast/chat"
	"ballast/world"
)

// Malformed says what a reply that is neither calls nor a response leads to.
type Malformed string

// The treatments of malformed replies.
const (
	MalformedStop  Malformed = "stop"  // the episode ends (default)
	MalformedRetry Malformed = "retry" // the policy is told and may reply again
	// MalformedAdvance: it closes the user turn, unless calls in it can be read:
	// those are run, as in the paper's code and in BFCL's.
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
	// executed, then the episode ends, as BFCL's harness does. 0 = no bound.
	PerTurn int
	// Shorten cuts a tool result to what the policy is shown and the record
	// keeps; nil shows all. The checks always compare whole results.
	Shorten func(result string) string
	// Unread and Shown are for faults that a study puts in; see rollout.Quirks.
	// Unread, if not nil, answers the text of a reply without a readable call under
	// MalformedAdvance; "" closes the turn as usual. Shown, if not nil, replaces the
	// result of a call in a turn by what the policy is shown instead.
	Unread func(text string) string
	Shown  func(turn int, c ballast.Call, result string) string
}

// Message is what the policy is shown before its next reply: the answers to its
// calls, or else a message of the user.
type Message struct {
	Results []string // one per call of the last reply; nil for a user message
	User    string
	Reveal  []ballast.Tool // functions that the user's message reveals
}

// Env is one episode. It is used by one goroutine at a time. The order is Start,
// then Ready, Reply and Answer for every reply, until Over.
type Env struct {
	// Episode is the record. The player owns its per-token fields.
	Episode ballast.Episode

	*Prepared
	rules   Rules
	ses     *world.Session
	know    map[string]ballast.Tool // functions shown so far, by name
	over    bool
	turn    int // index of the open turn
	replies int
	busy    int    // replies with calls in the open turn
	fault   string // of the last reply, in words
}

// Prepared is what the episodes of one task have in common: the loaded worlds,
// gold's side of the checks, and the tools. It is safe for concurrent use; the task
// must not be changed while it lives.
type Prepared struct {
	task  *ballast.Task
	world *world.Prepared
	shown []ballast.Tool
	held  map[string]ballast.Tool
}

// Prepare loads the worlds of a task.
func Prepare(task *ballast.Task) (*Prepared, error) {
	w, err := world.Prepare(task)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", task.ID, err)
	}
	p := &Prepared{task: task, world: w}
	p.shown, p.held = split(task)
	return p, nil
}

// New starts an episode.
func (p *Prepared) New(rules Rules) *Env {
	e := &Env{Prepared: p, rules: rules, ses: p.world.Session(), know: map[string]ballast.Tool{}}
	e.Episode.Task = p.task.ID
	for _, t := range p.shown {
		e.know[t.Name] = t
	}
	return e
}

// New starts the only episode of a task.
func New(task *ballast.Task, rules Rules) (*Env, error) {
	p, err := Prepare(task)
	if err != nil {
		return nil, err
	}
	return p.New(rules), nil
}

// split separates the tools that are shown at the start from those that a later
// turn reveals.
func split(task *ballast.Task) (shown []ballast.Tool, held map[string]ballast.Tool) {
	held = map[string]ballast.Tool{}
	for _, t := range task.Turns {
		for _, name := range t.Reveal {
			held[name] = ballast.Tool{}
		}
	}
	for _, tool := range task.Tools {
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

// Session starts the task's worlds once more, apart from those of an episode.
func (p *Prepared) Session() *world.Session { return p.world.Session() }

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

// Start opens the first turn.
func (e *Env) Start() Message { return e.open() }

// open opens the next turn: the user's message, or what a turn reveals.
func (e *Env) open() Message {
	t := e.task.Turns[e.turn]
	m := Message{User: t.User}
	for _, name := range t.Reveal {
		m.Reveal = append(m.Reveal, e.held[name])
		e.know[name] = e.held[name]
	}
	if m.User == "" && len(t.Reveal) > 0 {
		m.User = chat.RevealText
	}
	e.Episode.Turns = append(e.Episode.Turns, ballast.Turn{User: m.User})
	e.busy = 0
	return m
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
func (e *Env) Answer() Message {
	step := e.Last()
	advance := e.rules.Malformed == MalformedAdvance
	switch {
	case step.Form == ballast.FormCall || advance && len(step.Calls) > 0:
		return e.run(step)
	case advance && e.rules.Unread != nil && e.rules.Unread(step.Text) != "":
		step.Results = []string{e.rules.Unread(step.Text)}
		return Message{Results: step.Results}
	case step.Form == ballast.FormResponse || advance:
		return e.closeTurn()
	case e.rules.Malformed == MalformedRetry:
		return Message{User: e.retryText()}
	}
	e.Stop(ballast.StopMalformed)
	return Message{}
}

// run executes the calls of a step.
func (e *Env) run(step *ballast.Step) Message {
	for _, c := range step.Calls {
		res := e.ses.Call(c)
		if err := e.ses.Err(); err != nil {
			e.Fail(err)
			return Message{}
		}
		if e.rules.Shown != nil {
			res = e.rules.Shown(e.turn, c, res)
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

// closeTurn compares the turn with gold and opens the next one, if any.
func (e *Env) closeTurn() Message {
	check := e.ses.CloseTurn()
	if err := e.ses.Err(); err != nil {
		e.Fail(err)
		return Message{}
	}
	e.Episode.Turns[e.turn].Check = check
	e.turn++
	if e.turn == len(e.task.Turns) {
		e.Stop(ballast.StopDone)
		return Message{}
	}
	return e.open()
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
