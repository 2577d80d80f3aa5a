package tinker

import (
	"context"
	"math"
	"strings"
	"testing"
)

// TestNotSent: what a server would take silently, and train something else with.
func TestNotSent(t *testing.T) {
	f := newFake(t)
	m, _ := f.model(Options{Wire: Proto, Vocabulary: 50})
	inf := float32(math.Inf(1))
	ppo := map[string]float64{"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
	targets := Named{"target_tokens", Ints([]int32{2, 3})}
	weights := Named{"weights", Floats([]float32{1, 1})}
	lps, advantages := Named{"logprobs", Floats([]float32{-1, -1})}, Named{"advantages", Floats([]float32{1, -1})}
	in := ModelInput{1, 2}
	for _, c := range []struct {
		data   []Datum
		loss   string
		config map[string]float64
		want   string // "" = it is sent
	}{
		{[]Datum{{in, Tensors{targets, weights}}}, "cross_entropy", nil, ""},
		{[]Datum{{in, Tensors{targets, lps, advantages}}}, "importance_sampling", nil, ""},
		{[]Datum{{in, Tensors{targets, lps, advantages, weights}}}, "ppo", ppo, ""},
		{nil, "cross_entropy", nil, "no datum"},
		{[]Datum{{in, Tensors{targets, weights}}, {nil, nil}}, "cross_entropy", nil, "datum 1: no token"},
		{[]Datum{{in, Tensors{targets, weights}}}, "dropout", nil, `loss "dropout" is none`},
		{[]Datum{{in, Tensors{targets}}}, "cross_entropy", nil, "cross_entropy needs weights"},
		{[]Datum{{in, Tensors{weights}}}, "cross_entropy", nil, "needs target_tokens"},
		{[]Datum{{in, Tensors{targets, weights, lps}}}, "cross_entropy", nil, `cross_entropy has no tensor "logprobs"`},
		{[]Datum{{in, Tensors{targets, advantages}}}, "importance_sampling", nil, "importance_sampling needs logprobs"},
		{[]Datum{{in, Tensors{targets, lps, advantages}}}, "ppo", nil, "ppo needs clip_low_threshold"},
		{[]Datum{{in, Tensors{targets, weights}}}, "cross_entropy", map[string]float64{"beta": 1}, `no "beta"`},
		{[]Datum{{in, Tensors{targets, lps, advantages}}}, "ppo", map[string]float64{"clip_low_threshold": math.NaN(), "clip_high_threshold": 1}, "is NaN"},
		{[]Datum{{in, Tensors{targets, weights, weights}}}, "cross_entropy", nil, `"weights" stands twice`},
		{[]Datum{{ModelInput{1, 2, 3}, Tensors{targets, weights}}}, "cross_entropy", nil, "target_tokens has 2 elements for 3 tokens"},
		{[]Datum{{in, Tensors{targets, {"weights", Floats([]float32{1})}}}}, "cross_entropy", nil, "weights has 1 elements for 2 tokens"},
		{[]Datum{{in, Tensors{targets, {"weights", Ints([]int{1, 1})}}}}, "cross_entropy", nil, "weights is of int64"},
		{[]Datum{{in, Tensors{{"target_tokens", Floats([]float32{1, 1})}, weights}}}, "cross_entropy", nil, "target_tokens is of float32"},
		{[]Datum{{in, Tensors{targets, {"weights", Floats([]float32{1, nan})}}}}, "cross_entropy", nil, "weights[1] is NaN"},
		{[]Datum{{in, Tensors{targets, lps, {"advantages", Floats([]float32{inf, 1})}}}}, "importance_sampling", nil, "advantages[0] is +Inf"},
		{[]Datum{{ModelInput{1, 50}, Tensors{targets, weights}}}, "cross_entropy", nil, "token 1 is 50, and the vocabulary has the ids from 0 to 49"},
		{[]Datum{{ModelInput{-1, 2}, Tensors{targets, weights}}}, "cross_entropy", nil, "token 0 is -1"},
		{[]Datum{{in, Tensors{{"target_tokens", Ints([]int{1, 99999})}, weights}}}, "cross_entropy", nil, "target 1 is 99999"},
	} {
		before := len(f.jobs)
		_, err := m.Forward(t.Context(), c.data, c.loss, c.config).Wait()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || len(f.jobs) != before) {
			t.Errorf("%s with %v: %v, want %q", c.loss, c.data, err, c.want)
		}
	}
	for want, adam := range map[string]AdamParams{"learning_rate is NaN": {LearningRate: math.NaN()}, "learning_rate is -1": {LearningRate: -1},
		"beta1 is 1": {Beta1: 1}, "eps is +Inf": {Eps: math.Inf(1)}, "weight_decay is -0.1": {WeightDecay: -0.1}} {
		if _, err := m.OptimStep(t.Context(), adam).Wait(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	s := must[*Sampler](t)(m.c.BaseSampler(t.Context(), "base"))
	seed := int64(-1)
	for want, p := range map[string]Prompt{
		"no token": {MaxTokens: 1}, "0 tokens at most": {Tokens: in}, "prompt token 0 is 50": {Tokens: []int32{50}, MaxTokens: 1},
		"stop token 0 is -1": {Tokens: in, MaxTokens: 1, Stop: []int32{-1}}, "temperature is NaN": {Tokens: in, MaxTokens: 1, Temperature: math.NaN()},
		"top_p is 2": {Tokens: in, MaxTokens: 1, TopP: 2}, "top_k is -1": {Tokens: in, MaxTokens: 1, TopK: -1}, "seed is -1": {Tokens: in, MaxTokens: 1, Seed: &seed},
		"-1 replies": {Tokens: in, MaxTokens: 1, Samples: -1}} {
		if _, err := s.Sample(t.Context(), p).Wait(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, name := range []string{"", "a/b", "ä", strings.Repeat("a", 256)} {
		for _, save := range []func(context.Context, string) *Future[string]{m.SaveWeights, m.SaveForSampler} {
			if _, err := save(t.Context(), name).Wait(); err == nil {
				t.Errorf("saved as %q", name)
			}
		}
	}
	if _, err := m.c.CreateModel(t.Context(), "", LoRAConfig{}); err == nil {
		t.Error("a model of nothing")
	}
	if _, err := m.c.CreateModel(t.Context(), "base", LoRAConfig{Rank: 8}); err == nil {
		t.Error("an adapter on nothing")
	}
	if _, err := m.c.Sampler(t.Context(), ""); err == nil {
		t.Error("a sampler of nothing")
	}
}

// TestSamplesAreChecked: a reply that is none to what was asked is an error.
func TestSamplesAreChecked(t *testing.T) {
	f := newFake(t)
	c, _ := f.dial(Options{Vocabulary: 10})
	s := must[*Sampler](t)(c.BaseSampler(t.Context(), "base"))
	one := func(tokens []int32, lps []float32) []SampledSequence { return []SampledSequence{{Stop, tokens, lps}} }
	for want, r := range map[string]SampleResponse{
		"0 sequences instead of 1":              {},
		"3 tokens, and 2 were allowed":          {Sequences: one([]int32{1, 2, 3}, nil)},
		"token 1 is 10":                         {Sequences: one([]int32{1, 10}, nil)},
		"log-probability of token 1 is NaN":     {Sequences: one([]int32{1, 2}, []float32{-1, nan})},
		"1 log-probabilities of a prompt with":  {Sequences: one([]int32{1}, nil), PromptLogProbs: Maybe{-1}},
		"the prompt's token 2 is NaN":           {Sequences: one([]int32{1}, nil), PromptLogProbs: Maybe{-1, nan}},
		"top log-probabilities at 1 of a promp": {Sequences: one([]int32{1}, nil), PromptLogProbs: Maybe{-1, -1}, TopK: [][]TokenLogProb{{{1, -1}}}},
	} {
		f.script(PathRetrieveFuture, reply{200, TypeProto, string(r.AppendProto(nil)), nil})
		_, err := s.Sample(t.Context(), Prompt{Tokens: []int32{1, 2, 3}, MaxTokens: 2, LogProbs: true, TopLogProbs: 1}).Wait()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	good := SampleResponse{Sequences: one([]int32{1}, []float32{-1}), PromptLogProbs: Maybe{-1, -2}, TopK: [][]TokenLogProb{{{1, -1}}, {{2, -2}}}}
	f.script(PathRetrieveFuture, reply{200, TypeProto, string(good.AppendProto(nil)), nil})
	got := must[*SampleResponse](t)(s.Sample(t.Context(), Prompt{Tokens: []int32{1, 2, 3}, MaxTokens: 2, LogProbs: true, TopLogProbs: 1}).Wait())
	if len(got.TopK) != 3 || got.TopK[0] != nil || got.TopK[2][0].ID != 2 || len(got.PromptLogProbs) != 3 || got.PromptLogProbs[2] != -2 {
		t.Errorf("%+v", got)
	}
}

// TestChunks: requests hold to what the server, or the user, says; nothing is left out.
func TestChunks(t *testing.T) {
	one := batch(1, 8)
	size := sizeOf(3, one[0].protoSize())
	for name, c := range map[string]struct {
		config string
		o      Options
		datums int
		want   []int
	}{
		"default":             {datums: 1025, want: []int{1024, 1}},
		"of the server":       {config: `{"fwdbwd_max_chunk_len":4}`, datums: 9, want: []int{4, 4, 1}},
		"of the user":         {config: `{"fwdbwd_max_chunk_len":4}`, o: Options{ChunkDatums: 5}, datums: 9, want: []int{5, 4}},
		"bytes":               {o: Options{Wire: Proto, ChunkBytes: 2*size + 1}, datums: 5, want: []int{2, 2, 1}},
		"bytes of the server": {config: `{"fwdbwd_max_chunk_bytes_count":1}`, datums: 3, want: []int{1, 1, 1}},
		"larger in JSON":      {o: Options{Wire: JSON, ChunkBytes: 2*size + 1}, datums: 2, want: []int{1, 1}},
	} {
		f := newFake(t)
		f.config = c.config
		m, _ := f.model(c.o)
		data := batch(c.datums, 8)
		got := m.c.chunks(data)
		total := 0
		for i, part := range got {
			if i >= len(c.want) || len(part) != c.want[i] {
				t.Errorf("%s: request %d has %d datums, want %v", name, i, len(part), c.want)
			}
			total += len(part)
		}
		if total != c.datums || len(got) != len(c.want) {
			t.Errorf("%s: %d requests with %d datums", name, len(got), total)
		}
	}
	f := newFake(t)
	f.config = `{"fwdbwd_max_chunk_len":0}`
	if _, err := Dial(t.Context(), Options{Address: f.URL, Heartbeat: -1}); err == nil || !strings.Contains(err.Error(), "fwdbwd_max_chunk_len is 0") {
		t.Error(err)
	}
}

func TestJoined(t *testing.T) {
	parts := []part{
		{&ForwardBackwardOutput{Metrics: Metrics{"a:sum": 1, "b:mean": 1, "c:max": 1, "d:min": 1, "e:last": 1, "f:unique": 1, "g": 1, "h:sum": 1}}, 1},
		{&ForwardBackwardOutput{Metrics: Metrics{"a:sum": 2, "b:mean": 5, "c:max": 3, "d:min": -3, "e:last": 4, "f:unique": 1, "g": 1}}, 3},
	}
	got := joined(parts).Metrics
	want := Metrics{"a:sum": 3, "b:mean": 4, "c:max": 3, "d:min": -3, "e:last": 4}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	for name, x := range want {
		if got[name] != x {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	if got := joined(parts[:1]).Metrics; len(got) != 8 {
		t.Errorf("%v", got)
	}
}
