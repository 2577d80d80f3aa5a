package model

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
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
	fsys := bounded.Dir(path)
	weights, err := weightFiles(fsys, path)
	if err != nil {
		return nil, err
	}
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

// EmbeddedSum is the SHA-256 of the embedded model's files, in hexadecimal digits.
func EmbeddedSum() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(embedded, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n", path, len(data))
		h.Write(data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

//go:embed all:embedded
var embedded embed.FS

// embeddedOrigin names the embedded model in messages.
const embeddedOrigin = "embedded model"

// Embedded reads the model that ships with the binary, from model/embedded.
func Embedded() (*Model, error) {
	dir, err := embeddedDir()
	if err != nil {
		return nil, err
	}
	return loadFS(dir, embeddedOrigin)
}

// embeddedDir is the embedded model's directory.
func embeddedDir() (fs.FS, error) {
	dir, err := fs.Sub(embedded, "embedded")
	if err != nil {
		panic("model: " + err.Error()) // the pattern above guarantees the folder
	}
	if _, err := fs.Stat(dir, "config.json"); err != nil {
		return nil, errors.New("model: this binary has no embedded model; name a model, or train one from random weights")
	}
	return dir, nil
}
