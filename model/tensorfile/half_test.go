package tensorfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// narrowType is a type of 16 bits by the numbers of its standard.
type narrowType struct {
	dtype    DType
	fraction int // bits
	bias     int
}

var narrowTypes = []narrowType{{F16, 10, 15}, {BF16, 7, 127}}

// value is what a pattern of bits means: a sign, an exponent, and a fraction in whole steps.
// ok is false for infinities and NaNs.
func (n narrowType) value(h uint16) (v float64, ok bool) {
	exp, frac := int(h&0x7fff)>>n.fraction, float64(h&(1<<n.fraction-1))
	if exp == 1<<(15-n.fraction)-1 {
		return 0, false
	}
	if exp == 0 {
		exp = 1
	} else {
		frac += math.Pow(2, float64(n.fraction))
	}
	v = frac * math.Pow(2, float64(exp-n.bias-n.fraction))
	return math.Copysign(v, 1-2*float64(h>>15)), true
}

// TestNarrowRead: every pattern of 16 bits is widened to exactly what it means.
func TestNarrowRead(t *testing.T) {
	for _, n := range narrowTypes {
		raw, got := make([]byte, 2<<16), make([]float32, 1<<16)
		for h := range 1 << 16 {
			binary.LittleEndian.PutUint16(raw[2*h:], uint16(h))
		}
		file := append(safetensors(`{"a":{"dtype":"`+string(n.dtype)+`","shape":[65536],"data_offsets":[0,131072]}}`, 0), raw...)
		es, err := ReadSafetensors(bytes.NewReader(file), int64(len(file)), "f")
		ok(t, err)
		ok(t, es[0].Read(got))
		for h, g := range got {
			v, finite := n.value(uint16(h))
			nan, negative := h&(1<<n.fraction-1) != 0, h>>15 == 1
			switch {
			case finite && (float64(g) != v || math.Signbit(float64(g)) != negative):
				t.Fatalf("%s %#x is read as %g, it means %g", n.dtype, h, g, v)
			case !finite && (nan != (g != g) || !nan && !math.IsInf(float64(g), 1-2*(h>>15))):
				t.Fatalf("%s %#x is read as %g", n.dtype, h, g)
			}
		}
	}
}

// TestNarrowWrite: what is written is the nearest number that the type has, the even one of
// two that are as near.
func TestNarrowWrite(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range narrowTypes {
		type point struct {
			bits uint16
			v    float64
		}
		var all []point
		for h := range uint16(1 << 15) {
			if v, finite := n.value(h); finite {
				all = append(all, point{h, v})
			}
		}
		nearest := func(f float32) uint16 {
			a := math.Abs(float64(f))
			i, _ := slices.BinarySearchFunc(all, a, func(p point, a float64) int { return cmp.Compare(p.v, a) })
			i = min(i, len(all)-1)
			if i > 0 {
				low, high := a-all[i-1].v, all[i].v-a
				if low < high || low == high && all[i-1].bits&1 == 0 {
					i--
				}
			}
			return all[i].bits | uint16(math.Float32bits(f)>>31)<<15
		}
		largest := all[len(all)-1].v
		var in []float32
		for i := range all {
			in = append(in, float32(all[i].v), -float32(all[i].v))
			if i > 0 { // half-way, which float32 has, and its neighbours
				mid := float32((all[i-1].v + all[i].v) / 2)
				in = append(in, mid, math.Nextafter32(mid, 0), math.Nextafter32(mid, math.MaxFloat32))
			}
		}
		for len(in) < 300_000 {
			if f := math.Float32frombits(rng.Uint32()); math.Abs(float64(f)) <= largest {
				in = append(in, f)
			}
		}
		var b bytes.Buffer
		ok(t, WriteSafetensors(&b, []Tensor{{"a", []int{len(in)}, in}}, n.dtype))
		data := b.Bytes()[b.Len()-2*len(in):]
		for i, f := range in {
			if got, want := binary.LittleEndian.Uint16(data[2*i:]), nearest(f); got != want {
				t.Fatalf("%s: %g (%#x) is written as %#x, want %#x", n.dtype, f, math.Float32bits(f), got, want)
			}
		}
	}
}

// TestNarrowTooLarge: a number that would be written as an infinity is an error with the
// tensor's name; what is an infinity or no number stays it.
func TestNarrowTooLarge(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		dtype DType
		v     float32
		want  string
	}{
		{F16, 65519.996, ""}, {F16, -65504, ""}, {F16, 65520, "tensor b: 65520 is more than F16 holds"},
		{F16, -1e6, "tensor b: -1e+06 is more than F16 holds"}, {BF16, 3.38e38, ""},
		{BF16, math.MaxFloat32, "tensor b: 3.4028235e+38 is more than BF16 holds"}, {F32, math.MaxFloat32, ""},
		{F16, inf, ""}, {BF16, -inf, ""}, {F16, nan, ""}, {BF16, nan, ""}, {"Q4_0", 1, `weights are not written as "Q4_0"`},
	} {
		var b bytes.Buffer
		err := WriteSafetensors(&b, []Tensor{{"a", []int{1}, []float32{1}}, {"b", []int{1}, []float32{c.v}}}, c.dtype)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %g: %v", c.dtype, c.v, err)
		}
		if err != nil {
			continue
		}
		es, err := ReadSafetensors(bytes.NewReader(b.Bytes()), int64(b.Len()), "f")
		ok(t, err)
		got := make([]float32, 1)
		ok(t, es[1].Read(got))
		if (got[0] != got[0]) != (c.v != c.v) || math.IsInf(float64(c.v), 0) && got[0] != c.v {
			t.Errorf("%s: %g is read again as %g", c.dtype, c.v, got[0])
		}
	}
}
