package attn

import "fmt"

// SwiGLU sets act to silu(gate) * up, element by element, with silu(g) = g/(1+e^-g).
func SwiGLU(act, gate, up []float32) {
	same(act, gate, up, act, act)
	n := 0
	if Vector() {
		n = len(act) / lanes * lanes
		swigluVector(act[:n], gate, up)
	}
	for i := n; i < len(act); i++ {
		act[i] = gate[i] * sigmoid(gate[i]) * up[i]
	}
}

// SwiGLUBack sets dgate and dup to the derivatives with respect to gate and up,
// from dact, the one with respect to act. dgate may be dact.
func SwiGLUBack(dgate, dup, dact, gate, up []float32) {
	same(dgate, dup, dact, gate, up)
	n := 0
	if Vector() {
		n = len(dact) / lanes * lanes
		swigluBackVector(dgate[:n], dup, dact, gate, up)
	}
	for i := n; i < len(dact); i++ {
		d, g, on := dact[i], gate[i], sigmoid(gate[i])
		// silu'(g) = on + g on (1 - on)
		dgate[i], dup[i] = d*up[i]*(on+g*on*(1-on)), d*g*on
	}
}

func sigmoid(x float32) float32 {
	e := []float32{-x}
	return 1 / (1 + expScalar(e, 0))
}

func same(a, b, c, d, e []float32) {
	if len(b) != len(a) || len(c) != len(a) || len(d) != len(a) || len(e) != len(a) {
		panic(fmt.Sprintf("attn: SwiGLU of lengths %d, %d, %d, %d, %d", len(a), len(b), len(c), len(d), len(e)))
	}
}
