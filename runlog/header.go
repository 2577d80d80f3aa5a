package runlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ballast/bounded"
	"ballast/chat"
	"ballast/durable"
	"ballast/provenance"
)

// Version is the version of the format that this package writes; it reads this
// and older ones. Version 1 has no checksums and says nothing of where a run is from; the
// events of versions 1 and 2 say in words what a program needs (old.go).
const Version = 3

// formatName is the format of run.json.
const formatName = "ballast-run"

// Origin is where a run is from.
type Origin struct {
	Program provenance.Program `json:"program"`
	Inputs  provenance.Inputs  `json:"inputs,omitempty"`
	// Renderer says how conversations are written and why so; nil in runs before it was recorded.
	Renderer *chat.Choice `json:"renderer,omitempty"`
}

// Extension is a longer schedule that was asked for.
type Extension struct {
	At      int       `json:"at"`      // update of the checkpoint that the run stood at
	Updates int       `json:"updates"` // more of the last phase
	Time    time.Time `json:"time"`
}

// Header is the content of run.json.
type Header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Adopted is the version that the run was made in, where it is an older one: origin
	// and checksums were then recorded when it was first resumed.
	Adopted int    `json:"adopted,omitempty"`
	Recipe  string `json:"recipe"` // hash of recipe.yaml
	Origin
	Extended []Extension `json:"extended,omitempty"`
	// Pending is an extension whose recipe.yaml may be there or not.
	Pending *pending `json:"pending,omitempty"`
}

type pending struct {
	Recipe string `json:"recipe"`
	Extension
}

// maxHeader bounds the small files of a run, in bytes.
const maxHeader = 64 << 20

// readHeader fails unless dir holds a run that this package reads.
func readHeader(dir string) (h Header, err error) {
	path := Dir(dir).header()
	if info, serr := os.Stat(dir); serr != nil || !info.IsDir() || !isThere(path) {
		why := "it has no " + headerFile
		switch {
		case errors.Is(serr, fs.ErrNotExist):
			why = "there is nothing of that name"
		case serr != nil:
			why = serr.Error()
		case !info.IsDir():
			why = "it is a file"
		case isThere(filepath.Join(dir, makingFile)):
			return h, fmt.Errorf("%s is not a run directory yet: the process that made it was killed; give the same command again, with --out", dir)
		}
		return h, fmt.Errorf("%s is not a run directory: %s; name one that `ballast train` made, such as runs/grpo-001", dir, why)
	}
	data, err := bounded.ReadFile(path, maxHeader)
	if err != nil {
		return h, fmt.Errorf("open run: %w", err)
	}
	sealed, err := provenance.Sealed(data)
	if err != nil {
		return h, fmt.Errorf("%s: %w", path, err)
	}
	if err := json.Unmarshal(data, &h); err != nil || h.Format != formatName {
		return h, fmt.Errorf("%s is not the header of a run", path)
	}
	if h.Version < 1 || h.Version > Version {
		return h, fmt.Errorf("%s: the run has format version %d, this program reads up to %d: use a newer ballast", path, h.Version, Version)
	}
	if h.Version > 1 && !sealed {
		return h, fmt.Errorf("%s: its checksum is gone: it was changed since ballast wrote it", path)
	}
	return h, nil
}

// Header returns what run.json says.
func (r *Run) Header() Header { return r.header }

// writeHeader replaces run.json.
func (r *Run) writeHeader(h Header) error {
	data, err := provenance.Seal(h)
	if err != nil {
		return err
	}
	if err := r.replace(headerFile, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
		return fmt.Errorf("write run: %w", explain(err, r.dir))
	}
	r.header = h
	return nil
}

// settle decides what became of an extension when a process was killed over it, makes a
// header of version 2 one of this version, and fails where recipe.yaml is not the run's.
func (r *Run) settle() error {
	l, err := Read(r.dir)
	if err != nil {
		return err
	}
	h := l.Header
	older := h.Version == 2 // a program of that version must not read the events that follow
	if err := l.Unchanged(); err != nil || h.Pending == nil && !older {
		return err
	}
	if older {
		h.Version = Version
	}
	if sum := provenance.Bytes(l.Recipe); h.Pending != nil && sum != h.Recipe { // else it was not asked for any more
		h.Recipe, h.Extended = sum, append(h.Extended, h.Pending.Extension)
	}
	h.Pending = nil
	return r.writeHeader(h)
}

// Extend replaces the recipe by one with more updates in its last phase; at is the
// update that the run stands at. A kill leaves the run extended or as it was.
func (r *Run) Extend(recipe []byte, updates, at int) error {
	h := r.header
	h.Pending = &pending{provenance.Bytes(recipe), Extension{at, updates, time.Now().UTC().Truncate(time.Second)}}
	if err := r.writeHeader(h); err != nil {
		return err
	}
	if crash != nil {
		if err := crash("recipe of an extension"); err != nil {
			return err
		}
	}
	if err := r.replace(recipeFile, func(w io.Writer) error { _, err := w.Write(recipe); return err }); err != nil {
		return fmt.Errorf("write run: %w", explain(err, r.dir))
	}
	if crash != nil {
		if err := crash("header of an extension"); err != nil {
			return err
		}
	}
	return r.settle()
}

// Adopt records origin and checksums in a run of version 1, whose files are taken as
// they are. Killed, it may be called again.
func (r *Run) Adopt(o Origin) error {
	if r.header.Version >= Version {
		return nil
	}
	list, err := checkpoints(r.dir)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.sealed() {
			continue
		}
		if c.files, err = sums(c.Dir); err == nil {
			err = r.seal(&c, c.Dir)
		}
		if err != nil {
			return fmt.Errorf("write checksums: %w", explain(err, r.dir))
		}
	}
	recipe, err := bounded.ReadFile(Dir(r.dir).Recipe(), maxHeader)
	if err != nil {
		return err
	}
	return r.writeHeader(Header{Format: formatName, Version: Version, Adopted: r.header.Version, Recipe: provenance.Bytes(recipe), Origin: o})
}

// seal writes a checkpoint's marker into dir, with what the line files hold.
func (r *Run) seal(c *Checkpoint, dir string) (err error) {
	if c.updatesSum, err = r.updates.upTo(c.updates); err != nil {
		return err
	}
	if c.eventsSum, err = r.events.upTo(c.events); err != nil {
		return err
	}
	data, err := provenance.Seal(wireCheckpoint{Version, c.Update, c.updates, c.events, c.updatesSum, c.eventsSum, c.State, c.files})
	if err != nil {
		return err
	}
	return durable.ReplaceWith(r.hook, filepath.Join(dir, checkpointFile), func(w io.Writer) error { _, err := w.Write(data); return err })
}
