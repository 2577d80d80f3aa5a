package bfcl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
	api "ballast/world/bfcl"
)

// checkout is the benchmark's own layout, by hand: one task in each category, one
// function a class, and a source of constants.
func checkout(constants string) map[string]string {
	const root = "berkeley-function-call-leaderboard/bfcl_eval/"
	files := map[string]string{
		"LICENSE": "Apache License",
		"berkeley-function-call-leaderboard/README.md":   "not needed",
		root + constantsFile:                             constants,
		root + "data/BFCL_v4_simple.json":                "{}",
		root + "data/multi_turn_func_doc/memory_kv.json": "not needed",
	}
	for _, category := range Categories {
		id := "multi_turn_" + category + "_0"
		question := `{"id": "` + id + `", "question": [[{"role": "user", "content": "Caf\u00e9: add one and two."}], [{"role": "user", "content": "again"}]], ` +
			`"initial_config": {"TicketAPI": {"ticket_counter": 5, "ticket_queue": [{"id": 1.0}]}, "GorillaFileSystem": {"root": {"w": {"type": "directory", "contents": {}}}}}, ` +
			`"path": ["MathAPI.f"], "involved_classes": ["MathAPI", "TicketAPI"], "excluded_function": ["cp"]`
		if category == "miss_func" {
			question = strings.Replace(question, `[{"role": "user", "content": "again"}]`, `[]`, 1) + `, "missed_function": {"1": ["f_MathAPI"]}`
		}
		files[root+"data/"+questionFile(category)] = question + "}\n"
		files[root+"data/possible_answer/"+questionFile(category)] = `{"id": "` + id + `", "ground_truth": [["f_MathAPI(a=1, b=[2, {'k': None}])"], []]}`
	}
	for class, file := range docFiles {
		files[root+"data/multi_turn_func_doc/"+file] = `{"name": "f_` + class + `", "description": "Of ` + class + `.", ` +
			`"parameters": {"type": "dict", "properties": {"b": {"type": "tuple", "items": {"type": "any"}, "description": "B."}, "a": {"type": "float", "description": "A.", "default": 1.0}}, "required": ["b"]}, "response": {"type": "dict"}}`
	}
	return files
}

// nested is a source as hard as the benchmark's: comments, strings of every kind,
// brackets within brackets, Ellipsis.
const nested = `"""The constants."""
# A comment = [ with a bracket
FILE_CONTENT_EXTENSION = "line\nwith 'quotes' and # no comment" \
    " and more"
POPULATE_FILE_EXTENSION = ["image_%d.jpg", 'b.jpg',]  # a comma at the end

WATCH_LIST_EXTENSION = ["A", ..., "B ... C"]
DEEP = {"a": [1, -2.5e3, (None, True), {"b": {"c": [[], {}, ()]}}], 7: """three
lines = "quoted" [
"""}
UNICODE = 'caf\u00e9 \x41 \N' r'\n'
`

func TestParseConstants(t *testing.T) {
	if _, err := parseConstants(nested); err == nil || !strings.Contains(err.Error(), "11: UNICODE") {
		t.Errorf("a broken escape: %v", err)
	}
	d, err := parseConstants(strings.Replace(nested, `\N'`, `'`, 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"FILE_CONTENT_EXTENSION":  `"line\nwith 'quotes' and # no comment and more"`,
		"POPULATE_FILE_EXTENSION": `["image_%d.jpg", "b.jpg"]`,
		"WATCH_LIST_EXTENSION":    `["A", {"$ellipsis": true}, "B ... C"]`,
		"DEEP":                    `{"a": [1, -2500.0, [null, true], {"b": {"c": [[], {}, []]}}], "7": "three\nlines = \"quoted\" [\n"}`,
		"UNICODE":                 `"caf\u00e9 A \\n"`,
	} {
		v, _ := d.Get(name)
		if got, err := value.JSON(v); err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", name, got, want, err)
		}
	}
	if d.Len() != 5 {
		t.Errorf("%d constants", d.Len())
	}
}

// Nothing that would have to run is taken for a constant.
func TestParseConstantsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"import os":                       "1: not an assignment",
		"A = 1\nB = A":                    "2: B: name 'A' is not a literal",
		"A = f(1)":                        "1: A: name 'f' is not a literal",
		"A = __import__('os')":            "not a literal",
		"\n\nA = [x for x in y]":          "3: A: name 'x'",
		"A = f'{1}'":                      "A: string prefix 'f'",
		"A = 1 + 2":                       "A: invalid syntax",
		"A.b = 1":                         "1: not an assignment",
		"A = [1":                          "A: ",
		"A = 'x":                          "unterminated string",
		"A = \"\"\"x":                     "unterminated string",
		"for A in []: pass":               "not an assignment",
		"A = " + strings.Repeat("[", 300): "too many nested",
		"A = {[1]: 2}":                    "unhashable type: 'list'",
	} {
		if d, err := parseConstants(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, %v, want %q", text, d, err, want)
		}
	}
	for _, text := range []string{"", "# nothing", "\n\n", "'''a docstring'''"} {
		if d, err := parseConstants(text); err != nil || d.Len() != 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseConstants(f *testing.F) {
	f.Add(nested)
	f.Add("A = [\n1,\n...]\nB = '''x\n''' # c")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseConstants(text)
		if err != nil {
			return
		}
		for i := range d.Len() { // what was read is made of values, and can be written
			_, v := d.At(i)
			value.Repr(v)
		}
	})
}

// builtin is the constants that the simulators hold, as Python source.
func builtin(t *testing.T) string {
	t.Helper()
	v, err := value.ParseJSON(api.LongContext())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	d := v.(*value.Dict)
	for i := range d.Len() {
		name, x := d.At(i)
		b.WriteString(name.(string) + " = " + strings.ReplaceAll(value.Repr(x), "{'$ellipsis': True}", "...") + "\n")
	}
	return b.String()
}

func load(t *testing.T, dir string) []ballast.Task {
	t.Helper()
	tasks, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

// A checkout, the folder that is imported from it, and a second import of that
// folder hold the same tasks and constants.
func TestImport(t *testing.T) {
	from := write(t, checkout(builtin(t)))
	want := load(t, from)
	if len(want) != 4 || len(want[1].Turns[1].Reveal) != 1 || want[0].Turns[0].User != "Caf\u00e9: add one and two." || len(want[0].Init) != 1 {
		t.Fatalf("the checkout loads as %+v", want)
	}
	var constants []string
	for _, source := range []string{"the checkout", "what was imported"} {
		to := filepath.Join(t.TempDir(), "new", "folder")
		res, err := Import(from, to)
		if err != nil {
			t.Fatal(err)
		}
		if res != (Imported{Files: 19, Tasks: 4, Constants: 16, SameConstants: true}) {
			t.Errorf("%s: %+v", source, res)
		}
		if got := load(t, to); !reflect.DeepEqual(got, want) {
			t.Errorf("%s loads as other tasks", source)
		}
		for _, name := range []string{"LICENSE", "long_context.json", "split_seed42.json"} {
			data, err := os.ReadFile(filepath.Join(to, name))
			if err != nil || len(data) == 0 {
				t.Errorf("%s: %s: %v", source, name, err)
			}
			if name == "long_context.json" {
				constants = append(constants, string(data))
			}
		}
		var split struct{ Train, Test []int }
		data, _ := os.ReadFile(filepath.Join(to, "split_seed42.json"))
		if err := json.Unmarshal(data, &split); err != nil || len(split.Train) != 100 || len(split.Test) != 100 {
			t.Errorf("%s: split %v", source, err)
		}
		if _, err := os.Stat(filepath.Join(to, "multi_turn_func_doc", "memory_kv.json")); err == nil {
			t.Errorf("%s: a file that is not needed came along", source)
		}
		from = to
	}
	if constants[0] != constants[1] {
		t.Error("the constants changed on the way")
	}
}

func TestImportErrors(t *testing.T) {
	const root = "berkeley-function-call-leaderboard/bfcl_eval/"
	for name, c := range map[string]struct {
		change func(files map[string]string)
		want   string
	}{
		"no constants":       {func(f map[string]string) { delete(f, root+constantsFile) }, "name the benchmark's whole checkout"},
		"constants that run": {func(f map[string]string) { f[root+constantsFile] = "A = 1\nB = open('x')" }, "long_context.py:2: B: name 'open'"},
		"no answers":         {func(f map[string]string) { delete(f, root+"data/possible_answer/"+questionFile("base")) }, "BFCL_v4_multi_turn_base.json"},
		"no documentation":   {func(f map[string]string) { delete(f, root+"data/multi_turn_func_doc/trading_bot.json") }, "trading_bot.json"},
		"a gold answer is no call": {func(f map[string]string) {
			f[root+"data/possible_answer/"+questionFile("base")] = `{"id": "multi_turn_base_0", "ground_truth": [["__import__('os').system('id')"], []]}`
		}, "BFCL_v4_multi_turn_base.json:1"},
	} {
		files := checkout("A = 1")
		c.change(files)
		if _, err := Import(write(t, files), filepath.Join(t.TempDir(), "to")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	res, err := Import(write(t, checkout("A = 1")), t.TempDir())
	if err != nil || res.SameConstants || res.Constants != 1 {
		t.Errorf("other constants: %+v, %v", res, err)
	}
}

// TestImportTakesNothing: a file with other content stays, and nothing is written; links
// out of the folder are refused.
func TestImportTakesNothing(t *testing.T) {
	from := write(t, checkout(builtin(t)))
	for _, name := range []string{"LICENSE", "split_seed42.json", "multi_turn_func_doc"} {
		to, far := t.TempDir(), t.TempDir()
		path := filepath.Join(to, name)
		if name == "multi_turn_func_doc" {
			if err := os.Symlink(far, path); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, []byte("mine"), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Import(from, to); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if data, err := os.ReadFile(path); err == nil && string(data) != "mine" {
			t.Errorf("%s holds %.20q", name, data)
		}
		if entries, _ := os.ReadDir(far); len(entries) > 0 {
			t.Errorf("%s: written elsewhere: %v", name, entries)
		}
	}
	to := t.TempDir()
	for range 2 {
		if _, err := Import(from, to); err != nil {
			t.Error(err)
		}
	}
}

// The benchmark's data, imported again, hold the same tasks.
func TestImportOfTheBenchmark(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := os.CopyFS(from, os.DirFS(benchmark)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "long_context.json"), api.LongContext(), 0o666); err != nil {
		t.Fatal(err)
	}
	res, err := Import(from, to)
	if err != nil {
		t.Fatal(err)
	}
	if res.Tasks != 24 || !res.SameConstants || !reflect.DeepEqual(load(t, from), load(t, to)) {
		t.Errorf("%+v", res)
	}
}
