package tinkertest

import (
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ballast/tinker"
)

// trained is a model that is not the base any more, and a sampler of its weights.
func trained(t *testing.T, o Options) (c *client, model, session string) {
	c = start(t, o)
	model = c.create(4, 3)
	for i := range 3 {
		c.backward(model, "cross_entropy", nil, sequenceOf(tokens(i, 12, o.Vocab), ones(11)))
		c.step(model, adam)
	}
	return c, model, c.sampler(model)
}

// TestSampledLogProbs: the log-probabilities of samples are those of forward, bit by bit, and
// do not know temperature, top_k and top_p.
func TestSampledLogProbs(t *testing.T) {
	for _, order := range []int{1, 3} {
		c, m, session := trained(t, Options{Vocab: 20, Order: order, Seed: 1})
		start := []int32{3, 1, 4, 1}
		for _, params := range []fields{
			{"max_tokens": 12, "seed": 5}, {"max_tokens": 12, "seed": 5, "temperature": 0.5},
			{"max_tokens": 12, "seed": 5, "top_k": 3}, {"max_tokens": 12, "temperature": 0},
			{"max_tokens": 12, "seed": 5, "top_p": 0.4, "temperature": 1.5},
		} {
			body := prompt(session, start, params)
			body["prompt_logprobs"] = true
			out := c.draw(body)
			s := out.Sequences[0]
			if s.StopReason != tinker.Length || len(s.Tokens) != 12 {
				t.Fatalf("%v: %+v", params, s)
			}
			all := append(slices.Clone(start), s.Tokens...)
			lps, _ := c.forward(m, sequenceOf(all, ones(len(all)-1))).Outputs[0].Get("logprobs")
			if got := append(slices.Clone([]float32(out.PromptLogProbs)), s.LogProbs...); !slices.Equal(got, lps.Floats()) {
				t.Errorf("%v: %v and not %v", params, got, lps.Floats())
			}
		}
	}
}

// TestDistribution: tokens are as frequent as they are likely, after temperature and truncation.
func TestDistribution(t *testing.T) {
	c, m, session := trained(t, Options{Vocab: 9, Seed: 1})
	lps := make([]float64, 9)
	for v := range lps {
		lps[v] = c.s.LogProbs(c.state(m).Weights, []int32{4, int32(v)})[0]
	}
	order := likeliest(lps)
	for _, test := range []struct {
		params fields
		keep   func(p []float64)
	}{
		{fields{}, func([]float64) {}},
		{fields{"temperature": 0.5}, func(p []float64) {
			for v := range p {
				p[v] *= p[v]
			}
		}},
		{fields{"top_k": 3}, func(p []float64) {
			for _, v := range order[3:] {
				p[v] = 0
			}
		}},
		{fields{"top_p": 0.6}, func(p []float64) {
			sum := 0.0
			for _, v := range order {
				if sum >= 0.6 {
					p[v] = 0
					continue
				}
				sum += p[v]
			}
		}},
	} {
		p := make([]float64, 9)
		for v, lp := range lps {
			p[v] = math.Exp(lp)
		}
		test.keep(p)
		sum := 0.0
		for _, x := range p {
			sum += x
		}
		const n = 20000
		test.params["max_tokens"], test.params["seed"] = 1, 77
		body := prompt(session, []int32{4}, test.params)
		body["num_samples"] = n
		count := make([]float64, 9)
		for _, s := range c.draw(body).Sequences {
			count[s.Tokens[0]]++
		}
		for v := range p {
			want := p[v] / sum
			if got := count[v] / n; !close64(got, want, 5*math.Sqrt(want*(1-want)/n)) || want == 0 && got != 0 {
				t.Errorf("%v: token %d has %.4f and not %.4f", test.params, v, got, want)
			}
		}
	}
}

// TestSeeds: equal seeds repeat, sample i has the seed plus i, and without one the server draws.
func TestSeeds(t *testing.T) {
	c, _, session := trained(t, Options{Vocab: 50, Seed: 1})
	params := fields{"max_tokens": 10, "seed": 7}
	body := prompt(session, []int32{1, 2}, params)
	body["num_samples"] = 3
	a, b := c.draw(body), c.draw(body)
	if !reflect.DeepEqual(a, b) {
		t.Error("equal seeds differ")
	}
	params["seed"] = 9
	body["num_samples"] = 1
	if got := c.draw(body).Sequences[0]; !reflect.DeepEqual(got, a.Sequences[2]) {
		t.Errorf("seed 9: %v and not the third of seed 7, %v", got, a.Sequences[2])
	}
	delete(params, "seed")
	if a, b := c.draw(body), c.draw(body); reflect.DeepEqual(a, b) {
		t.Error("samples without a seed are equal")
	}
}

// TestStops: the token that stops is part of the reply.
func TestStops(t *testing.T) {
	text := func(tokens []int32) string {
		var b strings.Builder
		for _, x := range tokens {
			b.WriteByte('a' + byte(x))
		}
		return b.String()
	}
	c, _, session := trained(t, Options{Vocab: 20, Seed: 1, Text: text})
	free := c.draw(prompt(session, []int32{1}, fields{"max_tokens": 20, "seed": 3})).Sequences[0].Tokens
	end := slices.Index(free, free[5])
	for _, stop := range []any{[]int32{free[5]}, []string{text(free[5:6])}} {
		s := c.draw(prompt(session, []int32{1}, fields{"max_tokens": 20, "seed": 3, "stop": stop})).Sequences[0]
		if s.StopReason != tinker.Stop || !slices.Equal(s.Tokens, free[:end+1]) {
			t.Errorf("%v: %+v and not %v", stop, s, free[:end+1])
		}
	}
}

// TestSamplers: a session keeps the weights that it was made of; base models and paths have theirs.
func TestSamplers(t *testing.T) {
	for _, h := range []Habits{SkyRL(), TuFT(), Hosted()} {
		c, m, session := trained(t, Options{Vocab: 20, Seed: 1, Habits: h})
		old := c.state(m).Weights
		saved := c.save("save_weights_for_sampler", m, "now")
		c.backward(m, "cross_entropy", nil, sequenceOf(tokens(8, 12, 20), ones(11)))
		c.step(m, adam)
		byPath := c.field(c.post("create_sampling_session", fields{"session_id": c.to, "model_path": saved}), "sampling_session_id")
		base := c.field(c.post("create_sampling_session", fields{"session_id": c.to, "base_model": "toy"}), "sampling_session_id")
		seq := []int32{5, 3, 9, 2}
		for i, test := range []struct {
			session string
			weights []float64
		}{{session, old}, {byPath, old}, {base, nil}, {c.sampler(m), c.state(m).Weights}} {
			body := prompt(test.session, seq, fields{"max_tokens": 0})
			body["prompt_logprobs"] = true
			got := c.draw(body).PromptLogProbs
			if h.NullPrompt {
				if !math.IsNaN(float64(got[0])) {
					t.Errorf("%s: the first of %v is known", h.Name, got)
				}
				got = got[1:]
			}
			for j, want := range c.s.LogProbs(test.weights, seq) {
				if got[j] != float32(want) {
					t.Errorf("%s, sampler %d: %v and not %v", h.Name, i, got[j], want)
				}
			}
		}
	}
}

// TestTopK: the likeliest tokens at each position of the prompt, where the server knows them.
func TestTopK(t *testing.T) {
	c, m, session := trained(t, Options{Vocab: 20, Seed: 1, Habits: Hosted()})
	body := prompt(session, []int32{5, 3, 9}, fields{"max_tokens": 1})
	body["topk_prompt_logprobs"] = 4
	top := c.draw(body).TopK
	if len(top) != 3 || top[0] != nil || len(top[2]) != 4 {
		t.Fatalf("%v", top)
	}
	w := c.state(m).Weights
	for _, x := range top[2] {
		if want := c.s.LogProbs(w, []int32{3, x.ID})[0]; x.LogProb != float32(want) || x.LogProb > top[2][0].LogProb {
			t.Errorf("%v and not %v", x, want)
		}
	}
	c, _, session = trained(t, Options{Vocab: 20})
	body["sampling_session_id"] = session
	got := c.result(c.post("asample", body))
	if got.status != 400 || !strings.Contains(string(got.body), "topk_prompt_logprobs is not supported") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestBaseLogits: a test's own logits are part of the base model, of forward and of samples.
func TestBaseLogits(t *testing.T) {
	o := Options{Vocab: 10, Base: func(prefix []int32, logits []float64) { logits[(int(prefix[0])+len(prefix))%10] += 50 }}
	c, m, session := trained(t, o)
	s := c.draw(prompt(session, []int32{2, 7}, fields{"max_tokens": 5})).Sequences[0]
	if !slices.Equal(s.Tokens, []int32{4, 5, 6, 7, 8}) {
		t.Errorf("%v", s.Tokens)
	}
	all := append([]int32{2, 7}, s.Tokens...)
	lps, _ := c.forward(m, sequenceOf(all, ones(6))).Outputs[0].Get("logprobs")
	if !slices.Equal(lps.Floats()[1:], s.LogProbs) {
		t.Errorf("%v and %v", lps.Floats(), s.LogProbs)
	}
}

// TestTooMany: asample says 429 beyond so many in flight, and a sample that is sent again with
// its number is the same promise on a server that notices.
func TestTooMany(t *testing.T) {
	clock := NewManualClock()
	c := start(t, Options{Vocab: 10, Habits: Hosted(), Clock: clock, InFlight: 2, Latency: map[string]Latency{"asample": {PerToken: 1e9}}})
	base := c.field(c.post("create_sampling_session", fields{"session_id": c.to, "base_model": "toy"}), "sampling_session_id")
	body := func(seq int) fields {
		b := prompt(base, []int32{1}, fields{"max_tokens": 3})
		b["seq_id"] = seq
		return b
	}
	first, again := c.post("asample", body(0)), c.post("asample", body(0))
	if first.status != http.StatusOK || string(first.body) != string(again.body) {
		t.Errorf("%s and %s", first.body, again.body)
	}
	c.post("asample", body(1))
	if got := c.post("asample", body(2)); got.status != http.StatusTooManyRequests {
		t.Errorf("%d %s", got.status, got.body)
	}
}
