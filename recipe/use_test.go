package recipe

import (
	"reflect"
	"strings"
	"testing"
)

// TestUnread: a setting that no run of the recipe would look at is named, with a reason
// that says what would read it.
func TestUnread(t *testing.T) {
	for _, c := range []struct {
		method string
		set    []string
		key    string
		why    string // "" for a setting that is read
	}{
		{"sft", nil, "tasks.data", "--dialogues"},
		{"grpo", []string{"tasks.set=bfcl"}, "tasks.data", ""},
		{"grpo", []string{"tasks.set=bfcl"}, "tasks.level.calls", "not generated"},
		{"grpo", nil, "tasks.level.calls", ""},
		{"sft", nil, "rl.lr", "no phase is reinforcement learning"},
		{"sft", nil, "rl.clip.low", "no phase is reinforcement learning"},
		{"sft", nil, "faults", "no phase is reinforcement learning"},
		{"sft", nil, "guard.do", "a guard watches"},
		{"sft", nil, "rl.aggregate", "no phase is reinforcement learning"},
		{"grpo", nil, "rl.aggregate", ""},
		{"grpo", []string{"rl.loss=gspo"}, "rl.aggregate", "rl.loss is gspo, which is a sequence-mean"},
		{"grpo", []string{"rl.loss=cispo"}, "rl.aggregate", ""},
		{"grpo", []string{"phases=[{rl: 1}, {rl: 1, with: {rl.loss: gspo}}]"}, "rl.aggregate", ""},
		{"grpo", []string{"phases=[{rl: 1, with: {rl.loss: gspo}}]"}, "rl.aggregate", "rl.loss is gspo"},
		{"grpo", nil, "sft.lr", "no phase is supervised"},
		{"grpo", []string{"guard.do=sft"}, "sft.lr", ""},
		{"grpo", []string{"guard.do=sft"}, "sft.window", ""},
		{"grpo", nil, "guard.do", ""},
		{"grpo", nil, "guard.at", "guard.do"},
		{"grpo", []string{"guard.do=stop"}, "guard.at", ""},
		{"grpo", []string{"guard.do=stop"}, "guard.times", "guard.do rollback"},
		{"grpo", []string{"guard.do=rollback"}, "guard.rate", ""},
		{"grpo", []string{"guard.do=rollback"}, "guard.factor", "reference"},
		{"grpo", nil, "judge.url", "nothing asks a judge"},
		{"hbg", nil, "judge.url", "nothing asks a judge"},
		{"hbg", []string{"rl.signals.hint.from=judge"}, "judge.url", ""},
		{"prs", nil, "judge.url", ""},
		{"prs", nil, "judge.cost", "judge.url"},
		{"prs", []string{"judge.url=http://x", "judge.model=m"}, "judge.cost", ""},
		{"grpo", []string{"judge.url=http://x", "judge.model=m", "judge.closing=true"}, "judge.closing", "nothing asks"},
		{"sft", []string{"judge.url=http://x", "judge.model=m", "judge.closing=true"}, "judge.closing", ""},
		{"hbg", []string{"judge.url=http://x", "judge.model=m", "judge.closing=true", "rl.signals.hint.from=judge"}, "judge.closing", "gold dialogues"},
		{"grpo", nil, "init.hidden", "--model init"},
		{"base", nil, "init.hidden", ""},
		{"sft", nil, "sft.file", "--dialogues"},
		{"sft", []string{"phases=[{sft: file}]"}, "sft.file", ""},
		{"sft", nil, "sft.tools", "no phase has the source file; give --dialogues FILE"},
		{"sft", []string{"phases=[{sft: file}]"}, "sft.tools", ""},
		{"sft", []string{"phases=[{sft: file}]"}, "mcp.server", "no server of tools is given"},
		{"sft", []string{"phases=[{sft: file}]", "mcp.server=shop"}, "mcp.server", ""},
		{"sft", []string{"phases=[{sft: file}]", "mcp.server=shop"}, "mcp.seconds", ""},
		{"sft", []string{"phases=[{sft: file}]", "mcp.server=shop", "sft.tools=t.json"}, "mcp.server", "sft.tools has the tools of the dialogues"},
		{"sft", []string{"phases=[{sft: file}]", "mcp.server=shop", "sft.tools=t.json", "tasks.set=t.jsonl"}, "mcp.server", ""},
		{"sft", []string{"phases=[{sft: file, with: {sft.tools: t.json}}, {sft: file}]", "mcp.server=shop"}, "mcp.server", ""},
		{"sft", []string{"mcp.server=shop"}, "mcp.server", "so do dialogues that document no tools"},
		{"grpo", []string{"mcp.server=shop"}, "mcp.server", "set desk calls no tools of a server; a tasks file does"},
		{"sft", []string{"phases=[{sft: file}]"}, "sft.turns", "source gold"},
		{"sft", []string{"phases=[{sft: file}]"}, "tasks.count", "tasks.test"},
		{"sft", []string{"sft.updates=3"}, "sft.epochs", "sft.updates"},
		{"sft", []string{"sft.updates=3"}, "sft.updates", ""},
		{"sft", nil, "sft.rule", "the source failed or reflections; methods that have one: ets, prs"},
		{"ets", nil, "sft.rule", ""},
		{"vanilla", nil, "adam.beta2", "nothing is trained"},
		{"vanilla", nil, "lora.rank", "nothing is trained"},
		{"grpo", nil, "lora.rank", ""},
		{"grpo", nil, "lora.alpha", "set lora.rank"},
		{"sft", []string{"lora.rank=8"}, "lora.targets", ""},
		{"vanilla", nil, "keep.eval", "nothing is trained"},
		{"vanilla", nil, "tasks.test", ""},
		{"vanilla", nil, "tasks.count", "tasks.test"},
		{"sft-grpo", nil, "phases[0].rl.kl", "phase 0: no phase is reinforcement"},
		{"sft-grpo", nil, "phases[1].rl.kl", ""},
		{"grpo", nil, "methods.ets.rl.lr", "the method is grpo"},
		{"grpo", nil, "methods.grpo.sft.lr", "no phase is supervised"},
		{"grpo", nil, "method", "argument"},
	} {
		r, err := New(c.method)
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range c.set {
			if err := r.Set(pair); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.Unread(c.key); (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
			t.Errorf("%s %v: %s: %q, want %q", c.method, c.set, c.key, got, c.why)
		}
	}
}

// TestOwnDefaultsAreRead: what a method itself sets beyond the common defaults it reads.
func TestOwnDefaultsAreRead(t *testing.T) {
	for _, m := range All {
		r, err := New(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		own, base := leavesOf(t, &r), defaults()
		for key, v := range leavesOf(t, &base) {
			if reflect.DeepEqual(own[key], v) {
				delete(own, key)
			}
		}
		for key := range own {
			if why := r.Unread(key); why != "" && key != "method" {
				t.Errorf("%s sets %s: %s", m.Name, key, why)
			}
		}
	}
}

func leavesOf(t *testing.T, r *Recipe) map[string]any {
	t.Helper()
	common, _, err := Given("vanilla", r.YAML())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for _, key := range common {
		out[key] = true
	}
	return out
}

// TestDialogues: gold phases train on the file, others stay.
func TestDialogues(t *testing.T) {
	for method, want := range map[string]string{"sft": "file", "sft-grpo": "file", "grpo": "", "ets": "", "prs": ""} {
		r, err := New(method)
		if err != nil {
			t.Fatal(err)
		}
		err = r.Dialogues("chats.jsonl")
		if (err == nil) != (want != "") || err != nil && !strings.Contains(err.Error(), "methods that have one: sft, sft-grpo") {
			t.Errorf("%s: %v", method, err)
		}
		if err == nil && (r.Phases[0].SFT.String() != want || r.SFT.File != "chats.jsonl" || r.Unread("sft.file") != "") {
			t.Errorf("%s: %+v, file %s", method, r.Phases, r.SFT.File)
		}
	}
}

func TestKeys(t *testing.T) {
	for pair, want := range map[string]string{
		"rl.lr=1": "rl.lr", "rl={lr: 1, clip: {low: 0.1}}": "rl.clip.low rl.lr", "phases=[{rl: 1}]": "phases", "judge={}": "judge",
		"phases[1].sft.lr=1": "phases[1].sft.lr", "tasks.level={calls: 2}": "tasks.level.calls",
	} {
		if got := strings.Join(Keys(pair), " "); got != want {
			t.Errorf("%s: %s, want %s", pair, got, want)
		}
	}
}

// TestGiven: a file says for all methods what differs from the method's own, and for one
// method what stands under its name.
func TestGiven(t *testing.T) {
	common, own, err := Given("grpo", []byte("rl: {lr: 0.5, prompts: 16}\nsft: {lr: 7}\nmethods: {grpo: {adam: {beta2: 0.5}}, ets: {rl: {kl: 1}}}"))
	if err != nil || strings.Join(common, " ") != "rl.lr sft.lr" || strings.Join(own, " ") != "adam.beta2" {
		t.Errorf("%v %v %v", common, own, err)
	}
}
