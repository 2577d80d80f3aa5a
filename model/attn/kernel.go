package attn

import "math"

// kernels are the inner loops, each over block rows. p and s are [block][tile].
type kernels struct {
	// dot sets s[r][j] = sum_i at[i][r] bt[i][j] for j < n; n is a multiple of
	// lanes; at is [d][block], bt is [d][tile].
	dot func(s, at, bt []float32, d, n int)
	// sum adds sum_j p[r][j] b[j][i] over j < n to out[r][i]; b is [n][d].
	sum func(out, p, b []float32, d, n int)
	// outer adds sum_r p[r][j] a[r][i] to b[j][i] for j < n.
	outer func(b, p, a []float32, d, n int)
	// exp replaces x by e^(x-shift) and returns the sum.
	exp func(x []float32, shift float32) float32
	// max returns the largest element.
	max func(x []float32) float32
	// scale replaces x by p (x - delta).
	scale func(x, p []float32, delta float32)
}

// scalar are the kernels for every machine and width.
var scalar = kernels{dotScalar, sumScalar, outerScalar, expScalar, maxScalar, scaleScalar}

func dotScalar(s, at, bt []float32, d, n int) {
	for r := range block {
		row := s[r*tile : r*tile+n]
		clear(row)
		for i := range d {
			x, col := at[i*block+r], bt[i*tile:i*tile+n]
			for j := range row {
				row[j] += x * col[j]
			}
		}
	}
}

func sumScalar(out, p, b []float32, d, n int) {
	for r := range block {
		dst := out[r*d : r*d+d]
		for j, x := range p[r*tile : r*tile+n] {
			row := b[j*d : j*d+d]
			for i := range dst {
				dst[i] += x * row[i]
			}
		}
	}
}

func outerScalar(b, p, a []float32, d, n int) {
	for j := range n {
		dst := b[j*d : j*d+d]
		for r := range block {
			x, row := p[r*tile+j], a[r*d:r*d+d]
			for i := range dst {
				dst[i] += x * row[i]
			}
		}
	}
}

func expScalar(x []float32, shift float32) float32 {
	var sum float32
	for i, y := range x {
		e := float32(math.Exp(float64(y - shift)))
		x[i] = e
		sum += e
	}
	return sum
}

func maxScalar(x []float32) float32 {
	top := x[0]
	for _, y := range x {
		top = max(top, y)
	}
	return top
}

func scaleScalar(x, p []float32, delta float32) {
	for i := range x {
		x[i] = p[i] * (x[i] - delta)
	}
}
