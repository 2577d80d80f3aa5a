// Package servedtest has a server of a toy model, for tests of what samples from servers: it
// speaks as vLLM and as SGLang do, and fails on demand.
//
// Contract: the toy's distribution is a function of the weights' path and the last two tokens
// (LogProbs), and a draw one of the seed and the position in the reply, so that equal requests
// have equal replies on every server. Adapters are forgotten by Restart.
//
// Failure: a request that leaves out a setting which a real server would take from elsewhere is
// refused.
package servedtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ballast/model/sampling"
)

// Model is the name under which servers have the toy model.
const Model = "toy"

// Options say what a server is like. The zero value is one that does all.
type Options struct {
	Vocab    int  // 0 = 40; the last token is the model's end token
	Context  int  // 0 = 4096
	NoIDs    bool // replies have no token ids, as of servers before there was such a field
	TextOnly bool // prompts of token ids are refused, as llama-cpp-python's server does
	NoWatch  bool // the option of watched tokens is ignored
	Unseeded bool // seeds are ignored
	// Owner is what the list of models says that the server is; "" = vllm.
	Owner string
	// LogProbs, if not nil, are the model's in the place of the toy's. It may be called by several
	// goroutines.
	LogProbs func(weights string, prompt []int32) []float64
	// Adapter, if not nil, says what is wrong with an adapter that is to be loaded from a path.
	Adapter func(path string) error
	Cut     bool // the stop token is left off
	// Scale is what log-probabilities are of: 0 the model, 1 after the temperature, 2 after
	// top_p and top_k, too.
	Scale int
	// Delay is how long a reply of so many tokens takes; nil = no time.
	Delay func(tokens int) time.Duration
}

// Server is one server. Its methods may be called while it serves.
type Server struct {
	*httptest.Server
	o Options

	// Fault, if not nil, may answer a request itself; it says whether it did.
	Fault atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]

	mu       sync.Mutex
	adapters map[string]string // path by name
	served   map[string]int    // replies by weights' path
	under    int               // requests under way
	most     int               // of them at a time
	draws    uint64
}

// Start serves on a free port of this machine.
func Start(o Options) *Server {
	o.Vocab, o.Context, o.Owner = cmp.Or(o.Vocab, 40), cmp.Or(o.Context, 4096), cmp.Or(o.Owner, "vllm")
	if o.LogProbs == nil {
		o.LogProbs = func(weights string, prompt []int32) []float64 { return LogProbs(weights, prompt, o.Vocab) }
	}
	s := &Server{o: o, adapters: map[string]string{}, served: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", s.models)
	mux.HandleFunc("POST /v1/completions", s.completions)
	mux.HandleFunc("POST /generate", s.generate)
	for _, prefix := range []string{"/v1", ""} {
		mux.HandleFunc("POST "+prefix+"/load_lora_adapter", s.load)
		mux.HandleFunc("POST "+prefix+"/unload_lora_adapter", s.unload)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := s.Fault.Load(); f != nil && (*f)(w, r) {
			return
		}
		mux.ServeHTTP(w, r)
	}))
	return s
}

// Fail has every request answered by f, which says whether it answered; nil ends that.
func (s *Server) Fail(f func(w http.ResponseWriter, r *http.Request) bool) {
	if f == nil {
		s.Fault.Store(nil)
		return
	}
	s.Fault.Store(&f)
}

// Break is a fault: the connection ends without an answer.
func Break(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }

// Dead is a fault: what vLLM says when its engine has died.
func Dead(w http.ResponseWriter, _ *http.Request) bool {
	complain(w, 500, "EngineCore encountered an issue. See stack trace (above) for the root cause.")
	return true
}

// Restart forgets all adapters, as a new process does.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.adapters)
}

// Adapters are the paths of the adapters that are loaded.
func (s *Server) Adapters() (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.adapters {
		paths = append(paths, p)
	}
	return paths
}

// Put loads an adapter under a name without being asked.
func (s *Server) Put(name, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adapters[name] = path
}

// Served is how many replies there were with weights, and the most requests at a time so far.
func (s *Server) Served(path string) (replies, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served[path], s.most
}

// LogProbs are the toy's log-probabilities of every token after a prompt.
func LogProbs(weights string, prompt []int32, vocab int) []float64 {
	h := sampling.Mix(uint64(len(weights)) + 1)
	for i := range len(weights) {
		h = sampling.Mix(h ^ uint64(weights[i]))
	}
	for _, t := range prompt[max(0, len(prompt)-2):] {
		h = sampling.Mix(h ^ uint64(t+1))
	}
	out := make([]float64, vocab)
	for i := range out {
		out[i] = 2 * sampling.Uniform(h, i)
	}
	return normal(out, 1)
}

// normal are logits at a temperature as log-probabilities.
func normal(logits []float64, temperature float64) []float64 {
	sum := 0.0
	out := make([]float64, len(logits))
	for i, x := range logits {
		out[i] = x / temperature
		sum += math.Exp(out[i])
	}
	for i := range out {
		out[i] -= math.Log(sum)
	}
	return out
}

// order is a request in the words of either server.
type order struct {
	weights     string
	prompt      []int32
	most, topK  int
	temperature float64
	topP        float64
	seed        uint64
	stop, watch []int32
	ignoreEnd   bool
}

// drawn is a reply.
type drawn struct {
	tokens  []int32
	logProb []float64
	watch   [][]float64
	stop    int32 // that ended it, -1 if none did
}

// draw plays the toy model.
func (s *Server) draw(o *order) (d drawn) {
	d.stop = -1
	seed := o.seed
	if s.o.Unseeded {
		s.mu.Lock()
		s.draws++
		seed = s.draws
		s.mu.Unlock()
	}
	tokens := slices.Clone(o.prompt)
	for len(d.tokens) < o.most && d.stop < 0 {
		raw := s.o.LogProbs(o.weights, tokens)
		temperature := o.temperature
		if temperature == 0 {
			temperature, o.topK = 1, 1
		}
		warm := normal(raw, temperature)
		left := allowed(warm, o.topK, o.topP)
		t := pick(left, sampling.Uniform(seed, len(d.tokens)))
		lp := [...]float64{raw[t], warm[t], left[t]}[s.o.Scale]
		tokens = append(tokens, int32(t))
		d.tokens, d.logProb = append(d.tokens, int32(t)), append(d.logProb, lp)
		var row []float64
		for _, id := range o.watch {
			row = append(row, raw[id])
		}
		d.watch = append(d.watch, row)
		if slices.Contains(o.stop, int32(t)) || !o.ignoreEnd && t == s.o.Vocab-1 {
			d.stop = int32(t)
		}
	}
	if s.o.Cut && d.stop >= 0 {
		n := len(d.tokens) - 1
		d.tokens, d.logProb, d.watch = d.tokens[:n], d.logProb[:n], d.watch[:n]
	}
	if s.o.Delay != nil {
		time.Sleep(s.o.Delay(len(d.tokens)))
	}
	s.mu.Lock()
	s.served[o.weights]++
	s.mu.Unlock()
	return d
}

// allowed is the distribution over the most likely tokens, minus infinity elsewhere.
func allowed(lp []float64, topK int, topP float64) []float64 {
	order := make([]int, len(lp))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lp[b], lp[a]) })
	out := slices.Repeat([]float64{math.Inf(-1)}, len(lp))
	sum := 0.0
	for n, i := range order {
		if topK > 0 && n >= topK || sum >= topP {
			break
		}
		out[i] = lp[i]
		sum += math.Exp(lp[i])
	}
	for i := range out {
		out[i] -= math.Log(sum)
	}
	return out
}

// pick is the token at u of the cumulative distribution.
func pick(lp []float64, u float64) (last int) {
	for i, x := range lp {
		if p := math.Exp(x); p > 0 {
			last = i
			if u -= p; u < 0 {
				return i
			}
		}
	}
	return last
}

// enter counts a request and returns what ends it.
func (s *Server) enter() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under++
	s.most = max(s.most, s.under)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.under--
	}
}

// check says what is wrong with an order, as vLLM words it.
func (s *Server) check(o *order) (status int, text string) {
	for _, t := range o.prompt {
		if t < 0 || int(t) >= s.o.Vocab {
			return 400, fmt.Sprintf("Token id %d is out of vocabulary", t)
		}
	}
	if n := len(o.prompt); n+o.most > s.o.Context {
		return 400, fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d output tokens and your prompt "+
			"contains %d input tokens, for a total of %d tokens.", s.o.Context, o.most, n, n+o.most)
	}
	return 200, ""
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func complain(w http.ResponseWriter, status int, text string) {
	reply(w, status, map[string]any{"error": map[string]any{"message": text, "type": "Error", "param": nil, "code": status}})
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []map[string]any{{"id": Model, "object": "model", "owned_by": s.o.Owner, "parent": nil, "max_model_len": s.o.Context}}
	for name, path := range s.adapters {
		list = append(list, map[string]any{"id": name, "object": "model", "owned_by": s.o.Owner, "parent": Model, "root": path,
			"max_model_len": nil})
	}
	reply(w, 200, map[string]any{"object": "list", "data": list})
}

// weights are those of a name.
func (s *Server) weights(name string) (path string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, ok = s.adapters[name]
	return path, ok || name == Model || name == ""
}

type adapter struct {
	Name string `json:"lora_name"`
	Path string `json:"lora_path"`
}

func (s *Server) load(w http.ResponseWriter, r *http.Request) {
	var a adapter
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil || a.Name == "" || a.Path == "" {
		complain(w, 400, "Both 'lora_name' and 'lora_path' must be provided.")
		return
	}
	if s.o.Adapter != nil {
		if err := s.o.Adapter(a.Path); err != nil {
			said(w, r, false, "", fmt.Sprintf("Loading lora %s failed: %v", a.Name, err))
			return
		}
	}
	s.mu.Lock()
	_, there := s.adapters[a.Name]
	if !there {
		s.adapters[a.Name] = a.Path
	}
	s.mu.Unlock()
	said(w, r, !there, fmt.Sprintf("LoRA adapter '%s' added successfully.", a.Name),
		fmt.Sprintf("The lora adapter '%s' has already been loaded.", a.Name))
}

func (s *Server) unload(w http.ResponseWriter, r *http.Request) {
	var a adapter
	_ = json.NewDecoder(r.Body).Decode(&a)
	s.mu.Lock()
	_, there := s.adapters[a.Name]
	delete(s.adapters, a.Name)
	s.mu.Unlock()
	said(w, r, there, fmt.Sprintf("LoRA adapter '%s' removed successfully.", a.Name),
		fmt.Sprintf("The lora adapter '%s' cannot be found.", a.Name))
}

// said answers about an adapter: vLLM in text or with an error, SGLang in JSON.
func said(w http.ResponseWriter, r *http.Request, ok bool, done, failed string) {
	switch {
	case len(r.URL.Path) < 4 || r.URL.Path[:4] != "/v1/":
		reply(w, 200, map[string]any{"success": ok, "error_message": map[bool]string{false: failed}[ok]})
	case ok:
		_, _ = w.Write([]byte("Success: " + done))
	default:
		complain(w, 400, failed)
	}
}

func key(id int32) string { return "token_id:" + strconv.Itoa(int(id)) }
