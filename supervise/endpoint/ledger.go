package endpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"ballast/bounded"
	"ballast/durable/jsonl"
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

func (e *entry) check() error {
	if !(e.Tokens >= 0 && e.Cost >= 0) {
		return errors.New("less than nothing was spent")
	}
	return nil
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
	for e, err := range log.All() {
		if err != nil {
			return sum, fmt.Errorf("judge: %w; the budget needs to know what was spent", err)
		}
		sum.Tokens, sum.Cost = sum.Tokens+e.Value.Tokens, sum.Cost+e.Value.Cost
	}
	return sum, nil
}

// open opens the file for as long as one line takes: it has one writer, the run.
func (l ledger) open() (*jsonl.Log[entry], error) {
	log, err := jsonl.Open(string(l), bounded.KiB, (*entry).check)
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
	log, err := l.open()
	if err != nil {
		return err
	}
	_, err = log.Add(e)
	if err = errors.Join(err, log.Close()); err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	return nil
}
