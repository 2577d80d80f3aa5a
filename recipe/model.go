package recipe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/model"
	"ballast/rollout"
	"ballast/task"
)

// corpusTasks is the number of tasks whose texts a new tokenizer is trained on.
const corpusTasks = 500

// corpus returns the gold dialogues of training tasks in the recipe's formats, written
// by a tokenizer of bytes and control tokens, and cut at the control tokens.
func corpus(r *Recipe, tmpl *chat.Template, control []string) ([]string, error) {
	tasks, err := task.Load(task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Split: "train",
		Worlds: r.Tasks.Worlds, Level: r.Tasks.Level, Words: r.Tasks.Words, Seed: r.Seed, Count: corpusTasks})
	if err != nil {
		return nil, err
	}
	none := func(func(string) bool) {}
	bytes, err := bpe.Train(none, 256+len(control), control, r.Init.pattern())
	if err != nil {
		return nil, err
	}
	var plays []rollout.Request
	for i := range tasks {
		plays = append(plays, rollout.Request{Task: &tasks[i], Gold: true})
	}
	var cut []string
	for _, c := range control {
		cut = append(cut, c, "\x00")
	}
	split := strings.NewReplacer(cut...)
	var out []string
	for _, name := range r.Formats() {
		cfg := r.Rollout(chat.Renderer{Tokenizer: bytes, Template: tmpl, Format: chat.Formats[name]})
		cfg.Budget = rollout.Budget{Prompt: 1 << 20, Episode: 1 << 20, Reply: 1 << 20, Result: 1 << 20, Steps: 1 << 10}
		eps, err := rollout.Run(context.Background(), nil, cfg, plays, ballast.Sampling{})
		if err != nil {
			return nil, err
		}
		for i := range eps {
			if eps[i].Stop == ballast.StopInfra {
				return nil, fmt.Errorf("gold of task %s: %s", eps[i].Task, eps[i].Error)
			}
			out = append(out, strings.Split(split.Replace(bytes.Decode(eps[i].Tokens)), "\x00")...)
		}
	}
	return out, nil
}

// pattern is how the vocabulary's tokenizer cuts texts.
func (i Init) pattern() bpe.Pattern { return cmp.Or(bpe.Pattern(i.Pretokenizer), bpe.Qwen2) }

// NewModel makes a model from random weights with the shape of the recipe's
// init section. Its vocabulary is trained on the task set's own texts, as the recipe's
// template writes them, compact where it names none; control tokens of the template and of
// every format are added tokens.
func NewModel(r *Recipe) (*model.Model, error) {
	c, err := r.shape()
	if err != nil {
		return nil, err
	}
	f, err := chat.FormatByName(r.Chat.Format)
	if err != nil {
		return nil, err
	}
	chosen, err := r.Renderer(chat.Source{}, "compact", nil, f)
	if err != nil {
		return nil, err
	}
	tmpl := chosen.Template
	control := chat.ControlTokens(tmpl)
	texts, err := corpus(r, tmpl, control)
	if err != nil {
		return nil, err
	}
	tok, err := bpe.Train(slices.Values(texts), r.Init.Vocab, control, r.Init.pattern())
	if err != nil {
		return nil, err
	}
	c.Vocab = tok.Size()
	m := model.New(c, tok, r.Seed)
	m.Template = chosen.Name
	return m, m.ServeAs(chat.Renderer{Tokenizer: tok, Template: tmpl, Format: f}, r.Chat.System)
}
