package bpe

import "fmt"

// Within is the tokenizer without the added tokens whose ids are n or more, which a model
// of n rows can neither read nor write: their text is plain text here. dropped are those
// tokens, in the order of the file; the tokenizer is t itself where there are none. Save and
// JSON still write the file as it was read.
//
// A token of the vocabulary proper past n rows is an error: text is made of those, so that
// the tokenizer belongs to another model.
func (t *Tokenizer) Within(n int) (within *Tokenizer, dropped []string, err error) {
	if t.Size() <= n {
		return t, nil, nil
	}
	past := map[string]bool{}
	c := t.cfg
	c.AddedTokens = nil
	for _, a := range t.cfg.AddedTokens {
		if int(a.ID) < n {
			c.AddedTokens = append(c.AddedTokens, a)
			continue
		}
		past[a.Content] = true
		dropped = append(dropped, a.Content)
	}
	c.Model.Vocab = make(vocab, len(t.cfg.Model.Vocab))
	worst := int32(-1)
	for token, id := range t.cfg.Model.Vocab {
		switch {
		case int(id) < n:
			c.Model.Vocab[token] = id
		case !past[token] && (worst < 0 || id < worst):
			worst = id
		}
	}
	if worst >= 0 {
		return nil, nil, fmt.Errorf("token %d (%q) of the vocabulary has no row among %d", worst, t.Token(worst), n)
	}
	within = &Tokenizer{cfg: c, file: t.file}
	if err := within.build(); err != nil {
		return nil, nil, fmt.Errorf("without the tokens that have no row among %d: %w", n, err)
	}
	return within, dropped, nil
}
