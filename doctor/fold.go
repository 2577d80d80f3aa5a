package doctor

import (
	"math"

	"ballast"
	"ballast/chat/format"
	"ballast/doctor/rollouts"
	"ballast/monitor"
	"ballast/monitor/verdict"
)

// The bounds of what is held in memory at a time.
const (
	chunk      = 64   // records of an update where the file has no steps
	mostInStep = 4096 // records of an update that are measured
	mostBytes  = 96 << 20
	keptText   = 6 << 10 // bytes of a reply that the page shows
	keptShown  = 400     // episodes kept for the page
)

// folder turns a stream of records into updates and a diagnosis. It holds the
// records of one update, and a few for the page.
type folder struct {
	report   *Report
	detector *verdict.Detector
	format   format.Format
	waiting  []rollouts.Record // until the format is known
	replies  int               // in waiting
	eps      []ballast.Episode
	scored   bool
	judged   bool
	bytes    int
	step     int
	groups   map[uint64]int
	left     int // records of the step that were left out
	shown    []shown
	every    int // of the updates whose episodes are kept
}

func newFolder(r *Report, f format.Format) *folder {
	return &folder{report: r, detector: verdict.New(), format: f, step: -1, groups: map[uint64]int{}, every: 1}
}

// add takes a record.
func (f *folder) add(r rollouts.Record) {
	if f.format == nil {
		f.waiting = append(f.waiting, r)
		f.replies += len(r.Replies)
		if f.replies >= guessed {
			f.begin()
		}
		return
	}
	f.take(r)
}

// begin chooses the format and takes the records that waited for it.
func (f *folder) begin() {
	if f.format == nil {
		var list []string
		for _, r := range f.waiting {
			list = append(list, r.Replies...)
		}
		n := 0
		if f.format, n = guess(list); n == 0 && len(list) > 0 {
			f.report.note("no healthy call in the first %d replies in any known format: read as %s; name another with --format", len(list), f.format.Name())
		}
	}
	f.report.Format = f.format.Name()
	for _, r := range f.waiting {
		f.take(r)
	}
	f.waiting = nil
}

func (f *folder) take(r rollouts.Record) {
	switch {
	case r.Step >= 0 && r.Step != f.step, r.Step < 0 && len(f.eps) >= chunk:
		f.flush()
		if r.Step < 0 {
			r.Step = f.step + 1
		}
		f.step = r.Step
	case f.step < 0:
		f.step = 0
	}
	f.report.Records++
	if len(f.eps) >= mostInStep || f.bytes > mostBytes {
		f.left++
		return
	}
	group, ok := f.groups[r.Group]
	if !ok || r.Group == 0 {
		group = len(f.groups)
		f.groups[r.Group+uint64(group)*uint64(b2i(r.Group == 0))] = group
	}
	ep := ballast.Episode{Task: r.ID, Group: group, Sample: len(f.eps), Stop: ballast.StopDone,
		Score: ballast.Score{Reward: r.Reward, Success: r.Success, FailTurn: -1}}
	var turn ballast.Turn
	for _, s := range r.Replies {
		p := f.format.Parse(s, nil)
		turn.Steps = append(turn.Steps, ballast.Step{End: len(s), Text: s, Form: p.Form, Reason: string(p.Reason), Calls: p.Calls})
		f.bytes += len(s)
		f.report.Replies++
	}
	ep.Turns = []ballast.Turn{turn}
	f.eps = append(f.eps, ep)
	f.scored, f.judged = f.scored || r.Scored, f.judged || r.Judged
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// flush measures the records so far as one update.
func (f *folder) flush() {
	if len(f.eps) == 0 {
		return
	}
	m := map[string]float64{}
	monitor.Measure(f.eps, nil, m)
	monitor.Inspect(f.eps, &monitor.Lens{Format: f.format}, m)
	for _, key := range []string{monitor.Turns, monitor.PromptLength, monitor.EpisodeLength, monitor.TokensSampled,
		monitor.CutShare, monitor.StopPrefix + string(ballast.StopDone)} {
		delete(m, key) // not in foreign files
	}
	if !f.judged {
		delete(m, monitor.SuccessMean)
	}
	if f.scored {
		if flat, ok := zeroSpread(f.eps); ok {
			m[monitor.ZeroSpread] = flat
		}
	} else {
		delete(m, monitor.RewardMean)
		delete(m, monitor.RewardStd)
	}
	u := ballast.Update{Index: f.step, Phase: "rl", Metrics: m}
	if n := len(f.report.updates); n > 0 && u.Index <= f.report.updates[n-1].Index {
		u.Index = f.report.updates[n-1].Index + 1 // steps that were run again
	}
	f.report.update(f.detector, u)
	if f.left > 0 {
		f.report.note("update %d: %d records beyond the first %d were counted but not measured", u.Index, f.left, len(f.eps))
	}
	f.keep(u.Index)
	f.eps, f.groups, f.bytes, f.left, f.scored, f.judged = f.eps[:0], map[uint64]int{}, 0, 0, false, false
}

// zeroSpread is the share of groups of two or more whose rewards are all equal.
func zeroSpread(eps []ballast.Episode) (share float64, ok bool) {
	type span struct {
		n      int
		lo, hi float64
	}
	groups := map[int]*span{}
	for i := range eps {
		g := groups[eps[i].Group]
		if g == nil {
			g = &span{0, math.Inf(1), math.Inf(-1)}
			groups[eps[i].Group] = g
		}
		r := eps[i].Score.Reward
		g.n, g.lo, g.hi = g.n+1, min(g.lo, r), max(g.hi, r)
	}
	n, flat := 0.0, 0.0
	for _, g := range groups {
		if g.n > 1 {
			n++
			if g.lo == g.hi {
				flat++
			}
		}
	}
	return flat / max(n, 1), n > 0
}

// keep keeps two sick episodes and a healthy one of an update for the page, of
// fewer updates the longer the stream is.
func (f *folder) keep(update int) {
	if len(f.report.updates)%f.every != 0 {
		return
	}
	sick, sound := 0, 0
	for i := range f.eps {
		ill := unwell(&f.eps[i])
		if ill && sick < 2 {
			sick++
		} else if !ill && sound < 1 {
			sound++
		} else {
			continue
		}
		f.shown = append(f.shown, show(&f.eps[i], update, f.format, nil))
	}
	if len(f.shown) > keptShown {
		f.every *= 2
		kept := f.shown[:0]
		for i, s := range f.shown {
			if i%2 == 0 {
				kept = append(kept, s)
			}
		}
		f.shown = kept
	}
}

func unwell(ep *ballast.Episode) bool {
	for _, t := range ep.Turns {
		for _, s := range t.Steps {
			if s.Form == ballast.FormPolluted || s.Form == ballast.FormCollapsed {
				return true
			}
		}
	}
	return false
}

// end finishes the stream.
func (f *folder) end() {
	f.begin()
	f.flush()
}
