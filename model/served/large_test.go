package served_test

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"ballast/model/served"
	"ballast/model/servedtest"
)

// crowd are conversations with prompts of a usual length, in groups of 8.
func crowd(n, prompt, replies, most int) (out []*talk) {
	for i := range n {
		tokens := slices.Repeat([]int32{3}, prompt)
		tokens[0], tokens[1] = int32(i/8%40), int32(i/320%40)
		out = append(out, &talk{prompt: tokens, seed: uint64(i), want: replies, most: most})
	}
	return out
}

// TestManySideBySide: 4,096 conversations over four servers, of which one dies in the middle, are
// all played; no more than the places of the servers are under way.
func TestManySideBySide(t *testing.T) {
	var servers []*servedtest.Server
	for range 4 {
		servers = append(servers, start(t, servedtest.Options{}))
	}
	o := quick(t, "vllm", servers...)
	o.Side, o.Watched = 32, nil
	p := open(t, o)
	list := crowd(4096, 16, 1, 4)
	var n atomic.Int64
	for _, c := range list {
		c.wait = func(int) <-chan struct{} {
			if n.Add(1) == 2000 {
				servers[2].Fail(servedtest.Break)
			}
			return nil
		}
	}
	exact(t, play(t, p, list, warm), "", nil)
	for _, s := range servers {
		if replies, most := s.Served(""); most > 32 || replies == 0 {
			t.Errorf("%d replies, %d at a time", replies, most)
		}
	}
	if c := p.Counters(); c.Sampled != 4096*4 || p.Servers()[2].Left != 1 {
		t.Errorf("%+v, %+v", c, p.Servers())
	}
}

// BenchmarkSideBySide plays conversations of three replies of 64 tokens on prompts of 2,000
// tokens, with replies that take 5 ms a token. The processor time and the memory are of both
// sides, the client and the toy servers.
func BenchmarkSideBySide(b *testing.B) {
	for _, n := range []int{1, 480, 4096} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var servers []*servedtest.Server
			for range 4 {
				servers = append(servers, start(b, servedtest.Options{Vocab: 40, Delay: func(tokens int) time.Duration {
					return time.Duration(tokens) * 5 * time.Millisecond
				}}))
			}
			o := quick(b, "vllm", servers...)
			o.Side, o.Watched = 256, nil
			p, err := served.Open(context.Background(), o)
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			for b.Loop() {
				before, wall := processor(), time.Now()
				stop, peak := make(chan struct{}), make(chan uint64)
				go func() { peak <- heapPeak(stop) }()
				play(b, p, crowd(n, 2000, 3, 64), warm)
				close(stop)
				used, took := processor()-before, time.Since(wall)
				b.ReportMetric(used.Seconds()/took.Seconds(), "cores")
				b.ReportMetric(used.Seconds()*1000/float64(3*n), "cpu-ms/reply")
				b.ReportMetric(float64(<-peak)/(1<<20), "MiB")
			}
		})
	}
}

// heapPeak is the most memory that the heap and the stacks had in use until stop.
func heapPeak(stop <-chan struct{}) (peak uint64) {
	for {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse+m.StackInuse)
		select {
		case <-stop:
			return peak
		case <-time.After(50 * time.Millisecond):
		}
	}
}
