package format

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestStill: calls are found where the automaton finds them byte by byte.
func TestStill(t *testing.T) {
	slow := Pythonic.(pythonic).bare
	slow.still = nil
	parts := []string{"[f(", "[g(a=", "'", `"`, `'''`, `"""`, `\`, "#", "\n", "(", ")", "[", "]", "{", "}",
		"x1", ", ", "text of some length", "é", ")]"}
	rng := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 20000 {
		var b strings.Builder
		for range rng.IntN(12) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		text := b.String()
		start, end := Pythonic.(pythonic).find(text)
		if s, e := slow.find(text); s != start || e != end {
			t.Fatalf("%q: %d to %d, byte by byte %d to %d", text, start, end, s, e)
		}
		if end > 0 {
			found++
		}
	}
	if found < 100 {
		t.Errorf("only %d texts have calls", found)
	}
}

// BenchmarkFind finds calls as models write them.
func BenchmarkFind(b *testing.B) {
	text := "[post_tweet(content='The quick report on the budget analysis', tags=['#finance', '#budget']), mv(a='x.txt', b=2)]"
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Pythonic.(pythonic).find(text)
	}
}
