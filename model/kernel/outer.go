//go:build goexperiment.simd && amd64

package kernel

// checkOuter panics when an outer product would leave one of its slices.
func checkOuter(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int) {
	if rows > 0 && k > 0 {
		_ = dst[(rows-1)*ldd+Panel-1]
		_, _ = x[(k-1)*ldx+rows-1], w[(k-1)*ldw+Panel-1]
	}
}

// outer32AVX512 takes the rows in tiles of 4 and 1, as mul32AVX512 does; the four
// factors of a step lie side by side.
func outer32AVX512(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int) {
	checkOuter(dst, ldd, x, ldx, rows, w, ldw, k)
	d, a, b := base(dst), base(x), base(w)
	r := 0
	for ; r+4 <= rows; r += 4 {
		outer4(at(d, r*ldd), ldd, at(a, r), ldx, b, ldw, k)
	}
	for ; r < rows; r++ {
		c := at(d, r*ldd)
		s, t := load16(c, 0), load16(c, 16)
		for i, j, l := 0, 0, r; i < k; i, j, l = i+1, j+ldw, l+ldx {
			e := all16(a, l)
			s, t = e.MulAdd(load16(b, j), s), e.MulAdd(load16(b, j+16), t)
		}
		store16(s, c, 0)
		store16(t, c, 16)
	}
	leave()
}

func outer4(d ptr, ldd int, x ptr, ldx int, w ptr, ldw, k int) {
	a0, b0 := load16(d, 0), load16(d, 16)
	a1, b1 := load16(d, ldd), load16(d, ldd+16)
	a2, b2 := load16(d, 2*ldd), load16(d, 2*ldd+16)
	a3, b3 := load16(d, 3*ldd), load16(d, 3*ldd+16)
	for i, j, l := 0, 0, 0; i < k; i, j, l = i+1, j+ldw, l+ldx {
		u, v := load16(w, j), load16(w, j+16)
		s := all16(x, l)
		a0, b0 = s.MulAdd(u, a0), s.MulAdd(v, b0)
		s = all16(x, l+1)
		a1, b1 = s.MulAdd(u, a1), s.MulAdd(v, b1)
		s = all16(x, l+2)
		a2, b2 = s.MulAdd(u, a2), s.MulAdd(v, b2)
		s = all16(x, l+3)
		a3, b3 = s.MulAdd(u, a3), s.MulAdd(v, b3)
	}
	store16(a0, d, 0)
	store16(b0, d, 16)
	store16(a1, d, ldd)
	store16(b1, d, ldd+16)
	store16(a2, d, 2*ldd)
	store16(b2, d, 2*ldd+16)
	store16(a3, d, 3*ldd)
	store16(b3, d, 3*ldd+16)
}

// outer32AVX2 takes the two halves of the panel one after the other, in tiles of
// 4 and 1 rows.
func outer32AVX2(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int) {
	checkOuter(dst, ldd, x, ldx, rows, w, ldw, k)
	for half := 0; half < Panel; half += 16 {
		d, a, b := at(base(dst), half), base(x), at(base(w), half)
		r := 0
		for ; r+4 <= rows; r += 4 {
			outer4AVX2(at(d, r*ldd), ldd, at(a, r), ldx, b, ldw, k)
		}
		for ; r < rows; r++ {
			c := at(d, r*ldd)
			s, t := load8(c, 0), load8(c, 8)
			for i, j, l := 0, 0, r; i < k; i, j, l = i+1, j+ldw, l+ldx {
				e := all8(a, l)
				s, t = e.MulAdd(load8(b, j), s), e.MulAdd(load8(b, j+8), t)
			}
			store8(s, c, 0)
			store8(t, c, 8)
		}
	}
	leave()
}

func outer4AVX2(d ptr, ldd int, x ptr, ldx int, w ptr, ldw, k int) {
	a0, b0 := load8(d, 0), load8(d, 8)
	a1, b1 := load8(d, ldd), load8(d, ldd+8)
	a2, b2 := load8(d, 2*ldd), load8(d, 2*ldd+8)
	a3, b3 := load8(d, 3*ldd), load8(d, 3*ldd+8)
	for i, j, l := 0, 0, 0; i < k; i, j, l = i+1, j+ldw, l+ldx {
		u, v := load8(w, j), load8(w, j+8)
		s := all8(x, l)
		a0, b0 = s.MulAdd(u, a0), s.MulAdd(v, b0)
		s = all8(x, l+1)
		a1, b1 = s.MulAdd(u, a1), s.MulAdd(v, b1)
		s = all8(x, l+2)
		a2, b2 = s.MulAdd(u, a2), s.MulAdd(v, b2)
		s = all8(x, l+3)
		a3, b3 = s.MulAdd(u, a3), s.MulAdd(v, b3)
	}
	store8(a0, d, 0)
	store8(b0, d, 8)
	store8(a1, d, ldd)
	store8(b1, d, ldd+8)
	store8(a2, d, 2*ldd)
	store8(b2, d, 2*ldd+8)
	store8(a3, d, 3*ldd)
	store8(b3, d, 3*ldd+8)
}

// rmsnormBackAVX2 is rmsnormBack on vectors of 8, other widths left to that one.
func rmsnormBackAVX2(dx, dw, dy, x, w []float32, n int, eps float32) {
	if n%8 != 0 {
		rmsnormBack(dx, dw, dy, x, w, n, eps)
		return
	}
	pdx, pdw, pdy, px, pw := base(dx[:n]), base(dw[:n]), base(dy[:n]), base(x[:n]), base(w[:n])
	var squares, cross = set8(0), set8(0)
	for i := 0; i < n; i += 8 {
		v := load8(px, i)
		squares = v.MulAdd(v, squares)
		cross = v.Mul(load8(pw, i)).MulAdd(load8(pdy, i), cross)
	}
	var a, b [4]float32
	squares.GetLo().Add(squares.GetHi()).Store(&a)
	cross.GetLo().Add(cross.GetHi()).Store(&b)
	leave()
	r, p := scalarRMSBack(&a, &b, n, eps)
	inv, pull := set8(r), set8(p)
	for i := 0; i < n; i += 8 {
		v, d := load8(px, i), load8(pdy, i).Mul(inv)
		store8(v.MulAdd(pull, d.MulAdd(load8(pw, i), load8(pdx, i))), pdx, i)
		store8(v.MulAdd(d, load8(pdw, i)), pdw, i)
	}
	leave()
}

// scalarRMSBack adds the halves that fold would, and returns 1/rms and the pull on x;
// a call for the reason of scalarRMS.
//
//go:noinline
func scalarRMSBack(a, b *[4]float32, n int, eps float32) (r, pull float32) {
	r = invRMS((a[0]+a[2])+(a[1]+a[3]), n, eps)
	return r, -r * r * r * ((b[0] + b[2]) + (b[1] + b[3])) / float32(n)
}
