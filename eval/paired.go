package eval

import (
	"math"

	"ballast"
)

// Difference compares two evaluations of the same tasks.
type Difference struct {
	Pairs  int     `json:"pairs"`  // tasks that both played
	Gained int     `json:"gained"` // solved by the second and not by the first
	Lost   int     `json:"lost"`   // solved by the first and not by the second
	Mean   float64 `json:"mean"`   // difference of the success rates, second less first, in [-1,1]
	Lo     float64 `json:"lo"`     // its 95% interval, see newcombe
	Hi     float64 `json:"hi"`
	P      float64 `json:"p"` // two-sided exact McNemar test of no difference
}

// Compare pairs scored episodes by task: those of the first evaluation that the second has too. Broken ones are
// left out, and so are further episodes of a task.
func Compare(first, second []ballast.Episode) Difference {
	other, seen := make(map[string]*ballast.Episode, len(second)), make(map[string]bool, len(first))
	for i := range second {
		if other[second[i].Task] == nil {
			other[second[i].Task] = &second[i]
		}
	}
	var n [2][2]int
	for i := range first {
		a, b := &first[i], other[first[i].Task]
		again := seen[a.Task]
		seen[a.Task] = true
		if b != nil && !again && a.Stop != ballast.StopInfra && b.Stop != ballast.StopInfra {
			n[b2i(a.Score.Success)][b2i(b.Score.Success)]++
		}
	}
	return newcombe(n[1][1], n[0][1], n[1][0], n[0][0])
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// newcombe compares two proportions on the same tasks: both solve, only the second
// does, only the first does, neither does. The interval is Newcombe's hybrid score
// interval for paired proportions (Statistics in Medicine 17, 1998, page 2635,
// method 10): it joins the two Wilson intervals, allowing for their correlation,
// and unlike a bootstrap over tasks it has a width where the tasks all agree.
func newcombe(both, gained, lost, neither int) Difference {
	n := both + gained + lost + neither
	d := Difference{Pairs: n, Gained: gained, Lost: lost, P: mcnemar(gained, lost)}
	if n == 0 {
		d.Lo, d.Hi = -1, 1
		return d
	}
	first, second := Count{OK: both + lost, All: n}, Count{OK: both + gained, All: n}
	d.Mean = second.Rate() - first.Rate()
	l1, u1 := first.Wilson()
	l2, u2 := second.Wilson()
	phi := correlation(float64(both), float64(gained), float64(lost), float64(neither))
	width := func(a, b float64) float64 { return math.Sqrt(max(0, a*a-2*phi*a*b+b*b)) }
	d.Lo = max(-1, d.Mean-width(second.Rate()-l2, u1-first.Rate()))
	d.Hi = min(1, d.Mean+width(u2-second.Rate(), first.Rate()-l1))
	return d
}

// correlation is the phi coefficient with the method's continuity correction.
func correlation(both, gained, lost, neither float64) float64 {
	margins := (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
	if margins == 0 {
		return 0
	}
	x := both*neither - gained*lost
	if x > 0 {
		x = max(0, x-(both+gained+lost+neither)/2)
	}
	return x / math.Sqrt(margins)
}

// mcnemar is the two-sided p of a split at least as uneven as this under a fair
// coin for every task that the variants disagree on.
func mcnemar(gained, lost int) float64 {
	n, k := gained+lost, min(gained, lost)
	sum := 0.0
	for i := 0; i <= k; i++ {
		sum += math.Exp(choose(n, i) - float64(n)*math.Ln2)
	}
	return min(1, 2*sum)
}

// choose is the logarithm of a binomial coefficient.
func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}
