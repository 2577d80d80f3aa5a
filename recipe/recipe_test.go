package recipe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/supervise"
)

// method is a method's recipe with other phases.
func method(t *testing.T, name string, phases ...Phase) Recipe {
	t.Helper()
	r, err := New(name)
	if err != nil {
		t.Fatal(err)
	}
	r.Phases = phases
	return r
}

// TestSystem: an empty system text is one, and none is the model's own.
func TestSystem(t *testing.T) {
	r := method(t, "grpo")
	if r.Chat.System != nil || strings.Contains(string(r.YAML()), "system") {
		t.Errorf("by default: %s", r.YAML())
	}
	if err := r.Set("chat.system="); err != nil || r.Chat.System == nil || *r.Chat.System != "" {
		t.Fatalf("chat.system=: %v, %v", r.Chat.System, err)
	}
	back, err := Read("recipe.yaml", r.YAML())
	if err != nil || back.Chat.System == nil || *back.Chat.System != "" {
		t.Errorf("read again: %v, %v\n%s", back.Chat.System, err, r.YAML())
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct{ pair, want string }{
		{"rl.lr=1e-5", ""},
		{"phases=[{rl: 2}, {sft: gold}]", ""},
		{"sft.formats=[hermes, pythonic]", ""},
		{"sft.formats={hermes: 1, pythonic: 95}", ""},
		{"phases=[{sft: gold}]\x00sft.formats={hermes: 0.5}", "share of hermes"},
		{"phases=[{sft: gold}]\x00sft.formats=hermes", "list of names"},
		{"phases=[{sft: gold}]\x00sft.formats=[yaml]", "sft.formats"},
		{"phases=[{sft: gold}]\x00sft.warmup=1.5", "sft.warmup: must lie between 0 and 1"},
		{"phases=[{sft: gold}]\x00sft.lr=.nan", "sft.lr"},
		{"rl.kl=-1", "rl.kl"},
		{"rl.kl=.nan", "rl.kl"},
		{"rl.lr=.inf", "rl.lr"},
		{"rl.clip.low=-0.1", "rl.clip.low"},
		{"rl.clip.high=.nan", "rl.clip.high"},
		{"rl.warmup=-1", "rl.warmup"},
		{"rl.patience=-1", "rl.patience"},
		{"rl.progress=0.6\x00rl.format=0.4", "below 1"},
		{"rl.signals.gold.n=3\x00rl.signals.hint.n=2\x00rl.rollouts=5", ""},
		{"rl.signals.gold.n=3\x00rl.signals.hint.n=2\x00rl.rollouts=4", "change 5 episodes of a group, more than its 4"},
		{"rl.signals.mix.formats=[hermes, pythonic]\x00rl.prompts=2", ""},
		{"rl.signals.mix.formats=[hermes, pythonic]\x00rl.minibatches=1\x00rl.prompts=1", "2 formats in turn"},
		{"rl.signals.importance.level=sequence", ""},
		{"rl.signals.importance.level=sequence\x00faults=[advance-turn]", ""},
		{"rl.signals.importance.cap=2\x00faults=[append-end]", "faults: they train other tokens than the policy sampled, and signal importance"},
		{"rl.signals.importance.cap=0.9", "cap: must lie between 1"},
		{"rl.format=-0.1", "rl.format"},
		{"keep.eval=-1", "keep.eval"},
		{"keep.checkpoint=-5", "keep.checkpoint"},
		{"adam.beta2=1", "adam.beta2"},
		{"guard.do=reference\x00rl.kl=0", "guard.do"},
		{"guard.do=reference\x00rl.kl=0\x00rl.signals.control.kl=0.01", ""},
		{"guard.do=reference\x00rl.kl=0\x00phases=[{rl: 2, with: {rl.kl: 0.1}}]", ""},
		{"tasks.test=-1", "tasks.test"},
		{"chat.system=", ""},
		{"rl.learning_rate=1", "learning_rate"},
		{"rl.lr=-1", "rl.lr"},
		{"rl.prompts=0", "rl.prompts"},
		{"rl.prompts=many", "rl.prompts"},
		{"rl.prompts=2.5", "rl.prompts: 2.5 is not a whole number"},
		{"tasks.level={calls: 2.5}", "tasks.level.calls: 2.5"},
		{"rl.rollouts=1", "between 2 and"},
		{"rl.advantage=gae", "grpo, drgrpo, rloo"},
		{"rl.loss=ppo", "rl.loss: \"ppo\" is not one of grpo, gspo, cispo"},
		{"rl.loss=", "rl.loss"},
		{"rl.loss=gspo", ""},
		{"rl.loss=cispo\x00rl.clip.low=1\x00rl.clip.high=4", ""},
		{"phases=[{rl: 2, with: {rl.loss: gspo}}]", ""},
		{"phases=[{rl: 2, with: {rl.loss: x}}]", "rl.loss"},
		{"chat.format=yaml", "hermes, "},
		{"chat.malformed=ignore", "stop, retry, advance"},
		{"phases=[]", "phases"},
		{"phases=[{sft: golden}]", "gold"},
		{"phases=[{rl: 1, sft: gold}]", "phases[0]"},
		{"novalue", "key=value"},
	} {
		r, err := New("grpo")
		if err != nil {
			t.Fatal(err)
		}
		for pair := range strings.SplitSeq(c.pair, "\x00") {
			err = errors.Join(err, r.Set(pair))
		}
		if err == nil {
			err = r.Check()
		}
		says(t, c.pair, err, c.want)
	}
}

// TestSharesDrawAsTheListDid: the embedded model was trained with a list of one
// hermes and 95 pythonic.
func TestSharesDrawAsTheListDid(t *testing.T) {
	list := append([]string{"hermes"}, slices.Repeat([]string{"pythonic"}, 95)...)
	for k := range uint64(1000) {
		if h := k * 0x9e3779b97f4a7c15; (Shares{"pythonic": 95, "hermes": 1}).Draw(h) != list[h%96] {
			t.Fatalf("hash %d draws otherwise", h)
		}
	}
}

func TestRecipeSurvivesItsOwnYAML(t *testing.T) {
	for _, m := range All {
		r, err := New(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		back, err := Read("recipe.yaml", r.YAML())
		if err != nil {
			t.Fatal(err)
		}
		if string(back.YAML()) != string(r.YAML()) {
			t.Errorf("%s: read back as\n%s", m.Name, back.YAML())
		}
	}
}

func TestUnknownMethodListsTheKnown(t *testing.T) {
	if _, err := New("gpro"); err == nil || !strings.Contains(err.Error(), "grpo") {
		t.Errorf("got %v", err)
	}
}

func TestPhaseSettings(t *testing.T) {
	for _, c := range []struct{ pair, want string }{
		{"phases[1].sft.lr=1e-6", ""},
		{"phases[0].rl.signals.gold.n=2", ""},
		{"rl.signals.gold.n=8", ""},
		{"rl.signals.gold=null", ""},
		{"rl.signals.gold=~", ""},
		{"phases[0].rl.signals.gold=null", ""},
		{"phases=[{rl: 1, with: {rl.signals.gold: null}}]", ""},
		{"rl.signals={gold: null}", ""},
		{"methods={ops: {rl: {signals: {gold: null}}}}", ""},
		{"rl.signals.gold.n=null", "rl.signals.gold.n has no value"},
		{"rl.signals=null", "rl.signals has no value"},
		{"rl.signals={}", "rl.signals: {} turns none off"},
		{"rl.lr=null", "rl.lr has no value"},
		{"phases=null", "phases has no value"},
		{"keep=null", "keep has no value"},
		{"model=~", "model has no value"},
		{"rl={}", "rl: {} sets nothing"},
		{"rl={lr: ~}", "rl.lr has no value"},
		{"phases=[{rl: 1, reset: null}]", "phases[0].reset has no value"},
		{"phases=[{rl: 1, with: {rl.lr: null}}]", "phases[0].with.rl.lr has no value"},
		{"phases[0].rl.lr=~", "rl.lr has no value"},
		{"sft.formats=null", "sft.formats has no value"},
		{"methods={ops: {rl: {lr: null}}}", "methods.ops.rl.lr has no value"},
		{"phases[9].sft.lr=1", "phases[N]"},
		{"phases[0].rl.clip.low=0.1", "rl.clip"},
		{"phases[0].budget.reply=3", "in one phase only"},
		{"phases[1].sft.rate=3", "rate"},
		{"phases[1].sft.lr=-1", "sft.lr"},
		{"rl.signals.gold.n=9", "cannot be gold"},
		{"rl.signals.gold.count=1", "count"},
		{"rl.signals.gold.n=1.5", "n: 1.5 is not a whole number"},
		{"phases[1].sft.epochs=1.5", "sft.epochs: 1.5"},
		{"rl.signals.golden.n=1", "gold, hint, mix"},
		{"rl.signals.hint.from=file", "file"},
		{"phases=[{rl: 1, reset: some}]", "reset"},
		{"phases=[{sft: [failed, golden]}]", "golden"},
		{"sft.per=token", "sft.per"},
		{"judge.model=m", "judge.url"},
		{"phases[1].sft.formats=[hermes, pythonic]", ""},
		{"phases[1].sft.formats={hermes: 0}", "share of hermes"},
		{"phases[0].rl.warmup=-1", "rl.warmup"},
	} {
		r := method(t, "ops", Phase{RL: 1}, Phase{SFT: Names{"failed"}})
		err := r.Set(c.pair)
		if err == nil {
			err = r.Check()
		}
		says(t, c.pair, err, c.want)
	}
	r := method(t, "ops", Phase{RL: 1})
	if err := r.Set("rl.signals.gold.n=3"); err != nil || r.RL.Signals["gold"]["loss"] != "ratio" {
		t.Errorf("%v: setting one key changed the others: %v", err, r.RL.Signals)
	}
}

// TestValuesSurvive: lists, comments and numbers reach a phase and a signal as they
// are, by --set and through the file.
func TestValuesSurvive(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "hints # 1: odd.jsonl")
	if err := os.WriteFile(odd, []byte(`{"task": "x", "hint": "y"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	r := method(t, "hbg", Phase{RL: 1}, Phase{SFT: Names{"gold"}})
	for _, pair := range []string{"phases[1].sft.formats={hermes: 1, pythonic: 2}", "phases[1].sft.file=a # b", "phases[1].sft.lr=1e-6",
		"chat.system=Room # 5: be brief", "rl.signals.hint.from=file", "rl.signals.hint.file=" + odd} {
		if err := r.Set(pair); err != nil {
			t.Fatal(err)
		}
	}
	back, err := Read("recipe.yaml", r.YAML())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Recipe{r, back} {
		in, err := r.In(1)
		if err != nil || fmt.Sprint(in.SFT.Formats) != "map[hermes:1 pythonic:2]" || in.SFT.File != "a # b" || in.SFT.LR != 1e-6 || r.Chat.System == nil || *r.Chat.System != "Room # 5: be brief" {
			t.Errorf("%v: %+v, system %v", err, in.SFT, r.Chat.System)
		}
		if err := r.Check(); err != nil {
			t.Error(err)
		}
	}
}

// lost is material whose failed tasks are gone.
type lost struct{ Material }

func (lost) Tasks() []ballast.Task { return nil }
func (lost) Failed(int, supervise.Rule) []supervise.Outcome {
	return []supervise.Outcome{{Task: "base_7"}}
}

func TestFailedTaskThatIsGone(t *testing.T) {
	for _, source := range []string{"failed", "reflections"} {
		if _, err := Examples(Names{source}, lost{}, &SFT{}); err == nil || !strings.Contains(err.Error(), "base_7") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// TestSettle: a signal has all its settings, but for those that say that something is off.
func TestSettle(t *testing.T) {
	r := method(t, "grpo", Phase{RL: 1})
	for _, pair := range []string{"rl.signals.gold.n=2", "rl.signals.hint.correct=false"} {
		if err := r.Set(pair); err != nil {
			t.Fatal(err)
		}
	}
	r.Settle()
	if got := fmt.Sprint(r.RL.Signals); got != "map[gold:map[loss:ratio n:2] hint:map[from:oracle n:2]]" {
		t.Error(got)
	}
}

// says fails unless an error says want, or there is none where want is empty.
func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: error %v, want one that says %q", what, err, want)
	}
}
