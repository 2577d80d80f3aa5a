package tinkertest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"ballast/model/tensorfile"
)

// checkpoint is what was saved under a name. Checkpoints outlive a restart.
type checkpoint struct {
	model, kind, name string // kind is weights or sampler_weights
	base              string
	snap              *snapshot
	opt               moments // of weights
	ready             bool
}

func (c *checkpoint) key() string { return c.model + "/" + c.kind + "/" + c.name }

// path is what clients name it by.
func (s *Server) path(c *checkpoint) string {
	if c.kind == "sampler_weights" && !s.h.SamplerFolder {
		return "tinker://" + c.model + "/" + c.name
	}
	return "tinker://" + c.key()
}

// Saved are the paths of the checkpoints that the server keeps, in order.
func (s *Server) Saved() (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.saved {
		if c.ready {
			paths = append(paths, s.path(c))
		}
	}
	slices.Sort(paths)
	return paths
}

var fit = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

func (s *Server) saveWeights(q *query) answer {
	var r struct {
		Model     string `json:"model_id"`
		Path      string `json:"path"`
		Seq       int    `json:"seq_id"`
		Overwrite bool   `json:"overwrite"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	m, a := s.named(r.Model)
	if m == nil {
		return a
	}
	return s.saving(q, m, r.Seq, "weights", r.Path, r.Overwrite && s.h.Naming != Short, func(c *checkpoint) map[string]any {
		return map[string]any{"path": s.path(c), "type": "save_weights"}
	})
}

func (s *Server) saveForSampler(q *query) answer {
	var r struct {
		Model   string  `json:"model_id"`
		Path    *string `json:"path"`
		Session *int    `json:"sampling_session_seq_id"`
		Seq     int     `json:"seq_id"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	m, a := s.named(r.Model)
	if m == nil {
		return a
	}
	var kind any = "save_weights_for_sampler"
	if s.h.Naming == UUIDs {
		kind = nil
	}
	if r.Path != nil {
		return s.saving(q, m, r.Seq, "sampler_weights", *r.Path, false, func(c *checkpoint) map[string]any {
			return map[string]any{"path": s.path(c), "type": kind, "sampling_session_id": nil}
		})
	}
	if r.Session == nil {
		return detail(http.StatusBadRequest, "One of path and sampling_session_seq_id is needed")
	}
	return s.submit(q, submission{model: m, kind: q.kind, seq: r.Seq, run: func(m *model) (*result, string) {
		x := &sampler{now: s.snapshot(m), of: m.id}
		s.mu.Lock()
		defer s.mu.Unlock()
		return &result{object: map[string]any{"path": nil, "type": kind, "sampling_session_id": s.addSampler(x)}}, ""
	}})
}

// saving promises a checkpoint. On SkyRL its name is taken when it is asked for, so that the
// same request, sent again, is a conflict; elsewhere when it is saved.
func (s *Server) saving(q *query, m *model, seq int, kind, name string, overwrite bool, says func(*checkpoint) map[string]any) answer {
	if !fit.MatchString(name) {
		return invalid("string_pattern_mismatch", "String should match pattern '^[a-zA-Z0-9_-]+$'", name, "path")
	}
	c := &checkpoint{model: m.id, kind: kind, name: name, base: m.base}
	taken := fmt.Sprintf("Checkpoint '%s' already exists for model '%s'", name, m.id)
	if s.h.Naming == Short {
		s.mu.Lock()
		if s.saved[c.key()] != nil {
			s.mu.Unlock()
			return detail(http.StatusConflict, taken)
		}
		s.saved[c.key()] = c
		s.mu.Unlock()
	}
	return s.submit(q, submission{model: m, kind: q.kind, seq: seq, run: func(m *model) (*result, string) {
		done := *c
		done.snap, done.ready = s.snapshot(m), true
		if kind == "weights" {
			done.opt = m.opt
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.saved[c.key()] != nil && s.saved[c.key()] != c && !overwrite {
			return nil, taken
		}
		s.saved[c.key()] = &done
		return &result{object: says(&done)}, ""
	}})
}

// find finds a checkpoint by its path. Server.mu is held.
func (s *Server) find(path, kind string) (*checkpoint, answer) {
	rest, ok := strings.CutPrefix(path, "tinker://")
	parts := strings.Split(rest, "/")
	if len(parts) == 2 && kind == "sampler_weights" {
		parts = []string{parts[0], kind, parts[1]}
	}
	if !ok || len(parts) != 3 || parts[1] != kind {
		return nil, detail(http.StatusBadRequest, "The path must be in format tinker://source_model_id/"+kind+"/checkpoint_id")
	}
	c := s.saved[strings.Join(parts, "/")]
	switch {
	case c == nil:
		return nil, detail(http.StatusNotFound, "Checkpoint not found: "+parts[0]+"/"+parts[2])
	case !c.ready:
		return nil, detail(http.StatusTooEarly, "Checkpoint is still being created")
	}
	return c, answer{}
}

func (s *Server) loadWeights(q *query) answer {
	var r struct {
		Model     string `json:"model_id"`
		Path      string `json:"path"`
		Seq       int    `json:"seq_id"`
		Optimizer bool   `json:"optimizer"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	m, a := s.named(r.Model)
	if m == nil {
		return a
	}
	s.mu.Lock()
	if r.Seq > 1 || s.h.LoadsFirst && m.asked {
		s.mu.Unlock()
		return detail(http.StatusBadRequest, fmt.Sprintf("LoadWeights is not permitted with seq_id %d", r.Seq))
	}
	c, a := s.find(r.Path, "weights")
	s.mu.Unlock()
	if a.status != 0 {
		return a
	}
	return s.submit(q, submission{model: m, kind: "load_weights", seq: r.Seq, run: func(m *model) (*result, string) {
		if c.snap.a.rank != m.rank {
			return nil, fmt.Sprintf("Rank mismatch: checkpoint has rank %d, model configured with rank %d", c.snap.a.rank, m.rank)
		}
		m.a, m.snap = c.snap.a, nil
		if r.Optimizer {
			m.opt = c.opt
		}
		return &result{object: map[string]any{"type": "load_weights"}}, ""
	}})
}

func (s *Server) weightsInfo(q *query) answer {
	var r struct {
		Path string `json:"tinker_path"`
	}
	if a := decode(q, &r); a.status != 0 {
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, a := s.find(r.Path, "weights")
	if a.status != 0 {
		return a
	}
	return object(http.StatusOK, map[string]any{"base_model": c.base, "is_lora": true, "lora_rank": c.snap.a.rank})
}

func (s *Server) trainingRuns(*query) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := []any{}
	for _, id := range slices.Sorted(maps.Keys(s.models)) {
		runs = append(runs, s.describe(s.models[id]))
	}
	return object(http.StatusOK, map[string]any{"training_runs": runs,
		"cursor": map[string]any{"offset": 0, "limit": len(runs), "total_count": len(runs)}})
}

func (s *Server) describe(m *model) map[string]any {
	return map[string]any{"training_run_id": m.id, "base_model": m.base, "model_owner": "default", "is_lora": true,
		"corrupted": false, "lora_rank": m.rank, "last_request_time": s.o.Clock.Now().UTC().Format("2006-01-02T15:04:05Z")}
}

// run answers below /api/v1/training_runs/: a run, its checkpoints, one of them as an archive.
func (s *Server) run(q *query, rest string) answer {
	model, rest, listed := strings.Cut(rest, "/checkpoints")
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.r.Method == http.MethodGet && !listed {
		if m := s.models[model]; m != nil {
			return object(http.StatusOK, s.describe(m))
		}
		return detail(http.StatusNotFound, "Model not found")
	}
	if q.r.Method == http.MethodGet && rest == "" {
		return s.list(model)
	}
	name := strings.TrimPrefix(rest, "/")
	archive, link := strings.CutSuffix(name, "/archive")
	if link {
		name = archive
	}
	file, download := strings.CutSuffix(name, "/download")
	if download {
		name = file
	}
	kind := "sampler_weights"
	if folder, own, found := strings.Cut(name, "/"); found {
		kind, name = folder, own
	}
	c, a := s.find("tinker://"+model+"/"+kind+"/"+name, kind)
	switch {
	case a.status != 0:
		return a
	case q.r.Method == http.MethodDelete && !link && !download:
		delete(s.saved, c.key())
		return answer{status: http.StatusNoContent}
	case q.r.Method == http.MethodGet && link:
		to := strings.TrimSuffix(q.r.URL.Path, "/archive") + "/download"
		return answer{status: http.StatusFound, header: map[string]string{"Location": s.URL + to}}
	case q.r.Method == http.MethodGet && download:
		return answer{status: http.StatusOK, kind: "application/octet-stream", body: s.archive(c)}
	}
	return notFound
}

// list are the checkpoints of a run. Server.mu is held.
func (s *Server) list(model string) answer {
	out := []any{}
	for _, key := range slices.Sorted(maps.Keys(s.saved)) {
		c := s.saved[key]
		if c.model != model || !c.ready {
			continue
		}
		kind := map[string]string{"weights": "training", "sampler_weights": "sampler"}[c.kind]
		out = append(out, map[string]any{"checkpoint_id": c.name, "checkpoint_type": kind, "tinker_path": "tinker://" + c.key()})
	}
	return object(http.StatusOK, map[string]any{"checkpoints": out})
}

// archive is a checkpoint as a PEFT folder in a tar.gz. The toy's matrices stand under names of
// its own: no network has them.
func (s *Server) archive(c *checkpoint) []byte {
	a := c.snap.a
	config, _ := json.Marshal(map[string]any{"peft_type": "LORA", "r": a.rank, "lora_alpha": int(alpha), "bias": "none",
		"lora_dropout": 0.0, "base_model_name_or_path": c.base, "target_modules": []string{"toy"}}) // texts and numbers cannot fail
	var tensors []tensorfile.Tensor
	for j := range s.toy.order + 1 {
		t := tensorfile.Tensor{Name: tensorName(j, s.toy.order), Shape: []int{s.toy.vocab, a.rank}}
		for _, x := range a.weights[j*s.toy.vocab*a.rank : (j+1)*s.toy.vocab*a.rank] {
			t.Data = append(t.Data, float32(x))
		}
		tensors = append(tensors, t)
	}
	var weights, out bytes.Buffer
	if err := tensorfile.WriteSafetensors(&weights, tensors, tensorfile.F32); err != nil {
		panic(err) // a buffer takes everything
	}
	zip := gzip.NewWriter(&out)
	files := tar.NewWriter(zip)
	for _, f := range []struct {
		name string
		data []byte
	}{{"adapter_config.json", config}, {"adapter_model.safetensors", weights.Bytes()}} {
		files.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data))}) // a buffer takes everything
		files.Write(f.data)
	}
	files.Close()
	zip.Close()
	return out.Bytes()
}
