package ballast_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// writes are the functions of package os that make, change or remove files by name.
var writes = map[string]bool{"Create": true, "WriteFile": true, "OpenFile": true, "Rename": true, "CreateTemp": true, "MkdirTemp": true,
	"Truncate": true, "Link": true, "Symlink": true, "Chmod": true, "Remove": true, "RemoveAll": true}

// writers are the packages and files that may call them besides durable, and why.
var writers = map[string]string{
	"ballast/bounded":         "opens for reading, so that a pipe does not block",
	"ballast/runlog":          "renames and removes what it made: checkpoints, what a killed creation left",
	"ballast/confined":        "folders of strangers' programs, among the system's temporary ones",
	"bench/soak.go":           "a folder of its own among the system's temporary ones",
	"engine/adapters.go":      "removes what it made, or a killed process: adapters that samplers have loaded",
	"cmd/ballast/studycmd.go": "a folder of its own among the system's temporary ones",
}

// TestOneWriter: files are written by durable. An exception that nothing needs goes.
func TestOneWriter(t *testing.T) {
	needed := map[string]bool{"ballast/durable": true}
	for _, s := range sources(t) {
		for _, name := range calls(&s, "os", writes) {
			if s.pkg == "ballast/durable" {
				continue
			}
			at := s.pkg
			if writers[s.path] != "" {
				at = s.path
			}
			if needed[at] = true; writers[at] == "" {
				t.Errorf("%s uses os.%s; files are written by package durable", s.path, name)
			}
		}
	}
	for at := range writers {
		if !needed[at] {
			t.Errorf("%s needs no exception any more; take its line out", at)
		}
	}
}

// TestNoPatternsOfPaths: a folder that a user named is no pattern: one with a bracket in its name matches
// nothing, and what it holds is passed over. Read the folder, and match the names.
func TestNoPatternsOfPaths(t *testing.T) {
	for _, s := range sources(t) {
		if calls(&s, "path/filepath", map[string]bool{"Glob": true}) != nil {
			t.Errorf("%s uses filepath.Glob", s.path)
		}
	}
}

// TestArchitectureIsForFiles: what a decoder has is decided where its configuration is read.
// Whoever computes asks for the feature, so that a new architecture changes none of them.
func TestArchitectureIsForFiles(t *testing.T) {
	needed, readers := map[string]bool{}, []string{"model/archive.go", "model/config.go", "model/family.go", "model/gguf.go", "model/inspect.go"}
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if e, ok := n.(*ast.SelectorExpr); ok && e.Sel.Name == "Arch" {
				if needed[s.path] = true; !slices.Contains(readers, s.path) {
					t.Errorf("%s asks for the architecture; ask for a feature of model.Config", s.fset.Position(e.Pos()))
				}
			}
			return true
		})
	}
	for _, path := range readers {
		if !needed[path] {
			t.Errorf("%s does not ask for the architecture any more; take it out of the list", path)
		}
	}
}

// TestOneWayOut: nothing but out.go of the command knows the process's outputs, so that
// all that is printed goes through safetext. The examples are programs of their own.
func TestOneWayOut(t *testing.T) {
	outputs := map[string]bool{"Stdout": true, "Stderr": true}
	prints := map[string]bool{"Print": true, "Printf": true, "Println": true}
	for _, s := range sources(t) {
		if s.path == "cmd/ballast/out.go" || strings.HasPrefix(s.pkg, "ballast/examples/") {
			continue
		}
		for pkg, names := range map[string]map[string]bool{"os": outputs, "fmt": prints, "log": nil, "log/slog": nil} {
			for _, name := range calls(&s, pkg, names) {
				t.Errorf("%s uses %s.%s; print to stdout or stderr of out.go, with safetext.Say what strangers wrote", s.path, pkg, name)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok {
				if id, ok := c.Fun.(*ast.Ident); ok && (id.Name == "println" || id.Name == "print") && id.Obj == nil {
					t.Errorf("%s uses %s", s.path, id.Name)
				}
			}
			return true
		})
	}
}

// calls lists the names of a package that a file uses: of those given, or all where nil.
func calls(s *source, pkg string, names map[string]bool) (out []string) {
	local := ""
	for _, imp := range s.file.Imports {
		if strings.Trim(imp.Path.Value, `"`) == pkg {
			local = pkg[strings.LastIndex(pkg, "/")+1:]
			if imp.Name != nil {
				local = imp.Name.Name
			}
		}
	}
	if local == "" {
		return nil
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == local && id.Obj == nil && (names == nil || names[sel.Sel.Name]) {
				out = append(out, sel.Sel.Name)
			}
		}
		return true
	})
	return out
}
