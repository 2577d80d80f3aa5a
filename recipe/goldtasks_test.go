package recipe

import (
	"fmt"
	"strings"
	"testing"

	"ballast"
	"ballast/supervise"
)

// three are three training tasks, of one, two and three turns.
type three []ballast.Task

func (m three) Tasks() []ballast.Task                        { return m }
func (three) Failed(int, supervise.Rule) []supervise.Outcome { return nil }
func (three) Dialogues(path, tools string) ([]supervise.Dialogue, error) {
	return nil, fmt.Errorf("%s is read", path)
}

// TestGold: what gold a run may still write, by format and number of tasks.
func TestGold(t *testing.T) {
	var m three
	for i := range 3 {
		m = append(m, ballast.Task{ID: fmt.Sprint(i), Turns: make([]ballast.TaskTurn, i+1)})
	}
	for _, c := range []struct {
		method, set string
		at          int
		begun       bool
		want        string
	}{
		{"grpo", "", 0, false, ""},
		{"hbg", "", 0, false, ""},
		{"sft", "", 0, false, "hermes 3"},
		{"sft", "", 0, true, ""},
		{"sft", "", 1, false, ""},
		{"sft", "sft.per=turn\x00sft.turns=2", 0, false, "hermes 2"},
		{"sft", "sft.formats=[hermes, pythonic]", 0, false, "hermes 3, pythonic 3"},
		{"sft", "sft.formats=[pythonic]\x00phases=[{sft: gold, with: {sft.turns: 1}}, {sft: gold, with: {sft.formats: [toolace], sft.turns: 2}}]", 0, false,
			"pythonic 1, toolace 2"},
		{"sft", "phases=[{sft: gold, with: {sft.turns: 1}}, {sft: gold, with: {sft.turns: 2}}]", 0, true, "hermes 2"},
		{"sft", "sft.file=talks.jsonl\x00phases=[{sft: file}]", 0, false, ""},
		{"ops", "", 0, false, "hermes 3"},
		{"mix", "", 0, false, "hermes 3"},
		{"mix", "rl.signals.mix.formats=[pythonic]", 0, false, "pythonic 3"},
		{"mix", "rl.signals.mix.formats=[pythonic]\x00rl.signals.gold.n=1", 0, false, "hermes 3, pythonic 3"},
		{"ets", "", 0, false, "hermes 3"},
		{"grpo", "phases=[{rl: 1}, {sft: reflections}]", 0, false, ""},
		{"grpo", "phases=[{rl: 1}, {sft: failed}]\x00sft.turns=1", 0, false, "hermes 3"},
		{"grpo", "guard.do=sft\x00sft.formats=[pythonic]", 0, true, "pythonic 3"},
		{"grpo", "guard.do=sft", 1, false, ""},
		{"grpo", "judge.closing=true", 0, false, ""},
		{"sft", "judge.closing=true\x00sft.formats=[pythonic]\x00sft.turns=1", 0, false, "hermes 3, pythonic 1"},
		{"sft", "judge.closing=true\x00sft.formats=[pythonic]\x00sft.turns=1", 0, true, ""},
	} {
		r, err := New(c.method)
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range strings.Split(c.set, "\x00") {
			if pair == "" {
				continue
			}
			if err := r.Set(pair); err != nil {
				t.Fatal(err)
			}
		}
		list, err := r.Gold(m, c.at, c.begun)
		var got []string
		for _, w := range list {
			got = append(got, fmt.Sprint(w.Format, " ", len(w.Tasks)))
		}
		if text := strings.Join(got, ", "); err != nil || text != c.want {
			t.Errorf("%s %q from phase %d (begun: %t): %q, want %q: %v", c.method, c.set, c.at, c.begun, text, c.want, err)
		}
	}
}
