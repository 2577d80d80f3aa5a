package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"ballast/bounded"
	"ballast/safetext"
	"ballast/task/acebench"
	"ballast/value"
)

// replayFlags are the flags of `world replay` but those of one kind of corpus.
type replayFlags struct {
	golden, data       string
	every, differences int
	asJSON             bool
}

// corpora are the kinds of corpora beside BFCL's, by the types of their lines.
var corpora = []struct {
	types  []string
	replay func(io.Writer, replayFlags) error
}{
	{acebench.Corpora(), replayACEBench},
}

// corpusType is the type of the first line of a corpus that is no line about it, "" where none can be read.
func corpusType(path string) string {
	f, err := bounded.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	in, _, err := bounded.Unpack(f, bounded.GiB)
	if err != nil {
		return ""
	}
	defer in.Close()
	for l, err := range bounded.Lines(in, 64*bounded.MiB) {
		if err != nil {
			return ""
		}
		v, err := value.ParseJSON(l.Text)
		d, ok := v.(*value.Dict)
		if err != nil || !ok {
			return ""
		}
		if t := d.Text("type"); t != "meta" {
			return t
		}
	}
	return ""
}

// replayOther replays a corpus that is not BFCL's; done is false for one that is, or that cannot be read.
func replayOther(out io.Writer, f replayFlags, classes bool) (done bool, err error) {
	t := corpusType(f.golden)
	for _, c := range corpora {
		if slices.Contains(c.types, t) {
			if classes {
				return true, errors.New("--class: only corpora of BFCL have classes; leave it out")
			}
			return true, c.replay(out, f)
		}
	}
	return false, nil
}

// aceReplay is what the replay of a corpus of ACEBench prints.
type aceReplay struct {
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	acebench.Report
}

func replayACEBench(out io.Writer, f replayFlags) error {
	o := acebench.ReplayOptions{Data: f.data, Every: f.every, Differences: f.differences}
	if o.Data == "" { // the corpora lie beside the data
		o.Data = filepath.Dir(f.golden)
	}
	in, err := bounded.Open(f.golden)
	if err != nil {
		return fmt.Errorf("--golden: %w", err)
	}
	defer in.Close()
	start := time.Now()
	r, err := acebench.Replay(in, o)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("--golden %s: %w: the file is cut short; fetch or make it again", f.golden, err)
	case err != nil:
		return fmt.Errorf("--golden %s: %w; --data names the folder of the benchmark's data, by default that of the corpus", f.golden, err)
	}
	res := aceReplay{r.Failed() == 0, time.Since(start).Seconds(), r}
	if f.asJSON {
		if err := json.NewEncoder(out).Encode(res); err != nil {
			return err
		}
	} else {
		res.print(out)
	}
	if !res.OK {
		return fmt.Errorf("%s: %d comparisons differ", f.golden, r.Failed())
	}
	return nil
}

func (res *aceReplay) print(out io.Writer) {
	fmt.Fprintf(out, "%d lines, %.2f s\n%-52s %8s %8s %7s\n", res.Lines, res.Seconds, "", "total", "equal", "differ")
	for _, name := range slices.Sorted(maps.Keys(res.Counts)) {
		c := res.Counts[name]
		fmt.Fprintf(out, "%-52s %8d %8d %7d\n", name, c.Total, c.Equal, c.Total-c.Equal)
	}
	if res.Unknown > 0 {
		fmt.Fprintf(out, "%d lines lack what would have to be compared\n", res.Unknown)
	}
	if len(res.Mends) > 0 {
		fmt.Fprintf(out, "\nreplies whose verdict a mend changes   to right to wrong\n")
	}
	for _, name := range slices.Sorted(maps.Keys(res.Mends)) {
		fmt.Fprintf(out, "%-37s %9d %8d\n", name, res.Mends[name].Right, res.Mends[name].Wrong)
	}
	for _, d := range res.Differences {
		fmt.Fprintf(out, "\n%s: %s\n   got %.400s\n  want %.400s\n", safetext.Line(d.ID), d.What, d.Got, d.Want)
	}
}
