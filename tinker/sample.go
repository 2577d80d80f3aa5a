package tinker

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// StopReason says why a sequence ended.
type StopReason string

// The reasons. The token that stopped is part of the sequence.
const (
	Stop   StopReason = "stop"
	Length StopReason = "length"
)

// stopReasons are the reasons by their number in protobuf.
var stopReasons = []StopReason{Stop, Length}

// SampledSequence is one reply. LogProbs is nil where the server gives none, and else as
// long as Tokens.
type SampledSequence struct {
	StopReason StopReason `json:"stop_reason"`
	Tokens     []int32    `json:"tokens"`
	LogProbs   []float32  `json:"logprobs"`
}

// UnmarshalJSON refuses null among the numbers.
func (s *SampledSequence) UnmarshalJSON(text []byte) error {
	var j struct {
		StopReason StopReason    `json:"stop_reason"`
		Tokens     list[int32]   `json:"tokens"`
		LogProbs   list[float32] `json:"logprobs"`
	}
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	if j.Tokens == nil {
		return fmt.Errorf("tokens: there are none")
	}
	*s = SampledSequence{j.StopReason, j.Tokens, j.LogProbs}
	return nil
}

// TokenLogProb is a token that might have stood somewhere.
type TokenLogProb struct {
	ID      int32
	LogProb float32
}

// MarshalJSON is a pair.
func (t TokenLogProb) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{t.ID, t.LogProb}) }

// UnmarshalJSON reads a pair.
func (t *TokenLogProb) UnmarshalJSON(text []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if len(pair) != 2 || slices.ContainsFunc(pair, func(r json.RawMessage) bool { return string(r) == "null" }) {
		return fmt.Errorf("no pair of a token and its log-probability")
	}
	if err := json.Unmarshal(pair[0], &t.ID); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &t.LogProb)
}

// Maybe are log-probabilities of which some are unknown, which NaN says.
type Maybe []float32

// MarshalJSON writes null for what is unknown.
func (m Maybe) MarshalJSON() ([]byte, error) {
	if m == nil {
		return null, nil
	}
	all := make([]*float32, len(m))
	for i := range m {
		if !math.IsNaN(float64(m[i])) {
			all[i] = &m[i]
		}
	}
	return json.Marshal(all)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Maybe) UnmarshalJSON(text []byte) error {
	var all []*float32
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	if *m = nil; all == nil {
		return nil
	}
	*m = make(Maybe, len(all))
	for i, x := range all {
		if (*m)[i] = float32(math.NaN()); x != nil {
			(*m)[i] = *x
		}
	}
	return nil
}

// SampleResponse is what came of a request for samples.
type SampleResponse struct {
	Sequences      []SampledSequence `json:"sequences"`
	PromptLogProbs Maybe             `json:"prompt_logprobs"` // nil where none were asked for
	// TopK has the likeliest tokens at each position of the prompt, nil where none are
	// known.
	TopK      [][]TokenLogProb `json:"topk_prompt_logprobs"`
	CacheHits int              `json:"prompt_cache_hit_tokens,omitempty"` // tokens of the prompt that were not computed again
}

// noToken fills cells of TopkPromptLogprobs in which there is nothing.
var noToken = TokenLogProb{0, -99999}

// UnmarshalJSON checks what it reads as UnmarshalProto does.
func (r *SampleResponse) UnmarshalJSON(text []byte) error {
	type plain SampleResponse
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	for i, s := range p.Sequences {
		if err := s.check(); err != nil {
			return fmt.Errorf("SampleResponse: %w", at(err, "sequences", i))
		}
	}
	*r = SampleResponse(p)
	return nil
}

func (s *SampledSequence) check() error {
	if !slices.Contains(stopReasons, s.StopReason) {
		return fmt.Errorf("stop_reason: %q is none that is known here", cut(string(s.StopReason), 40))
	}
	if s.LogProbs != nil && len(s.LogProbs) != len(s.Tokens) {
		return fmt.Errorf("logprobs: %d for %d tokens", len(s.LogProbs), len(s.Tokens))
	}
	return nil
}

// AppendProto writes the message as protobuf.
func (r *SampleResponse) AppendProto(b []byte) []byte {
	for _, s := range r.Sequences {
		var m []byte
		m = appendInt(m, 1, int64(slices.Index(stopReasons, s.StopReason)))
		m = appendBytes(m, 2, appendTokens(nil, s.Tokens))
		if s.LogProbs != nil {
			m = appendFloats(appendHead(m, 3, 4*len(s.LogProbs)), s.LogProbs)
		}
		b = append(appendHead(b, 1, len(m)), m...)
	}
	if r.PromptLogProbs != nil {
		b = appendFloats(appendHead(b, 2, 4*len(r.PromptLogProbs)), r.PromptLogProbs)
	}
	if r.TopK != nil {
		m := appendTopK(r.TopK)
		b = append(appendHead(b, 3, len(m)), m...)
	}
	return appendInt(b, 4, int64(r.CacheHits))
}

func appendTopK(rows [][]TokenLogProb) (m []byte) {
	k := 1
	for _, row := range rows {
		k = max(k, len(row))
	}
	var ids []int32
	var lps []float32
	for _, row := range rows {
		for i := range k {
			cell := noToken
			if i < len(row) {
				cell = row[i]
			}
			ids, lps = append(ids, cell.ID), append(lps, cell.LogProb)
		}
	}
	m = appendBytes(m, 1, appendTokens(nil, ids))
	m = appendBytes(m, 2, appendFloats(nil, lps))
	return appendInt(appendInt(m, 3, int64(k)), 4, int64(len(rows)))
}

// UnmarshalProto reads what AppendProto, or another's program, wrote.
func (r *SampleResponse) UnmarshalProto(b []byte) error {
	*r = SampleResponse{}
	return in(fields(b, func(field protowire.Number, v value) error {
		switch field {
		case 1:
			r.Sequences = append(r.Sequences, SampledSequence{})
			return at(r.Sequences[len(r.Sequences)-1].readProto(v), "sequences", len(r.Sequences)-1)
		case 2:
			b, err := v.raw()
			if err == nil {
				r.PromptLogProbs, err = floatsOf(b)
			}
			return in(err, "prompt_logprobs")
		case 3:
			return in(r.readTopK(v), "topk_prompt_logprobs")
		case 4:
			return in(v.int(&r.CacheHits, math.MaxInt32), "prompt_cache_hit_tokens")
		}
		return nil
	}), "SampleResponse")
}

func (s *SampledSequence) readProto(v value) error {
	b, err := v.raw()
	if err != nil {
		return err
	}
	var reason int32
	s.Tokens = []int32{}
	err = fields(b, func(field protowire.Number, v value) error {
		var b []byte
		var err error
		switch field {
		case 1:
			return in(v.enum(&reason), "stop_reason")
		case 2:
			if b, err = v.raw(); err == nil {
				s.Tokens, err = tokensOf(b)
			}
			return in(err, "tokens")
		case 3:
			if b, err = v.raw(); err == nil {
				s.LogProbs, err = floatsOf(b)
			}
			return in(err, "logprobs")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if reason < 0 || int(reason) >= len(stopReasons) {
		return fmt.Errorf("stop_reason: %d is none that is known here", reason)
	}
	s.StopReason = stopReasons[reason]
	return s.check()
}

func (r *SampleResponse) readTopK(v value) error {
	b, err := v.raw()
	if err != nil {
		return err
	}
	var ids []int32
	var lps []float32
	var k, rows int
	err = fields(b, func(field protowire.Number, v value) error {
		var b []byte
		var err error
		switch field {
		case 1:
			if b, err = v.raw(); err == nil {
				ids, err = tokensOf(b)
			}
			return in(err, "token_ids")
		case 2:
			if b, err = v.raw(); err == nil {
				lps, err = floatsOf(b)
			}
			return in(err, "logprobs")
		case 3:
			return in(v.int(&k, math.MaxInt32), "k")
		case 4:
			return in(v.int(&rows, math.MaxInt32), "prompt_length")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if k == 0 && rows > 0 || k*rows != len(ids) || len(ids) != len(lps) {
		return fmt.Errorf("%d ids and %d log-probabilities are not %d rows of %d", len(ids), len(lps), rows, k)
	}
	r.TopK = make([][]TokenLogProb, rows)
	for i := range r.TopK {
		for j := i * k; j < (i+1)*k; j++ {
			if cell := (TokenLogProb{ids[j], lps[j]}); cell != noToken {
				r.TopK[i] = append(r.TopK[i], cell)
			}
		}
	}
	return nil
}
