// Package tinkertest is a server of the Tinker protocol for tests. Its model is a toy: a softmax
// over a small vocabulary whose log-probabilities, gradients and steps are exact in float64, so
// that a test can say what a client's training must come to.
//
// What real servers differ in is data: Habits (SkyRL, TuFT, Hosted) and Era (which bodies are
// taken) may be combined and changed freely. A script of faults says what goes wrong and when.
// A ledger says what was asked and what was done, so that a test can hold that nothing was lost
// and nothing was trained twice.
//
// Contract: the same Options, requests and script give the same ids, numbers and faults, as long
// as requests come in the same order; numbers do not depend on order. The server takes any number of requests side by side.
// Old results, samplers and rows of the model are dropped, so that its memory is bounded by
// Options and by what was saved as a checkpoint. A connection that a fault cuts panics with
// http.ErrAbortHandler, as net/http wants it: serve the handler by an HTTP server.
package tinkertest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Options say what a server is. Vocab is required, and the rest has defaults.
type Options struct {
	Vocab     int    // token ids are 0 to Vocab-1
	Order     int    // how many tokens the model looks back: 1 (the default) to 4
	Seed      uint64 // of the base model, of ids and of draws
	BaseModel string // its name; "toy"
	// Base adds to the base model's logits behind a prefix. It must be pure; the server then
	// computes every position anew.
	Base func(prefix []int32, logits []float64)
	// Text decodes tokens. Stop strings need it: without it they fail.
	Text func(tokens []int32) string

	Habits Habits   // SkyRL() where it has no name
	Era    Era      // ProtobufOnly where it is zero
	Keys   []string // of the API: 401 without one, 403 with another; none = everybody is served

	Hold    time.Duration      // how long retrieve_future waits before it says that a promise is pending; 2 s
	Clock   Clock              // the machine's
	Latency map[string]Latency // by kind of operation; "" for those that are not named
	Faults  []Fault            // the first lines of the script

	InFlight     int // samples side by side, beyond which asample says 429; 0 = any number
	KeepResults  int // of finished operations; 4,096. Older ones are lost: 410
	KeepBytes    int // of those results, of which one is always kept; 256 MiB
	KeepSamplers int // ephemeral samplers; 64. Older ones are unknown: 404
}

// Server is a running server.
type Server struct {
	URL string // without a path

	o      Options
	h      Habits
	toy    *toy
	zero   *snapshot // the base model
	book   *book
	rows   *rowCache
	server *httptest.Server
	closed chan struct{}
	once   sync.Once     // of Close
	slots  chan struct{} // who computes

	mu         sync.Mutex // never held while a model's is taken
	script     []*line
	epoch      int
	count      uint64 // of ids
	loaded     int    // models
	ops        map[string]uint64
	inFlight   int
	sessions   map[string]*session
	models     map[string]*model // those that are gone too, without their weights
	futures    map[string]*future
	finished   []*future // oldest first
	kept       int       // bytes of their results
	forgotten  []string  // ids in lost, oldest first
	lost       map[string]bool
	samplers   map[string]*sampler
	ephemeral  []string // ids of samplers, oldest first
	samples    map[sampleKey]*future
	sampleKeys []sampleKey // oldest first
	saved      map[string]*checkpoint
}

// session is what models and samplers belong to.
type session struct {
	id     string
	seen   time.Time
	models []string
}

// New starts a server on a free port of this machine.
func New(o Options) *Server {
	if o.Vocab < 2 || o.Order < 0 || o.Order > maxOrder {
		panic("tinkertest: a vocabulary has two tokens or more, and the model looks back 1 to 4 tokens")
	}
	o.Order = max(o.Order, 1)
	if o.BaseModel == "" {
		o.BaseModel = "toy"
	}
	if o.Habits.Name == "" {
		o.Habits = SkyRL()
	}
	if o.Era == (Era{}) {
		o.Era = ProtobufOnly
	}
	if o.Clock == nil {
		o.Clock = machineClock{}
	}
	for n, d := range map[*int]int{&o.KeepResults: 4096, &o.KeepBytes: 256 << 20, &o.KeepSamplers: 64} {
		if *n == 0 {
			*n = d
		}
	}
	if o.Hold == 0 {
		o.Hold = 2 * time.Second
	}
	s := &Server{o: o, h: o.Habits, toy: newToy(o), book: newBook(), closed: make(chan struct{}),
		rows: newRowCache(rowFloats / o.Vocab), slots: make(chan struct{}, runtime.GOMAXPROCS(0)), saved: map[string]*checkpoint{},
		sessions: map[string]*session{}, models: map[string]*model{}, ops: map[string]uint64{}}
	s.zero = &snapshot{a: adapter{rank: 1, weights: make([]float64, s.toy.size(1))}}
	s.empty()
	s.Script(o.Faults...)
	s.server = httptest.NewServer(s)
	s.URL = s.server.URL
	return s
}

// empty forgets promises and samplers.
func (s *Server) empty() {
	s.futures, s.finished, s.kept = map[string]*future{}, nil, 0
	s.lost, s.forgotten = map[string]bool{}, nil
	s.samplers, s.ephemeral, s.samples, s.sampleKeys = map[string]*sampler{}, nil, map[sampleKey]*future{}, nil
}

// Close ends the server and all requests that wait.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closed)
		s.server.CloseClientConnections()
		s.server.Close()
	})
}

// Restart is a server that was killed and started again: models and what was pending are gone,
// open connections are cut, checkpoints are kept. The script and the ledger go on.
func (s *Server) Restart() {
	s.kill()
	s.server.CloseClientConnections()
}

// kill forgets what a killed server does.
func (s *Server) kill() {
	s.book.write(func(l *Ledger) { l.Restarts++ })
	s.mu.Lock()
	s.epoch++
	s.inFlight = 0
	var dead []*model
	var pending []*future
	for id, m := range s.models {
		if m.gone == "" {
			m.gone = "Model " + id + " not loaded (likely stale request from previous server)"
			dead = append(dead, m)
		}
		m.queue, m.seqs, m.loaded = nil, map[int]*future{}, false
		if !s.h.Durable {
			delete(s.models, id)
		}
	}
	s.loaded = 0
	for _, f := range s.futures {
		if !f.isDone() {
			pending = append(pending, f)
		}
	}
	if !s.h.Durable {
		s.sessions = map[string]*session{}
		s.empty()
	}
	s.mu.Unlock()
	for _, m := range dead {
		m.bury()
	}
	for _, f := range pending {
		s.keep(f)
		f.finish(nil, "Model "+f.op.Model+" not loaded (likely stale request from previous server)")
	}
}

// Ledger is what the server has done until now.
func (s *Server) Ledger() Ledger { return s.book.read() }

// query is a request that is being handled.
type query struct {
	r     *http.Request
	body  []byte
	kind  string
	fault *Action // that changes how it is handled; nil = none
}

// promised is a fault of stage promise.
func (q *query) promised() *Action {
	if q.fault != nil && q.fault.stage == promise {
		return q.fault
	}
	return nil
}

// answer is what a request gets.
type answer struct {
	status int
	kind   string // Content-Type
	body   []byte
	header map[string]string
}

const (
	jsonType  = "application/json"
	protoType = "application/x-protobuf"
)

// routes are the requests by method and path.
var routes = map[string]func(*Server, *query) answer{
	"GET /":                                 (*Server).root,
	"GET /api/v1/healthz":                   (*Server).health,
	"GET /api/v1/get_server_capabilities":   (*Server).capabilities,
	"POST /api/v1/client/config":            (*Server).config,
	"POST /api/v1/telemetry":                (*Server).telemetry,
	"POST /api/v1/create_session":           (*Server).createSession,
	"POST /api/v1/session_heartbeat":        (*Server).heartbeat,
	"POST /api/v1/create_model":             (*Server).createModel,
	"POST /api/v1/get_info":                 (*Server).getInfo,
	"POST /api/v1/unload_model":             (*Server).unload,
	"POST /api/v1/forward":                  (*Server).forward,
	"POST /api/v1/forward_backward":         (*Server).forwardBackward,
	"POST /api/v1/optim_step":               (*Server).optimStep,
	"POST /api/v1/save_weights":             (*Server).saveWeights,
	"POST /api/v1/save_weights_for_sampler": (*Server).saveForSampler,
	"POST /api/v1/load_weights":             (*Server).loadWeights,
	"POST /api/v1/weights_info":             (*Server).weightsInfo,
	"POST /api/v1/create_sampling_session":  (*Server).createSampler,
	"POST /api/v1/asample":                  (*Server).sample,
	"POST /api/v1/retrieve_future":          (*Server).retrieve,
	"GET /api/v1/training_runs":             (*Server).trainingRuns,
}

// ServeHTTP answers a request as the habits, the era and the script have it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &query{r: r, kind: r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]}
	s.book.write(func(l *Ledger) { l.Requests[q.kind]++ })
	refused, whole := s.read(q, w)
	if !whole {
		s.cut()
	}
	q.fault = s.fault(q.kind, s.promisedKind(q))
	s.sweep()
	if q.fault != nil {
		if a, done := s.instead(q); done {
			s.write(w, a)
			return
		}
	}
	a := refused
	if a.status == 0 {
		a = s.handle(q)
	}
	if q.fault != nil && q.fault.stage == after {
		a = s.afterwards(q, w, a)
	}
	s.write(w, a)
}

// handle finds who answers.
func (s *Server) handle(q *query) answer {
	if a := s.authorise(q); a.status != 0 {
		return a
	}
	if f := routes[q.r.Method+" "+q.r.URL.Path]; f != nil {
		return f(s, q)
	}
	if rest, ok := strings.CutPrefix(q.r.URL.Path, "/api/v1/training_runs/"); ok {
		return s.run(q, rest)
	}
	return notFound
}

func (s *Server) authorise(q *query) answer {
	if len(s.o.Keys) == 0 {
		return answer{}
	}
	key := q.r.Header.Get("X-API-Key")
	if key == "" {
		return detail(http.StatusUnauthorized, "Missing API key")
	}
	for _, known := range s.o.Keys {
		if key == known {
			return answer{}
		}
	}
	return detail(http.StatusForbidden, "Invalid API key")
}

var notFound = detail(http.StatusNotFound, "Not Found")

// detail is an answer of FastAPI's shape.
func detail(status int, text string) answer { return object(status, map[string]any{"detail": text}) }

// object is an answer in JSON. What JSON cannot hold, NaN, is a crash of the server.
func object(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		return answer{status: http.StatusInternalServerError, kind: "text/plain; charset=utf-8", body: []byte("Internal Server Error")}
	}
	return answer{status: status, kind: jsonType, body: body}
}

// invalid is pydantic's complaint about a field of the body.
func invalid(kind, text string, input any, where ...any) answer {
	return object(http.StatusUnprocessableEntity, map[string]any{"detail": []any{map[string]any{
		"type": kind, "loc": append([]any{"body"}, where...), "msg": text, "input": input}}})
}

func missing(field string) answer { return invalid("missing", "Field required", nil, field) }
