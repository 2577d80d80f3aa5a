package runlog

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"github.com/klauspost/compress/zstd"

	"ballast"
	"ballast/bounded"
	"ballast/durable/jsonl"
)

// The bounds of one line, of updates and events and of episodes: a decoded line costs
// some six times as much memory.
const (
	maxLine    = 16 << 20
	maxEpisode = 64 << 20
)

// Log is a run directory open for reading. It holds nothing open; each iterator
// reads its file anew, in bounded memory, and yields at most one error, last.
// Following a live run is fine: a line that is still being written is left out.
type Log struct {
	Dir    string
	Header Header
	Recipe []byte // recipe.yaml
}

// Read opens a run for reading.
func Read(dir string) (*Log, error) {
	h, err := readHeader(dir)
	if err != nil {
		return nil, err
	}
	recipe, err := bounded.ReadFile(Dir(dir).Recipe(), maxHeader)
	if err != nil {
		return nil, fmt.Errorf("read run: %w", err)
	}
	return &Log{Dir: dir, Header: h, Recipe: recipe}, nil
}

// Updates yields the updates in order.
func (l *Log) Updates() iter.Seq2[ballast.Update, error] { return readUpdates(l.Dir) }

// Events yields the events in order.
func (l *Log) Events() iter.Seq2[Event, error] {
	return readLines(Dir(l.Dir).events(), decodeEvent)
}

// Checkpoints returns the complete checkpoints, oldest first.
func (l *Log) Checkpoints() ([]Checkpoint, error) { return checkpoints(l.Dir) }

// Best returns the checkpoint with the highest value of a metric, the one that
// Prune keeps: the newest where it was never recorded, the zero Checkpoint where
// there is none.
func (l *Log) Best(metric string) (Checkpoint, error) {
	list, err := checkpoints(l.Dir)
	if err != nil || len(list) == 0 {
		return Checkpoint{}, err
	}
	i, err := bestOf(l.Dir, list, metric)
	if err != nil {
		return Checkpoint{}, err
	}
	if i < 0 {
		i = len(list) - 1
	}
	return list[i], nil
}

// EpisodeUpdates returns the updates that have episodes, in order.
func (l *Log) EpisodeUpdates() ([]int, error) {
	list, err := updatesIn(Dir(l.Dir).at(episodesDir), episodeExt)
	if err != nil {
		return nil, fmt.Errorf("read episodes: %w", err)
	}
	return list, nil
}

// Episodes yields the episodes of one update in the order they were written.
func (l *Log) Episodes(update int) iter.Seq2[*ballast.Episode, error] {
	path := Dir(l.Dir).episodes(update)
	return func(yield func(*ballast.Episode, error) bool) {
		f, err := bounded.Open(path)
		if err != nil {
			yield(nil, fmt.Errorf("read episodes: %w", err))
			return
		}
		defer f.Close()
		for e, err := range decodeEpisodes(f) {
			if err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// readUpdates yields the updates of the run in dir.
func readUpdates(dir string) iter.Seq2[ballast.Update, error] {
	return readLines(Dir(dir).updates(), decodeUpdate)
}

// decodeUpdate reads one line of updates.jsonl.
func decodeUpdate(line []byte) (ballast.Update, error) {
	var w wireUpdate
	if err := json.Unmarshal(line, &w); err != nil {
		return ballast.Update{}, err
	}
	u := ballast.Update{Index: w.Index, Phase: w.Phase, Seconds: float64(w.Seconds), Metrics: make(map[string]float64, len(w.Metrics))}
	for k, v := range w.Metrics {
		u.Metrics[today(k)] = float64(v)
	}
	return u, nil
}

// readLines yields the decoded lines of a file; an unfinished last one is left out.
func readLines[T any](path string, decode func(line []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range jsonl.Read(path, maxLine, decode) {
			if err != nil {
				err = fmt.Errorf("read run: %w", err)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// decodeEpisodes yields the episodes of a compressed file.
func decodeEpisodes(r io.Reader) iter.Seq2[*ballast.Episode, error] {
	return func(yield func(*ballast.Episode, error) bool) {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxEpisode))
		if err != nil {
			yield(nil, err)
			return
		}
		defer z.Close()
		for line, err := range bounded.Lines(z, maxEpisode) {
			var e *ballast.Episode
			if err == nil && !line.Ended {
				err = fmt.Errorf("line %d: %w", line.Number, io.ErrUnexpectedEOF)
			}
			if err == nil {
				if e, err = decodeEpisode(line.Text); err != nil {
					err = fmt.Errorf("line %d: %w", line.Number, err)
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
