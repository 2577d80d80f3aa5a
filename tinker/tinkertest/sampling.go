package tinkertest

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"

	"ballast/tinker"
)

// snapshot are weights that somebody samples with.
type snapshot struct {
	id uint64
	a  adapter
}

// sampler is a sampling session.
type sampler struct {
	path string    // of a checkpoint; empty = now or the base model
	now  *snapshot // of an ephemeral one, and of the base model
	of   string    // the model; empty = the base
}

// snapshot is that of a model's weights of now. The model's mutex is held, Server.mu is not.
func (s *Server) snapshot(m *model) *snapshot {
	if m.snap == nil {
		s.mu.Lock()
		s.count++
		m.snap = &snapshot{id: s.count, a: m.a}
		s.mu.Unlock()
	}
	return m.snap
}

// addSampler gives a sampler an id. Server.mu is held.
func (s *Server) addSampler(x *sampler) string {
	id := s.newID("sampling")
	s.samplers[id] = x
	s.ephemeral = append(s.ephemeral, id)
	if len(s.ephemeral) > s.o.KeepSamplers {
		delete(s.samplers, s.ephemeral[0])
		s.ephemeral = s.ephemeral[1:]
	}
	return id
}

func (s *Server) createSampler(q *query) answer {
	var r struct {
		Session string `json:"session_id"`
		Base    string `json:"base_model"`
		Path    string `json:"model_path"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	if (r.Base == "") == (r.Path == "") {
		return detail(http.StatusBadRequest, "Exactly one of base_model and model_path is needed")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[r.Session] == nil {
		return detail(http.StatusNotFound, "Session not found")
	}
	x := &sampler{path: r.Path}
	if r.Base != "" {
		x.now = s.zero
	}
	return object(s.h.Created, map[string]any{"type": "create_sampling_session", "sampling_session_id": s.addSampler(x)})
}

// drawing is a request for samples.
type drawing struct {
	Session string            `json:"sampling_session_id"`
	Base    string            `json:"base_model"`
	Path    string            `json:"model_path"`
	Seq     *int              `json:"seq_id"`
	Samples *int              `json:"num_samples"`
	Prompt  tinker.ModelInput `json:"prompt"`
	Params  struct {
		Most        *int            `json:"max_tokens"`
		Seed        *uint64         `json:"seed"`
		Stop        json.RawMessage `json:"stop"`
		Temperature *float64        `json:"temperature"`
		TopK        int             `json:"top_k"`
		TopP        *float64        `json:"top_p"`
	} `json:"sampling_params"`
	PromptLogProbs bool `json:"prompt_logprobs"`
	TopKPrompt     int  `json:"topk_prompt_logprobs"`
}

// sampleKey is the place of a request in a sampling session.
type sampleKey struct {
	session string
	seq     int
}

// stops are what ends a sequence.
type stops struct {
	tokens []int32
	texts  []string
}

// stop reads the setting. A list is of numbers or of texts.
func (s *Server) stop(raw json.RawMessage) (stops, answer) {
	var x stops
	var text string
	switch {
	case len(raw) == 0 || string(raw) == "null":
	case !s.h.StopLists && json.Unmarshal(raw, &text) == nil:
		x.texts = []string{text}
	case json.Unmarshal(raw, &x.tokens) == nil:
	case json.Unmarshal(raw, &x.texts) == nil:
		x.tokens = nil
	default:
		complaint := func(of string) map[string]any {
			return map[string]any{"type": "list_type", "loc": []any{"body", "sampling_params", "stop", of},
				"msg": "Input should be a valid list", "input": raw}
		}
		return x, object(http.StatusUnprocessableEntity, map[string]any{"detail": []any{complaint("list[int]"), complaint("list[str]")}})
	}
	return x, answer{}
}

func (s *Server) sample(q *query) answer {
	var r drawing
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	if strings.Contains(r.Session, ":") && s.h.Naming == Short {
		return detail(http.StatusBadRequest, "sampling_session_id must not contain ':' (the routing-key delimiter)")
	}
	end, a := s.stop(r.Params.Stop)
	if a.status != 0 {
		return a
	}
	if r.Params.Most == nil {
		return detail(http.StatusBadRequest, "max_tokens is currently required")
	}
	act := q.promised()
	s.mu.Lock()
	x, a := s.samplerOf(&r)
	if a.status != 0 {
		s.mu.Unlock()
		return a
	}
	defer s.mu.Unlock()
	f := newFuture(Op{Model: x.of, Kind: "asample"}, sha256.Sum256(q.body))
	keyed := r.Seq != nil && r.Session != "" && slices.Contains(s.h.Deduped, "asample")
	if keyed {
		if first := s.samples[sampleKey{r.Session, *r.Seq}]; first != nil {
			if first.hash != f.hash {
				return detail(http.StatusConflict, "seq_id was used for another request")
			}
			return s.promise(first)
		}
	}
	if s.o.InFlight > 0 && s.inFlight >= s.o.InFlight {
		return detail(http.StatusTooManyRequests, "Too many requests")
	}
	if act != nil && act.name == Vanish.name {
		id := s.newID("")
		s.forget(id)
		return s.promiseOf(id, x.of)
	}
	if keyed {
		s.remember(sampleKey{r.Session, *r.Seq}, f)
	}
	seed := mix(s.o.Seed^0x5eed, s.count)
	if r.Params.Seed != nil {
		seed = *r.Params.Seed
	}
	s.inFlight++
	go s.sampled(f, &r, x, end, seed, act, s.epoch)
	return s.promise(f)
}

// remember notes who has a place in a sampling session, and forgets the oldest. Server.mu is held.
func (s *Server) remember(key sampleKey, f *future) {
	s.samples[key] = f
	s.sampleKeys = append(s.sampleKeys, key)
	if len(s.sampleKeys) > s.o.KeepResults {
		delete(s.samples, s.sampleKeys[0])
		s.sampleKeys = s.sampleKeys[1:]
	}
}

// samplerOf finds the weights of a request. Server.mu is held.
func (s *Server) samplerOf(r *drawing) (sampler, answer) {
	var x sampler
	switch {
	case r.Session != "":
		found := s.samplers[r.Session]
		if found == nil {
			return x, detail(http.StatusNotFound, "Sampling session not found")
		}
		x = *found
	case r.Base != "":
		x.now = s.zero
	default:
		x.path = r.Path
	}
	if x.now != nil {
		return x, answer{}
	}
	c, a := s.find(x.path, "sampler_weights")
	if a.status != 0 {
		return x, a
	}
	x.now, x.of = c.snap, c.model
	return x, answer{}
}

// sampled computes what was promised.
func (s *Server) sampled(f *future, r *drawing, x sampler, end stops, seed uint64, act *Action, epoch int) {
	s.slots <- struct{}{}
	out, failed := s.draw(r, x.now, end, seed)
	<-s.slots
	tokens := 0
	if out != nil {
		for _, seq := range out.Sequences {
			tokens += len(seq.Tokens)
		}
	}
	var form *ErrorForm
	if act != nil && act.name == "fails" {
		failed, form = act.text, &act.form
	}
	open := s.pause("asample", tokens)
	s.mu.Lock()
	stale := s.epoch != epoch
	if !stale {
		s.inFlight--
	}
	if m := s.models[x.of]; failed == "" && x.of != "" && s.h.Durable && (m == nil || m.gone != "") {
		failed = "Model " + x.of + " not loaded" // that server samples with the model's own slot
	}
	s.mu.Unlock()
	switch {
	case !open || stale:
		return
	case failed != "":
		s.fail(f, failed, form)
	default:
		s.book.write(func(l *Ledger) { l.Sampled += tokens })
		f.finish(&result{sampled: out}, "")
	}
	s.keep(f)
}

// draw makes the samples; a text says why not.
func (s *Server) draw(r *drawing, with *snapshot, end stops, seed uint64) (*tinker.SampleResponse, string) {
	n := 1
	if r.Samples != nil {
		n = *r.Samples
	}
	switch most := *r.Params.Most; {
	case n < 1 || most < 0:
		return nil, "num_samples must be 1 or more, and max_tokens 0 or more"
	case n > maxDrawn || most > maxDrawn || n*(most+len(r.Prompt)) > maxDrawn:
		return nil, fmt.Sprintf("num_samples times prompt and max_tokens is more than %d", maxDrawn)
	case len(end.texts) > 0 && s.o.Text == nil:
		return nil, "stop strings need a tokenizer, which this server has not (Options.Text)"
	case r.TopKPrompt > 0 && !s.h.TopK:
		return nil, "topk_prompt_logprobs is not supported by the JAX backend"
	}
	broken := slices.ContainsFunc(r.Prompt, func(x int32) bool { return !s.toy.known(int(x)) })
	if broken && !s.h.Silent {
		return nil, "a token of the prompt is none of the vocabulary"
	}
	out := &tinker.SampleResponse{}
	for i := range n {
		out.Sequences = append(out.Sequences, s.sequence(r, with, end, seed+uint64(i), broken))
	}
	if r.PromptLogProbs || r.TopKPrompt > 0 {
		s.promptOf(r, with, broken, out)
	}
	return out, ""
}

// promptOf adds what is asked of the prompt.
func (s *Server) promptOf(r *drawing, with *snapshot, broken bool, out *tinker.SampleResponse) {
	nan := float32(math.NaN())
	out.PromptLogProbs = tinker.Maybe{}
	if s.h.NullPrompt && len(r.Prompt) > 0 {
		out.PromptLogProbs = append(out.PromptLogProbs, nan)
	}
	if r.TopKPrompt > 0 && len(r.Prompt) > 0 {
		out.TopK = append(out.TopK, nil)
	}
	for t := 1; t < len(r.Prompt); t++ {
		if broken {
			out.PromptLogProbs = append(out.PromptLogProbs, nan)
			continue
		}
		row := s.row(with, s.toy.contextAt(r.Prompt, t))
		out.PromptLogProbs = append(out.PromptLogProbs, float32(row[r.Prompt[t]]))
		if r.TopKPrompt > 0 {
			var best []tinker.TokenLogProb
			for _, v := range likeliest(row)[:min(r.TopKPrompt, len(row))] {
				best = append(best, tinker.TokenLogProb{ID: v, LogProb: float32(row[v])})
			}
			out.TopK = append(out.TopK, best)
		}
	}
}

// sequence draws one reply. The log-probabilities are those of the model, whatever temperature
// and truncation it was drawn with.
func (s *Server) sequence(r *drawing, with *snapshot, end stops, seed uint64, broken bool) tinker.SampledSequence {
	seq := tinker.SampledSequence{StopReason: tinker.Length, Tokens: []int32{}, LogProbs: []float32{}}
	all := slices.Clone([]int32(r.Prompt))
	d := draws{mix(seed, 0x5a)}
	for t := range *r.Params.Most {
		token, lp := int32(0), math.NaN()
		if !broken {
			row := s.row(with, s.toy.contextAt(all, len(all)))
			token = r.choose(row, d.uniform(uint64(t)))
			lp = row[token]
		}
		seq.Tokens, seq.LogProbs = append(seq.Tokens, token), append(seq.LogProbs, float32(lp))
		all = append(all, token)
		if slices.Contains(end.tokens, token) || s.stopText(end.texts, seq.Tokens) {
			seq.StopReason = tinker.Stop
			break
		}
	}
	return seq
}

// stopText says whether a text ends the reply.
func (s *Server) stopText(texts []string, reply []int32) bool {
	if len(texts) == 0 {
		return false
	}
	written := s.o.Text(reply)
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(written, t) })
}

// likeliest are the tokens by falling log-probability, equal ones by their number.
func likeliest(row []float64) []int32 {
	out := make([]int32, len(row))
	for v := range out {
		out[v] = int32(v)
	}
	slices.SortFunc(out, func(a, b int32) int { return cmp.Or(cmp.Compare(row[b], row[a]), cmp.Compare(a, b)) })
	return out
}

// choose takes the token at u of the distribution that temperature, top_k and top_p leave of a
// row. Temperature 0 takes the likeliest.
func (r *drawing) choose(row []float64, u float64) int32 {
	temperature, topP := 1.0, 1.0
	if r.Params.Temperature != nil {
		temperature = *r.Params.Temperature
	}
	if r.Params.TopP != nil {
		topP = *r.Params.TopP
	}
	most := slices.Max(row)
	switch {
	case math.IsNaN(most): // weights that are no numbers any more
		return 0
	case temperature <= 0:
		return int32(slices.Index(row, most))
	}
	k := r.Params.TopK
	cut := k > 0 && k < len(row) || topP < 1
	if temperature == 1 && !cut {
		return pick(u, len(row), func(v int) float64 { return math.Exp(row[v]) })
	}
	p, sum := make([]float64, len(row)), 0.0
	for v, lp := range row {
		p[v] = math.Exp((lp - most) / temperature)
		sum += p[v]
	}
	if cut {
		sum = truncate(p, likeliest(row), k, topP, sum)
	}
	return pick(u*sum, len(row), func(v int) float64 { return p[v] })
}

// pick is the token behind which the mass of those before it and its own exceeds u, and the
// last with any where rounding leaves none.
func pick(u float64, n int, mass func(int) float64) int32 {
	last := int32(0)
	for v := range n {
		x := mass(v)
		if x == 0 {
			continue
		}
		last = int32(v)
		if u -= x; u < 0 {
			break
		}
	}
	return last
}

// truncate makes zero of what top_k and, of what that leaves, top_p do not: the fewest tokens
// with so much of the probability stay. It returns the sum of the rest.
func truncate(p []float64, order []int32, k int, topP, sum float64) float64 {
	if k > 0 && k < len(order) {
		sum = 0
		for _, v := range order[:k] {
			sum += p[v]
		}
		for _, v := range order[k:] {
			p[v] = 0
		}
	}
	kept := 0.0
	for i, v := range order {
		if i > 0 && kept >= topP*sum {
			p[v] = 0
			continue
		}
		kept += p[v]
	}
	return kept
}

// maxDrawn is the most tokens of a request for samples, prompts counted as often as they are read.
const maxDrawn = 1 << 22

// rowFloats is the most numbers that rows of the model are kept in: 32 MiB.
const rowFloats = 4 << 20

// rowKey is a context under some weights.
type rowKey struct {
	weights uint64
	last    [maxOrder]int32
}

// rowCache keeps rows of log-probabilities, which nobody changes.
type rowCache struct {
	mu   sync.Mutex
	most int
	rows map[rowKey][]float64
	keys []rowKey // oldest first
}

func newRowCache(most int) *rowCache {
	return &rowCache{most: max(most, 1), rows: map[rowKey][]float64{}}
}

// row are the log-probabilities in a context.
func (s *Server) row(with *snapshot, c window) []float64 {
	key := rowKey{with.id, c.last}
	if c.prefix == nil {
		s.rows.mu.Lock()
		row := s.rows.rows[key]
		s.rows.mu.Unlock()
		if row != nil {
			return row
		}
	}
	row := make([]float64, s.toy.vocab)
	s.toy.row(with.a, c, row, make([]float64, with.a.rank))
	if c.prefix != nil {
		return row
	}
	s.rows.mu.Lock()
	defer s.rows.mu.Unlock()
	if s.rows.rows[key] == nil {
		if len(s.rows.keys) == s.rows.most {
			delete(s.rows.rows, s.rows.keys[0])
			s.rows.keys = s.rows.keys[1:]
		}
		s.rows.rows[key] = row
		s.rows.keys = append(s.rows.keys, key)
	}
	return row
}
