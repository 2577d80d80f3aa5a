package desk

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/env/sim"
	"ballast/task/compose"
)

// conversation writes a task's gold conversation in the compact template.
func conversation(t *testing.T, tok *bpe.Tokenizer, f chat.Format, task *ballast.Task) (prompt, all []int32) {
	t.Helper()
	held := map[string]ballast.Tool{}
	for _, turn := range task.Turns {
		for _, name := range turn.Reveal {
			held[name] = ballast.Tool{}
		}
	}
	var shown []ballast.Tool
	for _, tool := range task.Tools {
		if _, later := held[tool.Name]; later {
			held[tool.Name] = tool
		} else {
			shown = append(shown, tool)
		}
	}
	d := chat.NewDialogue(chat.Renderer{Tokenizer: tok, Template: chat.Compact, Format: f}, shown, nil)
	s, err := sim.NewSession(task)
	if err != nil {
		t.Fatal(err)
	}
	gold := func(text string) {
		d.Open()
		if prompt == nil {
			prompt = slices.Clone(d.Tokens())
		}
		d.Reply(d.Gold(text), ballast.OwnerGold)
	}
	for _, turn := range task.Turns {
		if len(turn.Reveal) > 0 {
			d.Reveal([]ballast.Tool{held[turn.Reveal[0]]}, turn.User)
		} else {
			d.User(turn.User)
		}
		for _, c := range turn.Gold {
			gold(f.Render([]ballast.Call{c}, format.Tools(task.Tools)))
			d.Results([]string{s.Run(c)})
		}
		gold(turn.Reply)
	}
	return prompt, d.Tokens()
}

// TestFitsBudget trains a vocabulary of 512 on training conversations and
// demands that every gold conversation, of any category and split, fits 512
// tokens.
func TestFitsBudget(t *testing.T) {
	tok, err := bpe.Train(func(func(string) bool) {}, 256+len(chat.ControlTokens(chat.Compact)), chat.ControlTokens(chat.Compact), bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	words := map[string]bool{}
	for _, c := range compose.Categories {
		tasks, _ := some(t, 150, compose.Train, c, Options{})
		for _, task := range tasks {
			for _, f := range []chat.Format{chat.Hermes, chat.Pythonic} {
				_, all := conversation(t, tok, f, task)
				texts[tok.Decode(all)] = true
			}
			for _, turn := range task.Turns {
				for _, w := range strings.FieldsFunc(turn.User, func(r rune) bool { return strings.ContainsRune(" .?", r) }) {
					words[w] = true
				}
			}
		}
	}
	if tok, err = bpe.Train(maps.Keys(texts), 512, chat.ControlTokens(chat.Compact), bpe.Qwen2); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d words of users", len(words))
	for _, o := range []Options{{}, {Worlds: OOD}} {
		for _, split := range []string{compose.Train, compose.Test} {
			for _, c := range compose.Categories {
				tasks, _ := some(t, 150, split, c, o)
				measure(t, tok, split+"/"+c, tasks)
			}
		}
	}
}

func measure(t *testing.T, tok *bpe.Tokenizer, name string, tasks []*ballast.Task) {
	t.Helper()
	for _, f := range []chat.Format{chat.Hermes, chat.Pythonic} {
		var prompts, all, most, longest, calls, turns, bytes int
		for _, task := range tasks {
			p, a := conversation(t, tok, f, task)
			prompts, all = prompts+len(p), all+len(a)
			longest, most = max(longest, len(p)), max(most, len(a))
			turns += len(task.Turns)
			bytes += len(tok.Decode(p))
			for _, turn := range task.Turns {
				calls += len(turn.Gold)
			}
		}
		n := len(tasks)
		t.Logf("%s %-18s %s: prompt %d (max %d) tokens, %d bytes; conversation %d (max %d); %.2f turns, %.2f calls",
			tasks[0].Set, name, f.Name(), prompts/n, longest, bytes/n, all/n, most, float64(turns)/float64(n), float64(calls)/float64(n))
		if most > 512 {
			t.Errorf("%s %s %s: a conversation has %d tokens", tasks[0].Set, name, f.Name(), most)
		}
	}
}
