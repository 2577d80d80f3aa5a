package endpoint

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"ballast/safetext"
)

// secrets are what must not be shown, and what must not be kept. A placeholder for a
// key, such as EMPTY, is a word that a model may write: a reply is rid only of what is
// long enough to be a key.
type secrets struct{ shown, kept []string }

// leastKept is the length of a key that is none of those placeholders.
const leastKept = 8

// secretsOf are the key and what an address holds of the kind.
func secretsOf(key string, u *url.URL) (s secrets) {
	add := func(text string) {
		if s.shown = append(s.shown, text); len(text) >= leastKept {
			s.kept = append(s.kept, text)
		}
	}
	add(key)
	if password, ok := u.User.Password(); ok {
		pair := u.User.Username() + ":" + password
		add(strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(pair)), "=")) // as the header has it
		add(password)
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if len(v) >= leastKept {
				s.shown = append(s.shown, v)
			}
		}
	}
	return s
}

// maxShown is how much of foreign text is looked at to show its beginning, and
// shownBytes how much that is.
const (
	maxShown   = 16 << 10
	shownBytes = 300
)

// clean is foreign text for a sentence: one line, harmless, without secrets. Callers
// give it maxShown bytes where there are as many: a secret that is cut in two at their
// end is not shown.
func (c *Client) clean(text string) string {
	text = cut(safetext.Redact(text, c.secret.shown...), maxShown/2)
	text = strings.Join(strings.Fields(text), " ")
	return safetext.Line(cut(text, shownBytes))
}

// cut is the first n bytes of text, up to a character's end.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// redacted is a reply without secrets.
func (c *Client) redacted(r Reply) Reply {
	hide := func(s *string) { *s = safetext.Redact(*s, c.secret.kept...) }
	hide(&r.Content)
	hide(&r.Refusal)
	for i := range r.Calls {
		hide(&r.Calls[i].ID)
		hide(&r.Calls[i].Name)
		hide(&r.Calls[i].Arguments)
	}
	return r
}
