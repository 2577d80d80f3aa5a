package recipe

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast/model"
	"ballast/model/lora"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLoRA: a rank alone means what servers make of it, and settings that go without a rank
// or not together are errors that name the key.
func TestLoRA(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string // of the error
	}{
		{nil, ""},
		{[]string{"lora.rank=16"}, ""},
		{[]string{"lora={rank: 8, alpha: 16, targets: q_proj}"}, ""},
		{[]string{"lora.alpha=16"}, "lora.rank: the section sets no rank"},
		{[]string{"lora.targets=[q_proj]"}, "lora.rank: the section sets no rank"},
		{[]string{"lora.start=x"}, "lora.rank: the section sets no rank"},
		{[]string{"lora.rank=-1"}, "lora.rank: must lie between 1 and 1024, is -1"},
		{[]string{"lora={rank: 1, alpha: -1}"}, "lora.alpha: must be above 0"},
		{[]string{"lora={rank: 1, targets: [q_proj, embed_tokens]}"}, `lora.targets: "embed_tokens" is not one of q_proj`},
		{[]string{"lora={rank: 1, targets: [q_proj, q_proj]}"}, "lora.targets: q_proj stands there twice"},
	} {
		r, err := New("grpo")
		must(t, err)
		for _, pair := range c.set {
			must(t, r.Set(pair))
		}
		r.Settle()
		err = r.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.set, err, c.want)
		}
		back, rerr := Read("written", r.YAML())
		if err == nil && (rerr != nil || len(r.Differs(&back)) > 0 || r.LoRA.Rank != back.LoRA.Rank) {
			t.Errorf("%v: it was written as another: %v, %v", c.set, r.Differs(&back), rerr)
		}
	}
	if err := new(Recipe).Set("lora.dropout=0.1"); err == nil || !strings.Contains(err.Error(), "dropout") {
		t.Errorf("a setting that there is not: %v", err)
	}
	l := LoRA{Rank: 16}
	if got := l.Config(); got.Alpha != 32 || !slices.Equal(got.Targets, lora.Targets()) {
		t.Errorf("rank 16 alone is %v", got)
	}
}

// TestAdapterOfARecipe: it is drawn from the recipe's seed, or read, and then it is as the
// settings say.
func TestAdapterOfARecipe(t *testing.T) {
	c := model.Config{Arch: "llama", Vocab: 40, Hidden: 8, Layers: 1, Heads: 1, KVHeads: 1, HeadDim: 8, FFN: 8, MaxLen: 64, RopeTheta: 1e4,
		NormEps: 1e-5, Tied: true}
	r, err := New("grpo")
	must(t, err)
	if a, err := r.Adapter(&c); a != nil || err != nil || r.LoRA.Trained(&c) != 40*8+7*64+3*8 {
		t.Errorf("without a rank: %v, %v, %d parameters", a, err, r.LoRA.Trained(&c))
	}
	r.LoRA = LoRA{Rank: 2, Targets: Names{"v_proj"}}
	r.Model = "ORG/NAME@main"
	a, err := r.Adapter(&c)
	must(t, err)
	if r.LoRA.Trained(&c) != 32 || a.Base != "ORG/NAME" || a.Alpha != 32 {
		t.Errorf("%d parameters of %q, %v", r.LoRA.Trained(&c), a.Base, a.Config)
	}
	dir := filepath.Join(t.TempDir(), "a")
	a.Flat()[1][3] = 0.5
	must(t, a.Save(dir))
	r.LoRA.Start = dir
	must(t, r.LoRA.Startable())
	back, err := r.Adapter(&c)
	must(t, err)
	if !slices.EqualFunc(a.Flat(), back.Flat(), slices.Equal) {
		t.Error("it begins with another adapter")
	}
	for want, set := range map[string]LoRA{
		"lora.rank: the adapter in " + dir + " has rank 2 and not 3; set lora.rank=2": {Rank: 3, Targets: Names{"v_proj"}, Start: dir},
		"set lora.alpha=32":                          {Rank: 2, Alpha: 16, Targets: Names{"v_proj"}, Start: dir},
		"set lora.targets=[v_proj] to go on with it": {Rank: 2, Start: dir},
		"lora.start: open":                           {Rank: 2, Start: filepath.Join(dir, "none")},
	} {
		if err := set.Startable(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	path := lora.Files(dir)[0]
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(strings.Replace(string(text), `"lora_dropout": 0`, `"lora_dropout": 0.1`, 1)), 0o666))
	if _, err := r.Adapter(&c); err == nil || !strings.Contains(err.Error(), "lora_dropout") {
		t.Errorf("an adapter with dropout: %v", err)
	}
}
