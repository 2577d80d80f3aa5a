package bfcl

import (
	"regexp"
	"strconv"
	"time"

	"ballast/value"
	"ballast/world/python"
)

// The two formats of dates, as regular expressions after Python's _strptime;
// alternatives are tried in its order.
var (
	dayPattern    = regexp.MustCompile(`^(\p{Nd}{4})-(1[0-2]|0[1-9]|[1-9])-(3[0-1]|[1-2]\p{Nd}|0[1-9]|[1-9]| [1-9])`)
	secondPattern = regexp.MustCompile(dayPattern.String() +
		`[\s\x0b\x1c-\x1f\x{85}\p{Z}]+(2[0-3]|[0-1]\p{Nd}|\p{Nd}):([0-5]\p{Nd}|\p{Nd}):(6[0-1]|[0-5]\p{Nd}|\p{Nd})`)
)

const (
	dayFormat    = "%Y-%m-%d"
	secondFormat = "%Y-%m-%d %H:%M:%S"
)

// parseTime is datetime.strptime(v, format) for the two formats.
func parseTime(v any, format string) time.Time {
	s, ok := v.(string)
	if !ok {
		name := value.TypeName(v)
		if v == nil {
			name = "None" // the C code's own way
		}
		python.Raise(python.TypeError, "strptime() argument 1 must be str, not %s", name)
	}
	pattern := secondPattern
	if format == dayFormat {
		if t, ok := plainDay(s); ok {
			return t
		}
		pattern = dayPattern
	}
	m := pattern.FindStringSubmatch(s)
	if m == nil {
		python.Raise(python.ValueError, "time data %s does not match format '%s'", value.Repr(s), format)
	}
	if rest := s[len(m[0]):]; rest != "" {
		python.Raise(python.ValueError, "unconverted data remains: %s", rest)
	}
	var parts [6]int
	for i, text := range m[1:] {
		parts[i], _ = strconv.Atoi(asciiDigits(python.Strip(text)))
	}
	year, month, day := parts[0], time.Month(parts[1]), parts[2]
	t := time.Date(year, month, day, parts[3], parts[4], parts[5], 0, time.UTC)
	switch {
	case year < 1:
		python.Raise(python.ValueError, "year %d is out of range", year)
	case time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Month() != month:
		python.Raise(python.ValueError, "day is out of range for month")
	case parts[5] > 59:
		python.Raise(python.ValueError, "second must be in 0..59")
	}
	return t
}

// plainDay reads YYYY-MM-DD, as nearly all dates are written.
func plainDay(s string) (t time.Time, ok bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return t, false
	}
	var parts [3]int
	for i, digits := range [...]string{s[:4], s[5:7], s[8:]} {
		for _, c := range []byte(digits) {
			if c < '0' || c > '9' {
				return t, false
			}
			parts[i] = 10*parts[i] + int(c-'0')
		}
	}
	t = time.Date(parts[0], time.Month(parts[1]), parts[2], 0, 0, 0, 0, time.UTC)
	return t, parts[0] > 0 && t.Month() == time.Month(parts[1]) && t.Day() == parts[2]
}
