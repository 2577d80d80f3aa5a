package eval

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"ballast"
	"ballast/durable"
	"ballast/safetext"
)

// PlaceTranscripts makes a file for transcripts, where it is not there; what is no transcript
// is an error. An older one stays until the new one is whole.
func PlaceTranscripts(path string) error {
	err := durable.Free(path, func(head []byte) bool { return bytes.HasPrefix(head, []byte("=== ")) })
	if _, none := os.Lstat(path); err == nil && errors.Is(none, fs.ErrNotExist) {
		err = durable.ReplaceBytes(path, nil)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; name a file in a folder that is there", path, err)
	}
	return nil
}

// WriteTranscripts writes episodes as a person would read them. What models and tools
// wrote is indented, so that it looks like nothing else.
func WriteTranscripts(path string, tasks []ballast.Task, eps []ballast.Episode) error {
	return durable.Replace(path, func(w io.Writer) error {
		var b strings.Builder
		for i := range eps {
			b.Reset()
			transcript(&b, &tasks[i], &eps[i])
			if _, err := io.WriteString(w, b.String()); err != nil {
				return err
			}
		}
		return nil
	})
}

// transcript writes one episode.
func transcript(b *strings.Builder, t *ballast.Task, ep *ballast.Episode) {
	line := safetext.Line
	fmt.Fprintf(b, "=== %s (%s) stop %s reward %g", line(ep.Task), line(t.Category), ep.Stop, ep.Score.Reward)
	if ep.Score.Reason != "" {
		fmt.Fprintf(b, ", fails at turn %d: %s", ep.Score.FailTurn+1, line(ep.Score.Reason))
	}
	fmt.Fprintln(b)
	for _, t := range ep.Turns {
		fmt.Fprintf(b, "user: %s\n", safetext.Indent(t.User, "    "))
		for _, s := range t.Steps {
			fmt.Fprintf(b, "  model [%s %s]: %s\n", s.Kind, line(s.Reason), safetext.Indent(s.Text, "      "))
			for _, res := range s.Results {
				fmt.Fprintf(b, "    tool: %s\n", safetext.Indent(res, "        "))
			}
		}
		if t.Check.Done && !t.Check.Passed {
			fmt.Fprintf(b, "  turn fails: %s %s\n", line(t.Check.Reason), line(t.Check.Where))
		}
	}
}
