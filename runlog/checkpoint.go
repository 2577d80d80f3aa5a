package runlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"ballast/bounded"
	"ballast/durable"
	"ballast/provenance"
)

// replacedPrefix marks a checkpoint that a newer one of the same update is about to
// replace. If the process dies before it does, the next Open puts it back.
const replacedPrefix = ".old-"

// gonePrefix marks a checkpoint that is being deleted.
const gonePrefix = ".gone-"

// Checkpoint is a complete checkpoint. The zero value stands for the start of the
// run, before its first update.
type Checkpoint struct {
	Update int
	Dir    string          // its folder, "" for the zero value
	State  json.RawMessage // what the recipe needs to go on: its cursor
	// How long the line files were, in bytes, and what they held.
	updates, events       int64
	updatesSum, eventsSum string
	files                 map[string]fileSum // nil in version 1
}

// wireCheckpoint is the content of checkpoint.json.
type wireCheckpoint struct {
	Version    int                `json:"version"` // 0 in version 1
	Update     int                `json:"update"`
	Updates    int64              `json:"updates_bytes"`
	Events     int64              `json:"events_bytes"`
	UpdatesSum string             `json:"updates_sha256"`
	EventsSum  string             `json:"events_sha256"`
	State      json.RawMessage    `json:"state"`
	Files      map[string]fileSum `json:"files"`
}

// Checkpoint lets fill write what it needs into a fresh folder and makes it the
// checkpoint of an update, replacing one that is there. state is any JSON value.
// An event of kind "checkpoint" follows in events.jsonl. On an error there is no
// new checkpoint, and the older ones are untouched.
func (r *Run) Checkpoint(update int, state any, fill func(dir string) error) (Checkpoint, error) {
	fail := func(err error) (Checkpoint, error) {
		return Checkpoint{}, fmt.Errorf("checkpoint of update %d: %w", update, explain(err, r.dir))
	}
	raw, err := json.Marshal(state)
	if err != nil {
		return fail(err)
	}
	for _, l := range []*lines{r.updates, r.events} {
		if err := l.Broken(); err != nil {
			return fail(err)
		}
		if err := l.Sync(); err != nil {
			return fail(err)
		}
	}
	c := Checkpoint{
		Update: update, Dir: Dir(r.dir).Checkpoint(update), State: raw,
		updates: r.updates.Size(), events: r.events.Size(),
	}
	temp := filepath.Join(r.dir, checkpointsDir, "."+name(update))
	if err := r.fillAside(temp, c, fill); err != nil {
		os.RemoveAll(temp)
		return fail(err)
	}
	old := filepath.Join(r.dir, checkpointsDir, replacedPrefix+name(update))
	if err := os.Rename(c.Dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		os.RemoveAll(temp)
		return fail(err)
	}
	if err := os.Rename(temp, c.Dir); err != nil {
		os.Rename(old, c.Dir)
		os.RemoveAll(temp)
		return fail(err)
	}
	if err := durable.SyncDir(filepath.Dir(c.Dir)); err != nil {
		return fail(err)
	}
	if err := discard(old); err != nil {
		return fail(err)
	}
	return c, r.announce(c)
}

// announce appends the event that follows a checkpoint.
func (r *Run) announce(c Checkpoint) error {
	folder := checkpointsDir + "/" + name(c.Update)
	return r.Event(Event{Update: c.Update, What: Saved{folder}, Text: folder})
}

// fillAside writes a checkpoint's folder, marker last, and flushes all of it.
func (r *Run) fillAside(temp string, c Checkpoint, fill func(dir string) error) error {
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	if err := os.Mkdir(temp, 0o777); err != nil {
		return err
	}
	if err := fill(temp); err != nil {
		return err
	}
	var err error
	if c.files, err = sums(temp); err != nil {
		return err
	}
	if err := r.seal(&c, temp); err != nil {
		return err
	}
	return durable.SyncTree(temp)
}

// checkpoints reads the complete checkpoints of a run, oldest first.
func checkpoints(dir string) ([]Checkpoint, error) {
	updates, err := updatesIn(Dir(dir).at(checkpointsDir), "")
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	var list []Checkpoint
	for _, update := range updates {
		c, err := OpenCheckpoint(Dir(dir).Checkpoint(update))
		if err != nil {
			return nil, err
		}
		if c.Update != update {
			return nil, fmt.Errorf("%s says that it belongs to update %d: was the folder renamed?", c.Dir, c.Update)
		}
		list = append(list, c)
	}
	return list, nil
}

// OpenCheckpoint reads the marker of one checkpoint folder.
func OpenCheckpoint(dir string) (Checkpoint, error) {
	path := filepath.Join(dir, checkpointFile)
	data, err := bounded.ReadFile(path, maxHeader)
	after := fmt.Sprintf("; delete the folder %s, and resuming takes the checkpoint before it", dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, fmt.Errorf("%s is not a complete checkpoint: it has no %s%s", dir, checkpointFile, after)
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w%s", err, after)
	}
	sealed, err := provenance.Sealed(data)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w%s", path, err, after)
	}
	var w wireCheckpoint
	if err := json.Unmarshal(data, &w); err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w%s", path, err, after)
	}
	if !sealed && (w.Version != 0 || w.Files != nil) {
		return Checkpoint{}, fmt.Errorf("%s: its checksum is gone: it was changed since ballast wrote it%s", path, after)
	}
	if w.Update < 0 || w.Updates < 0 || w.Events < 0 {
		return Checkpoint{}, fmt.Errorf("%s: negative numbers%s", path, after)
	}
	return Checkpoint{Update: w.Update, Dir: dir, State: w.State, updates: w.Updates, events: w.Events,
		updatesSum: w.UpdatesSum, eventsSum: w.EventsSum, files: w.Files}, nil
}

// Latest returns the newest checkpoint, or the zero Checkpoint where there is none.
func (r *Run) Latest() (Checkpoint, error) {
	list, err := checkpoints(r.dir)
	if err != nil || len(list) == 0 {
		return Checkpoint{}, err
	}
	return list[len(list)-1], nil
}

// Resume verifies a checkpoint of this run, and what it counts on, and forgets everything
// after it: later updates, episodes
// and checkpoints, and the later events that keep does not pick (nil picks none): of
// what is said of updates that stay, such as an evaluation. With the zero Checkpoint
// the run starts over. It may be killed and called again.
func (r *Run) Resume(c Checkpoint, keep func(Event) bool) error {
	if err := r.reopen(c, keep); err != nil {
		return fmt.Errorf("resume from update %d: %w", c.Update, explain(err, r.dir))
	}
	return nil
}

func (r *Run) reopen(c Checkpoint, keep func(Event) bool) error {
	if c.Dir != "" && filepath.Clean(c.Dir) != Dir(r.dir).Checkpoint(c.Update) {
		return fmt.Errorf("%s is not a checkpoint of %s", c.Dir, r.dir)
	}
	for _, l := range []struct {
		*lines
		size int64
		sum  string
	}{{r.updates, c.updates, c.updatesSum}, {r.events, c.events, c.eventsSum}} {
		if l.Size() < l.size {
			return fmt.Errorf("%s has %d bytes, the checkpoint counts on %d: it was changed or lost", l.Path(), l.Size(), l.size)
		}
		if ok, err := l.Boundary(l.size); err != nil || !ok {
			return errors.Join(fmt.Errorf("%s: byte %d, where the checkpoint was made, is inside a line: it was changed", l.Path(), l.size), err)
		}
		if sum, err := l.upTo(l.size); err != nil || l.sum != "" && sum != l.sum {
			return errors.Join(fmt.Errorf("%s: the first %d bytes, which the checkpoint counts on, were changed: their checksum differs",
				l.Path(), l.size), err)
		}
	}
	if err := c.Verify(); err != nil {
		return err
	}
	// Newest first, so that the newest that is left is always a good one.
	list, err := checkpoints(r.dir)
	if err != nil {
		return err
	}
	for _, later := range slices.Backward(list) {
		if later.Update > c.Update || c.Dir == "" {
			if err := r.remove(later); err != nil {
				return err
			}
		}
	}
	if err := r.updates.truncate(c.updates); err != nil {
		return err
	}
	if err := r.cutEvents(c.events, keep); err != nil {
		return err
	}
	updates, err := updatesIn(Dir(r.dir).at(episodesDir), episodeExt)
	if err != nil {
		return err
	}
	for _, u := range updates {
		if u > c.Update || c.Dir == "" {
			if err := os.Remove(Dir(r.dir).episodes(u)); err != nil {
				return err
			}
		}
	}
	if c.Dir == "" {
		return nil
	}
	return r.announce(c)
}

// cutEvents cuts the events behind an offset but for those that keep picks. A kill
// leaves the file as it was or as it will be.
func (r *Run) cutEvents(from int64, keep func(Event) bool) error {
	later := make([]byte, r.events.Size()-from)
	if _, err := r.events.ReadAt(later, from); err != nil {
		return err
	}
	var kept []byte
	for line := range bytes.Lines(later) {
		e, err := decodeEvent(line)
		if err != nil {
			return fmt.Errorf("%s: %w", r.events.Path(), err)
		}
		if keep != nil && keep(e) {
			kept = append(kept, line...)
		}
	}
	switch {
	case len(kept) == 0:
		return r.events.truncate(from)
	case len(kept) == len(later):
		return nil
	}
	err := r.replace(eventsFile, func(w io.Writer) error {
		_, err := io.Copy(w, io.MultiReader(io.NewSectionReader(r.events, 0, from), bytes.NewReader(kept)))
		return err
	})
	if err != nil {
		return err
	}
	now, err := openLines(r.events.Path(), r.hook)
	if err != nil {
		return err
	}
	old := r.events
	r.events = now
	return old.Close()
}

// remove deletes a checkpoint; one that is being deleted never looks whole.
func (r *Run) remove(c Checkpoint) error {
	trash := filepath.Join(r.dir, checkpointsDir, gonePrefix+name(c.Update))
	if err := discard(trash); err != nil {
		return err
	}
	if err := os.Rename(c.Dir, trash); err != nil {
		return err
	}
	return discard(trash)
}

// Prune deletes checkpoints but for the newest last ones, those of the spared updates,
// and the best one: that with the highest value of metric best, as last recorded at or
// before it ("" keeps none on merit). Of equal ones the newest stays. last < 1 counts
// as 1.
func (r *Run) Prune(last int, best string, spare ...int) error {
	list, err := checkpoints(r.dir)
	if err != nil {
		return err
	}
	winner := -1
	if best != "" {
		if winner, err = bestOf(r.dir, list, best); err != nil {
			return fmt.Errorf("prune checkpoints: %w", err)
		}
	}
	for i, c := range list[:max(0, len(list)-max(1, last))] {
		if i == winner || slices.Contains(spare, c.Update) {
			continue
		}
		if err := r.remove(c); err != nil {
			return fmt.Errorf("prune checkpoints: %w", err)
		}
	}
	return nil
}

// bestOf returns the index of the checkpoint with the highest value of a metric, or
// -1 if it was recorded before none.
func bestOf(dir string, list []Checkpoint, metric string) (int, error) {
	winner, top := -1, math.Inf(-1)
	i, value, at := 0, math.NaN(), 0 // at is the update that value was measured at
	close := func(until int) {       // of the checkpoints before update until
		for ; i < len(list) && list[i].Update < until; i++ {
			if value > top || value == top && at == list[i].Update {
				winner, top = i, value
			}
		}
	}
	for u, err := range readUpdates(dir) {
		if err != nil {
			return 0, err
		}
		close(u.Index)
		if v, ok := u.Metrics[metric]; ok {
			value, at = v, u.Index
		}
	}
	close(math.MaxInt)
	return winner, nil
}
