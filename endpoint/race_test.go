//go:build race

package endpoint_test

// slowed is how much longer parsing may take under the race detector.
const slowed = 5
