package bfcl

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestUsualLogarithms compares the ways through float64 with those that compute
// every bit.
func TestUsualLogarithms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range 2000 {
		f := r.Float64() * []float64{2, 10, 1e3, 1e9, 1e-3, 1e200}[r.IntN(6)]
		if r.IntN(2) == 0 {
			f = float64(1 + r.IntN(5000))
		}
		x, bits := new(big.Float).SetFloat64(f), uint(1+r.IntN(44))
		if x.Sign() == 0 || f == 1 {
			continue
		}
		exact := logSeries(x, 256).SetPrec(bits)
		if y := logFloat(x, bits); y != nil {
			taken++
			if y.Cmp(exact) != 0 {
				t.Fatalf("log %v to %d bits: %v, not %v", f, bits, y, exact)
			}
		}
		m := mpf{exact, 1 + r.IntN(17)}
		digits, exp, ok := m.usual()
		want, wantExp := m.rounded()
		if ok && (string(digits) != string(want) || exp != wantExp) {
			t.Fatalf("%v in %d digits: %s e%d, not %s e%d", exact, m.digits, digits, exp, want, wantExp)
		}
	}
	if taken < 1500 {
		t.Errorf("only %d of 2000 were taken from floats", taken)
	}
}
