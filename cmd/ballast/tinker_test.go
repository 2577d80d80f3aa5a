package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"ballast/model"
	"ballast/model/servedtest"
	"ballast/tinker/tinkertest"
)

// serveTraining starts training servers with the vocabulary of the embedded model, which want a key, and two servers that
// sample beside each.
func serveTraining(env *testscript.Env) error {
	m, err := model.Embedded()
	if err != nil {
		return err
	}
	const key = "tml-hunter22hunter22"
	env.Setenv("TRAINING_KEY", key)
	for name, habits := range map[string]tinkertest.Habits{"SKYRL": tinkertest.SkyRL(), "TUFT": tinkertest.TuFT()} {
		s := tinkertest.New(tinkertest.Options{Vocab: m.Config.Vocab, Order: 2, Seed: 1, Habits: habits, Keys: []string{key}})
		env.Defer(s.Close)
		env.Setenv(name, s.URL)
		for _, n := range []string{"1", "2"} {
			b := s.Beside(servedtest.Options{})
			env.Defer(b.Close)
			env.Setenv(name+"_SAMPLER"+n, b.URL)
		}
	}
	return nil
}

// lacks DIR TEXT fails where a file below the folder has the text.
func lacks(ts *testscript.TestScript, _ bool, args []string) {
	files := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(args[1])) {
			ts.Fatalf("%s has %q", path, args[1])
		}
		return err
	}))
	if files == 0 {
		ts.Fatalf("%s has no files", args[0])
	}
}
