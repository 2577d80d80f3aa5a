package runlog

import (
	"encoding/json"
	"errors"
	"fmt"

	"ballast/durable/jsonl"
	"ballast/monitor/verdict"
)

// Event is a thing that happened in a run.
type Event struct {
	Update int    // updates that were done by then
	What   What   // what happened: one of the types below
	Text   string // the same in words, for people: nothing reads it
}

// What is what happened. Its types are those of this file.
type What interface{ kind() Kind }

// Kind is the name of a type of What in events.jsonl.
type Kind string

// The kinds.
const (
	KindPhase      Kind = "phase"
	KindCheckpoint Kind = "checkpoint"
	KindExamples   Kind = "examples"
	KindJudge      Kind = "judge"
	KindEval       Kind = "eval"
	KindTest       Kind = "test"
	KindSuite      Kind = "suite"
	KindWarning    Kind = "warning"
	KindAlarm      Kind = "alarm"
	KindAction     Kind = "action"
	KindEngine     Kind = "engine"
	KindInterrupt  Kind = "interrupt"
	KindResume     Kind = "resume"
	KindExtend     Kind = "extend"
	KindCost       Kind = "cost"
	KindDone       Kind = "done"
)

// Kind is the kind of what happened.
func (e Event) Kind() Kind { return e.What.kind() }

// PhaseBegun says that a phase begins: its name, and its updates as far as they are known.
type PhaseBegun struct {
	Name    string `json:"name"`
	Updates int    `json:"updates"`
}

// Saved follows a checkpoint; Folder is the checkpoint's, from the run's own.
type Saved struct {
	Folder string `json:"folder"`
}

// Examples says what a supervised phase trains on.
type Examples struct {
	Examples    int            `json:"examples"`
	LeftOut     int            `json:"left_out"`
	Rows        int            `json:"rows,omitempty"` // of the file, for a phase on one
	RowsLeftOut int            `json:"rows_left_out,omitempty"`
	Skipped     map[string]int `json:"skipped,omitempty"` // rows by the reason why they are left out
}

// Judged says what a judge was asked and what that took.
type Judged struct {
	Requests int            `json:"requests"`
	Cached   int            `json:"cached"`
	Answered int            `json:"answered"`
	Lost     int            `json:"lost"`
	Tokens   int            `json:"tokens"`
	Cost     float64        `json:"cost"`
	Failures map[string]int `json:"failures,omitempty"`
}

// Score is how tasks went.
type Score struct {
	OK    int                `json:"ok"`
	All   int                `json:"all"`
	Left  int                `json:"left_out,omitempty"` // episodes that could not be played and are in none of the others
	Rates map[string]float64 `json:"rates,omitempty"`    // of success, by category
}

// Evaluated is an evaluation during training. Best says that none before it was better.
type Evaluated struct {
	Score
	Best bool `json:"best,omitempty"`
}

// Tested is the one on the test tasks after the last update.
type Tested struct{ Score }

// SuiteTested is one on a suite of test tasks, made after the run with a checkpoint of its.
type SuiteTested struct {
	Suite string `json:"suite"`
	Score
	Of string `json:"of,omitempty"` // a hash of which tasks were played, and how they were asked for; "" in a run of an older version
}

// scoreOf is the score that an event records, if it does.
func scoreOf(e Event) (s Score, ok bool) {
	switch w := e.What.(type) {
	case Evaluated:
		return w.Score, true
	case Tested:
		return w.Score, true
	case SuiteTested:
		return w.Score, true
	}
	return s, false
}

// Warned says that the run has entered a sick state and goes on.
type Warned struct {
	Sign verdict.State `json:"sign"`
}

// Alarm says that the run has ended, but for an action that follows.
type Alarm struct {
	Sign  verdict.State `json:"sign,omitempty"`  // "" in lines of older programs that do not tell
	Began int           `json:"began,omitempty"` // update at which the sick stretch began; 0 where it is not known
}

// Do is what a guard does.
type Do string

// What guards do: end the run, go back to a checkpoint, raise the weight of the KL term on
// control tokens, or train on the failed tasks.
const (
	DoStop      Do = "stop"
	DoRollback  Do = "rollback"
	DoReference Do = "reference"
	DoCorrect   Do = "correct"
)

// Acted is what the guard did about the alarm before it.
type Acted struct {
	Do Do `json:"do"`
	// Checkpoint is the update of the one that a rollback went back to, or that a stop names
	// as the one to use; nil where there is none.
	Checkpoint *int    `json:"checkpoint,omitempty"`
	Rate       float64 `json:"rate,omitempty"`   // factor on the learning rate from here on; 0 = none was set
	Factor     float64 `json:"factor,omitempty"` // the same of the KL weight of control tokens
	Phase      int     `json:"phase,omitempty"`  // index of the supervised phase that was inserted
}

// EngineSaid is what the engine said of itself, such as that a server of its is left out, or is back.
type EngineSaid struct{}

// Interrupted says that the run was asked to stop, and did.
type Interrupted struct{}

// Resumed says that the run goes on from the checkpoint of the event's update.
type Resumed struct {
	Notes   []string          `json:"notes,omitempty"`   // what could not be checked, and what may change rounding
	Changed map[string]string `json:"changed,omitempty"` // parts of the program and the machine that are others, as they are now
}

// Lengthened says that the last phase has so many more updates.
type Lengthened struct {
	Updates int `json:"updates"`
}

// Cost is what the run has taken so far, by all its processes; the last one counts.
type Cost struct {
	CPU     float64 `json:"cpu_seconds"` // of its processors
	Seconds float64 `json:"seconds"`     // of the clock
}

// Done says that the run has ended well, and how the test tasks went; of 0 tasks where that
// is not known.
type Done struct {
	OK  int `json:"ok"`
	All int `json:"all"`
}

func (PhaseBegun) kind() Kind  { return KindPhase }
func (Saved) kind() Kind       { return KindCheckpoint }
func (Examples) kind() Kind    { return KindExamples }
func (Judged) kind() Kind      { return KindJudge }
func (Evaluated) kind() Kind   { return KindEval }
func (Tested) kind() Kind      { return KindTest }
func (SuiteTested) kind() Kind { return KindSuite }
func (Warned) kind() Kind      { return KindWarning }
func (Alarm) kind() Kind       { return KindAlarm }
func (Acted) kind() Kind       { return KindAction }
func (EngineSaid) kind() Kind  { return KindEngine }
func (Interrupted) kind() Kind { return KindInterrupt }
func (Resumed) kind() Kind     { return KindResume }
func (Lengthened) kind() Kind  { return KindExtend }
func (Cost) kind() Kind        { return KindCost }
func (Done) kind() Kind        { return KindDone }

// kinds reads what is in a line, by its kind.
var kinds = map[Kind]func(json.RawMessage) (What, error){
	KindPhase: read[PhaseBegun], KindCheckpoint: read[Saved], KindExamples: read[Examples], KindJudge: read[Judged],
	KindEval: read[Evaluated], KindTest: read[Tested], KindSuite: read[SuiteTested],
	KindWarning: read[Warned], KindAlarm: read[Alarm], KindAction: read[Acted],
	KindEngine: read[EngineSaid], KindInterrupt: read[Interrupted], KindResume: read[Resumed], KindExtend: read[Lengthened],
	KindCost: read[Cost], KindDone: read[Done],
}

func read[T What](data json.RawMessage) (What, error) {
	var v T
	if len(data) == 0 {
		return v, nil
	}
	err := json.Unmarshal(data, &v)
	return v, err
}

// eventVersion is the version of the lines that this program writes. Lines without one are of
// older programs, see old.go.
const eventVersion = 2

// wireEvent is a line of events.jsonl.
type wireEvent struct {
	Update  int             `json:"update"`
	Version int             `json:"version,omitempty"`
	Kind    Kind            `json:"kind"`
	Text    string          `json:"text"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// encodeEvent is the line of an event. Its numbers must be finite.
func encodeEvent(e Event) ([]byte, error) {
	if err := sound(e.What); err != nil {
		return nil, err
	}
	data, err := jsonl.Line(e.What)
	if err != nil {
		return nil, err
	}
	w := wireEvent{Update: e.Update, Version: eventVersion, Kind: e.Kind(), Text: e.Text, Data: data}
	if string(data) == "{}\n" {
		w.Data = nil
	}
	return jsonl.Line(w)
}

// decodeEvent is the inverse, of lines of older programs too.
func decodeEvent(line []byte) (Event, error) {
	var w wireEvent
	if err := json.Unmarshal(line, &w); err != nil {
		return Event{}, err
	}
	part, ok := kinds[w.Kind]
	switch {
	case w.Version > eventVersion || !ok && w.Version == eventVersion:
		return Event{}, fmt.Errorf("an event of kind %q and version %d: use a newer ballast", w.Kind, w.Version)
	case !ok || w.Version < 0 || w.Version == 1:
		return Event{}, fmt.Errorf("no event of ballast: kind %q, version %d", w.Kind, w.Version)
	case w.Version == 0:
		part = func(json.RawMessage) (What, error) { return older(&w) }
	}
	what, err := part(w.Data)
	if err == nil {
		err = sound(what)
	}
	if err == nil && w.Update < 0 {
		err = fmt.Errorf("its update is %d", w.Update)
	}
	if err != nil {
		return Event{}, fmt.Errorf("event of kind %s: %w", w.Kind, err)
	}
	return Event{Update: w.Update, What: what, Text: w.Text}, nil
}

// sound fails where a part is missing without which an event says something else.
func sound(what What) error {
	switch w := what.(type) {
	case PhaseBegun:
		if w.Name == "" {
			return errors.New("it names no phase")
		}
	case Acted:
		if w.Do != DoStop && w.Do != DoRollback && w.Do != DoReference && w.Do != DoCorrect {
			return fmt.Errorf("an action %q that no guard takes: use a newer ballast", w.Do)
		}
	case SuiteTested:
		if w.Suite == "" {
			return errors.New("it names no suite")
		}
	}
	s, ok := scoreOf(Event{What: what})
	if ok && (s.OK < 0 || s.All < s.OK || s.Left < 0) {
		return fmt.Errorf("%d of %d tasks, %d left out", s.OK, s.All, s.Left)
	}
	for category, rate := range s.Rates {
		if !(rate >= 0 && rate <= 1) {
			return fmt.Errorf("the rate of %.40q is %v", category, rate)
		}
	}
	return nil
}
