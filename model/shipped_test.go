package model

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"ballast/chat"
)

// TestEmbedded holds the embedded models to their limits.
func TestEmbedded(t *testing.T) {
	for _, name := range InProgram().Names() {
		m, err := InProgram().Load(name)
		if err != nil {
			t.Fatal(err)
		}
		bytes := 0
		ok(t, fs.WalkDir(folders, name, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				info, _ := d.Info()
				bytes += int(info.Size())
			}
			return err
		}))
		n := m.Weights.Count()
		if bytes > 4<<20 || n < 150_000 || n > 2_000_000 || m.Source.Text == "" || len(m.Warnings) > 0 {
			t.Errorf("%s: %d bytes, %d parameters, template %q, %q", name, bytes, n, m.Source.Text, m.Warnings)
		}
		if !strings.HasPrefix(name, Default) || InProgram().Check(name) != nil {
			t.Errorf("%s is no name of an embedded model", name)
		}
	}
	entries, err := fs.ReadDir(folders, ".")
	ok(t, err)
	for _, e := range entries {
		if !e.IsDir() || !InProgram().Has(e.Name()) {
			t.Errorf("%s is compiled in, and is no model of the table", e.Name())
		}
	}
}

// TestEmbeddedIsTheSame: runs record the sum, and go on only where it is the same.
func TestEmbeddedIsTheSame(t *testing.T) {
	const want = "c097992416affb610ae1183605b7f11465883b93deefb37e48225ec2fcef1509"
	got, err := InProgram().Sum("embedded")
	if err != nil || got != want || InProgram().Title("embedded") != "embedded model" {
		t.Errorf("%s of %q, %v; want %s", got, InProgram().Title("embedded"), err, want)
	}
	m, err := Embedded()
	ok(t, err)
	if m.Config.Arch != "qwen2" || m.Weights.Count() != 238_656 || m.Origin != "embedded model" {
		t.Errorf("%s of %d parameters, from %q", m.Config.Arch, m.Weights.Count(), m.Origin)
	}
}

// TestReader holds what engines that load embedded-reader need: an architecture that they have,
// heads of 64, and room for conversations.
func TestReader(t *testing.T) {
	m, err := InProgram().Load("embedded-reader")
	ok(t, err)
	if c := m.Config; c.Arch != "qwen3" || c.HeadDim != 64 || c.MaxLen < 1024 {
		t.Errorf("%+v", c)
	}
	// Bytes are tokens, so that any text can be said.
	if text := "\u00e9\x00\U0001f600"; m.Tokenizer.Decode(m.Tokenizer.Encode(text)) != text {
		t.Errorf("%q comes back as %q", text, m.Tokenizer.Decode(m.Tokenizer.Encode(text)))
	}
}

var update = flag.Bool("update", false, "write the chat templates of the embedded models anew")

// TestServedAsTrained: an embedded model is served with what this version writes. One whose template was made
// by a version before documents some tools to servers in another way than to training.
func TestServedAsTrained(t *testing.T) {
	for _, name := range InProgram().Names() {
		m, err := InProgram().Load(name)
		ok(t, err)
		if !strings.Contains(m.Source.Text, "macro signature") {
			continue // it documents no tool to servers
		}
		file, strong := filepath.Join(name, "chat_template.jinja"), style(m, "documented", "pythonic")
		if text := chat.JinjaText(strong, nil); *update {
			ok(t, os.WriteFile(file, []byte(text), 0o666))
		} else if text != m.Source.Text {
			t.Errorf("%s is not what the template documented and the format pythonic write; -update writes it anew", file)
		}
	}
}

// TestTable: another model of 16 bits is one folder and one name; what is none is told with
// those that there are.
func TestTable(t *testing.T) {
	c, _ := Features("qwen3")
	c.Vocab, c.Hidden, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.FFN, c.MaxLen, c.Tied = 128, 16, 1, 2, 1, 64, 16, 64, true
	from, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	made := New(c, from.Tokenizer, 5)
	ok(t, made.ServeAs(style(made, "compact", "hermes"), nil))
	root := t.TempDir()
	ok(t, made.Save(filepath.Join(root, "embedded-tiny"), BF16))
	ok(t, os.Mkdir(filepath.Join(root, "embedded-empty"), 0o777))
	table := NewEmbedded(os.DirFS(root), "embedded-tiny", "embedded-empty")

	m, err := table.Load("embedded-tiny")
	ok(t, err)
	sameWeights(t, m.Weights, rounded(made.Weights, BF16))
	if m.Origin != "embedded model embedded-tiny" || m.Config.HeadDim != 64 || !slices.Equal(table.Names(), []string{"embedded-tiny", "embedded-empty"}) {
		t.Errorf("%s of %+v, table %q", m.Origin, m.Config, table.Names())
	}
	s, err := table.Inspect("embedded-tiny")
	ok(t, err)
	if s.DTypes[BF16] != len(m.Weights.Tensors) || s.Template != "compact" {
		t.Errorf("%+v", s)
	}
	before, err := table.Sum("embedded-tiny")
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(root, "embedded-tiny", generationFile), []byte("{}"), 0o666))
	after, err := table.Sum("embedded-tiny")
	if err != nil || before == after || len(after) != 64 {
		t.Errorf("another file, and the sum is %s and %s, %v", before, after, err)
	}

	for name, want := range map[string]string{"embedded-tiny": "", "embedded-xyz": "x", "embedded": "x", "embeddedness": "x",
		"embedded.gguf": "", "embedded-xyz/m": "", "other": "", "": ""} {
		says := `there is no embedded model "` + name + `"; name one of: embedded-tiny, embedded-empty`
		if err := table.Check(name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", name, err)
		}
		if table.Has(name) {
			continue
		}
		_, one := table.Load(name)
		_, two := table.Inspect(name)
		_, three := table.Sum(name)
		for _, err := range []error{one, two, three} {
			fails(t, err, says)
		}
	}
	_, err = table.Load("embedded-empty")
	fails(t, err, "was built without the files of its embedded model embedded-empty")
	_, err = NewEmbedded(fstest.MapFS{}, "embedded").Inspect("embedded")
	fails(t, err, "was built without the files of its embedded model;")
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is no file of the user's that is missing: %v", err)
	}
}
