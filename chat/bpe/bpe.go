// Package bpe is a byte-level byte-pair-encoding tokenizer that reads Hugging
// Face tokenizer.json files and gives the same ids.
package bpe

// Tokenizer turns text into token ids and back.
type Tokenizer struct{}
