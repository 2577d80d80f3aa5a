package recipe

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/recipe/strict"
)

// TestFormer: the recipe that the version before resolved for every method is read as what
// this version resolves.
func TestFormer(t *testing.T) {
	for _, m := range All {
		path := filepath.Join("testdata", "former", m.Name+".yaml")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Read(path, text)
		if err != nil {
			t.Fatal(err)
		}
		want, err := New(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		want.Settle()
		if err := errors.Join(r.Check(), want.Check()); err != nil {
			t.Error(m.Name, err)
		}
		if string(r.YAML()) != string(want.YAML()) {
			t.Errorf("%s is read as\n%swant\n%s", path, r.YAML(), want.YAML())
		}
		if fmt.Sprint(Shown(text)) != fmt.Sprint(Shown(want.YAML())) || Shown(text) == nil {
			t.Errorf("%s shows %v, want %v", path, Shown(text), Shown(want.YAML()))
		}
		// What does not show is read as its default too: a guard may come to need it.
		for i, f := range strict.Fields(&want) {
			got := strict.Fields(&r)[i]
			if f.Key != "phases" && !f.Unset() && want.Unread(f.Key) == "" && fmt.Sprint(got.Value) != fmt.Sprint(f.Value) {
				t.Errorf("%s: %s is %v, want %v", m.Name, f.Key, got.Value, f.Value)
			}
		}
	}
}

// TestFormerKeys: what a setting of the version before says is done, or refused in a sentence.
func TestFormerKeys(t *testing.T) {
	for _, c := range []struct {
		text, want, why string // want: of the recipe, why: of the error
	}{
		{"rl: {temperature: 1.0, lr: 1e-6}", "lr: 1e-06", ""},
		{"rl: {temperature: 0.7}", "", "rl.temperature: 0.7: it is always 1 now: take it out, or use the version before"},
		{"rl: {clip: {dual: 3}}", "high: 0.2", ""},
		{"rl: {clip: {low: 0.1, dual: 3}}", "low: 0.1", ""},
		{"rl: {clip: {dual: 0}}", "", "rl.clip.dual: 0: it is always 3"},
		{"adam: {beta1: 0.9, eps: 1e-08}", "beta2", ""},
		{"adam: {beta1: 0.95}", "", "adam.beta1: 0.95: it is always 0.9"},
		{"adam: {eps: 1e-6}", "", "adam.eps: 1e-6: it is always 1e-08"},
		{"sft: {schedule: constant}", "", "sft.schedule: constant: it is always cosine"},
		{"phases: [{rl: 1, with: {rl.temperature: 0.5}}]", "", "rl.temperature: 0.5"},
		{"methods: {prs: {sft: {schedule: cosine, epochs: 7}}}", "epochs: 7", ""},
		{"phases: [{rl: 1}, {sft: failed+reflections, reset: none}, {rl: 2, reset: all}]",
			"phases:\n- rl: 1\n- sft:\n  - failed\n  - reflections\n  reset: []\n- rl: 2\n", ""},
		{"phases: [{rl: 1}, {sft: gold, reset: optimizer}]", "- sft: gold\n  reset: optimizer\n", ""},
		{"tasks: {eval: valid, test: 7}", "test: 7", ""},
		{"tasks: {set: bfcl, eval: test}", "set: bfcl", ""},
		{"tasks: {eval: test}", "", "tasks.eval: test: evaluations of set desk are always on split valid now: take it out"},
		{"chat: {template: ./my.jinja}", "jinja: ./my.jinja\n", ""},
		{"chat: {template: chatml}", "template: chatml\n", ""},
		{"judge: {kind: endpoint, url: 'http://x', model: m}", "judge:\n  url: http://x\n  model: m\n  concurrency: 8\n", ""},
		{"judge: {kind: oracle}", "patience", ""},
		{"quirks: [append-end]", "faults:\n- append-end\n", ""},
		{"quirks: [append-end]\nfaults: [drop-state]", "", "quirks: [append-end]: it is faults now, which is given too: give that alone"},
		{"chat: {template: a.jinja, jinja: b.jinja}", "", "chat.template: a.jinja: it is chat.jinja now, which is given too"},
		{"judge: {kind: endpoint}", "", "judge.kind: endpoint: the judge is an endpoint where judge.url"},
		{"judge: {kind: oracle, url: 'http://x', model: m}", "", "judge.kind: oracle"},
	} {
		r, err := New("prs")
		if err != nil {
			t.Fatal(err)
		}
		err = r.Apply("old.yaml", []byte(c.text))
		if err == nil {
			err = r.Check()
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a sentence: %v", c.text, err)
		}
		says(t, c.text, err, c.why)
		if c.why == "" && !strings.Contains(string(r.YAML()), c.want) {
			t.Errorf("%s: lacks %q:\n%s", c.text, c.want, r.YAML())
		}
	}
}

// TestPast: a run that this version cannot train on can be looked at and played, and is told
// apart from others.
func TestPast(t *testing.T) {
	text := []byte("method: grpo\ntasks: {set: desk, eval: test, test: 7}\nadam: {beta1: 0.5}\nphases: [{rl: 1}]\n")
	_, err := Read("old.yaml", text)
	says(t, "read", err, "is always")
	r, left, err := Past("old.yaml", text)
	if err != nil || r.Tasks.Test != 7 || len(left) != 2 || left["tasks.eval"] != "test" || fmt.Sprint(left["adam.beta1"]) != "0.5" {
		t.Errorf("%v %v %+v", err, left, r.Tasks)
	}
	all := leaves("", Shown(text))
	if all["tasks.eval"] != "test" || all["method"] != "grpo" || fmt.Sprint(all["adam.beta1"], all["adam.beta2"]) != "0.5 0.999" {
		t.Errorf("shown is %v", all)
	}
	_, _, err = Past("odd.yaml", []byte("alien: 1\n"))
	says(t, "alien", err, "alien")
}

// TestFormerPhases: the schedule in a checkpoint of the version before.
func TestFormerPhases(t *testing.T) {
	for text, want := range map[string]Phase{
		`{"RL":3,"SFT":"","Reset":"","With":null}`:               {RL: 3},
		`{"RL":3,"SFT":"","Reset":"all"}`:                        {RL: 3},
		`{"RL":0,"SFT":"failed+reflections","Reset":"none"}`:     {SFT: Names{"failed", "reflections"}, Reset: &Names{}},
		`{"RL":0,"SFT":"failed","Reset":"optimizer"}`:            {SFT: Names{"failed"}, Reset: &Names{ResetOptimizer}},
		`{"RL":0,"SFT":["failed","gold"],"Reset":["reference"]}`: {SFT: Names{"failed", "gold"}, Reset: &Names{ResetReference}},
	} {
		var p Phase
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		for range 2 { // as it is read, and read again
			got, r := p.SFT.String(), Recipe{Phases: []Phase{{}, p}}
			all := Recipe{Phases: []Phase{{}, want}}
			if p.RL != want.RL || got != want.SFT.String() || r.Resets(1).String() != all.Resets(1).String() {
				t.Errorf("%s: %+v, resets %v", text, p, r.Resets(1))
			}
			again, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			p = Phase{}
			if err := json.Unmarshal(again, &p); err != nil {
				t.Fatal(err)
			}
		}
	}
}
