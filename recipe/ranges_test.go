package recipe

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"ballast/recipe/strict"
)

// numbers lists the keys of all numeric settings.
func numbers() (keys []string) {
	for _, f := range strict.Fields(&Recipe{}) {
		if kind := strict.Kind(f.Value.Type()); kind == "number" || kind == "whole number" {
			keys = append(keys, f.Key)
		}
	}
	return keys
}

// extremes are values that no setting but the seed may have.
var extremes = []string{
	fmt.Sprint(math.MaxInt64), fmt.Sprint(math.MinInt64), fmt.Sprint(uint64(math.MaxUint64)), "-1", "1e308", "-1e308", "1.7e308", ".nan", ".inf", "-.inf",
	"1000000000000000000000000", "1" + strings.Repeat("0", 400), "4294967296", "0x7fffffffffffffff",
}

// signalNumbers are those of the signals.
var signalNumbers = []string{"rl.signals.gold.n", "rl.signals.hint.n", "rl.signals.control.kl", "rl.signals.mix.weight"}

// TestExtremeValues: every numeric setting, of the run and of a phase, with values out
// of all reason is an error that names the key, at once.
func TestExtremeValues(t *testing.T) {
	keys := append(numbers(), signalNumbers...)
	keys = append(keys, "tasks.level.mix", "phases[0].rl.kl", "phases[0].rl.prompts", "phases[0].rl.rollouts", "phases[0].rl.signals.mix.weight")
	for _, key := range keys {
		for _, value := range extremes {
			if key == "judge.tokens" && value == "4294967296" {
				continue // a budget of tokens may be that large
			}
			r, err := New("quickstart")
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			err = r.Set(key + "=" + value)
			if err == nil {
				r.Settle()
				err = r.Check()
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s=%.40s: %v", key, value, took)
			}
			name := key[strings.LastIndexByte(key, '.')+1:]
			if key == "seed" {
				continue
			}
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%.40s: %v", key, value, err)
			}
		}
	}
}

// TestProducts: settings that are each in range may not multiply to what is not.
func TestProducts(t *testing.T) {
	for _, pairs := range [][]string{
		{"rl.prompts=65536", "rl.rollouts=65536"},
		{"init.vocab=1048576", "init.hidden=65536"},
		{"init.layers=1024", "init.hidden=65536", "init.heads=64", "init.kv=64", "init.ffn=1048576"},
		{"phases=[{rl: 9000000}, {rl: 9000000}]"},
		{"phases=[" + strings.TrimSuffix(strings.Repeat("{rl: 1}, ", 2000), ", ") + "]"},
		{"phases[0].rl.prompts=65536", "phases[0].rl.rollouts=65536"},
	} {
		r, err := New("quickstart")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pairs {
			if err := r.Set(p); err != nil {
				t.Fatal(p, err)
			}
		}
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("%.60q: %v", pairs, err)
		}
	}
}

// TestMethodsAreInRange: the defaults of every method and the largest values that
// the documents show pass.
func TestMethodsAreInRange(t *testing.T) {
	for _, m := range All {
		r, err := New(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}

// FuzzRecipe: a file of settings, and one setting, of any text are errors or a recipe
// that can be written and read again.
func FuzzRecipe(f *testing.F) {
	for _, s := range []string{"rl: {lr: 1e-6}", "phases: [{rl: 3}, {sft: gold, with: {sft.lr: 1e-5}}]", "rl.kl=0.1", "phases[0].rl.kl=1", "methods: {quickstart: {seed: 4}}", "sft: {formats: [hermes, pythonic]}", "a: &a [1]\nb: *a", "tasks.level={mix: 2}",
		"phases: [{rl: 1, reset: none}, {sft: failed+gold}]", "chat.template=a.jinja", "rl: {temperature: 1, clip: {dual: 3}}", "judge: {kind: endpoint}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start := time.Now()
		for _, set := range []bool{false, true} {
			r, err := New("quickstart")
			if err != nil {
				t.Fatal(err)
			}
			if set {
				err = r.Set(text)
			} else {
				err = r.Apply("f", []byte(text))
			}
			if err != nil {
				continue
			}
			r.Settle()
			if r.Check() != nil {
				continue
			}
			again, err := New("quickstart")
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Apply("again", r.YAML()); err != nil {
				t.Errorf("the recipe cannot be read again: %v", err)
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%v", took)
		}
	})
}
