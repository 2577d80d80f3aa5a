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
	// Others are the categories with another number of items than the benchmark published, and what they have.
	Others []string `json:"others,omitempty"`
}

// published are the items of each category of the benchmark.
var published = map[string]int{
	"normal_single_turn_single_function": 100, "normal_single_turn_parallel_function": 100, "normal_multi_turn_user_adjust": 123,
	"normal_multi_turn_user_switch": 100, "normal_similar_api": 50, "normal_preference": 50, "normal_atom_bool": 50,
	"normal_atom_enum": 50, "normal_atom_number": 50, "normal_atom_list": 50, "normal_atom_object_deep": 50,
	"normal_atom_object_short": 50, "special_incomplete": 50, "special_error_param": 50, "special_irrelevant": 50,
	ace.MultiStep: 20, ace.MultiTurn: 30,
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
		if want := published[category]; len(items) != want {
			res.Others = append(res.Others, fmt.Sprintf("%s %d of %d", category, len(items), want))
		}
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
