package tinkertest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"ballast/tinker"
)

// model is one that is trained, or was.
type model struct {
	id, session, base string
	rank              int
	seed              uint64

	// What follows is Server.mu's.
	queue   []*task
	running bool            // somebody drains the queue
	turn    int             // the seq_id whose turn it is
	seqs    map[int]*future // of deduplicated requests
	loaded  bool
	asked   bool   // it had a request since it was made
	gone    string // why it is not loaded any more

	mu    sync.Mutex // of what follows
	dead  bool
	a     adapter
	opt   moments
	grad  []float64 // of what was accumulated since the last step; nil = nothing
	count int       // datums of grad
	snap  *snapshot // of the weights of now; nil = none was made
}

// next takes a task off the queue; nil = none can be done now. Server.mu is held.
func (m *model) next(ordered bool) *task {
	for i, t := range m.queue {
		sequenced := ordered && t.op.Seq > 0
		if sequenced && t.op.Seq != m.turn || !sequenced && i > 0 {
			continue
		}
		if sequenced {
			m.turn++
		}
		m.queue = slices.Delete(m.queue, i, i+1)
		return t
	}
	return nil
}

// bury forgets the weights of a model that is gone.
func (m *model) bury() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	m.a, m.opt, m.grad, m.snap = adapter{}, moments{}, nil, nil
}

// datum is what a loss reads at the positions of a sequence.
type datum struct {
	weights, q, advantages []float64
	divisor                float64 // of the mean
}

// batch is a forward or forward_backward request as it is computed.
type batch struct {
	name        string
	f           lossFn
	loss        Loss
	data        []sequence
	of          []datum
	tokens      int
	forwardOnly bool
}

// names are the tensors that a loss must have besides the targets.
var names = map[string][]string{
	"importance_sampling": {"logprobs", "advantages"}, "ppo": {"logprobs", "advantages"},
	"cispo": {"logprobs", "advantages"}, "dro": {"logprobs", "advantages"},
}

// prepare makes a batch of a request. The text says what is wrong with it; a silent server
// finds nothing wrong.
func (s *Server) prepare(r *tinker.ForwardBackwardRequest) (*batch, string) {
	b := &batch{name: r.Loss, f: lossFns[r.Loss], loss: s.h.Losses[r.Loss], forwardOnly: r.ForwardOnly}
	for name, to := range map[string]*float64{"clip_low_threshold": &b.loss.Low, "clip_high_threshold": &b.loss.High, "beta": &b.loss.Beta} {
		if x, set := r.Config[name]; set {
			*to = x
		}
	}
	wrong := ""
	for i, d := range r.Data {
		targets, _ := d.Inputs.Get("target_tokens")
		seq := sequence{tokens: d.Input}
		for _, x := range numbers(targets) {
			seq.targets = append(seq.targets, int(x))
		}
		for _, x := range seq.tokens {
			seq.broken = seq.broken || !s.toy.known(int(x))
		}
		own := datum{}
		if w, given := d.Inputs.Get("weights"); given {
			own.weights = numbers(w)
		} else {
			own.weights = slices.Repeat([]float64{1}, len(seq.targets))
		}
		q, _ := d.Inputs.Get("logprobs")
		advantages, _ := d.Inputs.Get("advantages")
		own.q, own.advantages = numbers(q), numbers(advantages)
		sum := 0.0
		for _, w := range own.weights {
			sum += w
		}
		own.divisor = max(sum, least)
		b.data, b.of = append(b.data, seq), append(b.of, own)
		b.tokens += len(seq.tokens)
		if wrong == "" {
			wrong = s.complaint(i, seq, d.Inputs, r.Loss)
		}
	}
	if s.h.Silent {
		return b, ""
	}
	return b, wrong
}

// complaint is what a careful server says of a datum; empty = nothing.
func (s *Server) complaint(i int, seq sequence, inputs tinker.Tensors, loss string) string {
	switch {
	case len(seq.tokens) == 0:
		return fmt.Sprintf("datum %d has no tokens", i)
	case seq.broken:
		return fmt.Sprintf("datum %d: a token of model_input is none of the %d of the vocabulary", i, s.toy.vocab)
	}
	for _, x := range seq.targets {
		if !s.toy.known(x) {
			return fmt.Sprintf("datum %d: target %d is none of the %d tokens of the vocabulary", i, x, s.toy.vocab)
		}
	}
	for _, name := range append([]string{"target_tokens"}, names[loss]...) {
		if _, there := inputs.Get(name); !there {
			return fmt.Sprintf("datum %d: %s has no %s", i, loss, name)
		}
	}
	for _, n := range inputs {
		if n.Len() != len(seq.tokens) {
			return fmt.Sprintf("datum %d: %s has %d elements for %d tokens", i, n.Name, n.Len(), len(seq.tokens))
		}
		for _, x := range numbers(n.Tensor) {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Sprintf("datum %d: %s has a number that is not finite", i, n.Name)
			}
		}
	}
	return ""
}

// numbers are the elements of a tensor of any type.
func numbers(t tinker.Tensor) []float64 {
	out := make([]float64, 0, t.Len())
	for _, x := range t.Floats() {
		out = append(out, float64(x))
	}
	for _, x := range t.Ints() {
		out = append(out, float64(x))
	}
	return out
}

// at is an element, and 0 behind the end, as servers pad.
func at(v []float64, i int) float64 {
	if i < len(v) {
		return v[i]
	}
	return 0
}

// token is what the loss reads at a position.
func (s *Server) token(b *batch, p place, lp float64) token {
	d := b.of[p.datum]
	return token{lp: lp, q: at(d.q, p.at), adv: at(d.advantages, p.at), weight: at(d.weights, p.at),
		low: b.loss.Low, high: b.loss.High, beta: b.loss.Beta, unweighted: b.name != "cross_entropy" && !s.h.WeightedRL}
}

// train computes a batch, and accumulates its gradients unless it is forward-only. The model's
// mutex is held.
func (s *Server) train(m *model, b *batch) *result {
	lps, losses := make([][]float32, len(b.data)), make([][]float32, len(b.data))
	for i, d := range b.data {
		lps[i], losses[i] = make([]float32, len(d.tokens)), make([]float32, len(d.tokens))
	}
	sum, poisoned := 0.0, false
	var grad []float64
	if !b.forwardOnly {
		if m.grad == nil {
			m.grad = make([]float64, len(m.a.weights))
		}
		grad = m.grad
		m.count += len(b.data)
	}
	s.toy.pass(m.a, b.data, grad, func(p place, lp float64) float64 {
		loss, slope := b.f.at(s.token(b, p, lp))
		lps[p.datum][p.at], losses[p.datum][p.at] = float32(lp), float32(loss)
		sum += loss
		if s.h.Reduction == Mean {
			slope /= b.of[p.datum].divisor
		}
		poisoned = poisoned || math.IsNaN(loss) || math.IsNaN(slope)
		return slope
	})
	if poisoned {
		for i := range grad { // one number that is none spoils them all in a network
			grad[i] = math.NaN()
		}
	}
	return &result{training: s.output(b, lps, losses, sum)}
}

func (s *Server) output(b *batch, lps, losses [][]float32, sum float64) *tinker.ForwardBackwardOutput {
	out := &tinker.ForwardBackwardOutput{Type: s.h.OutputType, Outputs: make([]tinker.Tensors, len(lps)), Metrics: tinker.Metrics{}}
	if out.Type == "" {
		out.Type = b.name
	}
	for i := range lps {
		if s.h.Elementwise {
			out.Outputs[i] = append(out.Outputs[i], tinker.Named{Name: "elementwise_loss", Tensor: tinker.Floats(losses[i])})
		}
		out.Outputs[i] = append(out.Outputs[i], tinker.Named{Name: "logprobs", Tensor: tinker.Floats(lps[i])})
	}
	if s.h.LossMetric {
		out.Metrics["loss:sum"] = sum
	}
	return out
}

// gradient is that of the next step: what was accumulated, reduced. The model's mutex is held.
func (s *Server) gradient(m *model) []float64 {
	g := make([]float64, len(m.a.weights))
	copy(g, m.grad)
	if s.h.Reduction == Mean {
		for i := range g {
			g[i] /= float64(max(m.count, 1))
		}
	}
	return g
}

// step does a step of the optimiser. The model's mutex is held.
func (s *Server) step(m *model, a tinker.AdamParams) *result {
	g := s.gradient(m)
	length := norm(g)
	if s.h.ClipNorm && a.GradClipNorm > 0 && length > a.GradClipNorm {
		for i := range g {
			g[i] *= a.GradClipNorm / length
		}
	}
	m.a.weights, m.opt = m.opt.step(m.a.weights, g, a)
	m.grad, m.count, m.snap = nil, 0, nil
	var metrics map[string]any
	if s.h.StepMetrics { // they are computed in float32
		metrics = map[string]any{"skyrl.ai/grad_norm": single(length), "skyrl.ai/learning_rate": single(a.LearningRate)}
	}
	return &result{object: map[string]any{"metrics": metrics}}
}

// decay is a step's weight decay on all models but the one that stepped.
func (s *Server) decay(stepped *model, left float64) {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.models))
	s.mu.Unlock()
	for _, m := range all {
		if m == stepped {
			continue
		}
		m.mu.Lock()
		w := slices.Clone(m.a.weights) // a checkpoint may have these
		for i := range w {
			w[i] *= left
		}
		m.a.weights, m.snap = w, nil
		m.mu.Unlock()
	}
}

// single is a number of float32 for JSON, which has null for what is not finite.
func single(x float64) any {
	if x = float64(float32(x)); math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return x
}

// Snapshot is a model's state.
type Snapshot struct {
	Rank     int
	Weights  []float64 // of the adapter; LogProbs reads them
	Gradient []float64 // that the next step would use
	M, V     []float64 // moments; nil before the first step
	Steps    int
	Datums   int // that the gradient is of
}

// Model is the state of a model; false = it is unknown or gone.
func (s *Server) Model(id string) (Snapshot, bool) {
	s.mu.Lock()
	m := s.models[id]
	s.mu.Unlock()
	if m == nil {
		return Snapshot{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead || m.a.weights == nil {
		return Snapshot{}, false
	}
	return Snapshot{Rank: m.rank, Weights: slices.Clone(m.a.weights), Gradient: s.gradient(m),
		M: slices.Clone(m.opt.m), V: slices.Clone(m.opt.v), Steps: m.opt.steps, Datums: m.count}, true
}

// LogProbs are those of every token behind the first, under an adapter's weights; no weights =
// the base model. It is a function of the weights, so that a test can take differences.
func (s *Server) LogProbs(weights []float64, tokens []int32) []float64 {
	a := s.zero.a
	if weights != nil {
		a = adapter{rank: len(weights) / s.toy.size(1), weights: weights}
	}
	out := make([]float64, max(len(tokens)-1, 0))
	if len(out) == 0 {
		return out
	}
	seq := sequence{tokens: tokens[:len(out)]}
	for _, x := range tokens[1:] {
		seq.targets = append(seq.targets, int(x))
	}
	s.toy.pass(a, []sequence{seq}, nil, func(p place, lp float64) float64 {
		out[p.at] = lp
		return 0
	})
	return out
}
