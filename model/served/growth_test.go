package served_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"ballast/model/served"
	"ballast/model/servedtest"
	"ballast/report/plot"
)

// figure is where BenchmarkGrowth draws what it measured.
var figure = flag.String("figure", "", "with -bench Growth: the file of the figure")

// growths are the conditions of BenchmarkGrowth.
var growths = []struct {
	name       string
	stragglers float64 // the share of replies that take ten times as long
	dies       bool    // one of the four servers dies when half of all replies are given
}{
	{name: "steady"},
	{name: "stragglers", stragglers: 0.01},
	{name: "one dies", dies: true},
}

// BenchmarkGrowth takes the wall clock of 1 to 4,096 conversations side by side on four toy servers, of 256 places each: three
// replies of 64 tokens on prompts of 500, about a third of a second a reply (lognormal, 0.3). Both sides are in this process.
func BenchmarkGrowth(b *testing.B) {
	sizes := []int{1, 4, 16, 64, 256, 1024, 4096}
	var drawn []plot.Series
	for i, g := range growths {
		s := plot.Series{Name: g.name, Class: fmt.Sprint("c", i+1), Style: plot.Line}
		for k, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", g.name, n), func(b *testing.B) {
				var took time.Duration
				for b.Loop() {
					took = grown(b, n, g.stragglers, g.dies)
				}
				b.ReportMetric(took.Seconds(), "s")
				s.X, s.Y = append(s.X, k), append(s.Y, took.Seconds())
			})
		}
		drawn = append(drawn, s)
	}
	if *figure == "" {
		return
	}
	f := plot.Frame{X: drawn[0].X, Hi: len(sizes) - 1, Across: "number of conversations"}
	for _, n := range sizes {
		f.Names = append(f.Names, strconv.Itoa(n))
	}
	c := plot.Chart{ID: "growth", Title: "Seconds for all conversations", Log: true, Series: drawn}
	if err := os.WriteFile(*figure, []byte(f.Draw(&c, plot.File, true)+"\n"), 0o644); err != nil {
		b.Fatal(err)
	}
}

// grown is how long so many conversations take.
func grown(b *testing.B, n int, stragglers float64, dies bool) time.Duration {
	var servers []*servedtest.Server
	var draws, given atomic.Int64
	delay := func(tokens int) time.Duration {
		u := func(salt int64) float64 { // of the draw, in (0, 1)
			x := uint64(draws.Load()*3+salt) * 0x9e3779b97f4a7c15
			x ^= x >> 29
			x *= 0xbf58476d1ce4e5b9
			return (float64(x>>11) + 0.5) / (1 << 53)
		}
		draws.Add(1)
		d := float64(tokens) * 5e-3 * math.Exp(0.3*math.Sqrt(-2*math.Log(u(0)))*math.Cos(2*math.Pi*u(1)))
		if u(2) < stragglers {
			d *= 10
		}
		return time.Duration(d * float64(time.Second))
	}
	for range 4 {
		servers = append(servers, start(b, servedtest.Options{Vocab: 40, Delay: delay}))
	}
	o := quick(b, "vllm", servers...)
	o.Side, o.Watched = 256, nil
	p, err := served.Open(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	list := crowd(n, 500, 3, 64)
	if dies {
		for _, c := range list {
			c.wait = func(int) <-chan struct{} {
				if given.Add(1) == max(int64(n)*3/2, 2) { // at 1 the only conversation has asked nobody yet
					counts := p.Servers()
					most := slices.MaxFunc(counts, func(s, t served.Server) int { return cmp.Compare(s.Requests, t.Requests) })
					servers[slices.Index(counts, most)].Fail(servedtest.Break)
				}
				return nil
			}
		}
	}
	begun := time.Now()
	play(b, p, list, warm)
	return time.Since(begun)
}
