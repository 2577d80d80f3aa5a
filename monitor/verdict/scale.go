package verdict

import (
	"math"
	"slices"

	"ballast/monitor"
)

// scale finds the range of a run's rewards, from the updates so far alone. The rules
// see rewards as shares of it: 0 is what a failing episode earns, 1 what a good one does.
//
// It is [0,1] as long as the rewards lie there and say nothing else. Else its ends are what
// bad and good episodes earn: the median over the updates of the median reward below
// the mean of an update, and of that above it. Updates in which the reward had fallen do not
// count: there a bad episode is the rule, and what is below the mean is worse than that.
// Medians, so that a rare penalty or bonus does not stretch the range. Rewards that are
// never negative start at 0, unless all lie far above it.
type scale struct {
	lo, span float64
	n        int
	ends     int       // updates that had bad and good episodes
	least    float64   // of all rewards
	bad      []float64 // what bad episodes earned, in ascending order
	good     []float64
	means    []float64 // the last ones
	best     float64   // the best median of them
	mean     [2]float64
}

// The constants of the range.
const (
	slack   = 0.02 // a change of the ends by less, as a share of the range, is none
	lifted  = 0.1  // failing episodes earn so much of the best, or they earn nothing
	small   = 0.1  // a largest reward below this is the top of a range of its own
	certain = 5    // updates before rewards in [0,1] are taken for another range
)

func newScale() scale { return scale{span: 1} }

// see takes an update and reports whether the range has changed.
func (s *scale) see(m map[string]float64) bool {
	mean, ok := finite(m, monitor.RewardMean)
	if !ok {
		return false
	}
	low, okLow := finite(m, monitor.RewardLow)
	high, okHigh := finite(m, monitor.RewardHigh)
	least, okLeast := finite(m, monitor.RewardMin)
	if !okLeast {
		least = mean
	}
	if std, ok := finite(m, monitor.RewardStd); ok && std > 0 && !okLeast && (mean < 0 || mean > 1) { // a log that has no more
		low, high, okLow, okHigh = mean-std, mean+std, true, true
		least = min(least, low)
		if mean > 1 {
			low, least = max(0, low), max(0, least)
		}
	}
	if s.n == 0 {
		s.least, s.mean = least, [2]float64{mean, mean}
	}
	s.n++
	s.least = min(s.least, least)
	s.mean = [2]float64{min(s.mean[0], mean), max(s.mean[1], mean)}
	if okLow && okHigh && high > low {
		s.end(mean, low, high)
	}
	lo, hi := s.bounds()
	span := hi - lo
	if !(span > 0) || math.IsInf(span, 0) || math.Abs(lo-s.lo) <= slack*span && math.Abs(hi-s.lo-s.span) <= slack*span {
		return false
	}
	s.lo, s.span = lo, span
	return true
}

// end takes what the bad and the good episodes of an update earned.
func (s *scale) end(mean, low, high float64) {
	s.means = append(s.means[max(0, len(s.means)-filter+1):], mean)
	if s.ends++; s.ends > filter && mean < s.lo+0.5*(s.best-s.lo) {
		return
	}
	if level := median(s.means); s.ends == 1 || level > s.best {
		s.best = level
	}
	s.bad, s.good = insert(s.bad, low), insert(s.good, high)
}

// insert adds a value to an ascending list.
func insert(list []float64, v float64) []float64 {
	i, _ := slices.BinarySearch(list, v)
	return slices.Insert(list, i, v)
}

// middle is the median of an ascending list.
func middle(x []float64) float64 { return (x[(len(x)-1)/2] + x[len(x)/2]) / 2 }

// bounds are the ends of the range as they look now.
func (s *scale) bounds() (lo, hi float64) {
	if s.ends == 0 { // no update had two different rewards, or nobody noted them
		switch {
		case s.mean[0] >= 0 && s.mean[1] <= 1:
			return 0, 1
		case s.mean[0] >= 0:
			return 0, s.mean[1]
		}
		return s.mean[0], max(s.mean[1], 0)
	}
	bad, good := middle(s.bad), middle(s.good)
	lo, hi = bad, max(good, s.mean[1])
	if s.least >= 0 {
		far, clustered := bad >= lifted*hi && s.least >= 0.5*bad, bad-s.least <= 0.1*(good-bad)
		switch {
		case s.ends < certain && hi <= 1:
			return 0, 1
		case !far || !clustered && s.least < good-bad:
			lo = 0
		case !clustered: // a score that spreads, far from 0
			lo = s.least
		}
	}
	if lo == 0 && hi <= 1 && (hi >= small || s.n < opening) {
		return 0, 1
	}
	return lo, hi
}

// of returns a reward as a share of the range.
func (s *scale) of(v float64) float64 { return (v - s.lo) / s.span }

// plain returns what a share of the range is as a reward, no infinity.
func (s *scale) plain(x float64) float64 {
	return min(math.MaxFloat64, max(-math.MaxFloat64, s.lo+s.span*x))
}

// finite returns a metric that is there and a number.
func finite(m map[string]float64, name string) (float64, bool) {
	v, ok := m[name]
	return v, ok && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// rescale turns what the tracker holds from one range into another: x in the old one
// is a + b x in the new one.
func (t *tracker) rescale(a, b float64) {
	for _, list := range [][]float64{t.x, t.raw, t.smooth, t.means} {
		for i, v := range list {
			list[i] = a + b*v
		}
	}
	for _, v := range []*float64{&t.base, &t.best, &t.mean, &t.peak} {
		*v = a + b**v
	}
	for i := range t.moved {
		m := &t.moved[i]
		m.Before, m.After = a+b*m.Before, a+b*m.After
	}
}

// moves returns the tracker's changes with values on the scale of the metric.
func (t *tracker) moves(s *scale) []Moved {
	out := slices.Clone(t.moved)
	if t.spec.name == monitor.RewardMean {
		for i := range out {
			m := &out[i]
			m.Before, m.After = s.plain(m.Before), s.plain(m.After)
		}
	}
	return out
}
