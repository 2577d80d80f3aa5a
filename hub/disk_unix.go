//go:build linux || darwin || freebsd

package hub

import "syscall"

// free is how many bytes may be written to the file system of a folder.
func free(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
