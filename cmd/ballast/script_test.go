package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ballast/chat/jinja"
	"ballast/confined"
	"ballast/hub/hubtest"
	"ballast/model"
)

// TestMain makes the test binary stand in for the commands in scripts.
func TestMain(m *testing.M) {
	jinja.Main()
	confined.Main()
	testscript.Main(m, map[string]func(){"ballast": main, "shop": shop, "status": status})
}

// TestScripts runs testdata/script: a few commands each, with what they must
// print and leave behind.
func TestScripts(t *testing.T) {
	dir, files := "testdata/script", []string(nil)
	if testing.Short() { // with a race detector the trainings of the others take many minutes
		dir, files = "", []string{"testdata/script/endpoint.txtar", "testdata/script/device.txtar", "testdata/script/tasks.txtar"}
	}
	testscript.Run(t, testscript.Params{
		Dir: dir, Files: files,
		Setup: func(env *testscript.Env) error {
			// HOME is not a place to look for models or settings.
			env.Setenv("GOEXPERIMENT", os.Getenv("GOEXPERIMENT"))
			s := refusing()
			env.Defer(s.Close)
			env.Setenv("ENDPOINT", s.URL+"/v1")
			env.Setenv("SECRET", strings.Replace(s.URL, "://", "://user:hunter22@", 1)+"/v1")
			l := lacking()
			env.Defer(l.Close)
			env.Setenv("LACKING", l.URL+"/v1")
			j := unreliable()
			env.Defer(j.Close)
			env.Setenv("JUDGE", j.URL)
			short := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 0x4b} // of a gzipped file
			if err := os.WriteFile(filepath.Join(env.WorkDir, "short.gz"), short, 0o644); err != nil {
				return err
			}
			if err := writeModel(filepath.Join(env.WorkDir, "model")); err != nil {
				return err
			}
			if err := serveTraining(env); err != nil {
				return err
			}
			return playHub(env)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"cut":       cut,
			"replace":   replace,
			"play":      play,
			"terminate": terminate,
			"gone":      gone,
			"lacks":     lacks,
		},
	})
}

// playHub starts a hub that has the embedded model as Org/tiny, and a cache in the script's
// folder.
func playHub(env *testscript.Env) error {
	h := hubtest.New()
	env.Defer(h.Close)
	env.Setenv("HF_ENDPOINT", h.URL)
	env.Setenv("HF_HOME", filepath.Join(env.WorkDir, "hf"))
	files := map[string][]byte{}
	list, err := os.ReadDir(filepath.Join(env.WorkDir, "model"))
	for _, e := range list {
		if err == nil {
			files[e.Name()], err = os.ReadFile(filepath.Join(env.WorkDir, "model", e.Name()))
		}
	}
	env.Setenv("COMMIT", h.Commit("Org/tiny", files))
	gemma := maps.Clone(files)
	gemma["config.json"] = []byte(`{"architectures": ["GemmaForCausalLM"]}`)
	h.Commit("Org/gemma", gemma)
	h.Commit("Org/lora", map[string][]byte{"adapter_config.json": []byte(`{"base_model_name_or_path": "Org/tiny"}`)})
	h.Commit("Org/gated", files)
	h.Repo("Org/gated").Gated = true
	return err
}

// writeModel puts the embedded model into a folder for scripts to break.
func writeModel(dir string) error {
	m, err := model.Embedded()
	if err != nil {
		return err
	}
	return m.Save(dir, model.F32)
}

// cut FILE N keeps the first N bytes of a file.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	n := len(data) / 2
	if args[1] != "half" {
		ts.Fatalf("cut FILE half")
	}
	ts.Check(os.WriteFile(path, data[:n], 0o644))
}

// replace FILE OLD NEW replaces a text that must be there.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	if !strings.Contains(string(data), args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(string(data), args[1], args[2])), 0o644))
}
