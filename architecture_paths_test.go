package ballast_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// notOfRuns are literals that hold a name of the run directory and mean something else, by file.
var notOfRuns = map[string][]string{
	"doctor/rollouts/record.go":        {"episodes"},       // a key of other programs' files
	"eval/table.go":                    {"episodes"},       // a column
	"monitor/names.go":                 {"episodes/infra"}, // a metric
	"study/probed.go":                  {"probes"},         // a table
	"tinker/archive.go":                {"/checkpoints/"},  // in a path of the protocol
	"tinker/tinkertest/checkpoints.go": {"checkpoints"},    // a key of the protocol
}

// TestRunDirectoryIsSpelledOnce: names of files and folders in a run directory stand in
// runlog/paths.go and nowhere else. Who wants a path asks runlog.Dir; who speaks of a file shows its path.
func TestRunDirectoryIsSpelledOnce(t *testing.T) {
	all := sources(t)
	var files, words []string // names with an extension count wherever they stand, words by themselves or in a path
	for _, s := range all {
		if s.path != "runlog/paths.go" {
			continue
		}
		for _, d := range s.file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok.String() == "const" {
				for _, name := range literals(&ast.File{Name: s.file.Name, Decls: []ast.Decl{g}}) {
					switch {
					case strings.Count(name, ".") == 1 && strings.HasPrefix(name, "."): // an extension
					case strings.Contains(name, "."):
						files = append(files, name)
					case name != "lock": // a word of its own
						words = append(words, name)
					}
				}
			}
		}
	}
	if len(files) < 7 || len(words) != 3 {
		t.Fatalf("files %q and folders %q", files, words)
	}
	for _, s := range all {
		if s.pkg == "ballast/runlog" {
			continue
		}
		for _, text := range literals(s.file) {
			bad := slices.ContainsFunc(files, func(name string) bool { return strings.Contains(text, name) }) || strings.Contains(text, "jsonl.zst") ||
				slices.ContainsFunc(words, func(name string) bool { return text == name || strings.Contains(text, name+"/") })
			if bad && !slices.Contains(notOfRuns[s.path], text) {
				t.Errorf("%s spells %q; runlog.Dir knows the paths of a run directory", s.path, text)
			}
		}
	}
}
