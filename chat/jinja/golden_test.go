package jinja

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"ballast/value"
)

//go:embed testdata/goldens.json.gz
var goldens []byte

// golden is what scripts/jinja_goldens.py writes.
type golden struct {
	Conversations [][2]json.RawMessage // a name, the variables
	Templates     []struct{ File, Source, Results string }
	Expressions   struct {
		Data  json.RawMessage
		Cases [][3]string // a template, a kind, a text
	}
}

func readGoldens(t testing.TB) (g golden) {
	z, err := gzip.NewReader(bytes.NewReader(goldens))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func variables(t testing.TB, text []byte) *value.Dict {
	v, err := value.ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return v.(*value.Dict)
}

// outcome is a render in the words of the goldens: a kind, and a text or why there is none.
func outcome(text string, err error) (kind, said string) {
	var e *Error
	switch {
	case err == nil:
		return "text", text
	case errors.As(err, &e):
		return e.Kind, err.Error()
	}
	return "limit", err.Error()
}

// TestModels renders what transformers rendered. Unsupported is not wrong, but counted by name.
func TestModels(t *testing.T) {
	g := readGoldens(t)
	var data []*value.Dict
	for _, c := range g.Conversations {
		data = append(data, variables(t, c[1]))
	}
	if len(g.Templates) < 85 || len(data) < 50 {
		t.Fatalf("only %d templates and %d conversations", len(g.Templates), len(data))
	}
	equal, refused, both := 0, map[string]int{}, 0
	for _, m := range g.Templates {
		for i, want := range strings.Fields(m.Results) {
			kind, said := outcome(Render(m.Source, data[i]))
			is := kind
			if kind == "text" {
				is = fmt.Sprintf("%x", sha256.Sum256([]byte(said)))[:12]
			}
			switch {
			case is == want && kind == "text":
				equal++
			case is == want:
				both++
			case kind == Unsupported:
				refused[m.File+": "+said]++
			default:
				t.Errorf("%s, conversation %d (%s): transformers: %s, here %s: %.1000q", m.File, i, g.Conversations[i][0], want, is, said)
			}
		}
	}
	t.Logf("%d templates: %d texts equal, %d errors in both, %d refused here alone", len(g.Templates), equal, both, len(refused))
	for name, n := range refused {
		t.Errorf("%d times %s", n, name)
	}
}

// TestExpressions renders random templates that Python rendered. Python's text, or an error.
func TestExpressions(t *testing.T) {
	g := readGoldens(t)
	data := variables(t, g.Expressions.Data)
	if len(g.Expressions.Cases) < 2000 {
		t.Fatalf("only %d templates", len(g.Expressions.Cases))
	}
	equal, refused := 0, map[string]int{}
	for _, c := range g.Expressions.Cases {
		kind, said := outcome(Render(c[0], data))
		switch {
		case kind == Unsupported:
			_, what, _ := strings.Cut(said, "lacks: ")
			refused[what]++
		case kind == "limit" && c[1] == Failed:
		case kind != c[1] || kind == "text" && said != c[2]:
			t.Errorf("%q\n here %s: %q\n Python %s: %q", c[0], kind, said, c[1], c[2])
		case kind == "text":
			equal++
		}
	}
	n := 0
	for what, count := range refused {
		t.Logf("refused %d times: %s", count, what)
		n += count
	}
	t.Logf("%d texts equal, %d refused", equal, n)
	if n > len(g.Expressions.Cases)/20 {
		t.Errorf("%d templates are refused, of %d", n, len(g.Expressions.Cases))
	}
}
