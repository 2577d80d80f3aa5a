package recipe

import (
	"fmt"
	"maps"
	"slices"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/model"
	"ballast/rollout"
	"ballast/task"
	"ballast/world"
)

// corpusTasks is the number of tasks whose texts a new tokenizer is trained on.
const corpusTasks = 1000

// corpus returns what conversations about training tasks consist of: tool
// signatures, user messages, gold calls in every format, results and replies.
func corpus(r *Recipe) ([]string, error) {
	tasks, err := task.Load(task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Split: "train",
		Worlds: r.Tasks.Worlds, Level: r.Tasks.Level, Seed: r.Seed, Count: corpusTasks})
	if err != nil {
		return nil, err
	}
	var out []string
	formats := slices.Sorted(maps.Keys(chat.Formats))
	for i := range tasks {
		t := &tasks[i]
		for _, tool := range t.Tools {
			out = append(out, chat.Signature(tool)+"\n")
		}
		ses, err := world.NewSession(t)
		if err != nil {
			return nil, err
		}
		for k, turn := range t.Turns {
			out = append(out, turn.User+"\n", rollout.GoldReply(t, k))
			for _, c := range turn.Gold {
				out = append(out, ses.Call(c)+"\n")
				if c, err = chat.Named(c, t.Tools); err != nil {
					return nil, err
				}
				for _, f := range formats {
					out = append(out, chat.Formats[f].Render([]ballast.Call{c}))
				}
			}
		}
	}
	return out, nil
}

// NewModel makes a model from random weights with the shape of the recipe's
// init section. Its vocabulary is trained on the task set's own texts; control
// tokens of the template and of every format are added tokens.
func NewModel(r *Recipe) (*model.Model, error) {
	i := r.Init
	for key, v := range map[string]int{"vocab": i.Vocab, "hidden": i.Hidden, "layers": i.Layers, "heads": i.Heads, "kv": i.KV, "ffn": i.FFN} {
		if v <= 0 {
			return nil, fmt.Errorf("init.%s: must be at least 1, is %d", key, v)
		}
	}
	if i.Hidden%i.Heads != 0 || i.Heads%i.KV != 0 {
		return nil, fmt.Errorf("init: hidden %d must be a multiple of heads %d, and heads of kv %d", i.Hidden, i.Heads, i.KV)
	}
	name := r.Chat.Template
	if name == "" {
		name = "compact"
	}
	tmpl, err := chat.TemplateByName(name)
	if err != nil {
		return nil, err
	}
	texts, err := corpus(r)
	if err != nil {
		return nil, err
	}
	tok, err := bpe.Train(slices.Values(texts), i.Vocab, chat.ControlTokens(tmpl), bpe.Qwen2)
	if err != nil {
		return nil, err
	}
	c := model.Config{
		Arch: "qwen2", Vocab: tok.Size(), Hidden: i.Hidden, Layers: i.Layers,
		Heads: i.Heads, KVHeads: i.KV, HeadDim: i.Hidden / i.Heads, FFN: i.FFN,
		MaxLen: r.Budget.Prompt + r.Budget.Episode, RopeTheta: 10000, NormEps: 1e-6, Tied: true,
	}
	m := model.New(c, tok, r.Seed)
	m.Template = name
	return m, nil
}

// watchedNames are the texts of the watched control tokens, for metric names.
func watchedNames(e Engine) []string {
	var names []string
	for _, id := range e.Policy.Watched() {
		names = append(names, e.Style.Tok.Token(id))
	}
	return names
}
