package safetext

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// secretNames are parts of the names of query parameters that carry secrets.
const secretNames = `key|token|secret|passw|signature|sig$|auth|credential`

var secretParam = regexp.MustCompile(`(?i)` + secretNames)

// URL is an address without what is secret in it: a password, or a name without one,
// and the values of query parameters that are named like secrets.
func URL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(an address that cannot be read)"
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), "xxxxx")
		} else {
			u.User = url.User("xxxxx")
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

// Secret says whether an address holds something secret that URL would hide.
func Secret(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return strings.Contains(address, "@")
	}
	for name := range u.Query() {
		if secretParam.MatchString(name) {
			return true
		}
	}
	return u.User != nil
}

// The addresses in a text, and what is secret in one; & may stand there as JSON writes it.
var (
	address      = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>]+`)
	userinfo     = regexp.MustCompile(`://[^/\s?#\\]*@`)
	secretValues = regexp.MustCompile(`(?i)((?:[?&;]|\\u0026|&amp;)[^=&;#\\]*(?:` + strings.Replace(secretNames, "sig$", "sig", 1) + `)[^=&;#\\]*=)[^&;#\\]+`)
)

// Addresses hides in a text what is secret in the addresses that stand in it.
func Addresses(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	return address.ReplaceAllStringFunc(text, func(a string) string {
		a = userinfo.ReplaceAllStringFunc(a, func(u string) string {
			if name, _, ok := strings.Cut(u[len("://"):len(u)-1], ":"); ok {
				return "://" + name + ":xxxxx@"
			}
			return "://xxxxx@"
		})
		return secretValues.ReplaceAllString(a, "${1}xxxxx")
	})
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
