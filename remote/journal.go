package remote

import (
	"errors"
	"fmt"
	"sync"

	"ballast/durable"
	"ballast/durable/jsonl"
	"ballast/endpoint"
)

// journal is a file of replies by request, one JSON object a line. Replies stay in the
// file, so that memory holds no more than where they are.
type journal struct {
	log *jsonl.Log[journalLine]
	mu  sync.Mutex
	at  map[string]jsonl.Span
}

type journalLine struct {
	Key   string         `json:"key"`
	Reply endpoint.Reply `json:"reply"`
}

func (l *journalLine) check() error {
	if l.Key == "" || l.Reply.Finish == "" {
		return errors.New("it has no key, or its reply no finish")
	}
	return nil
}

// maxLine bounds a line of a journal: a reply's text, escaped.
const maxLine = 16 << 20

func openJournal(path string) (*journal, error) {
	log, err := jsonl.Open(path, maxLine, (*journalLine).check)
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("remote: journal: %w; wait for it, or give this evaluation a folder of its own", err)
	}
	if err != nil {
		return nil, fmt.Errorf("remote: journal: %w", err)
	}
	j := &journal{log: log, at: map[string]jsonl.Span{}}
	for e, err := range log.All() {
		if err != nil {
			return nil, errors.Join(fmt.Errorf("remote: journal: %w; delete the line to ask again for its reply", err), log.Close())
		}
		j.at[e.Value.Key] = e.Span
	}
	return j, nil
}

// get reads the reply of the first of the keys that there is.
func (j *journal) get(keys ...string) (m endpoint.Reply, ok bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, k := range keys {
		span, ok := j.at[k]
		if !ok {
			continue
		}
		l, err := j.log.At(span)
		if err == nil && l.Key != k {
			err = fmt.Errorf("%s: somebody else changed it", j.log.Path())
		}
		if err != nil {
			return m, false, fmt.Errorf("remote: journal: %w", err)
		}
		return l.Reply, true, nil
	}
	return m, false, nil
}

func (j *journal) add(key string, m endpoint.Reply) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	span, err := j.log.Add(journalLine{key, m})
	if err != nil {
		return fmt.Errorf("remote: journal: %w", err)
	}
	j.at[key] = span
	return nil
}

func (j *journal) close() error { return j.log.Close() }
