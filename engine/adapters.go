package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ballast/bounded"
	"ballast/durable"
	"ballast/model/lora"
	"ballast/tinker"
	"ballast/train/remote"
)

// shelf is this process's folder in the one that is shared with samplers, for the adapters that
// they load. A lock beside it ends with the process, so that the next one on this machine knows
// what a killed one left. What processes on other machines left stays: their locks are not
// trusted to be seen from here.
type shelf struct {
	dir    string
	unlock func() error
	n      int
}

// folders begins the names of these folders on this machine.
func folders() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // nobody else's are swept for that: they have locks
	}
	return "ballast-" + durable.Name(host) + "-"
}

// locked ends the name of a folder's lock.
const locked = ".lock"

// openShelf makes the folder in root. left are the folders of processes that are gone, which are
// no more.
func openShelf(root string) (s *shelf, left []string, err error) {
	if root, err = filepath.Abs(root); err != nil {
		return nil, nil, fmt.Errorf("engine.adapters: %w", err)
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return nil, nil, fmt.Errorf("engine.adapters: there is no folder %s; make it, where this machine and those of the samplers see the "+
			"same folder under this path", root)
	}
	if left, err = sweep(root); err != nil {
		return nil, left, fmt.Errorf("engine.adapters: %w", err)
	}
	s = &shelf{dir: filepath.Join(root, folders()+nonce())}
	if s.unlock, err = durable.Lock(s.dir + locked); err != nil {
		return nil, left, fmt.Errorf("engine.adapters: %w", err)
	}
	if err := os.Mkdir(s.dir, 0o777); err != nil {
		return nil, left, errors.Join(fmt.Errorf("engine.adapters: %w", err), s.close())
	}
	return s, left, nil
}

// sweep removes the folders of processes of this machine that are gone.
func sweep(root string) (left []string, err error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, lock := strings.CutSuffix(e.Name(), locked)
		own, ours := strings.CutPrefix(name, folders())
		if !lock || !ours || len(own) != len(nonce()) || strings.Contains(own, "-") { // that of host a-b begins as those of host a do
			continue
		}
		dir := filepath.Join(root, name)
		unlock, err := durable.Lock(dir + locked)
		if errors.Is(err, durable.ErrLocked) {
			continue // it lives
		}
		if err != nil {
			return left, err
		}
		left = append(left, dir)
		if err := errors.Join(os.RemoveAll(dir), os.Remove(dir+locked), unlock()); err != nil {
			return left, err
		}
	}
	return left, nil
}

// put brings saved weights from the training server, and gives the path of their folder.
func (s *shelf) put(ctx context.Context, c *tinker.Client, path string) (dir string, err error) {
	s.n++
	dir = filepath.Join(s.dir, fmt.Sprintf("%06d", s.n))
	if _, err := remote.Pull(ctx, c, &remote.Manifest{Sampler: path}, dir); err != nil {
		return "", fmt.Errorf("engine.adapters: bringing what is sampled with: %w", err)
	}
	for _, file := range lora.Files(dir) {
		if err := bounded.Regular(file); err != nil {
			return "", fmt.Errorf("engine.samplers: what %s keeps of %s is no adapter that they could load: %w", c.Address(), path, err)
		}
	}
	if err := lora.Complete(dir); err != nil {
		return "", fmt.Errorf("engine.samplers: what %s keeps of %s is no adapter that they could load: %w", c.Address(), path, err)
	}
	return dir, nil
}

// keep removes all adapters but the one in a folder.
func (s *shelf) keep(dir string) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if at := filepath.Join(s.dir, e.Name()); at != dir {
			errs = append(errs, os.RemoveAll(at))
		}
	}
	return errors.Join(errs...)
}

// close removes the folder.
func (s *shelf) close() error {
	return errors.Join(os.RemoveAll(s.dir), os.Remove(s.dir+locked), s.unlock())
}

// within says whether a path lies in one of some folders.
func within(dirs []string) func(path string) bool {
	return func(path string) bool {
		for _, dir := range dirs {
			if strings.HasPrefix(filepath.Clean(path), dir+string(filepath.Separator)) {
				return true
			}
		}
		return false
	}
}
