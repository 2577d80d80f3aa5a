// Package provenance says what a run was made with and of, and whether what goes on
// with it may differ: the program, the machine, the command, and hashes of what was read.
//
// Contract: Against tells two kinds of difference apart. With one kind the same run ends
// with other weights for a reason that can be taken away, and it is refused. With the
// other only rounding may differ, since the machine is another one: that is told and
// recorded. Versions that give the same results are not told apart.
//
// How it fails: a file that cannot be read is an error that names it.
package provenance

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"ballast/bounded"
	"ballast/safetext"
)

// Results is the number of what training computes: raise it with a change after which
// the same recipe, data and model end with other weights.
const Results = 4

// Program is a program on a machine, with the command that it was given.
type Program struct {
	Version  string    `json:"version"`          // of the module, "(devel)" where it was built from a checkout
	Commit   string    `json:"commit,omitempty"` // "" where the build does not know it
	Modified bool      `json:"modified,omitempty"`
	Results  int       `json:"results"`
	Go       string    `json:"go"`
	System   string    `json:"system"` // operating system and architecture
	SIMD     bool      `json:"simd"`   // built with vector code
	Kernels  string    `json:"kernels"`
	Engine   string    `json:"engine"`
	CPU      string    `json:"cpu,omitempty"`
	Cores    int       `json:"cores"` // that it may use; results do not depend on them
	Command  []string  `json:"command,omitempty"`
	Dir      string    `json:"dir,omitempty"` // in which it was given: relative paths are from here
	Time     time.Time `json:"time"`
}

// Here is this program, which computes with these kernels on this engine. Secrets are
// values that the command line must not show.
func Here(simd bool, kernels, engine string, secrets ...string) Program {
	p := Program{Version: "unknown", Results: Results, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		SIMD: simd, Kernels: kernels, Engine: engine, CPU: Processor(), Cores: runtime.GOMAXPROCS(0),
		Command: command(os.Args, secrets...), Time: time.Now().UTC().Truncate(time.Second)}
	p.Dir, _ = os.Getwd() // "" where the system does not know
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return p
	}
	p.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			p.Commit = s.Value
		case "vcs.modified":
			p.Modified = s.Value == "true"
		}
	}
	return p
}

// command is a command line that may be shown: without passwords in URLs, and without
// the secrets.
func command(args []string, secrets ...string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = safetext.Redact(safetext.Addresses(a), secrets...)
	}
	return out
}

// Processor is the name of the processor, "" where the system does not tell.
func Processor() string {
	f, err := bounded.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 64<<10))
	for lines.Scan() {
		if key, val, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(val)
		}
	}
	return ""
}

// Against compares the program that made a run with the one that goes on with it.
// refused says why it must not, "" where it may. rounding lists what may change the last
// bits of results.
func (was *Program) Against(now *Program) (refused string, rounding []string) {
	switch {
	case was.Results != now.Results:
		return fmt.Sprintf("ballast %s made it, whose training has other results (number %d) than this program's (number %d); finish it "+
			"with that version",
			was.name(), was.Results, now.Results), nil
	case was.SIMD && !now.SIMD:
		return "it was made with vector code and this program has none, so it would end with other weights; build ballast with " +
			"GOEXPERIMENT=simd", nil
	case !was.SIMD && now.SIMD:
		return "it was made by a program without vector code and this one has it, so it would end with other weights; build ballast without " +
			"GOEXPERIMENT=simd, or start a new run", nil
	}
	for _, f := range []struct{ what, was, now string }{
		{"engine", was.Engine, now.Engine}, {"instruction set", was.Kernels, now.Kernels},
		{"system", was.System, now.System}, {"Go", was.Go, now.Go},
	} {
		if f.was != f.now {
			rounding = append(rounding, fmt.Sprintf("%s %s, was %s", f.what, f.now, f.was))
		}
	}
	return "", rounding
}

// name is the version with its commit.
func (p *Program) name() string {
	if len(p.Commit) < 12 {
		return p.Version
	}
	return p.Version + " (commit " + p.Commit[:12] + ")"
}

// Inputs are hashes of what a run read, by a name for people.
type Inputs map[string]string

// Differs names what is not as it was, in order; "" where all is.
func (was Inputs) Differs(now Inputs) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(was)) {
		switch sum, ok := now[name]; {
		case !ok:
			out = append(out, name+" is gone")
		case sum != was[name]:
			out = append(out, name+" has changed")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, ok := was[name]; !ok {
			out = append(out, name+" is new")
		}
	}
	if len(out) > 4 {
		out = append(out[:3], fmt.Sprintf("and %d more", len(out)-3))
	}
	return strings.Join(out, ", ")
}

// File is the SHA-256 of a regular file, in hexadecimal digits, and its size in bytes.
func File(path string) (sum string, size int64, err error) {
	f, err := bounded.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return stream(f)
}

// stream is File of what r has.
func stream(r io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	if size, err = io.CopyBuffer(h, r, make([]byte, 1<<20)); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// Bytes is the SHA-256 of data in hexadecimal digits.
func Bytes(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// A sealed file is a JSON object whose last member is the hash of all bytes before it.
var (
	sealOpen  = []byte(",\n\t\"sha256\": \"")
	sealClose = []byte("\"\n}\n")
)

// errBroken says that a sealed file is not as it was written.
var errBroken = errors.New("it was changed since ballast wrote it: its checksum differs")

// Seal writes an object with its own checksum.
func Seal(v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return nil, err
	}
	body, ok := bytes.CutSuffix(body, []byte("\n}"))
	if !ok {
		return nil, errors.New("provenance: what is sealed must be an object with members")
	}
	out := append(bytes.Clone(body), sealOpen...)
	return append(append(out, Bytes(body)...), sealClose...), nil
}

// Sealed reports whether a file carries a checksum, and fails with errBroken where it is
// not that of the file.
func Sealed(data []byte) (bool, error) {
	i := bytes.LastIndex(data, sealOpen)
	if i < 0 {
		return false, nil
	}
	want := append(append(bytes.Clone(sealOpen), Bytes(data[:i])...), sealClose...)
	if !bytes.Equal(data[i:], want) {
		return true, errBroken
	}
	return true, nil
}
