package model

import (
	"ballast/chat"
	"ballast/chat/bpe"
)

// source is the chat template among the model's files, with the special tokens that it may
// name. A GGUF file names those by id.
func (a *archive) source(tok *bpe.Tokenizer) (chat.Source, error) {
	s, err := chat.ReadSource(a.extra, a.origin)
	for _, id := range a.config.EOS {
		if id >= 0 && int(id) < tok.Size() {
			s.Ends = append(s.Ends, tok.Token(id))
		}
	}
	if err != nil || a.extra[tokenizerConfigFile] != nil {
		return s, err
	}
	for name, ids := range map[string][]int32{"bos_token": a.config.BOS, "eos_token": a.config.EOS} {
		if _, ok := s.Special[name]; !ok && len(ids) > 0 && ids[0] >= 0 && int(ids[0]) < tok.Size() {
			s.Special[name] = tok.Token(ids[0])
		}
	}
	return s, nil
}
