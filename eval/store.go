package eval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"ballast"
	"ballast/bounded"
	"ballast/durable"
	"ballast/durable/jsonl"
	"ballast/rollout"
	"ballast/runlog"
	"ballast/value"
)

// Store is the folder of one evaluation: settings.json says what is evaluated and
// how, episodes.jsonl gets a line when an episode ends. An evaluation that was
// interrupted continues with the episodes that are missing. Those that could not be
// played are kept as left out, so that it ends with the table of one that was never
// interrupted; once every task was played or left out, the next evaluation of the folder
// plays these again. What broke is settled by the next episode that ends well, or by the
// end of the evaluation: a machine that is down leaves nothing out. Settings that differ
// from the folder's, another process that writes there, or a line that cannot be read
// are errors; a last line that a crash cut off is dropped (Torn), and its episode played again.
type Store struct {
	dir  string
	log  *jsonl.Log[stored]
	mu   sync.Mutex
	err  error // of the first write that failed
	done map[string]ballast.Episode
	left map[string]ballast.Episode // left out
	// broke are infrastructure failures that are not settled.
	broke []ballast.Episode
}

// Hash ends the names of settings that are the hash of what an evaluation reads, such as
// a model's files. A folder of an older version has none.
const Hash = " sha256"

// maxLine bounds an episode's line, and maxSettings the settings.
const (
	maxLine     = 64 * bounded.MiB
	maxSettings = bounded.MiB
)

// OpenStore opens or makes the folder, and locks it until Close.
func OpenStore(dir string, settings map[string]string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("eval: %w; name a folder that can be made, or the one of an evaluation that was interrupted", err)
	}
	file := filepath.Join(dir, "settings.json")
	fresh, err := checkSettings(file, settings)
	if err != nil {
		return nil, err
	}
	log, err := jsonl.Open(filepath.Join(dir, "episodes.jsonl"), maxLine, (*stored).check)
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("eval: another evaluation writes to %s: wait until it has ended, or use another folder", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	s := &Store{dir: dir, log: log, done: map[string]ballast.Episode{}, left: map[string]ballast.Episode{}}
	if fresh { // perhaps somebody was here before the lock
		switch fresh, err = checkSettings(file, settings); {
		case err == nil && fresh && log.Size() > 0:
			err = fmt.Errorf("eval: %s has episodes, and settings.json, which says of what, is gone: put it back, or use another folder", dir)
		case fresh:
			err = writeSettings(file, settings)
		}
	}
	if err == nil {
		err = s.read()
	}
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return s, nil
}

// read reads the episodes that are there.
func (s *Store) read() error {
	for e, err := range s.log.All() {
		if err != nil {
			return fmt.Errorf("eval: %w; delete the line to play the episode again", err)
		}
		s.take(e.Value.episode())
	}
	return nil
}

// take puts an episode where it belongs; the last one of a task counts.
func (s *Store) take(ep ballast.Episode) {
	if ep.Stop == ballast.StopInfra {
		s.left[ep.Task] = ep
		return
	}
	s.done[ep.Task] = ep
	delete(s.left, ep.Task)
}

func writeSettings(path string, settings map[string]string) error {
	data, err := json.MarshalIndent(settings, "", "  ")
	if err == nil {
		err = durable.ReplaceBytes(path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	return nil
}

// checkSettings compares with the settings that are there; fresh says that none are.
func checkSettings(path string, settings map[string]string) (fresh bool, _ error) {
	data, err := bounded.ReadFile(path, maxSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("eval: %w", err)
	}
	var there map[string]string
	if err := json.Unmarshal(data, &there); err != nil {
		return false, fmt.Errorf("eval: %s: %w; put it back as it was, or use another folder", path, err)
	}
	hashed := slices.ContainsFunc(slices.Collect(maps.Keys(there)), func(k string) bool { return strings.HasSuffix(k, Hash) })
	all := maps.Clone(there)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, settings)
	for _, k := range slices.Sorted(maps.Keys(all)) { // a setting that one lacks is empty
		if _, ok := there[k]; !ok && !hashed && strings.HasSuffix(k, Hash) {
			continue
		}
		if there[k] != settings[k] && strings.HasSuffix(k, Hash) {
			return false, fmt.Errorf("eval: %s was made with %s: use another folder, or put back what there was", filepath.Dir(path),
				differs(strings.TrimSuffix(k, Hash), there[k], settings[k]))
		}
		if there[k] != settings[k] {
			return false, fmt.Errorf("eval: %s was made with %s %q, now it is %q: use another folder, or the same settings", filepath.Dir(path),
				k, there[k], settings[k])
		}
	}
	return false, nil
}

// differs says how what was read differs: was and is are its hashes, "" where nothing was read.
func differs(what, was, is string) string {
	switch "" {
	case was:
		return "no " + what + ", and now there is one"
	case is:
		return what + ", and now there is none"
	}
	return "other " + what + ", which changed since"
}

// Torn says whether an episode was dropped that a crash had cut off.
func (s *Store) Torn() bool { return s.log.Torn() > 0 }

// Len returns the number of episodes that are kept, without those left out.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.done)
}

// Missing returns the number of the tasks that the next evaluation plays.
func (s *Store) Missing(tasks []ballast.Task) (n int) {
	again := s.settled(tasks)
	for i := range tasks {
		if _, ok := s.kept(tasks[i].ID, again); !ok {
			n++
		}
	}
	return n
}

// settled says that every task was played or left out: then the latter are played again.
func (s *Store) settled(tasks []ballast.Task) bool {
	for i := range tasks {
		if _, ok := s.kept(tasks[i].ID, false); !ok {
			return false
		}
	}
	return true
}

// kept is the episode of a task, where it need not be played.
func (s *Store) kept(task string, again bool) (ballast.Episode, bool) {
	ep, ok := s.done[task]
	if !ok && !again {
		ep, ok = s.left[task]
	}
	return ep, ok
}

// Add keeps an episode that ended.
func (s *Store) Add(ep *ballast.Episode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ep.Stop == ballast.StopInfra {
		s.broke = append(s.broke, *ep)
		return
	}
	s.settle()
	s.write(ep)
}

// settle leaves out what broke. The caller holds mu.
func (s *Store) settle() {
	for i := range s.broke {
		ep := &s.broke[i]
		_, again := s.done[ep.Task] // it was played again with success
		if old, ok := s.left[ep.Task]; !again && (!ok || old.Error != ep.Error) {
			s.write(ep)
		}
	}
	s.broke = nil
}

// write appends an episode's line; what could not be written is not kept. The caller holds mu.
func (s *Store) write(ep *ballast.Episode) {
	if _, err := s.log.Add(store(ep)); err == nil {
		s.take(*ep)
	} else if s.err == nil {
		s.err = fmt.Errorf("eval: %s: %w", s.dir, err)
	}
}

// Close closes the folder; it returns the first error of writing.
func (s *Store) Close() error { return errors.Join(s.err, s.log.Close()) }

// RunStored plays the tasks that the store lacks and scores all. A nil store keeps
// nothing; for one, the tasks' names must differ.
func RunStored(ctx context.Context, s *Store, tasks []ballast.Task, play Player) (Result, error) {
	eps := make([]ballast.Episode, len(tasks))
	var plays []rollout.Request
	seen := make(map[string]bool, len(tasks))
	again := s != nil && s.settled(tasks)
	for i := range tasks {
		id := tasks[i].ID
		if s != nil && seen[id] {
			return Result{}, fmt.Errorf("eval: two tasks are named %s", id)
		}
		seen[id] = true
		if s != nil {
			if ep, ok := s.kept(id, again); ok {
				eps[i] = ep
				continue
			}
		}
		plays = append(plays, rollout.Request{Task: &tasks[i], Group: i, Seed: uint64(i)})
	}
	var ended func(*ballast.Episode)
	if s != nil {
		ended = s.Add
	}
	if len(plays) > 0 {
		played, err := play(ctx, plays, ended)
		if err != nil {
			return Result{}, err
		}
		for k := range played {
			eps[plays[k].Group] = played[k]
		}
	}
	if s != nil {
		if err := s.finish(eps); err != nil {
			return Result{}, err
		}
	}
	return tally(tasks, eps), nil
}

// finish leaves out what broke, whether it was told or not; the error is the first of
// writing.
func (s *Store) finish(eps []ballast.Episode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range eps {
		if eps[i].Stop == ballast.StopInfra {
			s.broke = append(s.broke, eps[i])
		}
	}
	s.settle()
	return s.err
}

// stored is an episode as a line: what the table and transcripts need, without
// tokens.
type stored struct {
	Task  string       `json:"task"`
	Stop  string       `json:"stop"`
	Error string       `json:"error,omitempty"` // of one that is left out
	Turns []storedTurn `json:"turns"`
}

type storedTurn struct {
	User  string       `json:"user"`
	Check runlog.Check `json:"check"`
	Steps []storedStep `json:"steps"`
}

type storedStep struct {
	Text    string   `json:"text"`
	Kind    uint8    `json:"form"`
	Reason  string   `json:"reason,omitempty"`
	Calls   []string `json:"calls,omitempty"` // in Python syntax
	Results []string `json:"results,omitempty"`
	Cut     bool     `json:"cut,omitempty"`
}

func (st *stored) check() error {
	if st.Task == "" {
		return errors.New("it names no task")
	}
	for _, t := range st.Turns {
		for _, ss := range t.Steps {
			if ss.Kind >= ballast.NumKinds {
				return fmt.Errorf("kind %d of a reply is not known: use a newer ballast", ss.Kind)
			}
		}
	}
	return nil
}

func store(ep *ballast.Episode) stored {
	out := stored{Task: ep.Task, Stop: string(ep.Stop), Error: ep.Error}
	for _, t := range ep.Turns {
		st := storedTurn{User: t.User, Check: runlog.NewCheck(t.Check)}
		for _, step := range t.Steps {
			ss := storedStep{Text: step.Text, Kind: uint8(step.Kind), Reason: step.Reason, Results: step.Results, Cut: step.Cut}
			for _, c := range step.Calls {
				ss.Calls = append(ss.Calls, value.FormatCall(c))
			}
			st.Steps = append(st.Steps, ss)
		}
		out.Turns = append(out.Turns, st)
	}
	return out
}

// episode is the episode again. A call that the literal parser refuses (a name
// that is none) keeps its text as the name.
func (st *stored) episode() ballast.Episode {
	ep := ballast.Episode{Task: st.Task, Stop: ballast.Stop(st.Stop), Error: st.Error}
	for _, t := range st.Turns {
		turn := ballast.Turn{User: t.User, Check: t.Check.Verdict()}
		for _, ss := range t.Steps {
			step := ballast.Step{Text: ss.Text, Kind: ballast.ReplyKind(ss.Kind), Reason: ss.Reason, Results: ss.Results,
				Cut: ss.Cut}
			for _, text := range ss.Calls {
				c, err := value.ParseCall(text)
				if err != nil {
					c = ballast.Call{Name: text}
				}
				step.Calls = append(step.Calls, c)
			}
			turn.Steps = append(turn.Steps, step)
		}
		ep.Turns = append(ep.Turns, turn)
	}
	return ep
}
