// Package runlog is the run directory: the only interface between training and
// everything that looks at it.
//
//	run.json                    format and version; its presence makes DIR a run
//	recipe.yaml                 the resolved recipe
//	updates.jsonl               one ballast.Update a line
//	events.jsonl                one ballast.Event a line
//	episodes/000123.jsonl.zst   the episodes of update 123, one a line
//	checkpoints/000100/         what the learner saved, plus checkpoint.json
//	lock                        held by the one writer
//
// Contract: a process may be killed at any moment. Lines are appended whole, by
// one write each; a torn last line is dropped when the run is opened again.
// Episode files and checkpoints are written aside (names of the table leftovers),
// flushed to disk and renamed, so a name without a dot is complete. A checkpoint
// records how long the line files were; Resume cuts them there, so that a run
// that was killed and resumed leaves the files of one that never was.
//
// Lines are not flushed one by one: the kernel keeps them when the process dies.
// A checkpoint flushes them before it appears, so after a power failure the
// newest checkpoint and all that it counts on are there.
//
// Failures: errors name the file and what to do. After a failed append (a full
// disk) the file is cut back to whole lines; if even that fails, or the file was
// changed by somebody else, the run refuses to write on. A second writer is
// refused. Readers need no lock and may follow a live run.
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
	"regexp"
	"strings"
	"syscall"

	"ballast"
)

// Version is the version of the format that this package writes; it reads this
// and older ones.
const Version = 1

// The names in a run directory.
const (
	headerFile     = "run.json"
	recipeFile     = "recipe.yaml"
	updatesFile    = "updates.jsonl"
	eventsFile     = "events.jsonl"
	episodesDir    = "episodes"
	episodeExt     = ".jsonl.zst"
	checkpointsDir = "checkpoints"
	lockFile       = "lock"
)

// header is the content of run.json.
type header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

// Run is a run directory open for writing. Its methods are for one goroutine.
type Run struct {
	dir     string
	unlock  func()
	updates *lines
	events  *lines
	// write stands for (*os.File).Write; tests put failing disks here.
	write func(*os.File, []byte) (int, error)
}

// Create makes a new run in dir, which must not exist or be empty, and opens it.
// A dir that already holds a run is an error: resume it, or take another name.
func Create(dir string, recipe []byte) (*Run, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("create run: %w; name a new directory where you may write", err)
	}
	if _, err := os.Stat(filepath.Join(dir, headerFile)); err == nil {
		return nil, fmt.Errorf("%s already holds a run: continue it with --resume %s, or choose another directory", dir, dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	for _, e := range entries {
		// A creation that was killed leaves some of these and no run.json.
		switch e.Name() {
		case lockFile, recipeFile, updatesFile, eventsFile, episodesDir, checkpointsDir, "." + recipeFile, "." + headerFile:
		default:
			return nil, fmt.Errorf("%s is not empty (%s): a run needs a directory of its own", dir, e.Name())
		}
	}
	r := &Run{dir: dir, write: (*os.File).Write}
	if r.unlock, err = lock(filepath.Join(dir, lockFile)); err != nil {
		return nil, err
	}
	if err := r.create(recipe); err != nil {
		r.Close()
		return nil, fmt.Errorf("create run: %w", explain(err, dir))
	}
	return r, nil
}

// create fills a locked, empty directory; run.json comes last.
func (r *Run) create(recipe []byte) error {
	for _, d := range []string{episodesDir, checkpointsDir} {
		if err := os.MkdirAll(filepath.Join(r.dir, d), 0o777); err != nil {
			return err
		}
	}
	if err := r.aside(recipeFile, func(f io.Writer) error { _, err := f.Write(recipe); return err }); err != nil {
		return err
	}
	if err := r.openLines(); err != nil {
		return err
	}
	data, err := json.Marshal(header{Format: "ballast-run", Version: Version})
	if err != nil {
		return err
	}
	return r.aside(headerFile, func(f io.Writer) error { _, err := f.Write(append(data, '\n')); return err })
}

// Open opens an existing run for writing: it takes the lock, drops a torn last
// line and what was left unfinished aside. Call Resume before appending.
func Open(dir string) (*Run, error) {
	if err := checkHeader(dir); err != nil {
		return nil, err
	}
	r := &Run{dir: dir, write: (*os.File).Write}
	var err error
	if r.unlock, err = lock(filepath.Join(dir, lockFile)); err != nil {
		return nil, err
	}
	for _, sub := range []string{".", episodesDir, checkpointsDir} {
		if err := r.sweep(sub); err != nil {
			r.Close()
			return nil, fmt.Errorf("open run: %w", err)
		}
	}
	if err := r.openLines(); err != nil {
		r.Close()
		return nil, fmt.Errorf("open run: %w", err)
	}
	return r, nil
}

// checkHeader fails unless dir holds a run that this package reads.
func checkHeader(dir string) error {
	path := filepath.Join(dir, headerFile)
	data, err := os.ReadFile(path)
	if info, serr := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || serr != nil || !info.IsDir() {
		why := "it has no " + headerFile
		switch {
		case errors.Is(serr, fs.ErrNotExist):
			why = "there is nothing of that name"
		case serr != nil:
			why = serr.Error()
		case !info.IsDir():
			why = "it is a file"
		}
		return fmt.Errorf("%s is not a run directory: %s; name one that `ballast train` made, such as runs/grpo-001", dir, why)
	}
	if err != nil {
		return fmt.Errorf("open run: %w", err)
	}
	var h header
	if err := json.Unmarshal(data, &h); err != nil || h.Format != "ballast-run" {
		return fmt.Errorf("%s is not the header of a run", path)
	}
	if h.Version < 1 || h.Version > Version {
		return fmt.Errorf("%s: the run has format version %d, this program reads up to %d: use a newer ballast", path, h.Version, Version)
	}
	return nil
}

// Dir returns the run's directory.
func (r *Run) Dir() string { return r.dir }

// Close releases the run. It is safe to call twice.
func (r *Run) Close() error {
	var errs []error
	for _, l := range []*lines{r.updates, r.events} {
		if l != nil {
			errs = append(errs, l.file.Close())
		}
	}
	r.updates, r.events = nil, nil
	if r.unlock != nil {
		r.unlock()
		r.unlock = nil
	}
	return errors.Join(errs...)
}

// Update appends the record of one update. Metrics may be NaN or infinite.
func (r *Run) Update(u ballast.Update) error {
	return r.append(r.updates, wire(u))
}

// UpdateLine is the line of updates.jsonl for an update, for programs that follow a
// run by other ways. NaN and infinities are written as texts.
func UpdateLine(u ballast.Update) ([]byte, error) {
	return marshalLine(wire(u))
}

// Event appends an event. Numbers in its data must be finite.
func (r *Run) Event(e ballast.Event) error {
	return r.append(r.events, wireEvent{e.Update, e.Kind, e.Text, e.Data})
}

// Episodes writes the episodes of an update, replacing those that are there. It
// fails, with no file left, where an episode's slices disagree in length.
func (r *Run) Episodes(update int, episodes []ballast.Episode) error {
	err := r.aside(filepath.Join(episodesDir, name(update)+episodeExt), func(f io.Writer) error {
		return encodeEpisodes(f, episodes)
	})
	if err != nil {
		return fmt.Errorf("write episodes of update %d: %w", update, explain(err, r.dir))
	}
	return nil
}

// name returns the file name of an update's things, without extension.
func name(update int) string { return fmt.Sprintf("%06d", update) }

// append writes one value as one line.
func (r *Run) append(l *lines, v any) error {
	line, err := marshalLine(v)
	if err != nil {
		return fmt.Errorf("append to %s: %w", l.path, err)
	}
	if err := l.append(line, r.write); err != nil {
		return fmt.Errorf("append to %s: %w", l.path, explain(err, r.dir))
	}
	return nil
}

// marshalLine returns v as one line of JSON, with angle brackets as they are: control
// tokens are full of them.
func marshalLine(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return buf.Bytes(), err
}

// aside writes a file under a name with a leading dot, flushes it and gives it
// its name. On an error nothing stays.
func (r *Run) aside(rel string, fill func(io.Writer) error) error {
	path := filepath.Join(r.dir, rel)
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	err = fill(hooked{f, r.write})
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// hooked is a file whose writes go through the run's hook.
type hooked struct {
	file  *os.File
	write func(*os.File, []byte) (int, error)
}

func (h hooked) Write(p []byte) (int, error) { return h.write(h.file, p) }

// leftovers are the names under which a writer that died leaves what it was at, by
// folder. Names that are not of this form are somebody else's and stay.
var leftovers = map[string]*regexp.Regexp{
	".":            regexp.MustCompile(`^\.(run\.json|recipe\.yaml|events\.jsonl|report-[0-9]+)$`),
	episodesDir:    regexp.MustCompile(`^\.[0-9]{6,}\.jsonl\.zst$`),
	checkpointsDir: regexp.MustCompile(`^\.(old-|gone-)?[0-9]{6,}$`),
}

// sweep removes what was being written aside when a process died, and puts back
// what it was about to replace. It touches leftovers alone.
func (r *Run) sweep(sub string) error {
	dir := filepath.Join(r.dir, sub)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !leftovers[sub].MatchString(e.Name()) {
			continue
		}
		if plain, ok := strings.CutPrefix(e.Name(), replacedPrefix); ok {
			err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(dir, plain))
			if err == nil {
				continue
			}
			if !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
				return err
			}
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// openLines opens the two line files.
func (r *Run) openLines() (err error) {
	if r.updates, err = openLines(filepath.Join(r.dir, updatesFile)); err != nil {
		return err
	}
	r.events, err = openLines(filepath.Join(r.dir, eventsFile))
	return err
}

// lines is a file of whole lines.
type lines struct {
	path   string
	file   *os.File
	size   int64
	broken error // set when the file may hold half a line
}

// openLines opens or creates a file of lines and cuts a torn last one off.
func openLines(path string) (*lines, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		whole := int64(0)
		if whole, err = wholeLines(f, size); err == nil && whole < size {
			size, err = whole, f.Truncate(whole)
		}
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &lines{path: path, file: f, size: size}, nil
}

// wholeLines returns the offset behind the last newline in the first size bytes.
func wholeLines(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		start := max(0, end-int64(len(buf)))
		part := buf[:end-start]
		if _, err := f.ReadAt(part, start); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}

// append writes one line with one write; a short one is taken back.
func (l *lines) append(line []byte, write func(*os.File, []byte) (int, error)) error {
	if l.broken != nil {
		return fmt.Errorf("an earlier append failed and could not be taken back: %w", l.broken)
	}
	n, err := write(l.file, line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err == nil {
		l.size += int64(n)
		return nil
	}
	if cut := l.cut(l.size); cut != nil {
		l.broken = errors.Join(err, cut)
	}
	return err
}

// cut shortens the file to size and appends from there.
func (l *lines) cut(size int64) error {
	if err := l.file.Truncate(size); err != nil {
		return err
	}
	if _, err := l.file.Seek(size, io.SeekStart); err != nil {
		return err
	}
	l.size = size
	return nil
}

// explain says what to do about the host's failures.
func explain(err error, dir string) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: free some space for %s, then continue with --resume %s", err, dir, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: make %s writable for this user", err, dir)
	}
	return err
}

// syncDir flushes a directory's entries, so that a rename survives a power
// failure. File systems that cannot do that are left alone.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// wireUpdate and wireEvent are the lines of updates.jsonl and events.jsonl.
type (
	wireUpdate struct {
		Index   int               `json:"update"`
		Phase   string            `json:"phase"`
		Seconds number            `json:"seconds"`
		Metrics map[string]number `json:"metrics"`
	}
	wireEvent struct {
		Update int            `json:"update"`
		Kind   string         `json:"kind"`
		Text   string         `json:"text"`
		Data   map[string]any `json:"data,omitempty"`
	}
)

func wire(u ballast.Update) wireUpdate {
	w := wireUpdate{u.Index, u.Phase, number(u.Seconds), make(map[string]number, len(u.Metrics))}
	for k, v := range u.Metrics {
		w.Metrics[k] = number(v)
	}
	return w
}

// number is a float64 whose JSON may be "NaN", "Infinity" or "-Infinity": a metric
// that went non-finite is a thing to record.
type number float64

// MarshalJSON writes the shortest text that reads back as the same number.
func (n number) MarshalJSON() ([]byte, error) {
	switch x := float64(n); {
	case math.IsNaN(x):
		return []byte(`"NaN"`), nil
	case math.IsInf(x, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(x, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(x)
	}
}

// UnmarshalJSON is the inverse.
func (n *number) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `"NaN"`:
		*n = number(math.NaN())
	case `"Infinity"`:
		*n = number(math.Inf(1))
	case `"-Infinity"`:
		*n = number(math.Inf(-1))
	default:
		return json.Unmarshal(data, (*float64)(n))
	}
	return nil
}
