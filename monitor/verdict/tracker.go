package verdict

import (
	"math"
	"slices"
)

// tracker follows one signal. Values are kept transformed (logarithms for
// signals of many magnitudes).
type tracker struct {
	spec   *spec
	order  int
	n      int
	x      []float64 // transformed
	at     []int     // updates
	raw    []float64
	base   float64 // of the healthy window, transformed
	best   float64 // the same in plain units
	run    int     // consecutive updates beyond the window
	back   int     // consecutive updates within it since an alarm
	on     bool
	moved  []Moved
	smooth []float64 // medians of the last 5, transformed
	means  []float64 // means of the last 5, transformed
	mean   float64   // the newest
	peak   float64   // the best of those that are settled
}

// The sizes of the filters, in updates.
const (
	filter  = 5  // median
	settle  = 3  // a level counts for the window once it is this old
	persist = 3  // beyond the window before an alarm
	opening = 10 // the first updates
	reach   = 45 // how far back an onset may lie
	memory  = 25 // how far back a recent window reaches
	refine  = 12 // updates after an alarm that still correct the onset
)

// tiny keeps logarithms finite.
const tiny = 1e-6

func (t *tracker) ready() bool    { return t.n >= filter }
func (t *tracker) alarmed() bool  { return t.on }
func (t *tracker) level() float64 { return median(t.raw[max(0, len(t.raw)-filter):]) }

func (t *tracker) plain(x float64) float64 {
	if t.spec.log {
		return math.Exp(x) - tiny
	}
	return x
}

// add takes the signal's value at an update.
func (t *tracker) add(v float64, at int) {
	t.n++
	x := v
	if t.spec.log {
		x = math.Log(max(v, 0) + tiny)
	}
	t.x, t.raw, t.at = append(t.x, x), append(t.raw, v), append(t.at, at)
	level := median(t.x[max(0, t.n-filter):])
	t.smooth = append(t.smooth, level)
	t.average()
	if t.n < filter {
		t.base = level
		t.best = t.plain(level)
		return
	}
	t.window()
	t.best = t.plain(t.base)
	if t.beyond(level) {
		t.run++
		t.back = 0
	} else {
		t.run = 0
		t.back++
	}
	if t.points() >= half {
		t.back = 0
	}
	switch {
	case t.run >= persist:
		t.leave(at)
	case t.on && t.back >= filter:
		t.on = false
		t.moved[len(t.moved)-1].Back = at
	}
	if t.on {
		m := &t.moved[len(t.moved)-1]
		m.After = t.plain(level)
		if t.at[t.n-1] > m.Alarm && t.at[t.n-1] <= m.Alarm+refine {
			m.Onset = t.change()
		}
		m.Sigmas = max(m.Sigmas, math.Abs(level-t.base)/t.noise())
	}
}

// leave notes that the signal is out of its window, if that is new.
func (t *tracker) leave(at int) {
	if t.on {
		return
	}
	level := t.smooth[t.n-1]
	m := Moved{Signal: t.spec.name, Onset: t.change(), Alarm: at, Before: t.best, After: t.plain(level), order: t.order}
	m.Sigmas = math.Abs(level-t.base) / t.noise()
	t.moved, t.on, t.back = append(t.moved, m), true, 0
}

// average keeps the mean of the last values, which moves sooner than their median, and
// the best one so far: of a while, so that a run that settles at another level is calm.
func (t *tracker) average() {
	sum := 0.0
	last := t.x[max(0, t.n-filter):]
	for _, v := range last {
		sum += v
	}
	t.mean = sum / float64(len(last))
	t.means = append(t.means, t.mean)
	to := max(filter, t.n-settle)
	if t.n < filter {
		return
	}
	settled := t.means[max(filter-1, t.n-memory):to]
	if t.spec.up {
		t.peak = slices.Min(settled)
	} else {
		t.peak = slices.Max(settled)
	}
}

// points is how far the mean is off the best one in the bad direction, for early signs.
func (t *tracker) points() float64 {
	s := t.spec
	if s.unit == 0 || !t.ready() || s.up && t.plain(t.mean) < s.level {
		return 0
	}
	unit, change := s.unit, t.mean-t.peak
	if s.share {
		unit *= t.peak
	}
	if !s.up {
		change = -change
	}
	return min(most, max(0, change/max(unit, 1.5*t.noise())))
}

// window moves the healthy window on, but not while the signal is out of it. A
// recent window goes on after a while: KL rises from nothing in every healthy phase.
func (t *tracker) window() {
	if t.on && (t.spec.against != recent || t.at[t.n-1] < t.moved[len(t.moved)-1].Alarm+memory) {
		return
	}
	old := t.smooth[max(filter-1, t.n-1-settle)]
	switch t.spec.against {
	case first:
		if t.n <= opening {
			t.base = median(t.x)
		}
	case recent:
		t.base = median(t.x[max(0, t.n-memory):max(1, t.n-filter)])
	default:
		switch {
		case t.n == filter:
			t.base = old
		case t.spec.up:
			t.base = min(t.base, old)
		default:
			t.base = max(t.base, old)
		}
	}
}

// beyond reports whether a level is out of the window: by a material step, by the
// signal's own noise, and at a level that matters.
func (t *tracker) beyond(level float64) bool {
	s := t.spec
	step := s.step
	if s.share { // relative to the best level
		step = s.step * t.best
	}
	step = max(step, 3*t.noise())
	if s.up {
		return level-t.base >= step && t.plain(level) >= s.level
	}
	return t.base-level >= step
}

// noise is the standard deviation of one value around the signal's course, from
// the absolute differences of neighbours: a drift does not add to it.
func (t *tracker) noise() float64 {
	to := t.n
	if t.on { // of the time before the change
		to = max(filter, t.index(t.moved[len(t.moved)-1].Onset))
	}
	from := max(1, to-40)
	var d []float64
	for i := from; i < to; i++ {
		d = append(d, math.Abs(t.x[i]-t.x[i-1]))
	}
	return max(t.spec.floor, 1.4826/math.Sqrt2*median(d))
}

// index returns the first position whose update is at least at.
func (t *tracker) index(at int) int {
	i, _ := slices.BinarySearch(t.at, at)
	return i
}

// change estimates where the change that goes on at the newest value began: the best
// fit of a constant, a ramp and a constant again. The change lies behind the last
// update, with a margin, at which the level was still within the window.
func (t *tracker) change() int {
	inside := t.n - 1
	if k := len(t.moved); t.on && k > 0 {
		inside = min(inside, t.index(t.moved[k-1].Alarm))
	}
	for inside > 0 && math.Abs(t.smooth[inside]-t.base) > t.noise() {
		inside--
	}
	fit, before := ramp, 20
	if t.spec.share { // a reward rises while it is healthy
		fit, before = slopeRamp, 20
	}
	lo := max(0, inside-before, t.n-reach)
	x := t.x[lo:]
	best, at := math.Inf(1), min(len(x)-1, 1)
	for from := max(1, inside-8-lo); from < len(x); from++ { // the ramp's first value
		for to := from; to < len(x); to++ { // and its last
			if s := fit(x, from, to); s < best {
				best, at = s, from
			}
		}
	}
	return t.at[lo+at]
}

// ramp returns the squared error of the best x[i] = b + a r(i), where r is 0 before
// from, grows by 1 from there to to, and stays.
func ramp(x []float64, from, to int) float64 {
	n := float64(len(x))
	var sx, sr, srr, sxr, sxx float64
	for i, v := range x {
		r := float64(min(max(0, i-from+1), to-from+1))
		sx, sr, srr, sxr, sxx = sx+v, sr+r, srr+r*r, sxr+v*r, sxx+v*v
	}
	det := n*srr - sr*sr
	if det == 0 {
		return math.Inf(1)
	}
	a := (n*sxr - sx*sr) / det
	b := (sx - a*sr) / n
	return sxx - a*sxr - b*sx
}

// slopeRamp is ramp with a straight line before from, which goes on at its last level.
func slopeRamp(x []float64, from, to int) float64 {
	var a [3][4]float64 // normal equations of 1, the line, the ramp
	xx := 0.0
	for i, v := range x {
		f := [3]float64{1, float64(min(i, from-1)), float64(min(max(0, i-from+1), to-from+1))}
		for j := range f {
			for k := range f {
				a[j][k] += f[j] * f[k]
			}
			a[j][3] += f[j] * v
		}
		xx += v * v
	}
	rest := [3]float64{a[0][3], a[1][3], a[2][3]}
	for j := range a { // elimination; the matrix is symmetric and positive
		if a[j][j] < 1e-9 {
			return math.Inf(1)
		}
		for k := j + 1; k < 3; k++ {
			by := a[k][j] / a[j][j]
			for l := j; l < 4; l++ {
				a[k][l] -= by * a[j][l]
			}
		}
	}
	var b [3]float64
	for j := 2; j >= 0; j-- {
		b[j] = a[j][3]
		for k := j + 1; k < 3; k++ {
			b[j] -= a[j][k] * b[k]
		}
		b[j] /= a[j][j]
		xx -= b[j] * rest[j]
	}
	return xx
}

// flat reports whether the signal, a reward, has stopped to rise: over its last
// half it has no slope that the noise would not explain.
func (t *tracker) flat() bool {
	if t.n < 40 || t.level() >= 0.95 {
		return false
	}
	x := t.x[t.n/2:]
	n := float64(len(x))
	var sx, si, sii, sxi float64
	for i, v := range x {
		sx, si, sii, sxi = sx+v, si+float64(i), sii+float64(i*i), sxi+v*float64(i)
	}
	spread := sii - si*si/n
	slope := (sxi - sx*si/n) / spread
	return slope < 2.7*t.noise()/math.Sqrt(spread)
}

// settled returns the update at which the signal stopped to rise: the best fit of
// a straight line that ends in a constant.
func (t *tracker) settled() int {
	best, at := math.Inf(1), 0
	for k := 1; k < t.n; k++ {
		if s := ramp(t.x, 1, k); s < best {
			best, at = s, k
		}
	}
	return t.at[at]
}

// mean of nothing is NaN.
func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// median of nothing is 0.
func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	s := slices.Clone(x)
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
