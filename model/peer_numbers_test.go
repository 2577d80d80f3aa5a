//go:build large

package model_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast/chat"
	"ballast/durable"
	"ballast/model"
	"ballast/model/cpu"
	"ballast/value"
)

// peerRows bounds the file of whole rows of logits, in values: 128 MiB of them. peerJoined
// bounds the longest row of tokens.
const peerRows, peerJoined = 1 << 25, 4096

// TestPeerNumbers writes into every directory of BALLAST_PEER, a list as PATH is one, what
// ballast makes of conversations with the model there. peer.json has the token ids of prompts,
// and the log-probability of every token of whole conversations. logits.f32 has the whole rows
// of the first of those. scripts/peer-transformers and scripts/peer-skyrl make the
// directories and compare.
func TestPeerNumbers(t *testing.T) {
	dirs := filepath.SplitList(os.Getenv("BALLAST_PEER"))
	if len(dirs) == 0 {
		t.Fatal("BALLAST_PEER names no directory: run scripts/peer-transformers or scripts/peer-skyrl")
	}
	for _, dir := range dirs {
		m, err := model.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		s, calls := peerRenderer(t, m)
		file := model.PeerFile(&m.Config, s, nil, m.Config.EOS)
		if s.Template.Name == chat.Own || len(m.Config.EOS) == 0 {
			file.Set("ends", nil) // its files name none, or others in each place
			file.Set("named", false)
		}
		if !calls {
			file.Set("prompts", value.NewList(slices.DeleteFunc(items(file, "prompts"), tooled)...))
			file.Set("refused", value.NewList())
		}
		write := func(name string, fill func(w io.Writer) error) {
			if err := durable.Replace(filepath.Join(dir, name), fill); err != nil {
				t.Fatal(err)
			}
		}
		write("logits.f32", func(w io.Writer) error {
			buffered := bufio.NewWriter(w)
			file.Set("numbers", peerNumbers(m, items(file, "prompts"), buffered))
			return buffered.Flush()
		})
		file.Set("vocab", int64(m.Config.Vocab))
		write("peer.json", func(w io.Writer) error {
			text, err := value.JSON(file)
			if err == nil {
				_, err = io.WriteString(w, text)
			}
			return err
		})
		t.Logf("%s: template %s, format %s, %d prompts", filepath.Base(dir), s.Template.Name, s.Format.Name(), len(items(file, "prompts")))
	}
}

// peerRenderer is how the model's own template writes conversations, in its own format.
// calls says whether it writes calls and documents tools.
func peerRenderer(t *testing.T, m *model.Model) (s chat.Renderer, calls bool) {
	t.Helper()
	choice, err := chat.Choose(m.Source, m.Tokenizer, chat.Hermes)
	if err != nil {
		t.Fatal(err)
	}
	s = chat.Renderer{Tokenizer: m.Tokenizer, Template: choice.Template, Format: chat.Hermes}
	if choice.Format != "" {
		if s.Format, err = chat.FormatByName(choice.Format); err != nil {
			t.Fatal(err)
		}
	}
	return s, choice.Format != ""
}

// tooled says that a prompt documents tools.
func tooled(prompt any) bool {
	_, is := prompt.(*value.Dict).Get("tools")
	return is
}

// peerNumbers are the log-probabilities of the prompts that end a conversation, and of one row
// of tokens of all of them, which reaches the model's last positions. It writes rows of
// logits as far as there is room.
func peerNumbers(m *model.Model, prompts []any, w io.Writer) *value.List {
	p, out, rows := cpu.NewPolicy(m, cpu.Options{}), value.NewList(), 0
	add := func(name string, ids []int32) {
		if most := m.Config.MaxLen; most > 0 && len(ids) > most {
			ids = ids[:most]
		}
		d, list, logprobs := value.NewDict("name", name), value.NewList(), value.NewList()
		for _, id := range ids {
			list.Items = append(list.Items, int64(id))
		}
		for _, l := range p.LogProbs(ids)[1:] {
			logprobs.Items = append(logprobs.Items, float64(l))
		}
		d.Set("ids", list)
		d.Set("logprobs", logprobs)
		if (rows+len(ids))*m.Config.Vocab <= peerRows {
			for _, row := range p.Logits(ids) {
				binary.Write(w, binary.LittleEndian, row) // the buffer keeps its error for Flush
			}
			d.Set("rows", int64(rows))
			rows += len(ids)
		}
		out.Items = append(out.Items, d)
	}
	var all []int32
	for i, prompt := range prompts {
		if i+1 < len(prompts) && conversation(prompts[i+1]) == conversation(prompt) {
			continue
		}
		var ids []int32
		for _, id := range items(prompt, "ids") {
			ids = append(ids, int32(id.(int64)))
		}
		all = append(all, ids...)
		add(conversation(prompt), ids)
	}
	for len(all) < peerJoined {
		all = append(all, all...)
	}
	add("all conversations, joined", all[:peerJoined])
	return out
}

// conversation is the name of a prompt's conversation.
func conversation(prompt any) string {
	name, _ := prompt.(*value.Dict).Get("name")
	text := name.(string)
	return text[:strings.LastIndex(text, ",")]
}

// items are those of a list in a dictionary.
func items(d any, key string) []any {
	list, _ := d.(*value.Dict).Get(key)
	return list.(*value.List).Items
}
