package tinkertest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Fault is a line of a server's script: what happens to which requests.
type Fault struct {
	On string // the kind of request, the last part of its path; empty = any
	Of string // of retrieve_future: the kind of what was promised; empty = any
	// Nth is the first request that meets the fault, counted from 1 among those that On and Of
	// fit, since the line was added; 0 = the first. Times is how many do; 0 = one, -1 = all.
	Nth, Times int
	// Chance is the share of those requests that meet it, drawn from the server's seed; 0 = all.
	Chance float64
	Do     Action
}

// stage is where in the life of a request an action takes place.
type stage int

const (
	before  stage = iota // instead of handling it
	promise              // it is handled, and the operation is another
	after                // it is handled, and the answer is another
)

// Action is what a fault does. The variables and functions of this file make them.
type Action struct {
	name    string
	stage   stage
	answer  answer
	form    ErrorForm
	text    string
	restart bool
}

// String is the name that the ledger has.
func (a Action) String() string { return a.name }

// The actions without settings.
var (
	// CutBefore closes the connection before the request is handled.
	CutBefore = Action{name: "cut-before", stage: before}
	// CutAfter closes it when the request was handled, before a byte of the answer.
	CutAfter = Action{name: "cut-after", stage: after}
	// CutMiddle closes it in the middle of the answer.
	CutMiddle = Action{name: "cut-middle", stage: after}
	// Shorten sends half of the answer as if it were all.
	Shorten = Action{name: "shorten", stage: after}
	// Hang says nothing until the client leaves, and does nothing.
	Hang = Action{name: "hang", stage: before}
	// HangAfter says nothing either, but has done what was asked.
	HangAfter = Action{name: "hang-after", stage: after}
	// Vanish promises, and forgets promise and operation: 410 when it is asked for. The same
	// request, sent again, is promised anew.
	Vanish = Action{name: "vanish", stage: promise}
	// Lose forgets a promise when it is asked for: 410. The operation stays done, and the same
	// request, sent again, is promised its result.
	Lose = Action{name: "lose", stage: before}
	// RestartBefore kills and restarts the server instead of handling the request.
	RestartBefore = Action{name: "restart-before", stage: before, restart: true}
	// RestartAfter does so when the request was handled, before a byte of the answer.
	RestartAfter = Action{name: "restart-after", stage: after, restart: true}
)

// Reply answers with a status and a JSON body, and does nothing else.
func Reply(status int, body string) Action {
	return Action{name: fmt.Sprintf("reply-%d", status), stage: before, answer: answer{status: status, kind: jsonType, body: []byte(body)}}
}

// Status answers with a status and a detail: 401, 402, 403, 404, 409, 410, 429, 5xx.
func Status(status int) Action {
	body, _ := json.Marshal(map[string]string{"detail": http.StatusText(status)}) // texts cannot fail
	return Reply(status, string(body))
}

// Empty400 is what proxies put in: a 400 without a body.
func Empty400() Action {
	return Action{name: "empty-400", stage: before, answer: answer{status: http.StatusBadRequest}}
}

// StillPending answers that the promise is not kept yet. State is a queue_state: active,
// paused_capacity, paused_rate_limit.
func StillPending(form PendingForm, state string) Action {
	return Action{name: "pending", stage: before, answer: pendingAnswer(form, state)}
}

// Fails lets an operation fail without being applied; the promise says so in the form. On
// retrieve_future it answers so once, whatever became of the operation.
func Fails(form ErrorForm, text string) Action {
	return Action{name: "fails", stage: promise, form: form, text: text, answer: failureAnswer(form, text)}
}

// line is a fault with what it has counted.
type line struct {
	Fault
	met int
}

// fits counts a request that a line is for, and says whether the line takes it. n is its number
// among all of the line, seed that of the server.
func (l *line) takes(d draws, place uint64, on, of string) bool {
	if l.On != "" && l.On != on || l.Of != "" && l.Of != of {
		return false
	}
	l.met++
	first, times := max(l.Nth, 1), l.Times
	if times == 0 {
		times = 1
		if l.Chance > 0 {
			times = -1
		}
	}
	if l.met < first || times > 0 && l.met >= first+times {
		return false
	}
	return l.Chance == 0 || (draws{mix(d.seed, place)}).uniform(uint64(l.met)) < l.Chance
}

// Script adds lines. The first line that takes a request decides.
func (s *Server) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.script = append(s.script, &line{Fault: f})
	}
}

// Unscript takes all lines out.
func (s *Server) Unscript() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = nil
}

// fault is what the script does to a request; nil = nothing. Every line counts.
func (s *Server) fault(on, of string) *Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *Action
	for i, l := range s.script {
		if l.takes(draws{s.o.Seed}, uint64(i), on, of) && found == nil {
			found = &l.Do
		}
	}
	if found != nil {
		s.book.write(func(l *Ledger) { l.Faults[found.name]++ })
	}
	return found
}
