package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"

	"ballast"
	"ballast/bounded"
	"ballast/chat"
	"ballast/env"
	"ballast/serve"
)

// ServePlan says what Serve measures.
type ServePlan struct {
	Clients  int     // connections of the load
	Seconds  float64 // of each measurement
	Sessions int     // trajectories that are opened and left open; 0 = none
	Vanish   time.Duration
	// Load sends a load from another process.
	Load func(context.Context, Load) (*LoadResult, error)
}

// Serving is what Serve measures.
type Serving struct {
	Machine string       `json:"machine"`
	Cores   int          `json:"cores"` // of both processes together
	Tasks   int          `json:"tasks"`
	Rows    []ServingRow `json:"load"`
	Open    *OpenRow     `json:"open,omitempty"`
	Vanish  *VanishRow   `json:"vanish,omitempty"`
}

// ServingRow is one size of requests, with what a handler that only echoes the same requests
// does before and after it.
type ServingRow struct {
	Batch    int         `json:"actions_a_request"`
	Echo     *LoadResult `json:"echo"`         // the bytes as they came
	Parsed   *LoadResult `json:"echo_parsed"`  // read and written as JSON
	Peak     *LoadResult `json:"peak"`         // played
	Half     *LoadResult `json:"half_of_peak"` // played, requests at half of the peak's rate
	Ratio    float64     `json:"ratio_to_echo"`
	ToParsed float64     `json:"ratio_to_echo_parsed"`
}

// OpenRow is what open trajectories take.
type OpenRow struct {
	Sessions   int     `json:"sessions"`
	MB         float64 `json:"process_mb"` // resident, of the server's process
	HeapMB     float64 `json:"heap_mb"`    // live, after a collection
	KBSession  float64 `json:"heap_kb_a_session"`
	OpenSecond float64 `json:"opened_per_second"`
}

// VanishRow is what clients that go away leave behind.
type VanishRow struct {
	Seconds  float64   `json:"seconds"`
	Vanished int64     `json:"vanished"`
	Sessions []int     `json:"sessions"` // open, after each tenth
	HeapMB   []float64 `json:"heap_mb"`  // live, after each tenth
	After    int       `json:"sessions_after_a_lease"`
	AfterMB  float64   `json:"heap_mb_after_a_lease"`
}

// host is a server on this machine's own address.
type host struct {
	*serve.Server
	mux  http.Handler
	url  string
	stop func() error
}

// listen serves tasks, and the two echoes, on a free port.
func listen(tasks []ballast.Task, lease time.Duration, sessions int) (*host, error) {
	s, err := serve.New(serve.Config{Tasks: tasks, Format: chat.Pythonic, Rules: env.Rules{Malformed: env.MalformedAdvance},
		Lease: lease, Sessions: sessions})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", echo)
	mux.HandleFunc("POST /echo_parsed", echoParsed)
	mux.Handle("/", s.Handler())
	h := &http.Server{Handler: mux}
	go h.Serve(l)
	return &host{s, mux, "http://" + l.Addr().String(), func() error { return errors.Join(h.Close(), s.Close()) }}, nil
}

// echo answers with the request.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body)
}

// echoed is an observation in the shape of a real one.
type echoed struct {
	Obs     string   `json:"obs"`
	Reward  *float64 `json:"reward"`
	Invalid *string  `json:"invalid_reason"`
}

// echoParsed reads a request and answers its actions as observations, in the shape of a server that plays them.
func echoParsed(w http.ResponseWriter, r *http.Request) {
	var q struct {
		IDs     []string         `json:"trajectory_ids"`
		Actions []string         `json:"actions"`
		Extra   []map[string]any `json:"extra_fields"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	no, seen := make([]bool, len(q.IDs)), make([]echoed, len(q.Actions))
	for i, text := range q.Actions {
		seen[i].Obs = text
	}
	text, _ := json.Marshal(map[string]any{"observations": seen, "dones": no, "valids": no, "processing_time_ms": 0, "queue_time_ms": 0})
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}

// Serve measures a server of tasks in this process under loads of another.
func Serve(ctx context.Context, tasks []ballast.Task, p ServePlan) (*Serving, error) {
	res := &Serving{Machine: machine(), Cores: runtime.GOMAXPROCS(0), Tasks: len(tasks)}
	h, err := listen(tasks, time.Minute, 0)
	if err != nil {
		return nil, err
	}
	for _, batch := range []int{1, 64} {
		row, err := measureServing(ctx, h.url, batch, p)
		if err != nil {
			return nil, errors.Join(err, h.stop())
		}
		res.Rows = append(res.Rows, *row)
	}
	if err := h.stop(); err != nil {
		return nil, err
	}
	if p.Sessions > 0 {
		if res.Open, err = measureOpen(ctx, tasks, p); err != nil {
			return nil, err
		}
	}
	if p.Vanish > 0 {
		res.Vanish, err = measureVanish(ctx, tasks, p)
	}
	return res, err
}

// measureServing loads a server with requests of so many actions.
func measureServing(ctx context.Context, url string, batch int, p ServePlan) (*ServingRow, error) {
	row := &ServingRow{Batch: batch}
	l := Load{Clients: p.Clients, Batch: batch, Seconds: p.Seconds}
	for _, part := range []struct {
		path string
		echo bool
		into **LoadResult
	}{{"/get_observation", false, new(*LoadResult)}, {"/echo", true, &row.Echo}, {"/echo_parsed", true, &row.Parsed},
		{"/get_observation", false, &row.Peak}, {"/get_observation", false, &row.Half}} {
		l.URL, l.Echo, l.Rate = url+part.path, part.echo, 0
		if part.into == &row.Half {
			l.Rate = row.Peak.RequestSec / 2
		}
		r, err := p.Load(ctx, l)
		if err != nil {
			return nil, err
		}
		*part.into = r
	}
	row.Ratio, row.ToParsed = row.Peak.RequestSec/row.Echo.RequestSec, row.Peak.RequestSec/row.Parsed.RequestSec
	return row, nil
}

// measureOpen opens trajectories with their first action and leaves them open.
func measureOpen(ctx context.Context, tasks []ballast.Task, p ServePlan) (*OpenRow, error) {
	h, err := listen(tasks, time.Hour, p.Sessions)
	if err != nil {
		return nil, err
	}
	before := liveHeap()
	r, err := p.Load(ctx, Load{URL: h.url + "/get_observation", Clients: p.Clients, Batch: 1, Open: p.Sessions})
	if err != nil {
		return nil, errors.Join(err, h.stop())
	}
	row := &OpenRow{Sessions: h.Open(), MB: resident(), OpenSecond: r.ActionSec}
	row.HeapMB = liveHeap()
	row.KBSession = (row.HeapMB - before) * 1000 / float64(max(1, row.Sessions))
	if row.Sessions != p.Sessions {
		err = fmt.Errorf("bench: %d sessions are open, not %d", row.Sessions, p.Sessions)
	}
	return row, errors.Join(err, h.stop())
}

// measureVanish has clients go away for a while.
func measureVanish(ctx context.Context, tasks []ballast.Task, p ServePlan) (*VanishRow, error) {
	const lease = 2 * time.Second
	h, err := listen(tasks, lease, 0)
	if err != nil {
		return nil, err
	}
	row := &VanishRow{Seconds: p.Vanish.Seconds()}
	over := make(chan error, 1)
	go func() {
		r, err := p.Load(ctx, Load{URL: h.url + "/get_observation", Clients: p.Clients, Seconds: p.Vanish.Seconds(), Vanish: true,
			Pause: 20 * time.Millisecond})
		if err == nil {
			row.Vanished = r.Vanished
		}
		over <- err
	}()
	tick := time.NewTicker(p.Vanish / 10)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-tick.C:
			if len(row.Sessions) < 10 {
				row.Sessions, row.HeapMB = append(row.Sessions, h.Open()), append(row.HeapMB, liveHeap())
			}
		case err = <-over:
			running = false
		}
	}
	time.Sleep(lease + lease/2)
	row.After, row.AfterMB = h.Open(), liveHeap()
	if row.After > 0 {
		err = errors.Join(err, fmt.Errorf("bench: %d sessions are open a lease after the last client", row.After))
	}
	return row, errors.Join(err, h.stop())
}

// liveHeap is the live heap in MB.
func liveHeap() float64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

// resident is the memory of this process in MB, 0 where the system does not tell.
func resident() float64 {
	text, err := bounded.ReadFile("/proc/self/statm", 1<<10)
	if err != nil {
		return 0
	}
	var all, rss int64
	fmt.Sscan(string(text), &all, &rss)
	return float64(rss) * 4096 / 1e6
}

// LoadBy sends a load from a process of this program, which reads it as JSON and answers so.
func LoadBy(command ...string) func(context.Context, Load) (*LoadResult, error) {
	return func(ctx context.Context, l Load) (*LoadResult, error) {
		in, err := json.Marshal(l)
		if err != nil {
			return nil, err
		}
		c := exec.CommandContext(ctx, command[0], command[1:]...)
		var out, errs bytes.Buffer
		c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), &out, &errs
		if err := c.Run(); err != nil {
			return nil, fmt.Errorf("bench: the process of the load: %w: %s", err, bytes.TrimSpace(errs.Bytes()))
		}
		res := &LoadResult{}
		return res, json.Unmarshal(out.Bytes(), res)
	}
}

// Print writes the measurements for people.
func (res *Serving) Print(out io.Writer) {
	fmt.Fprintf(out, "%s, %d cores for the server and the load; %d tasks\n", res.Machine, res.Cores, res.Tasks)
	for _, r := range res.Rows {
		fmt.Fprintf(out, "%2d actions a request: %.0f requests/s, %.0f actions/s, %.2f x an echo of the bytes, %.2f x one that reads them\n",
			r.Batch, r.Peak.RequestSec, r.Peak.ActionSec, r.Ratio, r.ToParsed)
		fmt.Fprintf(out, "   P99 %.1f ms at the peak, %.1f ms at half of it; %d episodes ended, all solved\n", r.Peak.P99, r.Half.P99,
			r.Peak.Solved)
	}
	if o := res.Open; o != nil {
		fmt.Fprintf(out, "%d open sessions: process %.0f MB, live heap %.0f MB, %.1f KB a session, %.0f opened a second\n", o.Sessions, o.MB,
			o.HeapMB, o.KBSession, o.OpenSecond)
	}
	if v := res.Vanish; v != nil {
		fmt.Fprintf(out, "%d clients vanished in %.0f s: sessions %v, a lease later %d; live heap %.1f MB, a lease later %.1f MB\n",
			v.Vanished, v.Seconds, v.Sessions, v.After, v.HeapMB, v.AfterMB)
	}
}
