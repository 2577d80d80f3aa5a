package model

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Default is the embedded model that is meant where nothing is said. The names of all others begin with its name.
const Default = "embedded"

// All that is called embedded* here is compiled in: a folder for each model of the table
// below, and nothing else.
//
//go:embed all:embedded*
var folders embed.FS

// inProgram is the table of embedded models: one line, and one folder of that name, each.
var inProgram = NewEmbedded(folders,
	Default,
	"embedded-reader",
)

// EmbeddedModels is a table of models that are compiled into a program. Recipes and commands
// call them by its names.
type EmbeddedModels struct {
	files fs.FS // a Hugging Face directory of each name
	names []string
}

// NewEmbedded makes a table of the folders of these names.
func NewEmbedded(files fs.FS, names ...string) *EmbeddedModels {
	return &EmbeddedModels{files: files, names: names}
}

// InProgram is the table of this program.
func InProgram() *EmbeddedModels { return inProgram }

// Embedded reads the model embedded, which recipes and commands take where nothing is said.
func Embedded() (*Model, error) { return inProgram.Load(Default) }

// Names lists the models.
func (e *EmbeddedModels) Names() []string { return slices.Clone(e.names) }

// Has says whether a name is that of an embedded model.
func (e *EmbeddedModels) Has(name string) bool { return slices.Contains(e.names, name) }

// Check is an error for a name that can only mean an embedded model, and is none of them.
func (e *EmbeddedModels) Check(name string) error {
	if e.Has(name) || !strings.HasPrefix(name, Default) || strings.ContainsAny(name, `/\.`) {
		return nil
	}
	return e.unknown(name)
}

func (e *EmbeddedModels) unknown(name string) error {
	return fmt.Errorf("model: there is no embedded model %q; name one of: %s", name, strings.Join(e.names, ", "))
}

// Title names a model of the table in messages and in what runs record.
func (e *EmbeddedModels) Title(name string) string {
	if name == Default {
		return "embedded model" // as runs have recorded it since there was one alone
	}
	return "embedded model " + name
}

// Load reads a model of the table.
func (e *EmbeddedModels) Load(name string) (*Model, error) {
	dir, err := e.dir(name)
	if err != nil {
		return nil, err
	}
	return loadFS(dir, e.Title(name))
}

// Inspect is Inspect of a model of the table.
func (e *EmbeddedModels) Inspect(name string) (*Summary, error) {
	dir, err := e.dir(name)
	if err != nil {
		return nil, err
	}
	a, err := openDir(dir, e.Title(name))
	if err != nil {
		return nil, err
	}
	return a.inspect()
}

// Sum is the SHA-256 of the files of a model of the table, in hexadecimal digits.
func (e *EmbeddedModels) Sum(name string) (string, error) {
	if _, err := e.dir(name); err != nil {
		return "", err
	}
	h := sha256.New()
	err := fs.WalkDir(e.files, name, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(e.files, path)
		fmt.Fprintf(h, "%s %d\n", path, len(data))
		h.Write(data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// dir is the directory of a model of the table.
func (e *EmbeddedModels) dir(name string) (fs.FS, error) {
	if !e.Has(name) {
		return nil, e.unknown(name)
	}
	dir, err := fs.Sub(e.files, name)
	if err == nil {
		_, err = fs.Stat(dir, "config.json")
	}
	if err != nil {
		return nil, fmt.Errorf("model: this program was built without the files of its %s; name a model, or train one from random weights",
			e.Title(name))
	}
	return dir, nil
}
