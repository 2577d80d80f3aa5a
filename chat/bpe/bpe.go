// Package bpe is a byte-level byte-pair-encoding tokenizer that reads Hugging
// Face tokenizer.json files and gives the same ids as the `tokenizers` library
// does with add_special_tokens=False.
//
// A text passes five stages, each in its own file: added tokens are cut out of
// it (added.go), what is left is normalised and split into pieces by a pattern
// (package pretoken), and the bytes of each piece are merged in the order of
// the merge ranks (merge.go). Decoding is the concatenation of the
// bytes of the tokens.
//
// Contract: Decode(Encode(s)) == s for valid UTF-8 s and a vocabulary with all
// 256 bytes, up to NFC where the file asks for it. Bytes that are not UTF-8
// become U+FFFD first, one for each maximal ill-formed part, as in Python's
// bytes.decode("utf-8", "replace"). A Tokenizer is immutable apart from a
// bounded cache and is safe for concurrent use.
//
// A tokenizer.json with a component this package does not have (another model
// type, normaliser, pre-tokenizer or decoder) is refused with an error that
// names the key: a wrong prompt token would be a silent error later on.
// `post_processor`, `truncation` and `padding` never change the ids that Encode
// promises, so they are kept for Save and otherwise not looked at.
package bpe

import (
	"fmt"
	"unicode/utf8"

	"ballast/bounded"
	"ballast/chat/pretoken"
)

// Tokenizer turns text into token ids and back.
type Tokenizer struct {
	cfg   config           // what tokenizer.json says, for Save
	file  []byte           // the file as it was read; nil for Train and FromVocab
	ids   map[string]int32 // token as spelled in the file -> id, with added tokens
	toks  []string         // id -> token as spelled in the file; "" is a hole
	raw   []string         // id -> bytes that the token stands for
	whole map[string]int32 // bytes -> id for ignore_merges; nil otherwise
	base  [256]int32       // byte -> id; -1 where the vocabulary lacks it
	pairs pairTable
	cache *pieceCache
	added []AddedToken
	flags map[int32]int // id -> index in added

	exact, normal matcher   // added tokens found before and after normalisation
	normalize     normalize // nil: none
	steps         []pretoken.Splitter
}

// AddedToken is an entry of added_tokens: a string that is one token wherever
// it stands in a text, before any splitting.
type AddedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only between non-word characters
	LStrip     bool   `json:"lstrip"`      // takes the white space before it along
	RStrip     bool   `json:"rstrip"`      // takes the white space after it along
	Normalized bool   `json:"normalized"`  // searched in the normalised text
	Special    bool   `json:"special"`     // a control token, not text
}

// Span is the byte range [Start, End) of a text.
type Span struct{ Start, End int }

// Load reads a Hugging Face tokenizer.json. Its errors name the file and the key.
func Load(path string) (*Tokenizer, error) {
	data, err := bounded.ReadFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return Parse(data, path)
}

// Encode gives the ids of text. Added tokens that stand in the text become their
// ids; nothing is put before or after (add_special_tokens=False).
func (t *Tokenizer) Encode(text string) []int32 {
	return t.EncodePlain(make([]int32, 0, len(text)/3+8), text, nil)
}

// EncodePlain appends the ids of text to dst. In the byte ranges plain (in
// order, not overlapping) nothing is recognised as an added token, nor is one
// that lies partly in them: there a user's or a tool's "<|im_end|>" is plain
// text. Where the ranges hold no added token the ids are those of Encode: the
// borders of a range do not split the text.
func (t *Tokenizer) EncodePlain(dst []int32, text string, plain []Span) []int32 {
	checkSpans(text, plain)
	if !utf8.ValidString(text) {
		clean := pretoken.Lossy(text)
		plain = mapSpans(pretoken.Lossy, text, clean, plain)
		text = clean
	}
	t.segments(text, plain, func(id int32) { dst = append(dst, id) }, func(piece string) {
		dst = t.encodePiece(dst, piece)
	})
	return dst
}

// Spells says whether a text spells an added token, so that Encode gives an id where
// EncodePlain gives the ids of its text.
func (t *Tokenizer) Spells(text string) bool {
	found := false
	token := func(int32) { found = true }
	t.cut(&t.exact, text, nil, token, func(s string, _ []Span) {
		if t.normalize != nil {
			s = t.normalize(s)
		}
		t.cut(&t.normal, s, nil, token, func(string, []Span) {})
	})
	return found
}

// Bytes appends the exact bytes that the ids stand for to dst; an added token
// stands for its content. Ids outside the vocabulary add nothing.
func (t *Tokenizer) Bytes(dst []byte, ids []int32) []byte {
	for _, id := range ids {
		if uint(id) < uint(len(t.raw)) {
			dst = append(dst, t.raw[id]...)
		}
	}
	return dst
}

// Decode gives the text of ids, control tokens included. Bytes that are not
// UTF-8 (a character cut at a token border) become U+FFFD, as in Hugging Face.
func (t *Tokenizer) Decode(ids []int32) string {
	return pretoken.Lossy(string(t.Bytes(nil, ids)))
}

// ID finds a token by its spelling in tokenizer.json (where a space is U+0120), an
// added token by its content.
func (t *Tokenizer) ID(token string) (int32, bool) {
	id, ok := t.ids[token]
	return id, ok
}

// Token is the spelling of id in tokenizer.json, "" if there is no such id.
func (t *Tokenizer) Token(id int32) string {
	if uint(id) >= uint(len(t.toks)) {
		return ""
	}
	return t.toks[id]
}

// Size is the largest id plus one.
func (t *Tokenizer) Size() int { return len(t.toks) }

// Special tells whether id is a control token (an added token marked special).
func (t *Tokenizer) Special(id int32) bool {
	i, ok := t.flags[id]
	return ok && t.added[i].Special
}

// Added lists the added tokens in the order of the file. Do not change it.
func (t *Tokenizer) Added() []AddedToken { return t.added }

// checkSpans panics on ranges that no caller may pass: a slip here would turn
// user text into control tokens.
func checkSpans(text string, plain []Span) {
	at := 0
	for _, s := range plain {
		if s.Start < at || s.End < s.Start || s.End > len(text) {
			panic(fmt.Sprintf("bpe: plain range [%d, %d) is out of order or outside the %d bytes of text", s.Start, s.End, len(text)))
		}
		at = s.End
	}
}
