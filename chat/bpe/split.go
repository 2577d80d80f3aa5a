package bpe

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// splitter hands the pieces of s over in order; none is empty.
type splitter func(s string, emit func(string))

// scanSplit splits by a scanner.
func scanSplit(end scanner) splitter {
	return func(s string, emit func(string)) {
		for i := 0; i < len(s); {
			j := end(s, i)
			emit(s[i:j])
			i = j
		}
	}
}

// prefixSpace puts a space before a text that has none (add_prefix_space).
func prefixSpace(s string, emit func(string)) {
	if s != "" && s[0] != ' ' {
		s = " " + s
	}
	emit(s)
}

// digitSplit parts numeric characters from the rest: each on its own, or in runs.
func digitSplit(each bool) splitter {
	return func(s string, emit func(string)) {
		start, inside := 0, false // inside a run of numbers
		for i := 0; i < len(s); {
			c, j := classAt(s, i)
			is := c == number
			if c == other && s[i] >= utf8.RuneSelf {
				r, _ := utf8.DecodeRuneInString(s[i:])
				is = lateDigits.has(r)
			}
			if start < i && (is != inside || is && each) {
				emit(s[start:i])
				start = i
			}
			inside, i = is, j
		}
		if start < len(s) {
			emit(s[start:])
		}
	}
}

// finder gives the matches of a pattern, in order.
type finder func(s string) []Span

// findRegex finds the matches of a regular expression; an error of regexp2 while
// matching (none without a time limit) is a panic.
func findRegex(pattern string) (finder, error) {
	re, err := regexp2.Compile(pattern, regexp2.None)
	if err != nil {
		return nil, err
	}
	return func(s string) (found []Span) {
		// Matches count in characters: walk the bytes along.
		at, char := 0, 0
		byteOf := func(index int) int {
			for ; char < index; char++ {
				_, n := utf8.DecodeRuneInString(s[at:])
				at += n
			}
			return at
		}
		m, err := re.FindStringMatch(s)
		for ; m != nil; m, err = re.FindNextMatch(m) {
			start := byteOf(m.Index)
			found = append(found, Span{start, byteOf(m.Index + m.Length)})
		}
		if err != nil {
			panic(fmt.Sprintf("bpe: %q on %d bytes: %v", pattern, len(s), err))
		}
		return found
	}, nil
}

// findString finds a fixed string.
func findString(pattern string) finder {
	return func(s string) (found []Span) {
		for i := 0; pattern != ""; {
			n := strings.Index(s[i:], pattern)
			if n < 0 {
				break
			}
			found = append(found, Span{i + n, i + n + len(pattern)})
			i += n + len(pattern)
		}
		return found
	}
}

// stretch is a match of a pattern or what lies between two.
type stretch struct {
	Span
	match bool
}

// stretches covers s by the matches and what lies between them.
func stretches(s string, found []Span, invert bool) []stretch {
	var all []stretch
	at := 0
	for _, m := range found {
		if at < m.Start {
			all = append(all, stretch{Span{at, m.Start}, invert})
		}
		all = append(all, stretch{m, !invert})
		at = m.End
	}
	if at < len(s) {
		all = append(all, stretch{Span{at, len(s)}, invert})
	}
	return all
}

// findSplit splits by the matches of find: behavior says what becomes of them,
// in the words of tokenizer.json; invert swaps matches and the rest.
func findSplit(find finder, behavior string, invert bool) splitter {
	return func(s string, emit func(string)) {
		all := stretches(s, find(s), invert)
		var out []stretch
		for _, p := range all {
			n := len(out) - 1
			join := false // with the piece before
			switch behavior {
			case "Removed":
				if p.match {
					continue
				}
			case "Contiguous":
				join = n >= 0 && out[n].match == p.match
			case "MergedWithPrevious":
				join = n >= 0 && p.match && !out[n].match
			case "MergedWithNext":
				join = n >= 0 && !p.match && out[n].match
			}
			if join {
				out[n].End = p.End
				out[n].match = p.match
			} else {
				out = append(out, p)
			}
		}
		for _, p := range out {
			if p.Start < p.End {
				emit(s[p.Start:p.End])
			}
		}
	}
}
