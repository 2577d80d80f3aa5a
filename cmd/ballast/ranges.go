package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ballast/sweep"
	"ballast/task"
)

// interval is what a numeric flag may be; of a duration in seconds.
type interval struct{ lo, hi float64 }

// flagRanges lists the numeric flags by name; one that two commands share means the
// same in both. A seed (seed, draw) may be any number. A default may lie outside, where it says
// that the flag was not given.
var flagRanges = map[string]interval{
	"body":        {1, 1024},
	"clients":     {1, 4096},
	"concurrency": {1, 1024},
	"count":       {0, task.MaxCount},
	"differences": {0, 1_000_000},
	"every":       {0, 1e9},
	"extend":      {1, 1_000_000},
	"groups":      {1, 1 << 16},
	"kills":       {0, 1_000_000},
	"lease":       {0.01, 7 * 24 * 60 * 60},
	"parallel":    {1, 1024},
	"passes":      {1, 1_000_000},
	"prompt":      {1, 1 << 20},
	"reply":       {1, 1 << 20},
	"requests":    {1, 1 << 16},
	"retries":     {0, 1000},
	"rollouts":    {1, 1 << 16},
	"rounds":      {1, 1_000_000},
	"seconds":     {0.1, 3600},
	"seeds":       {1, sweep.MaxSeeds},
	"sessions":    {0, 1_000_000},
	"steps":       {0, 1_000_000},
	"temperature": {0, 100},
	"tests":       {0, 1},
	"timeout":     {0.001, 24 * 60 * 60},
	"tolerance":   {0, 1000},
	"updates":     {1, 1_000_000},
	"vanish":      {0, 24 * 60 * 60},
}

// number is the value of a numeric flag, and whether it has one.
func number(f *pflag.Flag) (v float64, is bool) {
	switch f.Value.Type() {
	case "int", "int32", "int64", "uint", "uint32", "uint64", "float32", "float64", "count":
		v, err := strconv.ParseFloat(f.Value.String(), 64)
		return v, err == nil
	case "duration":
		d, err := time.ParseDuration(f.Value.String())
		return d.Seconds(), err == nil
	}
	return 0, false
}

// checkFlags reports the first numeric flag that was given a value out of its range.
func checkFlags(c *cobra.Command, _ []string) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		v, is := number(f)
		r, has := flagRanges[f.Name]
		switch {
		case !is || err != nil || f.Name == "seed" || f.Name == "draw":
		case !has:
			err = fmt.Errorf("--%s has no range", f.Name)
		case !(v >= r.lo && v <= r.hi):
			unit := ""
			if f.Value.Type() == "duration" {
				unit = " seconds"
			}
			err = fmt.Errorf("--%s must lie between %v and %v%s, is %v", f.Name, r.lo, strconv.FormatFloat(r.hi, 'f', -1, 64), unit, f.Value)
		}
	})
	return err
}
