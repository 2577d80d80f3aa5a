package runlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ballast/durable"
	"ballast/provenance"
)

// makingFile is run.json until the directory is whole: the first file that is made in
// it, and the last one that gets its name. durable.Leftover knows the name.
const makingFile = "." + headerFile + ".ballast-CREATING"

// making is the content of makingFile while the directory is filled.
type making struct {
	Format string `json:"format"`
	Recipe string `json:"recipe"` // its hash: a recipe.yaml that is another is a user's
}

// crash, if not nil, is told before each step of a creation; tests let it die there.
var crash func(step string) error

// steps does things in order until one fails.
func steps(list ...step) error {
	for _, s := range list {
		if crash != nil {
			if err := crash(s.name); err != nil {
				return err
			}
		}
		if err := s.do(); err != nil {
			return err
		}
	}
	return nil
}

type step struct {
	name string
	do   func() error
}

// Create is CreateFrom for a run that nobody resumes: it says nothing of where it is from.
func Create(dir string, recipe []byte) (*Run, error) { return CreateFrom(dir, recipe, Origin{}) }

// CreateFrom makes a new run in dir, which must not exist or be empty, and opens it.
// A dir that already holds a run is an error: resume it, or take another name.
func CreateFrom(dir string, recipe []byte, o Origin) (*Run, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("create run: %w; name a new directory where you may write", err)
	}
	if isThere(Dir(dir).header()) {
		return nil, fmt.Errorf("%s already holds a run: continue it with --resume %s, or choose another directory", dir, dir)
	}
	// Before the lock, which is a file: what is not empty stays as it is.
	if _, err := killed(dir); err != nil {
		return nil, err
	}
	r := &Run{dir: dir}
	var err error
	if r.unlock, err = durable.Lock(filepath.Join(dir, lockFile)); err != nil {
		return nil, fmt.Errorf("create run: %w", explain(err, dir))
	}
	if err := r.create(recipe, o); err != nil {
		r.Close()
		return nil, fmt.Errorf("create run: %w", explain(err, dir))
	}
	return r, nil
}

// create fills a locked directory; run.json comes last. What a creation that was killed
// left is taken away first, the marker last.
func (r *Run) create(recipe []byte, o Origin) error {
	if isThere(Dir(r.dir).header()) { // another process was faster
		return fmt.Errorf("%s already holds a run: choose another directory", r.dir)
	}
	old, err := killed(r.dir)
	if err != nil {
		return err
	}
	mark, err := json.Marshal(making{formatName, provenance.Bytes(recipe)})
	if err != nil {
		return err
	}
	r.header = Header{Format: formatName, Version: Version, Recipe: provenance.Bytes(recipe), Origin: o}
	head, err := provenance.Seal(r.header)
	if err != nil {
		return err
	}
	at := func(rel string) string { return Dir(r.dir).at(rel) }
	write := func(rel string, data []byte) step {
		return step{rel, func() error {
			return r.replace(rel, func(w io.Writer) error { _, err := w.Write(data); return err })
		}}
	}
	folder := func(rel string) step { return step{rel, func() error { return os.Mkdir(at(rel), 0o777) }} }
	var list []step
	for _, rel := range old {
		list = append(list, step{"remove " + rel, func() error { return os.Remove(at(rel)) }})
	}
	return steps(append(list, write(makingFile, mark), folder(episodesDir), folder(checkpointsDir), write(recipeFile, recipe),
		step{"lines", r.openLogs}, write(makingFile, head),
		step{headerFile, func() error {
			if err := os.Rename(at(makingFile), at(headerFile)); err != nil {
				return err
			}
			return durable.SyncDir(r.dir)
		}})...)
}

// killed lists what a creation that was killed left in dir, in an order in which it may
// be removed: the marker last. Anything else is an error: without the marker every file,
// and with it every file that is not as this package makes it there.
func killed(dir string) (left []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	var mark making
	marked := false
	if data, err := readMark(dir); err == nil {
		// The last content of the marker is run.json's, with the same key.
		marked = json.Unmarshal(data, &mark) == nil && mark.Format == formatName
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Lstat(path)
		if err != nil {
			return nil, fmt.Errorf("create run: %w", err)
		}
		empty := info.Mode().IsRegular() && info.Size() == 0
		base, aside := durable.Leftover(e.Name())
		aside = aside && (base == recipeFile || base == makingFile) && e.Name() != makingFile
		ours := false
		switch name := e.Name(); {
		case name == lockFile && empty:
			continue // it stays
		case name == makingFile && marked, aside && info.Mode().IsRegular():
			ours = true
		case !marked:
		case name == updatesFile, name == eventsFile:
			ours = empty
		case name == episodesDir, name == checkpointsDir:
			list, err := os.ReadDir(path)
			ours = info.IsDir() && err == nil && len(list) == 0
		case name == recipeFile:
			data, err := os.ReadFile(path)
			ours = info.Mode().IsRegular() && err == nil && provenance.Bytes(data) == mark.Recipe
		}
		if !ours {
			return nil, fmt.Errorf("%s is not empty (%s): a run needs a directory of its own", dir, e.Name())
		}
		if e.Name() != makingFile {
			left = append(left, e.Name())
		}
	}
	if marked {
		left = append(left, makingFile)
	}
	return left, nil
}

// readMark reads makingFile, which is a file and no link.
func readMark(dir string) ([]byte, error) {
	path := filepath.Join(dir, makingFile)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrNotExist)
	}
	return os.ReadFile(path)
}
