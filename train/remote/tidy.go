package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Within bounds by ctx what has no context of its own, from now on: Freeze, ResetOptimizer, Save,
// Load and Tidy. Without it these wait as long as the client does.
func (l *Learner) Within(ctx context.Context) { l.within = ctx }

// Bound is the context of the last Within.
func (l *Learner) Bound() context.Context { return l.within }

// Tidy has the server delete what the checkpoints of a run's directory do not name any more: what
// one of them named when it was called before, or that this learner saved for one of them. Call it
// before and after checkpoints are deleted. Where a manifest cannot be read nothing is deleted. That
// the server does not delete something costs it room and the run nothing: it is said, once.
func (l *Learner) Tidy(run string) {
	named, err := l.named(run)
	if err != nil {
		l.untidy(fmt.Errorf("old checkpoints stay on the training server: %w", err))
		return
	}
	for path := range l.known {
		if _, still := named[path]; !still && path != l.ref.path {
			l.Forget(l.within, path)
		}
	}
	for path, here := range named {
		if here {
			l.knows(path)
		}
	}
}

// named are the paths that the manifests in a folder name, and whether they are on this server.
func (l *Learner) named(run string) (map[string]bool, error) {
	run, err := filepath.EvalSymlinks(run)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	err = filepath.WalkDir(run, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !e.IsDir() { // but a checkpoint that lies elsewhere has a link here
			if to, err := os.Stat(path); e.Type()&fs.ModeSymlink == 0 || err != nil || !to.IsDir() {
				return nil
			}
		}
		m, err := ReadManifest(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		for _, p := range m.paths() {
			out[p] = out[p] || m.Server == l.o.Client.Address()
		}
		return nil
	})
	return out, err
}

// paths are what the server keeps for a checkpoint.
func (m *Manifest) paths() []string {
	out := []string{m.Path, m.Sampler}
	if m.Reference != "" {
		out = append(out, m.Reference)
	}
	return out
}

// knows remembers a path that a manifest of the run names.
func (l *Learner) knows(path string) {
	if l.known == nil {
		l.known = map[string]bool{}
	}
	l.known[path] = true
}

// afterwards is how long a server may take to delete what nobody would know of later, when a run is interrupted.
const afterwards = 5 * time.Second

// Forget has the server delete a path that nothing names. It tries to do so where ctx has ended, too.
func (l *Learner) Forget(ctx context.Context, path string) {
	delete(l.known, path)
	err := l.o.Client.Delete(ctx, path)
	if ctx.Err() != nil {
		late, stop := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
		defer stop()
		err = l.o.Client.Delete(late, path)
	}
	if err != nil {
		l.untidy(fmt.Errorf("what no checkpoint names any more stays on the training server: %w", err))
	}
}

// unsaved has the server delete what was saved for a checkpoint that could not be written, unless that is there after all.
func (l *Learner) unsaved(ctx context.Context, dir string, m *Manifest) {
	if there, err := ReadManifest(dir); err == nil && there.Path == m.Path {
		return
	}
	for _, path := range []string{m.Path, m.Sampler} {
		if path != "" {
			l.Forget(ctx, path)
		}
	}
}

// untidy says, once, that something stays on the server.
func (l *Learner) untidy(err error) {
	if !l.littered && l.o.Say != nil {
		l.o.Say(err.Error())
	}
	l.littered = true
}
