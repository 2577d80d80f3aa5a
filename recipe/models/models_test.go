package models

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/chat"
	"ballast/model"
	"ballast/recipe"
)

// offline is a Finder without a network and with an empty cache.
func offline(t *testing.T) *Finder {
	t.Helper()
	t.Setenv("HF_HUB_OFFLINE", "1")
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	return &Finder{
		Show:   func() Show { return silent{} },
		Warn:   func(origin string, list []string) {},
		Within: func(ctx context.Context, search func(context.Context) error) error { return search(ctx) },
	}
}

// tiny is a table of one embedded model.
func tiny(t *testing.T) *model.EmbeddedModels {
	t.Helper()
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := m.Save(filepath.Join(root, "embedded-tiny"), model.BF16); err != nil {
		t.Fatal(err)
	}
	return model.NewEmbedded(os.DirFS(root), "embedded-tiny")
}

// TestFind: what lies here under a name wins; what is neither here nor there is an error that
// says so, and a mistyped folder is not asked for elsewhere.
func TestFind(t *testing.T) {
	f := offline(t)
	t.Chdir(t.TempDir())
	if err := os.MkdirAll(filepath.Join("Org", "here"), 0o777); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if h, err := f.Find(ctx, "Org/here", false); err != nil || h.Path != "Org/here" || h.Hub != nil || h.Run != "" {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := f.Find(ctx, "embedded", false); err != nil || h.Path != "embedded" {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := f.Find(ctx, "Org/hree", false); err == nil || !strings.Contains(err.Error(), "the folder Org has here") {
		t.Errorf("a mistyped folder: %v", err)
	}
	if _, err := f.Find(ctx, "Other/none", false); err == nil {
		t.Error("a model that is nowhere was found")
	}
}

// TestEmbedded: another model of the program's table is found, read and inspected by its name,
// whatever lies here; what only looks like one is told, unless it lies here.
func TestEmbedded(t *testing.T) {
	f := offline(t)
	f.Table = tiny(t)
	t.Chdir(t.TempDir())
	for _, dir := range []string{"embedded-tiny", "embedded-mine"} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	for name, want := range map[string]string{"embedded-tiny": "", "embedded-mine": "", "embedded": "name one of: embedded-tiny",
		"embedded-xyz": `no embedded model "embedded-xyz"; name one of: embedded-tiny`} {
		h, err := f.Find(ctx, name, false)
		if (err == nil) != (want == "") || err == nil && h.Path != name || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
		m, err := f.Load(ctx, &recipe.Recipe{Model: name})
		s, err2 := f.Inspect(ctx, name)
		if name == "embedded-tiny" {
			if err != nil || err2 != nil || m.Origin != "embedded model embedded-tiny" || s.Origin != m.Origin {
				t.Errorf("%s: %v, %v", name, err, err2)
			}
		} else if err == nil || err2 == nil || want != "" && err.Error() != err2.Error() {
			t.Errorf("%s: %v, %v", name, err, err2)
		}
	}
	r := recipe.Recipe{Model: "embedded-tiny"}
	if _, c, err := f.Sizes(ctx, &r); err != nil || c.Hidden != 64 {
		t.Errorf("its sizes are %+v, %v", c, err)
	}
	if !new(Finder).Embedded().Has(recipe.DefaultModel) {
		t.Error("a Finder without a table has not that of the program")
	}
}

// TestSamePin: a run whose model is a commit may have begun with a name of it.
func TestSamePin(t *testing.T) {
	t.Chdir(t.TempDir())
	one, two := strings.Repeat("1", 40), strings.Repeat("2", 40)
	for _, c := range []struct {
		pinned, name string
		want         bool
	}{
		{"Org/m@" + one, "Org/m", true},
		{"Org/m@" + one, "Org/m@main", true},
		{"Org/m@" + one, "Org/m@" + one, true},
		{"Org/m@" + one, "Org/m@" + two, false},
		{"Org/m@" + one, "Org/other", false},
		{"Org/m", "Org/m", false},
		{"embedded", "embedded", false},
	} {
		if got := SamePin(c.pinned, c.name); got != c.want {
			t.Errorf("%s of %s: %v", c.pinned, c.name, got)
		}
	}
}

// TestSizes: the shape of a published model is known without the model.
func TestSizes(t *testing.T) {
	f := offline(t)
	r := recipe.Recipe{Model: "Qwen/Qwen2.5-1.5B-Instruct"}
	if m, c, err := f.Sizes(context.Background(), &r); err != nil || m != nil || c.Hidden != 1536 {
		t.Errorf("%v, %v, %v", m, c, err)
	}
}

// TestOtherFormat: a model whose template writes calls otherwise is told of.
func TestOtherFormat(t *testing.T) {
	r := recipe.Recipe{Chat: recipe.Chat{Format: "hermes"}}
	if w := OtherFormat(&r, chat.Choice{Format: "pythonic"}); len(w) != 1 || !strings.Contains(w[0], "--set chat.format=pythonic") {
		t.Errorf("%q", w)
	}
	if w := OtherFormat(&r, chat.Choice{Format: "hermes"}); w != nil {
		t.Errorf("%q", w)
	}
}
