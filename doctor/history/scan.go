package history

import (
	"fmt"
	"math"
	"slices"

	"ballast/doctor/rollouts"
)

// span is a stretch of a strand's records whose steps do not fall.
type span struct {
	from, to int // the trainer's steps
	n        int // records
	steps    int // different ones
	begin    int // Seq of the first and of the last record
	end      int
}

// strand is what one file holds of one run, of training or of validation.
type strand struct {
	file
	held    bool
	runs    bool   // records name their runs
	run     string // this one's
	records int
	stepped int    // records with a step of their own
	key     string // the field of their step
	spans   []span
	falls   int // of steps, that were not followed because there are too many
	kinds   map[string]int
	stats   map[string]*stat
	window  int    // how far steps go back without meaning it; 0 where they never do
	laid    []laid // for every span, once that is decided
}

// stat counts what the records of a strand say under one key.
type stat struct {
	rollouts.Column
	paths     map[string]int
	unread    rollouts.Unread
	low, high float64 // of the numbers
	course    uint64  // hash of the numbers in their order: copies have the same
}

// hashPrime is FNV's.
const hashPrime = 1099511628211

// take counts a number.
func (s *stat) take(x float64) {
	if s.Present == 0 {
		s.low, s.high = x, x
	}
	s.Present++
	s.low, s.high, s.course = min(s.low, x), max(s.high, x), s.course*hashPrime^math.Float64bits(x)
}

// join adds the counts of the same key elsewhere.
func (s *stat) join(o *stat) {
	switch {
	case o.Present == 0:
	case s.Present == 0:
		s.low, s.high, s.course = o.low, o.high, o.course
	default:
		s.low, s.high, s.course = min(s.low, o.low), max(s.high, o.high), s.course*hashPrime^o.course
	}
	s.Present, s.Missing, s.Unreadable = s.Present+o.Present, s.Missing+o.Missing, s.Unreadable+o.Unreadable
	for k, n := range o.paths {
		s.paths[k] += n
	}
	if s.unread.Key == "" {
		s.unread = o.unread
	}
}

// laid says where a span comes to lie in the history of its run.
type laid struct {
	offset int // index of an update minus its step
	cut    int // steps from here on were run again later and are left out
	part   int // of the run's segments
}

// scan is what one file holds.
type scan struct {
	file
	strands []*strand
	err     error
	columns []string
	runs    bool // records name their runs
}

// The bounds of what is kept of a file.
const (
	mostRuns  = 16   // more names of runs in a file are names of something else
	mostSpans = 4096 // more falls of the step are no restarts
)

// look reads a file for its steps and rewards alone.
func look(f file, also string) *scan {
	s := &scan{file: f, runs: true}
	s.read(also)
	if len(s.strands) > mostRuns {
		s = &scan{file: f}
		s.read(also)
	}
	return s
}

func (s *scan) read(also string) {
	var last *strand
	s.err = rollouts.Read(s.path, rollouts.Options{Light: true, Also: also, Columns: func(names []string) { s.columns = names }},
		func(r rollouts.Record) {
			run := r.Run
			if !s.runs {
				run = ""
			}
			held := r.Validation || s.held
			if last == nil || last.run != run || last.held != held {
				i := slices.IndexFunc(s.strands, func(t *strand) bool { return t.run == run && t.held == held })
				if i < 0 && len(s.strands) > mostRuns {
					return // it is read again without names of runs
				}
				if i < 0 {
					i = len(s.strands)
					s.strands = append(s.strands, &strand{file: s.file, held: held, runs: s.runs, run: run, kinds: map[string]int{},
						stats: map[string]*stat{}})
				}
				last = s.strands[i]
			}
			last.add(r)
		})
}

// add counts a record.
func (t *strand) add(r rollouts.Record) {
	t.records++
	t.kinds[r.Kind]++
	for _, v := range r.Values {
		t.count(v, r.Line)
	}
	n := len(t.spans)
	step := r.Step
	switch {
	case step >= 0:
		t.stepped++
		t.key = r.StepKey
	case n > 0:
		step = t.spans[n-1].to // as the record before it
	default:
		return // it belongs to the first step
	}
	switch {
	case n == 0 || step < t.spans[n-1].to && n < mostSpans:
		t.spans = append(t.spans, span{from: step, to: step, n: 1, steps: 1, begin: r.Seq, end: r.Seq})
		return
	case step < t.spans[n-1].to:
		t.falls++
		t.spans[n-1].from = min(t.spans[n-1].from, step)
	case step > t.spans[n-1].to:
		t.spans[n-1].to = step
		t.spans[n-1].steps++
	}
	t.spans[n-1].n++
	t.spans[n-1].end = r.Seq
}

func (t *strand) count(v rollouts.Value, line int) {
	s := t.stats[v.Top]
	if s == nil {
		if len(t.stats) > 100 {
			return
		}
		s = &stat{paths: map[string]int{}}
		t.stats[v.Top] = s
	}
	switch v.State {
	case rollouts.Present:
		s.take(v.Num)
		if len(s.paths) < 16 || s.paths[v.Key] > 0 {
			s.paths[v.Key]++
		}
	case rollouts.Missing:
		s.Missing++
	case rollouts.Unreadable:
		if s.Unreadable++; s.Unreadable == 1 {
			s.unread = rollouts.Unread{File: t.rel, Line: line, Key: v.Key, Value: v.Raw, Why: v.Why}
		}
	}
}

// settle decides what the falls of a strand's steps mean: nothing where several
// processes wrote side by side, nothing either where the field counts the turns of
// an episode, and restarts else.
func (t *strand) settle(say func(string, ...any)) {
	if t.stepped == 0 && t.step >= 0 {
		t.spans = []span{{from: t.step, to: t.step, n: t.records, steps: 1}}
	}
	if len(t.spans) < 2 {
		return
	}
	if t.turns() {
		say("%s: the field %q counts the turns of an episode, not updates: it is not used", t.rel, t.key)
		t.key, t.stepped = "", 0
		t.spans = nil
		if t.step >= 0 {
			t.spans = []span{{from: t.step, to: t.step, n: t.records, steps: 1}}
		}
		t.window = -1 // the fields are not looked at
		return
	}
	small := 0
	for i := 1; i < len(t.spans); i++ {
		if t.spans[i-1].to-t.spans[i].from <= near {
			small++
		}
	}
	falls := len(t.spans) - 1 + t.falls
	joined := join(t.spans, near)
	switch {
	case t.falls > 0 || len(t.spans)-small > mostRestarts || small > mostNear && len(joined)-1 > mostNear:
		say("%s: the steps are in no order (%d falls): its records are sorted by step", t.rel, falls)
		t.spans, t.window = join(t.spans, math.MaxInt32), math.MaxInt32
	case small > mostNear:
		say("%s: neighbouring steps are mixed (%d times): its records are sorted by step", t.rel, small)
		t.spans, t.window = joined, near
	}
}

// The sizes of falls. Trainers that sample asynchronously mix neighbouring steps.
const (
	near         = 3
	mostNear     = 3
	mostRestarts = 40
)

// turns reports whether the steps begin again and again at 0 or 1 and count
// single records.
func (t *strand) turns() bool {
	if len(t.spans) <= 8 || t.falls > 0 && len(t.spans) < mostSpans {
		return false
	}
	for i, s := range t.spans {
		if s.from > 1 || s.from != t.spans[0].from || s.to > 200 || i+1 < len(t.spans) && s.n != s.steps {
			return false
		}
	}
	return true
}

// join makes one span of those that fall by so much at most.
func join(spans []span, fall int) []span {
	out := slices.Clone(spans[:1])
	for _, s := range spans[1:] {
		last := &out[len(out)-1]
		if last.to-s.from > fall {
			out = append(out, s)
			continue
		}
		last.from, last.to, last.n = min(last.from, s.from), max(last.to, s.to), last.n+s.n
		last.end, last.steps = s.end, last.to-last.from+1
	}
	return out
}

func (t *strand) first() int { return t.spans[0].from }

func (t *strand) String() string {
	if t.run != "" {
		return fmt.Sprintf("%s (%s)", t.rel, t.run)
	}
	return t.rel
}
