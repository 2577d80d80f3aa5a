package recipe

import (
	"strings"
	"testing"
)

// TestEngineSection: the default engine is not in a resolved recipe; another one is, as it was set.
func TestEngineSection(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"", ""},
		{"engine.kind=cpu", ""},
		{"engine={kind: xla, address: cuda, options: [notf32]}", "engine:\n  kind: xla\n  address: cuda\n  options:\n  - notf32\n"},
		{"engine={kind: tinker, samplers: 'http://a:1,vllm=http://b:2 http://c'}",
			"engine:\n  kind: tinker\n  samplers:\n  - http://a:1\n  - vllm=http://b:2\n  - http://c\n"},
		{"engine={kind: tinker, samplers: ['http://a:1', 'http://b:2'], requests: 7}",
			"engine:\n  kind: tinker\n  samplers:\n  - http://a:1\n  - http://b:2\n  requests: 7\n"},
		{"engine.samplers=http://a:1", "engine:\n  samplers: http://a:1\n"},
		{"engine={kind: cpu, precision: float32}", "engine:\n  kind: cpu\n  precision: float32\n"}, // for engine.Check to refuse
	} {
		r, err := New("grpo")
		if err != nil {
			t.Fatal(err)
		}
		if c.set != "" {
			if err := r.Set(c.set); err != nil {
				t.Fatal(err)
			}
		}
		r.Settle()
		got := string(r.YAML())
		if strings.Contains(got, "engine:") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: the recipe is\n%s", c.set, got)
		}
		if again, err := Read("recipe.yaml", []byte(got)); err != nil || string(again.YAML()) != got {
			t.Errorf("%s: it is read as\n%s, %v", c.set, again.YAML(), err)
		}
	}
}

func TestRefers(t *testing.T) {
	for set, want := range map[string]string{
		"rl.kl=0.1":                          "rl.kl",
		"rl.kl=0":                            "",
		"phases=[{rl: 1, with: {rl.kl: 0}}]": "",
		"phases=[{sft: gold}]":               "",
		"rl={kl: 0, signals: {control: {}}}": "rl.signals",
	} {
		r, _ := New("grpo")
		if err := r.Set(set); err != nil {
			t.Fatal(err)
		}
		if got := r.Refers(); got != want {
			t.Errorf("%s: %q, want %q", set, got, want)
		}
	}
}
