package verdict

import (
	"cmp"
	"slices"
	"strings"

	"ballast/monitor"
)

// Stretch is a time in which the run was sick: from its first alarm until it had been
// calm for a while, or for a supervised phase.
type Stretch struct {
	From    int     `json:"from"`    // first alarm
	To      int     `json:"to"`      // last update in a sick state
	State   State   `json:"state"`   // the gravest
	Onset   int     `json:"onset"`   // first update of that state's change, estimated
	States  []Spell `json:"states"`  // each sick state once, from when it was first seen until it was last seen
	Signals []Sign  `json:"signals"` // that had left their windows, by onset
	Open    bool    `json:"open"`    // it lasts
}

// Sign is a signal that had left its window, since when.
type Sign struct {
	Signal string `json:"signal"`
	Onset  int    `json:"onset"`
}

// Fall is a time in which the mean reward of ten updates was at most half of the best
// such mean before.
type Fall struct {
	High   int     `json:"high"`            // the last update before at which that mean was within a tenth of the best
	Halved int     `json:"halved"`          // the first at which it had halved
	Back   int     `json:"back,omitempty"`  // at which it was back at 0.7 of the best; 0 where it was not seen
	Ended  int     `json:"ended,omitempty"` // supervised update that ended the phase before it was back
	Before float64 `json:"before"`          // the best mean
	After  float64 `json:"after"`           // the least one since
	Told   bool    `json:"told"`            // an alarm belongs to it
	Alarm  int     `json:"alarm,omitempty"` // the first alarm of the stretches that led to it or came with it
}

// Lasts reports whether the reward was still down at the end.
func (f *Fall) Lasts() bool { return f.Back == 0 && f.Ended == 0 }

// recovered is the share of the best mean reward at which a fall is over.
const recovered = 0.7

// fall keeps the falls.
func (d *Detector) fall(half bool, at int) {
	r := d.by[monitor.RewardMean]
	if r.n < opening {
		return
	}
	n := len(d.falls)
	if n > 0 && d.falls[n-1].Lasts() {
		f := &d.falls[n-1]
		f.After = min(f.After, d.scale.plain(d.now))
		if d.now > recovered*d.top {
			f.Back = at
		}
		return
	}
	if half {
		high := max(d.high, d.started)
		if n > 0 {
			high = max(high, d.falls[n-1].Back)
		}
		d.falls = append(d.falls, Fall{High: high, Halved: at, Before: d.scale.plain(d.top), After: d.scale.plain(d.now)})
	} else if d.now >= 0.9*d.top {
		d.high = at
	}
}

// leave ends what goes on in a phase: another policy comes out of the supervised update
// at the given index.
func (d *Detector) leave(at int) {
	d.close()
	if n := len(d.falls); n > 0 && d.falls[n-1].Lasts() {
		d.falls[n-1].Ended = at
	}
	d.halved, d.high = 0, 0
}

// close ends the present stretch.
func (d *Detector) close() {
	if len(d.stretch) > 0 {
		d.past = append(d.past, d.present(false))
		d.stretch = nil
	}
}

// present sums up the present stretch.
func (d *Detector) present(open bool) Stretch {
	first, last := d.stretch[0], d.stretch[len(d.stretch)-1]
	s := Stretch{From: first.From, To: last.To, State: gravest(d.stretch), Open: open}
	for _, sp := range d.stretch {
		if sp.State == s.State {
			s.Onset = d.dated(d.onset(sp.State, sp.From))
			break
		}
	}
	var moved []Moved
	for _, t := range d.signals {
		for _, m := range t.moved {
			if m.Alarm <= s.To && (m.Back == 0 || m.Back > s.From) {
				moved = append(moved, m)
			}
		}
	}
	sortMoved(moved)
	for _, m := range moved {
		if !slices.ContainsFunc(s.Signals, func(g Sign) bool { return g.Signal == m.Signal }) {
			s.Signals = append(s.Signals, Sign{m.Signal, m.Onset})
		}
	}
	for _, sp := range d.stretch {
		if i := slices.IndexFunc(s.States, func(have Spell) bool { return have.State == sp.State }); i >= 0 {
			s.States[i].To = sp.To
		} else {
			s.States = append(s.States, sp)
		}
	}
	return s
}

// gravest returns the gravest state of some spells.
func gravest(list []Spell) State {
	i := len(gravity) - 1
	for _, sp := range list {
		i = min(i, slices.Index(gravity, sp.State))
	}
	return gravity[i]
}

func sortMoved(list []Moved) {
	slices.SortStableFunc(list, func(a, b Moved) int { return cmp.Or(a.Onset-b.Onset, a.order-b.order) })
}

// Diagnosis says how the run is after the updates so far. The verdict is the gravest
// state of the sick stretch that lasts. Where none lasts but the reward is still down, it
// is that of the stretches that led there: a dead run that is quiet is not well. Else
// it is the state; a run too short for a state has the verdict that its replies give.
func (d *Detector) Diagnosis() Diagnosis {
	x := Diagnosis{State: d.State(), First: d.first, Last: d.last, Spells: slices.Clone(d.spells), Halved: d.halved,
		Rewards: Rewards{Updates: d.rewards, Last: d.scored, Known: d.known(), Lo: d.scale.lo, Hi: d.scale.plain(1)}}
	x.Verdict = x.State
	for _, t := range d.signals {
		x.Moved = append(x.Moved, t.moves(&d.scale)...)
	}
	sortMoved(x.Moved)
	x.Shares = d.shares()
	x.History = slices.Clone(d.past)
	if len(d.stretch) > 0 {
		d.sick(&x)
		x.History = append(x.History, d.present(true))
	}
	if n := len(x.History); n > 0 && len(d.stretch) == 0 && x.State.Sick() { // a supervised phase ended it, and the run
		x.Onset, x.Alarm = x.History[n-1].Onset, x.History[n-1].From
	}
	x.Falls = slices.Clone(d.falls)
	var led []Stretch
	for i := range x.Falls {
		back := d.first
		if i > 0 {
			back = max(x.Falls[i-1].Back, x.Falls[i-1].Ended)
		}
		led = x.lead(&x.Falls[i], back)
	}
	if n := len(x.Falls); n > 0 {
		d.fell(&x, &x.Falls[n-1], led)
	}
	if len(d.stretch) == 0 && !x.Verdict.Sick() {
		switch x.State {
		case Plateau:
			x.Onset = d.by[monitor.RewardMean].settled()
		case TooShort, WellFormed:
			x.Verdict = x.Shares.Verdict()
		}
	}
	d.evidence(&x)
	return x
}

// sick fills in what the present stretch says.
func (d *Detector) sick(x *Diagnosis) {
	x.Verdict, x.Alarm = gravest(d.stretch), d.stretch[0].From
	dated := false
	for i, sp := range d.stretch {
		at := d.onset(sp.State, sp.From)
		if sp.State == x.Verdict && !dated {
			x.Onset, dated = d.dated(at), true
		}
		at = d.earliest(sp.State, at)
		if i == 0 || at < x.Began {
			x.Began = at
		}
	}
	x.Alarm = max(x.Alarm, x.Began)
}

// dated is an onset, or where a run's replies were bad from the start, so that no signal of
// theirs dates anything, the onset of the lost reward.
func (d *Detector) dated(onset int) int {
	if r := d.by[monitor.RewardMean]; onset == d.started && r.alarmed() {
		return max(onset, r.moved[len(r.moved)-1].Onset)
	}
	return onset
}

// lead dates the first alarm that led to a fall and returns the stretches that did: those
// that were not over for long when the reward was last high, nor before it was back from an
// earlier fall, and began before it was back from this one.
func (x *Diagnosis) lead(f *Fall, back int) (led []Stretch) {
	for _, s := range x.History {
		end := cmp.Or(f.Back, f.Ended, x.Last)
		if s.To+patience < f.High || s.To < back || s.From > end {
			continue
		}
		if led = append(led, s); !f.Told {
			f.Told, f.Alarm = true, s.From
		}
	}
	return led
}

// fell lets a last fall speak: the lead is counted from its first alarm, and where
// nothing was sick since, the verdict is what led to it.
func (d *Detector) fell(x *Diagnosis, f *Fall, led []Stretch) {
	if !f.Lasts() || !f.Told {
		return
	}
	x.Halved = f.Halved
	x.Alarm = f.Alarm
	if len(d.stretch) > 0 {
		return
	}
	s := slices.MinFunc(led, func(a, b Stretch) int { return slices.Index(gravity, a.State) - slices.Index(gravity, b.State) })
	x.Verdict, x.Onset = s.State, s.Onset
}

// evidence adds the facts around the onset.
func (d *Detector) evidence(x *Diagnosis) {
	if !x.Verdict.Sick() || len(x.History) == 0 {
		return
	}
	x.Tokens = d.facts(x.Onset, 6, func(k string) bool {
		return strings.HasPrefix(k, monitor.IllegalAt) && strings.Count(k, "/") >= 2
	})
	x.Reasons = d.facts(x.Onset, 6, func(k string) bool { return strings.HasPrefix(k, monitor.ReasonFor) })
	x.Pushed = d.facts(x.Onset, 6, func(k string) bool { return strings.HasPrefix(k, monitor.GradPrefix) })
}
