package bpe

import (
	"errors"
	"fmt"
	"hash/maphash"
	"unicode/utf8"

	"ballast/bounded"
)

// byteRunes spells each byte as a printable character, as GPT-2 does: printable
// Latin-1 stands for itself, the other bytes are U+0100 and on, in order.
var byteRunes = func() (table [256]rune) {
	next := rune(256)
	for b := range table {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			table[b] = rune(b)
		} else {
			table[b] = next
			next++
		}
	}
	return table
}()

// runeBytes is the inverse of byteRunes; -1 for a character that spells no byte.
var runeBytes = func() (table [512]int16) {
	for r := range table {
		table[r] = -1
	}
	for b, r := range byteRunes {
		table[r] = int16(b)
	}
	return table
}()

// spell writes bytes as they stand in a vocabulary.
func spell(raw string) string {
	out := make([]byte, 0, len(raw)+4)
	for i := range len(raw) {
		out = utf8.AppendRune(out, byteRunes[raw[i]])
	}
	return string(out)
}

// unspell gives the bytes a token stands for; a token with a character that
// spells no byte stands for its own UTF-8, as in Hugging Face's decoder.
func unspell(token string) (raw string, ok bool) {
	out := make([]byte, 0, len(token))
	for _, r := range token {
		if r >= rune(len(runeBytes)) || runeBytes[r] < 0 {
			return token, false
		}
		out = append(out, byte(runeBytes[r]))
	}
	return string(out), true
}

// maxID bounds ids, so that a broken file cannot ask for gigabytes of table; the largest
// vocabularies have 262,144.
const maxID = 1 << 21

// maxContent bounds an added token: at every place of a text each length is tried.
const maxContent = 256

// maxFile bounds a tokenizer.json; the largest in use have 35 MB.
const maxFile = 64 * bounded.MiB

// maxSteps bounds the parts of a pre_tokenizer, and how deep they nest.
const maxSteps, maxStepDepth = 32, 8

// build makes the tables from t.cfg.
func (t *Tokenizer) build() error {
	if err := t.checkModel(); err != nil {
		return err
	}
	var err error
	if t.normalize, err = newNormalize(t.cfg.Normalizer, "normalizer"); err != nil {
		return err
	}
	var byteLevel bool
	if t.steps, byteLevel, err = newSteps(t.cfg.PreTokenizer, "pre_tokenizer"); err != nil {
		return err
	}
	if !byteLevel {
		return errors.New("pre_tokenizer: has no ByteLevel; only byte-level BPE is supported")
	}
	if err := checkDecoder(t.cfg.Decoder); err != nil {
		return err
	}
	if err := t.buildVocab(); err != nil {
		return err
	}
	if err := t.buildMerges(); err != nil {
		return err
	}
	if err := t.buildAdded(); err != nil {
		return err
	}
	t.cache = &pieceCache{seed: maphash.MakeSeed()}
	return nil
}

// checkModel refuses what the merge loop does not do.
func (t *Tokenizer) checkModel() error {
	m := &t.cfg.Model
	switch {
	case m.Type != "BPE" && m.Type != "": // files of 2019 have no type
		return unsupported("model.type", m.Type, "BPE")
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("model.dropout: %v is not supported (null or 0)", *m.Dropout)
	case m.SubwordPrefix != nil && *m.SubwordPrefix != "":
		return unsupported("model.continuing_subword_prefix", *m.SubwordPrefix, "null or empty")
	case m.WordSuffix != nil && *m.WordSuffix != "":
		return unsupported("model.end_of_word_suffix", *m.WordSuffix, "null or empty")
	case m.ByteFallback:
		return errors.New("model.byte_fallback: true is not supported")
	case len(m.Vocab) == 0:
		return errors.New("model.vocab: missing or empty")
	}
	return nil
}

// checkDecoder wants byte-level decoding.
func checkDecoder(d *decoder) error {
	switch {
	case d == nil:
		return errors.New("decoder: missing; wants ByteLevel")
	case d.Type == "Sequence" && len(d.Decoders) == 1:
		return checkDecoder(&d.Decoders[0])
	case d.Type != "ByteLevel":
		return unsupported("decoder.type", d.Type, "ByteLevel")
	}
	return nil
}

// buildVocab fills ids, toks, raw, base and whole from model.vocab.
func (t *Tokenizer) buildVocab() error {
	m := &t.cfg.Model
	size := int32(0)
	for token, id := range m.Vocab {
		if id < 0 || id >= maxID {
			return fmt.Errorf("model.vocab: id %d of %q is not in 0 to %d", id, token, maxID-1)
		}
		size = max(size, id+1)
	}
	t.ids = make(map[string]int32, len(m.Vocab)+len(t.cfg.AddedTokens))
	t.toks, t.raw = make([]string, size), make([]string, size)
	taken := make([]bool, size)
	for b := range t.base {
		t.base[b] = -1
	}
	if m.IgnoreMerges {
		t.whole = make(map[string]int32, len(m.Vocab))
	}
	for token, id := range m.Vocab {
		if taken[id] {
			return fmt.Errorf("model.vocab: id %d of %q is taken by %q", id, token, t.toks[id])
		}
		taken[id] = true
		raw, ok := unspell(token)
		t.ids[token], t.toks[id], t.raw[id] = id, token, raw
		if ok && len(raw) == 1 {
			t.base[raw[0]] = id
		}
		if ok && m.IgnoreMerges {
			t.whole[raw] = id
		}
	}
	if m.UnkToken == nil {
		return nil
	}
	// With all bytes in the vocabulary the unknown token never comes up.
	for b, id := range t.base {
		if id < 0 {
			return fmt.Errorf("model.unk_token: %q would stand for byte %#02x, which model.vocab lacks; unknown tokens are not supported",
				*m.UnkToken, b)
		}
	}
	return nil
}

// buildMerges fills pairs from model.merges; where a pair stands twice the later
// rank holds, as in Hugging Face.
func (t *Tokenizer) buildMerges() error {
	list := t.cfg.Model.Merges
	t.pairs = newPairTable(len(list))
	for rank, m := range list {
		var ids [3]int32
		for i, token := range []string{m[0], m[1], m[0] + m[1]} {
			id, ok := t.cfg.Model.Vocab[token]
			if !ok {
				return fmt.Errorf("model.merges[%d]: %q is not in model.vocab", rank, token)
			}
			ids[i] = id
		}
		t.pairs.put(ids[0], ids[1], uint32(rank), ids[2])
	}
	return nil
}

// buildAdded places added_tokens in the vocabulary and makes the matchers.
func (t *Tokenizer) buildAdded() error {
	t.flags = map[int32]int{}
	exact, normal := map[string]int{}, map[string]int{}
	next := int32(len(t.cfg.Model.Vocab))
	for i, a := range t.cfg.AddedTokens {
		key := fmt.Sprintf("added_tokens[%d]", i)
		if a.Content == "" {
			return fmt.Errorf("%s.content: empty", key)
		}
		if len(a.Content) > maxContent {
			return fmt.Errorf("%s.content: %d bytes, more than %d", key, len(a.Content), maxContent)
		}
		if a.ID < 0 || a.ID >= maxID {
			return fmt.Errorf("%s.id: %d is not in 0 to %d", key, a.ID, maxID-1)
		}
		for int(a.ID) >= len(t.toks) {
			t.toks, t.raw = append(t.toks, ""), append(t.raw, "")
		}
		// Hugging Face gives a new token the next free id, whatever the file says.
		want, ok := t.ids[a.Content]
		if !ok {
			want = next
		}
		if a.ID != want {
			return fmt.Errorf("%s.id: %q has %d here, but Hugging Face would make it %d", key, a.Content, a.ID, want)
		}
		next = max(next, a.ID+1)
		content, into := a.Content, exact
		if a.Normalized {
			if into = normal; t.normalize != nil {
				content = t.normalize(content) // as it is found, so it is written
			}
		}
		t.ids[a.Content], t.ids[content] = a.ID, a.ID
		t.toks[a.ID], t.raw[a.ID] = content, content
		t.flags[a.ID] = len(t.added)
		into[content] = len(t.added)
		t.added = append(t.added, a)
	}
	t.exact, t.normal = newMatcher(exact), newMatcher(normal)
	return nil
}
