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
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line writes text in one line: control characters, line breaks, invisible and
// direction-changing characters and broken UTF-8 are shown as escapes, such as \n,
// \x1b and \u202e.
func Line(text string) string { return escape(text, "") }

// Block is Line, but newlines and tabs stay.
func Block(text string) string { return escape(text, "\n\t") }

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
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

func clean(text, keep string) bool {
	for _, r := range text {
		if r == utf8.RuneError || !harmless(r) && !strings.ContainsRune(keep, r) {
			return false
		}
	}
	return true
}

// harmless says whether a rune only shows itself.
func harmless(r rune) bool {
	return unicode.IsPrint(r) || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Co, r)
}

// Terminal returns a writer that passes Block of what is written on to w. A rune that
// is cut between two writes is put together again; Flush of the last one is not needed
// for valid UTF-8.
func Terminal(w io.Writer) io.Writer { return &terminal{w: w} }

type terminal struct {
	w    io.Writer
	half []byte // the beginning of a rune
}

func (t *terminal) Write(p []byte) (int, error) {
	text := append(t.half, p...)
	end := len(text)
	for back := 1; back <= min(utf8.UTFMax-1, len(text)); back++ {
		if c := text[len(text)-back]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(text[len(text)-back:]) {
				end = len(text) - back
			}
			break
		}
	}
	t.half = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(t.w, Block(string(text[:end]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Cell is text as a field for CSV: in one line, and one that begins like a formula gets
// an apostrophe in front. Numbers stay numbers.
func Cell(text string) string {
	text = Line(text)
	trimmed := strings.TrimLeft(text, " ")
	if trimmed == "" || !strings.ContainsRune("=+-@", rune(trimmed[0])) {
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

// secretParam matches names of query parameters that carry secrets.
var secretParam = regexp.MustCompile(`(?i)key|token|secret|passw|signature|sig$|auth|credential`)

// URL is an address without what is secret in it: a password and the values of query
// parameters that are named like secrets.
func URL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(an address that cannot be read)"
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), "xxxxx")
		}
	}
	q := u.Query()
	changed := false
	for name := range q {
		if secretParam.MatchString(name) {
			q[name], changed = []string{"xxxxx"}, true
		}
	}
	if changed {
		u.RawQuery = q.Encode()
	}
	return Line(u.String())
}

// Redact replaces each secret that text contains, also as it stands in JSON and in a
// URL. Secrets under 4 bytes are left: they would be found everywhere.
func Redact(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		quoted := strconv.Quote(s)
		for _, form := range []string{s, quoted[1 : len(quoted)-1], url.QueryEscape(s), url.PathEscape(s)} {
			text = strings.ReplaceAll(text, form, "[secret]")
		}
	}
	return text
}
