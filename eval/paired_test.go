package eval

import (
	"math"
	"math/rand/v2"
	"testing"

	"ballast"
)

// TestNewcombeCovers: over random tables the interval holds the true difference
// in about 95% of the draws.
func TestNewcombeCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, p := range [][4]float64{{0.3, 0.2, 0.1, 0.4}, {0.02, 0.3, 0.01, 0.67}, {0.5, 0.05, 0.05, 0.4}, {0.9, 0.03, 0.02, 0.05}} {
		covered := 0
		const draws, n = 4000, 60
		for range draws {
			var k [4]int
			for range n {
				u := r.Float64()
				for i := range k {
					if u -= p[i]; u < 0 || i == 3 {
						k[i]++
						break
					}
				}
			}
			if d := newcombe(k[0], k[1], k[2], k[3]); d.Lo <= p[1]-p[2] && p[1]-p[2] <= d.Hi {
				covered++
			}
		}
		if share := float64(covered) / draws; share < 0.93 || share > 0.995 {
			t.Errorf("probabilities %v: covered in %.3f of the draws", p, share)
		}
	}
}

func TestMcNemar(t *testing.T) {
	for _, c := range []struct {
		gained, lost int
		want         float64
	}{{0, 0, 1}, {5, 0, 2.0 / 32}, {0, 5, 2.0 / 32}, {3, 1, 2 * 5.0 / 16}, {10, 10, 1}} {
		if got := mcnemar(c.gained, c.lost); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("+%d -%d: p %g, want %g", c.gained, c.lost, got, c.want)
		}
	}
	if d := newcombe(0, 0, 0, 0); d.Lo != -1 || d.Hi != 1 || d.P != 1 {
		t.Errorf("nothing played: %+v", d)
	}
}

// TestCompare: episodes are paired by task, whatever their order, and broken or missing ones count for nothing.
func TestCompare(t *testing.T) {
	ep := func(task string, success bool) ballast.Episode {
		return ballast.Episode{Task: task, Stop: ballast.StopDone, Score: ballast.Score{Success: success}}
	}
	broken := ballast.Episode{Task: "e", Stop: ballast.StopInfra}
	d := Compare([]ballast.Episode{ep("a", true), ep("b", true), ep("c", false), ep("d", false), ep("e", true)},
		[]ballast.Episode{ep("c", true), broken, ep("b", false), ep("a", true), ep("x", true)})
	if d.Pairs != 3 || d.Gained != 1 || d.Lost != 1 || d.Mean != 0 {
		t.Errorf("%+v", d)
	}
}
