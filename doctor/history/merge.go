package history

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"ballast/doctor/rollouts"
)

// The bounds of what is read at a time.
const (
	mostOpen   = 256      // files side by side
	mostSorted = 64 << 20 // bytes of replies that wait to be sorted
)

// Each hands over the records of a run in the order of its history and fills the
// counts of its Reading. What could not be read it returns as notes.
func (r *Run) Each(give func(Rollout)) []string {
	take := func(x Rollout) {
		x.Reward, x.Success = r.reward.of(&x.Record), r.success.of(&x.Record)
		tally(&r.Reading.Reward, x.Reward.State)
		tally(&r.Reading.Success, x.Success.State)
		give(x)
	}
	for _, group := range clusters(r.run.strands) {
		switch {
		case len(group) == 1:
			for x := range r.records(group[0]) {
				take(x)
			}
		case len(group) > mostOpen:
			r.note("%d files hold the same steps; more than %d are not read side by side: %s and the %d after it are left out",
				len(group), mostOpen, group[mostOpen].rel, len(group)-mostOpen-1)
			group = group[:mostOpen]
			fallthrough
		default:
			r.beside(group, take)
		}
	}
	return r.notes
}

func tally(c *rollouts.Column, s rollouts.State) {
	switch s {
	case rollouts.Present:
		c.Present++
	case rollouts.Missing:
		c.Missing++
	case rollouts.Unreadable:
		c.Unreadable++
	default:
		c.Absent++
	}
}

func (r *Run) note(f string, args ...any) {
	if s := fmt.Sprintf(f, args...); !slices.Contains(r.notes, s) {
		r.notes = append(r.notes, s)
	}
}

// bounds are the indices of the first and the last update of a strand.
func (t *strand) bounds() (lo, hi int) {
	if len(t.spans) == 0 {
		return 0, 0
	}
	lo, hi = t.spans[0].from+t.laid[0].offset, 0
	for i, s := range t.spans {
		lo, hi = min(lo, s.from+t.laid[i].offset), max(hi, s.to+t.laid[i].offset)
	}
	return lo, hi
}

// clusters parts strands into groups that follow each other; those of one group
// overlap, and are of one strand where nothing overlaps.
func clusters(list []*strand) [][]*strand {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *strand) int {
		al, ah := a.bounds()
		bl, bh := b.bounds()
		return cmp.Or(al-bl, ah-bh, natural(a.rel, b.rel))
	})
	var out [][]*strand
	end := -1
	for _, t := range list {
		lo, hi := t.bounds()
		n := len(out)
		// Strands of the same single step, and one that begins where another ends, need no mixing.
		if n == 0 || lo >= end || len(t.spans) == 0 {
			out = append(out, []*strand{t})
		} else {
			out[n-1] = append(out[n-1], t)
		}
		end = max(end, hi)
	}
	return out
}

// beside reads strands side by side, the lowest update first.
func (r *Run) beside(group []*strand, give func(Rollout)) {
	type lane struct {
		next func() (Rollout, bool)
		head Rollout
	}
	var lanes []*lane
	for _, t := range group {
		next, stop := iter.Pull(r.records(t))
		defer stop()
		l := &lane{next: next}
		if x, ok := next(); ok {
			l.head = x
			lanes = append(lanes, l)
		}
	}
	for len(lanes) > 0 {
		low := slices.MinFunc(lanes, func(a, b *lane) int { return a.head.Index - b.head.Index }).head.Index
		for _, l := range lanes {
			ok := true
			for ok && l.head.Index <= low {
				give(l.head)
				l.head, ok = l.next()
			}
			if !ok {
				l.next = nil
			}
		}
		lanes = slices.DeleteFunc(lanes, func(l *lane) bool { return l.next == nil })
	}
}

// records yields what a strand adds to its run, in the order of the updates.
func (r *Run) records(t *strand) iter.Seq[Rollout] {
	return func(yield func(Rollout) bool) {
		at, open := 0, true // span; somebody listens
		sorted := sorter{window: max(0, t.window), last: -1, give: func(x Rollout) { open = open && yield(x) }}
		got := 0
		err := rollouts.Read(t.path, rollouts.Options{Also: r.also}, func(rec rollouts.Record) {
			if !open || t.runs && rec.Run != t.run || t.held != (rec.Validation || t.file.held) {
				return
			}
			got++
			x := Rollout{Record: rec, Index: -1}
			if len(t.spans) > 0 {
				for at < len(t.spans)-1 && rec.Seq > t.spans[at].end {
					at++
				}
				step := t.stepOf(rec, sorted.last)
				if step >= t.laid[at].cut {
					return
				}
				sorted.last = step
				x.Index = step + t.laid[at].offset
			}
			sorted.add(x)
		})
		sorted.flush()
		if err != nil {
			r.note("%s: %v; %d records of it were read", t.path, err, got)
		}
		if sorted.late > 0 {
			r.note("%s: %d records came too late to be sorted to their step and are left out", t.path, sorted.late)
		}
	}
}

// stepOf is the trainer's step of a record: its own, that of the record before it,
// or that of its file.
func (t *strand) stepOf(r rollouts.Record, before int) int {
	switch {
	case t.window < 0 || t.stepped == 0:
		return t.step
	case r.Step >= 0:
		return r.Step
	case before >= 0:
		return before
	}
	return t.spans[0].from
}

// sorter puts records into the order of their updates where neighbouring steps are
// mixed: it holds those of the last few updates.
type sorter struct {
	window int
	give   func(Rollout)
	wait   map[int][]Rollout
	bytes  int
	high   int // the newest update
	low    int // all below were given
	last   int // step of the record before
	late   int
}

func (s *sorter) add(x Rollout) {
	if s.window == 0 {
		s.give(x)
		return
	}
	if s.wait == nil {
		s.wait = map[int][]Rollout{}
	}
	if x.Index < s.low {
		s.late++
		return
	}
	s.wait[x.Index] = append(s.wait[x.Index], x)
	for _, t := range x.Replies {
		s.bytes += len(t)
	}
	s.high = max(s.high, x.Index)
	for len(s.wait) > 1 && (s.high-s.lowest() > s.window || s.bytes > mostSorted) {
		s.pop(s.lowest())
	}
}

func (s *sorter) lowest() int {
	low := s.high
	for k := range s.wait {
		low = min(low, k)
	}
	return low
}

func (s *sorter) pop(k int) {
	for _, x := range s.wait[k] {
		for _, t := range x.Replies {
			s.bytes -= len(t)
		}
		s.give(x)
	}
	delete(s.wait, k)
	s.low = k + 1
}

func (s *sorter) flush() {
	for len(s.wait) > 0 {
		s.pop(s.lowest())
	}
}
