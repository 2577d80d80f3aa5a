package bpe

import (
	"container/heap"
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// noRank is the rank of a pair that no merge joins.
const noRank = ^uint32(0)

// pairTable maps a pair of ids to the rank of its merge and the id it gives:
// open addressing with linear probing, at most half full, one cache line a hit.
type pairTable struct {
	slots []pairSlot
	shift uint
}

type pairSlot struct {
	key  uint64 // pairKey, or noPair
	rank uint32
	id   int32
}

const noPair = ^uint64(0)

func pairKey(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

func newPairTable(n int) pairTable {
	bits := uint(4)
	for 1<<bits < 2*n {
		bits++
	}
	slots := make([]pairSlot, 1<<bits)
	for i := range slots {
		slots[i].key = noPair
	}
	return pairTable{slots, 64 - bits}
}

// slot is the place of key: its own or the free one where it belongs.
func (p *pairTable) slot(key uint64) *pairSlot {
	i := key * 0x9e3779b97f4a7c15 >> p.shift
	for {
		s := &p.slots[i&uint64(len(p.slots)-1)]
		if s.key == key || s.key == noPair {
			return s
		}
		i++
	}
}

func (p *pairTable) put(a, b int32, rank uint32, id int32) {
	*p.slot(pairKey(a, b)) = pairSlot{pairKey(a, b), rank, id}
}

func (p *pairTable) get(a, b int32) (rank uint32, id int32) {
	s := p.slot(pairKey(a, b))
	if s.key == noPair {
		return noRank, -1
	}
	return s.rank, s.id
}

// part is one symbol of a piece that is being merged, with the merge that would
// join it to the symbol after it.
type part struct {
	id         int32
	rank       uint32
	joined     int32
	prev, next int32 // only for long pieces
}

const (
	maxCached = 48  // bytes of the longest piece that is remembered
	maxLinear = 160 // symbols up to which searching all pairs beats a heap
)

// encodePiece appends the ids of one piece to dst.
func (t *Tokenizer) encodePiece(dst []int32, piece string) []int32 {
	if t.whole != nil {
		if id, ok := t.whole[piece]; ok {
			return append(dst, id)
		}
	}
	if len(piece) > maxCached {
		return t.merge(dst, piece)
	}
	slot := t.cache.slot(piece)
	if e := slot.Load(); e != nil && e.piece == piece {
		return append(dst, e.ids...)
	}
	n := len(dst)
	dst = t.merge(dst, piece)
	slot.Store(&cacheEntry{strings.Clone(piece), append([]int32(nil), dst[n:]...)})
	return dst
}

// merge joins the bytes of piece in the order of the merge ranks, the leftmost
// first among equals. Bytes that the vocabulary lacks are dropped, as Hugging
// Face does without an unknown token.
func (t *Tokenizer) merge(dst []int32, piece string) []int32 {
	var buf [maxLinear]part
	parts := buf[:0]
	if len(piece) > maxLinear {
		parts = make([]part, 0, len(piece))
	}
	for i := range len(piece) {
		if id := t.base[piece[i]]; id >= 0 {
			parts = append(parts, part{id: id})
		}
	}
	for i := range parts {
		if parts[i].rank = noRank; i+1 < len(parts) {
			parts[i].rank, parts[i].joined = t.pairs.get(parts[i].id, parts[i+1].id)
		}
	}
	if len(parts) > maxLinear {
		return t.mergeLong(dst, parts)
	}
	for len(parts) > 1 {
		at, best := 0, noRank
		for i := range parts {
			if parts[i].rank < best {
				at, best = i, parts[i].rank
			}
		}
		if best == noRank {
			break
		}
		parts[at].id = parts[at].joined
		parts = append(parts[:at+1], parts[at+2:]...)
		if parts[at].rank = noRank; at+1 < len(parts) {
			parts[at].rank, parts[at].joined = t.pairs.get(parts[at].id, parts[at+1].id)
		}
		if at > 0 {
			parts[at-1].rank, parts[at-1].joined = t.pairs.get(parts[at-1].id, parts[at].id)
		}
	}
	for i := range parts {
		dst = append(dst, parts[i].id)
	}
	return dst
}

// mergeLong is merge for long pieces (a run of spaces, a base64 blob): a linked
// list and a heap of rank and place keep it at n log n.
func (t *Tokenizer) mergeLong(dst []int32, parts []part) []int32 {
	queue := make(rankHeap, 0, len(parts))
	for i := range parts {
		parts[i].prev, parts[i].next = int32(i-1), int32(i+1)
		if parts[i].rank != noRank {
			queue = append(queue, uint64(parts[i].rank)<<32|uint64(i))
		}
	}
	heap.Init(&queue)
	// rerank looks the pair that starts at i up anew.
	rerank := func(i int32) {
		p := &parts[i]
		if p.rank = noRank; int(p.next) < len(parts) {
			p.rank, p.joined = t.pairs.get(p.id, parts[p.next].id)
		}
		if p.rank != noRank {
			heap.Push(&queue, uint64(p.rank)<<32|uint64(i))
		}
	}
	for len(queue) > 0 {
		top := heap.Pop(&queue).(uint64)
		i := int32(uint32(top))
		p := &parts[i]
		if p.id < 0 || p.rank != uint32(top>>32) {
			continue // the pair is gone
		}
		gone := p.next
		p.id, p.next = p.joined, parts[gone].next
		parts[gone].id = -1
		if int(p.next) < len(parts) {
			parts[p.next].prev = i
		}
		rerank(i)
		if p.prev >= 0 {
			rerank(p.prev)
		}
	}
	for i := int32(0); int(i) < len(parts); i = parts[i].next {
		dst = append(dst, parts[i].id)
	}
	return dst
}

// rankHeap orders rank<<32|place.
type rankHeap []uint64

func (h rankHeap) Len() int           { return len(h) }
func (h rankHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h rankHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *rankHeap) Push(x any)        { *h = append(*h, x.(uint64)) }
func (h *rankHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// pieceCache remembers the ids of short pieces: one entry a slot, the newest
// wins, so its size is bounded and readers never wait.
type pieceCache struct {
	seed  maphash.Seed
	slots [1 << 15]atomic.Pointer[cacheEntry]
}

type cacheEntry struct {
	piece string
	ids   []int32
}

func (c *pieceCache) slot(piece string) *atomic.Pointer[cacheEntry] {
	return &c.slots[maphash.String(c.seed, piece)%uint64(len(c.slots))]
}
