package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"ballast/bounded"
	"ballast/durable"
	"ballast/endpoint"
)

// journal is a file of replies by request, one JSON object a line. Replies stay in the
// file, so that memory holds no more than where they are.
type journal struct {
	log *durable.Log
	mu  sync.Mutex
	at  map[string]span
}

// span is where a line lies in the file.
type span struct {
	at  int64
	len int
}

type journalLine struct {
	Key   string         `json:"key"`
	Reply endpoint.Reply `json:"reply"`
}

// maxLine bounds a line of a journal: a reply's text, escaped.
const maxLine = 16 << 20

func openJournal(path string) (*journal, error) {
	log, err := durable.OpenLog(path, nil)
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("remote: journal: %w; wait for it, or give this evaluation a folder of its own", err)
	}
	if err != nil {
		return nil, fmt.Errorf("remote: journal: %w", err)
	}
	j := &journal{log: log, at: map[string]span{}}
	if err := j.read(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return j, nil
}

// read finds the lines.
func (j *journal) read() error {
	at := int64(0)
	for line, err := range bounded.Lines(io.NewSectionReader(j.log, 0, j.log.Size()), maxLine) {
		if err != nil {
			return fmt.Errorf("remote: journal %s: %w", j.log.Path(), err)
		}
		var l journalLine
		err := json.Unmarshal(line.Text, &l)
		if err == nil && (l.Key == "" || l.Reply.Finish == "") {
			err = errors.New("it has no key, or its reply no finish")
		}
		if err != nil {
			return fmt.Errorf("remote: journal %s:%d is no reply: %w; delete the line to ask again for it", j.log.Path(), line.Number, err)
		}
		n := len(line.Text) + 1
		j.at[l.Key] = span{at, n}
		at += int64(n)
	}
	return nil
}

// get reads the reply of the first of the keys that there is.
func (j *journal) get(keys ...string) (m endpoint.Reply, ok bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, k := range keys {
		s, ok := j.at[k]
		if !ok {
			continue
		}
		line := make([]byte, s.len)
		var l journalLine
		if _, err = j.log.ReadAt(line, s.at); err == nil {
			err = json.Unmarshal(bytes.TrimSpace(line), &l)
		}
		if err == nil && l.Key != k {
			err = errors.New("somebody else changed it")
		}
		if err != nil {
			return m, false, fmt.Errorf("remote: journal %s: %w", j.log.Path(), err)
		}
		return l.Reply, true, nil
	}
	return m, false, nil
}

func (j *journal) add(key string, m endpoint.Reply) error {
	line, err := json.Marshal(journalLine{key, m})
	if err != nil {
		return fmt.Errorf("remote: journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	at := j.log.Size()
	if err := j.log.Append(append(line, '\n')); err != nil {
		return fmt.Errorf("remote: journal: %w", err)
	}
	j.at[key] = span{at, len(line) + 1}
	return nil
}

func (j *journal) close() error { return j.log.Close() }
