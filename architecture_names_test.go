package ballast_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ballast/recipe"
	"ballast/recipe/signal"
)

// elsewhere are literals that read like the name of a method, a source or a signal and mean
// something else, by file.
var elsewhere = map[string][]string{
	"recipe/guard.go":           {"sft"},         // what a guard does
	"recipe/loop/guard.go":      {"sft"},         //
	"recipe/loop/supervised.go": {"sft"},         // the kind of a phase, and its stream of draws
	"cmd/ballast/progress.go":   {"sft"},         // the kind of a phase
	"compare/run.go":            {"sft"},         //
	"monitor/measure.go":        {"sft"},         //
	"credit/credit.go":          {"grpo"},        // an estimator of advantages
	"recipe/defaults.go":        {"grpo"},        // an estimator and a loss
	"loss/policy.go":            {"grpo"},        //
	"recipe/settings.go":        {"file", "sft"}, // settings
	"recipe/former.go":          {"sft"},         //
	"cmd/ballast/taskcmd.go":    {"gold"},        // a field of what it prints
	"recipe/signal/hint.go":     {"file"},        // where hints come from
	"recipe/signal/mix.go":      {"failed"},      // the tasks of an update
	"supervise/judge.go":        {"hint"},        // what a judge is asked for
}

// ordinary are names that are words too: below package recipe they mean nothing else.
var ordinary = []string{"base", "control", "failed", "file", "gold", "hint", "mix"}

// TestNamesStandOnce: a method, a source and a signal is named as a literal in its own file
// only. Who asks for a name elsewhere wants a need that its line of the table declares.
func TestNamesStandOnce(t *testing.T) {
	var names []string
	for _, m := range recipe.All {
		names = append(names, m.Name)
	}
	for _, s := range recipe.Sources {
		names = append(names, s.Name)
	}
	for _, s := range signal.All {
		names = append(names, s.Name)
	}
	where := map[string][]string{} // files of a name, by package and name
	for _, s := range sources(t) {
		for _, text := range literals(s.file) {
			if !slices.Contains(names, text) || slices.Contains(elsewhere[s.path], text) ||
				slices.Contains(ordinary, text) && layer[s.pkg] < layer["ballast/recipe"] {
				continue
			}
			if key := s.pkg + " " + text; !slices.Contains(where[key], s.path) {
				where[key] = append(where[key], s.path)
			}
		}
	}
	for key, files := range where {
		pkg, name, _ := strings.Cut(key, " ")
		most := 0
		switch pkg { // sources and signals may have a name together, and so may methods and signals
		case "ballast/recipe", "ballast/recipe/signal":
			most = 1
		}
		if len(files) > most {
			t.Errorf("%q is a literal in %s; its own file declares what it needs", name, strings.Join(files, ", "))
		}
	}
}

// literals are the string literals of a file, but for imports and tags of fields.
func literals(f *ast.File) (out []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			return n.Tag == nil
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
				out = append(out, text)
			}
		}
		return true
	})
	return out
}
