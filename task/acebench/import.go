package acebench

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"ballast/bounded"
	"ballast/durable"
	ace "ballast/env/acebench"
)

// Imported says what Import wrote.
type Imported struct {
	Files int `json:"files"`
	Items int `json:"items"`
}

// licenses are the names that the benchmark's licence may have, at the top of its checkout.
var licenses = []string{"LICENSE.md", "LICENSE", "LICENSE.txt"}

// Import copies the questions and answers of all categories, and the licence, from a checkout of the
// benchmark into one folder. All is read before anything is written. A file in to that holds
// something else is an error.
func Import(from, to string) (Imported, error) {
	var res Imported
	root, err := locate(from)
	if err != nil {
		return res, err
	}
	files := map[string][]byte{}
	for _, category := range ace.Categories {
		items, err := readCategory(root, category)
		if err != nil {
			return res, err
		}
		res.Items += len(items)
		for _, name := range []string{fileOf(category), "possible_answer/" + fileOf(category)} {
			if files[name], err = bounded.ReadFile(filepath.Join(root, filepath.FromSlash(name)), maxFile); err != nil {
				return res, fmt.Errorf("acebench: %w", err)
			}
		}
	}
	if err := addLicense(files, root, from); err != nil {
		return res, err
	}
	if res.Files, err = durable.Files(to, files); err != nil {
		return res, fmt.Errorf("acebench: %w", err)
	}
	return res, nil
}

// addLicense finds the licence between the data and the top of the checkout.
func addLicense(files map[string][]byte, root, from string) error {
	for dir := filepath.Clean(root); ; dir = filepath.Dir(dir) {
		for _, name := range licenses {
			data, err := bounded.ReadFile(filepath.Join(dir, name), maxFile)
			if err == nil {
				files[licenses[0]] = data
				return nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("acebench: %w", err)
			}
		}
		if dir == filepath.Clean(from) || dir == filepath.Dir(dir) {
			return nil
		}
	}
}
