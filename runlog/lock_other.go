//go:build !unix || aix || solaris

package runlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// lock makes a file that must not exist. Where the system has no lock that ends
// with the process, a killed process leaves it behind.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: another process writes this run, or was killed; if none does, delete the file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the run: %w", err)
	}
	return func() { f.Close(); os.Remove(path) }, nil
}
