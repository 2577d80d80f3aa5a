package words

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"ballast"
	"ballast/env/sim"
	"ballast/value"
)

func call(t *testing.T, text string) ballast.Call {
	t.Helper()
	c, err := value.ParseCall(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shell is a task of BFCL's file system, as prompts have it.
func shell(t *testing.T, user string, gold ...string) ballast.Task {
	t.Helper()
	schema := func(text string) *value.Dict {
		v, err := value.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return v.(*value.Dict)
	}
	task := ballast.Task{ID: "shell", APIs: []string{"GorillaFileSystem"}, Turns: []ballast.TaskTurn{{User: user}}, Hint: "Call `cat(file_name='a')` first.",
		Tools: []ballast.Tool{
			{Name: "cat", Doc: "Display the contents of a file, as 'ls' lists it. file_name is no path.",
				Schema: schema(`{"name": "cat", "description": "Display the contents of a file, as 'ls' lists it. file_name is no path.", "parameters": {"type": "dict",
					"properties": {"file_name": {"type": "string", "description": "The name of the file. [Enum]: file, folder"}}, "required": ["file_name"]}}`)},
			{Name: "ls", Doc: "List the contents.", Params: []ballast.Param{{Name: "a", Type: "boolean", Doc: "Show hidden files (such as 'file')."}}},
			{Name: "frobnicate"}, {Name: "setHeadlights", Params: []ballast.Param{{Name: "mode"}, {Name: "blinkMode"}}},
		}}
	for _, g := range gold {
		task.Turns[0].Gold = append(task.Turns[0].Gold, call(t, g))
	}
	task.Turns[0].Reveal = []string{"frobnicate"}
	return task
}

// TestTask: names change in the documentation, in what is held back, in gold, in the hint, and in what the
// user says where it is quoted and no value; the task as it was stands beside it, and is not changed.
func TestTask(t *testing.T) {
	user := "use 'ls' and cat(x), then read 'cat' in the cat and ls files"
	tasks := []ballast.Task{shell(t, user, "cat(file_name='ls.txt')", "ls(True)", "echo('x')")}
	before := fmt.Sprintf("%+v", tasks[0])
	if err := Apply(tasks, "renamed", 1); err != nil {
		t.Fatal(err)
	}
	x := tasks[0]
	w := x.Words
	if now := fmt.Sprintf("%+v", *w.Own); now != before {
		t.Errorf("the task was changed to\n%s, was\n%s", now, before)
	}
	cat, ls, file, a := w.Tools["cat"], w.Tools["ls"], w.Params["cat"]["file_name"], w.Params["ls"]["a"]
	if cat == "" || cat == "cat" || ls == "" || file == "" || a == "" {
		t.Fatalf("%+v", w)
	}
	for what, c := range map[string][2]string{
		"user": {x.Turns[0].User, "use '" + ls + "' and " + cat + "(x), then read '" + cat + "' in the cat and ls files"},
		"gold": {value.FormatCall(x.Turns[0].Gold[0]) + value.FormatCall(x.Turns[0].Gold[1]) + value.FormatCall(x.Turns[0].Gold[2]),
			cat + "(" + file + "='ls.txt')" + ls + "(True)echo('x')"},
		"hint":    {x.Hint, "Call `" + cat + "(" + file + "='a')` first."},
		"held":    {x.Turns[0].Reveal[0], "do_frobnicate"},
		"doc":     {x.Tools[0].Doc, "Display the contents of a file, as '" + ls + "' lists it. " + file + " is no path."},
		"name":    {x.Tools[0].Name, cat},
		"schema":  {value.Repr(x.Tools[0].Schema), strings.NewReplacer("'cat'", "'"+cat+"'", "'ls'", "'"+ls+"'", "file_name", file).Replace(value.Repr(w.Own.Tools[0].Schema))},
		"param":   {x.Tools[1].Params[0].Name, a},
		"inverse": {w.Tools[ls] + w.Params["cat"][file], "lsfile_name"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %s\nwant %s", what, c[0], c[1])
		}
	}
	if got := x.Tools[3]; camel(got.Params[1].Name) != true || !strings.HasPrefix(got.Name, "assign") && !strings.HasPrefix(got.Name, "fix") {
		t.Errorf("%+v", got)
	}
	if got := value.FormatCall(Back(w, x.Turns[0].Gold[0])); got != "cat(file_name='ls.txt')" {
		t.Error(got)
	}
	// A quoted word that gold has as a value is a value.
	tasks = []ballast.Task{shell(t, "make a file 'ls' with 'cat'", "touch('ls')")}
	if err := Apply(tasks, "both", 1); err != nil || tasks[0].Turns[0].User != "make a file 'ls' with '"+tasks[0].Words.Tools["cat"]+"'" {
		t.Error(tasks[0].Turns[0].User, err)
	}
}

// TestReworded: documentation has other words, names stay, and so does what stands in quotes and brackets or is listed.
func TestReworded(t *testing.T) {
	tasks := []ballast.Task{shell(t, "use 'ls'", "cat(file_name='a')")}
	if err := Apply(tasks, "reworded", 1); err != nil {
		t.Fatal(err)
	}
	x := tasks[0]
	doc := x.Tools[0].Schema.(*value.Dict).Object("parameters").Object("properties").Object("file_name").Text("description")
	switch {
	case x.Tools[0].Name != "cat" || x.Turns[0].User != "use 'ls'" || x.Hint != x.Words.Own.Hint || value.FormatCall(x.Turns[0].Gold[0]) != "cat(file_name='a')":
		t.Errorf("a name changed: %+v", x)
	case strings.Contains(x.Tools[0].Doc, "contents") || !strings.Contains(x.Tools[0].Doc, "'ls'") || !strings.Contains(x.Tools[0].Doc, "file_name"):
		t.Error(x.Tools[0].Doc)
	case !strings.HasSuffix(doc, "of the document. [Enum]: file, folder"):
		t.Error(doc)
	case x.Tools[1].Params[0].Doc != "Show hidden documents (such as 'file').":
		t.Error(x.Tools[1].Params[0].Doc)
	case x.Tools[0].Schema.(*value.Dict).Text("description") != x.Tools[0].Doc:
		t.Error("the schema says something else")
	}
}

// TestDraw: the same task always has the same words, another seed or another task others.
func TestDraw(t *testing.T) {
	names := func(id string, seed uint64) string {
		x := shell(t, "", "ls()")
		x.ID = id
		tasks := []ballast.Task{x}
		if err := Apply(tasks, "both", seed); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(tasks[0].Tools[0].Name, value.Repr(tasks[0].Tools[0].Schema), tasks[0].Tools[1].Params)
	}
	differ := map[string]bool{}
	for seed := range uint64(20) {
		if names("x", seed) != names("x", seed) {
			t.Error("a draw is another one the second time")
		}
		differ[names("x", seed)] = true
		differ[names(fmt.Sprint("x", seed), 1)] = true
	}
	if len(differ) < 10 {
		t.Errorf("40 draws give %d texts", len(differ))
	}
}

// TestAnswer: what failed names what was called under the names that the policy knows, and values and data stay.
func TestAnswer(t *testing.T) {
	tasks := []ballast.Task{shell(t, "", "ls()")}
	if err := Apply(tasks, "renamed", 1); err != nil {
		t.Fatal(err)
	}
	w := tasks[0].Words
	cat, file, ls := w.Tools["cat"], w.Params["cat"]["file_name"], w.Tools["ls"]
	for _, c := range []struct {
		call, answer, want string
		failed             bool
	}{
		{"cat('x')", `{"error": "cat: 'x': No such file"}`, `{"error": "` + cat + `: 'x': No such file"}`, false},
		{"cat('cat')", `{"error": "cat: 'cat': No such file"}`, `{"error": "cat: 'cat': No such file"}`, false},
		{"cat(x=1)", "Error during execution: G.cat() got an unexpected keyword argument 'x'", "Error during execution: G." + cat + "() got an unexpected keyword argument 'x'", false},
		{"cat()", "Error during execution: G.cat() missing 1 required positional argument: 'file_name'",
			"Error during execution: G." + cat + "() missing 1 required positional argument: '" + file + "'", false},
		{ls + "()", "Error during execution: name '" + ls + "' is not defined", "Error during execution: name 'ls' is not defined", false},
		{"frobnicate()", "error: no tool frobnicate", "error: no tool do_frobnicate", false},
		{"setHeadlights()", "error: missing blinkMode", "error: missing " + w.Params["setHeadlights"]["blinkMode"], false},
		{"setHeadlights()", "error: mode must be a string", "error: " + w.Params["setHeadlights"]["mode"] + " must be a string", false},
		{"setHeadlights()", "error: the mode is over", "error: the mode is over", false},
		{"cat('x')", `{"file_content": "cat 'cat' cat()"}`, `{"file_content": "cat 'cat' cat()"}`, false},
		{"cat('x')", "cat() broke", cat + "() broke", true},
	} {
		if got := Answer(w, call(t, c.call), c.answer, c.failed); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.call, got, c.want)
		}
	}
}

// TestJoined: a name of several words with points or slashes between them is one name, wherever it stands.
func TestJoined(t *testing.T) {
	for _, joint := range []string{".", "/", ":", "-", "_"} {
		list, read := "files"+joint+"list", "files"+joint+"read"
		tasks := []ballast.Task{{ID: "x", Hint: "Call `" + list + "`.", Turns: []ballast.TaskTurn{{User: "use '" + read + "'. Say files.list: no, go to a/b."}},
			Tools: []ballast.Tool{{Name: list, Doc: "Comes before " + read + "."}, {Name: read}}}}
		if err := Apply(tasks, "renamed", 1); err != nil {
			t.Fatal(err)
		}
		x := tasks[0]
		newList, newRead := x.Words.Tools[list], x.Words.Tools[read]
		for what, c := range map[string][2]string{
			"doc":    {x.Tools[0].Doc, "Comes before " + newRead + "."},
			"hint":   {x.Hint, "Call `" + newList + "`."},
			"user":   {x.Turns[0].User, "use '" + newRead + "'. Say files.list: no, go to a/b."},
			"answer": {Answer(x.Words, ballast.Call{Name: list}, "error: no tool "+list, false), "error: no tool " + newList},
		} {
			if c[0] != c[1] {
				t.Errorf("%s, %s: %s, want %s", joint, what, c[0], c[1])
			}
		}
	}
}

// TestRefused: what has no words to change is an error, and so is what has changed already.
func TestRefused(t *testing.T) {
	if err := Apply(nil, "translated", 1); err == nil || !strings.Contains(err.Error(), "renamed, reworded, both") {
		t.Error(err)
	}
	for what, task := range map[string]ballast.Task{
		"a prompt": {ID: "x", Prompt: []ballast.Message{{}}}, "no tools": {ID: "x"}, "no such API": {ID: "x", APIs: []string{"none"}},
		"twice": {ID: "x", Words: &ballast.Words{}}, "an agent": {ID: "x", Format: "hermes", Tools: []ballast.Tool{{Name: "ls"}}},
	} {
		if err := Apply([]ballast.Task{task}, "both", 1); err == nil {
			t.Errorf("%s passes", what)
		}
	}
}

// TestTable: what the tables say is in small letters, is another word, and no group is longer than is looked for.
func TestTable(t *testing.T) {
	for _, table := range []map[string][]string{tools, fields, parts, phrases} {
		for word, among := range table {
			if word != strings.ToLower(word) || len(among) == 0 || slices.Contains(among, word) || len(strings.Fields(word)) > maxWords {
				t.Errorf("%q: %q", word, among)
			}
		}
	}
	for _, among := range [3]map[string][]string{tools, fields, parts} {
		for word, list := range among {
			for _, s := range list {
				if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" || strings.Contains(s, "__") {
					t.Errorf("%q: %q is no part of a name", word, s)
				}
			}
		}
	}
}

// TestOneMeaning: no word becomes one that the task's tools have already, in a name, in the documentation, or in the plural.
func TestOneMeaning(t *testing.T) {
	for word, among := range parts {
		for _, by := range among {
			for seed := range uint64(5) {
				tasks := []ballast.Task{{ID: "x", Tools: []ballast.Tool{{Name: "q_" + word, Params: []ballast.Param{{Name: word + "_q"}}}, {Name: "q_" + strings.TrimSuffix(by, "s") + "s", Doc: "It is so."}}}}
				if err := Apply(tasks, "both", seed); err != nil {
					t.Fatal(err)
				}
				x := tasks[0].Tools[0]
				if got := stems(x.Name) + stems(x.Params[0].Name); strings.Contains(got, stems(by)) {
					t.Errorf("beside %s, %s becomes %s(%s)", by, word, x.Name, x.Params[0].Name)
				}
				checkNames(t, &tasks[0])
			}
		}
	}
	for word, among := range phrases {
		for _, by := range among {
			for seed := range uint64(5) {
				doc := "Zu " + word + " zu."
				tasks := []ballast.Task{{ID: "x", Tools: []ballast.Tool{{Name: "f", Doc: doc}, {Name: "g", Params: []ballast.Param{{Name: "p", Doc: "Zu " + by + " zu."}}}}}}
				if err := Apply(tasks, "reworded", seed); err != nil {
					t.Fatal(err)
				}
				if got := tasks[0].Tools[0].Doc; strings.Contains(stems(got), stems(by)) && !strings.Contains(stems(doc), stems(by)) {
					t.Errorf("beside %q, %q becomes %q", by, doc, got)
				}
			}
		}
	}
}

// TestWholeNames: what stands for a whole name fits the tool that has it, and a parameter is no tool.
func TestWholeNames(t *testing.T) {
	for signature, not := range map[string][]string{
		"ls(a)": {"operand"}, "add(a, b)": {"in", "along"}, "add(item, count)": {"plus", "sum"}, "open(url)": {"note"}, "on(day)": {"switch", "light"},
		"stock(symbol)": {"supply", "unit"}, "power(base, exponent)": {"radix"}, "call(phone, on, open, when, who, last, comment)": {"of", "switch", "light", "note", "reply", "from"},
		"check_in(name)": {"source"}, "pin(code)": {"fasten"}, "max_value(list)": {"magnitude"},
	} {
		name, rest, _ := strings.Cut(strings.TrimSuffix(signature, ")"), "(")
		tool := ballast.Tool{Name: name}
		for _, p := range strings.Split(rest, ", ") {
			tool.Params = append(tool.Params, ballast.Param{Name: p})
		}
		for seed := range uint64(20) {
			tasks := []ballast.Task{{ID: "x", Tools: []ballast.Tool{tool}}}
			if err := Apply(tasks, "renamed", seed); err != nil {
				t.Fatal(err)
			}
			got := tasks[0].Tools[0].Name
			for _, p := range tasks[0].Tools[0].Params {
				got += " " + p.Name
			}
			for _, word := range not {
				if strings.Contains(stems(got), stems(word)) {
					t.Errorf("%s becomes %s", signature, got)
				}
			}
		}
	}
}

// TestEveryAPI: all functions of all simulated APIs together get names that are new, and every name changes.
func TestEveryAPI(t *testing.T) {
	var all []ballast.Tool
	known := map[string]bool{}
	for _, api := range sim.All() {
		for _, tool := range api.Tools() {
			if !known[tool.Name] {
				all = append(all, tool)
			}
			known[tool.Name] = true
		}
	}
	for seed := range uint64(50) {
		tasks := []ballast.Task{{ID: "all", Tools: all}}
		if err := Apply(tasks, "both", seed); err != nil {
			t.Fatal(err)
		}
		checkNames(t, &tasks[0])
		for _, tool := range tasks[0].Tools {
			if known[tool.Name] {
				t.Errorf("%s is a name that there was", tool.Name)
			}
		}
	}
}

// checkNames demands new names that are no other's, and maps that are their own inverse.
func checkNames(t *testing.T, x *ballast.Task) {
	t.Helper()
	seen := map[string]bool{}
	for i, tool := range x.Tools {
		own := &x.Words.Own.Tools[i]
		if seen[tool.Name] || tool.Name == own.Name || x.Words.Tools[tool.Name] != own.Name || x.Words.Tools[own.Name] != tool.Name || len(tool.Name) > max(maxName, len(own.Name)) ||
			utf8.ValidString(own.Name) && !utf8.ValidString(tool.Name) {
			t.Errorf("%s becomes %s", own.Name, tool.Name)
		}
		seen[tool.Name] = true
		names := map[string]bool{}
		for _, p := range params(own) {
			names[p] = true
		}
		for k, p := range tool.Params {
			if names[p.Name] || x.Words.Params[own.Name][p.Name] != own.Params[k].Name {
				t.Errorf("%s: %s becomes %s", own.Name, own.Params[k].Name, p.Name)
			}
			names[p.Name] = true
		}
	}
}

// FuzzNames: whatever tools are called, their new names are new and no two are the same.
func FuzzNames(f *testing.F) {
	f.Add("get_user cat ls a getUser fetch_user obtain_user retrieve_user", uint64(1))
	f.Add(strings.Repeat("x", 64)+" "+strings.Repeat("x", 63)+"y", uint64(2))
	f.Add("aÄöÜ éÉ x"+strings.Repeat("名", 30)+" x"+strings.Repeat("名", 30)+"B", uint64(4))
	f.Add("_ - -- __a get__user üser 名前 a.b", uint64(3))
	f.Fuzz(func(t *testing.T, names string, seed uint64) {
		task := ballast.Task{ID: "x"}
		for _, name := range strings.Fields(names) {
			if len(name) > 100 || slices.ContainsFunc(task.Tools, func(t ballast.Tool) bool { return t.Name == name }) {
				continue
			}
			task.Tools = append(task.Tools, ballast.Tool{Name: name, Doc: names})
		}
		if len(task.Tools) == 0 {
			return
		}
		for i := range task.Tools {
			for _, other := range task.Tools {
				task.Tools[i].Params = append(task.Tools[i].Params, ballast.Param{Name: other.Name})
			}
		}
		task.Tools = task.Tools[:min(len(task.Tools), 12)]
		for i := range task.Tools {
			task.Tools[i].Params = task.Tools[i].Params[:min(len(task.Tools), 12)]
		}
		tasks := []ballast.Task{task}
		if err := Apply(tasks, "both", seed); err != nil {
			t.Fatal(err)
		}
		checkNames(t, &tasks[0])
		rng := rand.New(rand.NewPCG(seed, 1))
		c := ballast.Call{Name: task.Tools[rng.IntN(len(task.Tools))].Name}
		Answer(tasks[0].Words, c, "error: "+names, true)
	})
}
