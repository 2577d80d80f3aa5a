package doctor

import (
	"fmt"
	"strings"

	"ballast/monitor"
	"ballast/report/plot"
)

// lately is how many of the newest updates a sentence of the gap is of.
const lately = 5

// gap says how far sampler and learner are apart in the newest updates, and in which replies
// of an episode; "" where nothing was compared.
func (r *Report) gap() string {
	level := func(name string) (text string, ok bool) {
		values := r.values(name)
		values = plot.Finite(values[max(0, len(values)-lately):])
		sum := 0.0
		for _, v := range values {
			sum += v / float64(len(values))
		}
		return plot.Short(sum), len(values) > 0
	}
	mean, ok := level(monitor.GapMean)
	if !ok {
		return ""
	}
	text := fmt.Sprintf("Log-probabilities of sampler and learner in the last %d updates: mean gap %s", lately, mean)
	for _, x := range []struct{ name, what string }{
		{monitor.GapK3, "k3"}, {monitor.GapShare, "share of tokens over 10% apart"},
		{monitor.ImportanceESS, "effective sample size of importance weights"},
	} {
		if v, ok := level(x.name); ok {
			text += fmt.Sprintf(", %s %s", x.what, v)
		}
	}
	var parts []string
	for _, place := range monitor.GapPlaces() {
		if v, ok := level(monitor.GapAt(place, monitor.GapMean)); ok {
			parts = append(parts, place+" "+v)
		}
	}
	if len(parts) > 1 {
		text += "; by reply of an episode: " + strings.Join(parts, ", ")
	}
	return text + "."
}
