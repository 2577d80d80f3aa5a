// Package pretoken prepares text for a byte-pair-encoding model as Hugging
// Face's `tokenizers` does: it repairs UTF-8, normalises, and splits text into
// the pieces inside which merges happen.
//
// Contract: the Splitters of the patterns with a scanner are equal to the regular
// expressions in the reference's engine (Unicode 16); any other pattern runs on
// regexp2 with Go's Unicode 15, which knows neither younger letters nor that the
// long s (U+017F) is an s when case is ignored. A pattern that does not compile,
// or does not come to an end on texts of probe, is an error of NewSplit; one that
// gets stuck on a text later is a panic with a *Stuck, see Recover. Nothing else
// fails at run time.
package pretoken

import (
	"strings"
	"unicode/utf8"
)

// Splitter hands the pieces of s over in order; none is empty.
type Splitter func(s string, emit func(string))

// GPT2 splits by the pattern of GPT-2, which ByteLevel has built in.
func GPT2(s string, emit func(string)) { scanSplit(scanGPT2)(s, emit) }

// scanSplit splits by a scanner.
func scanSplit(end scanner) Splitter {
	return func(s string, emit func(string)) {
		for i := 0; i < len(s); {
			j := end(s, i)
			emit(s[i:j])
			i = j
		}
	}
}

// PrefixSpace puts a space before a text that has none (add_prefix_space).
func PrefixSpace(s string, emit func(string)) {
	if s != "" && s[0] != ' ' {
		s = " " + s
	}
	emit(s)
}

// Digits parts numeric characters from the rest: each on its own, or in runs.
func Digits(each bool) Splitter {
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

// span is the byte range [Start, End) of a text.
type span struct{ Start, End int }

// finder gives the matches of a pattern, in order.
type finder func(s string) []span

// findString finds a fixed string.
func findString(pattern string) finder {
	return func(s string) (found []span) {
		for i := 0; pattern != ""; {
			n := strings.Index(s[i:], pattern)
			if n < 0 {
				break
			}
			found = append(found, span{i + n, i + n + len(pattern)})
			i += n + len(pattern)
		}
		return found
	}
}

// stretch is a match of a pattern or what lies between two.
type stretch struct {
	span
	match bool
}

// stretches covers s by the matches and what lies between them.
func stretches(s string, found []span, invert bool) []stretch {
	var all []stretch
	at := 0
	for _, m := range found {
		if at < m.Start {
			all = append(all, stretch{span{at, m.Start}, invert})
		}
		all = append(all, stretch{m, !invert})
		at = m.End
	}
	if at < len(s) {
		all = append(all, stretch{span{at, len(s)}, invert})
	}
	return all
}

// findSplit splits by the matches of find: behavior says what becomes of them,
// in the words of tokenizer.json; invert swaps matches and the rest.
func findSplit(find finder, behavior string, invert bool) Splitter {
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

// Behaviors are what can become of the matches of a pattern.
var Behaviors = []string{"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"}

// NewSplit splits by a regular expression, or by a fixed string where regex is
// empty: by a scanner if the pattern has one, otherwise by regexp2. behavior is
// one of Behaviors; invert swaps matches and the rest.
func NewSplit(regex, fixed, behavior string, invert bool) (Splitter, error) {
	if regex == "" {
		return findSplit(findString(fixed), behavior, invert), nil
	}
	// The known patterns match everything, so that the matches are the pieces,
	// whether they are kept or the nothing between them is removed.
	if scan := scanners[regex]; scan != nil && (behavior == "Isolated" || behavior == "Removed" && invert) {
		return scanSplit(scan), nil
	}
	find, err := findRegex(regex)
	if err != nil {
		return nil, err
	}
	return findSplit(find, behavior, invert), nil
}
