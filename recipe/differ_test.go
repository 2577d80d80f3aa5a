package recipe

import (
	"strings"
	"testing"
)

func TestDiffers(t *testing.T) {
	a, err := New("grpo")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := New("grpo")
	if d := a.Differs(&b); len(d) != 0 {
		t.Error(d)
	}
	for _, pair := range []string{"rl.lr=0.5", "seed=7", "phases=[{rl: 3}]", "tasks.level={turns: 2}"} {
		if err := b.Set(pair); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.Join(a.Differs(&b), "; ")
	for _, want := range []string{"and not 0.5", "seed is 1 and not 7", "phases is [map[", "tasks.level.turns is not set and not 2"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}
