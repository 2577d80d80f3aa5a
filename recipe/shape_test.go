package recipe

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast/chat"
	"ballast/model"
)

// initial is method base with settings.
func initial(t *testing.T, pairs ...string) Recipe {
	t.Helper()
	r, err := New("base")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		if err := r.Set(p); err != nil {
			t.Fatal(err)
		}
	}
	r.Settle()
	return r
}

// TestInit: shapes that no model has are errors that name the key.
func TestInit(t *testing.T) {
	for _, c := range []struct{ pairs, want string }{
		{"init.arch=qwen3", ""},
		{"init.arch=qwen3 init.hidden=128 init.head=64", ""},
		{"init.arch=llama init.heads=3 init.kv=3 init.head=64", ""},
		{"init.head=0", ""},
		{"init.hidden=66 init.head=16", ""},
		{"init.arch=smollm3", `init.arch: "smollm3" is not one of llama, qwen2, qwen3`},
		{"init.arch=gemma", `init.arch: "gemma" is not one of`},
		{"init.head=-2", "init.head: must lie between 0 and 4096, is -2"},
		{"init.head=63", "init.head: rotary positions want an even number, it is 63"},
		{"init.heads=3 init.kv=3", "init.head: init.hidden 64 is not a multiple of init.heads 3: give the size of a head"},
		{"init.hidden=60", "init.head: init.hidden 60 / init.heads 4 is 15: rotary positions"},
		{"init.kv=3", "init.kv: init.heads 4 is not a multiple of it, 3"},
		{"init.context=4096", ""},
		{"init.context=64", "init.context: it is 64, and budget.prompt + budget.episode is"},
		{"init.context=-1", "init.context: must lie between 0 and"},
		{"init.ffn=0", "init.ffn: must be at least 1"},
		{"init.layers=1024 init.heads=1024 init.head=4096 init.hidden=65536", "init.hidden: with init.vocab"},
	} {
		r := initial(t, strings.Fields(c.pairs)...)
		says(t, c.pairs, r.Check(), c.want)
		if c.want != "" {
			_, err := NewModel(&r)
			says(t, c.pairs, err, c.want)
		}
	}
	// A model that is not made needs no shape.
	r := initial(t, "model=embedded", "init.kv=3", "init.ffn=0")
	says(t, "embedded", r.Check(), "")
}

// TestInitSettles: what the section says in vain is not in the resolved recipe, so that one
// recipe has one text.
func TestInitSettles(t *testing.T) {
	usual := initial(t)
	if text := string(usual.YAML()); strings.Contains(text, "arch") || strings.Contains(text, "head:") {
		t.Errorf("base shows\n%s", text)
	}
	same := initial(t, "init.arch=qwen2", "init.head=16", "init.pretokenizer=qwen2")
	if string(same.YAML()) != string(usual.YAML()) {
		t.Errorf("it shows\n%s", same.YAML())
	}
	other := initial(t, "init.arch=qwen3", "init.head=64")
	text := string(other.YAML())
	if !strings.Contains(text, "init:\n  arch: qwen3\n") || !strings.Contains(text, "  head: 64\n") {
		t.Errorf("it shows\n%s", text)
	}
	back, err := Read("recipe.yaml", []byte(text))
	if err != nil || back.Init != other.Init {
		t.Errorf("%v: read again as %+v", err, back.Init)
	}
}

// TestNewModel: a model of every architecture is saved, says what it is in config.json, and is
// read again as it was.
func TestNewModel(t *testing.T) {
	for _, c := range []struct {
		pairs, class, template string
		head, context          int
	}{
		{"", "Qwen2ForCausalLM", "compact", 16, 0},
		{"init.arch=qwen3 init.heads=2 init.head=64 init.context=4096", "Qwen3ForCausalLM", "compact", 64, 4096},
		{"init.arch=llama init.heads=2 init.kv=1 init.head=48 chat.template=chatml", "LlamaForCausalLM", "chatml", 48, 0},
	} {
		r := initial(t, append(strings.Fields(c.pairs), "init.layers=2", "sft.formats=[hermes]")...)
		m, err := NewModel(&r)
		if err != nil {
			t.Fatal(err)
		}
		if m.Template != c.template || m.Config.Vocab != 640 || m.Config.Hidden != 64 {
			t.Errorf("%s: template %s of %+v", c.pairs, m.Template, m.Config)
		}
		dir := filepath.Join(t.TempDir(), "m")
		if err := m.Save(dir, model.F32); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Architectures []string
			Type          string `json:"model_type"`
			Head          int    `json:"head_dim"`
			Context       int    `json:"max_position_embeddings"`
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		if arch := m.Config.Arch; len(file.Architectures) != 1 || file.Architectures[0] != c.class || file.Type != arch || file.Head != c.head {
			t.Errorf("%s: %+v", c.pairs, file)
		}
		if want := cmp.Or(c.context, r.Budget.Prompt+r.Budget.Episode); file.Context != want {
			t.Errorf("%s: a context of %d tokens, want %d", c.pairs, file.Context, want)
		}
		back, err := model.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range m.Weights.Tensors {
			if y := back.Weights.Tensors[i]; x.Name != y.Name || !slices.Equal(x.Data, y.Data) {
				t.Errorf("%s: %s is read as another %s", c.pairs, x.Name, y.Name)
			}
		}
		chosen, err := chat.Choose(back.Source, back.Tokenizer, chat.Formats[r.Chat.Format])
		if err != nil || chosen.Name != c.template {
			t.Errorf("%s: its files say template %q, %v", c.pairs, chosen.Name, err)
		}
	}
}
