package verdict

import (
	"math"
	"slices"

	"ballast"
	"ballast/monitor"
)

// window says what a signal is compared with.
type window uint8

const (
	best   window = iota // the best level so far
	first                // the first updates
	recent               // the updates 5 to 25 ago
)

// spec is one signal and what counts as a material change of it.
type spec struct {
	name    string
	up      bool    // a rise is bad; else a fall
	against window  //
	step    float64 // least change, in transformed units
	level   float64 // least level (largest, for falls) in plain units that matters at all
	floor   float64 // least noise, in transformed units
	log     bool    // compared on a natural logarithmic scale
	share   bool    // falls are material relative to the best level, by the share step
	unit    float64 // an early sign: the change of its mean that is one point, see gather; 0 = none
	of      func(m map[string]float64) (float64, bool)
}

// Names of signals that are no metrics.
const (
	badForms  = "reply/bad"         // polluted (but for cut replies) and collapsed
	worstSite = "illegal/worst"     // most probable forbidden token and place
	worstGap  = "logprob_gap/worst" // the largest mean gap of a part of the episodes
	response  = monitor.KindPrefix + "response"
)

// specs is the table of signals. Its numbers were fixed on the tuning set of the
// scripted runs in the tests of package doctor.
var specs = []spec{
	{name: worstSite, up: true, step: math.Log(5), level: 0.005, floor: 0.1, log: true, of: worst},
	{name: monitor.IllegalMass, up: true, step: math.Log(5), level: 0.001, floor: 0.1, log: true, unit: math.Log(2)},
	{name: monitor.IllegalReplies, up: true, step: 0.12, floor: 0.02},
	{name: badForms, up: true, step: 0.12, floor: 0.02, of: bad, unit: 0.06},
	{name: monitor.KindPrefix + "collapsed", up: true, step: 0.08, floor: 0.01},
	{name: monitor.KLControl, up: true, against: recent, step: 0.2, floor: 0.03},
	{name: monitor.KL, up: true, against: recent, step: math.Log(4), level: 0.05, floor: 0.1, log: true},
	{name: monitor.EntropyMean, up: true, against: recent, step: math.Log(1.8), level: 0.05, floor: 0.05, log: true},
	{name: monitor.ToolCallRate, step: 0.4, share: true, floor: 0.02, unit: 0.25},
	{name: response, up: true, step: 0.2, floor: 0.02},
	{name: monitor.ReplyLength, up: true, against: first, step: math.Log(1.7), floor: 0.05, log: true},
	{name: monitor.CutShare, up: true, step: 0.1, floor: 0.02},
	{name: monitor.RewardMean, step: 0.4, share: true, floor: 0.02},
	{name: monitor.SuccessMean, step: 0.4, share: true, floor: 0.02},
	{name: monitor.EvalSuccess, step: 0.4, share: true, floor: 0.02},
	{name: monitor.ZeroSpread, up: true, step: 0.2, floor: 0.05},
	{name: monitor.GapMean, up: true, step: math.Log(5), level: 0.03, floor: 0.1, log: true},
	{name: worstGap, up: true, step: math.Log(5), level: 0.03, floor: 0.1, log: true, of: widest},
	{name: monitor.ImportanceESS, step: 0.3, floor: 0.02},
	{name: monitor.GradNorm, up: true, against: recent, step: math.Log(5), floor: 0.1, log: true},
}

// read returns the signal's value in an update.
func (s *spec) read(m map[string]float64) (float64, bool) {
	if s.of != nil {
		return s.of(m)
	}
	v, ok := m[s.name]
	return v, ok
}

func bad(m map[string]float64) (float64, bool) {
	p, ok := m[monitor.KindPrefix+ballast.KindPolluted.String()]
	return max(0, p-m[monitor.ReasonFor+"cut"]) + m[monitor.KindPrefix+ballast.KindCollapsed.String()], ok
}

// worst returns the largest probability of a forbidden token at one place.
func worst(m map[string]float64) (float64, bool) {
	if _, ok := m[monitor.IllegalMass]; !ok {
		return 0, false
	}
	top := 0.0
	for k, v := range m {
		if len(k) > len(monitor.IllegalAt) && k[:len(monitor.IllegalAt)] == monitor.IllegalAt && k != monitor.IllegalMass &&
			k != monitor.IllegalReplies {
			top = max(top, v)
		}
	}
	return top, true
}

// enoughGap is how many tokens a part of the episodes must have for its gap to count.
const enoughGap = 200

// widest returns the largest mean gap between sampler and learner of a part of the episodes:
// in long ones it begins late, where the mean over all tokens hides it.
func widest(m map[string]float64) (top float64, ok bool) {
	for _, place := range monitor.GapPlaces() {
		if m[monitor.GapAt(place, monitor.GapTokens)] >= enoughGap {
			top, ok = max(top, m[monitor.GapAt(place, monitor.GapMean)]), true
		}
	}
	return top, ok
}

// mismatched: the gap is wide, of all tokens or of those of a part of the episodes; or
// importance weights against it leave little of the batch.
func (d *Detector) mismatched() bool {
	wide := func(name string) bool {
		t := d.by[name]
		return t.alarmed() && t.level() >= 0.05 || t.ready() && t.level() >= 0.3
	}
	left := d.by[monitor.ImportanceESS]
	return wide(monitor.GapMean) || wide(worstGap) || left.ready() && left.level() <= 0.3
}

// judge returns the state after the newest update. Every rule reads levels
// (medians of the last 5 updates) against the run's healthy window.
func (d *Detector) judge() State {
	at := func(name string) *tracker { return d.by[name] }
	sick := at(badForms)
	if sick.n < 3 {
		return TooShort
	}
	broken := 0
	for _, n := range d.broken {
		if n > 0 {
			broken++
		}
	}
	reward, success := at(monitor.RewardMean), at(monitor.SuccessMean)
	known := reward.n > 0 && d.known()
	lost := !known || reward.ready() && (reward.level() <= 0.6*reward.best || reward.level() <= 0.02)
	collapsed, cut, length := at(monitor.KindPrefix+"collapsed"), at(monitor.CutShare), at(monitor.ReplyLength)
	calls, talk := at(monitor.ToolCallRate), at(response)
	switch {
	case broken >= 3:
		return NonFinite
	case d.mismatched():
		return Mismatch
	case collapsed.ready() && collapsed.level() >= max(0.3, collapsed.best+0.2):
		return Collapsed
	case sick.ready() && sick.level() >= max(0.4, sick.best+0.25) && lost, sick.ready() && sick.level() >= 0.7 && lost:
		return Polluted
	case length.alarmed() && cut.ready() && cut.level() >= cut.best+0.12,
		length.ready() && length.level() >= 3*length.best && length.alarmed() && (cut.n > 0 || !known || !d.pays(lost)):
		return Length
	case calls.alarmed() && calls.best >= 0.1 && calls.level() < 0.5*calls.best && talk.alarmed():
		return Abandoned
	case known && d.hacked(reward, success, at(monitor.EvalSuccess)):
		return Hacking
	case d.flat >= 5:
		return NoSignal
	case d.low >= 5:
		return RewardLoss
	}
	if d.drifts(known && lost) {
		return Drifting
	}
	switch {
	case known && reward.flat():
		return Plateau
	case sick.n < Enough:
		return TooShort
	case !known:
		return WellFormed
	}
	return Healthy
}

// hacked: the reward holds while success, sampled or evaluated, is lost.
func (d *Detector) hacked(reward, success, eval *tracker) bool {
	if !reward.ready() || reward.level() < 0.8*reward.best {
		return false
	}
	lost := func(t *tracker) bool { return t.alarmed() && t.best >= 0.1 && t.level() < 0.6*t.best }
	return lost(success) || lost(eval)
}

// pays reports whether longer replies earn more: success, or the reward where nobody
// judges success, holds near its best and is a fifth above its beginning. Thoughts that
// grow with what they earn are no blow-up. Where cut replies are counted, these decide.
func (d *Detector) pays(lost bool) bool {
	t := d.by[monitor.SuccessMean]
	if t.n == 0 {
		t = d.by[monitor.RewardMean]
	}
	if lost || t.n <= opening {
		return false
	}
	before, now := mean(t.raw[:opening]), mean(t.raw[t.n-opening:])
	return now >= 0.8*t.best && now >= before+0.2*max(before, 0.02)
}

// What early signs ask for, together.
const (
	points  = 2.0 // at least so many
	most    = 1.5 // one sign counts at most so many
	half    = 0.5 // and takes part from here on; two must
	sinking = 0.6 // the mean reward, as a share of its best
	agree   = 2   // updates in a row
)

// gather adds up the early signs: changes that are too small for a signal alone, seen
// in several signals while the reward sinks. Signs that agree long enough count as
// having left their windows.
func (d *Detector) gather(at int) {
	sum := 0.0
	var who []*tracker
	for _, t := range d.signals {
		if p := t.points(); p > 0 {
			sum += p
			if p >= half {
				who = append(who, t)
			}
		}
	}
	reward := d.by[monitor.RewardMean]
	if sum < points || len(who) < 2 || !reward.ready() || reward.mean > sinking*reward.peak {
		d.early = 0
		return
	}
	if d.early++; d.early >= agree {
		for _, t := range who {
			t.leave(at)
		}
	}
}

// drifts: early signs agree; or early signals of two kinds left their window, one of
// them about control tokens or forms themselves; or sick forms with a lost reward; or
// the mass on a forbidden token alone, by far.
func (d *Detector) drifts(lost bool) bool {
	on := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return d.by[n].alarmed() })
	}
	if d.early >= agree {
		return true
	}
	illegal, sick, far := on(mass...), on(forms...), on(monitor.KL, monitor.KLControl)
	return sick && lost || illegal && sick || illegal && far || sick && far || illegal && d.by[worstSite].level() >= 0.05
}

// causes are the signals that date a state, in families: signals of one family see
// the same thing.
var causes = map[State][][]string{
	Collapsed:  {mass, forms, kl},
	Polluted:   {mass, forms, kl},
	Drifting:   {mass, forms, kl, {monitor.ToolCallRate}},
	Length:     {{monitor.ReplyLength}, {monitor.CutShare}},
	Abandoned:  {{monitor.ToolCallRate}, {response}},
	Hacking:    {{monitor.SuccessMean, monitor.EvalSuccess}},
	NoSignal:   {{monitor.ZeroSpread}, {monitor.RewardMean}},
	RewardLoss: {{monitor.RewardMean}},
	Mismatch:   {{monitor.GapMean, worstGap}, {monitor.ImportanceESS}},
	NonFinite:  {{monitor.GradNorm}},
}

// The families of the collapse.
var (
	mass  = []string{worstSite, monitor.IllegalMass}
	forms = []string{badForms, monitor.KindPrefix + "collapsed", monitor.IllegalReplies}
	kl    = []string{monitor.KLControl}
)

// trusted is the distance in sigmas from which on a signal's own onset is trusted.
const trusted = 8

// onset returns the update at which a state began that was first seen at update
// alarm. Each family of its signals gives the earliest onset that is clear; of three
// families the one in the middle decides, of two the earlier: a single signal may
// have a story of its own.
func (d *Detector) onset(s State, alarm int) int {
	var clear []int
	faint, sigmas := 0, 0.0
	for _, family := range causes[s] {
		out := 0
		for _, name := range family {
			for _, m := range d.by[name].moved {
				if m.Back != 0 && m.Back < alarm || m.Alarm > alarm+refine {
					continue // another story
				}
				if m.Sigmas >= trusted && (out == 0 || m.Onset < out) {
					out = m.Onset
				}
				if m.Sigmas > sigmas {
					faint, sigmas = m.Onset, m.Sigmas
				}
				break
			}
		}
		if out != 0 {
			clear = append(clear, out)
		}
	}
	slices.Sort(clear)
	switch {
	case len(clear) > 0:
		return clear[(len(clear)-1)/2]
	case faint != 0:
		return faint
	case s == NoSignal: // flat from the start
		return max(d.started, alarm-4)
	}
	return d.started // bad from the start: there was no healthy window
}
