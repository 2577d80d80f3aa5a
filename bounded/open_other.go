//go:build !unix

package bounded

const nonBlock = 0
