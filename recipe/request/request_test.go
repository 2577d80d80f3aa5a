package request

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/recipe"
)

// TestResolved: the recipe of a training command that a sweep gives is that of the flags.
func TestResolved(t *testing.T) {
	dir := t.TempDir()
	talks, config := filepath.Join(dir, "talks.jsonl"), filepath.Join(dir, "config.yaml")
	for path, text := range map[string]string{config: "seed: 9\n",
		talks: `{"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"good day"}]}` + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	f := Request{Model: "a/model", Dialogues: talks, Config: config, Set: []string{"sft.lr=0.5", "sft.batch=3"}}
	want, err := f.Recipe("sft")
	if err != nil {
		t.Fatal(err)
	}
	got, err := resolved(append([]string{"train", "sft", "--out", "x"}, f.Args()...))
	if err != nil {
		t.Fatal(err)
	}
	if d := want.Differs(&got); len(d) > 0 || got.SFT.File != talks || got.Seed != 9 || got.SFT.Batch != 3 {
		t.Errorf("%q: %s", d, got.YAML())
	}
	if _, err := resolved([]string{"train", "sft", "--what", "x"}); err == nil {
		t.Error("an unknown flag was passed over")
	}
}

// TestRoomy: a run has the budgets of its model, whoever names it, where nothing else says them.
func TestRoomy(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	for _, c := range []struct {
		model, config string
		set           []string
		reply         int
	}{
		{"", "seed: 1", nil, 64},
		{"embedded", "seed: 1", nil, 64},
		{"some/model", "seed: 1", nil, 64},
		{"embedded-reader", "seed: 1", nil, 96},
		{"", "model: embedded-reader", nil, 96},
		{"embedded", "model: embedded-reader", nil, 64},
		{"", "seed: 1", []string{"model=embedded-reader"}, 96},
		{"embedded-reader", "budget: {reply: 70}", nil, 70},
		{"embedded-reader", "seed: 1", []string{"budget.reply=71"}, 71},
	} {
		if err := os.WriteFile(config, []byte(c.config), 0o666); err != nil {
			t.Fatal(err)
		}
		q := Request{Model: c.model, Config: config, Set: c.set}
		if r, err := q.Recipe("grpo"); err != nil || r.Budget.Reply != c.reply || (r.Budget.Episode == 640) != (c.reply > 64) {
			t.Errorf("%+v: %+v, %v", c, r.Budget, err)
		}
	}
}

// TestUnread: what a run does not read is told, wherever it stands; a method that is none too.
func TestUnread(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	for _, c := range []struct{ method, config, set, want string }{
		{"grpo", "phases: [{rl: 1, with: {rl.lr: 0.5}}]", "", ""},
		{"grpo", "phases: [{rl: 1, with: {rl.lr: 0.5, sft.epochs: 4}}]", "",
			"phases[0].with: this run does not read phases[0].sft.epochs: phase 0: no phase is supervised"},
		{"grpo", "", "phases=[{rl: 1, with: {rl.loss: gspo, rl.aggregate: token-mean}}]", "phases[0].rl.aggregate: phase 0: rl.loss is gspo"},
		{"sft", "", "quirks=[append-end]", "this run does not read quirks: no phase is reinforcement"},
		{"sft", "", "faults=[append-end]", "this run does not read faults: no phase is reinforcement"},
		{"grpo", "# nothing\n", "", ""},
		{"grpo", "---\n---\nrl: {lr: 1}\n", "", "first document, before ---, is empty"},
		{"grpo", "methods: {sft: {sft: {lr: 1}}}", "", ""},
		{"grpo", "methods: {gpro: {rl: {lr: 1}}}", "", `methods.gpro: method "gpro" is not known; choose one of`},
	} {
		q := Request{Config: config}
		if err := os.WriteFile(config, []byte(c.config), 0o666); err != nil {
			t.Fatal(err)
		}
		if c.set != "" {
			q.Set = []string{c.set}
		}
		_, err := q.Recipe(c.method)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q --set %q: %v, want %q", c.method, c.config, c.set, err, c.want)
		}
	}
}

// TestResolvedAgain: a resolved recipe as the config file is that recipe, and sets nothing in vain.
func TestResolvedAgain(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	sets := [][]string{nil, {"tasks.level={calls: 2}", "chat.system=", "seed=18446744073709551615"},
		{"rl.loss=gspo", "rl.clip.low=3e-4", "rl.signals.dynamic.rounds=2", "faults=[drop-state]"}, {"guard.do=sft", "guard.rate=1e-7", "sft.updates=3"},
		{"rl.signals.mix.weight=0.25", "rl.signals.gold.n=2", "rl.signals.hint={n: 2, correct: true}", "rl.progress=0.5"},
		{"sft.formats=[xml, hermes]", "sft.turns=2"}, {"phases=[{rl: 2, with: {rl.lr: 1e-9}}, {sft: [failed, gold], reset: []}, {rl: 1, reset: reference}]"},
		{"judge={url: 'http://x', model: m, retries: 0, temperature: 0}", "judge.closing=true"},
		{"engine={kind: xla, address: cuda, options: [notf32]}", "model=init", "init.vocab=700"}}
	tried := 0
	for _, m := range recipe.All {
		for _, set := range sets {
			r, err := (&Request{Set: set}).Recipe(m.Name)
			if err != nil {
				continue // not of this method
			}
			tried++
			if err := os.WriteFile(config, r.YAML(), 0o666); err != nil {
				t.Fatal(err)
			}
			q := Request{Config: config}
			again, err := q.Recipe(m.Name)
			if err != nil || string(again.YAML()) != string(r.YAML()) || len(q.Aside) > 0 {
				t.Errorf("%s %q: %v %q\n%s became\n%s", m.Name, set, err, q.Aside, r.YAML(), again.YAML())
			}
		}
	}
	if tried < 4*len(recipe.All) {
		t.Errorf("only %d recipes were tried", tried)
	}
}
