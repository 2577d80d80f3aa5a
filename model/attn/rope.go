package attn

import "math"

// Rotary holds the sines and cosines of rotary positions; it grows on demand
// and is not safe for use while it grows.
type Rotary struct {
	freq     []float64
	sin, cos []float32 // [positions][dim/2]
	have     int
}

// NewRotary makes tables for the given angular frequencies, dim/2 of them, in
// radians per position.
func NewRotary(freq []float64) *Rotary { return &Rotary{freq: freq} }

// Grow makes the tables cover positions below n.
func (r *Rotary) Grow(n int) {
	for pos := r.have; pos < n; pos++ {
		for _, f := range r.freq {
			s, c := math.Sincos(float64(pos) * f)
			r.sin, r.cos = append(r.sin, float32(s)), append(r.cos, float32(c))
		}
	}
	r.have = max(r.have, n)
}

// Rotate turns every head of x [tokens, heads*dim] by its token's position, in
// place: dimension i with dimension i + dim/2. Inverse turns back, which is also
// the derivative.
func (r *Rotary) Rotate(x []float32, positions []int32, heads int, inverse bool) {
	half := len(r.freq)
	for t, pos := range positions {
		sin, cos := r.sin[int(pos)*half:][:half], r.cos[int(pos)*half:][:half]
		for h := range heads {
			a := x[(t*heads+h)*2*half:][:half]
			b := x[(t*heads+h)*2*half+half:][:half]
			if inverse {
				for i, s := range sin {
					a[i], b[i] = a[i]*cos[i]+b[i]*s, b[i]*cos[i]-a[i]*s
				}
			} else {
				for i, s := range sin {
					a[i], b[i] = a[i]*cos[i]-b[i]*s, b[i]*cos[i]+a[i]*s
				}
			}
		}
	}
}
