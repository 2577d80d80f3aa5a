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
// fails, panics or takes longer than its limit (unless it is Instant) ends the episode as StopInfra. A name that no
// table has, and a task that its world cannot load, are errors of Prepare.
package env

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"ballast"
	"ballast/chat"
)

// Limit is how long one call of a world, one verdict and one text of a user may take where
// the table does not say.
const Limit = 2 * time.Minute

// OpenLimit is how long a session may take to open, and a task to be prepared.
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
	// Shorten cuts a tool result to what the policy is shown and the record, which graders
	// read, keeps; nil shows all. The world's session has seen the whole.
	Shorten func(result string) string
	// Unread and Forget are for faults that a study puts in; see rollout.Faults.
	// Unread, if not nil, answers the text of a reply without a readable call under
	// MalformedAdvance; "" closes the turn as usual. Under Forget what the policy is shown
	// comes from a session that is opened afresh in every turn.
	Unread func(text string) string
	Forget bool
}

// Tail is a Shorten that keeps at most the last n bytes, from the beginning of a character on.
func Tail(n int) func(result string) string {
	return func(text string) string {
		at := max(0, len(text)-n)
		for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
			at++
		}
		return text[at:]
	}
}

// Message is what the policy is shown before its next reply: the answers to its
// calls, or else a message of the user.
type Message struct {
	Results []string // one per call of the last reply; nil for a user message
	User    string
	Reveal  []ballast.Tool // functions that the user's message reveals
	// Prompt is, in a world that listens, the whole conversation as the policy is shown it before its next reply.
	Prompt []ballast.Message
}

// Env is one episode. It is used by one goroutine at a time. The order is Start,
// then Ready, Reply and Answer for every reply, until Over; then Close.
type Env struct {
	// Episode is the record. The player owns its per-token fields.
	Episode ballast.Episode

	*Prepared
	rules   Rules
	ses     *opened // nil until it is needed
	fresh   *opened // of the open turn under Forget
	grader  ballast.Grader
	user    ballast.User
	over    bool
	turn    int // index of the open turn
	replies int
	busy    int    // replies with calls in the open turn
	fault   string // of the last reply, in words
	failed  bool   // the last call failed, as far as that is known
	// own is the record in the task's own words, for graders and users; nil where the policy has no others.
	own *ballast.Episode
}

// New starts an episode. Its session is opened when it is first needed.
func (p *Prepared) New(rules Rules) *Env {
	e := &Env{Prepared: p, rules: rules}
	e.Episode.Task = p.task.ID
	if p.task.Words != nil {
		e.own = &ballast.Episode{Task: p.task.ID}
	}
	return e
}

// Instant says that nothing in an episode takes time: Start, Answer and Close do not wait.
func (p *Prepared) Instant() bool { return p.instant }

// Task is the task, which must not be changed.
func (p *Prepared) Task() *ballast.Task { return p.task }

// Closes says that every reply closes its turn and is graded, whatever it is.
func (p *Prepared) Closes() bool { return p.world.Closes }

// Listens says that replies go to the world as they are written, and that every message brings the whole prompt.
func (p *Prepared) Listens() bool { return p.world.Listens }

// Tools returns the functions that are shown at the start.
func (p *Prepared) Tools() []ballast.Tool { return p.shown }

// All returns all functions, in the order of their documentation.
func (p *Prepared) All() []ballast.Tool { return p.tools }

// Known reports whether a function was shown to the policy so far.
func (e *Env) Known(name string) bool {
	at, ok := e.places[name]
	return ok && at.turn < len(e.Episode.Turns)
}

// Tool finds a function that was shown to the policy so far: an Env offers its tools
// to a format.
func (e *Env) Tool(name string) (ballast.Tool, bool) {
	if !e.Known(name) {
		return ballast.Tool{}, false
	}
	return e.tools[e.places[name].index], true
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
	entry, what := &e.Prepared.user, e.userIs
	if e.user == nil {
		var err error
		if e.user, err = guard(ctx, what, entry.Instant, OpenLimit, e.owns, entry.New); err != nil {
			e.Fail(err)
			return m
		}
	}
	u := speaking{e.user, e.record(entry.Instant)}
	said, err := guard(ctx, what, entry.Instant, entry.Limit, u, func(ctx context.Context, u speaking) (s said, err error) {
		s.text, s.more, err = u.user.Next(ctx, u.episode)
		return s, err
	})
	switch {
	case err != nil:
		e.Fail(err)
		return m
	case !said.more && e.turn == 0: // the policy was never asked
		e.Fail(fmt.Errorf("%s says nothing", what))
		return m
	case !said.more && e.Listens():
		e.Fail(fmt.Errorf("%s says nothing more, and the conversation goes on", what))
		return m
	case !said.more:
		e.Stop(ballast.StopDone)
		return m
	}
	m.User = e.heard(said.text)
	if e.turn < len(e.task.Turns) {
		for _, name := range e.task.Turns[e.turn].Reveal {
			m.Reveal = append(m.Reveal, e.tools[e.places[name].index])
		}
	}
	if m.User == "" && len(m.Reveal) > 0 {
		m.User = chat.RevealText
	}
	if e.Episode.Turns == nil {
		e.Episode.Turns = make([]ballast.Turn, 0, len(e.task.Turns))
	}
	e.Episode.Turns = append(e.Episode.Turns, ballast.Turn{User: m.User})
	e.opens(said.text)
	e.busy = 0
	if e.Listens() {
		return e.tell(ctx, m)
	}
	return m
}

// record is what a grader or a user reads: a copy for one that may be late, and reads on.
func (e *Env) record(instant bool) *ballast.Episode {
	ep := &e.Episode
	if e.own != nil {
		ep = e.own
	}
	if instant {
		return ep
	}
	late := *ep
	return &late
}

// speaking is a user who says what comes next in an episode.
type speaking struct {
	user    ballast.User
	episode *ballast.Episode
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
	step.Kind, step.Reason, step.Calls, step.Said = p.Kind, string(p.Reason), p.Calls, p.Text
	e.fault = p.Fault()
	t := &e.Episode.Turns[e.turn]
	if t.Steps == nil {
		t.Steps = make([]ballast.Step, 0, usualSteps)
	}
	t.Steps = append(t.Steps, step)
	e.replied(step)
	e.replies++
}

// usualSteps is how many replies a turn has place for before it needs more.
const usualSteps = 3

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
	case e.Listens():
		return e.listen(ctx, step)
	case e.Closes():
		return e.closeTurn(ctx)
	case step.Kind == ballast.KindCall || advance && len(step.Calls) > 0:
		return e.run(ctx, step)
	case advance && e.rules.Unread != nil && e.rules.Unread(step.Text) != "":
		step.Results = []string{e.rules.Unread(step.Text)}
		e.answered(step.Results[0])
		return Message{Results: step.Results}
	case step.Kind == ballast.KindResponse || advance:
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
		shown := e.shown(c, res)
		if e.rules.Shorten != nil {
			shown, res = e.rules.Shorten(shown), e.rules.Shorten(res)
		}
		e.answered(res)
		step.Results = append(step.Results, shown)
	}
	if e.busy++; e.rules.PerTurn > 0 && e.busy > e.rules.PerTurn {
		e.Stop(ballast.StopTurns)
	}
	return Message{Results: step.Results}
}

// closeTurn has the turn graded and opens the next one, if any.
func (e *Env) closeTurn(ctx context.Context) Message {
	check, err := e.grade(ctx)
	if err != nil {
		e.Fail(err)
		return Message{}
	}
	e.Episode.Turns[e.turn].Check = check
	e.judged(check)
	e.turn++
	e.release(&e.fresh)
	if e.Listens() && e.ended() {
		e.Stop(ballast.StopDone)
		return Message{}
	}
	return e.open(ctx)
}

// grade judges the open turn.
func (e *Env) grade(ctx context.Context) (check ballast.Check, err error) {
	entry, what := &e.Prepared.grader, e.graderIs
	if e.grader == nil {
		if err := e.session(ctx, &e.ses); err != nil {
			return check, err
		}
		task := e.owns
		begin := func(ctx context.Context, s ballast.Session) (ballast.Grader, error) { return entry.New(ctx, task, s) }
		e.grader, err = guard(ctx, what, entry.Instant, OpenLimit, e.ses.Session, begin)
		if err != nil {
			return check, err
		}
	}
	g := grading{e.grader, e.record(entry.Instant), e.turn}
	check, err = guard(ctx, what, entry.Instant, entry.Limit, g, func(ctx context.Context, g grading) (ballast.Check, error) {
		return g.grader.Grade(ctx, g.episode, g.turn)
	})
	switch {
	case err != nil:
		return check, fmt.Errorf("%s: %w", what, err)
	case !(check.Score >= 0 && check.Score <= 1):
		return check, fmt.Errorf("%s: its score %v is not in 0 to 1", what, check.Score)
	}
	if check.Done = true; check.Passed {
		check.Score = 1
	}
	return check, nil
}

// grading is a turn that a grader judges.
type grading struct {
	grader  ballast.Grader
	episode *ballast.Episode
	turn    int
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
