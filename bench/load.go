package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ballast"
	"ballast/chat"
)

// Load is what a process that plays another trainer sends to a server of verl-tool's protocol.
type Load struct {
	URL     string        `json:"url"`     // of the requests
	Clients int           `json:"clients"` // connections, each of which waits for its answer
	Batch   int           `json:"batch"`   // actions a request
	Rate    float64       `json:"rate"`    // requests a second of all clients; 0 = as many as are answered
	Seconds float64       `json:"seconds"`
	Open    int           `json:"open"`   // instead: open so many trajectories and leave them open
	Vanish  bool          `json:"vanish"` // instead: clients that go away at random moments
	Echo    bool          `json:"echo"`   // the server plays nothing, so that no answer is looked at
	Pause   time.Duration `json:"pause"`  // between the requests of a client that will vanish
}

// LoadResult is what became of it.
type LoadResult struct {
	Requests   int64   `json:"requests"`
	Actions    int64   `json:"actions"`
	Episodes   int64   `json:"episodes"` // played to their end
	Solved     int64   `json:"solved"`   // with reward 1
	Vanished   int64   `json:"vanished"`
	Seconds    float64 `json:"seconds"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	RequestSec float64 `json:"requests_per_second"`
	ActionSec  float64 `json:"actions_per_second"`
}

// player is the gold answer of a task as the bytes of requests.
type player struct {
	extra []byte   // extra_fields of its actions
	lines [][]byte // actions as JSON
}

// players writes the gold answers of tasks as a model of the format pythonic would, which has positional arguments, as gold does.
func players(tasks []ballast.Task) ([]player, error) {
	out := make([]player, len(tasks))
	for i := range tasks {
		var texts []string
		for _, turn := range tasks[i].Turns {
			for _, c := range turn.Gold {
				text, err := chat.Pythonic.Write([]ballast.Call{c}, nil)
				if err != nil {
					return nil, fmt.Errorf("bench: task %s: %w", tasks[i].ID, err)
				}
				texts = append(texts, text)
			}
			texts = append(texts, "That is done.")
		}
		for _, text := range texts {
			line, err := json.Marshal(text)
			if err != nil {
				return nil, err
			}
			out[i].lines = append(out[i].lines, line)
		}
		extra, err := json.Marshal(map[string]any{"ballast_task": tasks[i].ID, "index": i, "split": "train"})
		if err != nil {
			return nil, err
		}
		out[i].extra = extra
	}
	return out, nil
}

// walk is one trajectory under way.
type walk struct {
	id string
	*player
	at int
}

// names numbers trajectories of all clients of a process.
var names atomic.Int64

func begin(all []player, rng *rand.Rand) *walk {
	return &walk{id: fmt.Sprintf("%08x-%d", rng.Uint32(), names.Add(1)), player: &all[rng.IntN(len(all))]}
}

// request writes the next action of each walk as one request.
func request(b *bytes.Buffer, walks []*walk) {
	b.Reset()
	list := func(name string, of func(*walk)) {
		fmt.Fprintf(b, "%q:[", name)
		for i, w := range walks {
			if i > 0 {
				b.WriteByte(',')
			}
			of(w)
		}
		b.WriteByte(']')
	}
	b.WriteByte('{')
	list("trajectory_ids", func(w *walk) { b.WriteString(`"` + w.id + `"`) })
	b.WriteByte(',')
	list("actions", func(w *walk) { b.Write(w.lines[w.at]) })
	b.WriteByte(',')
	list("finish", func(*walk) { b.WriteString("false") })
	b.WriteByte(',')
	list("is_last_step", func(*walk) { b.WriteString("false") })
	b.WriteByte(',')
	list("extra_fields", func(w *walk) { b.Write(w.extra) })
	b.WriteByte('}')
}

// Run sends the load. An answer that is not as it should be is an error.
func (l Load) Run(ctx context.Context, tasks []ballast.Task) (*LoadResult, error) {
	all, err := players(tasks)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: l.Clients, MaxConnsPerHost: l.Clients}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	ctx, stop := context.WithTimeout(ctx, time.Duration(l.Seconds*float64(time.Second)))
	if l.Open > 0 {
		stop()
		ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
	}
	defer stop()
	res := &LoadResult{}
	var mu sync.Mutex
	var times []float64
	var failed error
	var group sync.WaitGroup
	start := time.Now()
	left := &atomic.Int64{}
	left.Store(int64(l.Open))
	slot := &atomic.Int64{}
	for k := range l.Clients {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(k), uint64(start.UnixNano())))
			mine, err := l.client(ctx, c, all, rng, res, left, start, slot)
			mu.Lock()
			defer mu.Unlock()
			times = append(times, mine...)
			if err != nil && failed == nil {
				failed = err
				stop()
			}
		})
	}
	group.Wait()
	res.Seconds = time.Since(start).Seconds()
	res.RequestSec, res.ActionSec = float64(res.Requests)/res.Seconds, float64(res.Actions)/res.Seconds
	if slices.Sort(times); len(times) > 0 {
		res.P50, res.P99 = times[len(times)/2], times[len(times)*99/100]
	}
	return res, failed
}

// client is one connection; it returns how long its requests took, in milliseconds.
func (l Load) client(ctx context.Context, c *http.Client, all []player, rng *rand.Rand, res *LoadResult,
	left *atomic.Int64, start time.Time, slot *atomic.Int64) (times []float64, err error) {
	if l.Vanish {
		return nil, l.vanish(ctx, all, rng, res)
	}
	walks := make([]*walk, l.Batch)
	for i := range walks {
		walks[i] = begin(all, rng)
	}
	var b bytes.Buffer
	for ctx.Err() == nil {
		if l.Open > 0 {
			if left.Add(-int64(l.Batch)) < 0 {
				return times, nil
			}
			for i := range walks {
				walks[i] = begin(all, rng)
			}
		}
		at := time.Now()
		if l.Rate > 0 { // of a request that is late the time counts from when it was due
			at = start.Add(time.Duration(float64(slot.Add(1)) / l.Rate * float64(time.Second)))
			select {
			case <-time.After(time.Until(at)):
			case <-ctx.Done():
				return times, nil
			}
		}
		request(&b, walks)
		answer, err := l.post(ctx, c, b.Bytes())
		switch {
		case err != nil && ctx.Err() != nil:
			return times, nil
		case err != nil:
			return times, err
		}
		times = append(times, float64(time.Since(at))/float64(time.Millisecond))
		atomic.AddInt64(&res.Requests, 1)
		atomic.AddInt64(&res.Actions, int64(l.Batch))
		if err := l.advance(walks, answer, all, rng, res); err != nil {
			return times, err
		}
	}
	return times, nil
}

// advance moves trajectories on; those that have ended make place for new ones.
func (l Load) advance(walks []*walk, answer []byte, all []player, rng *rand.Rand, res *LoadResult) error {
	over := 0
	for i, w := range walks {
		if w.at++; w.at == len(w.lines) {
			walks[i] = begin(all, rng)
			over++
		}
	}
	if l.Echo || over == 0 {
		return nil
	}
	atomic.AddInt64(&res.Episodes, int64(over))
	solved := bytes.Count(answer, []byte(`"success":true`))
	atomic.AddInt64(&res.Solved, int64(solved))
	if solved != over {
		return fmt.Errorf("bench: gold solved %d of %d episodes that ended: %.2000s", solved, over, answer)
	}
	return nil
}

// post sends one request and returns the answer.
func (l Load) post(ctx context.Context, c *http.Client, body []byte) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	res, err := c.Do(q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("bench: %s: %s: %.500s", l.URL, res.Status, text)
	}
	return text, err
}

// vanish plays clients that go away: in the middle of a request, before its answer, or between
// two actions. None finishes what it began.
func (l Load) vanish(ctx context.Context, all []player, rng *rand.Rand, res *LoadResult) error {
	u, err := url.Parse(l.URL)
	if err != nil {
		return err
	}
	var b, raw bytes.Buffer
	for ctx.Err() == nil {
		conn, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
		if err != nil {
			return err
		}
		w := begin(all, rng)
		gone := rng.IntN(len(w.lines) + 1)
		for ; w.at < len(w.lines) && ctx.Err() == nil; w.at++ {
			request(&b, []*walk{w})
			raw.Reset()
			fmt.Fprintf(&raw, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", u.Path, u.Host, b.Len())
			raw.Write(b.Bytes())
			text := raw.Bytes()
			last := w.at == gone
			if last && rng.IntN(2) == 0 {
				text = text[:rng.IntN(len(text))]
			}
			if _, err := conn.Write(text); err != nil {
				break
			}
			atomic.AddInt64(&res.Requests, 1)
			if last {
				break
			}
			if err := readAnswer(conn); err != nil {
				conn.Close()
				return err
			}
			time.Sleep(time.Duration(rng.Int64N(int64(l.Pause) + 1)))
		}
		conn.Close()
		atomic.AddInt64(&res.Vanished, 1)
	}
	return nil
}

// readAnswer reads one answer of HTTP/1.1 with a length or in chunks.
func readAnswer(conn net.Conn) error {
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	buf := make([]byte, 64<<10)
	var text []byte
	for {
		n, err := conn.Read(buf)
		text = append(text, buf[:n]...)
		if err != nil {
			return fmt.Errorf("bench: a server that does not answer: %w", err)
		}
		head, body, ok := strings.Cut(string(text), "\r\n\r\n")
		if !ok {
			continue
		}
		if !strings.HasPrefix(head, "HTTP/1.1 200 ") {
			return errors.New("bench: " + head)
		}
		if strings.Contains(head, "chunked") {
			if strings.HasSuffix(body, "0\r\n\r\n") {
				return nil
			}
			continue
		}
		var length int
		for line := range strings.SplitSeq(head, "\r\n") {
			if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
				fmt.Sscan(v, &length)
			}
		}
		if len(body) >= length {
			return nil
		}
	}
}
