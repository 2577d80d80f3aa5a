package endpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	data, err := os.ReadFile(string(l))
	if errors.Is(err, fs.ErrNotExist) {
		return sum, nil
	}
	if err != nil {
		return sum, fmt.Errorf("judge: %w", err)
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	for i, line := range bytes.Split(data[:whole], []byte("\n")) {
		var e entry
		if len(line) == 0 {
			continue
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return sum, fmt.Errorf("judge: %s:%d: %w; the budget needs to know what was spent", l, i+1, err)
		}
		sum.Tokens, sum.Cost = sum.Tokens+e.Tokens, sum.Cost+e.Cost
	}
	if whole < len(data) {
		if err := os.Truncate(string(l), int64(whole)); err != nil {
			return sum, fmt.Errorf("judge: %w", err)
		}
	}
	return sum, nil
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
	f, err := os.OpenFile(string(l), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	return nil
}
