package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ballast/monitor"
	"ballast/report/plot"
)

// ends are the mean of a metric over its first and last few values, and its best
// smoothed value. No mean spans two phases.
type ends struct {
	first, last, best float64
	bestAt            int // update
	n                 int // values in all
	few, most         int // values in the shortest and the longest of these means
}

// stretch is the values of a metric in one phase, with their updates.
type stretch struct {
	x []int
	y []float64
}

// stretches are a metric's values, phase by phase; phases without any are left out. A
// phase begins where its event says, and in runs without events where its kind changes.
func (r *run) stretches(name string) (out []stretch) {
	fresh := true
	for i, v := range r.metrics[name] {
		if i > 0 && (r.phase[i] != r.phase[i-1] || slices.Contains(r.begins, r.x[i-1])) {
			fresh = true
		}
		if !plot.IsFinite(v) {
			continue
		}
		if fresh {
			out, fresh = append(out, stretch{}), false
		}
		s := &out[len(out)-1]
		s.x, s.y = append(s.x, r.x[i]), append(s.y, v)
	}
	return out
}

// ends summarises a metric; ok is false where it has no values.
func (r *run) ends(name string) (e ends, ok bool) {
	parts := r.stretches(name)
	if len(parts) == 0 {
		return e, false
	}
	for _, s := range parts {
		e.n += len(s.y)
	}
	width := min(10, max(1, e.n/6))
	e.few, e.best = width, math.Inf(-1)
	for i, s := range parts {
		w := min(width, len(s.y))
		if i == 0 {
			e.first = plot.Mean(s.y[:w])
		}
		if i == len(parts)-1 {
			e.last = plot.Mean(s.y[len(s.y)-w:])
		}
		e.few, e.most = min(e.few, w), max(e.most, w)
		for k := 0; k+w <= len(s.y); k++ {
			if m := plot.Mean(s.y[k : k+w]); m > e.best {
				e.best, e.bestAt = m, s.x[k+w-1]
			}
		}
	}
	return e, true
}

// move is how it went from the first to the last.
func (e *ends) move() string {
	switch d := e.last - e.first; {
	case d > 0.01:
		return "rose to"
	case d < -0.01:
		return "fell to"
	}
	return "stayed at"
}

// means says over how many updates the means are.
func (e *ends) means() string {
	if e.few < e.most {
		return fmt.Sprintf("means of %d to %d updates", e.few, e.most)
	}
	return "means of " + plural(e.most, "update")
}

// crossEntropy says how the loss on demonstrations went, phase by phase.
func (r *run) crossEntropy() string {
	var parts []string
	for _, s := range r.stretches(monitor.LossCE) {
		w := min(10, max(1, len(s.y)/6))
		text := fmt.Sprintf("%.3f", s.y[0])
		if len(s.y) > 1 {
			text = fmt.Sprintf("from %.3f to %.3f", plot.Mean(s.y[:w]), plot.Mean(s.y[len(s.y)-w:]))
		}
		parts = append(parts, text)
	}
	switch n := len(parts); {
	case n == 0:
		return ""
	case n == 1 && strings.HasPrefix(parts[0], "from"):
		return "Cross entropy of supervised tokens went " + parts[0] + " nats."
	case n == 1:
		return "Cross entropy of supervised tokens was " + parts[0] + " nats."
	}
	return "Cross entropy of supervised tokens, phase by phase: " + strings.Join(parts, ", then ") + " nats."
}
