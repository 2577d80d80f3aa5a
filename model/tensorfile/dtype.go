package tensorfile

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DType names how a tensor is stored in a file: the names of safetensors, and
// those of GGUF for its quantised types. In memory every tensor is float32.
type DType string

// The storage types. WriteSafetensors writes F32, F16 and BF16.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	Q4_0 DType = "Q4_0"
	Q4_1 DType = "Q4_1"
	Q5_0 DType = "Q5_0"
	Q5_1 DType = "Q5_1"
	Q8_0 DType = "Q8_0"
	Q4_K DType = "Q4_K"
	Q5_K DType = "Q5_K"
	Q6_K DType = "Q6_K"
)

// block describes the unit of a storage type: n values in size bytes, and the
// function that expands one block.
type block struct {
	n, size int
	expand  func(dst []float32, src []byte)
}

// block returns the layout of the type, or an error for one that is not read.
func (d DType) block() (block, error) {
	switch d {
	case F32:
		return block{1, 4, func(dst []float32, src []byte) {
			dst[0] = math.Float32frombits(binary.LittleEndian.Uint32(src))
		}}, nil
	case F16:
		return block{1, 2, func(dst []float32, src []byte) { dst[0] = half(src) }}, nil
	case BF16:
		return block{1, 2, func(dst []float32, src []byte) {
			dst[0] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src)) << 16)
		}}, nil
	case Q4_0:
		return block{32, 18, expandQ4_0}, nil
	case Q4_1:
		return block{32, 20, expandQ4_1}, nil
	case Q5_0:
		return block{32, 22, expandQ5_0}, nil
	case Q5_1:
		return block{32, 24, expandQ5_1}, nil
	case Q8_0:
		return block{32, 34, expandQ8_0}, nil
	case Q4_K:
		return block{256, 144, expandQ4K}, nil
	case Q5_K:
		return block{256, 176, expandQ5K}, nil
	case Q6_K:
		return block{256, 210, expandQ6K}, nil
	}
	return block{}, fmt.Errorf("storage type %s is not supported; F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K are: "+
		"take the model in one of these", d)
}

// bytes returns the stored size of a tensor whose rows hold row values.
func (d DType) bytes(values, row int) (int64, error) {
	b, err := d.block()
	if err != nil {
		return 0, err
	}
	if row%b.n != 0 {
		return 0, fmt.Errorf("rows of %d values do not divide into %s blocks of %d", row, d, b.n)
	}
	return int64(values/b.n) * int64(b.size), nil
}

// decode expands src, whole blocks of type d, into dst.
func (d DType) decode(dst []float32, src []byte) error {
	b, err := d.block()
	if err != nil {
		return err
	}
	switch d { // the common plain types without a call per value
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	default:
		for i := 0; i*b.n < len(dst); i++ {
			b.expand(dst[i*b.n:(i+1)*b.n], src[i*b.size:(i+1)*b.size])
		}
	}
	return nil
}

// half reads a little-endian IEEE float16.
func half(src []byte) float32 {
	h := binary.LittleEndian.Uint16(src)
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0: // zero and subnormal: frac * 2^-24, exact in float32
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// RoundBF16 rounds to the nearest bfloat16, ties to even; a NaN stays a NaN.
func RoundBF16(f float32) uint16 {
	u := math.Float32bits(f)
	if f != f {
		return uint16(u>>16) | 0x40
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// roundF16 rounds to the nearest float16, ties to even; from 65520 on that is an infinity. A
// NaN stays a NaN.
func roundF16(f float32) uint16 {
	u := math.Float32bits(f)
	sign, abs := uint16(u>>16)&0x8000, u&0x7fffffff
	switch {
	case f != f:
		return sign | 0x7e00 | uint16(abs>>13)&0x3ff
	case abs >= 0x477ff000: // 65520, half-way between the largest and what would follow it
		return sign | 0x7c00
	case abs < 0x38800000: // below 2^-14 the steps are 2^-24, those of a float32 from 0.5 on
		return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-0x3f000000)
	}
	abs -= 112 << 23 // the exponent's bias
	return sign | uint16((abs+0xfff+abs>>13&1)>>13)
}

// narrow is how float32 is rounded to a type of 16 bits, and the type's infinity; nil for
// other types.
func (d DType) narrow() (round func(float32) uint16, infinity uint16) {
	switch d {
	case F16:
		return roundF16, 0x7c00
	case BF16:
		return RoundBF16, 0x7f80
	}
	return nil, 0
}

// The quantised types follow the layouts of ggml (ggml-common.h): a block of 32
// values with a float16 scale d (and minimum m), or a super-block of 256 with
// 6-bit or 8-bit scales. The float32 conversions keep the two roundings of the
// reference on machines that would fuse multiply and add.

func expandQ4_0(dst []float32, src []byte) {
	d := half(src)
	for i, q := range src[2:18] {
		dst[i] = d * float32(int(q&15)-8)
		dst[i+16] = d * float32(int(q>>4)-8)
	}
}

func expandQ4_1(dst []float32, src []byte) {
	d, m := half(src), half(src[2:])
	for i, q := range src[4:20] {
		dst[i] = float32(d*float32(q&15)) + m
		dst[i+16] = float32(d*float32(q>>4)) + m
	}
}

// expandQ5_0: as Q4_0 with a fifth bit of every value in a word of 32.
func expandQ5_0(dst []float32, src []byte) {
	d, high := half(src), binary.LittleEndian.Uint32(src[2:])
	for i, q := range src[6:22] {
		dst[i] = d * float32(int(q&15)+int(high>>i&1<<4)-16)
		dst[i+16] = d * float32(int(q>>4)+int(high>>(i+16)&1<<4)-16)
	}
}

func expandQ5_1(dst []float32, src []byte) {
	d, m, high := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:])
	for i, q := range src[8:24] {
		dst[i] = float32(d*float32(int(q&15)+int(high>>i&1<<4))) + m
		dst[i+16] = float32(d*float32(int(q>>4)+int(high>>(i+16)&1<<4))) + m
	}
}

func expandQ8_0(dst []float32, src []byte) {
	d := half(src)
	for i, q := range src[2:34] {
		dst[i] = d * float32(int8(q))
	}
}

// expandQ4K: each 32 bytes of quants hold two of 8 sub-blocks, low nibbles first.
func expandQ4K(dst []float32, src []byte) {
	for j := range 8 {
		scale, low := subScale(src, j)
		for i, b := range src[16+j/2*32:][:32] {
			dst[j*32+i] = float32(scale*float32(b>>(j%2*4)&15)) - low
		}
	}
}

// expandQ5K: as Q4_K with the fifth bits in 32 bytes, one bit for each sub-block.
func expandQ5K(dst []float32, src []byte) {
	high := src[16:48]
	for j := range 8 {
		scale, low := subScale(src, j)
		for i, b := range src[48+j/2*32:][:32] {
			dst[j*32+i] = float32(scale*float32(b>>(j%2*4)&15|high[i]>>j&1<<4)) - low
		}
	}
}

// subScale returns scale and minimum of sub-block j of a super-block: two float16
// factors, then eight 6-bit scales and minimums packed into 12 bytes.
func subScale(src []byte, j int) (scale, low float32) {
	s := src[4:16]
	var sc, mn byte
	if j < 4 {
		sc, mn = s[j]&63, s[j+4]&63
	} else {
		sc = s[j+4]&15 | s[j-4]>>6<<4
		mn = s[j+4]>>4 | s[j]>>6<<4
	}
	return half(src) * float32(sc), half(src[2:]) * float32(mn)
}

// expandQ6K: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed
// scales of 16 values each, and the float16 scale at the end.
func expandQ6K(dst []float32, src []byte) {
	ql, qh, sc, d := src[:128], src[128:192], src[192:208], half(src[208:])
	for i := range 256 {
		half128, r := i/128, i%128
		low := ql[half128*64+r%64] >> (r / 64 * 4) & 15
		high := qh[half128*32+r%32] >> (r / 32 * 2) & 3
		scale := d * float32(int8(sc[i/16]))
		dst[i] = scale * float32(int(low|high<<4)-32)
	}
}
