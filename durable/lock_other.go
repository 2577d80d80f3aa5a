//go:build !unix || aix || solaris

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

const noFollow = 0

var errNoLocks = errors.New("this system has no locks that end with a process")

func flock(_ *os.File, wait bool) error {
	if wait {
		return nil
	}
	return errNoLocks // so that no leftover is taken for dead
}

// Lock makes a file that must not exist. Where the system has no lock that ends
// with the process, a killed process leaves it behind.
func Lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: %w, or was killed; if none does, delete the file", path, ErrLocked)
	}
	if err != nil {
		return nil, err
	}
	return func() error { return errors.Join(f.Close(), os.Remove(path)) }, nil
}

func lockFile(*os.File) error { return nil }

func isLink(error) bool { return false }

// linked says whether a file has several names; here nobody knows.
func linked(fs.FileInfo) bool { return false }
