package yaml

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ballast/bounded"
)

// laughs is a list of lists of ... of aliases, n times nine.
func laughs(n int) string {
	s := "v0: &v0 [a,a,a,a,a,a,a,a,a]\n"
	for i := range n {
		s += fmt.Sprintf("v%d: &v%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*v%d,", i), 9), ","))
	}
	return s
}

// merges doubles a map n times.
func merges(n int) string {
	s := "m0: &m0 {a: 1}\n"
	for i := range n {
		s += fmt.Sprintf("m%d: &m%d {<<: *m%d, k%d: {<<: *m%d}}\n", i+1, i+1, i, i, i)
	}
	return s
}

func indented(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestBombs(t *testing.T) {
	var keys strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&keys, "k%d: 1\n", i)
	}
	for name, c := range map[string]struct{ text, says string }{
		"aliases":      {laughs(8), "line 6"},
		"merges":       {merges(40), "line 14"},
		"itself":       {"a: 1\nb: &b [*b]\n", "line 2"},
		"brackets":     {"a: 1\nx: " + strings.Repeat("[", 200_000), "line 2"},
		"braces":       {strings.Repeat("{a: ", 40_000), "line 1"},
		"closed":       {strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000), "line 1"},
		"dashes":       {strings.Repeat("- ", 9_000), "line 1"},
		"question":     {strings.Repeat("? ", 9_000), "line 1"},
		"blocks":       {indented(600), "line 65"},
		"mixed":        {strings.Repeat("- [", 9_000), "line 1"},
		"keys":         {keys.String(), "line"},
		"megabytes":    {strings.Repeat("# c\n", 1_000_000), "256 KiB"},
		"tags":         {"a: " + strings.Repeat("!!seq ", 9_000) + "[]", "line 1"},
		"many anchors": {"a: " + strings.Repeat("&a ", 19_000) + "[]", "line 1"},
	} {
		for _, strict := range []bool{false, true} {
			start := time.Now()
			var v any
			var err error
			if strict {
				_, err = Strict([]byte(c.text), &v, nil)
			} else {
				err = Unmarshal([]byte(c.text), &v)
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || name != "itself" && !errors.Is(err, bounded.ErrTooLarge) {
				t.Errorf("%s: %.200v, want %s", name, err, c.says)
			}
			if took := time.Since(start); took > 5*time.Second || err != nil && len(err.Error()) > maxError+10 {
				t.Errorf("%s: %v, an error of %d bytes", name, took, len(err.Error()))
			}
		}
	}
}

func TestWithinBounds(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "<nil>",
		"# only a comment":                       "<nil>",
		"\ufeff":                                 "<nil>",
		"\ufeffa: 1\n":                           "map[a:1]",
		"\ufeff---\r\na: 1\r\n":                  "map[a:1]",
		"---\na: 1\n":                            "map[a:1]",
		"a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}": "map[a:map[b:1] c:map[b:1] d:map[b:1 e:2]]",
		"- - - 1\n    - 2\n- 3":                  "[[[1 2]] 3]",
		"a: |\n  [[[[\n  - -\nb: \"[[\"":         "map[a:[[[[\n- -\n b:[[]",
		strings.Repeat("[", 30) + strings.Repeat("]", 30): strings.Repeat("[", 30) + strings.Repeat("]", 30),
	} {
		var v any
		if _, err := Strict([]byte(text), &v, nil); err != nil || fmt.Sprint(v) != want {
			t.Errorf("%q: %v, %v", text, v, err)
		}
		v = nil
		if err := Unmarshal([]byte(text), &v); err != nil || fmt.Sprint(v) != want {
			t.Errorf("%q: %v, %v", text, v, err)
		}
	}
	var v any
	if _, err := Strict([]byte("a: 1\n---\nb: 1\n"), &v, nil); err == nil {
		t.Error("a second document is dropped silently")
	}
	if err := Unmarshal([]byte("a: ["+strings.Repeat("b, ", 5000)+"}"), &v); err == nil || len(err.Error()) > maxError+10 {
		t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{"a: &b [1, *b]", laughs(2), "? - a\n: {b: c}\n", "a: !!binary x\n<<: {b: 1}", "- |2\n   x\n- \"\\u12\"", "---\n...\n---"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start := time.Now()
		var v any
		Unmarshal([]byte(text), &v)
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("%v", took)
		}
	})
}
