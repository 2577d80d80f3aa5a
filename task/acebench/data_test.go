package acebench

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	ace "ballast/env/acebench"
)

// benchmark holds a few items of every category; `ballast world replay` goes over all.
const benchmark = "testdata"

// write makes a folder of the given files.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRead(t *testing.T) {
	for _, category := range ace.Categories {
		items, err := Read(benchmark, category)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) == 0 || len(items) > 2 {
			t.Errorf("%s: %d items", category, len(items))
		}
		for _, it := range items {
			if it.Category != category || it.Question == "" || len(it.Functions) == 0 || it.Gold == nil {
				t.Errorf("%s: %+v", it.ID, it)
			}
			if ace.Agent(category) != (it.Milestones != nil && it.Config != nil && len(it.Classes) > 0) {
				t.Errorf("%s: %+v", it.ID, it)
			}
		}
	}
}

// Where the data lie in a checkout, and in the folder itself.
func TestLocate(t *testing.T) {
	for _, below := range folders {
		name := strings.TrimPrefix(below+"/", "/")
		dir := write(t, map[string]string{name + "data_special_irrelevant.json": question, name + "possible_answer/data_special_irrelevant.json": answer})
		if items, err := Read(dir, "special_irrelevant"); err != nil || len(items) != 1 {
			t.Errorf("%s: %v", below, err)
		}
	}
	if _, err := Read(t.TempDir(), "special_irrelevant"); err == nil || !strings.Contains(err.Error(), "no folder possible_answer") {
		t.Error(err)
	}
}

const (
	question = `{"id": "a", "question": "user: hi", "time": "", "function": [{"name": "f", "description": "F.", "parameters": {}}]}`
	answer   = `{"id": "a", "ground_truth": "Due to the limitations of the function, I cannot solve this problem."}`
	calling  = `{"id": "a", "ground_truth": {"f_2": {"x": 1}}}`
)

// An error names file, line and key.
func TestFaults(t *testing.T) {
	const irrelevant, normal, incomplete, agent = "special_irrelevant", "normal_atom_bool", "special_incomplete", "agent_multi_step"
	change := func(text, from, to string) string {
		if !strings.Contains(text, from) {
			t.Fatalf("no %q in %q", from, text)
		}
		return strings.Replace(text, from, to, 1)
	}
	for _, c := range []struct{ category, question, answer, want string }{
		{irrelevant, question, answer, ""},
		{normal, question, calling, ""},
		{irrelevant, "\n" + question + "\n{", answer, "data_special_irrelevant.json:3: json: "},
		{irrelevant, "[]", answer, ".json:1: is a list; write an object"},
		{irrelevant, change(question, `"time": "", `, ""), answer, ".json:1: time is missing"},
		{irrelevant, change(question, `"time": ""`, `"time": 5`), answer, ".json:1: time is a number"},
		{irrelevant, change(question, `"time": ""`, `"time": "", "profile": "x"`), answer, ".json:1: profile is no key"},
		{irrelevant, change(question, `"time": ""`, `"time": "", "time": ""`), answer, "one key twice"},
		{irrelevant, change(question, `"name": "f", `, ""), answer, ".json:1: function[0].name is missing"},
		{irrelevant, change(question, `}]`, `}, {"name": "f", "description": ""}]`), answer, ".json:1: function[1].name f is documented before"},
		{irrelevant, question + "\n" + question, answer + "\n" + answer, ".json:2: id a stands on a line before"},
		{irrelevant, question, change(answer, `"a"`, `"b"`), "possible_answer/data_special_irrelevant.json:1: id is b"},
		{irrelevant, question, "", "has 1 items and 0 answers"},
		{irrelevant, question, calling, "possible_answer/data_special_irrelevant.json:1: ground_truth is an object"},
		{normal, question, change(calling, `"f_2"`, `"g"`), ".json:1: ground_truth.g is a call of no function"},
		{normal, change(question, `, "parameters": {}`, ""), calling, ".json:1: ground_truth.f_2 is a call of no function"},
		{normal, question, change(calling, `{"x": 1}`, `[]`), ".json:1: ground_truth.f_2 is a list"},
		{normal, question, change(calling, `{"f_2": {"x": 1}}`, `[]`), ".json:1: ground_truth has no alternative"},
		{normal, question, change(calling, `{"f_2": {"x": 1}}`, `[5]`), ".json:1: ground_truth[0] is a number"},
		{incomplete, question, change(calling, `{"x": 1}`, `["x", 5]`), ".json:1: ground_truth.f_2[1] is a number"},
		{incomplete, question, change(calling, `{"f_2": {"x": 1}}`, `{}`), ".json:1: ground_truth is empty"},
		{agent, question, answer, ".json:1: "},
	} {
		dir := write(t, map[string]string{fileOf(c.category): c.question, "possible_answer/" + fileOf(c.category): c.answer})
		_, err := Read(dir, c.category)
		if c.want == "" && err == nil {
			continue
		}
		if c.want == "" || err == nil || !strings.Contains(filepath.ToSlash(err.Error()), c.want) {
			t.Errorf("%s %s %s: %v, want %q", c.category, c.question, c.answer, err, c.want)
		}
	}
	if _, err := Read(benchmark, "hard"); err == nil || !strings.Contains(err.Error(), "no category is named") {
		t.Error(err)
	}
}

// What Import wrote reads as its source does, a second time too, and a file of somebody else stays.
func TestImport(t *testing.T) {
	to := t.TempDir()
	for range 2 {
		res, err := Import(benchmark, to)
		if err != nil || res.Files != 34 || res.Items != 33 || len(res.Others) != len(ace.Categories) {
			t.Fatal(res, err)
		}
	}
	for _, category := range ace.Categories {
		a, errA := Read(benchmark, category)
		b, errB := Read(to, category)
		if errA != nil || errB != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%s differs: %v %v", category, errA, errB)
		}
	}
	from := t.TempDir()
	if err := os.CopyFS(filepath.Join(from, "data_all"), os.DirFS(benchmark)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "LICENSE.md"), []byte("MIT"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "LICENSE.md"), []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(from, to); err == nil || !strings.Contains(err.Error(), "LICENSE.md") {
		t.Errorf("another's file: %v", err)
	}
	if res, err := Import(from, filepath.Join(t.TempDir(), "new")); err != nil || res.Files != 35 {
		t.Error(res, err)
	}
}

func FuzzParseLines(f *testing.F) {
	f.Add(question)
	f.Add(answer)
	f.Add("{\"id\": \"a\"}\n\n[]")
	f.Fuzz(func(t *testing.T, text string) {
		for name, s := range shapes {
			lines, err := parseLines("x", []byte(text), &s.question)
			if err != nil && !strings.HasPrefix(err.Error(), "acebench: x:") {
				t.Errorf("%s: %v", name, err)
			}
			for _, l := range lines {
				if l.Text("id") == "" || len(l.Array("function")) == 0 {
					t.Errorf("%s: read %v", name, l.Dict)
				}
			}
		}
	})
}
