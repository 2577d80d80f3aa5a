package loop

import "math/rand/v2"

// order returns the permutation of n tasks in an epoch of a stream of draws.
func order(seed uint64, stream string, epoch, n int) []int {
	h := uint64(len(stream))
	for _, c := range []byte(stream) {
		h = h*1099511628211 + uint64(c)
	}
	return rand.New(rand.NewPCG(mix(seed, h), uint64(epoch))).Perm(n)
}

// mix hashes numbers to a seed; every part changes every bit.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h ^= p
		h += 0x9e3779b97f4a7c15
		h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9
		h = (h ^ (h >> 27)) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
