// Package runlog is the run directory: the only interface between training and
// everything that looks at it.
//
//	run.json                    the format's version, what the run was made with and of, and
//	                            the hash of its recipe; its presence makes DIR a run
//	recipe.yaml                 the resolved recipe
//	updates.jsonl               one ballast.Update a line
//	events.jsonl                one Event a line
//	episodes/000123.jsonl.zst   the episodes of update 123, one a line
//	checkpoints/000100/         what the learner saved, plus checkpoint.json: the cursor, and
//	                            checksums of the files here and of what the others held
//	judge.jsonl                 what requests to a judge's endpoint took (supervise/endpoint)
//	server.log                  what the processes of an MCP server wrote to stderr (env/mcp)
//	probes/000100.json          probes of a checkpoint (doctor/probe)
//	report.html                 the page (report)
//	lock                        held by the one writer
//
// A run is made in a directory that is empty or not there. While it is made, a file
// under a name that only this package gives says so; a creation that was killed is known
// by it, and may be tried again.
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
// refused. Readers need no lock and may follow a live run. A folder that is gone, as git
// leaves out empty ones, is an empty one to readers, and is made again to write; that of
// the checkpoints is not where the run had any.
package runlog

import (
	"crypto/sha256"
	"encoding/hex"
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
	"ballast/durable"
	"ballast/durable/jsonl"
)

// Run is a run directory open for writing. Its methods are for one goroutine.
type Run struct {
	dir     string
	unlock  func() error
	header  Header
	updates *lines
	events  *lines
	// played is what Episodes wrote last.
	played struct {
		update int
		sum    string
	}
	// write stands for (*os.File).Write; tests put failing disks here.
	write durable.Write
}

// Open opens an existing run for writing: it takes the lock, drops a torn last
// line and what was left unfinished aside. Call Resume before appending.
func Open(dir string) (*Run, error) {
	if _, err := readHeader(dir); err != nil { // before a lock is made in a folder of somebody else
		return nil, err
	}
	if err := checkOwn(dir); err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	r := &Run{dir: dir}
	var err error
	if r.unlock, err = durable.Lock(filepath.Join(dir, lockFile)); err != nil {
		return nil, fmt.Errorf("open run: %w", explain(err, dir))
	}
	if err := r.open(); err != nil {
		r.Close()
		return nil, fmt.Errorf("open run: %w", explain(err, dir))
	}
	return r, nil
}

// open is what Open does under the lock.
func (r *Run) open() (err error) {
	if err := r.remake(); err != nil {
		return err
	}
	for _, sub := range []string{".", episodesDir, checkpointsDir} {
		if err := r.sweep(sub); err != nil {
			return err
		}
	}
	if r.header, err = readHeader(r.dir); err != nil {
		return err
	}
	if err := r.settle(); err != nil {
		return err
	}
	return r.openLogs()
}

// remake makes the folders that are gone. It fails where checkpoints went with theirs:
// a resume would start over and drop every update.
func (r *Run) remake() error {
	for _, sub := range []string{episodesDir, checkpointsDir} {
		path := filepath.Join(r.dir, sub)
		if isThere(path) {
			continue
		}
		for e, err := range readLines(Dir(r.dir).events(), decodeEvent) {
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return err
			}
			if sub == checkpointsDir && e.Kind() == KindCheckpoint {
				return fmt.Errorf("%s is gone, and the run had checkpoints: put it back; or make an empty folder of that name, "+
					"and the run starts over", path)
			}
		}
		if err := os.Mkdir(path, 0o777); err != nil {
			return err
		}
	}
	return nil
}

// checkOwn fails where a name of the run directory stands for something elsewhere:
// what is written under it would go there.
func checkOwn(dir string) error {
	for _, own := range []struct {
		name string
		is   func(fs.FileMode) bool
		want string
	}{
		{headerFile, fs.FileMode.IsRegular, "a file"}, {recipeFile, fs.FileMode.IsRegular, "a file"},
		{updatesFile, fs.FileMode.IsRegular, "a file"}, {eventsFile, fs.FileMode.IsRegular, "a file"},
		{lockFile, fs.FileMode.IsRegular, "a file"},
		{episodesDir, fs.FileMode.IsDir, "a folder"}, {checkpointsDir, fs.FileMode.IsDir, "a folder"},
	} {
		path := filepath.Join(dir, own.name)
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			return fmt.Errorf("%s is a link: what a run writes stays in its directory; put %s in its place", path, own.want)
		case !own.is(info.Mode()):
			return fmt.Errorf("%s is there and is not %s: a run did not make it; take it away", path, own.want)
		}
	}
	return nil
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Dir returns the run's directory.
func (r *Run) Dir() string { return r.dir }

// Close releases the run. It is safe to call twice.
func (r *Run) Close() error {
	var errs []error
	for _, l := range []*lines{r.updates, r.events} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	r.updates, r.events = nil, nil
	if r.unlock != nil {
		errs = append(errs, r.unlock())
		r.unlock = nil
	}
	return errors.Join(errs...)
}

// Update appends the record of one update. Metrics may be NaN or infinite.
func (r *Run) Update(u ballast.Update) error {
	w := wire(u)
	if r.played.update == u.Index {
		w.Episodes = r.played.sum
	}
	line, err := jsonl.Line(w)
	return r.append(r.updates, line, err)
}

// UpdateLine is the line of updates.jsonl for an update, for programs that follow a
// run by other ways. NaN and infinities are written as texts.
func UpdateLine(u ballast.Update) ([]byte, error) {
	return jsonl.Line(wire(u))
}

// Event appends an event. Its numbers must be finite.
func (r *Run) Event(e Event) error {
	line, err := encodeEvent(e)
	return r.append(r.events, line, err)
}

// Episodes writes the episodes of an update, replacing those that are there; Update
// records their hash. It fails, with no file left, where an episode's slices disagree in length.
func (r *Run) Episodes(update int, episodes []ballast.Episode) error {
	sum := sha256.New()
	err := r.replace(filepath.Join(episodesDir, name(update)+episodeExt), func(f io.Writer) error {
		return encodeEpisodes(io.MultiWriter(f, sum), episodes)
	})
	if err != nil {
		return fmt.Errorf("write episodes of update %d: %w", update, explain(err, r.dir))
	}
	r.played.update, r.played.sum = update, hex.EncodeToString(sum.Sum(nil))
	return nil
}

// append writes one line, if it could be made.
func (r *Run) append(l *lines, line []byte, err error) error {
	if err != nil {
		return fmt.Errorf("append to %s: %w", l.Path(), err)
	}
	return explain(l.Append(line), r.dir)
}

// replace writes a file of the run, by its path in it, whole or not at all.
func (r *Run) replace(rel string, fill func(io.Writer) error) error {
	return durable.ReplaceWith(r.hook, filepath.Join(r.dir, rel), fill)
}

// hook is the run's write at the time of a write.
func (r *Run) hook(f *os.File, p []byte) (int, error) {
	if r.write != nil {
		return r.write(f, p)
	}
	return f.Write(p)
}

// leftovers are the names under which a writer that died leaves what it was at, by
// folder, beside those of package durable: a checkpoint is a folder, and version 1 had
// its own for files. Names that are not of this form are somebody else's and stay.
var leftovers = map[string]*regexp.Regexp{
	".":            regexp.MustCompile(`^\.(run\.json|recipe\.yaml|events\.jsonl|report-[0-9]+)$`),
	episodesDir:    regexp.MustCompile(`^\.[0-9]{6,}\.jsonl\.zst$`),
	checkpointsDir: regexp.MustCompile(`^\.((old-|gone-)?[0-9]{6,}|\.[0-9]{6,}\.tmp-[A-Z2-7]{8})$`),
}

// sweep removes what was being written aside when a process died, and puts back
// what it was about to replace. It touches leftovers alone.
func (r *Run) sweep(sub string) error {
	dir := filepath.Join(r.dir, sub)
	if err := durable.Sweep(dir, func(string) bool { return true }); err != nil {
		return err
	}
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
		gone := os.RemoveAll // never was whole
		if strings.HasPrefix(e.Name(), replacedPrefix) || strings.HasPrefix(e.Name(), gonePrefix) {
			gone = discard
		}
		if err := gone(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// openLogs opens the two files of lines.
func (r *Run) openLogs() (err error) {
	if r.updates, err = openLines(Dir(r.dir).updates(), r.hook); err != nil {
		return err
	}
	r.events, err = openLines(Dir(r.dir).events(), r.hook)
	return err
}

// explain says what to do about the host's failures.
func explain(err error, dir string) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: free some space for %s, then continue with --resume %s", err, dir, dir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: make the disk of %s writable (mount it so), or copy the run to one that is", err, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: make %s writable for this user", err, dir)
	}
	return err
}

// wireUpdate is a line of updates.jsonl.
type wireUpdate struct {
	Index    int               `json:"update"`
	Phase    string            `json:"phase"`
	Seconds  number            `json:"seconds"`
	Metrics  map[string]number `json:"metrics"`
	Episodes string            `json:"episodes,omitempty"` // hash of their file
}

func wire(u ballast.Update) wireUpdate {
	w := wireUpdate{Index: u.Index, Phase: u.Phase, Seconds: number(u.Seconds), Metrics: make(map[string]number, len(u.Metrics))}
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
