// Package verdict says from the metrics of a run's updates how the run is: healthy,
// drifting, or dead in one of the known ways; since when, which signal moved
// first, and which control tokens at which places.
//
// Contract: a Detector is fed one update after the other and can be asked at any
// time. What it says after n updates depends on these n updates only, so a live
// run, the same run read from disk and a foreign run with the same metrics get
// the same answer. A metric that was not recorded takes part in nothing.
//
// Every signal is compared with the run's own healthy window, not with constants
// of other runs: a robust median filter against the best level so far, scaled by
// the signal's own noise, must be beyond a material step for several updates in
// a row. A fivefold rise of one token's probability happens in healthy runs;
// therefore no single early signal makes a verdict. States are made of levels
// that matter (shares of the kinds of replies, reward, lengths), the early signals (illegal
// mass, the control tokens' share of KL) only of "drifting". Signals that say
// little alone add up while the reward sinks: calls that become fewer, replies
// that break, mass on forbidden tokens.
//
// Rewards may have any range: the rules see them as shares of the run's own (see scale),
// found from the updates so far. A run has a history: every sick stretch and every fall of
// the reward is kept, and a lead is counted from the first alarm that led to a fall. No
// verdict stands on what was not read: without rewards a run is at best well-formed. Few
// updates, or a pile of transcripts, are judged by the shares of their replies with intervals.
//
// Nothing fails: NaN and infinities are left out, and a run that is too short to
// judge is "too_short". The thresholds were fixed on scripted runs and are
// reported on others; docs/doctor.md has the table.
package verdict

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"ballast"
	"ballast/monitor"
)

// State is how a run is.
type State string

// The states, the gravest first: of several in one sick stretch the gravest is
// the verdict.
const (
	NonFinite  State = "non_finite"       // optimiser steps were skipped again and again
	Mismatch   State = "mismatch"         // sampler and learner disagree about probabilities
	Collapsed  State = "collapsed"        // replies are nothing but control tokens
	Polluted   State = "polluted"         // broken calls, stray tags, lost reward
	Length     State = "length_blowup"    // replies grow into their budget
	Abandoned  State = "tool_abandonment" // healthy replies that call no tools any more
	Hacking    State = "reward_hacking"   // the reward holds, success is lost
	NoSignal   State = "no_signal"        // no group has spread: only KL moves the weights
	RewardLoss State = "reward_loss"      // the reward is lost with replies of healthy kinds
	Drifting   State = "drifting"         // early signs, nothing lost yet
	Plateau    State = "plateau"          // healthy, and the reward has stopped to rise
	Healthy    State = "healthy"
	WellFormed State = "well_formed" // the replies are in order; of reward or course nothing is known
	NotJudged  State = "not_judged"  // the replies' calls are in a syntax that was not read
	TooShort   State = "too_short"
)

// gravity orders the states.
var gravity = []State{NonFinite, Mismatch, Collapsed, Polluted, Length, Abandoned, Hacking, NoSignal, RewardLoss, Drifting, Plateau,
	Healthy, WellFormed, NotJudged, TooShort}

// Sick reports whether the state is one that an alarm is raised for.
func (s State) Sick() bool {
	switch s {
	case Plateau, Healthy, WellFormed, NotJudged, TooShort:
		return false
	}
	return true
}

// Dead reports whether the state is sick beyond early signs.
func (s State) Dead() bool { return s.Sick() && s != Drifting }

// Spell is a stretch of updates in one state.
type Spell struct {
	From  int   `json:"from"` // first update
	To    int   `json:"to"`   // last update so far
	State State `json:"state"`
}

// Moved is a signal that left its healthy window.
type Moved struct {
	Signal string  `json:"signal"` // a metric's name
	Onset  int     `json:"onset"`  // update at which the change began, estimated
	Alarm  int     `json:"alarm"`  // update at which it was certain
	Before float64 `json:"before"`
	After  float64 `json:"after"`          // median of the last values
	Sigmas float64 `json:"sigmas"`         // distance in units of the signal's own noise
	Back   int     `json:"back,omitempty"` // update at which it had returned; 0: it has not
	order  int     // position in specs
}

// Fact is one metric before and after the onset: evidence.
type Fact struct {
	Metric string  `json:"metric"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Diagnosis is what a Detector says.
type Diagnosis struct {
	State   State     `json:"state"`            // after the last update
	Verdict State     `json:"verdict"`          // see Detector.Diagnosis
	Onset   int       `json:"onset,omitempty"`  // first update of the verdict's change; 0 where there is none
	Began   int       `json:"began,omitempty"`  // the same of the present stretch's first change, of whichever state and signal
	Alarm   int       `json:"alarm,omitempty"`  // first alarm: of the first stretch that led to the fall, else of the present one
	Halved  int       `json:"halved,omitempty"` // update by which the mean reward of ten had halved
	First   int       `json:"first"`            // updates seen: from
	Last    int       `json:"last"`             // to
	Rewards Rewards   `json:"rewards"`
	Shares  Shares    `json:"shares"`            // of the newest replies
	History []Stretch `json:"history,omitempty"` // every sick stretch
	Falls   []Fall    `json:"falls,omitempty"`   // every halving of the reward
	Moved   []Moved   `json:"moved"`             // by onset
	Spells  []Spell   `json:"spells"`
	Tokens  []Fact    `json:"tokens"`  // control tokens by place that rose most
	Reasons []Fact    `json:"reasons"` // reasons of unhealthy replies that rose most
	Pushed  []Fact    `json:"pushed"`  // policy-gradient push on logits, mean before and after
}

// Rewards says how far the rewards are known, and on which range the rules saw them.
type Rewards struct {
	Updates int     `json:"updates"`        // updates with a reward
	Last    int     `json:"last,omitempty"` // the newest of them
	Known   bool    `json:"known"`          // up to the end
	Lo      float64 `json:"lo"`             // see scale
	Hi      float64 `json:"hi"`
}

// Detector follows one run.
type Detector struct {
	signals []*tracker
	by      map[string]*tracker
	scale   scale
	spells  []Spell
	stretch []Spell   // the sick spells since the run was last healthy
	past    []Stretch // the stretches before that
	falls   []Fall
	series  map[string][]point
	recent  []count // what the newest replies were
	seen    bool
	first   int
	last    int
	begun   bool
	started int // first update of the present phase
	broken  []float64
	flat    int     // consecutive updates without spread
	early   int     // consecutive updates in which early signs agree
	low     int     // consecutive updates with the reward below half of its best
	halved  int     // first update at which it had halved
	now     float64 // mean reward of ten updates
	top     float64 // the best
	high    int     // the newest update at which it was about as good
	calm    int     // consecutive updates without a sick state
	rewards int     // updates with a reward
	scored  int     // the newest of them
	silent  int     // updates with replies since
}

// point is a value at an update.
type point struct {
	at int
	v  float64
}

// New returns a detector at the beginning of a run.
func New() *Detector {
	d := &Detector{series: map[string][]point{}, scale: newScale()}
	d.restart()
	return d
}

// restart forgets the healthy windows: what follows is another distribution.
func (d *Detector) restart() {
	d.signals, d.by = nil, map[string]*tracker{}
	for i := range specs {
		t := &tracker{spec: &specs[i], order: i}
		d.signals = append(d.signals, t)
		d.by[specs[i].name] = t
	}
	d.flat, d.low, d.early, d.begun, d.started, d.top, d.recent, d.silent = 0, 0, 0, false, 0, 0, nil, 0
}

// huge bounds values, so that their differences and sums are numbers.
const huge = 1e100

// Enough is how many updates of a phase a course needs.
const Enough = 8

// patience is how many calm updates end a sick stretch, once its signals are back.
const patience = 8

// Add takes the next update. Updates without replies (supervised ones) end the
// healthy window: the policy after them is another one.
func (d *Detector) Add(u ballast.Update) {
	if !d.seen {
		d.seen, d.first = true, u.Index
	}
	d.last = u.Index
	if !replied(u) {
		if d.begun {
			d.leave(u.Index)
			d.restart()
			d.calm = 0
		}
		return
	}
	if !d.begun {
		d.begun, d.started = true, u.Index
	}
	d.rescale(u.Metrics)
	for _, t := range d.signals {
		v, ok := t.spec.read(u.Metrics)
		if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if t.spec.name == monitor.RewardMean {
			v = d.scale.of(v)
			d.rewards, d.scored, d.silent = d.rewards+1, u.Index, -1
		}
		t.add(min(huge, max(-huge, v)), u.Index)
	}
	d.silent++
	d.recent = append(d.recent[max(0, len(d.recent)-Enough+1):], counted(u))
	d.gather(u.Index)
	d.count(u)
	for k, v := range u.Metrics {
		for _, p := range []string{monitor.IllegalAt, monitor.ReasonFor, monitor.GradPrefix} {
			if strings.HasPrefix(k, p) {
				d.series[k] = append(d.series[k], point{u.Index, v})
			}
		}
	}
	d.enter(d.judge(), u.Index)
}

// count keeps the runs of consecutive updates that the rules ask for.
func (d *Detector) count(u ballast.Update) {
	d.broken = append(d.broken, u.Metrics[monitor.NonFinite])
	d.broken = d.broken[max(0, len(d.broken)-5):]
	if u.Metrics[monitor.ZeroSpread] >= 0.999 && d.scale.of(u.Metrics[monitor.RewardMean]) < 0.95 {
		d.flat++
	} else {
		d.flat = 0
	}
	r := d.by[monitor.RewardMean]
	half := d.halves(r)
	if d.silent > 0 {
		return // nothing new about the reward
	}
	if half && r.best >= 0.05 && r.level() < r.best/2 && r.best-r.level() > 2*r.noise() {
		d.low++
	} else {
		d.low = 0
	}
	switch {
	case half && d.halved == 0:
		d.halved = u.Index
	case !half && len(d.stretch) == 0:
		d.halved = 0
	}
	d.fall(half, u.Index)
}

// rescale looks for the range of the rewards, and turns what is known to another one.
func (d *Detector) rescale(m map[string]float64) {
	lo, span := d.scale.lo, d.scale.span
	if !d.scale.see(m) {
		return
	}
	a, b := (lo-d.scale.lo)/d.scale.span, span/d.scale.span
	d.by[monitor.RewardMean].rescale(a, b)
	d.top = a + b*d.top
}

// halves reports whether the mean reward of the last ten updates is at most half of the
// best such mean of the phase.
func (d *Detector) halves(r *tracker) bool {
	if r.n < opening {
		return false
	}
	sum := 0.0
	for _, v := range r.raw[r.n-opening:] {
		sum += v
	}
	d.now = sum / opening
	if r.n == opening {
		d.top = d.now
	}
	d.top = max(d.top, d.now)
	return d.top >= 0.02 && d.now <= d.top/2
}

// enter notes the state of an update.
func (d *Detector) enter(s State, at int) {
	if n := len(d.spells); n > 0 && d.spells[n-1].State == s {
		d.spells[n-1].To = at
	} else {
		d.spells = append(d.spells, Spell{at, at, s})
	}
	if s.Sick() {
		d.calm = 0
		if n := len(d.stretch); n > 0 && d.stretch[n-1].State == s {
			d.stretch[n-1].To = at
		} else {
			d.stretch = append(d.stretch, Spell{at, at, s})
		}
	} else if d.calm++; d.calm >= patience && !d.lasting() {
		d.close()
	}
}

// lasting reports whether a signal of the states of the stretch is still out of its
// window: the run is quiet, not well.
func (d *Detector) lasting() bool {
	for _, sp := range d.stretch {
		for _, family := range causes[sp.State] {
			for _, name := range family {
				if d.by[name].alarmed() {
					return true
				}
			}
		}
	}
	return false
}

// State returns the state after the newest update.
func (d *Detector) State() State {
	if n := len(d.spells); n > 0 {
		return d.spells[n-1].State
	}
	return TooShort
}

// Calm reports whether the newest update lies outside any sick stretch.
func (d *Detector) Calm() bool { return len(d.stretch) == 0 }

// earliest is the first onset of a state's signals that are out of their windows: what
// came before it no signal calls sick.
func (d *Detector) earliest(s State, at int) int {
	for _, family := range causes[s] {
		for _, name := range family {
			if t := d.by[name]; t.alarmed() {
				at = min(at, t.moved[len(t.moved)-1].Onset)
			}
		}
	}
	return at
}

// facts returns the metrics that changed most from the 20 updates before an onset
// to the 20 after it.
func (d *Detector) facts(onset, n int, want func(string) bool) []Fact {
	var out []Fact
	for k, points := range d.series {
		if !want(k) {
			continue
		}
		var sum, count [2]float64
		for _, p := range points {
			switch {
			case p.at >= onset-20 && p.at < onset:
				sum[0] += p.v
			case p.at >= onset && p.at < onset+20:
				sum[1] += p.v
			}
		}
		// A metric that an update lacks was 0 there.
		count[0] = float64(max(1, min(20, onset-d.first)))
		count[1] = float64(max(1, min(20, d.last-onset+1)))
		if f := (Fact{k, sum[0] / count[0], sum[1] / count[1]}); f.After != f.Before {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b Fact) int {
		return cmp.Or(cmp.Compare(math.Abs(b.After-b.Before), math.Abs(a.After-a.Before)), strings.Compare(a.Metric, b.Metric))
	})
	return out[:min(n, len(out))]
}
