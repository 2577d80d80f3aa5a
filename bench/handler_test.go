package bench

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ballast/task"
)

// BenchmarkHandler64 is the time of a handler alone that answers 64 actions a request: no client
// and no connection share its processor. Requests are made while the clock stands.
func BenchmarkHandler64(b *testing.B) {
	tasks, err := task.Load(task.Spec{Name: "bfcl", Data: "../task/bfcl/testdata"})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		path string
		echo bool
	}{{"/get_observation", false}, {"/echo", true}, {"/echo_parsed", true}} {
		b.Run(c.path[1:], func(b *testing.B) {
			h, err := listen(tasks, time.Minute, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer h.stop()
			all, err := players(tasks)
			if err != nil {
				b.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			walks := make([]*walk, 64)
			for i := range walks {
				walks[i] = begin(all, rng)
			}
			var body bytes.Buffer
			l, res := Load{Echo: c.echo}, &LoadResult{}
			var answered int
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				request(&body, walks)
				q := httptest.NewRequest(http.MethodPost, c.path, bytes.NewReader(body.Bytes()))
				w := httptest.NewRecorder()
				b.StartTimer()
				h.mux.ServeHTTP(w, q)
				b.StopTimer()
				if w.Code != http.StatusOK {
					b.Fatalf("%d: %.500s", w.Code, w.Body)
				}
				answered += 64
				if err := l.advance(walks, w.Body.Bytes(), all, rng, res); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(answered), "µs/action")
		})
	}
}
