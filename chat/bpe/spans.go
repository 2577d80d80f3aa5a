package bpe

import "fmt"

// normalize rewrites a text before it is split.
type normalize func(string) string

// mapSpans carries byte ranges of text over to f(text) = out. A range grows where
// f joins its border with a neighbour, so that nothing of it is left out.
func mapSpans(f normalize, text, out string, spans []Span) []Span {
	mapped := make([]Span, 0, len(spans))
	at := 0
	for _, s := range spans {
		start := commonPrefix(f(text[:s.Start]), out)
		end := len(out) - commonSuffix(f(text[s.End:]), out)
		start, end = max(start, at), max(start, end, at)
		mapped = append(mapped, Span{start, end})
		at = end
	}
	return mapped
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func commonSuffix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

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
