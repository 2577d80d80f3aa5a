package ballast_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// skips are calls that leave a test out, fitting the reasons that may: -short, another
// system or processor, an input that is none of a fuzz target's.
var (
	skips   = regexp.MustCompile(`\.(Skip|Skipf|SkipNow)\(`)
	fitting = regexp.MustCompile(`testing\.Short\(\)|runtime\.GO(OS|ARCH)`)
)

// TestNothingSkipsForWantOfData: what a test needs lies in testdata. What is too large for
// that is built by the tag large and run by a script that says when it is missing.
func TestNothingSkipsForWantOfData(t *testing.T) {
	found := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") || path == "architecture_skips_test.go" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fuzz := bytes.Contains(text, []byte(".Fuzz(func"))
		before := ""
		for line := range strings.Lines(string(text)) {
			if skips.MatchString(line) {
				if found++; !fitting.MatchString(before) && !fuzz {
					t.Errorf("%s skips after %q: bring what it needs into testdata, or give it the tag large", path, strings.TrimSpace(before))
				}
			}
			before = line
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Errorf("%d skips found: %v", found, err)
	}
}
