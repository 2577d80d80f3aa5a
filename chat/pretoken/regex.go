package pretoken

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// Stuck is a regular expression that does not come to an end: regexp2 backtracks,
// and some expressions do so without a bound.
type Stuck struct {
	Pattern string
	Bytes   int // of the text
}

// Error names the expression.
func (s *Stuck) Error() string {
	return fmt.Sprintf("the tokenizer's pattern %.200q does not come to an end on a text of %d bytes: it backtracks without a bound; "+
		"take another tokenizer.json", s.Pattern, s.Bytes)
}

// Failure is a conversation that cannot be written, where the writer answers with no error.
type Failure struct {
	Err     error
	Passing bool // it is of this machine at this time, and not of the conversation
}

// Recover, deferred, makes the panic of a Splitter whose pattern is stuck, and one with
// a *Failure, an error. Any other panic goes on.
func Recover(err *error) {
	switch p := recover().(type) {
	case nil:
	case *Stuck:
		*err = p
	case *Failure:
		*err = p.Err
	default:
		panic(p)
	}
}

// The time that one match may take in a short text and in a longer one, where an
// expression that is only slow, quadratic say, takes its time; and all matches of a
// text beyond a millisecond a byte.
const (
	shortText  = 1 << 10 // bytes
	shortLimit = time.Second
	longLimit  = 20 * time.Second
	textLimit  = 20 * time.Second
)

// maxPattern bounds an expression's length, which the compiler's recursion follows.
const maxPattern = 8 << 10

// findRegex finds the matches of a regular expression. An expression that does not
// come to an end on the texts of probes is an error; one that does so later, on a
// text, is a panic with a *Stuck, see Recover.
func findRegex(pattern string) (finder, error) {
	short, err := compile(pattern)
	if err != nil {
		return nil, err
	}
	if err := probe(short); err != nil {
		return nil, err
	}
	long, err := compile(pattern)
	if err != nil {
		return nil, err
	}
	short.MatchTimeout, long.MatchTimeout = shortLimit, longLimit
	return func(s string) []span {
		re := long
		if len(s) <= shortText {
			re = short
		}
		found, err := matches(re, s, textLimit+time.Duration(len(s))*time.Millisecond)
		if err != nil {
			panic(err)
		}
		return found
	}, nil
}

// tick makes regexp2's clock finer than its tenth of a second. It runs only while
// there are matches.
var tick = sync.OnceFunc(func() { regexp2.SetTimeoutCheckPeriod(10 * time.Millisecond) })

func compile(pattern string) (re *regexp2.Regexp, err error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("a pattern of %d bytes, more than %d", len(pattern), maxPattern)
	}
	tick()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return regexp2.Compile(pattern, regexp2.None)
}

// matches finds all matches in s within a time.
func matches(re *regexp2.Regexp, s string, limit time.Duration) (found []span, err *Stuck) {
	stuck := &Stuck{re.String(), len(s)}
	// Matches count in characters: walk the bytes along.
	at, char := 0, 0
	byteOf := func(index int) int {
		for ; char < index; char++ {
			_, n := utf8.DecodeRuneInString(s[at:])
			at += n
		}
		return at
	}
	start, took := time.Now(), time.Duration(0)
	m, e := again(func() (*regexp2.Match, error) { return re.FindStringMatch(s) })
	for ; m != nil; m, e = again(func() (*regexp2.Match, error) { return re.FindNextMatch(m) }) {
		begin := byteOf(m.Index)
		found = append(found, span{begin, byteOf(m.Index + m.Length)})
		if len(found)%64 == 0 {
			now := time.Now()
			took += min(now.Sub(start), time.Second) // the process may have been stopped
			if start = now; took > limit {
				return nil, stuck
			}
		}
	}
	if e != nil {
		return nil, stuck
	}
	return found, nil
}

// again tries three times: on a busy machine, or where the process was stopped for a
// while, a match may be late once and is not stuck.
func again(f func() (*regexp2.Match, error)) (m *regexp2.Match, err error) {
	for range 3 {
		if m, err = f(); err == nil {
			break
		}
	}
	return m, err
}

// probe tries an expression on short texts made of its own characters and of one of
// every kind, in runs and in turns, with an end that does not fit: there an expression
// that backtracks without a bound takes longer than the world is old, and any other
// microseconds, so that a busy machine accuses none.
func probe(re *regexp2.Regexp) error {
	re.MatchTimeout = 100 * time.Millisecond
	for _, text := range probes(re.String()) {
		if _, err := matches(re, text, textLimit); err != nil {
			return err
		}
	}
	return nil
}

// probes are the texts that an expression is tried on.
func probes(pattern string) []string {
	letters := []rune{'a', ' ', '1', '\n', '!', 'A', 'é', '中', '\u0301'}
	for _, r := range pattern {
		if !strings.ContainsRune(`\[](){}?*+|^$.`, r) && !slices.Contains(letters, r) && len(letters) < 32 {
			letters = append(letters, r)
		}
	}
	var out []string
	for i, a := range letters {
		for _, end := range []string{"", "\x00", "!"} {
			out = append(out, strings.Repeat(string(a), 40)+end)
		}
		for _, b := range letters[:i] {
			out = append(out, strings.Repeat(string(a)+string(b), 24)+"\x00")
		}
	}
	return out
}
