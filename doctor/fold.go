package doctor

import (
	"math"
	"strings"

	"ballast"
	"ballast/chat/format"
	"ballast/doctor/history"
	"ballast/doctor/rollouts"
	"ballast/monitor"
	"ballast/monitor/verdict"
)

// The bounds of what is held in memory at a time.
const (
	chunk      = 64     // rollouts of an update where the file has no steps,
	mostChunks = 1000   // after so many twice as many, and so on
	mostSteps  = 50_000 // updates that are measured
	mostInStep = 4096   // records of an update that are measured
	mostBytes  = 96 << 20
	mostReply  = 16 << 20 // bytes of a reply that are read
	keptText   = 6 << 10  // bytes of a reply that the page shows
	keptShown  = 400      // episodes kept for the page
)

// folder turns a stream of rollouts into updates and a diagnosis. It holds the
// rollouts of one update, and a few for the page.
type folder struct {
	report   *Report
	detector *verdict.Detector
	format   format.Format
	waiting  []history.Rollout // until the format is known
	replies  int               // in waiting
	held     int               // bytes of them
	eps      []ballast.Episode
	rewarded []ballast.Episode // those whose reward is known
	judged   int               // episodes of which success is known
	solved   int
	bytes    int
	step     int
	begun    bool
	named    format.Format // by the user; nil where the replies choose
	sample   []string      // the first replies, where a format was named
	groups   map[uint64]int
	left     int // records of the step that were left out
	long     int // replies that were cut
	beyond   int // records after the last update that is measured
	shown    []shown
	every    int // of the updates whose episodes are kept
}

func newFolder(r *Report, f format.Format) *folder {
	return &folder{report: r, detector: verdict.New(), format: f, named: f, groups: map[uint64]int{}, every: 1}
}

// add takes a rollout.
func (f *folder) add(x history.Rollout) {
	for i, s := range x.Replies {
		if len(s) > mostReply {
			x.Replies[i] = strings.Clone(s[:mostReply])
			f.long++
		}
	}
	if f.named != nil && f.replies < guessed && f.held < guessedBytes {
		f.sample = append(f.sample, x.Replies...)
		f.weigh(x)
	}
	if f.format == nil {
		f.waiting = append(f.waiting, x)
		f.weigh(x)
		if f.replies >= guessed || f.held >= guessedBytes {
			f.begin()
		}
		return
	}
	f.take(x)
}

// weigh counts what the choice of a format looks at.
func (f *folder) weigh(x history.Rollout) {
	f.replies += max(1, len(x.Replies))
	for _, s := range x.Replies {
		f.held += len(s)
	}
}

// begin chooses the format and takes the rollouts that waited for it.
func (f *folder) begin() {
	if f.format == nil {
		var list []string
		for _, x := range f.waiting {
			list = append(list, x.Replies...)
		}
		g := guessFormat(list)
		if f.format = g.format; g.weight() > 0 {
			f.report.guessed = g.String()
		} else if len(list) > 0 {
			f.report.note("%s", g)
		}
	}
	f.report.Format = f.format.Name()
	for _, x := range f.waiting {
		f.take(x)
	}
	f.waiting = nil
}

func (f *folder) take(x history.Rollout) {
	switch {
	case !f.begun:
		f.begun, f.step = true, max(0, x.Index)
	case x.Index > f.step, x.Index < 0 && len(f.eps) >= f.chunk():
		f.flush()
		f.step = max(x.Index, f.step+1)
	}
	f.report.Records++
	if len(f.report.updates) >= mostSteps {
		f.beyond++
		return
	}
	if len(f.eps) >= mostInStep || f.bytes > mostBytes {
		f.left++
		return
	}
	group, ok := f.groups[x.Group]
	if !ok || x.Group == 0 {
		group = len(f.groups) + len(f.eps)
		f.groups[x.Group] = group
	}
	ep := ballast.Episode{Task: x.ID, Group: group, Sample: len(f.eps), Stop: ballast.StopDone,
		Score: ballast.Score{Reward: x.Reward.Num, Success: x.Success.State == rollouts.Present && x.Success.Num >= 1, FailTurn: -1}}
	ep.Score.Reward = min(mostMetric, max(-mostMetric, ep.Score.Reward))
	var turn ballast.Turn
	for _, s := range x.Replies {
		p := f.format.Parse(s, nil)
		turn.Steps = append(turn.Steps, ballast.Step{End: len(s), Text: s, Kind: p.Kind, Reason: string(p.Reason), Calls: p.Calls})
		f.bytes += len(s)
		f.report.Replies++
		f.report.Reading.Kinds[p.Kind]++
	}
	ep.Turns = []ballast.Turn{turn}
	if x.Reward.State == rollouts.Present {
		f.rewarded = append(f.rewarded, ep)
	} else {
		ep.Score.Reward = math.NaN() // shown as unknown
	}
	f.eps = append(f.eps, ep)
	if x.Success.State == rollouts.Present {
		f.judged++
		f.solved += b2i(ep.Score.Success)
	}
}

// chunk is how many records make an update where the file has no steps: more of
// them the longer the file is.
func (f *folder) chunk() int { return min(mostInStep, chunk<<(len(f.report.updates)/mostChunks)) }

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
	f.measure(m)
	monitor.Inspect(f.eps, &monitor.Lens{Format: f.format}, m)
	for _, key := range []string{monitor.Turns, monitor.PromptLength, monitor.EpisodeLength, monitor.TokensSampled,
		monitor.CutShare, monitor.StopPrefix + string(ballast.StopDone)} {
		delete(m, key) // not in foreign files
	}
	if x := unreadShare(f.eps); x > 0 {
		m[monitor.UnreadSyntax] = x
	}
	u := ballast.Update{Index: f.step, Phase: "rl", Metrics: m}
	f.report.update(f.detector, u)
	f.report.covered = append(f.report.covered, coverage{len(f.rewarded), len(f.eps)})
	if f.left > 0 {
		f.report.note("update %d: %d records beyond the first %d were counted but not measured", u.Index, f.left, len(f.eps))
	}
	f.keep(u.Index)
	clear(f.eps) // lets go of the texts
	clear(f.rewarded)
	f.eps, f.rewarded, f.groups = f.eps[:0], f.rewarded[:0], map[uint64]int{}
	f.bytes, f.left, f.judged, f.solved = 0, 0, 0, 0
}

// measure fills in the metrics of the episodes. Those of the reward are over the
// episodes that have one, and so are those of success: what is unknown is no zero.
func (f *folder) measure(m map[string]float64) {
	monitor.Measure(f.eps, nil, m)
	for k := range m {
		if strings.HasPrefix(k, rewardPrefix) {
			delete(m, k)
		}
	}
	if len(f.rewarded) > 0 {
		known := map[string]float64{}
		monitor.Measure(f.rewarded, nil, known)
		for k, v := range known {
			if strings.HasPrefix(k, rewardPrefix) {
				m[k] = v
			}
		}
		if flat, ok := zeroSpread(f.rewarded); ok {
			m[monitor.ZeroSpread] = flat
		}
	}
	if delete(m, monitor.SuccessMean); f.judged > 0 {
		m[monitor.SuccessMean] = float64(f.solved) / float64(f.judged)
	}
}

// rewardPrefix is that of all metrics of the reward.
const rewardPrefix = "reward/"

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
			if s.Kind == ballast.KindPolluted || s.Kind == ballast.KindCollapsed {
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
	if f.named != nil {
		if better := otherThan(f.named, f.sample); better != "" {
			f.report.note("%s", better)
		}
	}
	if f.beyond > 0 {
		f.report.note("%d records after the first %d updates were counted but not measured", f.beyond, mostSteps)
	}
	if f.long > 0 {
		f.report.note("%d replies longer than %d MiB were read up to there", f.long, mostReply>>20)
	}
}
