package cpu

import (
	"math"
	"slices"

	"ballast"
	"ballast/model/kernel"
)

// chunk is how many probabilities are added up in float32 before the sum goes
// on in float64.
const chunk = 64

// dist is the next-token distribution of one row of logits.
type dist struct {
	k       *kernel.Set
	logits  []float32 // [vocab], padded with values of probability 0
	size    int       // the real vocabulary
	most    float64   // the largest logit
	logZ    float64   // log sum exp(logit - most)
	entropy float32
	ok      bool      // all finite
	e, sums []float32 // exp((logit - most) / temperature), and by chunk
	total   float64
	order   []int32 // scratch of truncated draws
}

// load computes everything about the row but the draw: the log-probabilities
// and the entropy are of the untempered distribution.
func (d *dist) load(logits []float32, size int, temperature float64) {
	for i := size; i < len(logits); i++ {
		logits[i] = -1e30
	}
	d.logits, d.size = logits, size
	most := d.k.Max(logits)
	d.most = float64(most)
	d.e = resize(d.e, len(logits))
	z, dot := d.exp(1), 0.0
	for i := 0; i < len(logits); i += chunk {
		j := min(i+chunk, len(logits))
		dot += float64(d.k.Dot(d.e[i:j], logits[i:j], most))
	}
	d.logZ, d.total = math.Log(z), z
	d.entropy = float32(d.logZ - dot/z)
	d.ok = !math.IsNaN(dot) && !math.IsInf(dot, 0) && z >= 0.5
	if temperature > 0 && temperature != 1 {
		d.total = d.exp(float32(1 / temperature))
	}
}

// best returns the lowest id of the largest logit.
func (d *dist) best() int32 { return int32(slices.Index(d.logits, float32(d.most))) }

// exp fills e with exp(by * (logit - most)) and sums; it returns the sum.
func (d *dist) exp(by float32) (sum float64) {
	d.sums = d.sums[:0]
	for i := 0; i < len(d.logits); i += chunk {
		j := min(i+chunk, len(d.logits))
		s := d.k.Exps(d.e[i:j], d.logits[i:j], by, -float32(d.most)*by)
		d.sums = append(d.sums, s)
		sum += float64(s)
	}
	return sum
}

// logProb returns the log-probability of token t.
func (d *dist) logProb(t int32) float32 {
	return float32(float64(d.logits[t]) - d.most - d.logZ)
}

// draw returns the token at u of the cumulative distribution (inverse CDF over
// ids, or over falling probability when truncated).
func (d *dist) draw(how ballast.Sampling, u float64) int32 {
	switch {
	case how.Temperature == 0:
		return d.best()
	case how.TopK > 0 && how.TopK < d.size, how.TopP > 0 && how.TopP < 1:
		return d.drawTruncated(how, u)
	}
	u *= d.total
	for c, s := range d.sums {
		if u >= float64(s) && c < len(d.sums)-1 {
			u -= float64(s)
			continue
		}
		last := int32(-1)
		for i := c * chunk; i < min(c*chunk+chunk, d.size); i++ {
			if d.e[i] == 0 {
				continue
			}
			last = int32(i)
			if u -= float64(d.e[i]); u < 0 {
				break
			}
		}
		if last < 0 {
			return d.best() // u is at the very end and the last chunk is empty
		}
		return last // the last possible one where rounding ate the rest
	}
	panic("model/cpu: draw from an empty distribution")
}

// drawTruncated keeps the k most probable tokens, of these the fewest that hold
// share p of what is left, and draws among them. Equal probabilities rank by id.
func (d *dist) drawTruncated(how ballast.Sampling, u float64) int32 {
	p, floor := 1.0, float32(0)
	if how.TopP > 0 && how.TopP < 1 {
		p = how.TopP
	}
	if how.TopK <= 0 || how.TopK >= d.size {
		// All tokens below floor together hold less than share 1-p.
		floor = float32((1 - p) * d.total / float64(d.size) * 0.999)
	}
	d.order = d.order[:0]
	for i, e := range d.e[:d.size] {
		if e > floor {
			d.order = append(d.order, int32(i))
		}
	}
	slices.SortFunc(d.order, func(a, b int32) int {
		switch {
		case d.e[a] > d.e[b]:
			return -1
		case d.e[a] < d.e[b]:
			return 1
		}
		return int(a - b)
	})
	total := d.total
	if k := how.TopK; k > 0 && k < d.size {
		d.order = d.order[:min(k, len(d.order))]
		total = 0
		for _, i := range d.order {
			total += float64(d.e[i])
		}
	}
	kept := 0.0
	for n, i := range d.order {
		if kept += float64(d.e[i]); kept >= p*total {
			d.order = d.order[:n+1]
			break
		}
	}
	u *= kept
	for _, i := range d.order {
		if u -= float64(d.e[i]); u < 0 {
			return i
		}
	}
	return d.order[len(d.order)-1]
}
