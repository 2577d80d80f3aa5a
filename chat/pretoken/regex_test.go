package pretoken

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestPatternsThatNeverEnd: an expression that backtracks without a bound is an error
// that names it, within a second.
func TestPatternsThatNeverEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	for _, pattern := range []string{
		`([\s\S]+)+\u0001`, `(a+)+b`, `(\w+\s?)+$`, `^(([a-z])+.)+[A-Z]([a-z])+$`,
		`((((a*)*)*)*)*b`, `(ab|ba|a|b)+c`,
	} {
		start := time.Now()
		_, err := NewSplit(pattern, "", "Isolated", false)
		var stuck *Stuck
		if !errors.As(err, &stuck) || stuck.Pattern != pattern || !strings.Contains(err.Error(), "does not come to an end") {
			t.Errorf("%s: %v", pattern, err)
		}
		if took := time.Since(start); took > 10*time.Second { // 0.6 s on an idle machine
			t.Errorf("%s: %v", pattern, took)
		}
	}
}

// sane are expressions of tokenizers that have no scanner here.
var sane = []string{
	`[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`, `\p{N}{1,3}`, `\s+(?=[a-z])`, `\s+$`, `[一-龥぀-ゟ゠-ヿ]+`,
	"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
}

func TestSanePatternsPass(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	for _, pattern := range sane {
		start := time.Now()
		split, err := NewSplit(pattern, "", "Isolated", false)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%.30s: loaded in %v", pattern, time.Since(start))
		for _, text := range []string{strings.Repeat("a", 3_000), strings.Repeat(" \n", 1_500), strings.Repeat("x1 ,", 1_000)} {
			n := 0
			split(text, func(s string) { n += len(s) })
			if n != len(text) {
				t.Errorf("%.30s: %d of %d bytes", pattern, n, len(text))
			}
		}
	}
}

// TestStuckLater: an expression that passes the probes and gets stuck on a text is an
// error where Recover stands.
func TestStuckLater(t *testing.T) {
	re, err := compile(`<(q+)+>|<[^>]*>`)
	if err != nil {
		t.Fatal(err)
	}
	re.MatchTimeout = 100 * time.Millisecond
	encode := func() (err error) {
		defer Recover(&err)
		if _, err := matches(re, "<"+strings.Repeat("q", 60)+"!", time.Second); err != nil {
			panic(err)
		}
		return nil
	}
	var stuck *Stuck
	if err := encode(); !errors.As(err, &stuck) || len(err.Error()) > 400 {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Recover ate a panic that is not its own")
		}
	}()
	func() (err error) { defer Recover(&err); panic("other") }()
}

func BenchmarkRegex(b *testing.B) {
	split, err := NewSplit(sane[0], "", "Isolated", false)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("The quick brown fox, 1234 times; it's\n", 100)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		split(text, func(string) {})
	}
}
