//go:build !linux && !darwin && !freebsd

package hub

import "math"

// free is how many bytes may be written; here nobody knows.
func free(string) (int64, error) { return math.MaxInt64, nil }
