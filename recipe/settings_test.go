package recipe

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ballast/bounded/yaml"
	"ballast/recipe/signal"
	"ballast/recipe/strict"
)

var update = flag.Bool("update", false, "write docs/settings.md")

// most is how many settings a method's resolved recipe shows.
const most = 40

// TestResolvedRecipesAreShort: with its defaults, and with every file of recipes/.
func TestResolvedRecipesAreShort(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "recipes", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range All {
		for _, f := range append([]string{""}, files...) {
			r, err := New(m.Name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(filepath.Base(f), "study") {
				continue // a plan, of package study
			}
			if f != "" {
				r = file(t, filepath.Base(f), m.Name)
			}
			r.Settle()
			if n := len(shownKeys(t, &r)); n > most {
				t.Errorf("%s %s: %d settings", m.Name, f, n)
			}
		}
	}
}

func shownKeys(t *testing.T, r *Recipe) []string {
	t.Helper()
	var all map[string]any
	if err := yaml.Unmarshal(r.YAML(), &all); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(leaves("", all)))
}

// TestShownIsRead: what a resolved recipe shows is read, and what it does not show is not, or
// has no value.
func TestShownIsRead(t *testing.T) {
	for _, m := range All {
		r, err := New(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		r.Settle()
		shown := shownKeys(t, &r)
		for _, f := range strict.Fields(&r) {
			has := slices.ContainsFunc(shown, func(k string) bool { return k == f.Key || strings.HasPrefix(k, f.Key+".") })
			if want := f.Key == "method" || !f.Unset() && r.Unread(f.Key) == ""; has != want {
				t.Errorf("%s: %s is shown: %v", m.Name, f.Key, has)
			}
		}
	}
}

// TestSettingsAreDeclared: the table has every setting that there is, in order, and no other.
func TestSettingsAreDeclared(t *testing.T) {
	var want, got []string
	for _, f := range strict.Fields(&Recipe{}) {
		if f.Key == "phases" {
			for i := range reflect.TypeFor[Phase]().NumField() {
				name, _, _ := strings.Cut(reflect.TypeFor[Phase]().Field(i).Tag.Get("yaml"), ",")
				want = append(want, "phases[]."+name)
			}
		} else if f.Key != "rl.signals" {
			want = append(want, f.Key)
		}
	}
	for _, s := range settings {
		if !section(s.Key) {
			got = append(got, s.Key)
		}
		if s.Doc == "" {
			t.Errorf("%s has no sentence", s.Key)
		}
	}
	if !slices.Equal(want, got) {
		t.Errorf("there are\n%q\ndeclared are\n%q", want, got)
	}
	for _, f := range strict.Fields(&Recipe{}) {
		for _, s := range settings {
			if strings.HasSuffix(strict.Kind(f.Value.Type()), "number") && s.Key == f.Key && s.In == (strict.Span{}) && s.Key != "seed" {
				t.Errorf("%s has no range", s.Key)
			}
		}
	}
}

// section says whether a declaration is one of a section.
func section(key string) bool {
	return slices.ContainsFunc(settings, func(s setting) bool {
		return strings.HasPrefix(s.Key, key+".") || strings.HasPrefix(s.Key, key+"[]")
	})
}

// TestSettingsDoc: docs/settings.md is what the table and the defaults say; -update writes it.
func TestSettingsDoc(t *testing.T) {
	path := filepath.Join("..", "docs", "settings.md")
	want := settingsDoc(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says: go test ./recipe -run TestSettingsDoc -update", path)
	}
}

const docHead = `# Settings

<!-- Written by: go test ./recipe -run TestSettingsDoc -update -->

A recipe is a method with all its settings. Give some in a YAML file (` + "`--config FILE`" + `) or one by one
(` + "`--set rl.lr=1e-6`" + `). ` + "`ballast train METHOD --dry-run`" + ` prints the recipe that a run would have: it shows what the run
reads, and no more. A setting that the run does not read is an error where "--set" gives it. In a file it is named and left out.

"absent" is the default of a setting that is not in use. Defaults are those of every method, but for the ones that are named.
`

const docRow = "| setting | type | default | may be | unit | what it is |\n| --- | --- | --- | --- | --- | --- |\n"

// settingsDoc writes the page.
func settingsDoc(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(docHead)
	fields := map[string]reflect.Type{}
	for _, f := range strict.Fields(&Recipe{}) {
		fields[f.Key] = f.Value.Type()
	}
	for i := range reflect.TypeFor[Phase]().NumField() {
		f := reflect.TypeFor[Phase]().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		fields["phases[]."+name] = f.Type
	}
	fmt.Fprintf(&b, "\n## The run\n\n%s", docRow)
	for i, s := range settings {
		switch {
		case section(s.Key):
			fmt.Fprintf(&b, "\n## %s: %s\n\n%s", s.Key, s.Doc, docRow)
		default:
			if s.Key == "faults" || s.Key == "methods" {
				fmt.Fprintf(&b, "\n## %s\n\n%s", s.Key, docRow)
			}
			row(&b, declared[i], strict.Kind(fields[s.Key]), defaultOf(t, s.Key))
		}
	}
	for _, x := range signal.All {
		fmt.Fprintf(&b, "\n## rl.signals.%s: %s\n\n%s", x.Name, x.Doc, docRow)
		for i, f := range strict.Fields(x.Default) {
			s := x.Settings[i]
			if s.Key != f.Key || s.Doc == "" {
				t.Errorf("signal %s declares %s where it has %s", x.Name, s.Key, f.Key)
			}
			s.Key = "rl.signals." + x.Name + "." + s.Key
			row(&b, s, strict.Kind(f.Value.Type()), valueOf(t, f))
		}
	}
	return b.String()
}

func row(b *strings.Builder, s strict.Setting, kind, def string) {
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", s.Key, kind, def, mayBe(s), s.Unit, s.Doc)
}

// mayBe are a setting's choices or its range.
func mayBe(s strict.Setting) string {
	var parts []string
	if s.Of != nil {
		parts = append(parts, "`"+strings.Join(s.Of(), "`, `")+"`")
	}
	if s.In != (strict.Span{}) {
		parts = append(parts, span(s.In))
	}
	return strings.Join(parts, "; ")
}

// span writes what a number may be.
func span(s strict.Span) string {
	lo, hi := strict.Plain(s.Lo), strict.Plain(s.Hi)
	if s.Above {
		lo = "> " + lo
	}
	if s.Below {
		hi = "< " + hi
	}
	return lo + " to " + hi
}

// defaultOf is a setting's default, with those of methods that have another.
func defaultOf(t *testing.T, key string) string {
	t.Helper()
	switch {
	case key == "method":
		return "-"
	case key == "phases[].rl" || key == "phases[].sft":
		return "of the method"
	case strings.HasPrefix(key, "phases[]"):
		return "absent"
	}
	text := func(r Recipe) string {
		r.Settle()
		for _, f := range strict.Fields(&r) {
			if f.Key != key {
				continue
			}
			return valueOf(t, f)
		}
		t.Fatal(key)
		return ""
	}
	usual := text(defaults())
	out := usual
	for _, m := range All {
		r, err := New(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		if v := text(r); v != usual && r.Unread(key) == "" {
			out += fmt.Sprintf("; %s %s", m.Name, v)
		}
	}
	return out
}

// valueOf writes a value for a table.
func valueOf(t *testing.T, f strict.Field) string {
	t.Helper()
	if f.Unset() {
		return "absent"
	}
	out, err := yaml.Marshal(f.Value.Interface())
	if err != nil {
		t.Fatal(err)
	}
	return "`" + strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", ", ") + "`"
}
