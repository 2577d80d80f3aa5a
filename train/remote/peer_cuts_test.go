//go:build large

package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/loss"
	"ballast/tinker"
	"ballast/train"
)

// cutter stands between a client and a server, and cuts connections at random.
type cutter struct {
	to       string
	mu       sync.Mutex
	rng      *rand.Rand
	requests int
	cuts     [4]int // before the request, behind it, within the answer, at its end
}

// ServeHTTP cuts two requests of five. It leaves create_model alone: of a model whose name got lost
// SkyRL keeps the adapter until its session is over, and it holds few.
func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	c.mu.Lock()
	where, part := c.rng.IntN(10), c.rng.Float64()
	if path.Base(r.URL.Path) == "create_model" {
		where = len(c.cuts)
	}
	c.requests++
	if where < len(c.cuts) {
		c.cuts[where]++
	}
	c.mu.Unlock()
	if where == 0 {
		panic(http.ErrAbortHandler)
	}
	q, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, c.to+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	q.Header = r.Header.Clone()
	res, err := http.DefaultTransport.RoundTrip(q) // a redirect is an answer
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || where == 1 {
		panic(http.ErrAbortHandler)
	}
	for name, v := range res.Header {
		w.Header()[name] = v
	}
	if where < len(c.cuts) { // in the middle of the answer, and at its end
		w.Header().Set("Content-Length", fmt.Sprint(len(text)+where-2))
		text = text[:int(part*float64(len(text)))]
	}
	w.WriteHeader(res.StatusCode)
	w.Write(text) // the client may have left
	if where < len(c.cuts) {
		panic(http.ErrAbortHandler)
	}
}

func (c *cutter) count() (requests int, cuts [4]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests, c.cuts
}

// trained is what a run of updates came to.
type trained struct {
	updates int
	adapter [][]float32
	replies [][]int32
}

// TestPeerCuts trains through connections that break, and then as often without: the server ends with
// the same adapter, and the replies were the same. It writes where the server keeps the first one's
// state, so that the steps of the optimiser can be counted there.
func TestPeerCuts(t *testing.T) {
	address, file := os.Getenv("BALLAST_TINKER"), os.Getenv("BALLAST_TINKER_SAVED")
	if file == "" {
		t.Fatal("BALLAST_TINKER_SAVED names no file to write: run scripts/peer-tinker")
	}
	const requests = 1000
	c := &cutter{to: address, rng: rand.New(rand.NewPCG(5, 6))}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close) // when the model was given back
	cut := newPeer(t, tinker.Options{Address: s.URL, Wait: hurried}).trains(func(int) bool { n, _ := c.count(); return n < requests }, file)
	n, cuts := c.count()
	t.Logf("%d updates, %d requests, of them cut before the request %d, behind it %d, within the answer %d, at its end %d", cut.updates, n,
		cuts[0], cuts[1], cuts[2], cuts[3])
	for _, k := range cuts {
		if k < requests/20 { // a tenth is wanted
			t.Errorf("only %d connections were cut at one of the places", k)
		}
	}
	whole := newPeer(t, tinker.Options{Address: address}).trains(func(done int) bool { return done < cut.updates }, "")
	worst := 0.0
	for i := range whole.adapter {
		for j, x := range whole.adapter[i] {
			worst = max(worst, math.Abs(float64(x-cut.adapter[i][j])))
		}
	}
	t.Logf("%d updates without cuts: the adapters differ by at most %.1e", whole.updates, worst)
	if !(worst <= 1e-5) {
		t.Errorf("the adapters differ by %g", worst)
	}
	if !slices.EqualFunc(cut.replies, whole.replies, slices.Equal) {
		t.Errorf("replies were %v, without cuts %v", cut.replies, whole.replies)
	}
}

// trains updates with AdamW as long as there is more to do. Now and then it samples, and goes on from
// a checkpoint.
func (p *peer) trains(more func(done int) bool, file string) (out trained) {
	p.t.Helper()
	p.o.Train = train.Default()
	p.o.Train.AdamW.WeightDecay = 0
	r := rand.New(rand.NewPCG(7, 8))
	for ; more(out.updates); out.updates++ {
		samples := make([]ballast.Sample, 4)
		for i := range samples {
			samples[i].Tokens = p.tokens(r, 28)
			weigh(&samples[i], 12, r, []int{loss.TermCrossEntropy})
		}
		p.step(p.Learner, samples, 1e-3)
		if out.updates%10 == 9 {
			prompts := [][]int32{p.tokens(r, 12), p.tokens(r, 12), p.tokens(r, 12), p.tokens(r, 12)}
			for _, q := range p.replies(prompts) {
				out.replies = append(out.replies, q.Tokens)
			}
		}
		if out.updates%40 == 39 {
			must(p.t, p.Load(p.save()))
		}
	}
	m, err := ReadManifest(p.save())
	must(p.t, err)
	if file != "" {
		text, err := json.Marshal(map[string]any{"path": m.Path, "steps": out.updates})
		must(p.t, err)
		must(p.t, os.WriteFile(file, text, 0o600))
	}
	out.adapter = p.pull().Flat()
	return out
}

// hurried waits a tenth of what it is told to, so that a thousand requests take minutes.
func hurried(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d / 10):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
