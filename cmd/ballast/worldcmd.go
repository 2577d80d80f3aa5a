package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"ballast/bounded"
	"ballast/env/sim"
	"ballast/world/bfcl"
)

func worldCommand() *cobra.Command {
	c := &cobra.Command{Use: "world", Short: "list the simulated worlds; replay recorded trajectories"}
	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "one line a world, with its functions", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return listWorlds(c.OutOrStdout(), asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")

	var f replayFlags
	var opts bfcl.ReplayOptions
	replay := &cobra.Command{
		Use: "replay --golden FILE", Short: "replay a golden corpus of BFCL or ACEBench and compare", Args: cobra.NoArgs,
		Long: `Replays a corpus of JSON lines (gzipped or not) that the original program recorded,
and compares. Exits with 1 if anything differs that must be equal. What the corpus
is of, its lines say.

ACEBench's have the prompts of its items, or replies with their verdicts. They want
the benchmark's data (--data).

BFCL's have trajectories: every result, every state and every verdict is compared.
Kinds of calls: L literal call of a known method, N literal call of an unknown
name, Q literal call whose text the original rewrites, E expression, S syntax
error. Unsettled comparisons are no failures: the answer depends on the order of
a set, holds lone surrogates, or follows a call that only the original evaluates.`,
		RunE: func(c *cobra.Command, _ []string) error {
			f.every, f.differences, f.asJSON = opts.Every, opts.Differences, asJSON
			if done, err := replayOther(c.OutOrStdout(), f, len(opts.Classes) > 0); done {
				return err
			}
			if f.data != "" {
				return errors.New("--data: a corpus of BFCL needs no data; leave it out")
			}
			return replayGolden(c.OutOrStdout(), f.golden, opts, asJSON)
		},
	}
	fl := replay.Flags()
	fl.StringVar(&f.golden, "golden", "", "the corpus")
	fl.StringVar(&f.data, "data", "", "of ACEBench: folder of the benchmark's data (default: that of the corpus)")
	fl.StringSliceVar(&opts.Classes, "class", nil, "of BFCL: only trajectories whose classes are all among these")
	fl.IntVar(&opts.Every, "every", 1, "replay one trajectory, or line of a type, in so many")
	fl.IntVar(&opts.Differences, "differences", 10, "most differences to print")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	if err := replay.MarkFlagRequired("golden"); err != nil {
		panic(err)
	}
	c.AddCommand(list, replay)
	return c
}

func listWorlds(out io.Writer, asJSON bool) error {
	type entry struct {
		Name      string   `json:"name"`
		Functions []string `json:"functions"`
	}
	var all []entry
	for _, w := range sim.All() {
		e := entry{Name: w.Name()}
		for _, t := range w.Tools() {
			e.Functions = append(e.Functions, t.Name)
		}
		all = append(all, e)
	}
	if asJSON {
		return json.NewEncoder(out).Encode(all)
	}
	for _, e := range all {
		fmt.Fprintf(out, "%-18s %3d  %v\n", e.Name, len(e.Functions), e.Functions)
	}
	return nil
}

// replayResult is what `world replay` prints. The sums count what must be equal:
// unsettled comparisons are counted apart.
type replayResult struct {
	OK      bool       `json:"ok"`
	Seconds float64    `json:"seconds"`
	Results bfcl.Count `json:"results"` // calls of kinds L and N
	States  bfcl.Count `json:"states_all"`
	bfcl.Report
}

func replayGolden(out io.Writer, path string, opts bfcl.ReplayOptions, asJSON bool) error {
	f, err := bounded.Open(path)
	if err != nil {
		return fmt.Errorf("--golden: %w; name a corpus of trajectories, JSON lines, gzipped or not", err)
	}
	defer f.Close()
	start := time.Now()
	r, err := bfcl.Replay(f, opts)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("--golden %s: %w: the file is cut short; fetch or make it again", path, err)
	case err != nil:
		return fmt.Errorf("--golden %s: %w; want a corpus of trajectories, JSON lines, gzipped or not", path, err)
	}
	res := replayResult{OK: r.OK(), Seconds: time.Since(start).Seconds(), Report: r}
	for _, kind := range []string{"L", "N"} {
		if c := r.Calls[kind]; c != nil {
			res.Results = plus(res.Results, *c)
		}
	}
	for _, c := range r.States {
		res.States = plus(res.States, *c)
	}
	if r.Trajectories == 0 {
		return fmt.Errorf("%s holds no trajectory that was asked for; is it a golden corpus, are --class and --every right?", path)
	}
	if asJSON {
		if err := json.NewEncoder(out).Encode(res); err != nil {
			return err
		}
	} else {
		res.print(out)
	}
	if !res.OK {
		return fmt.Errorf("%s: %d results, %d states and %d verdicts differ", path, res.Results.Failed(), res.States.Failed(),
			r.Verdicts.Failed())
	}
	return nil
}

func plus(a, b bfcl.Count) bfcl.Count {
	return bfcl.Count{Equal: a.Equal + b.Equal, Total: a.Total + b.Total, Unsettled: a.Unsettled + b.Unsettled}
}

func (res *replayResult) print(out io.Writer) {
	row := func(name string, c bfcl.Count) {
		fmt.Fprintf(out, "%-26s %8d %8d %9d %7d\n", name, c.Total, c.Equal, c.Unsettled, c.Failed())
	}
	fmt.Fprintf(out, "%d trajectories, %d that end the original's process are left out, %.2f s\n", res.Trajectories, res.Crashes, res.Seconds)
	fmt.Fprintf(out, "%-26s %8s %8s %9s %7s\n", "", "total", "equal", "unsettled", "differ")
	for _, kind := range slices.Sorted(maps.Keys(res.Calls)) {
		row("calls of kind "+kind, *res.Calls[kind])
	}
	for _, class := range slices.Sorted(maps.Keys(res.Report.States)) {
		row("states of "+class, *res.Report.States[class])
	}
	row("verdicts", res.Verdicts)
	for _, d := range res.Differences {
		fmt.Fprintf(out, "\n%s %s %d, turn %d: %s\n   got %.400s\n  want %.400s\n", d.ID, d.Kind, d.Variant, d.Turn+1, d.What, d.Got, d.Want)
	}
}
