package attn

import (
	"fmt"
	"math"

	"ballast/model/kernel"
)

// piece is the number of elements that SwiGLU takes at once.
const piece = 512

// SwiGLU sets act to silu(gate) * up, element by element, with silu(g) = g/(1+e^-g).
func SwiGLU(act, gate, up []float32) {
	same(act, gate, up, act, act)
	var e [piece]float32
	k := kernel.Best()
	for from := 0; from < len(act); from += piece {
		to := min(from+piece, len(act))
		whole := from + (to-from)&^7
		a := act[from:whole]
		copy(a, gate[from:])
		k.SwiGLU(a, up[from:whole], e[:len(a)])
		for i := whole; i < to; i++ {
			act[i] = gate[i] * sigmoid(gate[i]) * up[i]
		}
	}
}

// SwiGLUBack sets dgate and dup to the derivatives with respect to gate and up,
// from dact, the one with respect to act. dgate may be dact.
func SwiGLUBack(dgate, dup, dact, gate, up []float32) {
	same(dgate, dup, dact, gate, up)
	var e [piece]float32
	k := kernel.Best()
	for from := 0; from < len(dact); from += piece {
		to := min(from+piece, len(dact))
		whole := from + (to-from)&^7
		k.SwiGLUBack(dgate[from:whole], dup[from:whole], dact[from:whole], gate[from:whole], up[from:whole], e[:whole-from])
		for i := whole; i < to; i++ {
			d, g, on := dact[i], gate[i], sigmoid(gate[i])
			// silu'(g) = on + g on (1 - on)
			dgate[i], dup[i] = d*up[i]*(on+g*on*(1-on)), d*g*on
		}
	}
}

func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

func same(a, b, c, d, e []float32) {
	if len(b) != len(a) || len(c) != len(a) || len(d) != len(a) || len(e) != len(a) {
		panic(fmt.Sprintf("attn: SwiGLU of lengths %d, %d, %d, %d, %d", len(a), len(b), len(c), len(d), len(e)))
	}
}
