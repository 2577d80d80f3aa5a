package acebench

import (
	"fmt"
	"strings"

	"ballast/value"
	"ballast/value/pyexpr"
	"ballast/world/python"
)

// Role is one of the two execution roles.
type Role int

// The roles.
const (
	Step Role = iota // of multi_step: what a call raises is told in its place
	Turn             // of multi_turn: the first exception is told instead of all results
)

// String is the role's name in the categories.
func (r Role) String() string { return [...]string{"multi_step", "multi_turn"}[r] }

// Texts that are told instead of results.
const (
	// StepUnread answers a message that cannot be read, in multi_step.
	StepUnread = "Please do not ask me any questions, use the known conditions to solve the problem"
	// TurnFailed answers a message one of whose calls raises, in multi_turn. The original forgets to fill it in.
	TurnFailed = "Error during execution: {str(e)}"
)

// Scene is the objects of one item, and the role that runs calls on them. It is used by one goroutine.
type Scene struct {
	role    Role
	format  Format
	classes []string
	config  *value.Dict
	apis    []interface{ Has(name string) bool }
	made    []state // nil until a message has calls
	fresh   []state // what they are then
	saves   bool    // a message has succeeded
	mended  bool
	nobody  string // a name that is not defined, see As
}

// Executed is what came of one message of the agent.
type Executed struct {
	Read    bool     // the calls could be read and written down
	Calls   []string // as the original writes them down; nil unless asked for
	Results []string // one for each call; nil where TurnFailed is told
	Failed  bool     // TurnFailed is told
	Message any      // what is kept of it: a list, or StepUnread
	Saves   bool     // the states count from here on
}

// Feed is what the agent is shown.
func (e *Executed) Feed() string {
	if s, ok := e.Message.(string); ok {
		return s
	}
	return value.Repr(e.Message)
}

// NewScene starts the scene of an item. config is its initial_config.
func NewScene(role Role, format Format, classes []string, config *value.Dict) (*Scene, error) {
	s := &Scene{role: role, format: format, classes: classes}
	if config != nil {
		c, ok := config.Get("BaseApi")
		if s.config, _ = c.(*value.Dict); ok && s.config == nil {
			return nil, fmt.Errorf("acebench: the configuration of BaseApi is %s, not an object", value.TypeName(c))
		}
	}
	for _, name := range classes {
		w, err := Get(name)
		if err != nil {
			return nil, err
		}
		st, err := w.New(s.start(), "")
		if err != nil {
			return nil, err
		}
		s.fresh = append(s.fresh, st.(state))
		s.apis = append(s.apis, w.(interface{ Has(name string) bool }))
	}
	return s, nil
}

func (s *Scene) start() any {
	if s.config == nil {
		return nil
	}
	return s.config
}

// Mend takes three faults out of the role, so that a policy can be trained in it: a name that no class has is an error and
// not the result of the call before; what a call raises is told in its place, also in multi_turn; and a message that
// cannot be read is told to be so, also there.
func (s *Scene) Mend() { s.mended = true }

// As gives the scene the name of a model. The original makes names of its objects of it, and one with a + is an expression: every
// call of a method that there is ends since what stands before the + is not defined. Only recorded dialogues have such names.
func (s *Scene) As(model string) {
	if before, _, plus := strings.Cut(model, "+"); plus {
		s.nobody = strings.NewReplacer("-", "_", ".", "_", "/", "_").Replace(before)
	}
}

// lost is what such a call raises: what is wrong with its text goes first.
func (s *Scene) lost(w *written) *python.Exception {
	return python.Try(func() {
		if !w.plain {
			if _, err := pyexpr.Parse(w.text); err != nil {
				raiseSyntax(err, "<string>")
			}
		}
		python.Raise("NameError", "name '%s' is not defined", s.nobody)
	})
}

// states are the objects, which begin to count when they are first needed.
func (s *Scene) states() []state {
	if s.made == nil {
		s.made = s.fresh
	}
	return s.made
}

// Execute runs the calls of a message of the agent. texts asks for Executed.Calls.
func (s *Scene) Execute(message string, texts bool) (e Executed) {
	calls, err := writtenCalls(s.format, message, s.role == Turn)
	if err != nil && (s.role == Step || s.mended) {
		e.Message = StepUnread
		return e
	}
	e.Read = err == nil
	if err != nil {
		calls = nil
	}
	if texts {
		e.Calls = make([]string, len(calls))
		for i := range calls {
			if e.Calls[i] = calls[i].text; calls[i].plain {
				e.Calls[i] = value.FormatCall(calls[i].call)
			}
		}
	}
	e.Results, e.Failed = s.run(calls)
	if e.Failed {
		e.Results = nil
		l := value.MakeList(len(TurnFailed))
		for _, c := range TurnFailed {
			l.Items = append(l.Items, string(c))
		}
		e.Message = l
		return e
	}
	e.Saves, s.saves = true, true
	l := value.MakeList(len(e.Results))
	for _, text := range e.Results {
		l.Items = append(l.Items, kept(text))
	}
	e.Message = l
	return e
}

// kept is what is kept of a result: what its text is in JSON, or else the text.
func kept(text string) any {
	if v := keptSaid(text); v != nil {
		return v
	}
	if v, err := value.ParseJSON([]byte(text)); err == nil {
		return v
	}
	return text
}

// The beginnings of what said gives.
const saidTrue, saidFalse, saidEnd = `{"status": true, "message": "`, `{"status": false, "message": "`, `"}`

// keptSaid is kept of what said gives, where its message has no escapes: most results are that. It is nil for others.
func keptSaid(text string) any {
	message, status := strings.CutPrefix(text, saidTrue)
	if !status {
		var is bool
		if message, is = strings.CutPrefix(text, saidFalse); !is {
			return nil
		}
	}
	message, is := strings.CutSuffix(message, saidEnd)
	for i := 0; is && i < len(message); i++ {
		is = message[i] >= ' ' && message[i] < 0x7f && message[i] != '"' && message[i] != '\\'
	}
	if !is {
		return nil
	}
	d := value.MakeDict(2)
	d.Add("status", status)
	d.Add("message", message)
	return d
}

// outcome is what a call came to: its text, and what that becomes by the end of the message, where it does.
type outcome struct {
	text  string
	later func() string
}

// run runs calls one after the other. A name that no class has gives the result of the call before.
func (s *Scene) run(calls []written) (results []string, aborted bool) {
	states := s.states()
	var last *outcome
	var later map[int]func() string
	results = make([]string, 0, len(calls))
	for i := range calls {
		out, raised := s.one(states, &calls[i])
		switch {
		case out != nil:
			last = out
		case raised == nil && s.mended:
			raised = &python.Exception{Kind: "NameError", Text: "name '" + calls[i].word() + "' is not defined"}
		case raised == nil && last == nil:
			raised = &python.Exception{Kind: "UnboundLocalError", Text: unknownFirst}
		}
		switch {
		case raised != nil && s.role == Turn && !s.mended:
			return nil, true
		case raised != nil:
			results = append(results, failed+raised.Text)
			continue
		}
		if last.later != nil && len(calls) > 1 {
			if later == nil {
				later = make(map[int]func() string)
			}
			later[len(results)] = last.later
		}
		results = append(results, last.text)
	}
	for i, f := range later {
		results[i] = f()
	}
	return results, false
}

// one runs a call on every object that has its method; the last result counts. There is none where no class has it.
func (s *Scene) one(states []state, w *written) (out *outcome, raised *python.Exception) {
	word := w.word()
	for i, st := range states {
		if !s.apis[i].Has(word) {
			continue
		}
		if s.nobody != "" {
			return nil, s.lost(w)
		}
		raised = python.Try(func() {
			w.parse()
			text := st.run(w.call)
			w.ended(text)
			out = &outcome{text, st.later()}
		})
		if raised != nil {
			return nil, raised
		}
	}
	return out, nil
}

// Saved is what the original writes at the end: the attributes of each class, or nothing where no message has succeeded. It went
// through JSON, so that the keys of its objects are texts.
func (s *Scene) Saved() *value.List {
	l := value.NewList()
	if !s.saves {
		return l
	}
	for i, st := range s.states() {
		l.Items = append(l.Items, value.NewDict(s.classes[i], throughJSON(value.NewDict(st.saved()...))))
	}
	return l
}

// throughJSON is json.loads(json.dumps(v)). The original's run ends where a value has no JSON; here it is kept as it is.
func throughJSON(v any) any {
	b, err := value.AppendJSON(nil, v)
	if err != nil {
		return v
	}
	back, err := value.ParseJSON(b)
	if err != nil {
		return v
	}
	return back
}

// Dump returns all attributes of the classes, by name; nothing before the first message with calls.
func (s *Scene) Dump() *value.Dict {
	d := &value.Dict{}
	for i, st := range s.made {
		d.Set(s.classes[i], st.Dump())
	}
	return d
}
