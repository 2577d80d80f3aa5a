package ballast_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// layer holds the rank of every package; imports point to lower ranks, or to
// the same rank inside one top folder. A new package needs a line here.
var layer = map[string]int{
	"ballast":                       0,
	"ballast/durable":               1,
	"ballast/bounded":               1,
	"ballast/bounded/yaml":          1,
	"ballast/bounded/parquetfile":   1,
	"ballast/durable/jsonl":         2,
	"ballast/safetext":              1,
	"ballast/confined/self":         1,
	"ballast/confined":              2,
	"ballast/safetext/hostile":      1,
	"ballast/value":                 1,
	"ballast/value/pyexpr":          1,
	"ballast/value/shape":           2,
	"ballast/value/schema":          2,
	"ballast/chat/bpe":              2,
	"ballast/chat/pretoken":         2,
	"ballast/chat/tooldoc":          2,
	"ballast/chat/format":           2,
	"ballast/chat/constrain":        2,
	"ballast/chat/decline":          2,
	"ballast/chat":                  2,
	"ballast/chat/jinja":            2,
	"ballast/world":                 2,
	"ballast/world/desk":            2,
	"ballast/world/drawn":           2,
	"ballast/world/python":          2,
	"ballast/world/bfcl":            2,
	"ballast/world/acebench":        2,
	"ballast/credit":                2,
	"ballast/monitor":               3,
	"ballast/monitor/verdict":       3,
	"ballast/loss":                  2,
	"ballast/model/tensorfile":      3,
	"ballast/model":                 3,
	"ballast/model/kernel":          3,
	"ballast/model/lora":            3,
	"ballast/model/attn":            3,
	"ballast/model/sampling":        3,
	"ballast/model/playtest":        3,
	"ballast/model/served":          4,
	"ballast/model/servedtest":      3,
	"ballast/model/device":          3,
	"ballast/model/accel":           3,
	"ballast/model/cpu":             3,
	"ballast/model/graph":           3,
	"ballast/task/compose":          4,
	"ballast/task/desk":             4,
	"ballast/task/drawn":            4,
	"ballast/task/file":             4,
	"ballast/task/bfcl":             4,
	"ballast/task/acebench":         4,
	"ballast/task/survey":           4,
	"ballast/task/livetest":         4,
	"ballast/task/synthesize":       4,
	"ballast/task/fromchats":        7,
	"ballast/task":                  4,
	"ballast/env":                   3,
	"ballast/env/expect":            3,
	"ballast/env/words":             3,
	"ballast/env/acebench":          3,
	"ballast/env/sim":               3,
	"ballast/env/envtest":           3,
	"ballast/env/mcp":               3,
	"ballast/rollout":               4,
	"ballast/endpoint":              2,
	"ballast/endpoint/endpointtest": 2,
	"ballast/tinker":                3,
	"ballast/tinker/tinkertest":     4,
	"ballast/hub":                   4,
	"ballast/hub/hubtest":           4,
	"ballast/remote":                4,
	"ballast/train/adamw":           4,
	"ballast/train/decoder":         4,
	"ballast/train/pack":            4,
	"ballast/train/plan":            4,
	"ballast/train/tally":           4,
	"ballast/train/state":           4,
	"ballast/train/accel":           4,
	"ballast/train/remote":          5,
	"ballast/train":                 4,
	"ballast/runlog":                4,
	"ballast/eval":                  5,
	"ballast/report/plot":           4,
	"ballast/report":                5,
	"ballast/doctor":                6,
	"ballast/doctor/probe":          6,
	"ballast/doctor/rollouts":       6,
	"ballast/doctor/history":        6,
	"ballast/supervise":             5,
	"ballast/imports":               6,
	"ballast/supervise/endpoint":    5,
	"ballast/recipe/signal":         7,
	"ballast/recipe":                7,
	"ballast/recipe/loop":           7,
	"ballast/recipe/strict":         7,
	"ballast/recipe/models":         7,
	"ballast/recipe/request":        7,
	"ballast/recipe/evaluation":     7,
	"ballast/recipe/worlds":         7,
	"ballast/recipe/prepare":        7,
	"ballast/recipe/cost":           7,
	"ballast/recipe/record":         7,
	"ballast/compare/table":         5,
	"ballast/compare":               6,
	"ballast/engine":                8,
	"ballast/sweep":                 8,
	"ballast/study":                 9,
	"ballast/serve":                 5,
	"ballast/bench":                 9,
	"ballast/cmd/ballast":           10,
	"ballast/provenance":            2,
	"ballast/rollout/attack":        4,
	"ballast/examples/orders":       0, // a module of its own, which imports nothing of ballast
}

// gomlx lists the packages that may import GoMLX.
var gomlx = map[string]bool{
	"ballast/model/graph": true, "ballast/model/device": true, "ballast/model/accel": true, "ballast/loss": true, "ballast/train/accel": true,
}

// The budgets, with the exceptions that are worth it.
const (
	maxFile, maxFunc, maxDepth, maxColumns = 500, 80, 2, 140
)

var (
	longFiles = map[string]bool{}
	longFuncs = map[string]bool{}
)

// source is one parsed non-test file.
type source struct {
	pkg, path string
	text      string
	lines     int
	file      *ast.File
	fset      *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "runs") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := "ballast"
		if dir := filepath.ToSlash(filepath.Dir(path)); dir != "." {
			pkg += "/" + dir
		}
		out = append(out, source{pkg, path, string(text), strings.Count(string(text), "\n"), f, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("only %d source files found", len(out))
	}
	return out
}

func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		mine, ok := layer[s.pkg]
		if !ok {
			t.Errorf("%s: package %s has no line in the layer table", s.path, s.pkg)
		}
		for _, imp := range s.file.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			if strings.HasPrefix(path, "github.com/gomlx/") && !gomlx[s.pkg] {
				t.Errorf("%s imports %s; only loss and what runs on devices may", s.path, path)
			}
			other, ok := layer[path]
			if !ok {
				continue
			}
			sameFolder := top(path) == top(s.pkg)
			if other > mine || other == mine && !sameFolder {
				t.Errorf("%s (layer %d) imports %s (layer %d)", s.path, mine, path, other)
			}
		}
	}
}

func top(pkg string) string {
	parts := strings.Split(pkg, "/")
	return parts[min(1, len(parts)-1)]
}

func TestRootImportsStandardLibraryOnly(t *testing.T) {
	for _, s := range sources(t) {
		if s.pkg != "ballast" {
			continue
		}
		for _, imp := range s.file.Imports {
			if strings.Contains(imp.Path.Value, ".") {
				t.Errorf("%s imports %s", s.path, imp.Path.Value)
			}
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	count := map[string]int{}
	for _, s := range sources(t) {
		n := 0
		if s.file.Doc != nil {
			n = 1
		}
		count[s.pkg] += n
	}
	for pkg, n := range count {
		if n != 1 {
			t.Errorf("%s has %d package comments", pkg, n)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no comment", s.path, name)
			}
		}
	}
}

// undocumented lists the exported top-level names of a declaration that carry no
// comment; a comment on a const or var block counts for its members.
func undocumented(d ast.Decl) []string {
	var out []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d)) {
			out = append(out, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
					out = append(out, spec.Name.Name)
				}
			case *ast.ValueSpec:
				if spec.Names[0].IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
					out = append(out, spec.Names[0].Name)
				}
			}
		}
	}
	return out
}

func exportedReceiver(d *ast.FuncDecl) bool {
	x := d.Recv.List[0].Type
	if star, ok := x.(*ast.StarExpr); ok {
		x = star.X
	}
	if gen, ok := x.(*ast.IndexExpr); ok {
		x = gen.X
	}
	id, ok := x.(*ast.Ident)
	return ok && id.IsExported()
}

// openers are what reads files without a bound, or waits for a pipe; parsers are
// libraries that believe what they read. Each is used where it is fenced in.
var (
	openers = map[string]bool{"os.Open": true, "os.ReadFile": true, "os.DirFS": true, "parquet.OpenFile": true, "parquet.NewReader": true, "parquet.NewGenericReader": true}
	fenced  = map[string]string{
		"github.com/goccy/go-yaml":           "ballast/bounded/yaml",
		"github.com/dlclark/regexp2":         "ballast/chat/pretoken",
		"github.com/klauspost/compress/zstd": "ballast/bounded",
	}
	// unfenced lists who may do without: the readers themselves, and who reads what
	// ballast itself wrote.
	unfenced = map[string]bool{"ballast/bounded": true, "ballast/bounded/parquetfile": true, "ballast/durable": true, "ballast/runlog": true}
)

// TestFilesAreReadWithinBounds: files from outside are opened by bounded, and parsed
// by its packages.
func TestFilesAreReadWithinBounds(t *testing.T) {
	for _, s := range sources(t) {
		if unfenced[s.pkg] {
			continue
		}
		for _, imp := range s.file.Imports {
			if home, is := fenced[strings.Trim(imp.Path.Value, `"`)]; is && home != s.pkg {
				t.Errorf("%s imports %s; %s does", s.path, imp.Path.Value, home)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && openers[x.Name+"."+sel.Sel.Name] {
					t.Errorf("%s:%d: %s.%s; package bounded reads files", s.path, s.fset.Position(n.Pos()).Line, x.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestBudgets(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > maxFile && !longFiles[s.path] {
			t.Errorf("%s has %d lines, the budget is %d", s.path, s.lines, maxFile)
		}
		if depth := strings.Count(s.pkg, "/"); depth > maxDepth {
			t.Errorf("%s lies %d folders deep", s.pkg, depth)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || longFuncs[s.path+":"+f.Name.Name] {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > maxFunc {
				t.Errorf("%s: %s has %d lines, the budget is %d", s.path, f.Name.Name, n, maxFunc)
			}
		}
	}
}

func TestNoBannedNamesOrRegistration(t *testing.T) {
	banned := map[string]bool{"util": true, "utils": true, "common": true, "helpers": true, "misc": true}
	for _, s := range sources(t) {
		if banned[filepath.Base(filepath.Dir(s.path))] {
			t.Errorf("%s: the folder's name says nothing", s.path)
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init function; use an explicit table", s.path)
			}
		}
	}
}

// benchmark matches names of benchmarks, of their categories and of task sets.
var benchmark = regexp.MustCompile(`(?i)bfcl|acebench|gorilla|long.context|miss_func|miss_param|\bdesk\b`)

// TestNoBenchmarkInside: what plays tasks knows none of them.
func TestNoBenchmarkInside(t *testing.T) {
	for _, s := range sources(t) {
		if s.pkg != "ballast" && s.pkg != "ballast/rollout" && s.pkg != "ballast/env/envtest" && !strings.HasPrefix(s.pkg, "ballast/chat") {
			continue
		}
		text, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		if found := benchmark.Find(text); found != nil {
			t.Errorf("%s speaks of %s", s.path, found)
		}
	}
}

// TestColumns: no line has more than maxColumns characters, a tab counted as one. Those of raw
// strings may: a break inside would be another text.
func TestColumns(t *testing.T) {
	for _, s := range sources(t) {
		raw := map[int]bool{}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && strings.HasPrefix(lit.Value, "`") {
				for i := s.fset.Position(lit.Pos()).Line; i <= s.fset.Position(lit.End()).Line; i++ {
					raw[i] = true
				}
			}
			return true
		})
		for i, line := range strings.Split(s.text, "\n") {
			if n := utf8.RuneCountInString(line); n > maxColumns && !raw[i+1] {
				t.Errorf("%s:%d has %d columns, the budget is %d", s.path, i+1, n, maxColumns)
			}
		}
	}
}

// TestMethodsDifferByMoreThanCase: a type has no start beside Start.
func TestMethodsDifferByMoreThanCase(t *testing.T) {
	seen := map[string]string{} // package, type and method, in small letters
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil {
				continue
			}
			of := strings.Trim(types.ExprString(f.Recv.List[0].Type), "*")
			key := strings.ToLower(s.pkg + " " + of + "." + f.Name.Name)
			if other := seen[key]; other != "" && other != f.Name.Name {
				t.Errorf("%s: %s has the methods %s and %s", s.path, of, other, f.Name.Name)
			}
			seen[key] = f.Name.Name
		}
	}
}

// TestCommentsSayWhat: no comment only says which interface a method has.
func TestCommentsSayWhat(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Doc != nil && strings.HasPrefix(f.Doc.Text(), f.Name.Name+" implements ") {
				t.Errorf("%s: %s", s.path, strings.TrimSpace(f.Doc.Text()))
			}
		}
	}
}
