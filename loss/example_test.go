package loss_test

import (
	"fmt"
	"math"

	"ballast/loss"
)

// Three tokens of a won episode: the policy term over the ratio to the policy that
// sampled, clipped at 1.2. The third token's ratio is 2, so that it has no gradient.
func ExampleEvaluate() {
	b := loss.Batch{
		LogProb: []float64{-1, -0.5, -0.5},
		Old:     []float64{-1, -0.5, -0.5 - math.Ln2},
	}
	b.Weight[loss.TermPolicy] = []float64{1.5, 1.5, 1.5} // advantages
	b.Count[loss.TermPolicy] = 3
	r := loss.Evaluate(b, loss.Default())
	fmt.Printf("%.3f %.3f\n", r.Total, r.Grad)
	// Output: -1.600 [-0.500 -0.500 0.000]
}
