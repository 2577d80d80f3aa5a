//go:build !race

package endpoint_test

const slowed = 1
