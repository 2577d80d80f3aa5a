package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ballast/bounded"
)

// Files lists the files that Load reads of a model on disk, by their paths.
func Files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	weights, err := weightFiles(bounded.Dir(path), path)
	if err != nil {
		return nil, err
	}
	return beside(path, weights)
}

// TextFiles lists the files that LoadText reads.
func TextFiles(dir string) ([]string, error) { return beside(dir, nil) }

// beside lists the files that lie beside the weights, and the weights that are given.
func beside(path string, weights []string) ([]string, error) {
	fsys := bounded.Dir(path)
	var out []string
	texts, err := carriedNames(fsys, path)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Concat([]string{"config.json", indexFile}, texts, weights) {
		if _, err := fs.Stat(fsys, name); errors.Is(err, fs.ErrNotExist) {
			continue // Load says it, where it needs the file
		} else if err != nil {
			return nil, fmt.Errorf("model: %w", err)
		}
		out = append(out, filepath.Join(path, filepath.FromSlash(name)))
	}
	return out, nil
}
