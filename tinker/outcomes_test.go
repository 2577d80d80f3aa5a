package tinker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var anyConfig map[string]float64

// TestOutcomes: every answer that servers are known to give to the question for a result,
// and to the request itself.
func TestOutcomes(t *testing.T) {
	proto := (&ForwardBackwardOutput{Type: "scalar", Outputs: []Tensors{{{"logprobs", Floats([]float32{-1, -2})}}}}).AppendProto(nil)
	for name, c := range map[string]struct {
		path      string
		replies   []reply
		kind      Kind   // of the error; "" = none
		text      string // in it
		retries   int64
		resubmits int64
		waits     int           // at least
		waited    time.Duration // at least
		uncertain bool          // nothing more may be trained
	}{
		"poll: protobuf":                  {path: PathRetrieveFuture, replies: []reply{{200, TypeProto, string(proto), nil}}},
		"poll: JSON":                      {path: PathRetrieveFuture, replies: []reply{{201, "", `{"loss_fn_outputs":[{"logprobs":{"data":[-1,-2],"dtype":"float32","shape":[2]}}],"metrics":{}}`, nil}}},
		"poll: try again":                 {path: PathRetrieveFuture, replies: []reply{{200, "", `{"type":"try_again","queue_state":"active"}`, nil}, {200, "", `{"type":"try_again","queue_state":"paused_capacity","queue_state_reason":"full"}`, nil}}, waits: 2},
		"poll: 408":                       {path: PathRetrieveFuture, replies: []reply{{408, "", `{"detail":"Timeout"}`, nil}, {408, "", ``, nil}, {408, "", `{"queue_state":"active"}`, nil}}, waits: 3},
		"poll: error in a 200":            {path: PathRetrieveFuture, replies: []reply{{200, "", `{"error":"no memory","category":"server"}`, nil}}, kind: Failed, text: "no memory (server)"},
		"poll: 400 with a detail":         {path: PathRetrieveFuture, replies: []reply{{400, "", `{"detail":"Loss functions ['gspo'] are not supported"}`, nil}}, kind: Failed, text: "'gspo'"},
		"poll: 400 of Open-RL":            {path: PathRetrieveFuture, replies: []reply{{400, "", `{"type":"RequestFailedResponse","error_message":"boom"}`, nil}}, kind: Failed, text: "boom"},
		"poll: 422":                       {path: PathRetrieveFuture, replies: []reply{{422, "", `{"detail":"Future failed: x"}`, nil}}, kind: Failed, text: "Future failed"},
		"poll: empty 400 of a proxy":      {path: PathRetrieveFuture, replies: []reply{{400, "text/html", ``, nil}, {400, "text/html", `<html>`, nil}}, waits: 2},
		"poll: 404":                       {path: PathRetrieveFuture, replies: []reply{{404, "", `{"detail":"Future not found"}`, nil}}, kind: Gone, text: "Future not found", uncertain: true},
		"poll: read once":                 {path: PathRetrieveFuture, replies: []reply{{200, "", `{"error":"already retrieved","category":"Application"}`, nil}}, kind: Failed, text: "already retrieved"},
		"poll: 409":                       {path: PathRetrieveFuture, replies: []reply{{409, "", `{"detail":"x"}`, nil}}, kind: Conflict, uncertain: true},
		"poll: 410":                       {path: PathRetrieveFuture, replies: []reply{{410, "", `{"detail":"expired"}`, nil}, {410, "", ``, nil}}, resubmits: 2},
		"poll: 429":                       {path: PathRetrieveFuture, replies: []reply{{429, "", ``, map[string]string{"Retry-After": "7"}}}, waits: 1, waited: 7 * time.Second},
		"poll: 402":                       {path: PathRetrieveFuture, replies: []reply{{402, "", `{"detail":"pay"}`, nil}}, waits: 1, waited: 5 * time.Second},
		"poll: 5xx":                       {path: PathRetrieveFuture, replies: []reply{{500, "", ``, nil}, {502, "text/html", `<html>`, nil}, {503, "", ``, nil}}, waits: 2},
		"poll: connections break":         {path: PathRetrieveFuture, replies: []reply{{}, {}}, waits: 2},
		"poll: 401":                       {path: PathRetrieveFuture, replies: []reply{{401, "", `{"detail":"no key"}`, nil}}, kind: Access, text: "no key", uncertain: true},
		"poll: 403":                       {path: PathRetrieveFuture, replies: []reply{{403, "", ``, nil}}, kind: Access, uncertain: true},
		"poll: a redirect":                {path: PathRetrieveFuture, replies: []reply{{302, "", ``, map[string]string{"Location": "http://example.org/?token=abc"}}}, kind: Access, text: "redirects to http://example.org/?token=xxxxx", uncertain: true},
		"poll: metadata":                  {path: PathRetrieveFuture, replies: []reply{{200, "", `{"status":"complete_metadata","response_payload_size":5}`, nil}}, kind: Malformed, uncertain: true},
		"poll: garbage":                   {path: PathRetrieveFuture, replies: []reply{{200, "", `{"loss_fn_outputs":`, nil}}, kind: Malformed, uncertain: true},
		"poll: nothing":                   {path: PathRetrieveFuture, replies: []reply{{204, "", ``, nil}}, kind: Malformed, uncertain: true},
		"poll: too few outputs":           {path: PathRetrieveFuture, replies: []reply{{200, "", `{"loss_fn_outputs":[]}`, nil}}, kind: Malformed, text: "0 for 1 datums", uncertain: true},
		"poll: outputs of another length": {path: PathRetrieveFuture, replies: []reply{{200, "", `{"loss_fn_outputs":[{"logprobs":{"data":[-1],"dtype":"float32"}}]}`, nil}}, kind: Malformed, text: "logprobs of datum 0: 1 of float32 for 2", uncertain: true},
		"poll: outputs that are NaN": {path: PathRetrieveFuture, replies: []reply{{200, TypeProto, string((&ForwardBackwardOutput{
			Outputs: []Tensors{{{"logprobs", Floats([]float32{-1, nan})}}}}).AppendProto(nil)), nil}}, kind: Malformed, text: "token 1 is NaN", uncertain: true},

		"submit: 429":               {path: PathForwardBackward, replies: []reply{{429, "", ``, nil}, {429, "", ``, nil}}, retries: 2, waits: 2},
		"submit: 408 and 425":       {path: PathForwardBackward, replies: []reply{{408, "", ``, nil}, {425, "", `{"detail":"still being created"}`, nil}}, retries: 2, waits: 2},
		"submit: 402":               {path: PathForwardBackward, replies: []reply{{402, "", `{"detail":"pay"}`, nil}}, retries: 1, waits: 1},
		"submit: 5xx":               {path: PathForwardBackward, replies: []reply{{503, "", ``, nil}, {502, "", ``, nil}}, retries: 2, waits: 1},
		"submit: connections break": {path: PathForwardBackward, replies: []reply{{}, {}, {}}, retries: 3, waits: 3},
		"submit: empty 400":         {path: PathForwardBackward, replies: []reply{{400, "", ``, nil}}, retries: 1, waits: 1},
		"submit: 409":               {path: PathForwardBackward, replies: []reply{{409, "", `{"detail":"Training request sequence number was reused"}`, nil}}, kind: Conflict, text: "reused", uncertain: true},
		"submit: 404":               {path: PathForwardBackward, replies: []reply{{404, "", `{"detail":"Model not found"}`, nil}}, kind: Gone, text: "Model not found"},
		"submit: 401":               {path: PathForwardBackward, replies: []reply{{401, "", ``, nil}}, kind: Access, text: "is the key right"},
		"submit: 422 of FastAPI":    {path: PathForwardBackward, replies: []reply{{422, "", `{"detail":[{"type":"literal_error","loc":["forward_backward_input","loss_fn"],"msg":"Input should be 'ppo'","input":"dro"}]}`, nil}}, kind: Refused, text: "forward_backward_input.loss_fn: Input should be 'ppo'"},
		"submit: 413":               {path: PathForwardBackward, replies: []reply{{413, "", `{"detail":"too large"}`, nil}}, kind: Refused},
		"submit: no promise":        {path: PathForwardBackward, replies: []reply{{200, "", `{"future_id":"3"}`, nil}}, kind: Malformed, text: "no request_id", uncertain: true},
		"submit: 5xx, then refused": {path: PathForwardBackward, replies: []reply{{503, "", ``, nil}, {404, "", `{"detail":"Model not found"}`, nil}}, retries: 1, kind: Gone, uncertain: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			m, w := f.model(Options{Wire: Proto})
			before := len(w.all)
			f.script(c.path, c.replies...)
			out, err := m.ForwardBackward(t.Context(), batch(1, 2), "cross_entropy", anyConfig).Wait()
			var e *Error
			if errors.As(err, &e); c.kind == "" && err != nil || c.kind != "" && (e == nil || e.Kind != c.kind || !strings.Contains(err.Error(), c.text)) {
				t.Fatalf("%v; want kind %q with %q", err, c.kind, c.text)
			}
			if err == nil && len(out.Outputs) != 1 {
				t.Errorf("%+v", out)
			}
			n := m.c.Counters()["forward_backward"]
			if n.Retries != c.retries || n.Resubmits != c.resubmits || len(w.all)-before < c.waits || w.sum() < c.waited {
				t.Errorf("%+v, waits %v", n, w.all)
			}
			if errors.As(m.Err(), &e); (m.Err() != nil) != c.uncertain || c.uncertain && e.Kind != Uncertain {
				t.Errorf("the model is %v", m.Err())
			}
			f.fault = nil
			_, err = m.OptimStep(t.Context(), AdamParams{}).Wait()
			if (err != nil) != c.uncertain {
				t.Errorf("the next step: %v", err)
			}
			for key, times := range f.done {
				if times != 1 {
					t.Errorf("%s was done %d times", key, times)
				}
			}
		})
	}
}

// TestPatience: what does not pass is given up, and says after how long and why.
func TestPatience(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		kind   Kind
		text   string
		least  time.Duration
	}{
		"429": {429, Unreachable, "given up after", 3 * time.Minute},
		"503": {503, Unreachable, "503", 3 * time.Minute},
		"cut": {0, Unreachable, "given up after", 3 * time.Minute},
		"402": {402, Access, "billing", 58 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			var said []string
			m, w := f.model(Options{Wire: Proto, Say: func(text string) { said = append(said, text) }})
			f.script(PathOptimStep, make([]reply, 0)...)
			always := make([]reply, 200)
			for i := range always {
				always[i] = reply{status: c.status}
			}
			f.script(PathOptimStep, always...)
			_, err := m.OptimStep(t.Context(), AdamParams{}).Wait()
			var e *Error
			if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(err.Error(), c.text) || w.sum() < c.least || len(said) != 1 {
				t.Errorf("%v after %v, said %q", err, w.sum(), said)
			}
		})
	}
}

// TestContext: an operation ends with its context, and a training request whose fate is
// not known makes the model uncertain.
func TestContext(t *testing.T) {
	f := newFake(t)
	m, _ := f.model(Options{Wire: Proto})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	f.script(PathRetrieveFuture, reply{408, "", "", nil})
	m.c.o.Wait = func(ctx context.Context, _ time.Duration) error { cancel(why); return context.Cause(ctx) }
	if _, err := m.OptimStep(ctx, AdamParams{}).Wait(); !errors.Is(err, why) {
		t.Error(err)
	}
	var e *Error
	if !errors.As(m.Err(), &e) || e.Kind != Uncertain || !errors.Is(m.Err(), why) {
		t.Error(m.Err())
	}
	if _, err := m.SaveWeights(t.Context(), "x").Wait(); err == nil {
		t.Error("weights of an uncertain model were saved")
	}
}

// TestSlowAnswers: a result that does not come in the time of a question is asked for
// again, and given up; a question that is held is asked again without an end.
func TestSlowAnswers(t *testing.T) {
	f := newFake(t)
	m, w := f.model(Options{Wire: Proto, Poll: 20 * time.Millisecond})
	var held atomic.Int64
	var begin atomic.Bool
	f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.URL.Path != PathRetrieveFuture {
			return false
		}
		if n := held.Add(1); begin.Load() {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("{"))
			w.(http.Flusher).Flush()
		} else if n > 3 {
			return false
		}
		<-r.Context().Done()
		return true
	}
	if _, err := m.OptimStep(t.Context(), AdamParams{}).Wait(); err != nil || held.Load() < 4 || w.sum() != 0 {
		t.Errorf("%v after %d questions and %v", err, held.Load(), w.sum())
	}
	begin.Store(true)
	var e *Error
	if _, err := m.OptimStep(t.Context(), AdamParams{}).Wait(); !errors.As(err, &e) || e.Kind != Unreachable {
		t.Error(err)
	}
}
