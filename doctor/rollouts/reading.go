package rollouts

import "fmt"

// State says what is known of a record's reward or success.
type State uint8

// The states of a value.
const (
	Absent     State = iota // the record has no key for it
	Present                 // read
	Missing                 // null, NaN, infinite or empty: the trainer had none
	Unreadable              // there, and not understood
)

// Column is the account of one quantity over all records that count.
type Column struct {
	Key        string `json:"key"` // what it was read from, in the trainer's words; "" where nothing was read
	Present    int    `json:"present"`
	Missing    int    `json:"missing,omitempty"`
	Unreadable int    `json:"unreadable,omitempty"`
	Absent     int    `json:"absent,omitempty"`
}

// Records is how many records were looked at.
func (c Column) Records() int { return c.Present + c.Missing + c.Unreadable + c.Absent }

// Share is the share of records with a value, 0 of none.
func (c Column) Share() float64 { return float64(c.Present) / float64(max(1, c.Records())) }

// Unread is a key whose values were not understood; File and Line say where it was
// first.
type Unread struct {
	File  string `json:"file"`
	Line  int    `json:"line,omitempty"` // or the record's number, from 1; 0 where the place is the file
	Key   string `json:"key"`
	Value string `json:"value,omitempty"` // the first value, shortened
	Why   string `json:"why"`
	Count int    `json:"count"`
}

// LeftOut is a file, folder, link or column that was not read, or a part of one.
type LeftOut struct {
	Path  string `json:"path"`
	Why   string `json:"why"`
	Count int    `json:"count,omitempty"` // of files or records that were left out for the same reason
}

// Segment is a piece of a run's history whose steps only rise. A restart begins a new one.
type Segment struct {
	Source     string `json:"source"` // files it is from, relative to the folder
	From       int    `json:"from"`   // the trainer's own steps
	To         int    `json:"to"`
	Offset     int    `json:"offset,omitempty"` // index of an update minus its own step
	Superseded int    `json:"superseded,omitempty"`
}

// Reading is the account of what was read of a run's files and what was decided
// about them. It has everything that stands between the files and the updates.
type Reading struct {
	Run      string    `json:"run,omitempty"` // which run of several in the folder
	Reward   Column    `json:"reward"`
	Success  Column    `json:"success"`
	Rivals   string    `json:"rivals,omitempty"`  // which other keys could have been the reward, as a sentence
	Steps    string    `json:"steps"`             // where step numbers are from, as a phrase; "" where there are none
	Unread   []Unread  `json:"unread,omitempty"`  // keys that were not understood
	Decided  []string  `json:"decided,omitempty"` // restarts, workers, validation dumps, second runs: a sentence each
	LeftOut  []LeftOut `json:"left_out,omitempty"`
	Segments []Segment `json:"segments,omitempty"`
	Kinds    [4]int    `json:"forms"` // replies by ballast.ReplyKind
}

// Step names an update by the trainer's own step: "12", or "12 of part 2" where
// the numbers began again.
func (r *Reading) Step(index int) string {
	for i := len(r.Segments) - 1; i >= 0; i-- {
		s := r.Segments[i]
		if index < s.From+s.Offset {
			continue
		}
		if s.Offset == 0 {
			break
		}
		return fmt.Sprintf("%d of part %d", index-s.Offset, i+1)
	}
	return fmt.Sprint(index)
}
