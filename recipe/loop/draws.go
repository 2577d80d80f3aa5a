package loop

import (
	"math/rand/v2"

	"ballast/model/sampling"
)

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
	h := uint64(sampling.Golden)
	for _, p := range parts {
		h = sampling.Mix((h ^ p) + sampling.Golden)
	}
	return h
}
