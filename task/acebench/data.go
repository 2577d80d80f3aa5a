// Package acebench reads the data of ACEBench (English), makes tasks of them, and replays the
// corpora that the original program recorded. What the benchmark asks and accepts is package
// env/acebench.
//
// Contract: Read gives the items of a category in the order of its file, each with the answer on
// the same line of the file of answers. What a line may hold is one table (shapes).
//
// How it fails: a file that is missing, a line that is no JSON object, a key that is missing,
// unknown or of another kind, an answer of another item, a function that gold calls and nobody
// documents: an error that names file, line and key. Nothing is skipped or guessed.
package acebench

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ballast/bounded"
	ace "ballast/env/acebench"
	"ballast/value"
	"ballast/value/shape"
)

// maxFile bounds one file of the benchmark; its largest has 0.6 MB.
const maxFile = 32 * bounded.MiB

// folders are where the data lie in a checkout of the benchmark, and in one of the paper's code.
var folders = []string{"", "data_en", "data_all/data_en", "benchmarks/ACEBench/data_en", "benchmarks/ACEBench/data_all/data_en"}

// fileOf is the file of a category.
func fileOf(category string) string { return "data_" + category + ".json" }

// locate finds the folder of the files at or below dir.
func locate(dir string) (string, error) {
	for _, sub := range folders {
		d := filepath.Join(dir, filepath.FromSlash(sub))
		if _, err := os.Stat(filepath.Join(d, "possible_answer")); err == nil {
			return d, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("acebench: %w", err)
		}
	}
	return "", fmt.Errorf("acebench: no folder possible_answer in %s, nor in %s: name the benchmark's checkout or its folder data_en", dir,
		strings.Join(folders[1:], ", "))
}

// Read reads the items of a category below dir.
func Read(dir, category string) ([]ace.Item, error) {
	root, err := locate(dir)
	if err != nil {
		return nil, err
	}
	return readCategory(root, category)
}

func readCategory(root, category string) ([]ace.Item, error) {
	if !slices.Contains(ace.Categories, category) {
		return nil, fmt.Errorf("acebench: no category is named %q; there are %s", category, strings.Join(ace.Categories, ", "))
	}
	of := shapes[family(category)]
	questions, err := readLines(filepath.Join(root, fileOf(category)), &of.question)
	if err != nil {
		return nil, err
	}
	answers, err := readLines(filepath.Join(root, "possible_answer", fileOf(category)), &of.answer)
	if err != nil {
		return nil, err
	}
	if len(questions) != len(answers) {
		return nil, fmt.Errorf("acebench: %s has %d items and %d answers", fileOf(category), len(questions), len(answers))
	}
	items, seen := make([]ace.Item, len(questions)), map[string]bool{}
	for i, q := range questions {
		a := answers[i]
		switch id := q.Text("id"); {
		case seen[id]:
			return nil, q.fail("id", "%s stands on a line before", id)
		case a.Text("id") != id:
			return nil, a.fail("id", "is %s where %s:%d has %s", a.Text("id"), fileOf(category), q.number, id)
		default:
			seen[id] = true
		}
		if items[i], err = item(category, q, a); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// item makes an item of its two lines.
func item(category string, q, a line) (ace.Item, error) {
	it := ace.Item{ID: q.Text("id"), Category: category, Question: q.Text("question"), Time: q.Text("time"), Profile: q.Text("profile"),
		Gold: a.Member("ground_truth"), Config: q.Object("initial_config")}
	it.Milestones, _ = a.Member("mile_stone").(*value.List)
	for _, c := range q.Array("involved_classes") {
		it.Classes = append(it.Classes, c.(string))
	}
	for i, v := range q.Array("function") {
		f := ace.Function{Name: v.(*value.Dict).Text("name"), Doc: v.(*value.Dict)}
		if slices.ContainsFunc(it.Functions, func(other ace.Function) bool { return other.Name == f.Name }) {
			return it, q.fail(shape.Key(shape.Index("function", i), "name"), "%s is documented before", f.Name)
		}
		it.Functions = append(it.Functions, f)
	}
	switch {
	case strings.HasPrefix(category, "normal"):
		return it, calls(a, &it)
	case family(category) == "special":
		return it, named(a, it.Gold.(*value.Dict))
	}
	return it, nil
}

// named checks what a special item wants to be named: lists of texts.
func named(a line, gold *value.Dict) error {
	for i := range gold.Len() {
		key, v := gold.At(i)
		if faults := list(1, &name).Check(v); len(faults) > 0 {
			return a.fail(shape.Key("ground_truth", key.(string))+faults[0].Path, "%s", faults[0].Text)
		}
	}
	if gold.Len() == 0 {
		return a.fail("ground_truth", "is empty")
	}
	return nil
}

// calls checks the calls that a normal item wants: each is an object, of a function that is documented.
func calls(a line, it *ace.Item) error {
	alternatives, list := it.Gold.(*value.List)
	if !list {
		alternatives = value.NewList(it.Gold)
	}
	if len(alternatives.Items) == 0 {
		return a.fail("ground_truth", "has no alternative")
	}
	for i, v := range alternatives.Items {
		key := "ground_truth"
		if list {
			key = shape.Index(key, i)
		}
		gold, ok := v.(*value.Dict)
		if !ok {
			return a.fail(key, "is %s; want an object of calls, or a list of such", shape.KindOf(v))
		}
		for k := range gold.Len() {
			name, args := gold.At(k)
			if _, ok := args.(*value.Dict); !ok {
				return a.fail(shape.Key(key, name.(string)), "is %s; want an object of arguments", shape.KindOf(args))
			}
			if f := it.Documented(name.(string)); f == nil || f.Doc.Object("parameters") == nil {
				return a.fail(shape.Key(key, name.(string)), "is a call of no function that the item documents with its parameters")
			}
		}
	}
	return nil
}

// line is one JSON object of a file and where it stands.
type line struct {
	file   string
	number int
	*value.Dict
}

// fail is an error that names file, line and key.
func (l line) fail(key, format string, args ...any) error {
	if key != "" {
		key += " "
	}
	return fmt.Errorf("acebench: %s:%d: %s%s", l.file, l.number, key, fmt.Sprintf(format, args...))
}

// readLines reads a file of one JSON object a line, each of a shape.
func readLines(path string, of *shape.Shape) ([]line, error) {
	data, err := bounded.ReadFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("acebench: %w; ballast data import acebench --from CHECKOUT --to DIR copies all files", err)
	}
	return parseLines(path, data, of)
}

// parseLines is readLines of a text.
func parseLines(path string, data []byte, of *shape.Shape) (lines []line, err error) {
	for i, text := range bytes.Split(data, []byte("\n")) {
		l := line{file: path, number: i + 1}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		v, err := value.ParseExact(text)
		if err != nil {
			return nil, l.fail("", "%v", err)
		}
		if faults := of.Check(v); len(faults) > 0 {
			return nil, l.fail(faults[0].Path, "%s", faults[0].Text)
		}
		l.Dict = v.(*value.Dict)
		lines = append(lines, l)
	}
	return lines, nil
}

// family is the part of a category's name that says what its lines hold: preference has a profile
// where the others have the time, and what the special ones want is of three kinds.
func family(category string) string {
	switch f, _, _ := strings.Cut(category, "_"); {
	case category == "normal_preference", category == "special_irrelevant":
		return category
	default:
		return f
	}
}
