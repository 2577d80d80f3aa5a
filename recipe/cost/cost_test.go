package cost

import (
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"ballast/recipe"
	"ballast/recipe/models"
)

// TestDryRunOfTheLargest: the largest value of every range gives an error or a dry run
// in bounded time and memory.
func TestDryRunOfTheLargest(t *testing.T) {
	if testing.Short() {
		t.Skip("loads the model for each")
	}
	for _, pair := range []string{
		"rl.prompts=65536", "rl.rollouts=16", "budget.episode=16777216", "budget.steps=1000000", "sft.epochs=100000", "sft.updates=10000000", "sft.batch=65536",
		"keep.eval=10000000", "adam.clip=1e9", "seed=18446744073709551615", "phases[0].rl.kl=1e6", "guard.times=10000000",
	} {
		r, err := recipe.New("quickstart")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Set(pair); err != nil {
			t.Errorf("%s: %v", pair, err)
			continue
		}
		r.Settle()
		if err := r.Check(); err != nil {
			t.Errorf("%s: %v", pair, err)
			continue
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		err = Print(t.Context(), io.Discard, io.Discard, &models.Finder{Warn: func(string, []string) {}}, &r, "cpu")
		runtime.ReadMemStats(&after)
		if took, n := time.Since(start), after.TotalAlloc-before.TotalAlloc; took > 10*time.Second || n > 1<<30 {
			t.Errorf("%s: %v, %d MB: %v", pair, took, n>>20, err)
		}
	}
}

// TestUpdates: the dry run counts the updates and episodes of the recipe.
func TestUpdates(t *testing.T) {
	r, err := recipe.New("grpo")
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range []string{"phases=[{rl: 7}]", "rl.prompts=3", "rl.rollouts=4", "tasks.count=6", "tasks.test=2"} {
		if err := r.Set(pair); err != nil {
			t.Fatal(err)
		}
	}
	r.Settle()
	var b strings.Builder
	find := models.Finder{Warn: func(string, []string) {}}
	if err := Print(t.Context(), &b, io.Discard, &find, &r, "the one of this test"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# updates           7\n", "rl, 7 updates of 12 episodes", "# training tasks    6;", "# engine            the one of this test\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestElsewhere: where a server has the weights, nothing is said of the memory and the time of this machine.
func TestElsewhere(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		r, err := recipe.New("quickstart")
		if err != nil {
			t.Fatal(err)
		}
		r.Settle()
		find := models.Finder{Warn: func(string, []string) {}, Elsewhere: func(*recipe.Recipe) bool { return elsewhere }}
		var b strings.Builder
		if err := Print(t.Context(), &b, io.Discard, &find, &r, "E"); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"built-in engine", "cores here", "GOMEMLIMIT"} {
			if strings.Contains(b.String(), text) == elsewhere {
				t.Errorf("elsewhere %v, %q:\n%s", elsewhere, text, b.String())
			}
		}
		if strings.Contains(b.String(), "the server's, which is not known here") != elsewhere || !strings.Contains(b.String(), "operations an update") {
			t.Errorf("elsewhere %v:\n%s", elsewhere, b.String())
		}
	}
}
