package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// journal is a file of replies by request, one JSON object a line. A line is
// written at once; a last line that was cut off by a crash is dropped.
type journal struct {
	mu   sync.Mutex
	file *os.File
	by   map[string]message
}

type journalLine struct {
	Key   string  `json:"key"`
	Reply message `json:"reply"`
}

func openJournal(path string) (*journal, error) {
	j := &journal{by: map[string]message{}}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remote: journal: %w", err)
	}
	good := 0
	for n := 1; good < len(data); n++ {
		end := bytes.IndexByte(data[good:], '\n')
		if end < 0 {
			break
		}
		var l journalLine
		if err := json.Unmarshal(data[good:good+end], &l); err != nil {
			return nil, fmt.Errorf("remote: journal %s:%d: %w; delete the line to ask again for that reply", path, n, err)
		}
		j.by[l.Key] = l.Reply
		good += end + 1
	}
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return nil, fmt.Errorf("remote: journal: %w", err)
	}
	if err := j.file.Truncate(int64(good)); err != nil {
		return nil, errors.Join(fmt.Errorf("remote: journal: %w", err), j.file.Close())
	}
	if _, err := j.file.Seek(int64(good), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("remote: journal: %w", err), j.file.Close())
	}
	return j, nil
}

func (j *journal) get(key string) (message, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	m, ok := j.by[key]
	return m, ok
}

func (j *journal) add(key string, m message) error {
	line, err := json.Marshal(journalLine{key, m})
	if err != nil {
		return fmt.Errorf("remote: journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.by[key] = m
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("remote: journal: %w", err)
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }
