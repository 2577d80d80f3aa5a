package hostile

import (
	"errors"
	"strings"
	"testing"

	"ballast/safetext"
)

// TestFaults: what is raw is found, and what safetext makes of it is none.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		text string
	}{
		{Terminal, "a\x1bb"}, {Terminal, "a\u202eb"}, {Terminal, "a\u009bb"}, {Terminal, "a\xffb"}, {Terminal, "a\nFORGED"}, {Terminal, "hunter2"},
		{CSV, "a,=1\n"}, {CSV, "a,\"\t@x\"\n"}, {CSV, "a,-2+3\n"}, {Markdown, "| a | b |\n| --- | --- |\n| a|b | c |\n"}, {Markdown, "<b>"}, {Markdown, "[x](y)"},
		{Markdown, `\\[x](y)`}, {HTML, "<img src=evil>"}, {SVG, `<g class="" onload="evil()">`}, {HTML, "<script>evil()"},
	} {
		if Faults(c.kind, c.text) == nil {
			t.Errorf("kind %d: nothing found in %q", c.kind, c.text)
		}
	}
	for _, text := range Texts {
		for kind, out := range map[Kind]string{Terminal: safetext.Line(text), CSV: "", Markdown: "| " + safetext.Markdown(text) + " |\n| --- |\n"} {
			if kind == CSV {
				out = csvField(safetext.Cell(text))
			}
			if f := Faults(kind, out); f != nil {
				t.Errorf("kind %d, %q: %v", kind, text, f)
			}
		}
	}
}

func csvField(s string) string {
	out := `"`
	for _, r := range s {
		if r == '"' {
			out += `"`
		}
		out += string(r)
	}
	return out + `"`
}

// TestSay: no argument makes a line of its own.
func TestSay(t *testing.T) {
	for _, text := range Texts {
		var b strings.Builder
		safetext.Say(&b, "%s %v %v %d\n", text, errors.New(text), []string{text}, 1)
		if f := Faults(Terminal, b.String()); f != nil || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("%q: %q", text, f)
		}
	}
}
