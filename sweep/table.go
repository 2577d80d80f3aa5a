package sweep

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ballast/eval"
	"ballast/monitor"
	"ballast/report/plot"
	"ballast/runlog"
)

// Result is what one run directory says.
type Result struct {
	Done    bool
	Updates int
	Final   eval.Count // last evaluation
	Best    float64    // best evaluation
	Reward  float64    // mean of the last 10 RL updates
	Alarm   string     // why it stopped, if it stopped early
	rewards []float64  // by update, NaN where there is none
}

// tail is the number of last updates that Reward averages.
const tail = 10

// read reads a run directory.
func read(dir string) (Result, error) {
	log, err := runlog.Read(dir)
	if err != nil {
		return Result{}, err
	}
	var r Result
	for u, err := range log.Updates() {
		if err != nil {
			return r, err
		}
		r.Updates = u.Index
		v, ok := u.Metrics[monitor.RewardMean]
		if !ok {
			v = math.NaN()
		}
		r.rewards = append(r.rewards, v)
	}
	for e, err := range log.Events() {
		if err != nil {
			return r, err
		}
		switch e.Kind {
		case "eval":
			ok, _ := e.Data["ok"].(float64)
			all, _ := e.Data["all"].(float64)
			r.Final = eval.Count{OK: int(ok), All: int(all)}
			r.Best = max(r.Best, r.Final.Rate())
		case "alarm":
			r.Alarm = e.Text
		case "done":
			r.Done = true
		}
	}
	last := plot.Finite(r.rewards)
	last = last[max(0, len(last)-tail):]
	for _, v := range last {
		r.Reward += v / float64(len(last))
	}
	return r, nil
}

// Row is one point over its seeds.
type Row struct {
	Point   Point
	Results []Result
}

// Read reads the rows of a sweep; runs that do not exist yet are missing.
func Read(o Options) []Row {
	rows := make([]Row, len(o.Points))
	for i, p := range o.Points {
		rows[i].Point = p
		for seed := 1; seed <= o.Seeds; seed++ {
			if r, err := read(filepath.Join(o.Dir, p.Name(), fmt.Sprintf("seed-%d", seed))); err == nil {
				rows[i].Results = append(rows[i].Results, r)
			}
		}
	}
	return rows
}

// Table is the rows for a terminal: test success at the end over the seeds (mean,
// lowest and highest, and the pooled 95% interval), the best evaluation, the
// reward of the last updates, and how many runs ended.
func Table(rows []Row) string {
	var b strings.Builder
	width := len("settings")
	for _, r := range rows {
		width = max(width, len(r.Point.Name()))
	}
	fmt.Fprintf(&b, "%-*s  %5s  %7s  %-15s  %-15s  %7s  %7s\n", width, "settings", "ended", "success", "lowest-highest", "95% pooled", "best", "reward")
	for _, r := range rows {
		ended, mean, best, reward := 0, 0.0, 0.0, 0.0
		low, high := math.Inf(1), math.Inf(-1)
		var pool eval.Count
		n := float64(len(r.Results))
		for _, x := range r.Results {
			if x.Done {
				ended++
			}
			pool.OK, pool.All = pool.OK+x.Final.OK, pool.All+x.Final.All
			v := x.Final.Rate()
			mean, best, reward = mean+v/n, best+x.Best/n, reward+x.Reward/n
			low, high = min(low, v), max(high, v)
		}
		if n == 0 {
			fmt.Fprintf(&b, "%-*s  %5s\n", width, r.Point.Name(), "none")
			continue
		}
		lo, hi := pool.Wilson()
		fmt.Fprintf(&b, "%-*s  %5s  %6.1f%%  %6.1f-%-8.1f  %6.1f-%-8.1f  %6.1f%%  %7.3f\n", width, r.Point.Name(),
			fmt.Sprintf("%d/%d", ended, len(r.Results)), 100*mean, 100*low, 100*high, 100*lo, 100*hi, 100*best, reward)
		for _, x := range r.Results {
			if x.Alarm != "" {
				fmt.Fprintf(&b, "%*s  a run stopped at update %d: %s\n", width, "", x.Updates, x.Alarm)
			}
		}
	}
	return b.String()
}

// Write writes the table and a plot of the mean reward over the updates, one
// curve a point, into the sweep's directory and returns the names.
func Write(o Options, rows []Row) (table, svg string, err error) {
	table, svg = filepath.Join(o.Dir, "table.txt"), filepath.Join(o.Dir, "reward.svg")
	if err := os.WriteFile(table, []byte(Table(rows)), 0o666); err != nil {
		return "", "", fmt.Errorf("sweep: %w", err)
	}
	chart := plot.Chart{ID: "reward", Title: o.Method + ": reward", Percent: true}
	longest := 0
	for i, r := range rows {
		s := plot.Series{Name: r.Point.Name(), Class: fmt.Sprintf("c%d", i%6+1), Y: mean(r.Results)}
		longest = max(longest, len(s.Y))
		chart.Series = append(chart.Series, s)
	}
	f := plot.Frame{Hi: longest}
	for u := 1; u <= longest; u++ {
		f.X = append(f.X, u)
	}
	for i := range chart.Series {
		for s := &chart.Series[i]; len(s.Y) < longest; {
			s.Y = append(s.Y, math.NaN())
		}
	}
	if err := os.WriteFile(svg, []byte(f.Draw(&chart, plot.File, true)), 0o666); err != nil {
		return "", "", fmt.Errorf("sweep: %w", err)
	}
	return table, svg, nil
}

// mean is the mean reward of runs by update, over those that have one there.
func mean(rs []Result) []float64 {
	var out []float64
	for _, r := range rs {
		for len(out) < len(r.rewards) {
			out = append(out, math.NaN())
		}
	}
	for u := range out {
		var v []float64
		for _, r := range rs {
			if u < len(r.rewards) && !math.IsNaN(r.rewards[u]) {
				v = append(v, r.rewards[u])
			}
		}
		if len(v) > 0 {
			slices.Sort(v) // one order of summation
			sum := 0.0
			for _, x := range v {
				sum += x
			}
			out[u] = sum / float64(len(v))
		}
	}
	return out
}
