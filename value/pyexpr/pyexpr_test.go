package pyexpr

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"ballast/value"
)

// TestCPython compares with what CPython 3.10.13 answers: ast.unparse of what it reads, the
// text of the error of what it does not.
func TestCPython(t *testing.T) {
	f, err := os.Open("testdata/cpython310.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var want struct {
			S   string
			OK  bool
			Out string
		}
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		out, ok := parsed(want.S)
		if ok != want.OK || out != want.Out {
			t.Errorf("%q\n got %v %s\nwant %v %s", want.S, ok, out, want.OK, want.Out)
		}
	}
	if n < 500 {
		t.Errorf("only %d expressions", n)
	}
}

func parsed(text string) (string, bool) {
	n, err := Parse(text)
	if err != nil {
		return err.Error(), false
	}
	return Unparse(n), true
}

// Hostile texts are refused or read, in time and memory that are linear in their length.
func TestHostile(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"brackets", strings.Repeat("[", 1<<19)},
		{"parentheses, closed", strings.Repeat("(", 400) + "1" + strings.Repeat(")", 400)},
		{"signs", strings.Repeat("-", 1<<19) + "1"},
		{"negations", strings.Repeat("not ", 1<<17) + "1"},
		{"sums", strings.Repeat("1+", 1<<18) + "1"},
		{"powers", strings.Repeat("1**", 1<<17) + "1"},
		{"attributes", "a" + strings.Repeat(".a", 1<<18)},
		{"calls", "a" + strings.Repeat("()", 1<<18)},
		{"lambdas", strings.Repeat("lambda:", 1<<16) + "1"},
		{"words", strings.Repeat("a ", 1<<18)},
		{"words in a bracket", "(" + strings.Repeat("a ", 1<<18)},
		{"soft keywords in a bracket", "(" + strings.Repeat("match ", 1<<17)},
		{"misplaced arguments", strings.Repeat("f(a=1, b, ", 1<<15)},
		{"lists side by side", strings.Repeat("[1] ", 1<<17)},
		{"words and lists", strings.Repeat("a [1, ", 1<<17)},
		{"words and braces", strings.Repeat("a {", 1<<17)},
		{"digits", strings.Repeat("9", 1<<19)},
		{"hexadecimal", "0x" + strings.Repeat("f", 1<<19)},
		{"conditions", strings.Repeat("1 if 1 else ", 1<<15) + "1"},
		{"strings", strings.Repeat("'a' ", 1<<17)},
		{"too long", strings.Repeat(" ", MaxText+1)},
		{"not UTF-8", "'\xff'"},
	} {
		if _, err := Parse(c.text); err == nil && c.name != "strings" && c.name != "hexadecimal" {
			t.Errorf("%s: read", c.name)
		}
	}
}

// FuzzParse: a tree that is written and read again is written the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"[f(a=1, b=[1, {'k': (2,)}]), g()]", "f(*a, **k)", "x[1:2, ::3]", "[a for b in c if d]", "lambda x, *y, z=1, **k: x",
		"a if b else c", "not -~+1 ** 2", "f'{x}' 'y'", "(yield x)", "{**a, 1: 2}", "f(a=1 b=2)", "it's", "1.2j", "0b1_0", "a{b c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		defer func() {
			if r := recover(); r != nil {
				if _, long := r.(value.DigitsError); !long {
					panic(r)
				}
			}
		}()
		once := Unparse(n)
		again, ok := parsed(once)
		if !ok && !strings.Contains(again, "nested") && len(once) <= MaxText || ok && again != once {
			t.Errorf("%q is written as %q, which is written as %q", s, once, again)
		}
	})
}
