package pretoken

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// pieces collects what a splitter gives.
func pieces(split Splitter, s string) (all []string) {
	split(s, func(p string) { all = append(all, p) })
	return all
}

// known are the patterns with a scanner, in words that regexp2 understands as
// the reference's engine does: there the long s is an s when case is ignored.
var known = map[string]string{
	gpt2Regex:   gpt2Regex,
	QwenRegex:   `'\u017f|` + QwenRegex,
	Llama3Regex: `'\u017f|` + Llama3Regex,
}

// FuzzScanners: each scanner gives the pieces of its regular expression.
func FuzzScanners(f *testing.F) {
	for _, s := range []string{
		"Hello, world's \".\n\n  x\t y 12345 \u00bd\u0661 I'LL '\u017f", "\r\n \r\n a", "  \u00a0\u3000x", "#a \u4f60\u597d, \U0001f600!\n\n", "''s'S'Re 'l 'd",
		"a\u0301 \u0301b", " \n\n\t.", "\u0085\u2028x", "\x00\x7f", "x  ", " ",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = Lossy(s)
		for _, r := range s {
			if lateLetters.has(r) || lateNumbers.has(r) {
				return // regexp2 has Go's Unicode
			}
		}
		for pattern, regex := range known {
			find, err := findRegex(regex)
			if err != nil {
				t.Fatal(err)
			}
			got, want := pieces(scanSplit(scanners[pattern]), s), pieces(findSplit(find, "Isolated", false), s)
			if !slices.Equal(got, want) || strings.Join(got, "") != s {
				t.Errorf("%s\non %q:\n got %q\nwant %q", pattern, s, got, want)
			}
		}
	})
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		regex, fixed, behavior string
		invert                 bool
		want                   string // pieces with | between
	}{
		{"[0-9]+", "", "Isolated", false, "a|12|b|3"},
		{"[0-9]+", "", "Removed", false, "a|b"},
		{"[0-9]+", "", "Removed", true, "12|3"},
		{"[0-9]", "", "MergedWithPrevious", false, "a1|2|b3"},
		{"[0-9]", "", "MergedWithNext", false, "a|1|2b|3"},
		{"[0-9]", "", "Contiguous", false, "a|12|b|3"},
		{"", "2", "Isolated", false, "a1|2|b3"},
		{"(?=[0-9])", "", "Isolated", false, "a|1|2b|3"},
	} {
		split, err := NewSplit(c.regex, c.fixed, c.behavior, c.invert)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(pieces(split, "a12b3"), "|"); got != c.want {
			t.Errorf("%q%q %s: %s, want %s", c.regex, c.fixed, c.behavior, got, c.want)
		}
	}
	if _, err := NewSplit("(", "", "Isolated", false); err == nil {
		t.Error("an open bracket compiles")
	}
}

func TestDigits(t *testing.T) {
	for each, want := range map[bool]string{true: "a|1|2|b|\u0663|\U00011de1", false: "a|12|b|\u0663\U00011de1"} {
		if got := strings.Join(pieces(Digits(each), "a12b\u0663\U00011de1"), "|"); got != want {
			t.Errorf("%t: %s", each, got)
		}
	}
}

// TestNFC: values from Hugging Face's normaliser (Unicode 9, no joiner in long runs).
func TestNFC(t *testing.T) {
	long := "a" + strings.Repeat("\u0323", 40)
	for in, want := range map[string]string{
		"":                        "",
		"e\u0301":                 "\u00e9",
		"q\u0307\u0323":           "q\u0323\u0307",
		"s\u0307\u0323x":          "\u1e69x",
		"\u1100\u1161\u11a8":      "\uac01",
		"\u0344":                  "\u0308\u0301",
		"\u212b\u0958":            "\u00c5\u0915\u093c",
		long:                      "\u1ea1" + long[3:],
		"a\u08d3\u0334":           "a\u08d3\u0334", // U+08D3 came with Unicode 11
		"\U00011935\U00011930":    "\U00011935\U00011930",
		"\U00011938\u0301\u0323a": "\U00011938\u0323\u0301a",
		"\u0301\u0323":            "\u0323\u0301",
	} {
		if got := NFC(in); got != want {
			t.Errorf("%+q: %+q, want %+q", in, got, want)
		}
	}
}

// FuzzNFC: equal to package norm where that has the same data, and idempotent.
func FuzzNFC(f *testing.F) {
	f.Add("e\u0301q\u0307\u0323\uac00\u11a8\u09c7\u09be")
	f.Fuzz(func(t *testing.T, s string) {
		s = Lossy(s)
		got := NFC(s)
		if again := NFC(got); again != got {
			t.Errorf("%+q: %+q, then %+q", s, got, again)
		}
		for _, r := range s {
			if lateMarks.has(r) {
				return
			}
		}
		if want := norm.NFC.String(s); got != want && !strings.Contains(want, "\u034f") {
			t.Errorf("%+q: %+q, want %+q", s, got, want)
		}
	})
}

// TestLossy: values from Python's bytes.decode("utf-8", "replace").
func TestLossy(t *testing.T) {
	for in, want := range map[string]int{
		"\xff": 1, "\xc3": 1, "\xe4\xbd": 1, "\xf0\x9f\x98": 1, "\xed\xa0\x80": 3, "\xc0\x80": 2, "\xf5\x80\x80\x80": 4,
		"\xe0\x80\x80": 3, "\xf4\x90\x80\x80": 4, "\xe4\xbd\xe4\xbd": 2, "\xf0\x90": 1, "\xf0\x80": 2, "\xe1\x80\xc3": 2,
	} {
		if got := Lossy("a" + in + "b"); got != "a"+strings.Repeat("\ufffd", want)+"b" || !utf8.ValidString(got) {
			t.Errorf("%x: %+q, want %d", in, got, want)
		}
	}
}
