package bfcl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast/value"
)

// benchmark is a part of the benchmark's data: the same six tasks of every category.
// scripts/peer-bfcl goes over all.
const benchmark = "testdata"

func TestSplit(t *testing.T) {
	train, test := split()
	if !slices.Equal(train[:6], []int{66, 187, 101, 193, 111, 121}) || !slices.Equal(test[:4], []int{174, 4, 29, 183}) {
		t.Fatalf("train %v..., test %v...", train[:6], test[:4])
	}
	data, err := os.ReadFile(filepath.Join(benchmark, "split_seed42.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Train, Test []int }
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(train, want.Train) || !slices.Equal(test, want.Test) {
		t.Error("the split differs from split_seed42.json")
	}
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		opts         Options
		tasks, calls int
		first        string
	}{
		{Options{}, 24, 104, "multi_turn_base_29"},
		{Options{Categories: []string{"base"}}, 6, 26, "multi_turn_base_29"},
		{Options{Categories: []string{"long_context"}}, 6, 26, "multi_turn_long_context_29"},
		{Options{Categories: []string{"base"}, Classes: []string{"GorillaFileSystem", "MathAPI"}}, 2, 8, "multi_turn_base_29"},
	} {
		tasks, err := Load(benchmark, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		for _, task := range tasks {
			for _, turn := range task.Turns {
				calls += len(turn.Gold)
			}
		}
		if len(tasks) != c.tasks || calls != c.calls || tasks[0].ID != c.first {
			t.Errorf("%+v: %d tasks, %d calls, first %s", c.opts, len(tasks), calls, tasks[0].ID)
		}
	}
}

func TestTools(t *testing.T) {
	tasks, err := Load(benchmark, Options{Categories: []string{"miss_func"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		held := 0
		for i, turn := range task.Turns {
			held += len(turn.Reveal)
			if (turn.User == "") != (len(turn.Reveal) > 0) {
				t.Errorf("%s turn %d: user %q, reveals %v", task.ID, i, turn.User, turn.Reveal)
			}
		}
		plain := 0
		for _, tool := range task.Tools {
			if !strings.HasSuffix(tool.Doc, syntaxNote) {
				plain++
			}
		}
		if held == 0 || plain != held {
			t.Errorf("%s: %d functions held back, %d without the note", task.ID, held, plain)
		}
	}
	tool := tasks[0].Tools[0]
	if s, err := value.JSON(tool.Schema); err != nil || !strings.HasPrefix(s, `{"name": "`) || !strings.Contains(s, `"response": {`) {
		t.Errorf("schema %s, %v", s, err)
	}
}

// write makes a data folder of the given files.
func write(t *testing.T, files map[string]string) string {
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

// small is a data folder of one good task, with one file changed.
func small(file, text string) map[string]string {
	files := map[string]string{
		"BFCL_v4_multi_turn_base.json":                 `{"id": "a", "question": [[{"role": "user", "content": "hi"}]], "initial_config": {}, "involved_classes": ["MathAPI"]}`,
		"possible_answer/BFCL_v4_multi_turn_base.json": `{"id": "a", "ground_truth": [["add(a=1, b=2)"]]}`,
		"multi_turn_func_doc/math_api.json":            `{"name": "add", "description": "Add.", "parameters": {"type": "dict", "properties": {"a": {"type": "float", "description": "A."}}, "required": ["a"]}}`,
	}
	if file != "" {
		files[file] = text
	}
	return files
}

func TestLayouts(t *testing.T) {
	for _, below := range []string{"", "data/", "bfcl_eval/data/", "berkeley-function-call-leaderboard/bfcl_eval/data/"} {
		files := map[string]string{}
		for name, text := range small("", "") {
			files[below+name] = text
		}
		tasks, err := Load(write(t, files), Options{Categories: []string{"base"}})
		if err != nil || len(tasks) != 1 {
			t.Fatalf("%q: %v", below, err)
		}
		p := tasks[0].Tools[0].Params[0]
		if p.Name != "a" || p.Type != "number" || !p.Required {
			t.Errorf("parameter %+v", p)
		}
	}
}

func TestErrors(t *testing.T) {
	const questions, answers, docs = "BFCL_v4_multi_turn_base.json", "possible_answer/BFCL_v4_multi_turn_base.json", "multi_turn_func_doc/math_api.json"
	base := Options{Categories: []string{"base"}}
	for _, c := range []struct {
		file, text string
		opts       Options
		want       string
	}{
		{questions, "\n{\"id\": ", base, questions + ":2: json: unexpected end"},
		{questions, "[]", base, "not a JSON object"},
		{questions, `{"id": "b"}`, base, `task "b" has no gold answer`},
		{questions, `{"id": "a", "involved_classes": ["X"]}`, base, "class X is unknown"},
		{questions, `{"id": "a", "involved_classes": []}`, base, `field "question" is missing`},
		{questions, `{"id": "a", "involved_classes": [], "question": [[], []]}`, base, "2 turns, but 1 gold answers"},
		{questions, `{"id": "a", "involved_classes": [], "question": [[]], "missed_function": {"3": ["add"]}}`, base, "missed_function 3 is no turn"},
		{answers, `{"id": "a", "ground_truth": [["add(x)"]]}`, base, answers + `:1: turn 0: gold call "add(x)": name 'x' is not a literal`},
		{docs, `{"name": "add"}`, base, docs + ":1: a function needs a name and a description"},
		{"", "", Options{Split: "dev"}, "no split is named"},
		{"", "", Options{Categories: []string{"hard"}}, "no category is named"},
		{"", "", Options{Classes: []string{"X"}}, "no class is named"},
		{"", "", Options{Split: "train", Categories: []string{"long_context"}}, "for testing only"},
		{"", "", Options{Split: "test", Categories: []string{"base"}}, "has 1 tasks, the split needs 200"},
		{"", "", Options{}, "BFCL_v4_multi_turn_miss_func.json: no such file"},
	} {
		_, err := Load(write(t, small(c.file, c.text)), c.opts)
		if err == nil || !strings.Contains(filepath.ToSlash(err.Error()), c.want) {
			t.Errorf("%s = %s: error %v, want %q", c.file, c.text, err, c.want)
		}
	}
	if _, err := Load(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "checkout") {
		t.Errorf("empty folder: %v", err)
	}
}

// FuzzLoad: files of the benchmark that are broken are errors, never a panic.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"BFCL_v4_multi_turn_base.json", "possible_answer/BFCL_v4_multi_turn_base.json", "multi_turn_func_doc/math_api.json"} {
		f.Add(name, small("", "")[name])
	}
	f.Add("BFCL_v4_multi_turn_base.json", `{"id": "a", "involved_classes": ["MathAPI"], "question": [[{"role": "user", "content": 1}]], "missed_function": {"0": ["add"]}, "excluded_function": ["add"]}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		if _, known := small("", "")[name]; known {
			Load(write(t, small(name, text)), Options{Categories: []string{"base"}})
		}
	})
}

// TestFilesAreBounded: a file of the benchmark that is huge, or nests without end, is
// an error.
func TestFilesAreBounded(t *testing.T) {
	deep := strings.Repeat(`[`, 1<<20)
	for _, text := range []string{deep, `{"id": ` + deep, strings.Repeat(" ", maxFile+1)} {
		if _, err := Load(write(t, small("BFCL_v4_multi_turn_base.json", text)), Options{Categories: []string{"base"}}); err == nil {
			t.Errorf("%d bytes are accepted", len(text))
		}
	}
}
