package tinkertest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"ballast/tinker"
)

func (s *Server) root(*query) answer {
	if s.h.Root == "" {
		return notFound
	}
	return answer{status: http.StatusOK, kind: jsonType, body: []byte(s.h.Root)}
}

func (s *Server) health(*query) answer { return object(http.StatusOK, map[string]any{"status": "ok"}) }

func (s *Server) telemetry(*query) answer {
	return object(http.StatusOK, map[string]any{"status": "accepted"})
}

func (s *Server) config(*query) answer {
	if s.h.Config == "" {
		return notFound
	}
	return answer{status: http.StatusOK, kind: jsonType, body: []byte(s.h.Config)}
}

func (s *Server) capabilities(*query) answer {
	return object(http.StatusOK, map[string]any{"supported_models": []any{map[string]any{"model_name": s.o.BaseModel}}})
}

func (s *Server) createSession(q *query) answer {
	if a := decode(q, &struct{}{}); a.status != 0 {
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &session{id: s.newID("session"), seen: s.o.Clock.Now()}
	s.sessions[n.id] = n
	return object(s.h.Created, map[string]any{"type": "create_session", "session_id": n.id,
		"info_message": nil, "warning_message": nil, "error_message": nil})
}

func (s *Server) heartbeat(q *query) answer {
	var r struct {
		Session string `json:"session_id"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.sessions[r.Session]
	if n == nil {
		return detail(http.StatusNotFound, "Session not found")
	}
	n.seen = s.o.Clock.Now()
	return object(http.StatusOK, map[string]any{"type": "session_heartbeat"})
}

// sweep unloads the models of sessions that nobody keeps alive.
func (s *Server) sweep() {
	if s.h.SessionTimeout <= 0 {
		return
	}
	var dead []*model
	s.mu.Lock()
	now := s.o.Clock.Now()
	for id, n := range s.sessions {
		if now.Sub(n.seen) <= s.h.SessionTimeout {
			continue
		}
		for _, name := range n.models {
			if m := s.models[name]; m != nil && m.gone == "" {
				s.unloaded(m)
				dead = append(dead, m)
			}
		}
		n.models = nil
		if !s.h.Durable {
			delete(s.sessions, id)
		}
	}
	s.mu.Unlock()
	for _, m := range dead {
		m.bury()
	}
}

// unloaded notes that a model is gone. Server.mu is held.
func (s *Server) unloaded(m *model) {
	m.gone = "Model " + m.id + " not loaded"
	if m.loaded {
		m.loaded = false
		s.loaded--
	}
	if !s.h.Durable {
		delete(s.models, m.id)
	}
}

// lora is what create_model says of the adapter.
type lora struct {
	Rank *int    `json:"rank"`
	Seed *uint64 `json:"seed"`
}

func (s *Server) createModel(q *query) answer {
	var r struct {
		Session string `json:"session_id"`
		Number  int    `json:"model_seq_id"`
		Base    string `json:"base_model"`
		Lora    *lora  `json:"lora_config"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	switch {
	case r.Base == "":
		return missing("base_model")
	case r.Lora == nil && s.h.Naming == UUIDs:
		return detail(http.StatusBadRequest, "lora_config is required")
	case r.Lora == nil || r.Lora.Rank == nil:
		return missing("lora_config")
	case r.Base != s.o.BaseModel && !s.h.Silent:
		return detail(http.StatusBadRequest, "Unknown base model "+r.Base)
	}
	m := &model{session: r.Session, base: r.Base, rank: *r.Lora.Rank, turn: 1, seqs: map[int]*future{}}
	s.mu.Lock()
	n := s.sessions[r.Session]
	if n == nil {
		s.mu.Unlock()
		return detail(http.StatusNotFound, "Session not found")
	}
	if s.h.Naming == Nested {
		m.id = fmt.Sprintf("%s:train:%d", r.Session, r.Number)
		if first := s.models[m.id]; first != nil { // the same request gets the same promise
			s.mu.Unlock()
			return s.submit(q, submission{model: first, kind: "create_model"})
		}
	} else {
		m.id = s.newID("model")
	}
	m.seed = mix(s.o.Seed, s.count) >> 33
	if r.Lora.Seed != nil {
		m.seed = *r.Lora.Seed
	}
	s.models[m.id] = m
	n.models = append(n.models, m.id)
	s.mu.Unlock()
	a := s.submit(q, submission{model: m, kind: "create_model", run: s.creates})
	if s.h.Naming != Short || a.status != s.h.Promised {
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return object(s.h.Promised, map[string]any{"model_id": m.id, "base_model": m.base,
		"lora_config": map[string]any{"rank": m.rank, "seed": r.Lora.Seed}, "status": "created", "request_id": requestID(a.body)})
}

// creates loads a model, if there is room for it.
func (s *Server) creates(m *model) (*result, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refused := ""
	switch {
	case m.gone != "": // a restart
		return nil, m.gone
	case s.h.Capacity > 0 && s.loaded >= s.h.Capacity-1:
		refused = fmt.Sprintf("Maximum number of LoRA adapters (%d) reached", s.h.Capacity)
	case m.rank < 1 || m.rank > s.h.MaxRank:
		refused = fmt.Sprintf("LoRA rank %d must be between 1 and %d", m.rank, s.h.MaxRank)
	}
	if refused != "" {
		m.gone, m.dead = "Model "+m.id+" not loaded", true
		if !s.h.Durable {
			delete(s.models, m.id)
		}
		return nil, refused
	}
	m.loaded = true
	s.loaded++
	m.a = s.toy.fresh(m.rank, m.seed)
	if s.h.Naming != Short {
		return &result{object: map[string]any{"model_id": m.id, "type": "create_model"}}, ""
	}
	return &result{object: map[string]any{"model_id": m.id, "base_model": m.base, "lora_config": map[string]any{
		"rank": m.rank, "alpha": alpha, "seed": m.seed, "train_attn": true, "train_mlp": true, "train_unembed": false}}}, ""
}

// named finds a model by its id.
func (s *Server) named(id string) (*model, answer) {
	if id == "" {
		return nil, missing("model_id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.models[id]; m != nil {
		return m, answer{}
	}
	return nil, detail(http.StatusNotFound, "Model not found")
}

func (s *Server) getInfo(q *query) answer {
	var r struct {
		Model string `json:"model_id"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	m, a := s.named(r.Model)
	if m == nil {
		return a
	}
	if s.h.Naming != Short {
		return object(http.StatusOK, map[string]any{"model_id": m.id, "is_lora": true, "lora_rank": m.rank, "model_name": m.base,
			"model_data": map[string]any{"arch": "toy", "model_name": m.base, "tokenizer_id": m.base}})
	}
	return object(http.StatusOK, map[string]any{"model_id": m.id, "status": "created", "model_data": map[string]any{
		"base_model": m.base, "lora_config": map[string]any{"rank": m.rank, "seed": nil}, "model_name": m.base}})
}

func (s *Server) unload(q *query) answer {
	var r struct {
		Model string `json:"model_id"`
		Seq   *int   `json:"seq_id"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	if r.Seq != nil && !s.h.UnloadTakesSeq {
		return invalid("extra_forbidden", "Extra inputs are not permitted", *r.Seq, "seq_id")
	}
	m, a := s.named(r.Model)
	if m == nil {
		return a
	}
	a = s.submit(q, submission{model: m, kind: "unload_model", run: func(m *model) (*result, string) {
		s.mu.Lock()
		s.unloaded(m)
		s.mu.Unlock()
		m.dead = true
		m.a, m.opt, m.grad, m.snap = adapter{}, moments{}, nil, nil
		return &result{object: map[string]any{"model_id": m.id, "status": "unloaded", "type": "unload_model"}}, ""
	}})
	if s.h.Naming == Short && a.status == s.h.Promised {
		return object(s.h.Promised, map[string]any{"request_id": requestID(a.body), "model_id": m.id})
	}
	return a
}

func (s *Server) forward(q *query) answer {
	if !s.o.Era.Forward {
		return notFound
	}
	return s.training(q, true)
}

func (s *Server) forwardBackward(q *query) answer { return s.training(q, false) }

// training takes a body of protobuf or JSON, as the era has it.
func (s *Server) training(q *query, forward bool) answer {
	var r tinker.ForwardBackwardRequest
	var err error
	proto := strings.Contains(strings.ToLower(q.r.Header.Get("Content-Type")), protoType)
	switch {
	case proto && (!s.o.Era.Protobuf || forward), !proto && !s.o.Era.JSON:
		return s.refuse(proto)
	case proto:
		if err = r.UnmarshalProto(q.body); err != nil {
			return detail(http.StatusUnprocessableEntity, "Invalid proto forward_backward body: "+err.Error())
		}
	default:
		if err = r.UnmarshalJSON(q.body); err != nil {
			return invalid("value_error", err.Error(), nil)
		}
		if r.ForwardOnly != forward {
			return missing(map[bool]string{true: "forward_input", false: "forward_backward_input"}[forward])
		}
	}
	m, a := s.named(r.ModelID)
	if m == nil {
		return a
	}
	loss, known := s.h.Losses[r.Loss]
	if !known && s.h.NamesLosses {
		return unknownLoss(r.Loss)
	}
	if a := s.keys(&r); a.status != 0 {
		return a
	}
	b, wrong := s.prepare(&r)
	switch {
	case !known:
		wrong = "Unknown loss function " + r.Loss
	case loss.Refused != "":
		wrong = loss.Refused
	}
	kind := "forward_backward"
	if r.ForwardOnly {
		kind = "forward"
	}
	return s.submit(q, submission{model: m, kind: kind, seq: r.SeqID, tokens: b.tokens, run: func(m *model) (*result, string) {
		if wrong != "" {
			return nil, wrong
		}
		return s.train(m, b), ""
	}})
}

// refuse is what the era says to a body that it does not take.
func (s *Server) refuse(proto bool) answer {
	switch {
	case s.o.Era.Refusal == http.StatusInternalServerError:
		return answer{status: s.o.Era.Refusal, kind: "text/plain; charset=utf-8", body: []byte("Internal Server Error")}
	case proto:
		return invalid("model_attributes_type", "Input should be a valid dictionary or object to extract fields from", "")
	}
	return detail(s.o.Era.Refusal, "forward_backward requires a "+protoType+" body (tinker SDK >= 0.25.0)")
}

// quoted is a list of names as Python prints it, without brackets.
func quoted(list []string) string { return "'" + strings.Join(list, "', '") + "'" }

// unknownLoss is pydantic's complaint about the name of a loss.
func unknownLoss(name string) answer {
	last := len(skyrlLosses) - 1
	expected := quoted(skyrlLosses[:last]) + " or " + quoted(skyrlLosses[last:])
	return object(http.StatusUnprocessableEntity, map[string]any{"detail": []any{map[string]any{"type": "literal_error",
		"loc": []any{"forward_backward_input", "loss_fn"}, "msg": "Input should be " + expected, "input": name,
		"ctx": map[string]any{"expected": expected}, "url": "https://errors.pydantic.dev/2.14/v/literal_error"}}})
}

// keys refuses settings of a loss that SkyRL does not know.
func (s *Server) keys(r *tinker.ForwardBackwardRequest) answer {
	if !s.h.NamesLosses {
		return answer{}
	}
	allowed := []string{"clip_high_threshold", "clip_low_threshold", "value_clip"}
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(r.Config)) {
		if !slices.Contains(allowed, name) {
			bad = append(bad, name)
		}
	}
	if bad == nil {
		return answer{}
	}
	text := fmt.Sprintf("Value error, Invalid loss_fn_config keys for loss_fn='%s': [%s]. Allowed keys: [%s].",
		r.Loss, quoted(bad), quoted(allowed))
	return object(http.StatusUnprocessableEntity, map[string]any{"detail": []any{map[string]any{
		"type": "value_error", "loc": []any{"forward_backward_input"}, "msg": text, "input": map[string]any{"loss_fn": r.Loss},
		"ctx": map[string]any{"error": map[string]any{}}, "url": "https://errors.pydantic.dev/2.14/v/value_error"}}})
}

func (s *Server) optimStep(q *query) answer {
	var r struct {
		Model string             `json:"model_id"`
		Seq   int                `json:"seq_id"`
		Adam  *tinker.AdamParams `json:"adam_params"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	m, a := s.named(r.Model)
	switch {
	case m == nil:
		return a
	case r.Adam == nil:
		return missing("adam_params")
	}
	o := submission{model: m, kind: "optim_step", seq: r.Seq, run: func(m *model) (*result, string) { return s.step(m, *r.Adam), "" }}
	if left := 1 - r.Adam.LearningRate*r.Adam.WeightDecay; s.h.DecaysAll && left != 1 {
		o.after = func() { s.decay(m, left) }
	}
	return s.submit(q, o)
}
