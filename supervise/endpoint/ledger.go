package endpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"ballast/bounded"
	"ballast/durable"
)

// ledger is the file in which a run keeps what every request of its judge took,
// a line each. It outlives the process and is no part of a checkpoint: what was
// spent stays spent when the run goes back. "" keeps nothing.
type ledger string

// entry is a line of it.
type entry struct {
	Tokens int     `json:"tokens"`
	Cost   float64 `json:"cost"`
}

// read adds the lines up. A last line that a crash cut off is taken off the file.
func (l ledger) read() (sum entry, err error) {
	if l == "" {
		return sum, nil
	}
	if _, err := os.Lstat(string(l)); errors.Is(err, fs.ErrNotExist) {
		return sum, nil
	}
	log, err := l.open()
	if err != nil {
		return sum, err
	}
	defer log.Close()
	for line, err := range bounded.Lines(io.NewSectionReader(log, 0, log.Size()), bounded.KiB) {
		var e entry
		if err == nil && len(line.Text) == 0 {
			continue
		}
		if err == nil {
			err = json.Unmarshal(line.Text, &e)
		}
		if err == nil && !(e.Tokens >= 0 && e.Cost >= 0) {
			err = errors.New("less than nothing was spent")
		}
		if err != nil {
			return sum, fmt.Errorf("judge: %s:%d: %w; the budget needs to know what was spent", l, line.Number, err)
		}
		sum.Tokens, sum.Cost = sum.Tokens+e.Tokens, sum.Cost+e.Cost
	}
	return sum, nil
}

// open opens the file for as long as one line takes: it has one writer, the run.
func (l ledger) open() (*durable.Log, error) {
	log, err := durable.OpenLog(string(l), nil)
	if err != nil {
		return nil, fmt.Errorf("judge: %w", err)
	}
	return log, nil
}

// add appends a line.
func (l ledger) add(e entry) error {
	if l == "" {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	log, err := l.open()
	if err != nil {
		return err
	}
	if err = errors.Join(log.Append(append(line, '\n')), log.Close()); err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	return nil
}
