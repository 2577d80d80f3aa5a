package evaluation

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"ballast"
	"ballast/chat"
	"ballast/eval"
	"ballast/model"
	"ballast/recipe"
	"ballast/recipe/models"
)

// TestUsable: a setting that the evaluation would take no notice of, or that has a flag, is an
// error that says what to do.
func TestUsable(t *testing.T) {
	local := Evaluation{Model: "embedded"}
	chats := Evaluation{Model: "m", Endpoint: Endpoint{URL: "http://localhost/v1", API: "chat"}}
	for _, c := range []struct {
		of   *Evaluation
		pair string
		says string // "" where it is usable
	}{
		{&local, "chat.format=pythonic", ""},
		{&local, "budget.reply=64", ""},
		{&local, "tasks.level={calls: 2}", ""},
		{&local, "seed=2", "--seed"},
		{&local, "tasks.set=bfcl", "--tasks"},
		{&local, "engine.kind=xla", "--engine"},
		{&local, "engine={kind: xla}", "--engine"},
		{&local, "rl.lr=1", "does not use that"},
		{&local, "init.hidden=64", "--model init"},
		{&chats, "chat.format=pythonic", "the server writes the prompts"},
		{&chats, "budget.reply=64", ""},
		{&local, "judge.url=http://localhost/v1", "--tasks"},
		{&Evaluation{Model: "embedded", Tasks: "acebench"}, "chat.format=glm", "prompts of their own"},
		{&Evaluation{Model: "embedded", Tasks: "acebench-mine.jsonl"}, "chat.format=glm", ""},
		{&Evaluation{Model: "embedded", Tasks: "orders.jsonl"}, "judge.url=http://localhost/v1", ""},
	} {
		err := c.of.usable(c.pair, c.of.Tasks)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.pair, err, c.says)
		}
	}
}

// TestConfig: a config file of a training says what an evaluation plays and how, a flag goes before it, and what is no
// setting is an error that names the file.
func TestConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reader.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("model: embedded-reader\ntasks: {set: worlds, test: 7}\nseed: 5\nchat: {format: pythonic}\nbudget: {reply: 33}\nrl: {lr: 0.001}\n")
	read := func(given ...string) (Evaluation, recipe.Recipe, error) {
		e := Evaluation{Model: "embedded", Tasks: "desk", Split: "test", Seed: 1, Config: path,
			Given: func(name string) bool { return slices.Contains(given, name) }}
		if err := e.Read(); err != nil {
			return e, recipe.Recipe{}, err
		}
		r, _, err := e.Recipe()
		return e, r, err
	}
	e, r, err := read()
	if err != nil || e.Model != "embedded-reader" || r.Model != e.Model || r.Tasks.Set != "worlds" || e.Count != 7 || r.Seed != 5 ||
		r.Chat.Format != "pythonic" || r.Budget.Reply != 33 {
		t.Errorf("%+v %+v: %v", e, r, err)
	}
	if e, r, err = read("model", "tasks", "count"); err != nil || r.Model != "embedded" || r.Tasks.Set != "desk" || e.Count != 0 ||
		r.Budget.Reply != 33 {
		t.Errorf("with flags: %+v %+v: %v", e, r, err)
	}
	write("budget: {reply: many}\n")
	if _, _, err := read(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a broken file: %v", err)
	}
	write("")
	if e, r, err = read(); err != nil || r.Model != "embedded" || r.Tasks.Set != "desk" || e.Count != 0 {
		t.Errorf("an empty file: %+v %+v: %v", e, r, err)
	}
}

// TestRoom: without a setting, gold of the tasks that an embedded model was made for fits its budgets in the
// formats that it writes. Where gold does not fit, it is told of how many tasks, and by what.
func TestRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	open := func(context.Context, *recipe.Recipe, *model.Model, chat.Renderer) (ballast.Engine, error) {
		return &closer{}, nil
	}
	told := func(name, set string, settings ...string) string {
		e := Evaluation{Model: name, Tasks: set, Split: "test", Seed: 3, Count: 80, Set: settings, Given: func(string) bool { return false }}
		r, p, err := e.Recipe()
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := e.Played(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		var notes strings.Builder
		if _, _, done, err := e.Player(t.Context(), &models.Finder{Warn: func(string, []string) {}}, &notes, open, &r, p, tasks); err != nil {
			t.Fatal(err)
		} else if err := done(); err != nil {
			t.Fatal(err)
		}
		return notes.String()
	}
	sets := map[string][]string{"embedded": {"desk", "desk-ood"}, "embedded-reader": {"worlds", "worlds-renamed"}}
	formats := map[string][]string{"embedded": {"hermes", "pythonic"}, "embedded-reader": {"hermes", "pythonic", "xml"}}
	for _, name := range model.InProgram().Names() {
		if len(sets[name]) == 0 {
			t.Errorf("%s: name the sets that it was made for", name)
		}
		for _, set := range sets[name] {
			for _, format := range formats[name] {
				if notes := told(name, set, "chat.format="+format); notes != "" {
					t.Errorf("%s on %s in %s: %s", name, set, format, notes)
				}
			}
		}
	}
	for _, want := range []string{"ballast: gold of ", " of 80 tasks does not fit", "budget.reply is 48 and the longest reply has "} {
		if notes := told("embedded-reader", "worlds", "budget.reply=48"); !strings.Contains(notes, want) {
			t.Errorf("%q lacks %q", notes, want)
		}
	}
	if notes := told("embedded-reader", "worlds", "budget.steps=2"); !strings.Contains(notes, "gold of 80 of 80 tasks") {
		t.Error(notes)
	}
}

// closer is an engine that counts how often it is closed.
type closer struct {
	ballast.Engine
	closed int
}

func (*closer) Policy() ballast.Policy { return nil }
func (c *closer) Close() error         { c.closed++; return nil }

// TestPlayerCloses: who plays in this process gives its engine back, and an engine that does
// not open is the error.
func TestPlayerCloses(t *testing.T) {
	e := Evaluation{Model: "embedded", Tasks: "desk", Split: "test", Seed: 3, Count: 1, Given: func(string) bool { return false }}
	r, p, err := e.Recipe()
	if err != nil {
		t.Fatal(err)
	}
	find, c, refused := &models.Finder{Warn: func(string, []string) {}}, &closer{}, errors.New("no device")
	open := func(err error) Open {
		return func(context.Context, *recipe.Recipe, *model.Model, chat.Renderer) (ballast.Engine, error) {
			return c, err
		}
	}
	if _, _, _, err := e.Player(t.Context(), find, io.Discard, open(refused), &r, p, nil); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	_, _, done, err := e.Player(t.Context(), find, io.Discard, open(nil), &r, p, nil)
	if err != nil || c.closed != 0 {
		t.Fatal(err, c.closed)
	}
	if err := done(); err != nil || c.closed != 1 {
		t.Errorf("%v, closed %d times", err, c.closed)
	}
}

// TestGiven: flags are laid over the recipe, and a set that is generated reads no files.
func TestGiven(t *testing.T) {
	given := map[string]bool{}
	e := Evaluation{Model: "embedded", Tasks: "desk", Split: "test", Seed: 3, Count: 2, Given: func(flag string) bool { return given[flag] }}
	r, p, err := e.Recipe()
	if err != nil || r.Seed != 3 || p.Name != "recipe" {
		t.Fatalf("%+v, %v", p, err)
	}
	if tasks, err := e.Played(t.Context(), &r); err != nil || len(tasks) != 2 {
		t.Errorf("%d tasks, %v", len(tasks), err)
	}
	given["data"], e.Data = true, "x"
	if _, _, err := e.Recipe(); err == nil || !strings.Contains(err.Error(), "reads no files") {
		t.Errorf("got %v", err)
	}
}

// TestSettingsNameTheServer: episodes of one server are not gone on with at another, whose tools may be the same and whose data are not.
func TestSettingsNameTheServer(t *testing.T) {
	said := map[string]bool{}
	for _, server := range []string{"", "orders", "orders --empty", "http://me:secret@a/mcp", "http://b/mcp"} {
		e := Evaluation{Model: "m", Tasks: "orders.jsonl", Endpoint: Endpoint{URL: "http://localhost/v1", API: "chat"}}
		r := recipe.Recipe{MCP: recipe.MCP{Server: server}}
		out, err := e.Settings(t.Context(), &models.Finder{}, &r, &eval.Protocol{}, nil)
		if err != nil || said[out["mcp"]] || strings.Contains(out["mcp"], "secret") {
			t.Errorf("%q: %v, %v", server, out, err)
		}
		said[out["mcp"]] = true
	}
}

// TestCheck: an endpoint's flags without an endpoint, or that contradict its API, are errors.
func TestCheck(t *testing.T) {
	good := Endpoint{URL: "http://localhost/v1", API: "chat", Concurrency: 1}
	if err := good.Check("m"); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Endpoint){
		"no endpoint":            func(p *Endpoint) { p.URL, p.Stream = "", true },
		"an API that is none":    func(p *Endpoint) { p.API = "x" },
		"a tokenizer with chat":  func(p *Endpoint) { p.Tokenizer = "x" },
		"nobody under way":       func(p *Endpoint) { p.Concurrency = 0 },
		"a completion, no text":  func(p *Endpoint) { p.API = "completion" },
		"a key that is not here": func(p *Endpoint) { p.KeyEnv = "BALLAST_NO_SUCH_VARIABLE" },
	} {
		bad := good
		if change(&bad); bad.Check("m") == nil {
			t.Errorf("%s passes", name)
		}
	}
	if good.Check("embedded") == nil {
		t.Error("the embedded model is behind no endpoint")
	}
}

// TestEmbeddedFiles: an evaluation belongs to the files of the embedded model that played, and
// to nothing that lies here under its name.
func TestEmbeddedFiles(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	table := model.NewEmbedded(fstest.MapFS{"embedded/config.json": file("{}"), "embedded-tiny/config.json": file("{ }")}, "embedded", "embedded-tiny")
	sums := map[string]string{}
	for _, name := range table.Names() {
		e, out := Evaluation{Model: name}, map[string]string{}
		if err := e.hashes(t.Context(), &models.Finder{Table: table}, out, &recipe.Recipe{}, nil); err != nil {
			t.Fatal(err)
		}
		sum, err := table.Sum(name)
		if sums[name] = out["model's files"+eval.Hash]; err != nil || sums[name] != sum {
			t.Errorf("%s: %v, %v; want %s", name, out, err, sum)
		}
	}
	if sums["embedded"] == sums["embedded-tiny"] {
		t.Error("two models have one hash")
	}
}
