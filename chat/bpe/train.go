package bpe

import (
	"cmp"
	"container/heap"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"ballast/chat/pretoken"
)

// Train learns a vocabulary of at most size ids from texts: the 256 bytes first,
// so that any text can be encoded, then the merges, then the added tokens in the
// order given (special if of the form <|...|>). It joins the most frequent pair,
// the one with the smaller ids among equals, so the same texts in any order give
// the same tokenizer. A pair seen once is not learned: with too little text
// Size() is smaller than size.
func Train(texts iter.Seq[string], size int, added []string, pattern Pattern) (*Tokenizer, error) {
	c, err := pattern.config()
	if err != nil {
		return nil, err
	}
	if least := 256 + len(added); size < least || size > maxID {
		return nil, fmt.Errorf("tokenizer: a vocabulary of %d: wants %d (256 bytes and %d added tokens) to %d", size, least, len(added), maxID)
	}
	tr := &trainer{}
	for b := range 256 {
		tr.tokens = append(tr.tokens, spell(string([]byte{byte(b)})))
		c.Model.Vocab[tr.tokens[b]] = int32(b)
	}
	for i, content := range added {
		if _, ok := c.Model.Vocab[content]; ok || slices.Contains(added[:i], content) {
			return nil, fmt.Errorf("tokenizer: added token %q is a byte of the vocabulary or given twice", content)
		}
		special := strings.HasPrefix(content, "<|") && strings.HasSuffix(content, "|>")
		c.AddedTokens = append(c.AddedTokens, AddedToken{ID: int32(256 + i), Content: content, Special: special})
	}
	// A tokenizer of bytes cuts the texts as the finished one will.
	t := &Tokenizer{cfg: c}
	if err := t.build(); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	tr.count(t, texts)
	tr.learn(size - len(added))

	c.Model.Merges = tr.merges
	for id, token := range tr.tokens {
		c.Model.Vocab[token] = int32(id)
	}
	for i := range c.AddedTokens {
		a := &c.AddedTokens[i]
		a.ID = int32(len(tr.tokens) + i)
		if _, learned := c.Model.Vocab[a.Content]; learned {
			return nil, fmt.Errorf("tokenizer: added token %q was learned from the texts as well; make it longer than a piece", a.Content)
		}
	}
	t = &Tokenizer{cfg: c}
	if err := t.build(); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

// trainer counts pairs in the pieces of the texts and joins them one by one.
type trainer struct {
	tokens []string // id -> spelling
	merges merges
	words  []word
	pairs  map[uint64]*pairCount
	queue  countHeap
}

// word is a piece of the texts, as ids of the merges so far.
type word struct {
	ids   []int32
	count int
}

type pairCount struct {
	count int
	words []int32 // indices of words that have, or once had, the pair
	done  bool    // there is a merge for it
}

// count fills words and pairs.
func (tr *trainer) count(t *Tokenizer, texts iter.Seq[string]) {
	counts := map[string]int{}
	for text := range texts {
		t.segments(pretoken.Lossy(text), nil, func(int32) {}, func(piece string) { counts[piece]++ })
	}
	tr.pairs = map[uint64]*pairCount{}
	for _, piece := range slices.Sorted(maps.Keys(counts)) {
		w := word{count: counts[piece]}
		for i := range len(piece) {
			w.ids = append(w.ids, int32(piece[i]))
		}
		tr.words = append(tr.words, w)
		tr.tally(int32(len(tr.words)-1), w.count, nil)
	}
	for key, p := range tr.pairs {
		tr.queue = append(tr.queue, countedPair{p.count, key})
	}
	heap.Init(&tr.queue)
}

// tally adds by for every pair of a word and notes the pairs in changed.
func (tr *trainer) tally(index int32, by int, changed map[uint64]bool) {
	ids := tr.words[index].ids
	for i := 0; i+1 < len(ids); i++ {
		key := pairKey(ids[i], ids[i+1])
		p := tr.pairs[key]
		if p == nil {
			p = &pairCount{}
			tr.pairs[key] = p
		}
		p.count += by
		if by > 0 && (len(p.words) == 0 || p.words[len(p.words)-1] != index) {
			p.words = append(p.words, index)
		}
		if changed != nil {
			changed[key] = true
		}
	}
}

// learn joins pairs until there are size tokens or none is left to join.
func (tr *trainer) learn(size int) {
	byToken := map[string]int32{}
	for id, token := range tr.tokens {
		byToken[token] = int32(id)
	}
	for len(tr.tokens) < size && len(tr.queue) > 0 {
		top := heap.Pop(&tr.queue).(countedPair)
		p := tr.pairs[top.key]
		if p.count != top.count {
			continue // an old entry: the pair is queued with its new count too
		}
		a, b := int32(top.key>>32), int32(uint32(top.key))
		token := tr.tokens[a] + tr.tokens[b]
		if p.count < 2 {
			break
		}
		if p.done {
			// It came back with a token that has two ways to it. Its rank stands.
			tr.join(p, a, b, byToken[token])
			continue
		}
		p.done = true
		id, ok := byToken[token]
		if !ok { // two ways to the same token share its id
			id = int32(len(tr.tokens))
			byToken[token] = id
			tr.tokens = append(tr.tokens, token)
		}
		tr.merges = append(tr.merges, [2]string{tr.tokens[a], tr.tokens[b]})
		tr.join(p, a, b, id)
	}
}

// join replaces the pair a, b by id in all words that have it.
func (tr *trainer) join(p *pairCount, a, b, id int32) {
	changed := map[uint64]bool{}
	slices.Sort(p.words)
	for _, index := range slices.Compact(p.words) {
		w := &tr.words[index]
		tr.tally(index, -w.count, changed)
		out := w.ids[:0]
		for i := 0; i < len(w.ids); i++ {
			if i+1 < len(w.ids) && w.ids[i] == a && w.ids[i+1] == b {
				out = append(out, id)
				i++
			} else {
				out = append(out, w.ids[i])
			}
		}
		w.ids = out
		tr.tally(index, w.count, changed)
	}
	p.words = nil // none has it now
	for key := range changed {
		if n := tr.pairs[key].count; n > 0 {
			heap.Push(&tr.queue, countedPair{n, key})
		}
	}
}

// countedPair is a queue entry; it is stale when the count has changed since.
type countedPair struct {
	count int
	key   uint64
}

// countHeap has the largest count first, then the smallest key.
type countHeap []countedPair

func (h countHeap) Len() int { return len(h) }
func (h countHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[j].count, h[i].count), cmp.Compare(h[i].key, h[j].key)) < 0
}
func (h countHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *countHeap) Push(x any)   { *h = append(*h, x.(countedPair)) }
func (h *countHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
