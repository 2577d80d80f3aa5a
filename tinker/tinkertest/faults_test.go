package tinkertest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"ballast/tinker"
)

// TestOutcomes: every form of the outcome table, on a promise that is kept behind it.
func TestOutcomes(t *testing.T) {
	for _, o := range []struct {
		name   string
		do     Action
		status int
		body   string // a part
	}{
		{"try again", StillPending(TryAgain, "active"), 200, `"type":"try_again"`},
		{"paused", StillPending(TryAgain, "paused_capacity"), 200, `"queue_state":"paused_capacity"`},
		{"rate limit", StillPending(TryAgain, "paused_rate_limit"), 200, `"queue_state":"paused_rate_limit"`},
		{"408", StillPending(Timeout, ""), 408, `"detail"`},
		{"408 with a queue", StillPending(TimeoutQueue, "active"), 408, `"queue_state":"active"`},
		{"200 with an error", Fails(Error200, "boom"), 200, `{"category":"user","error":"boom"}`},
		{"400", Fails(Detail400, "boom"), 400, `{"detail":"boom"}`},
		{"400 of open-rl", Fails(RequestFailed400, "boom"), 400, `"RequestFailedResponse"`},
		{"422", Fails(Future422, "boom"), 422, `{"detail":"Future failed: boom"}`},
		{"empty 400", Empty400(), 400, ""},
		{"401", Status(401), 401, ""}, {"402", Status(402), 402, ""}, {"403", Status(403), 403, ""}, {"404", Status(404), 404, ""},
		{"409", Status(409), 409, ""}, {"429", Status(429), 429, ""}, {"500", Status(500), 500, ""}, {"503", Status(503), 503, ""},
		{"own", Reply(418, `{"a":1}`), 418, `{"a":1}`},
		{"cut before", CutBefore, 0, ""}, {"cut after", CutAfter, 0, ""}, {"cut in the middle", CutMiddle, 0, ""},
		{"restart", RestartBefore, 0, ""},
	} {
		t.Run(o.name, func(t *testing.T) {
			c := start(t, Options{Vocab: 8, Faults: []Fault{{On: "retrieve_future", Of: "forward_backward", Nth: 1, Do: o.do}}})
			m := c.create(2, 1)
			promise := c.submit(c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 5, 8), ones(4))))
			kept := c.result(promise)
			if kept.status != o.status || !strings.Contains(string(kept.body), o.body) {
				t.Errorf("%d %s", kept.status, kept.body)
			}
			if o.do.name != RestartBefore.name { // what was finished is kept there, too, but what was not is not
				c.output(promise)
			}
			if n := c.s.Ledger().Faults[o.do.String()]; n != 1 {
				t.Errorf("the fault was done %d times", n)
			}
		})
	}
}

// TestPendingForms: a promise that is not kept in time, in each server's words.
func TestPendingForms(t *testing.T) {
	for _, h := range []Habits{SkyRL(), TuFT()} {
		h.SessionTimeout = 0
		clock := NewManualClock()
		c := start(t, Options{Vocab: 8, Habits: h, Clock: clock, Hold: time.Second,
			Latency: map[string]Latency{"optim_step": {Median: 3500 * time.Millisecond}}})
		m := c.create(2, 1)
		clock.Advance(time.Hour) // nobody waits any more
		promise := c.post("optim_step", stepBody(m, c.next(m), adam))
		for i := 0; ; i++ {
			got := make(chan reply)
			go func() { got <- c.result(promise) }()
			var r reply
			for waits := true; waits; {
				select {
				case r = <-got:
					waits = false
				case <-time.After(time.Millisecond):
					if clock.Waiting() == 2 { // the operation and who asks for it
						clock.Advance(time.Second / 2)
					}
				}
			}
			if i == 3 {
				if r.status != http.StatusOK || !strings.Contains(string(r.body), "metrics") {
					t.Errorf("%s: %d %s", h.Name, r.status, r.body)
				}
				break
			}
			want := map[string]int{"skyrl": 408, "tuft": 200}[h.Name]
			if r.status != want || h.Name == "tuft" && c.field(r, "type") != "try_again" {
				t.Fatalf("%s: %d %s", h.Name, r.status, r.body)
			}
		}
	}
}

// TestSentAgain: a request whose answer did not come is sent again with its number; nothing is
// lost and nothing is done twice.
func TestSentAgain(t *testing.T) {
	for _, do := range []Action{CutBefore, CutAfter, CutMiddle, Shorten, Vanish, Status(503), Status(429), HangAfter, Hang} {
		for _, h := range []Habits{SkyRL(), TuFT(), Hosted()} {
			t.Run(do.String()+"/"+h.Name, func(t *testing.T) {
				c := start(t, Options{Vocab: 8, Habits: h})
				m := c.create(2, 1)
				c.s.Script(Fault{On: "forward_backward", Nth: 2, Do: do}, Fault{On: "optim_step", Nth: 1, Do: do})
				datum := sequenceOf(tokens(1, 5, 8), ones(4))
				again := func(path, kind string, body []byte) {
					for range 3 {
						ctx, stop := context.WithCancel(t.Context())
						if strings.HasPrefix(do.String(), "hang") {
							go leave(ctx, stop, c.s, do, c.s.Ledger().Faults[do.String()])
						}
						r := c.sendIn(ctx, http.MethodPost, path, kind, "", body)
						stop()
						if r.status != c.s.h.Promised || !json.Valid(r.body) {
							continue
						}
						if got := c.result(r); got.status == http.StatusOK {
							return
						}
					}
					t.Errorf("%s was never done", path)
				}
				for range 3 {
					r := c.request(m, "cross_entropy", nil, datum)
					again("/api/v1/forward_backward", protoType, r.AppendProto(nil))
				}
				body, _ := json.Marshal(stepBody(m, c.next(m), adam))
				again("/api/v1/optim_step", jsonType, body)
				l := c.s.Ledger()
				twice, lost := l.Twice(), l.Missing(m)
				if twice != nil || lost != nil || len(l.Of(m)) != 4 || l.Steps[m] != 1 || l.Faults[do.String()] != 2 {
					t.Errorf("twice %v, lost %v, %+v", twice, lost, l)
				}
			})
		}
	}
}

// leave stops a request when the server has met one more fault.
func leave(ctx context.Context, stop func(), s *Server, fault Action, before int) {
	for ctx.Err() == nil {
		if s.Ledger().Faults[fault.String()] > before {
			stop()
		}
		time.Sleep(time.Millisecond)
	}
}

// TestLost: a promise that is lost is 410; the same request is promised its result again.
func TestLost(t *testing.T) {
	c := start(t, Options{Vocab: 8, Habits: TuFT(), Faults: []Fault{{On: "retrieve_future", Of: "forward_backward", Do: Lose}}})
	m := c.create(2, 1)
	r := c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 5, 8), ones(4)))
	promise := c.submit(r)
	for range 2 {
		if got := c.result(promise); got.status != http.StatusGone {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	again := c.submit(r)
	if c.field(again, "request_id") == c.field(promise, "request_id") {
		t.Error("the same promise again")
	}
	c.output(again)
	if l := c.s.Ledger(); l.Twice() != nil || len(l.Of(m)) != 1 {
		t.Errorf("%+v", l)
	}
}

// TestSameAgain: a request that is sent again gets its promise; another one with its number
// is a conflict.
func TestSameAgain(t *testing.T) {
	c := start(t, Options{Vocab: 8})
	m := c.create(2, 1)
	r := c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 5, 8), ones(4)))
	a, b := c.submit(r), c.submit(r)
	if !bytes.Equal(a.body, b.body) {
		t.Errorf("%s and %s", a.body, b.body)
	}
	r.Loss = "importance_sampling"
	if got := c.submit(r); got.status != http.StatusConflict {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := c.post("optim_step", stepBody(m, 1, adam)); got.status != http.StatusConflict {
		t.Errorf("%d %s", got.status, got.body)
	}
	save := fields{"model_id": m, "seq_id": 2, "path": "x"}
	c.result(c.post("save_weights", save))
	got := c.post("save_weights", save)
	if got.status != http.StatusConflict || !strings.Contains(string(got.body), "already exists for model") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestFailedIsNotDone: an operation that fails by the script changes nothing.
func TestFailedIsNotDone(t *testing.T) {
	c := start(t, Options{Vocab: 8, Faults: []Fault{{On: "optim_step", Do: Fails(Future422, "no memory")}}})
	m := c.create(2, 1)
	c.backward(m, "cross_entropy", nil, sequenceOf(tokens(1, 5, 8), ones(4)))
	before := c.state(m)
	got := c.result(c.post("optim_step", stepBody(m, c.next(m), adam)))
	if got.status != 422 || !strings.Contains(string(got.body), "no memory") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if after := c.state(m); !reflect.DeepEqual(before, after) {
		t.Error("the model has changed")
	}
	if l := c.s.Ledger(); l.Failed[Op{m, 2, "optim_step"}] != 1 || l.Steps[m] != 0 {
		t.Errorf("%+v", l)
	}
}

// TestChance: a share of requests meets a fault, the same ones each time.
func TestChance(t *testing.T) {
	run := func() (met []int) {
		c := start(t, Options{Vocab: 8, Seed: 4, Faults: []Fault{{On: "healthz", Chance: 0.3, Do: CutBefore}}})
		for i := range 60 {
			if c.get("/api/v1/healthz").status == 0 {
				met = append(met, i)
			}
		}
		return met
	}
	a, b := run(), run()
	if !reflect.DeepEqual(a, b) || len(a) < 9 || len(a) > 30 {
		t.Errorf("%v and %v", a, b)
	}
}

// TestRestart: models are gone, checkpoints are not.
func TestRestart(t *testing.T) {
	for _, h := range []Habits{SkyRL(), TuFT()} {
		c := start(t, Options{Vocab: 8, Habits: h})
		m := c.create(2, 1)
		c.backward(m, "cross_entropy", nil, sequenceOf(tokens(1, 5, 8), ones(4)))
		c.step(m, adam)
		path := c.save("save_weights", m, "x")
		want := c.state(m).Weights
		c.s.Restart()
		r := c.submit(c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 5, 8), ones(4))))
		if h.Durable {
			r = c.result(r)
			if r.status != 400 || !strings.Contains(string(r.body), "not loaded (likely stale request from previous server)") {
				t.Errorf("%d %s", r.status, r.body)
			}
		} else if r.status != 404 {
			t.Errorf("%d %s", r.status, r.body)
		}
		if _, ok := c.s.Model(m); ok {
			t.Error("the model is there")
		}
		if !h.Durable {
			c.to = c.field(c.post("create_session", fields{}), "session_id")
		}
		n := c.create(2, 5)
		if got := c.load(n, path, false); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if !reflect.DeepEqual(c.state(n).Weights, want) {
			t.Error("other weights were loaded than saved")
		}
	}
}

// TestReadOnce: a result that was read is gone.
func TestReadOnce(t *testing.T) {
	h := TuFT()
	h.ReadOnce, h.Failure = true, Error200
	c := start(t, Options{Vocab: 8, Habits: h})
	m := c.create(2, 1)
	promise := c.submit(c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 5, 8), ones(4))))
	c.output(promise)
	for _, r := range []reply{c.result(promise), c.poll("nobody")} {
		var f tinker.Failure
		if err := json.Unmarshal(r.body, &f); err != nil || r.status != 200 || f.Error == "" {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
}

// TestOldResultsGo: so many results, and bytes of results, are kept and no more.
func TestOldResultsGo(t *testing.T) {
	oldResults(t, start(t, Options{Vocab: 8, KeepResults: 3, KeepSamplers: 2}))
	oldResults(t, start(t, Options{Vocab: 8, KeepBytes: 3 * 2 * (64 + 4*4), KeepSamplers: 2}))
}

func oldResults(t *testing.T, c *client) {
	m := c.create(2, 1)
	var promises []reply
	for range 5 {
		p := c.submit(c.request(m, "cross_entropy", nil, sequenceOf(tokens(1, 5, 8), ones(4))))
		c.output(p)
		promises = append(promises, p)
	}
	for i, p := range promises {
		if got := c.result(p).status; got != map[bool]int{true: 410, false: 200}[i < 2] {
			t.Errorf("result %d: %d", i, got)
		}
	}
	first := c.sampler(m)
	c.sampler(m)
	body := prompt(first, []int32{1}, fields{"max_tokens": 1})
	c.draw(body)
	c.sampler(m)
	if got := c.post("asample", body); got.status != 404 {
		t.Errorf("%d %s", got.status, got.body)
	}
}
