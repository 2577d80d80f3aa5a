// Package hostile has texts that strangers could put where their text enters, and looks
// for them in what a program shows: for tests of everything that prints.
//
// Contract: Faults knows nothing of package safetext. An output without faults steers no
// terminal, forges no line, starts no formula, leaves no cell of Markdown, adds no markup
// to a page and shows no password.
package hostile

import (
	"encoding/csv"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Texts are texts of strangers: for names, keys, messages, replies.
var Texts = []string{
	"\x1b[2J\x1b[31mred\x1b[0m", "\x1b]8;;http://evil/\x1b\\link\x1b]8;;\x1b\\", "\x1b]0;title\a", "bell\abell", "back\b\b\b\bspace",
	"over\rFORGED", "line\nFORGED", "\nFORGED: first", "next\u0085FORGED", "sep\u2028FORGED", "\u202eright\u2066to\u2067left", "c1\u009b31m",
	"\x7f\x00nul",
	"\u200binvisible\ufeff", "tag\U000e0041", "bad\xff\xfeutf", "=1+cmd|' /C calc'!A0", "+1+2", "-2+3", "@SUM(1)", "\t=1+2", "\r=1+2",
	"a|b", "| a | b |", "`code`", "```\nFORGED", "*bold* _it_", "[x](javascript:evil())", "![x](http://evil/a.png)",
	"<script>evil()</script>", "</script><script>evil()</script>", "</style><img src=evil onerror=evil()>", "</pre></title><iframe src=evil>",
	"--><b>evil</b>", "]]><b>evil</b>", `" onload="evil()`, "' onload='evil()", "&lt;b&gt;", "{{.}}", "%s%d%!", `back\slash`, `\`,
	"https://user:hunter2@evil/v1?api_key=hunter3&x=1", "../../../etc/x", strings.Repeat("long ", 100),
}

// Names are those of the texts that can be the name of a file.
func Names() (out []string) {
	for _, t := range Texts {
		if !strings.ContainsAny(t, "/\x00") && len(t) < 200 {
			out = append(out, t)
		}
	}
	return out
}

// Kind is what an output is.
type Kind int

// The kinds of outputs.
const (
	Terminal Kind = iota
	CSV
	Markdown
	HTML
	SVG
	JSON
)

// Faults lists what an output must not hold.
func Faults(kind Kind, out string) (faults []string) {
	bad := func(format string, args ...any) {
		if len(faults) < 5 {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	for i, r := range out {
		_, n := utf8.DecodeRuneInString(out[i:])
		if r == utf8.RuneError && n == 1 || r != '\n' && r != '\t' &&
			(unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			bad("%U in %q", r, around(out, i))
		}
	}
	for _, secret := range []string{"hunter2", "hunter3"} {
		if i := strings.Index(out, secret); i >= 0 {
			bad("a password in %q", around(out, i))
		}
	}
	if kind != HTML && kind != SVG {
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "FORGED") {
				bad("a forged line: %q", line)
			}
		}
	}
	switch kind {
	case CSV:
		sheet(out, bad)
	case Markdown:
		document(out, bad)
	case HTML, SVG:
		if i := strings.Index(out, "<script>evil"); i >= 0 {
			bad("a script: %q", around(out, i))
		}
		out = script.ReplaceAllString(out, "")
		for _, markup := range []string{"<script", "<img", "<iframe", "<b>evil", `" onload`, "' onload"} {
			if i := strings.Index(out, markup); i >= 0 {
				bad("markup: %q", around(out, i))
			}
		}
	}
	return faults
}

// sheet looks at every cell as a spreadsheet does.
func sheet(out string, bad func(string, ...any)) {
	r := csv.NewReader(strings.NewReader(out))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		bad("%v", err)
	}
	for _, row := range rows {
		for _, cell := range row {
			text := strings.TrimLeft(cell, " \t\r\n")
			if text == "" || text == "-" || !strings.ContainsRune("=+-@", rune(text[0])) {
				continue
			}
			if _, err := strconv.ParseFloat(text, 64); err != nil {
				bad("a formula: %q", cell)
			}
		}
	}
}

// document looks at tables, links and markup.
func document(out string, bad func(string, ...any)) {
	columns := 0
	for line := range strings.Lines(out) {
		n := 0
		for i := range len(line) {
			slashes := 0
			for j := i - 1; j >= 0 && line[j] == '\\'; j-- {
				slashes++
			}
			open := slashes%2 == 0
			if open && line[i] == '|' {
				n++
			}
			if open && (line[i] == '<' && i+1 < len(line) && line[i+1] != '!' || line[i] == '[' && strings.Contains(line[i:], "](")) {
				bad("markup: %q", line)
			}
		}
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		if columns > 0 && n != columns {
			bad("%d cells where there were %d: %q", n-1, columns-1, line)
		}
		columns = n
	}
}

// script is a whole script of a page; what stands in it cannot be markup.
var script = regexp.MustCompile(`(?s)<script>.*?</script>`)

func around(text string, at int) string { return text[max(0, at-30):min(len(text), at+40)] }
