// Package safetext prints text of strangers: names in files, replies of models, errors
// of servers.
//
// Contract: what comes out of Line, Block, Cell and Markdown cannot steer a terminal,
// start a formula in a spreadsheet, leave its cell, or carry a password of a URL. It is
// for reading; the bytes that were recorded are elsewhere.
package safetext

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line writes text in one line: control characters, line breaks, invisible and
// direction-changing characters and broken UTF-8 are shown as escapes, such as \n,
// \x1b and \u202e; what is secret in addresses is hidden.
func Line(text string) string { return escape(Addresses(text), "") }

// Block is Line, but newlines and tabs stay. JSON stays the JSON that it is: what may
// stand in it raw becomes its escapes.
func Block(text string) string { return escape(Addresses(text), "\n\t") }

// Indent is Block with a margin before every line but the first, so that no line of the
// text looks like one of its surroundings.
func Indent(text, margin string) string {
	return strings.ReplaceAll(Block(text), "\n", "\n"+margin)
}

// Say writes a format's lines to w. Texts among the arguments are shown as Line does, so
// that none of them looks like a line of its own.
func Say(w io.Writer, format string, args ...any) {
	for i, a := range args {
		switch a := a.(type) {
		case string:
			args[i] = Line(a)
		case error, []string, fmt.Stringer:
			args[i] = Line(fmt.Sprint(a))
		}
	}
	fmt.Fprintf(w, format, args...)
}

// Brief is a text of at most n bytes, and what was cut off as three dots. It cuts at a
// character's border; the text is not made safe.
func Brief(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "..."
}

func escape(text, keep string) string {
	if clean(text, keep) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case harmless(r) || strings.ContainsRune(keep, r):
			b.WriteString(text[i : i+n])
		case r < ' ':
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default: // as JSON writes it
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
		i += n
	}
	return b.String()
}

func clean(text, keep string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r == utf8.RuneError || !harmless(r) && !strings.ContainsRune(keep, r)
	})
}

// harmless says whether a rune only shows itself.
func harmless(r rune) bool {
	return unicode.IsPrint(r) || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Co, r)
}

// Cell is text as a field for CSV: in one line, and one that begins like a formula gets
// an apostrophe in front. Numbers stay numbers, and a dash alone a dash.
func Cell(text string) string {
	text = Line(text)
	trimmed := strings.TrimLeft(text, " ")
	if trimmed == "" || trimmed == "-" || !strings.ContainsRune("=+-@", rune(trimmed[0])) {
		return text
	}
	if _, err := strconv.ParseFloat(trimmed, 64); err == nil {
		return text
	}
	return "'" + text
}

// markdown escapes what Markdown, and HTML within it, takes for markup.
var markdown = strings.NewReplacer(`\`, `\\`, "`", "\\`", "|", `\|`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "~", `\~`, "#", `\#`)

// Markdown is text for a cell or a sentence of Markdown, without markup of its own.
func Markdown(text string) string { return markdown.Replace(Line(text)) }
