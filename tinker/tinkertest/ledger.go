package tinkertest

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// Op is an operation of a model. Seq is 0 where the request had none.
type Op struct {
	Model string
	Seq   int
	Kind  string
}

// Ledger is what a server has done. It counts over restarts.
type Ledger struct {
	Requests map[string]int // by kind, the last part of the path, refused and cut ones too
	Answers  map[int]int    // by status; 0 = none, since the connection was cut or the client left
	Faults   map[string]int // the actions of the script that were done, by name
	Applied  map[Op]int     // how often a model took an operation; failed ones are not in it
	Failed   map[Op]int     // promises of operations that failed
	Steps    map[string]int // of the optimiser, by model
	Trained  int            // positions that were taken forward and backward
	Sampled  int            // tokens
	Restarts int
}

// Twice are the operations that a model took more than once, in order.
func (l Ledger) Twice() []Op {
	var out []Op
	for op, n := range l.Applied {
		if n > 1 && op.Seq > 0 {
			out = append(out, op)
		}
	}
	slices.SortFunc(out, compare)
	return out
}

// Missing are the numbers below a model's highest that it has not taken.
func (l Ledger) Missing(model string) []int {
	seen, most := map[int]bool{}, 0
	for op := range l.Applied {
		if op.Model == model {
			seen[op.Seq] = true
			most = max(most, op.Seq)
		}
	}
	var out []int
	for n := 1; n <= most; n++ {
		if !seen[n] {
			out = append(out, n)
		}
	}
	return out
}

// Of are the operations that a model took, in the order of their numbers.
func (l Ledger) Of(model string) []Op {
	var out []Op
	for op := range l.Applied {
		if op.Model == model {
			out = append(out, op)
		}
	}
	slices.SortFunc(out, compare)
	return out
}

func compare(a, b Op) int {
	return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Kind, b.Kind))
}

// book is a ledger that is being written.
type book struct {
	mu sync.Mutex
	l  Ledger
}

func newBook() *book {
	return &book{l: Ledger{Requests: map[string]int{}, Answers: map[int]int{}, Faults: map[string]int{}, Applied: map[Op]int{},
		Failed: map[Op]int{}, Steps: map[string]int{}}}
}

// write lets f change the ledger.
func (b *book) write(f func(*Ledger)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.l)
}

// read is a copy.
func (b *book) read() Ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.l
	l.Requests, l.Answers, l.Faults = maps.Clone(l.Requests), maps.Clone(l.Answers), maps.Clone(l.Faults)
	l.Applied, l.Failed, l.Steps = maps.Clone(l.Applied), maps.Clone(l.Failed), maps.Clone(l.Steps)
	return l
}
