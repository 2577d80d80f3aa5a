package bfcl

import (
	"crypto/sha512"
	"math"
	"math/big"
	"sync"

	"ballast/value"
	"ballast/world/python"
)

// random is CPython's random.Random: a Mersenne Twister (MT19937, Matsumoto and
// Nishimura, 1998) and the ways in which Python draws from it.
type random struct {
	seed   any // not used before the first draw
	state  []uint32
	next   int
	shared bool // state belongs to several
}

const (
	mtSize  = 624
	mtShift = 397
)

// newRandom returns random.Random(seed); the state is made at the first draw,
// since most episodes never draw. Without a seed (None) Python asks the system;
// here that is seed 0.
func newRandom(seed any) random {
	switch x := seed.(type) {
	case nil:
		seed = int64(0)
	case float64:
		seed = value.Int(new(big.Int).SetUint64(hashFloat(x)))
	case string, value.Bytes:
		text := []byte(str(x))
		if b, ok := x.(value.Bytes); ok {
			text = []byte(b)
		}
		sum := sha512.Sum512(text)
		seed = value.Int(new(big.Int).SetBytes(append(text, sum[:]...)))
	case bool, int64, *big.Int:
		seed = plainInt(seed)
	default:
		python.Raise(python.TypeError, "The only supported seed types are: None,\nint, float, str, bytes, and bytearray.")
	}
	return random{seed: seed}
}

// hashFloat is hash(f) as 64 unsigned bits: the value modulo the prime 2**61-1.
func hashFloat(f float64) uint64 {
	const bits, prime = 61, 1<<61 - 1
	if math.IsNaN(f) || math.IsInf(f, 0) {
		if f < 0 {
			return math.MaxUint64 - 314158
		}
		return 314159
	}
	m, e := math.Frexp(math.Abs(f))
	x := uint64(0)
	for m != 0 { // 28 bits at a time
		x = x<<28&prime | x>>(bits-28)
		m *= 1 << 28
		e -= 28
		y := uint64(m)
		m -= float64(y)
		if x += y; x >= prime {
			x -= prime
		}
	}
	if e >= 0 {
		e %= bits
	} else {
		e = bits - 1 - (-1-e)%bits
	}
	x = x<<e&prime | x>>(bits-e)
	if f < 0 {
		x = -x
		if x == math.MaxUint64 { // -1 is no hash
			x--
		}
	}
	return x
}

// NewRandom returns CPython's random.Random(seed). It is not safe for
// concurrent use.
func NewRandom(seed int64) *Random { return &Random{random{seed: seed}} }

// Random draws as CPython's random module does.
type Random struct{ r random }

// Shuffle is random.shuffle over n elements.
func (r *Random) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, int(r.r.below(uint64(i)+1)))
	}
}

// The seeds of the classes, whose first block of words is made once.
const (
	messageSeed = 200191
	tradingSeed = 1053520
	travelSeed  = 141053 // of the vehicle, too
)

var (
	messageBlock = sync.OnceValue(func() []uint32 { return firstBlock(messageSeed) })
	tradingBlock = sync.OnceValue(func() []uint32 { return firstBlock(tradingSeed) })
	travelBlock  = sync.OnceValue(func() []uint32 { return firstBlock(travelSeed) })
)

func firstBlock(seed int64) []uint32 {
	r := random{seed: seed}
	r.seedByArray()
	r.twist()
	return r.state
}

// start makes the state.
func (r *random) start() {
	switch r.seed {
	case int64(messageSeed):
		r.state, r.shared = messageBlock(), true
	case int64(tradingSeed):
		r.state, r.shared = tradingBlock(), true
	case int64(travelSeed):
		r.state, r.shared = travelBlock(), true
	default:
		r.seedByArray()
		r.twist()
	}
}

// seedByArray seeds from the 32-bit words of the absolute seed.
func (r *random) seedByArray() {
	abs := new(big.Int).Abs(python.BigInt(r.seed))
	var key []uint32
	for abs.Sign() > 0 {
		key = append(key, uint32(new(big.Int).And(abs, big.NewInt(1<<32-1)).Uint64()))
		abs.Rsh(abs, 32)
	}
	if key == nil {
		key = []uint32{0}
	}
	s := make([]uint32, mtSize)
	s[0] = 19650218
	for i := 1; i < mtSize; i++ {
		s[i] = 1812433253*(s[i-1]^s[i-1]>>30) + uint32(i)
	}
	i, j := 1, 0
	wrap := func() {
		if i++; i >= mtSize {
			s[0] = s[mtSize-1]
			i = 1
		}
	}
	for range max(mtSize, len(key)) {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1664525) + key[j] + uint32(j)
		wrap()
		if j++; j >= len(key) {
			j = 0
		}
	}
	for range mtSize - 1 {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1566083941) - uint32(i)
		wrap()
	}
	s[0] = 1 << 31
	r.state = s
}

// twist makes the next block of words.
func (r *random) twist() {
	if r.shared {
		r.state, r.shared = append([]uint32(nil), r.state...), false
	}
	s := r.state
	for i := range s {
		y := s[i]&(1<<31) | s[(i+1)%mtSize]&(1<<31-1)
		s[i] = s[(i+mtShift)%mtSize] ^ y>>1 ^ (y&1)*0x9908b0df
	}
	r.next = 0
}

// word draws 32 bits.
func (r *random) word() uint32 {
	if r.state == nil {
		r.start()
	}
	if r.next >= mtSize {
		r.twist()
	}
	y := r.state[r.next]
	r.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// bits is getrandbits(k) for 0 < k <= 64.
func (r *random) bits(k int) uint64 {
	if k <= 32 {
		return uint64(r.word() >> (32 - k))
	}
	low := uint64(r.word())
	return low | uint64(r.word()>>(64-k))<<32
}

// below draws from [0, n) by rejection, as _randbelow_with_getrandbits.
func (r *random) below(n uint64) uint64 {
	k := 0
	for m := n; m > 0; m >>= 1 {
		k++
	}
	x := r.bits(k)
	for x >= n {
		x = r.bits(k)
	}
	return x
}

// between is randint(low, high).
func (r *random) between(low, high int64) int64 {
	return low + int64(r.below(uint64(high-low)+1))
}

// float is random(): 53 bits.
func (r *random) float() float64 {
	a, b := r.word()>>5, r.word()>>6
	return float64(uint64(a)<<26|uint64(b)) * (1.0 / 9007199254740992)
}

// uniform is uniform(a, b).
func (r *random) uniform(a, b float64) float64 { return a + float64((b-a)*r.float()) }
